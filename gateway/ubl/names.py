"""Namespaces and small readers that every file of this package shares.

Source: UBL 2.1 (OASIS), Standard Business Document Header 1.3, Peppol Business Message Envelope 2.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import chain
from operator import methodcaller
from typing import Final

from lxml import etree

UBL: Final = "urn:oasis:names:specification:ubl:schema:xsd:"
INVOICE_NS: Final = UBL + "Invoice-2"
CREDIT_NOTE_NS: Final = UBL + "CreditNote-2"
CAC: Final = UBL + "CommonAggregateComponents-2"
CBC: Final = UBL + "CommonBasicComponents-2"
SBDH: Final = "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"
WRAPPED: Final = "http://peppol.eu/xsd/ticc/envelope/1.0"

DOCUMENTS: Final = {INVOICE_NS: "Invoice", CREDIT_NOTE_NS: "CreditNote"}
_ROOTS: Final = frozenset(f"{{{namespace}}}{name}" for namespace, name in DOCUMENTS.items())
PREFIXES: Final = {"cac": CAC, "cbc": CBC}

MAX_DOCUMENT: Final = 100_000_000
"""Octets of a document or envelope that is read when the caller names no other limit."""

_SHORT: Final = {
    CAC: "cac:",
    CBC: "cbc:",
    INVOICE_NS: "",
    CREDIT_NOTE_NS: "",
    UBL + "CommonExtensionComponents-2": "ext:",
}
_DECIMAL: Final = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})", re.ASCII)


def is_invoice(root: etree._Element) -> bool:
    """Tell whether the root element is a UBL Invoice or CreditNote."""
    return root.tag in _ROOTS


@cache
def _steps(path: str) -> tuple[str, tuple[str, ...]]:
    """The tag of the first step of a path, and those of the rest."""
    first, *rest = (f"{{{PREFIXES[step[:3]]}}}{step[4:]}" for step in path.split("/"))
    return first, tuple(rest)


def find(node: etree._Element | None, path: str) -> etree._Element | None:
    """The first element at a path of ``cac:`` and ``cbc:`` steps, or None."""
    if node is None:
        return None
    first, rest = _steps(path)
    # Not find(): reading its path anew takes as long as the search.
    found = node.iterchildren(first)
    return next(_below(found, rest) if rest else found, None)


def find_all(node: etree._Element | None, path: str) -> list[etree._Element]:
    """Every element at a path of ``cac:`` and ``cbc:`` steps."""
    if node is None:
        return []
    first, rest = _steps(path)
    return list(_below(node.iterchildren(first), rest))


def _below(nodes: Iterator[etree._Element], steps: tuple[str, ...]) -> Iterator[etree._Element]:
    for step in steps:
        nodes = chain.from_iterable(map(methodcaller("iterchildren", step), nodes))
    return nodes


def text(node: etree._Element | None, path: str = "") -> str:
    """The trimmed text of the element at the path, with inner line ends kept; empty when there is none."""
    found = find(node, path) if path else node
    if found is None:
        return ""
    value = found.text or ""
    if len(found):
        for child in found:  # a comment inside a value does not end it
            value += child.tail or ""
    return value.strip()


def decimal(value: str) -> Decimal | None:
    """An xs:decimal of at most 60 digits, or None."""
    return Decimal(value) if _DECIMAL.fullmatch(value) else None


def short_name(tag: str) -> str:
    """``cbc:ID`` for the element ID of that namespace, ``Invoice`` for a root, ``{namespace}name`` for a stranger."""
    name = etree.QName(tag)
    prefix = _SHORT.get(name.namespace or "")
    if prefix is None:
        return f"{{{name.namespace}}}{name.localname}" if name.namespace else name.localname
    return prefix + name.localname


def xpath_of(node: etree._Element) -> str:
    """Where an element stands: ``/Invoice/cac:InvoiceLine[3]/cbc:ID``."""
    steps: list[str] = []
    current: etree._Element | None = node
    while current is not None:
        parent = current.getparent()
        step = short_name(current.tag)
        if parent is not None:
            twins = [child for child in parent if child.tag == current.tag]
            if len(twins) > 1:
                step += f"[{twins.index(current) + 1}]"
        steps.append(step)
        current = parent
    return "/" + "/".join(reversed(steps))
