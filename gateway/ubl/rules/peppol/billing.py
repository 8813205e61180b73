"""What Peppol BIS Billing asks of every invoice beyond EN 16931 (PEPPOL-EN16931-R…, PEPPOL-COMMON-R…).

R008, no element without content, is noted on the walk and named in ``peppol/__init__.py``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from gateway.ubl.rules.checks import any_of, at_most, exists, never, says
from gateway.ubl.rules.en16931.codes import AMOUNTS
from gateway.ubl.rules.numbers import ONE, ZERO, NotANumber, cents, date_of, divide, not_negative
from gateway.ubl.rules.pack import Check, Context, Fault, Given, Pack, Pattern
from gateway.ubl.rules.peppol import identifiers
from gateway.ubl.rules.peppol.parties import both_german
from gateway.ubl.rules.tree import Document, Node, Stopped, decimal, normal

SLACK: Final = Decimal("0.02")
"""What a computed amount may be off."""
DIRECT_DEBITS: Final = ("49", "59")
_ROWS: Final = (
    "/Invoice/cac:AllowanceCharge | /Invoice/cac:InvoiceLine/cac:AllowanceCharge"
    " | /CreditNote/cac:AllowanceCharge | /CreditNote/cac:CreditNoteLine/cac:AllowanceCharge"
)
_PLAIN_AMOUNTS: Final = AMOUNTS.replace("cbc:TaxAmount | ", "")
_IDENTIFIERS: Final = "cac:PartyIdentification/cbc:ID | cbc:CompanyID"


def profile(pack: Pack) -> dict[str, str]:
    """The business process of each ProfileID of the release: 01 billing, 02 billing with response."""
    return {name: code for code in ("01", "02") for name in pack.terms[f"profiles {code}"]}


def process_known(pack: Pack) -> Check:
    """PEPPOL-EN16931-R007: ProfileID names a process of Peppol."""
    known = profile(pack)

    def check(invoice: Node, document: Document) -> Fault | None:
        if invoice.normal("cbc:ProfileID") in known:
            return None
        return _at(invoice, "cbc:ProfileID", expected=" · ".join(known))

    return check


def one_note(invoice: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R002: one note on document level, except between two German parties."""
    notes = invoice.all("cbc:Note")
    if len(notes) <= 1 or both_german(document):
        return None
    return Fault(notes[1], notes[1].text[:200], {"count": len(notes)})


def specification(pack: Pack) -> Check:
    """PEPPOL-EN16931-R004: CustomizationID names this specification."""
    start = pack.terms["customization"][0]

    def check(invoice: Node, document: Document) -> Fault | None:
        value = invoice.words("cbc:CustomizationID")
        if value.startswith(start) and "::" not in value:
            return None
        return _at(invoice, "cbc:CustomizationID", expected=start)

    return check


