"""Findings as SVRL (Schematron Validation Report Language, ISO/IEC 19757-3 annex D), for tools that read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from lxml import etree

from gateway.model.document import Finding

SVRL: Final = "http://purl.oclc.org/dsdl/svrl"
_ROOT: Final = re.compile(r"\A/(Invoice|CreditNote)\b")
"""The root has no prefix in our paths; in a report it is matched by its local name."""
_PREFIXES: Final = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}


def write(findings: Sequence[Finding], title: str) -> bytes:
    """The report on one document: a failed assert for each finding."""
    report = etree.Element(f"{{{SVRL}}}schematron-output", nsmap={"svrl": SVRL})
    report.set("title", title)
    for prefix, uri in _PREFIXES.items():
        etree.SubElement(report, f"{{{SVRL}}}ns-prefix-in-attribute-values", prefix=prefix, uri=uri)
    etree.SubElement(report, f"{{{SVRL}}}active-pattern")
    for finding in findings:
        failed = etree.SubElement(report, f"{{{SVRL}}}failed-assert", id=finding.rule, flag=str(finding.severity))
        failed.set("location", _ROOT.sub(r"/*:\1", finding.location))
        failed.set("test", finding.rule)
        etree.SubElement(failed, f"{{{SVRL}}}text").text = finding.message
    return etree.tostring(report, xml_declaration=True, encoding="UTF-8", pretty_print=True)
