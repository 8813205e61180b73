"""The order of elements in UBL 2.1: why an element is not allowed where it stands.

libxml2 says which element it expected; here the schema files are read for what a person needs to know: whether the
element stands too late, too often, instead of a missing one, or in the wrong parent. They are read when the first
document needs it (some 60 ms), and only siblings before the element are looked at, up to a limit.

Why not the package xmlschema: it takes 3.7 seconds of CPU to load the same files (4.3.2), then says: Unexpected child
with tag cbc:DueDate at position 4, tag cbc:IssueDate expected. Here it is said what is missing, and where it belongs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final

from lxml import etree

from gateway.security import safexml
from gateway.ubl.names import CAC, DOCUMENTS, PREFIXES

MAX_SIBLINGS: Final = 5_000
_XSD: Final = "{http://www.w3.org/2001/XMLSchema}"
_UNBOUNDED: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Misplaced:
    """Why an element is not allowed: the name of a sentence, and its words as tags."""

    sentence: str
    other: str = ""
    """Tag of the element that it must come before, that is missing, or that may be meant."""
    count: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Child:
    tag: str
    place: int
    least: int
    most: int


_Children = Mapping[str, _Child]


def misplaced(node: etree._Element, folder: Path) -> Misplaced | None:
    """Why this element is not allowed in its parent; None where the schema files do not tell.

    ``folder`` is that of the UBL 2.1 documents' schemas.
    """
    parent = node.getparent()
    known = None if parent is None else children_of(parent.tag, folder)
    if parent is None or not known:
        return None
    own = known.get(node.tag)
    if own is None:
        return _stranger(node, parent, known, folder)
    before = _siblings(node)
    if before is None:
        return None
    count = before[node.tag]
    if count >= own.most:
        return Misplaced(sentence="often", count=count + 1, most=own.most)
    later = [known[tag] for tag in before if tag in known and known[tag].place > own.place]
    if later:
        return Misplaced(sentence="before", other=min(later, key=lambda child: child.place).tag)
    missing = [c for c in known.values() if c.least > before[c.tag] and c.place < own.place]
    if not missing:
        return None
    first = min(missing, key=lambda child: child.place).tag
    return Misplaced(sentence="early" if _follows(node, first) else "absent", other=first)


def children_of(tag: str, folder: Path) -> _Children:
    """What the element may hold, by tag; empty where it holds no elements or is not of UBL."""
    types, elements = _library(folder)
    if tag.startswith(f"{{{CAC}}}"):
        return types.get(elements.get(tag.rpartition("}")[2], ""), {})
    namespace, _, name = tag.removeprefix("{").rpartition("}")
    return _document(namespace, folder).get(f"{name}Type", {}) if DOCUMENTS.get(namespace) == name else {}


def _stranger(node: etree._Element, parent: etree._Element, known: _Children, folder: Path) -> Misplaced:
    names = {child.tag.rpartition("}")[2]: child.tag for child in known.values()}
    own = node.tag.rpartition("}")[2]
    if own in names:
        return Misplaced(sentence="namespace", other=names[own])
    other_kind = own.replace("CreditNote", "Invoice") if "CreditNote" in own else own.replace("Invoice", "CreditNote")
    near = names.get(other_kind) or next((names[n] for n in get_close_matches(own, names, n=1, cutoff=0.75)), "")
    if near:
        return Misplaced(sentence="typo", other=near)
    for above in parent.iterancestors():
        if node.tag in children_of(above.tag, folder):
            return Misplaced(sentence="elsewhere", other=above.tag)
    for below in known:
        if node.tag in children_of(below, folder):
            return Misplaced(sentence="elsewhere", other=below)
    return Misplaced(sentence="unknown")


def _siblings(node: etree._Element) -> Counter[str] | None:
    """How many of each stand before it; None where there are too many to look at."""
    found: Counter[str] = Counter()
    for number, sibling in enumerate(node.itersiblings(preceding=True)):
        if number >= MAX_SIBLINGS:
            return None
        found[str(sibling.tag)] += 1
    return found


def _follows(node: etree._Element, tag: str) -> bool:
    """Whether one with this tag is among the next siblings."""
    return any(sibling.tag == tag for sibling in islice(node.itersiblings(), MAX_SIBLINGS))


@cache
def _library(folder: Path) -> tuple[dict[str, _Children], dict[str, str]]:
    """The types of the common library by name, and the type of each of its elements."""
    root = safexml.parse((folder.parent / "common" / "UBL-CommonAggregateComponents-2.1.xsd").read_bytes(), huge=True)
    elements = {
        str(e.get("name")): str(e.get("type", "")).rpartition(":")[2] for e in root.iterchildren(f"{_XSD}element")
    }
    return _types(root), elements


@cache
def _document(namespace: str, folder: Path) -> dict[str, _Children]:
    return _types(safexml.parse((folder / f"UBL-{DOCUMENTS[namespace]}-2.1.xsd").read_bytes(), huge=True))


def _types(root: etree._Element) -> dict[str, _Children]:
    found: dict[str, _Children] = {}
    for kind in root.iterchildren(f"{_XSD}complexType"):
        rows: dict[str, _Child] = {}
        for place, element in enumerate(kind.iterfind(f"{_XSD}sequence/{_XSD}element")):
            prefix, _, name = str(element.get("ref", "")).partition(":")
            tag = f"{{{PREFIXES.get(prefix, '')}}}{name}"
            most = element.get("maxOccurs", "1")
            rows[tag] = _Child(
                tag=tag,
                place=place,
                least=int(element.get("minOccurs", "1")),
                most=_UNBOUNDED if most == "unbounded" else int(most),
            )
        found[str(kind.get("name"))] = rows
    return found
