"""What a pack says of itself: its rules, the documents it is for, its version.

Nothing here decides a verdict. What is found is shown at installation, and the operator may say otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from lxml import etree

from gateway.judging.expanding import SCH, XSL, sch
from gateway.judging.pack import Scope, severity_of
from gateway.judging.schematron import SVRL
from gateway.judging.xpath import bare
from gateway.model.document import Severity

_UBL: Final = re.compile(r"urn:oasis:names:specification:ubl:schema:xsd:([A-Za-z]+)-2")
_UBL_PARTS: Final = re.compile(r"Common|Qualified|Unqualified|Signature|CoreComponent")
_CII: Final = re.compile(r"urn:un:unece:uncefact:data:standard:(CrossIndustry[A-Za-z]+):\d+")
_IS_CUSTOMIZATION: Final = re.compile(
    r"\s*(?:starts-with\(\s*{0}\s*,\s*(['\"])([^'\"]+)\1\s*\)|{0}\s*=\s*(['\"])([^'\"]+)\3)\s*".replace(
        "{0}", r"(?:normalize-space\(\s*)?(?:/\*/|\*/)?(?:cbc:CustomizationID|\.)(?:/text\(\))?\s*\)?"
    )
)
"""How a check begins that fails for every other CustomizationID."""
_VERSION: Final = re.compile(r"(?:version|release)\W{0,3}v?(\d+(?:\.\d+)+)", re.IGNORECASE)
_LICENCE: Final = re.compile(r"licen[cs]e|EUPL|xml", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)+")


def rules_of(root: etree._Element) -> tuple[tuple[str, Severity], ...]:
    """Every rule that a Schematron schema or a stylesheet that writes SVRL can fire, once each, in its order."""
    found: dict[str, Severity] = {}
    checks = (sch("assert"), sch("report"), f"{{{SVRL}}}failed-assert", f"{{{SVRL}}}successful-report")
    for check in root.iter(*checks):
        said = dict(check.items()) | {
            a.get("name", ""): "".join(map(str, a.itertext())) for a in check.iterchildren(f"{{{XSL}}}attribute")
        }
        if said.get("id"):
            found.setdefault(str(said["id"]), severity_of(str(said.get("flag") or said.get("role") or "")))
    return tuple(found.items())


def scopes_of(root: etree._Element, namespaces: Iterable[str]) -> tuple[Scope, ...]:
    """The document types, from the namespaces of document roots that the pack names, and its CustomizationID check."""
    roots = []
    for namespace in namespaces:
        found = _UBL.fullmatch(namespace) or _CII.fullmatch(namespace)
        if found and not _UBL_PARTS.match(found[1]):
            roots.append(f"{{{namespace}}}{found[1]}")
    customizations = sorted({c for c in map(_customization, root.iter(sch("assert"))) if c}) or [""]
    return tuple(Scope(name, customization) for name in sorted(set(roots)) for customization in customizations)


def _customization(check: etree._Element) -> str:
    rule = check.getparent()
    context = rule.get("context", "") if rule is not None else ""
    test = check.get("test", "")
    match = _IS_CUSTOMIZATION.match(test)
    if not match or not ("CustomizationID" in match[0] or context.endswith("CustomizationID")):
        return ""
    rest = bare(test[match.end() :])
    if rest and (not rest.startswith("and") or re.search(r"\bor\b", rest)):
        return ""
    return (match[2] or match[4]).strip()


def namespaces_of(root: etree._Element) -> tuple[str, ...]:
    """The namespaces that the pack's expressions can name, without those of Schematron and XSLT themselves."""
    found = {ns.get("uri", "") for ns in root.iter(sch("ns"))} or {uri for uri in root.nsmap.values() if uri}
    return tuple(sorted(uri for uri in found if uri and uri not in (SCH, XSL, SVRL)))


def version_of(root: etree._Element) -> str:
    """The version that the pack names in its head, or empty."""
    head = [title.text or "" for title in root.iterchildren(sch("title"))]
    beside = [*root.itersiblings(preceding=True), *root.iterchildren(etree.Comment)]
    head += [node.text or "" for node in beside if not isinstance(node, etree._ProcessingInstruction)]
    for text in head:
        for match in _VERSION.finditer(text):
            if not _LICENCE.search(text, max(0, match.start() - 60), match.start()):
                return match[1]
    said = root.get("schemaVersion", "")
    if _NUMBER.fullmatch(said):
        return said
    number = _NUMBER.search(head[0]) if head else None
    return number[0] if number else ""
