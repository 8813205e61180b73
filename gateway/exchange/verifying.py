"""One counterpart of a sweep: whether it is its turn, which addresses are asked, and what the answer changes.

The decision is the one of every invoice (``routing.conclude``), with nothing that only an invoice has: so what a sweep
finds is proposed, taken at once or doubted by the same rules. Where the answer is the one that is known, nothing is
written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import LookupUnavailable
from gateway.exchange.learned import (
    ASKED_DAILY,
    answer_of,
    by_policy,
    capability_of,
    evidence_for,
    fingerprint,
    moved,
    new_relation,
    seen,
)
from gateway.exchange.proposing import Proposing
from gateway.exchange.relations import NoRelation
from gateway.model.counterpart import Counterpart, RelationPolicy
from gateway.model.identifiers import ParticipantId
from gateway.model.proposal import Proposal, ProposalState, Volume
from gateway.model.relating import Relation, RelationState, Verdict
from gateway.model.relation import Reachable, Reason, Unreachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.model.survey import Deferred, Finding, Seen, Unchanged
from gateway.model.sweep import Change, Difference, Known, Subject, SweepKind, Usage
from gateway.ports import Changes, Clock, Judged
from gateway.routing.decision import Answer, Choice, Plan, Situation, conclude, plan
from gateway.routing.matching import plain_name

_S: Final = RelationState
IN_USE: Final = (_S.ACTIVE, _S.SUSPECT, _S.QUARANTINED)
_ADDRESS_KNOWN: Final = (_S.ACTIVE, _S.SUSPECT, _S.QUARANTINED, _S.VERIFIED, _S.PROPOSED)
"""States in which the address is known, and asked for before all others."""
ADDRESSES_MOST: Final = 10
_WEEK: Final = 7
_DAILY_FOR: Final = timedelta(days=30)
_REFRESHED: Final = timedelta(days=7)
"""The figures of a proposal that waits are worked out anew."""
_TEXT_MOST: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Usages:
    """What went out to whom, found by number and name."""

    by_number: Mapping[str, Sequence[Usage]] = field(default_factory=dict)
    by_name: Mapping[str, Sequence[Usage]] = field(default_factory=dict)

    def of(self, counterpart: Counterpart) -> list[Usage]:
        """Documents that name one of its numbers, or its very name and no number (``savings.volumes_of``)."""
        keys = {one.key for one in counterpart.identifiers if one.trust}
        names = {plain_name(name) for name in counterpart.all_names}
        found = [usage for key in keys for usage in self.by_number.get(key, ())]
        named = [usage for name in names for usage in self.by_name.get(name, ())]
        return found + [usage for usage in named if not (usage.receiver and keys)]


def arranged(usages: Sequence[Usage]) -> Usages:
    """The same, to be found."""
    by_number: dict[str, list[Usage]] = {}
    by_name: dict[str, list[Usage]] = {}
    for one in usages:
        if one.receiver:
            by_number.setdefault(one.receiver, []).append(one)
        by_name.setdefault(plain_name(one.name), []).append(one)
    return Usages(by_number=by_number, by_name=by_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Whose turn it is in a night."""

    often: timedelta = timedelta(days=90)
    """Who got paper or PDF since then: each night."""
    seldom: timedelta = timedelta(days=400)
    """Who got it since then: once a week, the seventh part of them each night. After that on demand."""

    def today(self, subject: Subject, used: Sequence[Usage], kind: SweepKind, now: datetime) -> bool:
        """Whether this one is asked for."""
        if kind is SweepKind.DEMAND or (subject.relation is not None and subject.relation.state in IN_USE):
            return True
        last = max((u.last for u in used if u.channel.partition(":")[0] not in ("peppol", "operator")), default=None)
        if last is None or now - last > self.seldom:
            return False
        return now - last <= self.often or _weekday(subject.counterpart.id) == now.toordinal() % _WEEK


def wanted(subject: Subject) -> tuple[Seen, ...]:
    """Whom to ask for; none for one that is to get no e-invoices. Of one in use only the address in use."""
    one, way = subject.counterpart, subject.relation
    first = way.participant if way is not None and way.state in _ADDRESS_KNOWN else ""
    if way is not None and way.state is _S.DECLINED:
        return ()  # a person has said no
    if first and way is not None and way.state in IN_USE:
        return (_seen_last(subject, first),)
    keys = dict.fromkeys([*([first] if first else ()), *(number.key for number in one.addresses)])
    return tuple(_seen_last(subject, key) for key in list(keys)[:ADDRESSES_MOST])


