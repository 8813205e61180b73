"""Native and official judgement of one document side by side: where they count a rule differently.

Only rules that the official packs know are compared; what the native packs say beyond them belongs to other packs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gateway.judging.judge import ABORTED
from gateway.model.document import Finding, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A rule that the two sides do not report equally often, or not as equally bad."""

    rule: str
    severity: Severity
    native: int
    official: int


def differences(
    native: Iterable[Finding], official: Iterable[Finding], known: Collection[str]
) -> tuple[Difference, ...]:
    """Every rule of ``known`` that the two sides count differently, in the rules' order. None means equal."""
    ours, theirs = _counts(native, known), _counts(official, known)
    return tuple(
        Difference(rule=rule, severity=severity, native=ours[rule, severity], official=theirs[rule, severity])
        for rule, severity in sorted(ours.keys() | theirs.keys())
        if ours[rule, severity] != theirs[rule, severity]
    )


def verdict(findings: Iterable[Finding]) -> str:
    """``accepted``, ``refused`` or ``aborted``."""
    found = list(findings)
    if any(finding.rule == ABORTED for finding in found):
        return "aborted"
    return "refused" if any(finding.severity is Severity.FATAL for finding in found) else "accepted"


def _counts(findings: Iterable[Finding], known: Collection[str]) -> Counter[tuple[str, Severity]]:
    return Counter((f.rule, f.severity) for f in findings if f.rule in known or f.rule == ABORTED)
