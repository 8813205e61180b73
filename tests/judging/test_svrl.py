"""Reports of several compilers become findings with the gateway's own places."""

from __future__ import annotations

import pytest
from judging_parts import NS, ORDER, SVRL, root_of

from gateway.judging.svrl import read_report, where
from gateway.model.document import Severity
from gateway.ubl.names import xpath_of

LINE = f"/Order/{{{NS}}}Line[2]"


@pytest.mark.parametrize(
    "location",
    [
        f"/*:Order[namespace-uri()='{NS}'][1]/*:Line[namespace-uri()='{NS}'][2]",
        f"/*[local-name()='Order' and namespace-uri()='{NS}'][1]/*[local-name()='Line' and namespace-uri()='{NS}'][2]",
        f"/Q{{{NS}}}Order[1]/Q{{{NS}}}Line[2]",
        "/o:Order[1]/o:Line[2]",
        "/o:Order/o:Line[2]",
    ],
)
def test_every_way_of_naming_a_place_leads_to_it(location: str) -> None:
    assert where(location, root_of(ORDER), xpath_of) == LINE
    assert where(f"{location}/@unit", root_of(ORDER), xpath_of) == f"{LINE}/@unit"


@pytest.mark.parametrize(
    "location", ["", "/", "/o:Other[1]", "/o:Order[1]/o:Line[9]", "/o:Order[1]/text()[1]", "x" * 600]
)
def test_a_place_that_leads_nowhere_stays_as_it_was(location: str) -> None:
    assert where(location, root_of(ORDER), xpath_of) == location[:500]


def report(inside: str) -> bytes:
    return f'<s:schematron-output xmlns:s="{SVRL}"><s:fired-rule context="x"/>{inside}</s:schematron-output>'.encode()


def test_flags_and_roles_say_how_bad_it_is() -> None:
    inside = "".join(
        f'<s:failed-assert id="{n}" {said}><s:text> a\n b </s:text></s:failed-assert>'
        for n, said in enumerate(
            ('flag="fatal"', 'flag="warning"', 'role="warning"', 'role="error"', "", 'flag="INFO"', 'flag="odd"')
        )
    )
    found = read_report(report(inside + '<s:successful-report id="7"/>'), root_of(ORDER), xpath_of)
    fatal = {finding.rule for finding in found if finding.severity is Severity.FATAL}
    assert fatal == {"0", "3", "4", "6", "7"} and len(found) == 8
    assert found[0].message == "a b"


@pytest.mark.parametrize("octets", [b"", b"<a/>", b"<a", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_what_is_no_report_is_an_error_and_no_clean_verdict(octets: bytes) -> None:
    with pytest.raises(ValueError, match="report is no"):
        read_report(octets, root_of(ORDER), xpath_of)