def _seen_last(subject: Subject, key: str) -> Seen:
    """With what is remembered, where that is what the relation says too: else the SMP is asked itself."""
    way = subject.relation
    last = next((known for known in subject.known if known.participant == key), None)
    names_it = way is not None and way.participant == key and way.state in _ADDRESS_KNOWN
    if last is not None and (bool(last.reason) is names_it or (way is not None and way.state is _S.SUSPECT)):
        last = None
    return Seen(
        participant=ParticipantId(key),
        document_type=BILLING_INVOICE,
        process=BILLING_PROCESS,
        smp=last.smp if last else "",
        asked=last.asked if last else None,
        expires=last.expires if last else None,
        reason=Reason(last.reason) if last and last.reason else None,
    )


def heard(asked: Sequence[tuple[Seen, Finding]]) -> Reachable | NoRelation | LookupUnavailable | Unchanged:
    """Of several addresses the first that takes invoices; without one, no answer about any is no answer.

    ``Unchanged`` comes back for one that takes invoices as it did.
    """
    answers: list[Unreachable] = []
    missing: list[str] = []
    for seen_last, finding in asked:
        if isinstance(finding, Reachable):
            return finding
        if isinstance(finding, Unchanged):
            if seen_last.reason is None:
                return finding
            text = f"{finding.participant.value} is registered at {finding.smp}, and takes no invoices there as before"
            answers.append(
                Unreachable(
                    participant=finding.participant,
                    reason=seen_last.reason,
                    text=text,
                    smp=finding.smp,
                    steps=finding.steps,
                )
            )
        elif isinstance(finding, Unreachable):
            answers.append(finding)
        else:
            missing.append(finding.text if isinstance(finding, Deferred) else str(finding))
    return LookupUnavailable("; ".join(missing)) if missing else NoRelation(answers=tuple(answers))


