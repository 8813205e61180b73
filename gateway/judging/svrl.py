"""The report that a rule pack writes, read into findings.

Publishers' stylesheets were made by several compilers, which name places in several ways; each is followed in the
document itself and written as every other finding of the gateway is. Source: ISO/IEC 19757-3, annex D (SVRL).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from lxml import etree

from gateway.judging.pack import severity_of
from gateway.judging.schematron import SVRL
from gateway.model.document import Finding
from gateway.security import safexml

MAX_REPORT: Final = 16_000_000
MAX_MESSAGE: Final = 2_000

Place = Callable[[etree._Element], str]
"""How an element's place is written."""

_STEP: Final = re.compile(
    r"/(?:"
    r"\*:(?P<any>[\w.-]+)(?:\[namespace-uri\(\)\s*=\s*['\"](?P<anyns>[^'\"]*)['\"]\])?"
    r"|\*\[local-name\(\)\s*=\s*['\"](?P<loc>[\w.-]+)['\"](?:\s+and\s+namespace-uri\(\)\s*=\s*['\"](?P<locns>[^'\"]*)['\"])?\]"
    r"|Q\{(?P<ns>[^{}]*)\}(?P<q>[\w.-]+)"
    r"|(?:[\w.-]+:)?(?P<plain>[\w.-]+)"
    r")(?:\[(?P<at>\d{1,9})\])?"
)
_ROOT: Final = re.compile(r"^/\{[^{}]*\}")
_ATTRIBUTE: Final = re.compile(r"/@(?:\*:|Q\{[^{}]*\}|[\w.-]+:)?([\w.-]+)")


def read_report(octets: bytes, root: etree._Element, place: Place) -> list[Finding]:
    """Read the findings of a report about the document ``root``. Raises ``ValueError`` when it is no SVRL."""
    try:
        report = safexml.parse(octets, huge=True)
    except safexml.UnsafeXml as error:
        raise ValueError(f"the report is no XML: {error}") from None
    if report.tag != f"{{{SVRL}}}schematron-output":
        raise ValueError(f"the report is no SVRL, but {str(report.tag)[:200]}")
    return [
        Finding(
            rule=fired.get("id") or "unnamed",
            severity=severity_of(fired.get("flag") or fired.get("role") or ""),
            location=where(fired.get("location", ""), root, place),
            message=_message(fired),
        )
        for fired in report.iterchildren(f"{{{SVRL}}}failed-assert", f"{{{SVRL}}}successful-report")
    ]


def _message(fired: etree._Element) -> str:
    text = fired.find(f"{{{SVRL}}}text")
    words = "" if text is None else " ".join("".join(map(str, text.itertext())).split())
    return words[:MAX_MESSAGE]


def where(location: str, root: etree._Element, place: Place) -> str:
    """The place as the gateway writes it; as the report says it where that leads nowhere."""
    node: etree._Element | None = None
    at = 0
    while match := _STEP.match(location, at):
        name = match["any"] or match["loc"] or match["q"] or match["plain"]
        namespace = next((n for n in (match["anyns"], match["locns"], match["ns"]) if n is not None), None)
        candidates = (root,) if node is None else node.iterchildren(etree.Element)
        twins = [c for c in candidates if _is(c, name, namespace)]
        number = int(match["at"] or 1)
        if number > len(twins):
            return location[:500]
        node, at = twins[number - 1], match.end()
    attribute = _ATTRIBUTE.fullmatch(location, at)
    if node is None or not (attribute or location[at:] in ("", "/")):
        return location[:500]
    written = _ROOT.sub("/", place(node))  # the root's namespace is that of the document
    return written + (f"/@{attribute[1]}" if attribute else "")


def _is(node: etree._Element, name: str, namespace: str | None) -> bool:
    found = etree.QName(node)
    return found.localname == name and (namespace is None or (found.namespace or "") == namespace)
