"""Checks that many rules share, made from a path: ``filled("cbc:ID")``, ``at_most(1, "cac:Delivery")``.

Each gives a function that answers None when all is well, else the :class:`Fault`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.ubl.rules.numbers import NotANumber, date_of, double_of
from gateway.ubl.rules.pack import Check, CodeList, Condition, Fault
from gateway.ubl.rules.tree import Document, Node, Stopped, normal, truth

DECIMALS: Final = 2


def exists(*paths: str) -> Check:
    """At least one of the paths leads to an element."""

    def check(node: Node, document: Document) -> Fault | None:
        for path in paths:
            if node.has(path):
                return None
        return Fault(node, kind="missing", words={"element": paths})

    return check


def all_of(*paths: str) -> Check:
    """Each of the paths leads to an element."""

    def check(node: Node, document: Document) -> Fault | None:
        missing = tuple(path for path in paths if not node.has(path))
        return Fault(node, kind="missing", words={"element": missing}) if missing else None

    return check


def absent(*paths: str) -> Check:
    """None of the paths leads to an element."""

    def check(node: Node, document: Document) -> Fault | None:
        for path in paths:
            if node.has(path):
                found = node.all(path)[0]
                return Fault(found, found.text[:200], kind="forbidden", words={"element": (path,)})
        return None

    return check


def filled(*paths: str) -> Check:
    """At least one of the paths leads to a text that is not blank; two elements at one path stop the rule set."""

    def check(node: Node, document: Document) -> Fault | None:
        for path in paths:
            if node.filled(path):
                return None
        return Fault(node, kind="missing", words={"element": paths})

    return check


def attribute(name: str) -> Check:
    """The element has the attribute."""

    def check(node: Node, document: Document) -> Fault | None:
        if name in node.attributes:
            return None
        return Fault(node, node.text, kind="attribute", words={"attribute": name})

    return check


def at_most(most: int, path: str) -> Check:
    """Not more than ``most`` elements at the path."""

    def check(node: Node, document: Document) -> Fault | None:
        found = node.all(path)
        if len(found) <= most:
            return None
        return Fault(
            found[most], found[most].text, kind="many", words={"element": (path,), "count": len(found), "most": most}
        )

    return check


def two_decimals(path: str) -> Check:
    """At most two digits after the point, in the text as written."""

    def check(node: Node, document: Document) -> Fault | None:
        found = node.one(path)
        return decimals_of(found) if found is not None else None

    return check


def decimals_of(node: Node) -> Fault | None:
    """At most two digits after the point, in this element."""
    if node.in_cents:
        return None
    count = len(node.text.partition(".")[2])
    return Fault(node, node.text, kind="decimals", words={"count": count}) if count > DECIMALS else None


def code(codes: CodeList, attribute: str = "", *, upper: bool = False) -> Check:
    """The text, or the attribute, is one of the list's codes."""

    def check(node: Node, document: Document) -> Fault | None:
        written = node.attributes.get(attribute, "") if attribute else node.text
        if written in codes.codes or normal(written.upper() if upper else written) in codes.codes:
            return None
        return Fault(node, written, kind="code", words={"list": codes.name, "attribute": attribute})

    return check


def date_order(node: Node, document: Document) -> Fault | None:
    """The end of a period is not before its start, where both are given."""
    start, end = node.one("cbc:StartDate"), node.one("cbc:EndDate")
    if start is None or end is None or day(end) >= day(start):
        return None
    return Fault(end, end.text, words={"start": start.text, "end": end.text})


def day(node: Node) -> int:
    """``xs:date`` of an element. Raises :class:`Stopped` when it is none."""
    try:
        return date_of(node.text)
    except NotANumber:
        raise Stopped(node, "date", node.text) from None


def any_double(node: Node, path: str, test: Callable[[float], bool]) -> bool:
    """XPath's comparison of a path with a number: true when one of its values, as ``xs:double``, passes."""
    return any_of(node.all(path), test)


def any_of(found: list[Node], test: Callable[[float], bool]) -> bool:
    """The same of elements at hand."""
    try:
        return any(test(double_of(one.text)) for one in found)
    except NotANumber:
        raise Stopped(found[0], "number", found[0].text) from None


def says(node: Node, path: str, *texts: str) -> bool:
    """One of the values at the path is one of these texts, exactly as written."""
    return any(found.text in texts for found in node.all(path))


def indicator(node: Node, wanted: bool) -> bool:
    """The charge indicator, as ``xs:boolean``, is the wanted one. Raises :class:`Stopped`."""
    shape = node.shape
    known = shape.memo.get(wanted)
    if known is None:
        known = any(truth(found) is wanted for found in node.all("cbc:ChargeIndicator"))
        if not shape.open_code:
            shape.memo[wanted] = known
    return known is True


def is_allowance(node: Node, document: Document) -> bool:
    """The element is an allowance (ChargeIndicator false)."""
    return indicator(node, False)


def is_charge(node: Node, document: Document) -> bool:
    """The element is a charge (ChargeIndicator true)."""
    return indicator(node, True)


def has_attribute(name: str) -> Condition:
    """The element has the attribute; for contexts."""

    def when(node: Node, document: Document) -> bool:
        return name in node.attributes

    return when


def never(kind: str = "") -> Check:
    """The context alone is the fault."""

    def check(node: Node, document: Document) -> Fault | None:
        return Fault(node, node.text, kind=kind)

    return check


def fine(node: Node, document: Document) -> Fault | None:
    """A rule that nothing can break."""
    return None
