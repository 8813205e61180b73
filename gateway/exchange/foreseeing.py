"""What would happen to an invoice for a counterpart today, told from what is known; and look-ups that people ask for.

The same rules as for a real invoice (``gateway/routing/decision.py``), over the counterpart's own numbers in place of
those that an invoice would name. Nothing is decided here, so the relation does not change; an answer that was asked for
is kept as evidence.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from gateway.errors import InvalidAddress, LookupUnavailable
from gateway.exchange.ids import new_document_id
from gateway.model.counterpart import Counterpart, Quality
from gateway.model.identifiers import ParticipantId
from gateway.model.message import Direction
from gateway.model.relating import EvidenceId, LookupEvidence, Relation, Verdict
from gateway.model.relation import Reachable, Reason, Step, Unreachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.ports import Changes, Clock, Lookup, Store
from gateway.routing.decision import Answer, Choice, Situation, conclude, plan
from gateway.routing.words import Said, channel_words

BELIEVED: Final = timedelta(days=7)
"""How long a stored answer is taken for what the network would say."""
_ASKED_MOST: Final = 12
_AT_ONCE: Final = 4

Outlook = Literal["peppol", "email", "print", "wait", "hold", "ask", "none"]
"""A channel; it waits; a person must decide; the network is asked first; there is no way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What would happen, and the sentence of each step on the way there."""

    outlook: Outlook
    said: tuple[Said, ...]
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One address that was asked for just now."""

    participant: str
    verdict: Verdict
    text: str
    seat: str = ""
    reason: Reason | None = None
    """Why not, where the answer is no."""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseeing:
    """Looks ahead for one account at a time."""

    store: Store
    lookup: Lookup
    clock: Clock
    channels: tuple[str, ...]
    """Fallback channels that are switched on, in the order in which they are tried."""
    country: str
    """Of the sellers here."""

    async def foresee(
        self, counterpart: Counterpart, ways: Sequence[Relation], evidence: Sequence[LookupEvidence]
    ) -> Foreseen:
        """What would happen to an invoice; ``evidence`` is what is stored, the newest first. Asks nobody."""
        now = self.clock.now()
        profile = await self.store.relations.profile(counterpart.account)
        keys = tuple(one.key for one in counterpart.addresses)
        known = (w for w in ways if (w.direction, w.channel) == (Direction.OUT, "peppol"))
        situation = Situation(
            now=now,
            accepted=now,
            day=now.date(),
            seller_country=self.country,
            buyer_country=counterpart.country,
            keys=keys,
            channels=self.channels,
            policy=profile.policy,
            counterpart=counterpart,
            relation=next(known, None),
        )
        planned = plan(situation)
        if not planned.ask or planned.wait is not None:
            return self._told(counterpart, conclude(situation, planned, None))
        if not keys:
            nothing = Answer(verdict=Verdict.NEGATIVE, text="no number in the register that could be an address")
            return self._told(counterpart, conclude(situation, planned, nothing))
        answer = _remembered(keys, evidence, now)
        if answer is None:
            return Foreseen(outlook="ask", said=(*planned.said, _NOT_ASKED))
        return self._told(counterpart, conclude(situation, planned, answer))

    async def check(self, counterpart: Counterpart) -> Sequence[Checked]:
        """Ask the network for each number that may be an address, and keep the answers as evidence.

        Raises ``StoreUnavailable``.
        """
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(key: str) -> Checked | None:
            async with turns:
                return await self._ask(key)

        asked = await asyncio.gather(*(one(number.key) for number in counterpart.addresses[:_ASKED_MOST]))
        found = [answer for answer in asked if answer is not None]
        now = self.clock.now()
        evidence = tuple(
            _evidence(counterpart, answer, now + timedelta(milliseconds=place))
            for place, answer in enumerate(sorted(found, key=_weakest_first))
        )
        if evidence:
            await self.store.relations.commit(Changes(evidence=evidence))
        return found

    async def _ask(self, key: str) -> Checked | None:
        try:
            participant = ParticipantId.parse(key)
        except InvalidAddress:
            return None
        try:
            answer = await self.lookup.find(participant, BILLING_INVOICE, BILLING_PROCESS)
        except LookupUnavailable as error:
            return Checked(participant=key, verdict=Verdict.INDETERMINATE, text=str(error), steps=tuple(error.steps))
        if isinstance(answer, Reachable):
            seat = answer.endpoint.seat
            text = f"{seat} at {answer.smp}"
            return Checked(participant=key, verdict=Verdict.POSITIVE, text=text, seat=seat, steps=answer.steps)
        assert isinstance(answer, Unreachable)
        return Checked(
            participant=key, verdict=Verdict.NEGATIVE, text=answer.text, reason=answer.reason, steps=answer.steps
        )

    def _told(self, counterpart: Counterpart, choice: Choice) -> Foreseen:
        if choice.way == "network":
            return Foreseen(outlook="peppol", said=choice.said)
        if choice.way in ("wait", "hold"):
            return Foreseen(outlook="hold" if choice.way == "hold" else "wait", said=choice.said, until=choice.until)
        if choice.way == "only":
            return Foreseen(outlook=counterpart.route, said=choice.said)  # type: ignore[arg-type]
        said = list(choice.said)
        for channel in choice.order:
            lack = _lack(counterpart, channel)
            if lack is None:
                sv, en = channel_words(channel)
                said.append(Said(step="channel", sv=f"Går som {sv}", en=f"Goes as {en}"))
                return Foreseen(outlook="email" if channel == "email" else "print", said=tuple(said))
            said.append(lack)
        sv, en = "Det finns ingen annan väg: en person får avgöra", "There is no other way: a person must decide"
        return Foreseen(outlook="none", said=(*said, Said(step="channel", sv=sv, en=en)))


