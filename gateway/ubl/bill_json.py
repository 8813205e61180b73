"""The JSON invoice model read: ``application/json`` to ``POST /v1/documents``, described in docs/json-invoice.md."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from gateway.errors import InvalidAddress, InvalidDocument
from gateway.model.bill import (
    CENT,
    MOST,
    RATED,
    VAT_CATEGORIES,
    Account,
    Adjustment,
    Attachment,
    Bill,
    Line,
    Trader,
    Vat,
)
from gateway.model.document import Finding, PostalAddress
from gateway.model.identifiers import ParticipantId
from gateway.ubl.json_fields import Fields, read_object

MOST_LINES: Final = 10_000
MOST_EACH: Final = 100
"""Adjustments of a line or of the whole, attachments, preceding invoices."""
MOST_PARTS: Final = 20
"""Accounts, and identifiers of a party."""
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Z]{2}", re.ASCII)
UNIT: Final = re.compile(r"[A-Z0-9]{2,3}", re.ASCII)
_MEANS: Final = re.compile(r"[0-9]{1,2}|ZZZ", re.ASCII)
_LINK: Final = re.compile(r"https?://\S{1,500}")
_SCHEME: Final = re.compile(r"[0-9]{4}", re.ASCII)
_GIROS: Final = ("SE:BANKGIRO", "SE:PLUSGIRO")
"""Written with a hyphen, sent without (SE-R-008, SE-R-010)."""
MEDIA: Final = (
    "application/pdf",
    "image/png",
    "image/jpeg",
    "text/csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.oasis.opendocument.spreadsheet",
)
"""What Peppol lets an invoice carry (code list MimeCode)."""


def read(octets: bytes) -> Bill:
    """Read the model. Raises :class:`InvalidDocument` with every fault, each at its JSON pointer."""
    try:
        table = read_object(octets)
    except ValueError as error:
        finding = Finding(rule="JSON", message=f"This is no JSON that is taken here: {error}.")
        raise InvalidDocument(finding.message, findings=(finding,)) from None
    findings: list[Finding] = []
    fields = Fields(table, "", findings)
    bill = _bill(fields)
    payable = fields.decimal("payable", places=2) if fields.has("payable") else None
    fields.end()
    if not findings and payable is not None and payable != bill.payable:
        text = f"payable says {payable:.2f}, but lines, VAT and the rest come to {bill.payable:.2f} {bill.currency}."
        fields.fault("payable", text, f"{payable:.2f}")
    if findings:
        raise InvalidDocument(
            f"{findings[0].location or 'The body'}: {findings[0].message}",
            findings=tuple(findings),
            remedy="Mend the members that errors lists; docs/json-invoice.md shows each.",
        )
    return bill


def _bill(f: Fields) -> Bill:
    kind: Literal["invoice", "credit_note"] = "invoice"
    if f.word("type", ("invoice", "credit_note"), "invoice") == "credit_note":
        kind = "credit_note"
    nobody = Trader(name="", address=PostalAddress())
    issued, due = f.day("issue_date", needed=True), f.day("due_date")
    payment = f.inside("payment", _payment) or ("30", "", "", ())
    delivery = f.inside("delivery", lambda d: (d.day("date"), d.inside("address", _address)))
    order = f.inside("order", lambda o: (o.text("number"), o.text("sales_number")))
    return Bill(
        kind=kind,
        number=f.text("number", needed=True, longest=200),
        issue_date=issued or date.min,
        due_date=due,
        tax_point=f.day("tax_point_date"),
        currency=f.matching("currency", _CURRENCY, "three letters such as SEK", needed=True),
        note=f.text("note", longest=5000, lines=True),
        buyer_reference=f.text("buyer_reference"),
        order_reference=order[0] if order else "",
        sales_order=order[1] if order else "",
        contract_reference=f.text("contract_reference"),
        project_reference=f.text("project_reference"),
        cost_centre=f.text("cost_centre"),
        preceding=f.each("preceding", lambda p: (p.text("number", needed=True), p.day("date")), most=MOST_EACH),
        period=f.inside("period", lambda p: (p.day("from"), p.day("to"))),
        seller=f.inside("seller", _trader, needed=True) or nobody,
        buyer=f.inside("buyer", _trader, needed=True) or nobody,
        delivered=delivery[0] if delivery else None,
        delivery_address=delivery[1] if delivery else None,
        payment_means=payment[0],
        payment_reference=payment[1],
        payment_terms=payment[2],
        accounts=payment[3],
        adjustments=f.each("adjustments", lambda a: _adjustment(a, taxed=True), most=MOST_EACH),
        prepaid=f.decimal("prepaid", places=2).quantize(CENT),
        rounding=f.decimal("rounding", places=2).quantize(CENT),
        lines=_lines(f),
        attachments=f.each("attachments", _attachment, most=MOST_EACH),
    )


def _payment(f: Fields) -> tuple[str, str, str, tuple[Account, ...]]:
    means = f.matching("means", _MEANS, "a code of UNCL 4461 such as 30 (credit transfer)") or "30"
    accounts = f.each("accounts", _account, most=MOST_PARTS)
    return means, f.text("reference"), f.text("terms", longest=2000, lines=True), accounts


def _account(f: Fields) -> Account:
    number, bank = f.text("number", needed=True, longest=50).replace(" ", ""), f.text("bank", longest=50)
    if bank in _GIROS:
        number = number.replace("-", "")
    return Account(number=number, bank=bank, name=f.text("name"))


def _trader(f: Fields) -> Trader:
    participant: ParticipantId | None = None
    if address := f.text("participant"):
        try:
            participant = ParticipantId.parse(address)
        except InvalidAddress as error:
            f.fault("participant", f"{error}. {error.remedy}", address)
    contact = f.inside("contact", lambda c: (c.text("name"), c.text("telephone"), c.text("email"))) or ("", "", "")
    legal = f.inside("legal_id", _identifier) or ("", "")
    return Trader(
        name=f.text("name", needed=True),
        participant=participant,
        trading_name=f.text("trading_name"),
        legal_id=legal[1],
        legal_id_scheme=legal[0],
        legal_form=f.text("legal_form"),
        vat_number=f.text("vat_number", longest=50).replace(" ", ""),
        tax_number=f.text("tax_number", longest=200),
        identifiers=f.each("identifiers", _identifier, most=MOST_PARTS),
        address=f.inside("address", _address, needed=True) or PostalAddress(),
        contact=contact[0],
        telephone=contact[1],
        email=contact[2],
    )


def _identifier(f: Fields) -> tuple[str, str]:
    return f.matching("scheme", _SCHEME, "four digits such as 0007"), f.text("value", needed=True, longest=100)


def _address(f: Fields) -> PostalAddress:
    return PostalAddress(
        name=f.text("name"),
        street=f.text("street"),
        additional=f.text("additional"),
        extra_line=f.text("extra_line"),
        postal_code=f.text("postal_code", longest=30),
        city=f.text("city"),
        region=f.text("region"),
        country=f.matching("country", _COUNTRY, "two letters such as SE", needed=True),
    )


def _lines(f: Fields) -> tuple[Line, ...]:
    lines = f.each("lines", _line, most=MOST_LINES, needed=True)
    named = [line.id for line in lines if line.id]
    if len(set(named)) != len(named):
        f.fault("lines", "Two lines have the same id.")
    taken = set(named)
    numbers = (str(number) for number in range(1, 2 * len(lines) + 2) if str(number) not in taken)
    return tuple(line if line.id else replace(line, id=next(numbers)) for line in lines)


def _line(f: Fields) -> Line:
    base = f.decimal("price_quantity", places=8, default=Decimal(1))
    if base <= 0:
        f.fault("price_quantity", "price_quantity is above zero.")
        base = Decimal(1)
    price = f.decimal("price", places=8, needed=True)
    if price < 0:
        f.fault("price", "price is not below zero; for a deduction make the quantity negative.", f"{price}")
    standard = f.inside("standard_id", _identifier)
    line = Line(
        id=f.text("id", longest=50),
        name=f.text("name", needed=True),
        quantity=f.decimal("quantity", places=8, default=Decimal(1)),
        unit=f.matching("unit", UNIT, "a code of UN/ECE recommendation 20 such as C62 (one) or HUR (hour)") or "C62",
        price=price,
        price_quantity=base,
        vat=f.inside("vat", _vat, needed=True) or Vat(rate=Decimal(0)),
        description=f.text("description", longest=5000, lines=True),
        note=f.text("note", longest=5000, lines=True),
        sellers_id=f.text("sellers_id"),
        buyers_id=f.text("buyers_id"),
        standard_id=standard if standard and standard[1] else None,
        order_line=f.text("order_line", longest=50),
        cost_centre=f.text("cost_centre"),
        period=f.inside("period", lambda p: (p.day("from"), p.day("to"))),
        adjustments=f.each("adjustments", lambda a: _adjustment(a, taxed=False), most=MOST_EACH),
    )
    if abs(line.net) >= MOST:
        f.fault("quantity", "quantity × price is an amount of more than 15 digits.", f"{line.quantity}")
        return replace(line, quantity=Decimal(0))
    return line


def _vat(f: Fields) -> Vat:
    category = f.word("category", VAT_CATEGORIES, "S")
    reason, code = f.text("reason"), f.text("reason_code", longest=50)
    if category == "O":
        if f.has("rate"):
            f.fault("rate", "Category O (outside VAT) has no rate: leave it out.")
        f.decimal("rate", places=4)
        return Vat(category=category, reason=reason, reason_code=code)
    rated = category in RATED
    rate = f.decimal("rate", places=4, needed=rated)
    if not rated and rate:
        f.fault("rate", f"The rate of category {category} is 0.", f"{rate}")
    elif rate < 0 or rate > 100:
        f.fault("rate", "rate is per cent, 0 to 100.", f"{rate}")
    return Vat(category=category, rate=rate.normalize(), reason=reason, reason_code=code)


def _adjustment(f: Fields, *, taxed: bool) -> Adjustment:
    amount = f.decimal("amount", places=2, needed=True).quantize(CENT)
    if amount < 0:
        f.fault("amount", "amount is not below zero: the kind says whether it is taken off or added.", f"{amount}")
    return Adjustment(
        charge=f.word("kind", ("allowance", "charge"), "allowance") == "charge",
        amount=amount,
        reason=f.text("reason", needed=True),
        reason_code=f.text("reason_code", longest=10),
        vat=f.inside("vat", _vat, needed=True) if taxed else None,
    )


def _attachment(f: Fields) -> Attachment:
    octets, link = b"", f.matching("link", _LINK, "an address that begins with http:// or https://")
    content = f.text("content", longest=150_000_000, lines=True)
    name = f.text("file_name", needed=bool(content), longest=200)
    media = f.word("media_type", MEDIA, MEDIA[0]) if content else f.text("media_type")
    if content:
        try:
            octets = base64.b64decode("".join(content.split()), validate=True)
        except (binascii.Error, ValueError):
            f.fault("content", "content is the file in base64 (RFC 4648, section 4).")
        if link:
            f.fault("link", "An attachment has a content or a link, not both.")
    elif not link:
        f.fault("content", "An attachment has a content in base64, or a link.")
    return Attachment(
        id=f.text("id", longest=200) or name or link,
        description=f.text("description"),
        file_name=name,
        media_type=media,
        octets=octets,
        link=link,
    )
