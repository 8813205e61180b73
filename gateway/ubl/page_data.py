"""What stands on the readable page: a UBL document as plain text in rows, ready for the template.

Source: UBL 2.1, Peppol BIS Billing 3.0 (business terms). Amounts are carried as the document says them and never
computed. How it looks is ``page.typ``'s matter; every text is bounded here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from lxml import etree

from gateway.model.document import Company, Facts, Finding
from gateway.ubl.invoice import read_address, refusal
from gateway.ubl.names import decimal, find, find_all, text
from gateway.ubl.page_basis import LONG, SHORT, Page, Row, address_lines, breakable, clip, period_of
from gateway.ubl.page_code import SIDE
from gateway.ubl.page_lines import adjustment_row, category, line_row, negated
from gateway.ubl.page_payment import payment_block
from gateway.ubl.page_words import TITLES, WORDS, Language, pick, shown_date

MAX_LINES: Final = 10_000
"""Invoice lines that a page is made for (about 250 sheets)."""


def page_data(root: etree._Element, facts: Facts, language: Language) -> Row:
    """Everything that the template shows. Raises :class:`InvalidDocument` for more than 10,000 lines."""
    page = Page(root, facts, language)
    lines = find_all(root, "cac:CreditNoteLine" if page.credit else "cac:InvoiceLine")
    if len(lines) > MAX_LINES:
        message = f"The document has {len(lines)} lines; a page is made for at most {MAX_LINES}."
        raise refusal(Finding(rule="PAGE", message=message), remedy="Split the document, or send it over the network.")
    rows = [line_row(page, line) for line in lines]
    sender, receiver = facts.sender, facts.receiver
    pay = _pay(page)
    return {
        "language": language,
        "words": {key: pick(pair, language) for key, pair in WORDS.items()},
        "title": _title(page),
        "number": clip(facts.number, 80),
        "currency": facts.currency,
        "issuer": {
            "name": clip(sender.shown_name, 120),
            "lines": [*address_lines(sender.address, home=sender.country)[1:], *_contact(page, sender)],
        },
        "return_line": clip(" · ".join(address_lines(sender.address, home=receiver.country)), 90),
        "address": address_lines(receiver.address, home=sender.country, person=language),
        "head": _head(page),
        "references": _references(page),
        "shows": {
            key: any(row[key] for row in rows) for key in ("item", "unit", "discount", "vat", "quantity", "price")
        },
        "wide_items": max((len(row["item"]) for row in rows), default=0) > 12,
        "dense": _width(rows) > 58,
        "lines": rows,
        "adjustments": [adjustment_row(page, node) for node in find_all(root, "cac:AllowanceCharge")[:100]],
        "vat": _vat_rows(page),
        "totals": _totals(page),
        "pay": pay,
        "payment": payment_block(root, facts, language) if pay["owed"] else [],
        "code": {"svg": "", "side": SIDE},
        "texts": _texts(page),
        "footer": _footer(page),
    }


def _width(rows: list[Row]) -> int:
    """Characters that the columns of figures need side by side."""
    figures = ("quantity", "unit", "price", "discount", "vat", "amount")
    return sum(max((len(row[key]) for row in rows), default=0) for key in figures)


def _title(page: Page) -> str:
    code = page.get("cbc:CreditNoteTypeCode" if page.credit else "cbc:InvoiceTypeCode")
    if code in TITLES:
        return pick(TITLES[code], page.language)
    if page.facts.self_billed:
        return pick(TITLES["261" if page.credit else "389"], page.language)
    return page.word("credit_note" if page.credit else "invoice")


def _contact(page: Page, company: Company) -> list[str]:
    return [clip(part, 100) for part in (company.telephone, company.email) if part]


def _rows(*pairs: tuple[str, str], most: int = SHORT) -> list[list[str]]:
    return [[label, breakable(clip(value, most), 20)] for label, value in pairs if value]


def _head(page: Page) -> list[list[str]]:
    """The facts beside the address window."""
    buyer = find(page.root, "cac:AccountingCustomerParty/cac:Party")
    return _rows(
        (page.word("credit_number" if page.credit else "number"), clip(page.facts.number, 80)),
        (page.word("credit_date" if page.credit else "issue_date"), shown_date(page.facts.issue_date)),
        (page.word("due_date"), shown_date(page.facts.due_date)),
        (page.word("customer"), _customer_number(buyer)),
        (page.word("your_reference"), page.get("cbc:BuyerReference")),
        (page.word("order"), _order(page)),
        (page.word("preceding"), _preceding(page)),
        most=100,
    )


def _customer_number(buyer: etree._Element | None) -> str:
    """A party identifier without scheme is what the seller calls the buyer."""
    numbers = [text(node) for node in find_all(buyer, "cac:PartyIdentification/cbc:ID") if not node.get("schemeID")]
    return ", ".join(numbers[:2])


def _order(page: Page) -> str:
    value = page.get("cac:OrderReference/cbc:ID")
    return "" if value in ("NA", "N/A") else value


def _preceding(page: Page) -> str:
    shown = []
    for node in find_all(page.root, "cac:BillingReference/cac:InvoiceDocumentReference")[:20]:
        day = text(node, "cbc:IssueDate")
        shown.append(text(node, "cbc:ID") + (f" ({day})" if day else ""))
    return ", ".join(filter(None, shown))


def _references(page: Page) -> list[list[str]]:
    """Everything else that tells what the document is about, in two columns under the head."""
    receiver, sender, word = page.facts.receiver, page.facts.sender, page.word
    delivery = find(page.root, "cac:Delivery")
    place = find(delivery, "cac:DeliveryLocation/cac:Address")
    where = [text(delivery, "cac:DeliveryParty/cac:PartyName/cbc:Name")]
    if place is not None:
        where += address_lines(read_address(place), home=sender.country)
    return _rows(
        (word("our_reference"), sender.contact),
        (word("your_org"), _legal_id(receiver)),
        (word("your_vat"), receiver.vat_id),
        (word("sales_order"), page.get("cac:OrderReference/cbc:SalesOrderID")),
        (word("contract"), page.get("cac:ContractDocumentReference/cbc:ID")),
        (word("project"), page.get("cac:ProjectReference/cbc:ID")),
        (word("cost"), page.get("cbc:AccountingCost")),
        (word("despatch"), page.get("cac:DespatchDocumentReference/cbc:ID")),
        (word("receipt"), page.get("cac:ReceiptDocumentReference/cbc:ID")),
        (word("tender"), page.get("cac:OriginatorDocumentReference/cbc:ID")),
        (word("object"), _invoiced_object(page)),
        (word("period"), period_of(find(page.root, "cac:InvoicePeriod"))),
        (word("tax_point"), page.get("cbc:TaxPointDate")),
        (word("delivery_date"), text(delivery, "cbc:ActualDeliveryDate")),
        (word("delivery_to"), ", ".join(filter(None, where))),
        (word("representative"), _representative(page)),
    )


def _invoiced_object(page: Page) -> str:
    for node in find_all(page.root, "cac:AdditionalDocumentReference"):
        if text(node, "cbc:DocumentTypeCode") == "130":
            return text(node, "cbc:ID")
    return ""


def _representative(page: Page) -> str:
    party = find(page.root, "cac:TaxRepresentativeParty")
    if party is None:
        return ""
    address = address_lines(read_address(find(party, "cac:PostalAddress")), home="")
    return ", ".join(
        filter(
            None,
            (text(party, "cac:PartyName/cbc:Name"), text(party, "cac:PartyTaxScheme/cbc:CompanyID"), *address),
        )
    )


def _legal_id(company: Company) -> str:
    """The company number; a Swedish one with its hyphen."""
    value = company.legal_id
    if (company.country == "SE" or company.legal_id_scheme == "0007") and re.fullmatch(r"[0-9]{10}", value):
        return f"{value[:6]}-{value[6:]}"
    return value


def _vat_rows(page: Page) -> Row:
    rows: list[Row] = []
    other = ""
    for total in find_all(page.root, "cac:TaxTotal"):
        amount = find(total, "cbc:TaxAmount")
        currency = amount.get("currencyID", "") if amount is not None else ""
        if currency and currency != page.facts.currency:
            other = f"{page.word('vat_in')} {currency}: {page.money(text(amount))}"
            continue
        for part in find_all(total, "cac:TaxSubtotal")[:100]:
            group = find(part, "cac:TaxCategory")
            reason = text(group, "cbc:TaxExemptionReason") or text(group, "cbc:TaxExemptionReasonCode")
            label = category(page, group, brief=False)
            rows.append(
                {
                    "label": label,
                    "reason": clip(reason, SHORT) if reason.casefold() != label.casefold() else "",
                    "base": page.money(text(part, "cbc:TaxableAmount")),
                    "tax": page.money(text(part, "cbc:TaxAmount")),
                }
            )
    return {"rows": rows, "other": other}


def _totals(page: Page) -> list[list[str]]:
    """The way from the lines to the amount to pay; rows that say nothing are left out."""
    total = find(page.root, "cac:LegalMonetaryTotal")

    def row(key: str, element: str, change: Callable[[str], str] = str, *, always: bool = False) -> list[list[str]]:
        value = text(total, f"cbc:{element}")
        return [[page.word(key), change(page.money(value))]] if value and (always or decimal(value)) else []

    adjusted = any(decimal(text(total, f"cbc:{name}TotalAmount")) for name in ("Allowance", "Charge"))
    return [
        *(row("net_lines", "LineExtensionAmount", always=True) if adjusted else []),
        *row("allowances", "AllowanceTotalAmount", negated),
        *row("charges", "ChargeTotalAmount"),
        *row("net", "TaxExclusiveAmount", always=True),
        *_vat_total(page),
        *row("gross", "TaxInclusiveAmount", always=True),
        *row("prepaid", "PrepaidAmount", negated),
        *row("rounding", "PayableRoundingAmount"),
    ]


def _vat_total(page: Page) -> list[list[str]]:
    for node in find_all(page.root, "cac:TaxTotal/cbc:TaxAmount"):
        if node.get("currencyID", "") == page.facts.currency:
            return [[page.word("vat_total"), page.money(text(node))]]
    return []


def _pay(page: Page) -> Row:
    """The one amount that matters (BT-115), named for what it is."""
    amount = page.facts.amount
    value = text(page.root, "cac:LegalMonetaryTotal/cbc:PayableAmount")
    owed = amount is not None and amount != 0
    ours = owed and amount is not None and (amount < 0) != page.credit
    key = "credited" if ours else "to_pay" if owed else "nothing"
    return {
        "label": page.word(key),
        "amount": page.money(value.lstrip("-")),  # the label says who owes whom
        "owed": key == "to_pay",  # otherwise nobody shall be led to pay: no date, no account
        "due": shown_date(page.facts.due_date) if key == "to_pay" else "",
    }


def _texts(page: Page) -> list[Row]:
    """Terms, notes and the list of attachments, each with its heading."""
    terms = [text(node) for node in find_all(page.root, "cac:PaymentTerms/cbc:Note")[:10]]
    notes = [text(node) for node in find_all(page.root, "cbc:Note")[:20]]
    for reason in (text(page.root, "cac:PaymentMeans/cbc:InstructionNote"),):
        notes.append(reason)
    blocks = [
        {"heading": page.word(key), "lines": _paragraph(page, parts)}
        for key, parts in (("terms", terms), ("notes", notes), ("attachments", _attachments(page)))
    ]
    return [block for block in blocks if block["lines"]]


def _paragraph(page: Page, parts: list[str]) -> list[str]:
    whole = clip("\n".join(filter(None, parts)), LONG, more=page.word("shortened"))
    return [breakable(line.strip(), 60) for line in whole.splitlines() if line.strip()][:120]


def _attachments(page: Page) -> list[str]:
    shown = []
    for node in find_all(page.root, "cac:AdditionalDocumentReference")[:50]:
        binary = find(node, "cac:Attachment/cbc:EmbeddedDocumentBinaryObject")
        link = text(node, "cac:Attachment/cac:ExternalReference/cbc:URI")
        name = binary.get("filename", "") if binary is not None else link
        if not name and not text(node, "cbc:DocumentDescription"):
            continue
        shown.append(", ".join(filter(None, (text(node, "cbc:ID"), text(node, "cbc:DocumentDescription"), name))))
    return shown


def _footer(page: Page) -> list[list[str]]:
    """The seller's legal data: what the law wants on every invoice."""
    seller, word = page.facts.seller, page.word
    party = find(page.root, "cac:AccountingSupplierParty/cac:Party")
    legal = find(party, "cac:PartyLegalEntity")
    seat = text(legal, "cac:RegistrationAddress/cbc:CityName")
    registered = [
        f"{word('org')} {_legal_id(seller)}" if seller.legal_id else "",
        f"{word('vat_no')} {seller.vat_id}" if seller.vat_id else "",
        f"{word('seat')} {seat}" if seat else "",
    ]
    statements = [
        text(node, "cbc:CompanyID")
        for node in find_all(party, "cac:PartyTaxScheme")
        if text(node, "cac:TaxScheme/cbc:ID").upper() not in ("VAT", "GST")
    ]
    form = text(legal, "cbc:CompanyLegalForm")
    address = address_lines(seller.address, home=page.facts.buyer.country)
    if seller.legal_name and seller.legal_name != seller.name:
        address = [seller.legal_name, *address[1:]]
    columns = (
        address,
        [seller.telephone, seller.email],
        [*registered, *statements, form],
    )
    shown = [[clip(line, 110) for line in lines if line][:6] for lines in columns]
    return [lines for lines in shown if lines]