_NOT_ASKED: Final = Said(
    step="search",
    sv="Nätverket tillfrågas när nästa faktura kommer: det finns inget färskt svar",
    en="The network is asked when the next invoice comes: there is no recent answer",
)


def _remembered(keys: Sequence[str], evidence: Sequence[LookupEvidence], now: datetime) -> Answer | None:
    """What the stored answers come to: found, or surely not; None while one of the addresses has no recent answer."""
    newest: dict[str, LookupEvidence] = {}
    for row in evidence:
        if now - row.time <= BELIEVED:
            newest.setdefault(row.participant, row)
    answers = [newest[key] for key in keys if key in newest]
    for one in answers:
        if one.verdict is Verdict.POSITIVE:
            seat = one.text.partition(" at ")[0]
            return Answer(verdict=Verdict.POSITIVE, participant=one.participant, seat=seat)
    if len(answers) < len(keys):
        return None
    for one in answers:
        if one.verdict is Verdict.INDETERMINATE:
            return Answer(verdict=Verdict.INDETERMINATE, text=one.text)
    return Answer(verdict=Verdict.NEGATIVE, text="; ".join(one.text for one in answers))


def _lack(counterpart: Counterpart, channel: str) -> Said | None:
    """Why a channel cannot take an invoice for this one; None where it can."""
    name = counterpart.name
    if channel == "email":
        if not counterpart.email:
            return Said(
                step="channel", sv=f"{name} har ingen e-postadress här", en=f"{name} has no e-mail address here"
            )
        if counterpart.email_quality is Quality.BAD:
            sv, en = f"E-post till {counterpart.email} kom tillbaka", f"Mail to {counterpart.email} came back"
            return Said(step="channel", sv=sv, en=en)
    if channel == "print":
        if not counterpart.address.deliverable:
            sv, en = f"{name} har ingen fullständig postadress här", f"{name} has no complete postal address here"
            return Said(step="channel", sv=sv, en=en)
        if counterpart.address_quality is Quality.BAD:
            return Said(step="channel", sv="Brev dit kom tillbaka", en="Letters there came back")
    return None


def _weakest_first(one: Checked) -> int:
    """The answer that counts is written last: lists show the newest."""
    return (Verdict.NEGATIVE, Verdict.INDETERMINATE, Verdict.POSITIVE).index(one.verdict)


def _evidence(counterpart: Counterpart, answer: Checked, now: datetime) -> LookupEvidence:
    said = b"".join(step.octets for step in answer.steps)
    said = said or "\n".join(f"{step.asked}\t{step.where}\t{step.answer}" for step in answer.steps).encode()
    return LookupEvidence(
        id=EvidenceId(new_document_id(now)),
        account=counterpart.account,
        counterpart=counterpart.id,
        participant=answer.participant,
        document_type=str(BILLING_INVOICE),
        asked=f"SML and SMP for {answer.participant}",
        place=answer.steps[-1].where if answer.steps else "",
        verdict=answer.verdict,
        text=answer.text,
        digest=hashlib.sha256(said).hexdigest(),
        milliseconds=sum(step.milliseconds for step in answer.steps),
        time=now,
    )
