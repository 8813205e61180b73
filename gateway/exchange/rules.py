"""What follows from the document rules: refused, flagged, or not asked, by direction and account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from gateway.config.sections import Kind, Rules
from gateway.exchange.judges import Judges, open_judges
from gateway.model.document import Finding, Verdict
from gateway.ubl import schema
from gateway.ubl.rules.judge import Rulebook
from gateway.ubl.rules.pack import load_all

Policy = Literal["reject", "flag", "off"]

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRules:
    """The rulebook, and what its verdict means."""

    book: Rulebook = field(default_factory=Rulebook)
    judges: Judges = field(default_factory=Judges)
    """Who judges what comes in, by the same book."""
    outgoing: Policy = "reject"
    """A document with a fatal finding is not accepted, accepted with a note, or not looked at."""
    incoming: Policy = "off"
    """Judged by the worker, after the receipt; ``reject`` keeps the document from C4 until a person requeues it."""
    accounts: Mapping[str, Policy] = field(default_factory=dict)
    """Accounts for which another policy holds for what comes in."""
    made_up: bool = False
    """Participants are made up, as everywhere but in production: see :meth:`refuses`."""

    def incoming_of(self, account: str) -> Policy:
        """The policy for what comes in for this account."""
        return self.accounts.get(account, self.incoming)

    def refuses(self, verdict: Verdict, policy: Policy) -> bool:
        """Whether a document with this verdict is refused.

        Where participants are made up, so are the check digits of their addresses: the findings are told, but they
        refuse nothing. In production such a number is a typing error, and the document would go to nobody.
        """
        if self.made_up and verdict.addresses_only:
            return False
        return policy == "reject" and not verdict.valid

    def words(self, verdict: Verdict) -> str:
        """The verdict on a document that is taken, as the timeline says it."""
        taken = self.made_up and verdict.addresses_only
        return f"{verdict.words}; taken, as participants of this network are made up" if taken else verdict.words


@asynccontextmanager
async def open_rules(rules: Rules, kind: Kind = "private") -> AsyncIterator[DocumentRules]:
    """The rules as configured, loaded now so that the first document does not wait; unknown releases are a problem.

    ``kind`` is that of the network.
    """
    book = Rulebook(releases=rules.releases, language=rules.language)
    policies = cast("Mapping[str, Policy]", rules.of_accounts)
    if rules.outgoing != "off" or rules.incoming != "off" or policies:
        schema.load()
        load_all()
    seconds = rules.time_limit.total_seconds()
    async with open_judges(Judges(book=book, most=rules.workers, seconds=seconds, memory=rules.memory_limit)) as judges:
        yield DocumentRules(
            book=book,
            judges=judges,
            outgoing=rules.outgoing,
            incoming=rules.incoming,
            accounts=policies,
            made_up=kind != "peppol-production",
        )


def as_detail(verdict: Verdict) -> dict[str, object]:
    """The verdict for the timeline: JSON values, the first findings only."""
    rows = [_row(finding) for finding in verdict.findings[:_SHOWN]]
    packs = [{"name": name, "version": version} for name, version in verdict.packs]
    said: dict[str, object] = {"valid": verdict.valid, "validated": verdict.judged, "packs": packs}
    if verdict.valid and not verdict.judged:
        said["why"] = verdict.why
    return said | ({"findings": rows, "count": verdict.count} if rows else {})


def _row(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "location": finding.location,
        "message": finding.message,
        "value": finding.value,
    }
