"""A Schematron schema without its abbreviations: includes read in, abstract rules and patterns written out.

Source: ISO/IEC 19757-3, sections 5.4 (include, extends, param, is-a) and 6.3 (abstract patterns as macros).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from posixpath import dirname, join, normpath
from typing import Final

from lxml import etree

from gateway.judging.pack import UnusablePack

SCH: Final = "http://purl.oclc.org/dsdl/schematron"
XINCLUDE: Final = "http://www.w3.org/2001/XInclude"
XSL: Final = "http://www.w3.org/1999/XSL/Transform"
MAX_INCLUDES: Final = 500
MAX_ELEMENTS: Final = 200_000
"""Elements of the schema once everything is written out: abstract patterns multiply."""

Open = Callable[[str], etree._Element]
"""Reads a file of the given archive by its path; raises :class:`UnusablePack` where there is none."""


def sch(name: str) -> str:
    """The tag of a Schematron element."""
    return f"{{{SCH}}}{name}"


def expand(root: etree._Element, path: str, open_file: Open) -> etree._Element:
    """Give the schema written out; ``path`` is where it stands in the archive. Raises :class:`UnusablePack`."""
    _Including(open_file).include(root, path)
    for inherited in list(root.iter(sch("extends"))):
        _extend(root, inherited)
    for pattern in list(root.iter(sch("pattern"))):
        if pattern.get("is-a"):
            _instantiate(root, pattern)
        _bounded(root)
    for abstract in [e for e in root.iter(sch("pattern"), sch("rule")) if e.get("abstract") == "true"]:
        parent = abstract.getparent()
        if parent is not None:
            parent.remove(abstract)
    return root


class _Including:
    """Reads what a schema includes, from the archive and nowhere else."""

    def __init__(self, open_file: Open) -> None:
        self._open = open_file
        self._count = 0

    def include(self, node: etree._Element, path: str, above: tuple[str, ...] = ()) -> None:
        for place in list(node.iter(sch("include"), f"{{{XINCLUDE}}}include", f"{{{XSL}}}include")):
            self._replace(place, path, above)
        for place in list(node.iter(sch("extends"))):
            if place.get("href"):
                self._replace(place, path, above, children=True)

    def _replace(self, place: etree._Element, path: str, above: tuple[str, ...], *, children: bool = False) -> None:
        href, _, fragment = place.get("href", "").partition("#")
        wanted = normpath(join(dirname(path), href))
        self._count += 1
        if wanted in (*above, path) or self._count > MAX_INCLUDES:
            raise UnusablePack(f"Line {place.sourceline} of {path}: the includes never end ({href[:80]})")
        if not href or ":" in href or wanted.startswith(("/", "..")):
            raise UnusablePack(
                f"Line {place.sourceline} of {path}: includes “{href[:120]}”, which is not in the given file",
                remedy="Pack the schema and everything it includes into one .zip with the same folders, and give that.",
            )
        found = deepcopy(self._open(wanted))
        if fragment:
            found = next((e for e in found.iter(etree.Element) if fragment in (e.get("id"), e.get(_XML_ID))), found)
        self.include(found, wanted, (*above, path))
        parent = place.getparent()
        assert parent is not None  # the root of a schema is no include
        at = parent.index(place)
        unwrap = children or place.tag == f"{{{XSL}}}include"
        parent[at : at + 1] = [standalone(child) for child in found.iterchildren(etree.Element)] if unwrap else [found]


def standalone(node: etree._Element) -> etree._Element:
    """A copy that keeps every prefix in scope, also those that only its expressions use."""
    copied = etree.Element(node.tag, nsmap=node.nsmap)  # type: ignore[arg-type]
    copied.attrib.update(node.attrib)
    copied.text = node.text
    copied.extend(deepcopy(child) for child in node)
    return copied


_XML_ID: Final = "{http://www.w3.org/XML/1998/namespace}id"


def _extend(root: etree._Element, place: etree._Element) -> None:
    """Put the checks and lets of an abstract rule where ``extends`` stands."""
    wanted, parent = place.get("rule"), place.getparent()
    rule = next((r for r in root.iter(sch("rule")) if r.get("id") == wanted and r.get("abstract") == "true"), None)
    if rule is None or parent is None:
        raise UnusablePack(f"Line {place.sourceline}: there is no abstract rule “{wanted}”")
    seen = {wanted}
    content = [deepcopy(child) for child in rule]
    while any(child.tag == sch("extends") for child in content):
        at = next(i for i, child in enumerate(content) if child.tag == sch("extends"))
        name = content[at].get("rule")
        deeper = next((r for r in root.iter(sch("rule")) if r.get("id") == name), None)
        if deeper is None or name in seen or len(seen) > MAX_INCLUDES:
            raise UnusablePack(f"Line {place.sourceline}: the abstract rule “{name}” is missing or extends itself")
        seen.add(name)
        content[at : at + 1] = [deepcopy(child) for child in deeper]
    at = parent.index(place)
    parent[at : at + 1] = content


def _instantiate(root: etree._Element, pattern: etree._Element) -> None:
    """Write an abstract pattern out with the parameters of the one that is-a it."""
    wanted = pattern.get("is-a")
    model = next((p for p in root.iter(sch("pattern")) if p.get("id") == wanted and p.get("abstract") == "true"), None)
    if model is None:
        raise UnusablePack(f"Line {pattern.sourceline}: there is no abstract pattern “{wanted}”")
    values = {p.get("name", ""): p.get("value", "") for p in pattern.iter(sch("param"))}
    for child in list(pattern):
        pattern.remove(child)
    for child in model:
        pattern.append(deepcopy(child))
    if not values:
        return
    names = "|".join(re.escape(name) for name in sorted(values, key=len, reverse=True))
    named = re.compile(rf"\$({names})(?![\w.-])")
    for node in pattern.iter(etree.Element):
        for attribute, text in ((str(a), str(v)) for a, v in node.items()):
            if "$" in text:
                node.set(attribute, named.sub(lambda match: values[match[1]], text))


def _bounded(root: etree._Element) -> None:
    if sum(1 for _ in root.iter()) > MAX_ELEMENTS:
        raise UnusablePack(f"Written out, the schema has more than {MAX_ELEMENTS} elements")
