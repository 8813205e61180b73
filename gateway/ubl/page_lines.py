"""The lines of the readable page: what was delivered, and the discounts and charges of line and document.

Source: Peppol BIS Billing 3.0, BG-20 to BG-32.
"""

from __future__ import annotations

from lxml import etree

from gateway.ubl.names import decimal, find, find_all, text
from gateway.ubl.page_basis import LONG, SHORT, Page, Row, breakable, clip, period_of
from gateway.ubl.page_words import CATEGORIES, number, percent, pick, unit


def line_row(page: Page, node: etree._Element) -> Row:
    quantity = find(node, "cbc:CreditedQuantity" if page.credit else "cbc:InvoicedQuantity")
    item = find(node, "cac:Item")
    name, described = text(item, "cbc:Name"), text(item, "cbc:Description")
    seller_id = text(item, "cac:SellersItemIdentification/cbc:ID")
    standard_id = text(item, "cac:StandardItemIdentification/cbc:ID")
    discounts, others = _line_adjustments(page, node)
    return {
        "name": breakable(clip(name or described, SHORT), 40),
        "details": _details(page, node, item, described if name and described != name else "") + others,
        "item": breakable(clip(seller_id or standard_id, 80), 12),
        "quantity": number(text(quantity), page.language) if quantity is not None else "",
        "unit": unit(quantity.get("unitCode", ""), page.language) if quantity is not None else "",
        "price": page.money(text(node, "cac:Price/cbc:PriceAmount")),
        "per": _price_base(page, find(node, "cac:Price/cbc:BaseQuantity")),
        "discount": discounts,
        "vat": category(page, find(item, "cac:ClassifiedTaxCategory"), brief=True),
        "amount": page.money(text(node, "cbc:LineExtensionAmount")),
    }


def _details(page: Page, line: etree._Element, item: etree._Element | None, described: str) -> list[str]:
    """The small print under an item's name."""
    word = page.word
    properties = [
        f"{text(node, 'cbc:Name')}: {text(node, 'cbc:Value')}"
        for node in find_all(item, "cac:AdditionalItemProperty")[:20]
    ]
    seller_id = text(item, "cac:SellersItemIdentification/cbc:ID")
    standard = find(item, "cac:StandardItemIdentification/cbc:ID")
    gtin = text(standard) if seller_id else ""
    label = "GTIN" if standard is not None and standard.get("schemeID") == "0160" else "ID"
    buyer_id = text(item, "cac:BuyersItemIdentification/cbc:ID")
    period = period_of(find(line, "cac:InvoicePeriod"))
    order = text(line, "cac:OrderLineReference/cbc:LineID")
    cost = text(line, "cbc:AccountingCost")
    facts = [
        f"{label} {gtin}" if gtin else "",
        f"{word('your_reference')}: {buyer_id}" if buyer_id else "",
        f"{word('period')} {period}" if period else "",
        f"{word('order_line')} {order}" if order else "",
        f"{word('cost')} {cost}" if cost else "",
    ]
    parts = [
        *described.splitlines(),
        *text(line, "cbc:Note").splitlines(),
        *properties,
        " · ".join(filter(None, facts)),
    ]
    whole = "\n".join(part.strip() for part in parts if part.strip())
    return [breakable(part, 60) for part in clip(whole, LONG, more=word("shortened")).splitlines()[:60]]


def _price_base(page: Page, base: etree._Element | None) -> str:
    """``per 100 pcs`` where the price is not for one."""
    if base is None or decimal(text(base)) in (None, 1):
        return ""
    measure = unit(base.get("unitCode", ""), page.language)
    return f"{page.word('per')} {number(text(base), page.language)} {measure}".strip()


def _line_adjustments(page: Page, line: etree._Element) -> tuple[str, list[str]]:
    """The discount column, and what does not fit there as sentences: several of them, charges, list prices."""
    discounts: list[str] = []
    details: list[str] = []
    for node in find_all(line, "cac:AllowanceCharge")[:20]:
        charge = _is_charge(node)
        amount, rate = (
            page.money(text(node, "cbc:Amount")),
            percent(text(node, "cbc:MultiplierFactorNumeric"), page.language),
        )
        reason = text(node, "cbc:AllowanceChargeReason")
        label = page.word("charge" if charge else "allowance")
        if not charge:
            discounts.append(rate or amount)
        said = f"{label}{f' ({reason})' if reason else ''}: {'' if charge else '−'}{amount}"
        base = page.money(text(node, "cbc:BaseAmount"))
        details.append(f"{said} ({rate} {page.word('of')} {base})" if rate and base else said)
    price = find(line, "cac:Price/cac:AllowanceCharge")
    gross = page.money(text(price, "cbc:BaseAmount"))
    if gross and decimal(text(price, "cbc:Amount")):
        cut = page.money(text(price, "cbc:Amount"))
        details.append(f"{page.word('gross_price').capitalize()} {gross}, {page.word('allowance').lower()} {cut}")
    return (discounts[0] if len(discounts) == 1 else " + ".join(discounts[:3])), [clip(part, SHORT) for part in details]


def _is_charge(node: etree._Element) -> bool:
    return text(node, "cbc:ChargeIndicator") in ("true", "1")


def category(page: Page, node: etree._Element | None, *, brief: bool) -> str:
    """A VAT category in words: ``25 %`` where the rate says it all, else its name."""
    code, rate = text(node, "cbc:ID"), percent(text(node, "cbc:Percent"), page.language)
    name = pick(CATEGORIES[code], page.language) if code in CATEGORIES else code
    if code == "S" or (code in CATEGORIES and decimal(text(node, "cbc:Percent"))):
        return rate if brief else f"{name} {rate}"
    if brief:
        return rate or ("–" if node is not None else "")
    return name


def adjustment_row(page: Page, node: etree._Element) -> Row:
    charge = _is_charge(node)
    amount = page.money(text(node, "cbc:Amount"))
    rate, base = (
        percent(text(node, "cbc:MultiplierFactorNumeric"), page.language),
        page.money(text(node, "cbc:BaseAmount")),
    )
    reason = text(node, "cbc:AllowanceChargeReason") or page.word("charge" if charge else "allowance")
    basis = f"{rate} {page.word('of')} {base}" if rate and base else rate
    return {
        "label": clip(f"{reason} ({basis})" if basis else reason, SHORT),
        "vat": category(page, find(node, "cac:TaxCategory"), brief=True),
        "amount": amount if charge else negated(amount),
    }


def negated(shown: str) -> str:
    return shown[1:] if shown.startswith("−") else f"−{shown}" if shown.strip("0.,") else shown
