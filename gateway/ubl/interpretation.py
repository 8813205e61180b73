"""An invoice on paper or in a PDF, written as UBL: an interpretation that says so, with the page attached.

It is for the receiver's own system and never goes onto the network: the supplier did not write it. Lines are not read
from paper, so there is one for the whole net amount. Source: Peppol BIS Billing 3.0 for the place of each term.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from lxml import etree

from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS
from gateway.ubl.names import CAC, CBC

MARK: Final = "Interpretation of a scanned invoice or PDF; the attached page is the original."
MARK_SV: Final = "Tolkning av skannad faktura eller PDF; den bifogade sidan är originalet."
_SCHEMES: Final = {"SE": "0007", "NO": "0192", "DK": "0184", "FI": "0216"}
_BRANCHES: Final = {"BG": "SE:BANKGIRO", "PG": "SE:PLUSGIRO"}
_UNPRINTABLE: Final = dict.fromkeys((*range(32), 127, 65534, 65535, *range(55296, 57344)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The file that was interpreted."""

    id: str
    file_name: str
    media_type: str
    octets: bytes


def write(fields: Mapping[str, str], receiver: str, receiver_name: str, original: Original) -> bytes:
    """The UBL document of these fields (names of ``model/scan.py``), for a participant such as ``0007:5567212047``."""
    credit = fields.get("kind") == "credit"
    kind = BILLING_CREDIT_NOTE if credit else BILLING_INVOICE
    name = "CreditNote" if credit else "Invoice"
    root = etree.Element(f"{{{kind.syntax.partition('::')[0]}}}{name}", nsmap=_spaces(kind.syntax.partition("::")[0]))
    currency = fields["currency"]
    _add(root, "CustomizationID", kind.customization)
    _add(root, "ProfileID", BILLING_PROCESS.value)
    _add(root, "ID", fields["number"])
    _add(root, "IssueDate", fields["issue_date"])
    if not credit and fields.get("due_date"):
        _add(root, "DueDate", fields["due_date"])
    _add(root, f"{name}TypeCode", "381" if credit else "380")
    _add(root, "Note", f"{MARK_SV} {MARK}")
    _add(root, "DocumentCurrencyCode", currency)
    if reference := fields.get("buyer_reference"):
        _add(root, "BuyerReference", reference)
    elif not credit:
        _add(root, "BuyerReference", "-")
    _attach(root, original)
    _supplier(root, fields)
    _customer(root, receiver, receiver_name)
    _payment(root, fields, credit=credit)
    _sums(root, fields, currency)
    line = _part(root, f"{name}Line")
    _add(line, "ID", "1")
    _add(line, "CreditedQuantity" if credit else "InvoicedQuantity", "1", unitCode="C62")
    _amount(line, "LineExtensionAmount", fields["net"], currency)
    item = _part(line, "Item")
    _add(item, "Name", "Enligt bifogad faktura / as in the attached invoice")
    _category(_part(item, "ClassifiedTaxCategory"), fields)
    _amount(_part(line, "Price"), "PriceAmount", fields["net"], currency)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _spaces(own: str) -> Any:
    return {None: own, "cac": CAC, "cbc": CBC}  # (the stubs do not know that lxml takes None)


def _part(parent: etree._Element, name: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{CAC}}}{name}")


def _add(parent: etree._Element, name: str, text: str, **attributes: str) -> etree._Element:
    node = etree.SubElement(parent, f"{{{CBC}}}{name}", attributes)
    node.text = text.translate(_UNPRINTABLE)
    return node


def _amount(parent: etree._Element, name: str, value: str, currency: str) -> None:
    _add(parent, name, value, currencyID=currency)


