"""The VAT categories of a document: which codes (UNTDID 5305) stand on lines, allowances, charges, in the totals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from gateway.ubl.rules.checks import indicator
from gateway.ubl.rules.tree import Document, Node, normal

VAT_CATEGORIES: Final = {"S": "S", "Z": "Z", "E": "E", "AE": "AE", "IC": "K", "G": "G", "O": "O", "AF": "L", "AG": "M"}
"""The part of the rule id, and the code (UNTDID 5305) it stands for."""
LINES: Final = ("cac:InvoiceLine", "cac:CreditNoteLine")


def is_vat(node: Node) -> bool:
    """The tax scheme of a category or of a party's tax registration is VAT."""
    return any(normal(scheme.string("cbc:ID").upper()) == "VAT" for scheme in node.all("cac:TaxScheme"))


def category_of(node: Node, document: Document) -> str | None:
    """The code of a VAT category; None for another tax. Chooses the cases of a context."""
    code = node.normal("cbc:ID")
    return code if is_vat(node) else None


@dataclass(slots=True)
class Categories:
    """Where in a document which category codes stand."""

    used: set[str] = field(default_factory=set)
    """VAT, anywhere."""
    lines: set[str] = field(default_factory=set)
    """VAT, on lines."""
    lines_any: set[str] = field(default_factory=set)
    """On lines, whatever the tax."""
    allowances: set[str] = field(default_factory=set)
    charges: set[str] = field(default_factory=set)
    both: set[str] = field(default_factory=set)
    """VAT, on allowances and charges."""
    both_any: set[str] = field(default_factory=set)
    raw_charges: set[str] = field(default_factory=set)
    """VAT, on charges, the codes as written."""
    document_allowances: set[str] = field(default_factory=set)
    document_charges: set[str] = field(default_factory=set)
    breakdown: Counter[str] = field(default_factory=Counter)
    """VAT, in the breakdown: how often."""
    breakdown_codes: set[str] = field(default_factory=set)
    """VAT, in the breakdown, one for each category (empty for one without a code)."""
    breakdown_any: set[str] = field(default_factory=set)
    breakdown_raw: set[str] = field(default_factory=set)
    breakdown_raw_vat: set[str] = field(default_factory=set)


def categories(document: Document) -> Categories:
    """Look through the document once. Raises :class:`Stopped` as the single rules would."""
    found = Categories()
    for node in document.anywhere("cac:ClassifiedTaxCategory"):
        code = node.normal("cbc:ID")
        found.lines_any.add(code)
        if is_vat(node):
            found.lines.add(code)
            found.used.update(normal(one.text) for one in node.all("cbc:ID"))
    for node in document.anywhere("cac:TaxCategory"):
        if is_vat(node):
            found.used.update(normal(one.text) for one in node.all("cbc:ID"))
    for row in document.anywhere("cac:AllowanceCharge"):
        _note_allowance(found, row, document)
    for node in document.root.all("cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory"):
        codes = node.all("cbc:ID")
        found.breakdown_any.add(node.normal("cbc:ID"))
        found.breakdown_raw.update(one.text for one in codes)
        if is_vat(node):
            found.breakdown.update(normal(one.text) for one in codes)
            found.breakdown_codes.add(node.normal("cbc:ID"))
            found.breakdown_raw_vat.update(one.text for one in codes)
    return found


def _note_allowance(found: Categories, row: Node, document: Document) -> None:
    for node in row.all("cac:TaxCategory"):
        code = node.normal("cbc:ID")
        found.both_any.add(code)
        if not is_vat(node):
            continue
        found.both.add(code)
        whole_document = row.on_top
        if indicator(row, False):
            found.allowances.add(code)
            if whole_document:
                found.document_allowances.add(code)
        if indicator(row, True):
            found.charges.add(code)
            found.raw_charges.update(one.text for one in node.all("cbc:ID"))
            if whole_document:
                found.document_charges.add(code)
