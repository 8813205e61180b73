"""The VAT categories: what each demands of lines, allowances, charges, parties and the VAT breakdown.

Ten rules repeat for each category; :data:`CATEGORIES` says which variant a category has. BR-XX-01 asks for the
breakdown, 02 to 04 for the parties' identifiers, 05 to 07 for the rate, 08 for the base, 09 for the VAT, 10 for the
reason of an exemption. Where the artefacts treat two categories differently (the standard rate looks at categories
of other tax schemes too, IGIC and IPSI compare the code as written), so does this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, cast

from gateway.ubl.rules.checks import any_double, indicator
from gateway.ubl.rules.en16931.vat_categories import LINES, VAT_CATEGORIES, category_of, distinct, found_in, is_vat
from gateway.ubl.rules.numbers import ONE, ZERO, NotANumber, cents, double_of, not_negative, of_double
from gateway.ubl.rules.pack import Check, Fault
from gateway.ubl.rules.tree import Document, Node, Stopped, decimal

_SELLER: Final = "cac:Party/cac:PartyTaxScheme"


# --- BR-XX-01: the breakdown ------------------------------------------------------------------------------------


def once_in_breakdown(code: str) -> Check:
    """A category that is used stands exactly once in the VAT breakdown."""

    def check(invoice: Node, document: Document) -> Fault | None:
        found = found_in(document)
        if code not in found.used or found.count(code) == 1:
            return None
        return Fault(invoice, words={"category": code, "count": found.count(code)})

    return check


def in_breakdown_when_used(code: str) -> Check:
    """A category stands in the VAT breakdown when it is used elsewhere, and only then."""

    def check(invoice: Node, document: Document) -> Fault | None:
        found = found_in(document)
        if code == "S":
            elsewhere = code in found.lines_any or code in found.both_any
            fine = elsewhere == (code in found.breakdown_any)
        else:
            elsewhere = code in found.lines or code in found.both
            named = found.breakdown_raw if code == "L" else found.breakdown_raw_vat
            fine = code in named if elsewhere else code not in found.breakdown_codes
        if fine:
            return None
        return Fault(invoice, words={"category": code}, kind="not in breakdown" if elsewhere else "only in breakdown")

    return check


# --- BR-XX-02 to 04: the parties' identifiers -------------------------------------------------------------------


def has_company_id(document: Document, party: str, *, vat: bool) -> bool:
    """Somewhere in the document such a party has a tax registration with an identifier."""
    path = _SELLER if party != "cac:TaxRepresentativeParty" else "cac:PartyTaxScheme"
    return any(
        scheme.has("cbc:CompanyID") and (not vat or is_vat(scheme))
        for node in document.anywhere(party)
        for scheme in node.all(path)
    )


def _seller_any(document: Document) -> bool:
    return has_company_id(document, "cac:AccountingSupplierParty", vat=False) or _representative(document)


def _seller_vat(document: Document) -> bool:
    return has_company_id(document, "cac:AccountingSupplierParty", vat=True) or _representative(document)


def _representative(document: Document) -> bool:
    return has_company_id(document, "cac:TaxRepresentativeParty", vat=True)


def _buyer_vat(document: Document) -> bool:
    return has_company_id(document, "cac:AccountingCustomerParty", vat=True)


def _buyer_any(document: Document) -> bool:
    return _buyer_vat(document) or any(
        node.has("cac:Party/cac:PartyLegalEntity/cbc:CompanyID")
        for node in document.anywhere("cac:AccountingCustomerParty")
    )


def _both_reverse(document: Document) -> bool:
    return _seller_any(document) and _buyer_any(document)


def _both_vat(document: Document) -> bool:
    return _seller_vat(document) and _buyer_vat(document)


def _nobody(document: Document) -> bool:
    return not (_seller_vat(document) or _buyer_vat(document))


_PARTIES: Final[Mapping[str, Callable[[Document], bool]]] = {
    "AE": _both_reverse,
    "K": _both_vat,
    "G": _seller_vat,
    "O": _nobody,
}


def identified(code: str, where: str) -> Check:
    """Who uses the category has the identifiers that it needs (for O: has none)."""
    answer = _PARTIES.get(code, _seller_any)

    def check(invoice: Node, document: Document) -> Fault | None:
        found = found_in(document)
        if code not in getattr(found, where):
            return None
        if code == "S" and where == "lines_any" and code not in found.lines:
            return Fault(invoice, words={"category": code})  # a standard rate of another tax: nothing satisfies it
        return None if answer(document) else Fault(invoice, words={"category": code})

    return check


def _places(code: str) -> tuple[str, str, str]:
    """Which sets of :class:`Categories` 02, 03 and 04 look at."""
    if code == "S":
        return "lines_any", "allowances", "charges"
    if code == "O":
        return "lines", "document_allowances", "document_charges"
    return "lines", "allowances", "raw_charges" if code == "L" else "charges"


# --- BR-XX-05 to 07: the rate -----------------------------------------------------------------------------------


def rate_zero(category: Node, document: Document) -> Fault | None:
    """The rate is 0; none is not enough."""
    rate = category.decimal("cbc:Percent")
    return None if rate == 0 else _rate(category)


def rate_not_negative(category: Node, document: Document) -> Fault | None:
    """The rate is 0 or more."""
    return None if any_double(category, "cbc:Percent", not_negative) else _rate(category)


def rate_positive(category: Node, document: Document) -> Fault | None:
    """The rate is more than 0."""
    return None if any_double(category, "cbc:Percent", lambda rate: rate > 0) else _rate(category)


def no_rate(category: Node, document: Document) -> Fault | None:
    """There is no rate at all."""
    return _rate(category) if category.has("cbc:Percent") else None


def _rate(category: Node) -> Fault:
    found = category.all("cbc:Percent")
    words = {"category": category.normal("cbc:ID")}
    return Fault(found[0], found[0].text, words) if found else Fault(category, "", words)


# --- BR-XX-08: the base -----------------------------------------------------------------------------------------


def base_is_sum(code: str) -> Check:
    """The base is exactly what lines, charges and allowances of the category add up to."""

    def check(category: Node, document: Document) -> Fault | None:
        subtotal = _above(category)
        stated, expected = subtotal.decimal("cbc:TaxableAmount"), None
        for kind in LINES:
            if document.anywhere(kind):
                expected = _sums(document, kind).get((code, None), ZERO)
                if stated == expected:
                    return None
        return _base(subtotal, code, expected or ZERO)

    return check


def base_is_sum_of_rate(code: str) -> Check:
    """The base is, within one unit, what lines, charges and allowances of category and rate add up to."""

    def check(category: Node, document: Document) -> Fault | None:
        rate = category.decimal("cbc:Percent")
        if rate is None:
            return None
        subtotal, expected = _above(category), None
        bounds = _bounds(subtotal)
        for kind in LINES:
            if code == "S":
                there = (rate in _rates_anywhere(document, kind)) or (rate in _rates_anywhere(document, ""))
            else:
                there = bool(document.anywhere(kind))
            if there:
                total = _sums(document, kind, code).get((code, rate), ZERO)
                if bounds is not None and bounds[0] < total < bounds[1]:
                    return None
                if expected is None or document.anywhere(kind):
                    expected = total
        return _base(subtotal, code, expected or ZERO, rate=rate)

    return check


def _base(subtotal: Node, code: str, expected: Decimal | None, **figures: object) -> Fault:
    found = subtotal.all("cbc:TaxableAmount")
    at = found[0] if found else subtotal
    return Fault(at, found[0].text if found else "", {"category": code, "expected": expected, **figures})


def _bounds(subtotal: Node) -> tuple[Decimal, Decimal] | None:
    """One below and one above the base. The artefacts take these two steps in binary floating point."""
    node = subtotal.one("cbc:TaxableAmount")
    if node is None:
        return None
    try:
        value = double_of(node.text)
        return of_double(value - 1), of_double(value + 1)
    except (NotANumber, ArithmeticError, ValueError):
        raise Stopped(node, "number", node.text) from None


def _above(category: Node) -> Node:
    assert category.parent is not None  # the context is …/cac:TaxSubtotal/cac:TaxCategory
    return category.parent


_Keys = frozenset[tuple[str, Decimal | None]]
_Sums = dict[tuple[str, Decimal | None], Decimal]


def _sums(document: Document, kind: str, rated: str = "") -> _Sums:
    """What the document's lines of one kind, charges and allowances add up to: by code, for ``rated`` by rate too."""
    key = ("sums", kind, rated)
    if key not in document.memo:
        sums: _Sums = {}
        _add(sums, document.root.all(kind), "cac:Item/cac:ClassifiedTaxCategory", "cbc:LineExtensionAmount", 1, rated)
        rows = document.root.all("cac:AllowanceCharge")
        for sign, charge in ((1, True), (-1, False)):
            _add(sums, [one for one in rows if indicator(one, charge)], "cac:TaxCategory", "cbc:Amount", sign, rated)
        document.memo[key] = sums
    result = document.memo[key]
    assert isinstance(result, dict)
    return result