def remembered(subject: Subject, asked: Sequence[tuple[Seen, Finding]], now: datetime) -> list[Known]:
    """What the SMPs said, for the next night. Of no answer nothing."""
    one, rows = subject.counterpart, []
    for _, finding in asked:
        if isinstance(finding, Reachable | Unreachable | Unchanged) and finding.smp:
            last = next((k for k in subject.known if k.participant == finding.participant.value), None)
            reason, expires = "", None
            if isinstance(finding, Unreachable):
                reason = str(finding.reason)
            elif isinstance(finding, Reachable):
                expires = finding.endpoint.expires
            elif last is not None:
                reason, expires = last.reason, last.expires
            rows.append(
                Known(
                    counterpart=one.id,
                    account=one.account,
                    participant=finding.participant.value,
                    smp=finding.smp,
                    asked=finding.asked if isinstance(finding, Unchanged) else now,
                    expires=expires,
                    reason=reason,
                )
            )
    return [row for row in rows if row not in subject.known]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifying:
    """Judges the answers."""

    proposing: Proposing
    clock: Clock
    channels: tuple[str, ...]
    """Fallback channels that are switched on."""
    country: str
    """Of a seller."""

    def planned(self, subject: Subject, policy: RelationPolicy) -> tuple[Situation, Plan]:
        """What can be said before the network is asked."""
        one, now = subject.counterpart, self.clock.now()
        situation = Situation(
            now=now,
            accepted=now,
            day=now.date(),
            seller_country=self.country,
            buyer_country=one.country,
            channels=self.channels,
            policy=policy,
            counterpart=one,
            relation=subject.relation,
        )
        return situation, plan(situation)

    async def judge(
        self,
        subject: Subject,
        policy: RelationPolicy,
        asked: Sequence[tuple[Seen, Finding]],
        used: Sequence[Usage] = (),
    ) -> Judged:
        """What the answers change. No answer changes nothing. Raises ``StoreUnavailable``."""
        one, found = subject.counterpart, heard(asked)
        if isinstance(found, LookupUnavailable):
            return self.unknown(subject, str(found))
        situation, planned = self.planned(subject, policy)
        choice = conclude(situation, planned, self._answer(subject, found))
        gone = [f.participant.value for _, f in asked if isinstance(f, Unreachable) and not f.smp]
        return Judged(
            counterpart=one.id,
            asked=True,
            changes=await self._changes(subject, policy, found, choice, used),
            known=tuple(remembered(subject, asked, self.clock.now())),
            forgotten=tuple(known.participant for known in subject.known if known.participant in gone),
            differences=tuple(self._differences(subject, found, choice)),
        )

    def unknown(self, subject: Subject, text: str) -> Judged:
        """There was no answer about this one."""
        sv, en = f"Inget säkert svar: {text}", f"No certain answer: {text}"
        line = self._line(subject, Change.UNKNOWN, sv, en)
        return Judged(counterpart=subject.counterpart.id, asked=True, differences=(line,))

    @staticmethod
    def _answer(subject: Subject, found: Reachable | NoRelation | Unchanged) -> Answer | None:
        if isinstance(found, Unchanged):
            seat = subject.relation.seat if subject.relation else ""
            return Answer(verdict=Verdict.POSITIVE, participant=found.participant.value, seat=seat)
        return answer_of(found, able=True)

    async def _changes(
        self,
        subject: Subject,
        policy: RelationPolicy,
        found: Reachable | NoRelation | Unchanged,
        choice: Choice,
        used: Sequence[Usage],
    ) -> Changes:
        one, before, now = subject.counterpart, subject.relation, self.clock.now()
        relation = before or new_relation(one.account, one.id, now)
        for event in choice.events:
            relation = moved(relation, event, now, choice.reason.sv, choice.reason.en)
        relation = _asked_again(relation, before, found, choice, now)
        if isinstance(found, Reachable) and (choice.events or (before is not None and _elsewhere(before, found))):
            # That a document went this way is for a document to say: a proposal is measured by it.
            relation = replace(seen(relation, found, now), confirmed=before.confirmed if before else None)
        proposal, followed = await self._proposal(subject, relation, policy, choice, used)
        if relation == before or (before is None and not choice.events):
            return Changes(proposals=(proposal,) if proposal else ())
        proof = None if isinstance(found, Unchanged) else found
        evidence = evidence_for(one.account, one.id, proof, now, document_type=str(BILLING_INVOICE))
        if proposal is not None and evidence:
            proposal = (replace(proposal[0], evidence=tuple(row.id for row in evidence)), proposal[1])
        return Changes(
            relations=((relation, before.updated if before else None),),
            evidence=evidence,
            capabilities=(capability_of(relation, found, now, policy.sinks),) if isinstance(found, Reachable) else (),
            proposals=(*((proposal,) if proposal else ()), *followed.proposals),
            decisions=followed.decisions,
        )

    async def _proposal(
        self,
        subject: Subject,
        relation: Relation,
        policy: RelationPolicy,
        choice: Choice,
        used: Sequence[Usage],
    ) -> tuple[tuple[Proposal, datetime | None] | None, Changes]:
        """What it means for the proposal on this counterpart."""
        known, now = subject.proposal, self.clock.now()
        if choice.propose:
            waits = known is not None and known.state is ProposalState.OPEN and now - known.updated < _REFRESHED
            if waits and known is not None and known.participant == relation.participant and not choice.events:
                return None, Changes()
            volumes = [
                Volume(receiver=u.receiver, name=u.name, channel=u.channel, documents=u.documents)
                for u in used
                if u.channel and u.documents
            ]
            present = choice.order[0] if choice.order else "print"
            new = await self.proposing.propose(
                subject.counterpart, relation, present=present, risks=choice.risks, known=known, volumes=volumes
            )
            return new, Changes()
        if known is None:
            return None, Changes()
        if "Lost" in choice.events:
            return None, self.proposing.relapsed(known, now)
        if "Vanished" in choice.events:
            return None, self.proposing.gone(known, now)
        if "Accepted" in choice.events:
            return None, by_policy(known, now, policy.auto_accept)
        return None, Changes()

    def _differences(
        self, subject: Subject, found: Reachable | NoRelation | Unchanged, choice: Choice
    ) -> list[Difference]:
        if isinstance(found, Unchanged):
            return []
        if isinstance(found, NoRelation):
            for event, change, sv, en in _GONE:
                if event in choice.events:
                    text = found.text[:_TEXT_MOST]
                    return [self._line(subject, change, f"{sv}: {text}", f"{en}: {text}")]
            return []
        way, end = subject.relation, found.endpoint
        if "Found" in choice.events:
            taken = "Accepted" in choice.events
            next_sv, next_en = ("tas genast", "taken at once") if taken else ("föreslås", "proposed")
            sv = f"Kan nu få e-faktura på {found.participant.value} ({end.seat}): {next_sv}"
            en = f"Can now get e-invoices at {found.participant.value} ({end.seat}): {next_en}"
            return [self._line(subject, Change.APPEARED, sv, en, participant=found.participant.value, after=end.seat)]
        lines: list[Difference] = []
        if "Confirmed" in choice.events:
            sv, en = f"Finns i nätverket igen ({end.seat})", f"Is on the network again ({end.seat})"
            lines.append(self._line(subject, Change.BACK, sv, en, after=end.seat))
        if way is not None and way.seat and way.seat != end.seat:
            sv = f"Har bytt accesspunkt från {way.seat} till {end.seat}: förbindelsen består"
            en = f"Has moved from access point {way.seat} to {end.seat}: the relation stays"
            lines.append(self._line(subject, Change.MOVED, sv, en, before=way.seat, after=end.seat))
        elif way is not None and way.certificate and way.certificate != fingerprint(found):
            sv, en = f"{end.seat} har ett nytt certifikat", f"{end.seat} has a new certificate"
            lines.append(
                self._line(subject, Change.CERTIFICATE, sv, en, before=way.certificate, after=fingerprint(found))
            )
        return lines

    def _line(
        self, of: Subject, change: Change, sv: str, en: str, *, participant: str = "", before: str = "", after: str = ""
    ) -> Difference:
        known = participant or (of.relation.participant if of.relation else "")
        return Difference(
            counterpart=of.counterpart.id,
            name=of.counterpart.name,
            change=change,
            participant=known or next((one.key for one in of.counterpart.addresses), ""),
            before=before,
            after=after,
            sv=sv[: 2 * _TEXT_MOST],
            en=en[: 2 * _TEXT_MOST],
            time=self.clock.now(),
        )


