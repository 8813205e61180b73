"""The invoice that is embedded in a PDF as XML: UBL, or CII as in Factur-X and ZUGFeRD. Pure.

Only what a paper invoice says is read here. Sources: UBL 2.1; UN/CEFACT CII D16B as EN 16931-3-3 binds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml import etree

from gateway.scanning import checks
from gateway.security import safexml

MOST: Final = 5_000_000
"""Octets of all that is attached to one file and may be an invoice."""
MOST_ATTACHED: Final = 3
"""Of these that are looked at."""


def is_ubl(xml: bytes) -> bool:
    """Whether it is UBL, which can be delivered as it is. False for what is no XML."""
    root = _root(xml)
    return root is not None and etree.QName(root).localname in ("Invoice", "CreditNote")


def read(xml: bytes) -> dict[str, str] | None:
    """The fields by the names of ``model/scan.py``; None where it is no invoice that can be read."""
    root = _root(xml)
    if root is None:
        return None
    name = etree.QName(root).localname
    if name in ("Invoice", "CreditNote"):
        return _checked(_ubl(root, credit=name == "CreditNote"))
    if name == "CrossIndustryInvoice":
        return _checked(_cii(root))
    return None


def _root(xml: bytes) -> etree._Element | None:
    if len(xml) > MOST:
        return None
    try:
        return safexml.parse(xml, huge=True)
    except safexml.UnsafeXml:
        return None


def _all(node: etree._Element, path: str) -> Iterator[etree._Element]:
    """Everything at a path of local names, in the order of the document; looks no further than the caller."""
    step, _, rest = path.partition("/")
    for child in node.iterchildren(f"{{*}}{step}"):
        if rest:
            yield from _all(child, rest)
        else:
            yield child


def _text(root: etree._Element, *paths: str) -> str:
    """The first text at one of these paths of local names."""
    for path in paths:
        first = next(_all(root, path), None)
        if first is not None and (found := str(first.xpath("string()")).strip()):
            return found[:200]
    return ""


def _ubl_vat_id(root: etree._Element, party: str) -> str:
    """The number in the tax scheme VAT; other schemes hold words (“Godkänd för F-skatt”) that many companies share."""
    for scheme in _all(root, f"{party}/PartyTaxScheme"):
        if _text(scheme, "TaxScheme/ID").upper() == "VAT" and (number := _text(scheme, "CompanyID")):
            return number
    return ""


def _cii_vat_id(root: etree._Element, party: str) -> str:
    """The number of scheme VA; the others are numbers at a local tax office."""
    for number in _all(root, f"{party}/SpecifiedTaxRegistration/ID"):
        if number.get("schemeID", "").strip().upper() == "VA" and (found := (number.text or "").strip()[:200]):
            return found
    return ""


def _ubl(root: etree._Element, *, credit: bool) -> dict[str, str]:
    supplier = "AccountingSupplierParty/Party"
    return {
        "kind": "credit" if credit or _text(root, "InvoiceTypeCode") == "381" else "invoice",
        "number": _text(root, "ID"),
        "issue_date": _text(root, "IssueDate"),
        "due_date": _text(root, "DueDate", "PaymentMeans/PaymentDueDate"),
        "currency": _text(root, "DocumentCurrencyCode"),
        "supplier": _ubl_vat_id(root, supplier) or _text(root, f"{supplier}/PartyLegalEntity/CompanyID"),
        "country": _text(root, f"{supplier}/PostalAddress/Country/IdentificationCode"),
        "supplier_name": _text(root, f"{supplier}/PartyLegalEntity/RegistrationName", f"{supplier}/PartyName/Name"),
        "account": _text(root, "PaymentMeans/PayeeFinancialAccount/ID"),
        "branch": _text(root, "PaymentMeans/PayeeFinancialAccount/FinancialInstitutionBranch/ID"),
        "reference": _text(root, "PaymentMeans/PaymentID"),
        "net": _text(root, "LegalMonetaryTotal/TaxExclusiveAmount"),
        "vat": _text(root, "TaxTotal/TaxAmount") or "0.00",
        "total": _text(root, "LegalMonetaryTotal/PayableAmount"),
        "buyer_reference": _text(root, "BuyerReference"),
    }


def _cii(root: etree._Element) -> dict[str, str]:
    trade = "SupplyChainTradeTransaction"
    settled, agreed = f"{trade}/ApplicableHeaderTradeSettlement", f"{trade}/ApplicableHeaderTradeAgreement"
    sums = f"{settled}/SpecifiedTradeSettlementHeaderMonetarySummation"
    day = "DateTimeString"
    seller = f"{agreed}/SellerTradeParty"
    return {
        "kind": "credit" if _text(root, "ExchangedDocument/TypeCode") == "381" else "invoice",
        "number": _text(root, "ExchangedDocument/ID"),
        "issue_date": _text(root, f"ExchangedDocument/IssueDateTime/{day}"),
        "due_date": _text(root, f"{settled}/SpecifiedTradePaymentTerms/DueDateDateTime/{day}"),
        "currency": _text(root, f"{settled}/InvoiceCurrencyCode"),
        "supplier": _cii_vat_id(root, seller) or _text(root, f"{seller}/SpecifiedLegalOrganization/ID"),
        "country": _text(root, f"{seller}/PostalTradeAddress/CountryID"),
        "supplier_name": _text(root, f"{seller}/Name"),
        "account": _text(
            root,
            f"{settled}/SpecifiedTradeSettlementPaymentMeans/PayeePartyCreditorFinancialAccount/IBANID",
            f"{settled}/SpecifiedTradeSettlementPaymentMeans/PayeePartyCreditorFinancialAccount/ProprietaryID",
        ),
        "branch": "",
        "reference": _text(root, f"{settled}/PaymentReference"),
        "net": _text(root, f"{sums}/TaxBasisTotalAmount"),
        "vat": _text(root, f"{sums}/TaxTotalAmount") or "0.00",
        "total": _text(root, f"{sums}/DuePayableAmount", f"{sums}/GrandTotalAmount"),
        "buyer_reference": _text(root, f"{agreed}/BuyerReference"),
    }


def account_of(id: str, branch: str = "") -> str:
    """A bank account as we write it: ``BG:``, ``PG:``, ``IBAN:``, or ``NO:`` and whatever stands there."""
    kinds = {"SE:BANKGIRO": ("BG", checks.bankgiro), "SE:PLUSGIRO": ("PG", checks.plusgiro)}
    if branch.upper() in kinds:
        kind, read = kinds[branch.upper()]
        return f"{kind}:{read(id) or checks.spaceless(id)}"
    number = checks.iban(id)
    return f"IBAN:{number}" if number else f"{branch or 'ACCOUNT'}:{checks.spaceless(id)}" if id else ""


def _supplier(id: str, country: str) -> str:
    """As we write it, by the check digits of its country; what has none of ours stays as it stands."""
    plain = checks.spaceless(id).upper()
    bare = bool(country) and not plain[:2].isalpha()
    return (checks.supplier(f"{country.upper()}{plain}") if bare else None) or checks.supplier(plain) or plain


def _checked(fields: dict[str, str]) -> dict[str, str] | None:
    fields["account"] = account_of(fields["account"], fields.pop("branch"))
    for name in ("issue_date", "due_date"):
        found = checks.day(fields[name])
        fields[name] = found.isoformat() if found else ""
    for name in ("net", "vat", "total"):
        amount = checks.amount(fields[name]) if "." in fields[name] else checks.amount(f"{fields[name]}.00")
        fields[name] = "" if amount is None else f"{amount:.2f}"
    fields["supplier"] = _supplier(fields["supplier"], fields.pop("country"))
    if not (fields["number"] and fields["issue_date"] and fields["total"] and fields["currency"]):
        return None
    return {name: value for name, value in fields.items() if value}
