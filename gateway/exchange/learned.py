"""What an answer of the network does to what is known: the relation, what the party can take, the evidence.

Values only; who commits them is :mod:`~gateway.exchange.routing` for an invoice and
:mod:`~gateway.exchange.sweeping` for a whole register.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import LookupUnavailable
from gateway.exchange.ids import new_document_id
from gateway.exchange.proposing import accepted, decision_on
from gateway.exchange.relations import NoRelation
from gateway.model.counterpart import AutoAccept, CounterpartId
from gateway.model.identifiers import AccountId
from gateway.model.message import Direction, Message
from gateway.model.proposal import Proposal, advance
from gateway.model.relating import Capability, EvidenceId, LookupEvidence, Relation, Verdict
from gateway.model.relating import advance as advance_relation
from gateway.model.relation import Reachable, Step
from gateway.ports import Changes
from gateway.routing.decision import Answer

PEPPOL: Final = "peppol"
ASKED_DAILY: Final = timedelta(days=1)


def answer_of(found: Reachable | NoRelation | LookupUnavailable | None, *, able: bool) -> Answer | None:
    """The answer as the decision takes it. ``able``: whether the seller has an address of its own."""
    if found is None:
        return None
    if isinstance(found, LookupUnavailable):
        return Answer(verdict=Verdict.INDETERMINATE, text=str(found))
    if isinstance(found, NoRelation):
        return Answer(verdict=Verdict.NEGATIVE, text=found.text)
    if not able:
        return Answer(verdict=Verdict.NEGATIVE, text="the seller has no identifier on the network", ours=True)
    return Answer(verdict=Verdict.POSITIVE, participant=found.participant.value, seat=found.endpoint.seat)


def new_relation(account: AccountId, counterpart: CounterpartId, now: datetime) -> Relation:
    """The way to a counterpart of which nothing is known yet."""
    return Relation(
        account=account, counterpart=counterpart, direction=Direction.OUT, since=now, created=now, updated=now
    )


def moved(relation: Relation, event: str, now: datetime, sv: str, en: str) -> Relation:
    """One step of ``model/relating.py``."""
    if event == "Accepted":
        return accepted(relation, now, sv, en)
    state = advance_relation(relation.state, event)  # type: ignore[arg-type]
    return replace(relation, state=state, since=now, reason_sv=sv, reason_en=en, updated=now)


def seen(relation: Relation, found: Reachable, now: datetime) -> Relation:
    """The relation with what the network says of it now."""
    return replace(
        relation,
        participant=found.participant.value,
        document_type=str(found.document_type),
        process=str(found.process),
        seat=found.endpoint.seat,
        certificate=fingerprint(found),
        confirmed=now,
        denied=None,
        updated=now,
    )


def fingerprint(found: Reachable) -> str:
    """SHA-256 of the access point's certificate, in hex."""
    return hashlib.sha256(found.endpoint.certificate).hexdigest()


def capability_of(relation: Relation, found: Reachable, now: datetime, sinks: Sequence[str]) -> Capability:
    """That the party takes this document there. ``sinks``: access points that pass on as mail."""
    return Capability(
        account=relation.account,
        counterpart=relation.counterpart,
        direction=Direction.OUT,
        channel=PEPPOL,
        participant=found.participant.value,
        document_type=str(found.document_type),
        process=str(found.process),
        source="smp",
        quality="sink" if found.endpoint.seat in sinks else "structured",
        valid_from=now,
        valid_to=found.endpoint.expires,
        seen=now,
    )


def evidence_of(
    message: Message, counterpart: str, found: Reachable | NoRelation | None, now: datetime
) -> tuple[LookupEvidence, ...]:
    """One row for each address that was asked for this document."""
    rows = evidence_for(message.account, counterpart, found, now, document_type=message.document_type)
    return tuple(replace(row, message=message.id) for row in rows)


def evidence_for(
    account: AccountId,
    counterpart: str,
    found: Reachable | NoRelation | None,
    now: datetime,
    *,
    document_type: str,
) -> tuple[LookupEvidence, ...]:
    """One row for each address that was asked."""
    if found is None:
        return ()
    answers = [found] if isinstance(found, Reachable) else list(found.answers)
    rows = []
    for answer in answers:
        good = isinstance(answer, Reachable)
        text = f"{answer.endpoint.seat} at {answer.smp}" if isinstance(answer, Reachable) else answer.text
        octets = b"".join(step.octets for step in answer.steps)
        rows.append(
            LookupEvidence(
                id=EvidenceId(new_document_id(now)),
                account=account,
                counterpart=counterpart,
                participant=answer.participant.value,
                document_type=document_type,
                asked=f"SML and SMP for {answer.participant.value}",
                place=answer.steps[-1].where if answer.steps else "",
                verdict=Verdict.POSITIVE if good else Verdict.NEGATIVE,
                text=text,
                digest=_digest(octets, answer.steps),
                milliseconds=sum(step.milliseconds for step in answer.steps),
                time=now,
                expires=answer.endpoint.expires if isinstance(answer, Reachable) else None,
            )
        )
    return tuple(rows)


def by_policy(known: Proposal, now: datetime, mode: AutoAccept) -> Changes:
    """An open proposal that the account's policy has decided."""
    if known.state not in ("open", "snoozed"):
        return Changes()
    after = replace(known, state=advance(known.state, "AutoAccepted"), decided=now, updated=now)
    decision = decision_on(known, "AutoAccepted", actor="policy", reason=str(mode), now=now)
    return Changes(proposals=((after, known.updated),), decisions=(decision,))


def _digest(octets: bytes, steps: Sequence[Step]) -> str:
    said = octets or "\n".join(f"{step.asked}\t{step.where}\t{step.answer}" for step in steps).encode()
    return hashlib.sha256(said).hexdigest()
