"""Iceland (IS-R): for sellers in Iceland, two of them only when the buyer is there too."""

from __future__ import annotations

from typing import Final

from gateway.ubl.rules.checks import all_of, says
from gateway.ubl.rules.numbers import is_date
from gateway.ubl.rules.pack import Check, Context, Fault, Pattern
from gateway.ubl.rules.peppol.parties import BUYER, SELLER, written_country
from gateway.ubl.rules.tree import Document, Node, Stopped, normal

KENNITALA: Final = "0196"
_FINAL_DATE: Final = "EINDAGI"
_TYPES: Final = ("380", "381")


def seller_icelandic(document: Document) -> bool:
    """The seller's address is in Iceland."""
    return written_country(document, SELLER) == "IS"


def both_icelandic(document: Document) -> bool:
    """The addresses of seller and buyer are in Iceland."""
    return seller_icelandic(document) and written_country(document, BUYER) == "IS"


def type_380_or_381(invoice: Node, document: Document) -> Fault | None:
    """IS-R-001: the type is 380 or 381."""
    for path in ("cbc:InvoiceTypeCode", "cbc:CreditNoteTypeCode"):
        if invoice.normal(path) in _TYPES:
            return None
    found = invoice.all("cbc:InvoiceTypeCode") + invoice.all("cbc:CreditNoteTypeCode")
    return Fault(found[0], found[0].text) if found else Fault(invoice)


def kennitala(path: str) -> Check:
    """IS-R-002, IS-R-004: the legal identifier is a kennitala (scheme 0196)."""

    def check(node: Node, document: Document) -> Fault | None:
        found = node.all(f"{path}/cac:PartyLegalEntity/cbc:CompanyID")
        if any(number.attributes.get("schemeID") == KENNITALA for number in found):
            return None
        return Fault(found[0] if found else node, found[0].attributes.get("schemeID", "") if found else "")

    return check


def account_of_twelve(code: str) -> Check:
    """IS-R-006, IS-R-007: the account of a claim (9) or transfer (42) has twelve digits."""

    def check(invoice: Node, document: Document) -> Fault | None:
        means = [row for row in invoice.all("cac:PaymentMeans") if says(row, "cbc:PaymentMeansCode", code)]
        if not means:
            return None
        accounts = [account for row in means for account in row.all("cac:PayeeFinancialAccount/cbc:ID")]
        if len(accounts) > 1:
            raise Stopped(accounts[1], "several", "cbc:ID")
        if accounts and len(normal(accounts[0].text)) == 12:
            return None
        return Fault(accounts[0] if accounts else means[0], accounts[0].text if accounts else "")

    return check


def _final_dates(invoice: Node) -> list[Node]:
    rows = invoice.all("cac:AdditionalDocumentReference")
    return [row for row in rows if says(row, "cbc:DocumentDescription", _FINAL_DATE)]


def final_date_written(invoice: Node, document: Document) -> Fault | None:
    """IS-R-008: the last day of payment (EINDAGI) is written YYYY-MM-DD."""
    rows = _final_dates(invoice)
    if not rows:
        return None
    numbers = [number for row in rows for number in row.all("cbc:ID")]
    if len(numbers) > 1:
        raise Stopped(numbers[1], "several", "cbc:ID")
    if numbers and len(numbers[0].text) == 10 and is_date(numbers[0].text):
        return None
    return Fault(numbers[0] if numbers else rows[0], numbers[0].text if numbers else "")


def due_date_with_final(invoice: Node, document: Document) -> Fault | None:
    """IS-R-009: with a last day of payment there is a due date."""
    rows = _final_dates(invoice)
    return None if not rows or invoice.has("cbc:DueDate") else Fault(rows[0])


def final_after_due(invoice: Node, document: Document) -> Fault | None:
    """IS-R-010: the last day of payment is not before the due date (compared as text)."""
    rows = _final_dates(invoice)
    numbers = [number for row in rows for number in row.all("cbc:ID")]
    if not rows or any(due.text <= last.text for due in invoice.all("cbc:DueDate") for last in numbers):
        return None
    return Fault(numbers[0] if numbers else rows[0], numbers[0].text if numbers else "")


def _address(path: str) -> Check:
    return all_of(f"{path}/cac:PostalAddress/cbc:StreetName", f"{path}/cac:PostalAddress/cbc:PostalZone")


PATTERN: Final[Pattern] = (
    Context(
        paths="/CreditNote | /Invoice",
        given=seller_icelandic,
        checks={
            "IS-R-001": type_380_or_381,
            "IS-R-002": kennitala(SELLER),
            "IS-R-003": _address(SELLER),
            "IS-R-006": account_of_twelve("9"),
            "IS-R-007": account_of_twelve("42"),
            "IS-R-008": final_date_written,
            "IS-R-009": due_date_with_final,
            "IS-R-010": final_after_due,
        },
    ),
    Context(
        paths="/CreditNote/cac:AccountingCustomerParty | /Invoice/cac:AccountingCustomerParty",
        given=both_icelandic,
        checks={"IS-R-004": kennitala("cac:Party"), "IS-R-005": _address("cac:Party")},
    ),
)
