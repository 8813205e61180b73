"""Germany (DE-R): for invoices between two parties in Germany; the same that XRechnung asks for."""

from __future__ import annotations

import re
from typing import Final

from gateway.ubl.rules.checks import absent, exists, says
from gateway.ubl.rules.pack import Check, Condition, Context, Fault, Pattern
from gateway.ubl.rules.peppol.parties import BUYER, SELLER, both_german
from gateway.ubl.rules.tree import WHITE, Document, Node, Stopped, normal

_VAT_CODES: Final = ("S", "Z", "E", "AE", "K", "G", "L", "M")
_TYPES: Final = ("326", "380", "384", "389", "381", "875", "876", "877")
_CORRECTION: Final = "384"
_DISCOUNT: Final = re.compile(
    r"(?:\A|\r?\n)#(SKONTO)#TAGE=([0-9]+#PROZENT=[0-9]+\.[0-9]{2})(#BASISBETRAG=-?[0-9]+\.[0-9]{2})?#\Z"
)
_LINE_END: Final = re.compile(r"\r?\n")
_MARKED: Final = re.compile(r"#[^\r\n]+#")
_NEW_LINE: Final = re.compile(r"[ \t\r\n]*\n")
_MAIL: Final = re.compile(r"[^@ \t\r\n]+@([^@. \t\r\n]+\.)+[^@. \t\r\n]+")
_URL: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[a-zA-Z0-9]{0,30}")
_DIGITS: Final = re.compile(r"[0-9]")
_REFERENCES: Final = "cac:AdditionalDocumentReference"


def paid_by(*codes: str) -> Condition:
    """Payment means of one of these codes."""

    def when(means: Node, document: Document) -> bool:
        return means.normal("cbc:PaymentMeansCode") in codes

    return when


def not_blank(path: str) -> Check:
    """One of the elements at the path has a text."""

    def check(node: Node, document: Document) -> Fault | None:
        if any(normal(found.text) for found in node.all(path)):
            return None
        return Fault(node, kind="missing", words={"element": (path,)})

    return check


def seller_has_tax_number(invoice: Node, document: Document) -> Fault | None:
    """DE-R-016: with VAT there is a tax number of the seller, or a tax representative."""
    rows = [row for row in invoice.all("cac:AllowanceCharge") if says(row, "cbc:ChargeIndicator", "false", "true")]
    lines = invoice.all("cac:InvoiceLine") + invoice.all("cac:CreditNoteLine")
    used = any(says(row, "cac:TaxCategory/cbc:ID", *_VAT_CODES) for row in rows) or any(
        says(line, "cac:Item/cac:ClassifiedTaxCategory/cbc:ID", *_VAT_CODES) for line in lines
    )
    if not used or invoice.has("cac:TaxRepresentativeParty"):
        return None
    numbers = invoice.all(f"{SELLER}/cac:PartyTaxScheme/cbc:CompanyID")
    return None if any(normal(number.text) for number in numbers) else Fault(invoice)


def type_supported(invoice: Node, document: Document) -> Fault | None:
    """DE-R-017: the type is one of those used in Germany."""
    if invoice.normal("cbc:InvoiceTypeCode") in _TYPES or invoice.normal("cbc:CreditNoteTypeCode") in _TYPES:
        return None
    found = invoice.all("cbc:InvoiceTypeCode") + invoice.all("cbc:CreditNoteTypeCode")
    words = {"expected": ", ".join(sorted(_TYPES))}
    return Fault(found[0], found[0].text, words) if found else Fault(invoice, "", words)


def discount_terms(invoice: Node, document: Document) -> Fault | None:
    """DE-R-018: payment terms that begin with # have the form of a discount (#SKONTO#…#), each on a line of its own."""
    notes = [found[0] for terms in invoice.all("cac:PaymentTerms") if (found := terms.all("cbc:Note"))]
    for note in notes:
        for line in _LINE_END.split(note.text) if note.text else []:
            if not normal(line).startswith("#"):
                continue
            if not _DISCOUNT.search(normal(line)):
                return Fault(note, line[:200])
            tails = [_MARKED.split(one.text)[-1] for one in notes if one.text]
            if len(tails) > 1:
                raise Stopped(notes[1], "several", "cbc:Note")
            if not tails or not _NEW_LINE.match(tails[0]):
                return Fault(note, line[:200])
    return None


def file_names_differ(invoice: Node, document: Document) -> Fault | None:
    """DE-R-022: no two attachments have the same file name."""
    seen: set[str] = set()
    for reference in invoice.all(_REFERENCES):
        found = reference.all("cac:Attachment/cbc:EmbeddedDocumentBinaryObject")
        names = {node.attributes["filename"] for node in found if "filename" in node.attributes}
        if names & seen:
            return Fault(reference, sorted(names & seen)[0])
        seen |= names
    return None


def correction_refers(invoice: Node, document: Document) -> Fault | None:
    """DE-R-026: a corrected invoice (384) refers to the invoice that it corrects."""
    if _CORRECTION not in (invoice.normal("cbc:InvoiceTypeCode"), invoice.normal("cbc:CreditNoteTypeCode")):
        return None
    return None if invoice.has("cac:BillingReference/cac:InvoiceDocumentReference") else Fault(invoice)


def creditor_identified(invoice: Node, document: Document) -> Fault | None:
    """DE-R-030: a direct debit names the creditor identifier (scheme SEPA) of seller or payee."""
    if not invoice.has("cac:PaymentMeans/cac:PaymentMandate"):
        return None
    found = invoice.all(f"{SELLER}/cac:PartyIdentification/cbc:ID") + invoice.all(
        "cac:PayeeParty/cac:PartyIdentification/cbc:ID"
    )
    return None if any(one.attributes.get("schemeID") == "SEPA" for one in found) else Fault(invoice)


