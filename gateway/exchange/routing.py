"""Chooses the way of each invoice: reads what is known of its receiver, lets ``gateway/routing`` decide, and keeps it.

What a decision does to the relation is committed before the invoice leaves; that the network took it, or refused it for
good, after. A way that nobody else has touched is written down twice a day at most, so an invoice for a known receiver
costs two small reads.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import GatewayError, LookupUnavailable, LostLease
from gateway.exchange.learned import (
    ASKED_DAILY,
    PEPPOL,
    answer_of,
    by_policy,
    capability_of,
    evidence_of,
    moved,
    new_relation,
    seen,
)
from gateway.exchange.meeting import counterpart_of, keys_of
from gateway.exchange.proposing import Proposing
from gateway.exchange.relations import NoRelation
from gateway.model.counterpart import Counterpart, Origin, Role
from gateway.model.document import Facts
from gateway.model.identifiers import ParticipantId
from gateway.model.lifecycle import Event
from gateway.model.message import Direction, Message
from gateway.model.often import made_often
from gateway.model.relating import Relation, RelationState, allows
from gateway.model.relation import Reachable
from gateway.ports import Changes, Clock, Store
from gateway.routing import holding
from gateway.routing.decision import Choice, Plan, Situation, conclude, plan
from gateway.routing.matching import match
from gateway.routing.words import way_detail
from gateway.ubl.candidates import known_candidates

log = logging.getLogger(__name__)

_IN_USE: Final = (RelationState.ACTIVE, RelationState.SUSPECT, RelationState.QUARANTINED)


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What is known of a document's receiver, and what follows before the network is asked."""

    situation: Situation
    plan: Plan
    wanted: tuple[ParticipantId, ...]
    """Whom to ask for, the most trusted first."""

    @property
    def counterpart(self) -> Counterpart | None:
        return self.situation.counterpart

    @property
    def relation(self) -> Relation | None:
        return self.situation.relation


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The outbound decision with its store."""

    store: Store
    clock: Clock
    proposing: Proposing
    channels: tuple[str, ...]
    """Fallback channels that are switched on, in the order in which they are tried."""
    country: str
    """Of a seller whose document names none."""
    refusals: int = holding.REFUSALS
    """Of one receiver in a day, after which it is left alone; 0: never."""

    async def look(self, message: Message, facts: Facts) -> Way:
        """Read what is known of the receiver. Raises ``StoreUnavailable``."""
        buyer, now = facts.receiver, self.clock.now()
        on_invoice = [one.participant for one in known_candidates(buyer)]
        keys, asked = keys_of(on_invoice), {one.value for one in on_invoice}
        profile = await self.store.relations.profile(message.account)
        known: Sequence[Counterpart] = ()
        if profile.customers:
            if keys:
                known = await self.store.relations.known_by(message.account, Role.CUSTOMER, keys)
            if not known and buyer.shown_name:
                known = await self.store.relations.named(message.account, Role.CUSTOMER, buyer.shown_name)
        found = match(buyer, keys, known)
        relation, elsewhere = None, False
        if found.counterpart is not None:
            ways = await self.store.relations.relations(message.account, found.counterpart.id)
            relation = next((w for w in ways if (w.direction, w.channel) == (Direction.OUT, PEPPOL)), None)
            # Another address of the same company: what happened there says nothing of this one, nor this of that.
            if relation is not None and relation.state in _IN_USE and asked and relation.participant not in asked:
                relation, elsewhere = None, True
        situation = Situation(
            now=now,
            accepted=message.queued_since or message.created,
            day=facts.issue_date or now.date(),
            seller_country=facts.sender.country or self.country,
            buyer_country=buyer.country or buyer.vat_id[:2].upper(),
            buyer_vat=buyer.vat_id,
            amount=facts.amount,
            keys=keys,
            channels=self.channels,
            policy=profile.policy,
            counterpart=found.counterpart,
            relation=relation,
            name_mismatch=found.name_mismatch,
            in_use_elsewhere=elsewhere,
        )
        planned = plan(situation)
        if found.doubt is not None:
            planned = replace(planned, said=(found.doubt, *planned.said))
        wanted = dict.fromkeys(on_invoice)
        for one in found.counterpart.addresses if found.counterpart else ():
            # What only another invoice named may be another office of the same company: this one names its own.
            if one.origin in (Origin.MASTER_DATA, Origin.REGISTER):
                wanted.setdefault(ParticipantId(one.key))
        return Way(situation=situation, plan=planned, wanted=tuple(wanted))

    async def choose(
        self,
        way: Way,
        message: Message,
        facts: Facts,
        found: Reachable | NoRelation | LookupUnavailable | None,
    ) -> Choice:
        """What follows from the answer; what it does to the relation is on disk. Raises ``StoreUnavailable``."""
        choice = conclude(way.situation, way.plan, answer_of(found, able=bool(message.sender)))
        try:
            await self._keep(way, message, facts, found, choice)
        except LostLease:  # another document for the same receiver was quicker; what it wrote is as good
            log.info("somebody else has written down how %s is reached", message.receiver)
        return choice

    async def order(self, message: Message, facts: Facts) -> tuple[str, ...]:
        """Which other channels may carry this document at all, in their order: when one of them has refused it."""
        if message.route != "auto":
            return (message.route,)
        planned = (await self.look(message, facts)).plan
        return (planned.only,) if planned.only != "auto" else planned.order

    async def sent(self, way: Way, message: Message, found: Reachable) -> None:
        """The receiver's access point has taken it. A failure to write that down is no failure of the document."""
        try:
            now = self.clock.now()
            if way.counterpart is None or way.situation.in_use_elsewhere or _is_fresh(way.relation, found, now):
                return
            counterpart, relation = await self._afresh(way, message)
            if counterpart is None or relation is None:
                return
            changes = Changes()
            if relation.state in (RelationState.QUARANTINED, RelationState.SUSPECT):
                relation, before = (
                    moved(relation, "Confirmed", now, "den tog emot igen", "it took one again"),
                    relation,
                )
            else:
                before = relation
            changes = replace(
                changes,
                relations=((seen(relation, found, now), before.updated),),
                capabilities=(capability_of(relation, found, now, way.situation.policy.sinks),),
            )
            known = await self.proposing.about(message.account, counterpart, Direction.OUT)
            if known is not None:
                followed = self.proposing.converted(known, now)
                changes = replace(changes, proposals=followed.proposals, decisions=followed.decisions)
            await self.store.relations.commit(changes)
        except GatewayError as error:
            log.warning("that a way was used could not be noted: %s", error, extra={"document": message.id})

    async def refused(self, way: Way, message: Message, found: Reachable, error: str) -> None:
        """The receiver's access point has refused it for good; several times is a reason to leave it alone."""
        try:
            now, rows = self.clock.now(), self.store.relations
            since = now - holding.REFUSALS_WITHIN
            noted = await rows.note_rejection(message.account, found.participant.value, message.id, error[:200], since)
            _, relation = await self._afresh(way, message)
            if relation is None or way.situation.in_use_elsewhere:
                return
            if relation.state is RelationState.QUARANTINED:
                pause = holding.next_probe(relation.asked + 1)
                after = replace(
                    relation, asked=relation.asked + 1, next_check=now + pause if pause else None, updated=now
                )
                if pause is None:
                    after = moved(relation, "Lost", now, "avslog även försöken", "refused the tries as well")
            elif holding.refuses(noted.times, noted.documents, self.refusals) and allows(relation.state, "Refused"):
                sv = f"{noted.times} avslag av {noted.documents} fakturor på ett dygn, senast: {error}"
                en = f"{noted.times} refusals of {noted.documents} invoices in a day, the last one: {error}"
                pause = holding.next_probe(0)
                after = replace(
                    moved(relation, "Refused", now, sv, en), asked=0, next_check=now + (pause or timedelta())
                )
            else:
                return
            await rows.commit(Changes(relations=((after, relation.updated),)))
        except GatewayError as failure:
            log.warning("that it was refused could not be noted: %s", failure, extra={"document": message.id})

    async def _afresh(self, way: Way, message: Message) -> tuple[Counterpart | None, Relation | None]:
        """Counterpart and relation as they are now."""
        id_ = way.counterpart.id if way.counterpart else None
        if id_ is None:
            known = await self.store.relations.known_by(message.account, Role.CUSTOMER, way.situation.keys)
            born = [one for one in known if one.origin != "master_data"]
            if not born:
                return None, None
            id_ = born[0].id
        counterpart = way.counterpart or await self.store.relations.counterpart(message.account, id_)
        ways = await self.store.relations.relations(message.account, id_)
        return counterpart, next((w for w in ways if (w.direction, w.channel) == (Direction.OUT, PEPPOL)), None)

    async def _keep(
        self,
        way: Way,
        message: Message,
        facts: Facts,
        found: Reachable | NoRelation | LookupUnavailable | None,
        choice: Choice,
    ) -> None:
        """Write down what the choice does: counterpart, relation, evidence, proposal, in one commit."""
        if isinstance(found, LookupUnavailable) or choice.way == "only" or way.situation.in_use_elsewhere:
            return  # no answer changes nothing
        now, known, before = self.clock.now(), way.counterpart, way.relation
        if known is not None and before is not None and not choice.events and not choice.propose:
            if choice.way == "wait" and before.state is RelationState.SUSPECT:
                asked = replace(before, asked=before.asked + 1, next_check=choice.until, updated=now)
                rows = evidence_of(message, known.id, found, now)
                await self.store.relations.commit(Changes(relations=((asked, before.updated),), evidence=rows))
            elif choice.way == "network" and before.state is RelationState.QUARANTINED:
                # One at a time: the next one waits until the word of this one is in.
                probing = replace(before, next_check=now + holding.PROBES[0], updated=now)
                await self.store.relations.commit(Changes(relations=((probing, before.updated),)))
            return
        counterpart = known or counterpart_of(message.account, facts.receiver, Role.CUSTOMER, way.situation.keys, now)
        relation = before or new_relation(message.account, counterpart.id, now)
        events = list(choice.events)
        if before is None and not events and relation.participant == "" and way.situation.keys:
            events = ["Named"]
        for event in events:
            relation = moved(relation, event, now, choice.reason.sv, choice.reason.en)
        if isinstance(found, Reachable):
            relation = seen(relation, found, now)
            if known is not None:  # the first document that goes this way confirms it, and the proposal with it
                relation = replace(relation, confirmed=before.confirmed if before else None)
        if "Doubted" in events:
            relation = replace(relation, denied=now, asked=0, next_check=choice.until)
        if "Lost" in events:
            relation = replace(relation, next_check=now + ASKED_DAILY)
        if "Accepted" in events or "Confirmed" in events:
            relation = replace(relation, denied=None, asked=0, next_check=None)
        evidence = evidence_of(message, counterpart.id, found, now)
        changes = Changes(
            counterparts=() if known else ((counterpart, None),),
            relations=((relation, before.updated if before else None),),
            evidence=evidence,
            capabilities=(
                (capability_of(relation, found, now, way.situation.policy.sinks),)
                if isinstance(found, Reachable)
                else ()
            ),
        )
        await self.store.relations.commit(await self._with_proposal(way, counterpart, relation, choice, changes))

    async def _with_proposal(
        self, way: Way, counterpart: Counterpart, relation: Relation, choice: Choice, changes: Changes
    ) -> Changes:
        """The same with what it means for the proposal on this counterpart."""
        now = self.clock.now()
        if way.counterpart is None and not choice.propose:
            return changes
        known = await self.proposing.about(counterpart.account, counterpart, Direction.OUT)
        if choice.propose:
            new = await self.proposing.propose(
                counterpart,
                relation,
                present=choice.order[0] if choice.order else "print",
                risks=choice.risks,
                evidence=[one.id for one in changes.evidence],
                known=known,
            )
            return replace(changes, proposals=(new,)) if new else changes
        followed = Changes()
        if known is not None and "Lost" in choice.events:
            followed = self.proposing.relapsed(known, now)
        elif known is not None and "Vanished" in choice.events:
            followed = self.proposing.gone(known, now)
        elif known is not None and "Accepted" in choice.events:
            followed = by_policy(known, now, way.situation.policy.auto_accept)
        return replace(changes, proposals=followed.proposals, decisions=followed.decisions)


def make_routing(
    store: Store, clock: Clock, channels: Sequence[str], country: str, refusals: int = holding.REFUSALS
) -> Routing:
    """The decision over this store, with these fallback channels."""
    return Routing(
        store=store,
        clock=clock,
        proposing=Proposing(store=store, clock=clock),
        channels=tuple(channels),
        country=country,
        refusals=refusals,
    )


def with_way(event: Event, choice: Choice) -> Event:
    """The event with the reasons of the choice, before those of what followed it."""
    return replace(event, detail={**event.detail, **way_detail(choice.said, event.detail)})


def _is_fresh(relation: Relation | None, found: Reachable, now: datetime) -> bool:
    """Whether it was confirmed lately, at the same access point."""
    if relation is None or relation.state is not RelationState.ACTIVE or relation.confirmed is None:
        return False
    return now - relation.confirmed < holding.FRESH and relation.seat == found.endpoint.seat