def _add(sums: _Sums, rows: list[Node], categories: str, path: str, sign: int, rated: str) -> None:
    """Add the amounts of rows to the sums to which they belong: first up by shape, which is a row's whole cost."""
    alike: dict[object, list[Node]] = {}
    for row in rows:
        shape = row.shape
        alike.setdefault(row.place if shape.open_code else shape, []).append(row)
    for group in alike.values():
        keys = _keys(group[0], categories, rated)
        amounts = [amount for row in group if (amount := row.decimal(path)) is not None] if keys else []
        if amounts:
            amount = sum(amounts, ZERO)
            for key in keys:
                sums[key] = sums.get(key, ZERO) + (amount if sign > 0 else -amount)


def _keys(row: Node, path: str, rated: str) -> _Keys:
    """To which sums a line, charge or allowance belongs; worked out once for a shape."""
    shape, question = row.shape, (path, rated)
    known = shape.memo.get(question)
    if known is not None:
        return cast(_Keys, known)
    found = row.all(path)
    codes = {node.normal("cbc:ID") for node in found}
    keys: set[tuple[str, Decimal | None]] = {(code, None) for code in codes} if rated in codes or not rated else set()
    if rated and rated in codes:
        keys |= {(rated, rate) for node in found if (rate := node.decimal("cbc:Percent")) is not None}
    if not shape.open_code:
        shape.memo[question] = frozenset(keys)
    return frozenset(keys)


