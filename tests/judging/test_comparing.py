"""Two judgements side by side."""

from __future__ import annotations

from gateway.judging.comparing import Difference, differences, verdict
from gateway.judging.judge import ABORTED
from gateway.model.document import Finding, Severity


def found(*rules: str) -> list[Finding]:
    """Findings; a rule in small letters is a warning."""
    return [
        Finding(rule=r.upper(), severity=Severity.WARNING if r.islower() else Severity.FATAL, message="") for r in rules
    ]


def test_a_rule_that_is_counted_differently_is_a_difference() -> None:
    assert differences(found("A", "A", "b"), found("b", "A", "A"), {"A", "B"}) == ()
    assert differences(found("A"), found("A", "A"), {"A"}) == (
        Difference(rule="A", severity=Severity.FATAL, native=1, official=2),
    )
    assert [d.rule for d in differences(found("A", "Z"), found("C"), {"A", "C"})] == ["A", "C"]


def test_another_severity_is_a_difference_on_both_sides() -> None:
    assert [(d.severity, d.native, d.official) for d in differences(found("a"), found("A"), {"A"})] == [
        (Severity.FATAL, 0, 1),
        (Severity.WARNING, 1, 0),
    ]


def test_an_abort_is_compared_though_no_pack_lists_it() -> None:
    assert [d.rule for d in differences([], found(ABORTED), set())] == [ABORTED]


def test_verdicts() -> None:
    assert [verdict(found(*rules)) for rules in ((), ("a",), ("a", "B"), (ABORTED,))] == [
        "accepted",
        "accepted",
        "refused",
        "aborted",
    ]