def _attach(root: etree._Element, original: Original) -> None:
    reference = _part(root, "AdditionalDocumentReference")
    _add(reference, "ID", original.id)
    _add(reference, "DocumentDescription", "Original")
    binary = _add(_part(reference, "Attachment"), "EmbeddedDocumentBinaryObject", "")
    binary.set("mimeCode", original.media_type)
    binary.set("filename", original.file_name.translate(_UNPRINTABLE))
    binary.text = base64.b64encode(original.octets).decode()


def _supplier(root: etree._Element, fields: Mapping[str, str]) -> None:
    country, number = fields["supplier"][:2], fields["supplier"][2:]
    party = _part(_part(root, "AccountingSupplierParty"), "Party")
    scheme = _SCHEMES.get(country)
    if scheme:
        _add(party, "EndpointID", f"0037{number}" if country == "FI" else number, schemeID=scheme)
    _add(_part(party, "PartyName"), "Name", fields["supplier_name"])
    _add(_part(_part(party, "PostalAddress"), "Country"), "IdentificationCode", country)
    tax = _part(party, "PartyTaxScheme")
    _add(tax, "CompanyID", {"SE": f"SE{number}01", "NO": f"NO{number}MVA"}.get(country, fields["supplier"]))
    _add(_part(tax, "TaxScheme"), "ID", "VAT")
    legal = _part(party, "PartyLegalEntity")
    _add(legal, "RegistrationName", fields["supplier_name"])
    _add(legal, "CompanyID", number)


def _customer(root: etree._Element, receiver: str, name: str) -> None:
    party = _part(_part(root, "AccountingCustomerParty"), "Party")
    scheme, _, number = receiver.partition(":")
    if number:
        _add(party, "EndpointID", number, schemeID=scheme)
    country = next((code for code, known in _SCHEMES.items() if known == scheme), "SE")
    _add(_part(_part(party, "PostalAddress"), "Country"), "IdentificationCode", country)
    _add(_part(party, "PartyLegalEntity"), "RegistrationName", name or receiver or "-")


def _payment(root: etree._Element, fields: Mapping[str, str], *, credit: bool) -> None:
    kind, _, number = fields["account"].partition(":")
    means = _part(root, "PaymentMeans")
    _add(means, "PaymentMeansCode", "30")
    if credit and fields.get("due_date"):
        _add(means, "PaymentDueDate", fields["due_date"])
    if reference := fields.get("reference"):
        _add(means, "PaymentID", reference)
    account = _part(means, "PayeeFinancialAccount")
    _add(account, "ID", number)
    if kind in _BRANCHES:
        _add(_part(account, "FinancialInstitutionBranch"), "ID", _BRANCHES[kind])


def _sums(root: etree._Element, fields: Mapping[str, str], currency: str) -> None:
    net, vat, total = (Decimal(fields[name]) for name in ("net", "vat", "total"))
    tax = _part(root, "TaxTotal")
    _amount(tax, "TaxAmount", fields["vat"], currency)
    part = _part(tax, "TaxSubtotal")
    _amount(part, "TaxableAmount", fields["net"], currency)
    _amount(part, "TaxAmount", fields["vat"], currency)
    _category(_part(part, "TaxCategory"), fields)
    sums = _part(root, "LegalMonetaryTotal")
    _amount(sums, "LineExtensionAmount", fields["net"], currency)
    _amount(sums, "TaxExclusiveAmount", fields["net"], currency)
    _amount(sums, "TaxInclusiveAmount", f"{net + vat:.2f}", currency)
    if rounding := total - net - vat:
        _amount(sums, "PayableRoundingAmount", f"{rounding:.2f}", currency)
    _amount(sums, "PayableAmount", fields["total"], currency)


def _category(node: etree._Element, fields: Mapping[str, str]) -> None:
    """Standard rate, or zero; several rates on one page become their mean: the page says which."""
    rate = Decimal(fields.get("rate") or "0")
    _add(node, "ID", "S" if rate else "Z")
    _add(node, "Percent", f"{rate.normalize():f}")
    _add(_part(node, "TaxScheme"), "ID", "VAT")
