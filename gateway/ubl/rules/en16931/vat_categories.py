"""The VAT categories of a document: which codes (UNTDID 5305) stand on lines, allowances, charges, in the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final

from gateway.ubl.rules.checks import indicator
from gateway.ubl.rules.tree import Document, Node, normal

VAT_CATEGORIES: Final = {"S": "S", "Z": "Z", "E": "E", "AE": "AE", "IC": "K", "G": "G", "O": "O", "AF": "L", "AG": "M"}
"""The part of the rule id, and the code (UNTDID 5305) it stands for."""
_MOST: Final = 12
_LONGEST: Final = 8
LINES: Final = ("cac:InvoiceLine", "cac:CreditNoteLine")


def is_vat(node: Node) -> bool:
    """The tax scheme of a category or of a party's tax registration is VAT."""
    shape = node.shape
    known = shape.memo.get("VAT")
    if known is None:
        known = any(normal(scheme.string("cbc:ID").upper()) == "VAT" for scheme in node.all("cac:TaxScheme"))
        if not shape.open_code:
            shape.memo["VAT"] = known
    return known is True


def category_of(node: Node, document: Document) -> str | None:
    """The code of a VAT category; None for another tax. Chooses the cases of a context."""
    code = node.normal("cbc:ID")
    return code if is_vat(node) else None


@dataclass(frozen=True, slots=True)
class Categories:
    """Where in a document which category codes stand."""

    used: frozenset[str]
    """VAT, anywhere."""
    mentioned: frozenset[str]
    """Anywhere, whatever the tax, as written."""
    lines: frozenset[str]
    """VAT, on lines."""
    lines_any: frozenset[str]
    """On lines, whatever the tax."""
    allowances: frozenset[str]
    charges: frozenset[str]
    both: frozenset[str]
    """VAT, on allowances and charges."""
    both_any: frozenset[str]
    raw_charges: frozenset[str]
    """VAT, on charges, the codes as written."""
    document_allowances: frozenset[str]
    document_charges: frozenset[str]
    breakdown: frozenset[tuple[str, int]]
    """VAT, in the breakdown: how often."""
    breakdown_codes: frozenset[str]
    """VAT, in the breakdown, one for each category (empty for one without a code)."""
    breakdown_any: frozenset[str]
    breakdown_raw: frozenset[str]
    breakdown_raw_vat: frozenset[str]

    def count(self, code: str) -> int:
        """How often a VAT category stands in the breakdown."""
        return next((number for known, number in self.breakdown if known == code), 0)


class _Found:
    """The sets of :class:`Categories` while they are filled."""

    def __init__(self) -> None:
        self.sets: dict[str, set[str]] = {field.name: set() for field in fields(Categories)}
        self.breakdown: Counter[str] = Counter()

    def __getitem__(self, name: str) -> set[str]:
        return self.sets[name]

    def done(self) -> Categories:
        parts = {name: frozenset(found) for name, found in self.sets.items()}
        return Categories(**{**parts, "breakdown": frozenset(self.breakdown.items())})  # type: ignore[arg-type]


def categories(document: Document) -> Categories:
    """Look through the document once. Raises :class:`Stopped` as the single rules would."""
    found = _Found()
    for node in distinct(document.anywhere("cac:ClassifiedTaxCategory")):
        code = node.normal("cbc:ID")
        raw = [one.text for one in node.all("cbc:ID")]
        found["mentioned"].update(raw)
        found["lines_any"].add(code)
        if is_vat(node):
            found["lines"].add(code)
            found["used"].update(map(normal, raw))
    for node in distinct(document.anywhere("cac:TaxCategory")):
        raw = [one.text for one in node.all("cbc:ID")]
        found["mentioned"].update(raw)
        if is_vat(node):
            found["used"].update(map(normal, raw))
    for row in distinct(document.anywhere("cac:AllowanceCharge")):
        _note_allowance(found, row)
    for node in document.root.all("cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory"):
        raw = [one.text for one in node.all("cbc:ID")]
        code = node.normal("cbc:ID")
        found["breakdown_any"].add(code)
        found["breakdown_raw"].update(raw)
        if is_vat(node):
            found.breakdown.update(map(normal, raw))
            found["breakdown_codes"].add(code)
            found["breakdown_raw_vat"].update(raw)
    return found.done()


def usual_categories(document: Document) -> Categories | None:
    """The same for documents with few and short codes, as a fact; else None. Raises :class:`Stopped`."""
    found = document.once(_known_categories)
    usual = len(found.mentioned) <= _MOST and all(len(code) <= _LONGEST for code in found.mentioned)
    return found if usual and sum(number for _, number in found.breakdown) <= _MOST else None


def found_in(document: Document) -> Categories:
    """The categories of a document. Raises :class:`Stopped`."""
    return document.fact(usual_categories) or document.once(_known_categories)


def _known_categories(document: Document) -> Categories:
    """The categories, worked out once for documents in which the same shapes hold them."""
    shapes = document.shapes("cac:ClassifiedTaxCategory", "cac:TaxCategory", "cac:AllowanceCharge")
    if any(shape.open_code for shape in shapes):
        return categories(document)
    memo = document.root.shape.memo
    found = memo.get(shapes)
    if not isinstance(found, Categories):
        if len(memo) >= _MOST:
            memo.clear()
        found = memo[shapes] = categories(document)
    return found


def distinct(nodes: list[Node]) -> Iterable[Node]:
    """One element of each shape, where the shape tells all codes in it."""
    return {shape if not (shape := node.shape).open_code else node.place: node for node in nodes}.values()


def _note_allowance(found: _Found, row: Node) -> None:
    allowance, charge = indicator(row, False), indicator(row, True)  # asked of each row, even without a category
    for node in row.all("cac:TaxCategory"):
        code = node.normal("cbc:ID")
        found["both_any"].add(code)
        if not is_vat(node):
            continue
        found["both"].add(code)
        whole_document = row.on_top
        if allowance:
            found["allowances"].add(code)
            if whole_document:
                found["document_allowances"].add(code)
        if charge:
            found["charges"].add(code)
            found["raw_charges"].update(one.text for one in node.all("cbc:ID"))
            if whole_document:
                found["document_charges"].add(code)
