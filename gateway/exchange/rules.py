"""What follows from the document rules: refused, flagged, or not asked, by direction and account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.model.document import Finding, Verdict
from gateway.ubl.rules.judge import Rulebook

Policy = Literal["reject", "flag", "off"]

JUDGED: Final = 5
"""Judging takes so many times as long as reading: what is small enough for the event loop is smaller."""
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRules:
    """The rulebook, and what its verdict means."""

    book: Rulebook = field(default_factory=Rulebook)
    outgoing: Policy = "flag"
    """A document with a fatal finding is not accepted, accepted with a note, or not looked at."""
    incoming: Policy = "off"
    """The receipt is the same in any case; ``reject`` keeps the document from C4 until a person requeues it."""
    accounts: Mapping[str, Policy] = field(default_factory=dict)
    """Accounts for which another policy holds for what comes in."""

    def incoming_of(self, account: str) -> Policy:
        """The policy for what comes in for this account."""
        return self.accounts.get(account, self.incoming)


def as_detail(verdict: Verdict) -> dict[str, object]:
    """The verdict for the timeline: JSON values, the first findings only."""
    rows = [_row(finding) for finding in verdict.findings[:_SHOWN]]
    packs = [{"name": name, "version": version} for name, version in verdict.packs]
    return {"valid": verdict.valid, "validated": verdict.judged, "packs": packs} | (
        {"findings": rows, "count": verdict.count} if rows else {}
    )


def _row(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "location": finding.location,
        "message": finding.message,
        "value": finding.value,
    }
