"""Invoices with a PDF of themselves: honest ones, and ones of which somebody has changed one of the two."""

from __future__ import annotations

import dataclasses
import random
from decimal import Decimal

from gateway.ubl import interpretation
from tests.scanning import generator
from tests.scanning.generator import Invoice


def ubl(one: Invoice, pdf: bytes = b"") -> bytes:
    """The invoice as UBL with this PDF attached."""
    original = interpretation.Original(id="x", file_name="faktura.pdf", media_type="application/pdf", octets=pdf)
    fields = {**one.truth, "rate": str(one.rate)}
    return interpretation.write(fields, f"0007:{one.buyer}", "Kund AB", original)


def pdf(one: Invoice, items: list[generator.Item] | None = None) -> bytes:
    """Its page, with its code where it has one."""
    code = generator.qr(one.using_qr(), 120) if one.code else None
    return generator.text_pdf(generator.page(one) if items is None else items, code=code)


def altered(one: Invoice, seed: int) -> dict[str, tuple[tuple[str, ...], bytes]]:
    """PDFs that show something else, and of which facts."""
    rng = random.Random(seed)
    more = (*one.lines, ("Tillägg", 1, Decimal(rng.randint(100, 99_999)) / 100))
    number = one.number[:-1] + str((int(one.number[-1]) + 1) % 10)
    account = generator.account(rng)
    return {
        "sum": (("total",), pdf(one, _other_sum(one, rng))),
        "lines": (("total",), pdf(dataclasses.replace(one, lines=more))),
        "account": (("account",), pdf(dataclasses.replace(one, account=account))),
        "number": (("number",), pdf(dataclasses.replace(one, number=number))),
        "both": (("total", "account"), pdf(dataclasses.replace(one, account=account, lines=more))),
    }


def _other_sum(one: Invoice, rng: random.Random) -> list[generator.Item]:
    """Nothing but the total is another."""
    other = one.total + Decimal(rng.randint(10_000, 999_999)) / 100
    style = 2 if one.layout == "english" else 0
    was, now = generator.money(one.total, style), generator.money(other, style)
    return [(x, y, size, text.replace(was, now) if y > 180 else text) for x, y, size, text in generator.page(one)]


def innocent(one: Invoice, seed: int) -> dict[str, bytes]:
    """PDFs that show what the invoice says, or something that is not this invoice."""
    hours = [(20.0, 30.0, 14.0, "TIDRAPPORT"), (20, 40, 10, f"Underlag till faktura {one.number}")]
    hours += [(20, 50, 10, "Totalt 14,50 timmar"), (20, 60, 10, "Summa 1 234,00")]
    terms = [(20.0, 30.0, 14.0, "ALLMÄNNA VILLKOR"), (20, 40, 10, "Fakturor betalas till bankgiro 5050-1055.")]
    return {
        "itself": pdf(one),
        "itself with hours": pdf(one, [*generator.page(one), (20.0, 250.0, 9.0, "Totalt 14,50 timmar")]),
        "another supplier's": pdf(generator.invoice(seed + 100_000, code=False)),
        "hours": generator.text_pdf(hours),
        "terms": generator.text_pdf(terms),
        "no text": generator.text_pdf([]),
    }