def debited_account(invoice: Node, document: Document) -> Fault | None:
    """DE-R-031: a direct debit names the account that is debited."""
    if not invoice.has("cac:PaymentMeans/cac:PaymentMandate"):
        return None
    path = "cac:PaymentMeans/cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID"
    return None if invoice.has(path) else Fault(invoice)


def absolute_url(reference: Node, document: Document) -> Fault | None:
    """DE-R-T02: the address of an external document is absolute."""
    value = reference.string("cbc:URI")
    return None if _URL.match(value) else Fault(reference, value)


def telephone(contact: Node, document: Document) -> Fault | None:
    """DE-R-027: a telephone number has at least three digits."""
    value = contact.normal("cbc:Telephone")
    return None if len(_DIGITS.findall(value)) >= 3 else Fault(contact, value)


def mail_address(contact: Node, document: Document) -> Fault | None:
    """DE-R-028: a mail address has one @, and a dot after it."""
    value = contact.normal("cbc:ElectronicMail")
    return None if _MAIL.fullmatch(value) else Fault(contact, value)


def iban(code: str, path: str) -> Check:
    """DE-R-019, DE-R-020: the account of a SEPA payment is an IBAN with its check digits."""

    def check(means: Node, document: Document) -> Fault | None:
        if means.normal("cbc:PaymentMeansCode") != code:
            return None
        value = means.string(path).translate(_NO_WHITE)
        if _IBAN.fullmatch(value):
            digits = "".join(str(ord(s) - 55) if ord(s) > 64 else s for s in value[4:] + value[:2] + value[2:4])
            if int(digits) % 97 == 1:
                return None
        return Fault(means.all(path)[0] if means.has(path) else means, value)

    return check


_NO_WHITE: Final = {ord(sign): None for sign in WHITE}


def _everywhere(path: str) -> str:
    return f"/Invoice/{path} | /CreditNote/{path}"


_MEANS: Final = _everywhere("cac:PaymentMeans")
_PAYER: Final = "cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID"
PATTERN: Final[Pattern] = (
    Context(
        paths="/Invoice | /CreditNote",
        given=both_german,
        checks={
            "DE-R-001": exists("cac:PaymentMeans"),
            "DE-R-015": not_blank("cbc:BuyerReference"),
            "DE-R-016": seller_has_tax_number,
            "DE-R-017": type_supported,
            "DE-R-018": discount_terms,
            "DE-R-022": file_names_differ,
            "DE-R-026": correction_refers,
            "DE-R-030": creditor_identified,
            "DE-R-031": debited_account,
        },
    ),
    Context(
        paths=_everywhere(f"{_REFERENCES}/cac:Attachment/cac:ExternalReference"),
        given=both_german,
        checks={"DE-R-T02": absolute_url},
    ),
    Context(
        paths=_everywhere("cac:AccountingSupplierParty"),
        given=both_german,
        checks={"DE-R-002": exists("cac:Party/cac:Contact")},
    ),
    Context(
        paths=_everywhere(f"{SELLER}/cac:PostalAddress"),
        given=both_german,
        checks={"DE-R-003": not_blank("cbc:CityName"), "DE-R-004": not_blank("cbc:PostalZone")},
    ),
    Context(
        paths=_everywhere(f"{SELLER}/cac:Contact"),
        given=both_german,
        checks={
            "DE-R-005": not_blank("cbc:Name"),
            "DE-R-006": not_blank("cbc:Telephone"),
            "DE-R-007": not_blank("cbc:ElectronicMail"),
            "DE-R-027": telephone,
            "DE-R-028": mail_address,
        },
    ),
    Context(
        paths=_everywhere(f"{BUYER}/cac:PostalAddress"),
        given=both_german,
        checks={"DE-R-008": not_blank("cbc:CityName"), "DE-R-009": not_blank("cbc:PostalZone")},
    ),
    Context(
        paths=_everywhere("cac:Delivery/cac:DeliveryLocation/cac:Address"),
        given=both_german,
        checks={"DE-R-010": not_blank("cbc:CityName"), "DE-R-011": not_blank("cbc:PostalZone")},
    ),
    Context(
        paths=_MEANS,
        given=both_german,
        when=paid_by("30", "58"),
        checks={
            "DE-R-019": iban("58", "cac:PayeeFinancialAccount/cbc:ID"),
            "DE-R-023-1": exists("cac:PayeeFinancialAccount"),
            "DE-R-023-2": absent("cac:CardAccount", "cac:PaymentMandate"),
        },
    ),
    Context(
        paths=_MEANS,
        given=both_german,
        when=paid_by("48", "54", "55"),
        checks={
            "DE-R-024-1": exists("cac:CardAccount"),
            "DE-R-024-2": absent("cac:PayeeFinancialAccount", "cac:PaymentMandate"),
        },
    ),
    Context(
        paths=_MEANS,
        given=both_german,
        when=paid_by("59"),
        checks={
            "DE-R-020": iban("59", _PAYER),
            "DE-R-025-1": exists("cac:PaymentMandate"),
            "DE-R-025-2": absent("cac:PayeeFinancialAccount", "cac:CardAccount"),
        },
    ),
    Context(
        paths=_everywhere("cac:TaxTotal/cac:TaxSubtotal"),
        given=both_german,
        checks={"DE-R-014": not_blank("cac:TaxCategory/cbc:Percent")},
    ),
)
