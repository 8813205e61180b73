"""An invoice on paper or in a PDF, written as UBL: an interpretation that says so, with the page attached.

It is for the receiver's own system and never goes onto the network: the supplier did not write it. Lines are not read
from paper, so there is one for the whole net amount. Source: Peppol BIS Billing 3.0 for the place of each term.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from lxml import etree

from gateway.ubl.elements import add, add_amount, billing, clean, part, plain

MARK: Final = "Interpretation of a scanned invoice or PDF; the attached page is the original."
MARK_SV: Final = "Tolkning av skannad faktura eller PDF; den bifogade sidan är originalet."
_SCHEMES: Final = {"SE": "0007", "NO": "0192", "DK": "0184", "FI": "0216"}
_BRANCHES: Final = {"BG": "SE:BANKGIRO", "PG": "SE:PLUSGIRO"}


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
    name = "CreditNote" if credit else "Invoice"
    root = billing(credit=credit)
    currency = fields["currency"]
    add(root, "ID", fields["number"])
    add(root, "IssueDate", fields["issue_date"])
    if not credit and fields.get("due_date"):
        add(root, "DueDate", fields["due_date"])
    add(root, f"{name}TypeCode", "381" if credit else "380")
    add(root, "Note", f"{MARK_SV} {MARK}")
    add(root, "DocumentCurrencyCode", currency)
    if reference := fields.get("buyer_reference"):
        add(root, "BuyerReference", reference)
    elif not credit:
        add(root, "BuyerReference", "-")
    _attach(root, original)
    _supplier(root, fields)
    _customer(root, receiver, receiver_name)
    _payment(root, fields, credit=credit)
    _sums(root, fields, currency)
    line = part(root, f"{name}Line")
    add(line, "ID", "1")
    add(line, "CreditedQuantity" if credit else "InvoicedQuantity", "1", unitCode="C62")
    add_amount(line, "LineExtensionAmount", fields["net"], currency)
    item = part(line, "Item")
    add(item, "Name", "Enligt bifogad faktura / as in the attached invoice")
    _category(part(item, "ClassifiedTaxCategory"), fields)
    add_amount(part(line, "Price"), "PriceAmount", fields["net"], currency)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _attach(root: etree._Element, original: Original) -> None:
    reference = part(root, "AdditionalDocumentReference")
    add(reference, "ID", original.id)
    add(reference, "DocumentDescription", "Original")
    binary = add(part(reference, "Attachment"), "EmbeddedDocumentBinaryObject", "")
    binary.set("mimeCode", original.media_type)
    binary.set("filename", clean(original.file_name))
    binary.text = base64.b64encode(original.octets).decode()


def _supplier(root: etree._Element, fields: Mapping[str, str]) -> None:
    country, number = fields["supplier"][:2], fields["supplier"][2:]
    party = part(part(root, "AccountingSupplierParty"), "Party")
    scheme = _SCHEMES.get(country)
    if scheme:
        add(party, "EndpointID", f"0037{number}" if country == "FI" else number, schemeID=scheme)
    add(part(party, "PartyName"), "Name", fields["supplier_name"])
    add(part(part(party, "PostalAddress"), "Country"), "IdentificationCode", country)
    tax = part(party, "PartyTaxScheme")
    add(tax, "CompanyID", {"SE": f"SE{number}01", "NO": f"NO{number}MVA"}.get(country, fields["supplier"]))
    add(part(tax, "TaxScheme"), "ID", "VAT")
    legal = part(party, "PartyLegalEntity")
    add(legal, "RegistrationName", fields["supplier_name"])
    add(legal, "CompanyID", number)


def _customer(root: etree._Element, receiver: str, name: str) -> None:
    party = part(part(root, "AccountingCustomerParty"), "Party")
    scheme, _, number = receiver.partition(":")
    if number:
        add(party, "EndpointID", number, schemeID=scheme)
    country = next((code for code, known in _SCHEMES.items() if known == scheme), "SE")
    add(part(part(party, "PostalAddress"), "Country"), "IdentificationCode", country)
    add(part(party, "PartyLegalEntity"), "RegistrationName", name or receiver or "-")


def _payment(root: etree._Element, fields: Mapping[str, str], *, credit: bool) -> None:
    kind, _, number = fields["account"].partition(":")
    means = part(root, "PaymentMeans")
    add(means, "PaymentMeansCode", "30")
    if credit and fields.get("due_date"):
        add(means, "PaymentDueDate", fields["due_date"])
    if reference := fields.get("reference"):
        add(means, "PaymentID", reference)
    account = part(means, "PayeeFinancialAccount")
    add(account, "ID", number)
    if kind in _BRANCHES:
        add(part(account, "FinancialInstitutionBranch"), "ID", _BRANCHES[kind])


def _sums(root: etree._Element, fields: Mapping[str, str], currency: str) -> None:
    net, vat, total = (Decimal(fields[name]) for name in ("net", "vat", "total"))
    tax = part(root, "TaxTotal")
    add_amount(tax, "TaxAmount", fields["vat"], currency)
    subtotal = part(tax, "TaxSubtotal")
    add_amount(subtotal, "TaxableAmount", fields["net"], currency)
    add_amount(subtotal, "TaxAmount", fields["vat"], currency)
    _category(part(subtotal, "TaxCategory"), fields)
    sums = part(root, "LegalMonetaryTotal")
    add_amount(sums, "LineExtensionAmount", fields["net"], currency)
    add_amount(sums, "TaxExclusiveAmount", fields["net"], currency)
    add_amount(sums, "TaxInclusiveAmount", f"{net + vat:.2f}", currency)
    if rounding := total - net - vat:
        add_amount(sums, "PayableRoundingAmount", f"{rounding:.2f}", currency)
    add_amount(sums, "PayableAmount", fields["total"], currency)


def _category(node: etree._Element, fields: Mapping[str, str]) -> None:
    """Standard rate, or zero; several rates on one page become their mean: the page says which."""
    rate = Decimal(fields.get("rate") or "0")
    add(node, "ID", "S" if rate else "Z")
    add(node, "Percent", plain(rate))
    add(part(node, "TaxScheme"), "ID", "VAT")