def one_breakdown(invoice: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R053: exactly one VAT total has a breakdown."""
    count = sum(total.has("cac:TaxSubtotal") for total in invoice.all("cac:TaxTotal"))
    return Fault(invoice, words={"count": count}) if count != 1 else None


def total_in_tax_currency(invoice: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R054: a VAT total without breakdown stands there once with a VAT currency, else never."""
    wanted = 1 if invoice.has("cbc:TaxCurrencyCode") else 0
    count = sum(not total.has("cac:TaxSubtotal") for total in invoice.all("cac:TaxTotal"))
    return Fault(invoice, words={"count": count, "expected": wanted}) if count != wanted else None


def same_sign(invoice: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R055: the VAT totals in both currencies have the same sign."""
    if not invoice.has("cbc:TaxCurrencyCode"):
        return None
    tax, own = invoice.normal("cbc:TaxCurrencyCode"), invoice.normal("cbc:DocumentCurrencyCode")
    amounts = invoice.all("cac:TaxTotal/cbc:TaxAmount")
    sides = [[one for one in amounts if one.attributes.get("currencyID") == currency] for currency in (tax, own)]
    if all(any_of(side, lambda value: value <= 0) for side in sides):
        return None
    if all(any_of(side, not_negative) for side in sides):
        return None
    return Fault(invoice, words={"currency": tax})


def other_currency(code: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R005: the VAT currency is another one than the invoice's."""
    own = code.parent.words("cbc:DocumentCurrencyCode") if code.parent is not None else ""
    return Fault(code, code.text) if normal(code.own) == own else None


def amount_of_percentage(row: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R040: allowance or charge = base × percentage, within 0.02."""
    if not (row.has("cbc:MultiplierFactorNumeric") and row.has("cbc:BaseAmount")):
        return None
    amount = row.decimal("cbc:Amount") or ZERO
    base, percentage = row.decimal("cbc:BaseAmount"), row.decimal("cbc:MultiplierFactorNumeric")
    if base is None or percentage is None:
        return None
    expected = (base * percentage).scaleb(-2)
    if abs(amount - expected) <= SLACK:
        return None
    return _at(row, "cbc:Amount", expected=expected, base=base, rate=percentage)


def true_or_false(row: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R043: the charge indicator is written true or false."""
    return None if row.words("cbc:ChargeIndicator") in ("true", "false") else _at(row, "cbc:ChargeIndicator")


def percentage_without_base(row: Node, document: Document) -> bool:
    """For PEPPOL-EN16931-R041."""
    return row.has("cbc:MultiplierFactorNumeric") and not row.has("cbc:BaseAmount")


def base_without_percentage(row: Node, document: Document) -> bool:
    """For PEPPOL-EN16931-R042."""
    return row.has("cbc:BaseAmount") and not row.has("cbc:MultiplierFactorNumeric")


def is_direct_debit(means: Node, document: Document) -> bool:
    """For PEPPOL-EN16931-R061."""
    return means.normal("cbc:PaymentMeansCode") in DIRECT_DEBITS


def invoice_currency(amount: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R051: every amount is in the invoice currency."""
    written = amount.attributes.get("currencyID")
    codes = document.fact(short_currencies) or currencies(document)
    if written in codes:
        return None
    return Fault(amount, written or "", {"expected": codes[0] if codes else None})


def currencies(document: Document) -> tuple[str, ...]:
    """The invoice currency, as often as it stands there."""
    return tuple(code.text for code in document.root.all("cbc:DocumentCurrencyCode"))


def short_currencies(document: Document) -> tuple[str, ...]:
    """The same, or nothing if a document makes it long."""
    found = currencies(document)
    return found if len(found) == 1 and len(found[0]) <= 8 else ()


def of_total_with_breakdown(amount: Node, document: Document) -> bool:
    """The amount stands in a VAT total that has a breakdown."""
    return amount.parent is not None and amount.parent.has("cac:TaxSubtotal")


def in_period(name: str) -> Check:
    """PEPPOL-EN16931-R110 and R111: the period of a line does not leave the period of the document."""

    def check(date: Node, document: Document) -> Fault | None:
        limit = document.root.one(f"cac:InvoicePeriod/{name}")
        own = date.own
        if limit is not None and own:
            here, there = _day(date, own), _day(limit, limit.text)
            if here >= there if name == "cbc:StartDate" else here <= there:
                return None
        return Fault(date, date.text, {"expected": limit.text if limit is not None else None})

    return check


def _day(node: Node, text: str) -> int:
    try:
        return date_of(text)
    except NotANumber:
        raise Stopped(node, "date", text) from None


def line_amount(line: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R120: line net = quantity × price / base quantity + charges − allowances, within 0.02."""
    stated = _or(line, "cbc:LineExtensionAmount", ZERO)
    quantity = _or(line, "cbc:InvoicedQuantity" if document.is_invoice else "cbc:CreditedQuantity", ONE)
    price = _or(line, "cac:Price/cbc:PriceAmount", ZERO)
    base = _or(line, "cac:Price/cbc:BaseQuantity", ONE) or ONE
    charges = allowances = ZERO
    if line.has("cac:AllowanceCharge"):
        charges, allowances = _sum(line, "true"), _sum(line, "false")
    unit = price if base == ONE else divide(price, base)
    expected = quantity * unit + charges - allowances
    if stated + SLACK >= expected >= stated - SLACK:
        return None
    words = {"quantity": quantity, "price": price, "base": base, "charges": charges, "allowances": allowances}
    return _at(line, "cbc:LineExtensionAmount", expected=expected, **words)


def _or(line: Node, path: str, otherwise: Decimal) -> Decimal:
    value = line.decimal(path)
    return otherwise if value is None else value


def _sum(line: Node, indicator: str) -> Decimal:
    rows = [row for row in line.all("cac:AllowanceCharge") if row.normal("cbc:ChargeIndicator") == indicator]
    if not rows:
        return ZERO
    return cents(sum((decimal(amount) for row in rows for amount in row.all("cbc:Amount")), ZERO))


def base_quantity_positive(line: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R121: the base quantity of the price is more than 0."""
    value = line.decimal("cac:Price/cbc:BaseQuantity")
    if value is None or value > 0:
        return None
    return _at(line, "cac:Price/cbc:BaseQuantity")


def line_object_only(line: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R101: a document reference of a line identifies an object (type 130)."""
    if not line.has("cac:DocumentReference") or says(line, "cac:DocumentReference/cbc:DocumentTypeCode", "130"):
        return None
    return _at(line, "cac:DocumentReference")


def discount_only(row: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R044: in a price there are allowances only."""
    return None if row.normal("cbc:ChargeIndicator") == "false" else _at(row, "cbc:ChargeIndicator")


def net_price(row: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R046: net price = gross price − discount, where there is a gross price."""
    if not row.has("cbc:BaseAmount"):
        return None
    above = row.parent
    price = above.decimal("cbc:PriceAmount") if above is not None else None
    gross, discount = row.decimal("cbc:BaseAmount"), row.decimal("cbc:Amount")
    if gross is None or discount is None or price is None or above is None:
        return Fault(row, words={"gross": gross, "discount": discount, "expected": None})
    if price == gross - discount:
        return None
    return _at(above, "cbc:PriceAmount", expected=gross - discount, gross=gross, discount=discount)


def same_unit(quantity: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R130: the base quantity of the price has the unit of the line's quantity."""
    line = quantity.parent.parent if quantity.parent is not None else None
    if line is None or not (line.has("cbc:InvoicedQuantity") or line.has("cbc:CreditedQuantity")):
        return None
    found = line.all("cbc:InvoicedQuantity" if document.is_invoice else "cbc:CreditedQuantity")
    unit = quantity.attributes["unitCode"]
    if any(one.attributes.get("unitCode") == unit for one in found):
        return None
    return Fault(quantity, unit, {"expected": found[0].attributes.get("unitCode") if found else None})


def one_project(credit_note: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-R080: a credit note refers to one project (type 50)."""
    rows = [
        row for row in credit_note.all("cac:AdditionalDocumentReference") if says(row, "cbc:DocumentTypeCode", "50")
    ]
    return Fault(rows[1], words={"count": len(rows)}) if len(rows) > 1 else None


def _at(node: Node, path: str, **words: object) -> Fault:
    found = node.all(path)
    return Fault(found[0] if found else node, found[0].text if found else "", {"element": (path,), **words})


def projects() -> Pattern:
    """The pattern of PEPPOL-EN16931-R080."""
    return (Context(paths="/CreditNote", checks={"PEPPOL-EN16931-R080": one_project}),)


def pattern(pack: Pack) -> Pattern:
    """The contexts of the main pattern."""
    taxed = "cac:TaxSubtotal/cbc:TaxAmount | " if "subtotal currency" in pack.terms else ""
    currency: dict[str, Check] = {"PEPPOL-EN16931-R051": invoice_currency}
    return (
        Context(
            paths="/CreditNote | /Invoice",
            checks={
                "PEPPOL-EN16931-R001": exists("cbc:ProfileID"),
                "PEPPOL-EN16931-R007": process_known(pack),
                "PEPPOL-EN16931-R002": one_note,
                "PEPPOL-EN16931-R003": exists("cbc:BuyerReference", "cac:OrderReference/cbc:ID"),
                "PEPPOL-EN16931-R004": specification(pack),
                "PEPPOL-EN16931-R053": one_breakdown,
                "PEPPOL-EN16931-R054": total_in_tax_currency,
                "PEPPOL-EN16931-R055": same_sign,
            },
        ),
        Context(paths="cbc:TaxCurrencyCode", checks={"PEPPOL-EN16931-R005": other_currency}),
        Context(
            paths="cac:AccountingCustomerParty/cac:Party", checks={"PEPPOL-EN16931-R010": exists("cbc:EndpointID")}
        ),
        Context(
            paths="cac:AccountingSupplierParty/cac:Party", checks={"PEPPOL-EN16931-R020": exists("cbc:EndpointID")}
        ),
        Context(paths=_ROWS, when=percentage_without_base, checks={"PEPPOL-EN16931-R041": never()}),
        Context(paths=_ROWS, when=base_without_percentage, checks={"PEPPOL-EN16931-R042": never()}),
        Context(
            paths=_ROWS,
            checks={"PEPPOL-EN16931-R040": amount_of_percentage, "PEPPOL-EN16931-R043": true_or_false},
        ),
        Context(
            paths="cac:PaymentMeans",
            when=is_direct_debit,
            checks={"PEPPOL-EN16931-R061": exists("cac:PaymentMandate/cbc:ID")},
        ),
        Context(paths=taxed + _PLAIN_AMOUNTS, checks=currency),
        Context(paths="cac:TaxTotal/cbc:TaxAmount", when=of_total_with_breakdown, checks=currency),
        *_periods("/Invoice/cac:InvoiceLine", "/CreditNote/cac:CreditNoteLine"),
        Context(
            paths="cac:InvoiceLine | cac:CreditNoteLine",
            checks={
                "PEPPOL-EN16931-R120": line_amount,
                "PEPPOL-EN16931-R121": base_quantity_positive,
                "PEPPOL-EN16931-R100": at_most(1, "cac:DocumentReference"),
                "PEPPOL-EN16931-R101": line_object_only,
            },
        ),
        Context(
            paths="cac:Price/cac:AllowanceCharge",
            checks={"PEPPOL-EN16931-R044": discount_only, "PEPPOL-EN16931-R046": net_price},
        ),
        Context(
            paths="cac:Price/cbc:BaseQuantity",
            when=lambda node, document: "unitCode" in node.attributes,
            checks={"PEPPOL-EN16931-R130": same_unit},
        ),
        Context(paths="cbc:EndpointID", choose=identifiers.scheme, cases=identifiers.ADDRESS_SCHEMES),
        Context(paths=_IDENTIFIERS, choose=identifiers.scheme, cases=identifiers.SCHEMES),
        Context(
            paths="cac:PartyTaxScheme/cbc:CompanyID",
            when=identifiers.dutch_vat,
            checks={"PEPPOL-COMMON-R056-2": identifiers.NL_VAT},
        ),
        Context(paths=f"cbc:EndpointID | {_IDENTIFIERS}", choose=identifiers.scheme, cases=identifiers.LATE_SCHEMES),
    )


def period_has(name: str) -> Given:
    """The period of the document has such a date."""
    return lambda document: document.root.has(f"cac:InvoicePeriod/{name}")


def _periods(*lines: str) -> Pattern:
    return tuple(
        Context(
            paths=" | ".join(f"{line}/cac:InvoicePeriod/{name}" for line in lines),
            given=period_has(name),
            checks={rule: in_period(name)},
        )
        for rule, name in (("PEPPOL-EN16931-R110", "cbc:StartDate"), ("PEPPOL-EN16931-R111", "cbc:EndDate"))
    )