def _rates_anywhere(document: Document, kind: str) -> frozenset[Decimal]:
    """The rates of lines of a kind (without one: of allowances and charges) that have the standard category."""
    key = ("standard rates", kind)
    if key not in document.memo:
        name, path = kind or "cac:AllowanceCharge", "cac:Item/cac:ClassifiedTaxCategory" if kind else "cac:TaxCategory"
        known = [shape.memo.get(key) for shape in document.shapes(name)]
        if None in known:
            known = [_rates(row, path, key) for row in distinct(document.anywhere(name))]
        document.memo[key] = frozenset().union(*cast("list[frozenset[Decimal]]", known))
    return cast("frozenset[Decimal]", document.memo[key])


def _rates(row: Node, path: str, key: tuple[str, str]) -> frozenset[Decimal]:
    """The rates of a line, allowance or charge that has the standard category; kept for its shape if that tells."""
    found = row.all(path)
    rates: frozenset[Decimal] = frozenset()
    if any(node.normal("cbc:ID") == "S" for node in found):
        rates = frozenset([rate for node in found if (rate := node.decimal("cbc:Percent")) is not None])
    if not row.shape.open_code:
        row.shape.memo[key] = rates
    return rates


# --- BR-XX-09 and 10: the VAT, the reason -----------------------------------------------------------------------


def no_vat(category: Node, document: Document) -> Fault | None:
    """The VAT of the category is 0."""
    subtotal = _above(category)
    tax = subtotal.decimal("cbc:TaxAmount")
    return None if tax == 0 else _tax(subtotal, category, ZERO)


def vat_is_base_times_rate(category: Node, document: Document) -> Fault | None:
    """The VAT of the category is its base times its rate, within one unit."""
    subtotal = _above(category)
    tax, base = subtotal.decimal("cbc:TaxAmount"), subtotal.decimal("cbc:TaxableAmount")
    rate = category.decimal("cbc:Percent")
    if tax is None or base is None or rate is None:
        return _tax(subtotal, category, None)
    expected = cents(abs(base) * rate.scaleb(-2))
    if abs(tax) - ONE < expected < abs(tax) + ONE:
        return None
    return _tax(subtotal, category, expected.copy_sign(base), rate=rate, base=base)


def _tax(subtotal: Node, category: Node, expected: Decimal | None, **figures: object) -> Fault:
    found = subtotal.all("cbc:TaxAmount")
    at = found[0] if found else subtotal
    words = {"category": category.normal("cbc:ID"), "expected": expected, **figures}
    return Fault(at, found[0].text if found else "", words)


def has_reason(category: Node, document: Document) -> Fault | None:
    """There is a reason for the exemption, as text or code."""
    if category.has("cbc:TaxExemptionReason") or category.has("cbc:TaxExemptionReasonCode"):
        return None
    return Fault(category, words={"category": category.normal("cbc:ID")})


def no_reason(category: Node, document: Document) -> Fault | None:
    """There is no reason for an exemption."""
    for path in ("cbc:TaxExemptionReason", "cbc:TaxExemptionReasonCode"):
        found = category.all(path)
        if found:
            return Fault(found[0], found[0].text[:200], {"category": category.normal("cbc:ID")})
    return None


