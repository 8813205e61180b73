"""Bad input beside the official EN 16931 artefact in Saxon: the same rules as often, or both end with an error.

The schema stops most of these before any rule is asked; here it is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from benchmarks.rules import cen_stylesheet
from gateway.security import safexml
from gateway.ubl.rules.engine import program
from gateway.ubl.rules.pack import load
from tests.ubl.ubl_parts import changed, example

ENDED = "ended with an error"
NETWORK = example("network")
ENTITY = "<cac:PartyLegalEntity>\n        <cbc:RegistrationName>Exempel Bygg AB</cbc:RegistrationName>"
DUE = 'PayableAmount currencyID="SEK">24651.00<'
BASE = ">1312.80</cbc:TaxableAmount"


def _due(text: str) -> tuple[str, str]:
    return DUE, DUE.replace("24651.00", text)


CASES = {
    "exponent": _due("1e3"),
    "comma": _due("1,00"),
    "empty": _due(""),
    "blank": _due(" "),
    "NaN": _due("NaN"),
    "infinity": _due("INF"),
    "plus": _due("+24651.00"),
    "point at the end": _due("24651."),
    "blanks around": _due(" 24651.00\n"),
    "900 digits": _due("9" * 900),
    "900 decimals": _due("24651." + "0" * 900),
    "digits of another script": _due("２４６５１"),
    "a comment inside": _due("246<!-- -->51.00"),
    "CDATA": _due("<![CDATA[24651.00]]>"),
    "a reference": _due("2465&#49;.00"),
    "base with exponent": (BASE, BASE.replace("1312.80", "1.3128e3")),
    "base NaN": (BASE, BASE.replace("1312.80", "NaN")),
    "price with exponent": (">289.00<", ">2.89e2<"),
    "price −0": (">289.00<", ">-0.00<"),
    "price empty": (">289.00<", "><"),
    "percent long": ("<cbc:Percent>12</cbc:Percent>", "<cbc:Percent>12.0000000000</cbc:Percent>"),
    "percent with exponent": ("<cbc:Percent>12</cbc:Percent>", "<cbc:Percent>1.2e1</cbc:Percent>"),
    "date with zone": ("<cbc:IssueDate>2026-11-20<", "<cbc:IssueDate>2026-11-20+14:00<"),
    "date that is none": ("<cbc:IssueDate>2026-11-20<", "<cbc:IssueDate>2026-02-30<"),
    "two legal entities": (ENTITY, ENTITY + "</cac:PartyLegalEntity>" + ENTITY),
    "category too long": (">S</cbc:ID>", ">Standard rate</cbc:ID>"),
    "scheme in small letters": (">VAT</cbc:ID>", ">vat</cbc:ID>"),
    "indicator in digits": ("<cbc:ChargeIndicator>false<", "<cbc:ChargeIndicator>0<"),
    "indicator in capitals": ("<cbc:ChargeIndicator>false<", "<cbc:ChargeIndicator>FALSE<"),
    "indicator with blanks": ("<cbc:ChargeIndicator>false<", "<cbc:ChargeIndicator>     false     <"),
    "currency in small letters": (">SEK</cbc:DocumentCurrencyCode>", ">sek</cbc:DocumentCurrencyCode>"),
}


@pytest.fixture(scope="module")
def official() -> Callable[[etree._Element], object]:
    saxonche = pytest.importorskip("saxonche", reason="Saxon is not installed (the extra rules)")
    processor = saxonche.PySaxonProcessor(license=False)
    sheet = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(cen_stylesheet()))

    def ask(root: etree._Element) -> object:
        node: Any = processor.parse_xml(xml_text=etree.tostring(root, encoding="unicode"))
        try:
            report = sheet.transform_to_string(xdm_node=node)
        except Exception:  # saxonche has no class of its own for it
            return ENDED
        found = safexml.parse(report.encode()).iter("{http://purl.oclc.org/dsdl/svrl}failed-assert")
        return Counter((str(one.get("id")), str(one.get("flag"))) for one in found)

    return ask


@pytest.mark.parametrize("case", CASES)
def test_bad_input_gets_the_official_verdict(case: str, official: Callable[[etree._Element], object]) -> None:
    root = safexml.parse(changed(NETWORK, CASES[case]))
    expected = official(root)
    for _ in range(3):  # its shapes new, seen once, known
        (outcome,) = program(load("en16931", "1.3.16")).judge(root)
        rules = outcome.pack.rules
        found = Counter((rule, str(rules[rule])) for rule, _ in outcome.faults)
        assert (ENDED if outcome.stopped is not None else found) == expected
