"""What the totals of an invoice must add up to (BR-CO-10 to BR-CO-17), in exact decimals.

A comparison with an amount that is missing is not true, as in XPath, so the rule is broken.
"""

from __future__ import annotations

from decimal import Decimal

from gateway.ubl.rules.checks import indicator
from gateway.ubl.rules.en16931.vat_categories import is_vat
from gateway.ubl.rules.numbers import ONE, ZERO, cents, whole
from gateway.ubl.rules.pack import Fault
from gateway.ubl.rules.tree import Document, Node, Stopped
from gateway.ubl.rules.tree import decimal as tree_decimal

LINES = ("cac:InvoiceLine", "cac:CreditNoteLine")


def _wrong(node: Node, path: str, expected: Decimal | None, **figures: object) -> Fault:
    """The fault of a total: at the total itself where there is one, with the figure that it should be."""
    found = node.all(path)
    at = found[0] if found else node
    return Fault(at, found[0].text if found else "", words={"element": (path,), "expected": expected, **figures})


def sum_of_lines(totals: Node, document: Document) -> Fault | None:
    """BR-CO-10: the sum of line net amounts (BT-106) is what the lines add up to."""
    stated = totals.decimal("cbc:LineExtensionAmount")
    lines = [line for kind in LINES for line in document.anywhere(kind)]
    amounts = [amount for line in lines if (amount := line.decimal("cbc:LineExtensionAmount")) is not None]
    expected = cents(sum(amounts, ZERO))
    if stated == expected:
        return None
    return _wrong(totals, "cbc:LineExtensionAmount", expected, count=len(amounts))


def sum_of_allowances(totals: Node, document: Document) -> Fault | None:
    """BR-CO-11: the sum of allowances on document level (BT-107) is what they add up to."""
    return _sum_of(totals, "cbc:AllowanceTotalAmount", charge=False)


def sum_of_charges(totals: Node, document: Document) -> Fault | None:
    """BR-CO-12: the sum of charges on document level (BT-108) is what they add up to."""
    return _sum_of(totals, "cbc:ChargeTotalAmount", charge=True)


def _sum_of(totals: Node, path: str, *, charge: bool) -> Fault | None:
    above = totals.parent
    rows = [row for row in above.all("cac:AllowanceCharge") if indicator(row, charge)] if above is not None else []
    stated = totals.decimal(path)
    amounts = [amount for row in rows if (amount := row.decimal("cbc:Amount")) is not None]
    expected = cents(sum(amounts, ZERO))
    if stated == expected or (stated is None and not rows):
        return None
    return _wrong(totals, path, expected, count=len(amounts))


def total_without_vat(totals: Node, document: Document) -> Fault | None:
    """BR-CO-13: total without VAT (BT-109) = lines (BT-106) − allowances (BT-107) + charges (BT-108)."""
    stated, lines = totals.decimal("cbc:TaxExclusiveAmount"), totals.decimal("cbc:LineExtensionAmount")
    allowances, charges = totals.decimal("cbc:AllowanceTotalAmount"), totals.decimal("cbc:ChargeTotalAmount")
    if lines is None:
        return _wrong(totals, "cbc:TaxExclusiveAmount", None, lines=None, allowances=allowances, charges=charges)
    expected = lines
    if allowances is not None or charges is not None:
        expected = cents(lines + (charges or ZERO) - (allowances or ZERO))
    if stated == expected:
        return None
    return _wrong(totals, "cbc:TaxExclusiveAmount", expected, lines=lines, allowances=allowances, charges=charges)


def total_vat(total: Node, document: Document) -> Fault | None:
    """BR-CO-14: the total VAT amount (BT-110) is the sum of the VAT breakdown (BT-117)."""
    stated = total.decimal("cbc:TaxAmount")
    if not total.has("cac:TaxSubtotal"):
        return None
    amounts = total.decimals("cac:TaxSubtotal", "cbc:TaxAmount")
    expected = cents(sum(amounts, ZERO))
    if stated == expected:
        return None
    return _wrong(total, "cbc:TaxAmount", expected, count=len(amounts))