# --- BR-IC-11 and 12, BR-O-11 to 14, BR-B-01 and 02 -------------------------------------------------------------


def delivery_date_or_period(invoice: Node, document: Document) -> Fault | None:
    """BR-IC-11: an intra-community supply says when it was delivered, or the invoicing period."""
    if not found_in(document).count("K"):
        return None
    if len(invoice.string("cac:Delivery/cbc:ActualDeliveryDate")) > 1:
        return None
    if any(period.has_children for period in invoice.all("cac:InvoicePeriod")):
        return None
    return Fault(invoice)


def delivery_country(invoice: Node, document: Document) -> Fault | None:
    """BR-IC-12: an intra-community supply says to which country it was delivered."""
    if not found_in(document).count("K"):
        return None
    path = "cac:Delivery/cac:DeliveryLocation/cac:Address/cac:Country/cbc:IdentificationCode"
    return None if len(invoice.string(path)) > 1 else Fault(invoice)


def nothing_else(where: str) -> Check:
    """BR-O-11 to 14: beside “not subject to VAT” there is no other category in this place."""

    def check(invoice: Node, document: Document) -> Fault | None:
        found = found_in(document)
        others = getattr(found, where) - {"O"}
        if not found.count("O") or not others:
            return None
        return Fault(invoice, words={"others": ", ".join(sorted(others))})

    return check


def split_payment_in_italy(invoice: Node, document: Document) -> Fault | None:
    """BR-B-01: split payment (B) only where every country code is IT."""
    if "B" not in found_in(document).mentioned:
        return None
    abroad = [code for code in document.anywhere("cbc:IdentificationCode") if code.text != "IT"]
    return Fault(abroad[0], abroad[0].text) if abroad else None


def split_payment_alone(invoice: Node, document: Document) -> Fault | None:
    """BR-B-02: split payment (B) and standard rate (S) do not stand in one document."""
    if not {"B", "S"} <= found_in(document).mentioned:
        return None
    nodes = (
        invoice.all("cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory")
        + invoice.all("cac:AllowanceCharge/cac:TaxCategory")
        + document.anywhere("cac:ClassifiedTaxCategory")
    )
    codes = {one.text for node in nodes for one in node.all("cbc:ID")}
    return Fault(invoice) if {"B", "S"} <= codes else None


# --- The rules of each category ---------------------------------------------------------------------------------

_TAXED: Final = frozenset("SLM")
_BY_USE: Final = frozenset("SLM")
_RATES: Final = {"S": rate_positive, "L": rate_not_negative, "M": rate_not_negative, "O": no_rate}


def invoice_rules() -> dict[str, Check]:
    """BR-XX-01 to 04 of every category, and what some have beyond: the context is the document."""
    rules: dict[str, Check] = {}
    for part, code in VAT_CATEGORIES.items():
        rules[f"BR-{part}-01"] = in_breakdown_when_used(code) if code in _BY_USE else once_in_breakdown(code)
        for number, where in zip(("02", "03", "04"), _places(code), strict=True):
            rules[f"BR-{part}-{number}"] = identified(code, where)
    return rules | {
        "BR-IC-11": delivery_date_or_period,
        "BR-IC-12": delivery_country,
        "BR-O-11": nothing_else("breakdown_codes"),
        "BR-O-12": nothing_else("lines"),
        "BR-O-13": nothing_else("allowances"),
        "BR-O-14": nothing_else("charges"),
        "BR-B-01": split_payment_in_italy,
        "BR-B-02": split_payment_alone,
    }


def rate_rules(number: str) -> dict[str, dict[str, Check]]:
    """BR-XX-05 (lines), 06 (allowances) or 07 (charges), by category code."""
    return {code: {f"BR-{part}-{number}": _RATES.get(code, rate_zero)} for part, code in VAT_CATEGORIES.items()}


def breakdown_rules() -> dict[str, dict[str, Check]]:
    """BR-XX-08 to 10, by category code: the context is a category of the VAT breakdown."""
    return {
        code: {
            f"BR-{part}-08": base_is_sum_of_rate(code) if code in _TAXED else base_is_sum(code),
            f"BR-{part}-09": vat_is_base_times_rate if code in _TAXED else no_vat,
            f"BR-{part}-10": no_reason if code in _TAXED or code == "Z" else has_reason,
        }
        for part, code in VAT_CATEGORIES.items()
    }


__all__ = ["breakdown_rules", "category_of", "decimal", "invoice_rules", "is_vat", "rate_rules"]