_GONE: Final = (
    ("Doubted", Change.DOUBTED, "Svarar inte längre som mottagare, frågas igen", "Is no receiver now, is asked again"),
    ("Lost", Change.LOST, "Har varit borta i mer än ett dygn", "Has been away for more than a day"),
    ("Vanished", Change.VANISHED, "Kan inte längre få e-faktura", "Cannot get e-invoices any more"),
)


def _asked_again(
    relation: Relation,
    before: Relation | None,
    found: Reachable | NoRelation | Unchanged,
    choice: Choice,
    now: datetime,
) -> Relation:
    """The relation with when it is asked again by itself."""
    if "Doubted" in choice.events:
        return replace(relation, denied=now, asked=0, next_check=choice.until)
    if "Lost" in choice.events:
        return replace(relation, next_check=now + ASKED_DAILY)
    if "Accepted" in choice.events or "Confirmed" in choice.events:
        return replace(relation, denied=None, asked=0, next_check=None)
    if "Found" in choice.events:
        return replace(relation, denied=None, asked=0, next_check=None)
    if before is None or before.next_check is None or before.next_check > now or not isinstance(found, NoRelation):
        return relation
    if before.state is _S.SUSPECT:
        return replace(relation, asked=relation.asked + 1, next_check=choice.until, updated=now)
    if before.state is _S.LOST:
        pause = ASKED_DAILY if now - before.since < _DAILY_FOR else ASKED_DAILY * _WEEK
        return replace(relation, asked=relation.asked + 1, next_check=now + pause, updated=now)
    return relation


def _elsewhere(way: Relation, found: Reachable) -> bool:
    """Whether the network names another place than we know."""
    known = (way.participant, way.seat, way.certificate)
    return known != (found.participant.value, found.endpoint.seat, fingerprint(found))


def _weekday(id: str) -> int:
    """The day of the week on which this one is looked at that is looked at once a week."""
    return hashlib.sha256(id.encode()).digest()[0] % _WEEK