def total_with_vat(invoice: Node, document: Document) -> Fault | None:
    """BR-CO-15: total with VAT (BT-112) = total without VAT (BT-109) + total VAT (BT-110) in the invoice currency."""
    for currency in invoice.all("cbc:DocumentCurrencyCode"):
        taxes = [
            amount
            for total in invoice.all("cac:TaxTotal")
            if (amount := _in_currency(total, currency.text)) is not None
        ]
        totals = invoice.all("cac:LegalMonetaryTotal")
        if len(taxes) != 1:
            words = {"count": len(taxes), "currency": currency.text, "expected": None}
            return Fault(invoice, currency.text, words=words, kind="vat totals")
        net = [amount for total in totals if (amount := total.decimal("cbc:TaxExclusiveAmount")) is not None]
        gross = [amount for total in totals if (amount := total.decimal("cbc:TaxInclusiveAmount")) is not None]
        expected = cents(net[0] + taxes[0]) if net else None
        if expected is None or expected not in gross:
            at = totals[0] if totals else invoice
            return _wrong(at, "cbc:TaxInclusiveAmount", expected, net=net[0] if net else None, vat=taxes[0])
    return None


def _in_currency(total: Node, currency: str) -> Decimal | None:
    """The VAT amount of a total that is in this currency. Two of them stop the rule set."""
    found = [amount for amount in total.all("cbc:TaxAmount") if amount.attributes.get("currencyID") == currency]
    if len(found) > 1:
        total.one("cbc:TaxAmount")
    return tree_decimal(found[0]) if found else None


def amount_due(totals: Node, document: Document) -> Fault | None:
    """BR-CO-16: amount due (BT-115) = total with VAT (BT-112) − paid (BT-113) + rounding (BT-114)."""
    due, gross = totals.decimal("cbc:PayableAmount"), totals.decimal("cbc:TaxInclusiveAmount")
    paid, rounding = totals.decimal("cbc:PrepaidAmount"), totals.decimal("cbc:PayableRoundingAmount")
    if gross is None:
        return _wrong(totals, "cbc:PayableAmount", None, gross=None, paid=paid, rounding=rounding)
    owed = gross if paid is None else cents(gross - paid)
    if due is not None and (due if rounding is None else cents(due - rounding)) == owed:
        return None
    expected = owed + (rounding or ZERO)
    return _wrong(totals, "cbc:PayableAmount", expected, gross=gross, paid=paid, rounding=rounding)


def vat_of_category(subtotal: Node, document: Document) -> Fault | None:
    """BR-CO-17: the VAT of a category (BT-117) is its base (BT-116) times its rate (BT-119), within one unit."""
    rates = [category.decimal("cbc:Percent") for category in subtotal.all("cac:TaxCategory") if is_vat(category)]
    found = [rate for rate in rates if rate is not None]
    if len(found) > 1:
        raise Stopped(subtotal, "several", "cbc:Percent")
    rate = found[0] if found else None
    tax = subtotal.decimal("cbc:TaxAmount")
    if rate is None or whole(rate) == 0:
        expected: Decimal | None = ZERO
        if tax is not None and whole(tax) == 0:
            return None
    else:
        base = subtotal.decimal("cbc:TaxableAmount")
        expected = None
        if tax is not None and base is not None:
            expected = vat_on(base, rate)
            if within_one(tax, expected):
                return None
            expected = expected.copy_sign(base)
    words = {"rate": rate, "base": subtotal.decimal("cbc:TaxableAmount")}
    return _wrong(subtotal, "cbc:TaxAmount", expected, **words)


def vat_on(base: Decimal, rate: Decimal) -> Decimal:
    """The VAT on the size of a base, rounded to cents."""
    return cents(abs(base) * rate.scaleb(-2))


def within_one(tax: Decimal, expected: Decimal) -> bool:
    """The size of an amount is less than one unit off."""
    return abs(tax) - ONE < expected < abs(tax) + ONE
