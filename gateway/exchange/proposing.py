"""Proposals: made when a way is found that nobody has said yes to, decided by people, measured by what goes then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import Conflict
from gateway.exchange.ids import new_document_id
from gateway.model.costs import electronic_share, month_before, month_of
from gateway.model.counterpart import Counterpart
from gateway.model.identifiers import AccountId
from gateway.model.message import Direction
from gateway.model.prices import DEFAULT, Price
from gateway.model.proposal import (
    PROPOSING,
    Decision,
    Proposal,
    ProposalEvent,
    ProposalId,
    ProposalState,
    Volume,
    advance,
)
from gateway.model.relating import Relation, RelationState, allows
from gateway.model.relating import advance as advance_relation
from gateway.ports import Changes, Clock, Store
from gateway.routing.savings import YEAR, proposal_words, reckon

EXPIRES: Final = timedelta(days=180)
_REFRESHED: Final = timedelta(days=1)
"""A proposal's figures are worked out anew no more often."""
_P: Final = ProposalState
SNOOZE_MOST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposing:
    """Makes, decides and measures proposals."""

    store: Store
    clock: Clock

    async def about(self, account: AccountId, counterpart: Counterpart, direction: Direction) -> Proposal | None:
        """The proposal on this counterpart, whatever its state."""
        found, _ = await self.store.relations.proposals(
            account, counterpart=counterpart.id, direction=direction, limit=1
        )
        return found[0] if found else None

    def rests(self, known: Proposal) -> bool:
        """Whether nothing is to be said about it now: it is decided, put off, or was worked out today."""
        now = self.clock.now()
        if known.state is _P.SNOOZED:
            return known.snoozed_until is None or known.snoozed_until > now
        if known.state is _P.OPEN:
            return now - known.updated < _REFRESHED
        return known.state in (_P.ACCEPTED, _P.CONVERTED, _P.DECLINED)

    async def propose(
        self,
        counterpart: Counterpart,
        way: Relation,
        *,
        present: str,
        risks: Sequence[str] = (),
        evidence: Sequence[str] = (),
        known: Proposal | None = None,
        volumes: Sequence[Volume] | None = None,
    ) -> tuple[Proposal, datetime | None] | None:
        """A new proposal, or the known one with today's figures, to be committed; None where nothing is to be said.

        ``present``: the channel that is used where there is no history. ``volumes``: of this counterpart in the last
        year, where they are known already.
        """
        now = self.clock.now()
        state = _P.OPEN
        if known is not None:
            if self.rests(known):
                return None
            state = _P.OPEN if known.state is _P.OPEN else advance(known.state, "Reopened")
        if volumes is None:
            volumes = await self.store.relations.volumes(counterpart.account, way.direction, now - YEAR)
        prices, share = await prices_of(self.store, counterpart.account, now)
        saved = reckon(
            counterpart, volumes, prices, to_channel=way.channel, present=present, day=now.date(), share=share
        )
        supplier = way.direction is Direction.IN
        sv, en = proposal_words(counterpart.name, saved, way.channel, risks, supplier=supplier)
        new = Proposal(
            id=known.id if known else ProposalId(new_document_id(now)),
            account=counterpart.account,
            counterpart=counterpart.id,
            direction=way.direction,
            family=way.family,
            state=state,
            from_channel=saved.from_channel,
            to_channel=way.channel,
            participant=way.participant,
            document_type=way.document_type,
            volume=saved.documents,
            saving=saved.money,
            currency=saved.currency,
            evidence=tuple(evidence) or (known.evidence if known else ()),
            risks=tuple(risks),
            requirements=("reference",) if way.direction is Direction.OUT else ("letter",),
            text_sv=sv,
            text_en=en,
            expires=now + EXPIRES,
            reminded=known.reminded if known else 0,
            created=known.created if known else now,
            updated=now,
        )
        return new, known.updated if known else None

    async def decide(
        self,
        account: AccountId,
        id: ProposalId,
        event: ProposalEvent,
        *,
        actor: str,
        reason: str = "",
        until: datetime | None = None,
    ) -> Proposal:
        """Accept, decline or snooze, in one commit with what follows for the relation.

        Raises ``NotFound``, ``Conflict`` (it was decided, or its way is gone), ``LostLease``.
        """
        now, rows = self.clock.now(), self.store.relations
        before = await rows.proposal(account, id)
        if event == "Snoozed" and (until is None or not now < until <= now + SNOOZE_MOST):
            raise Conflict("A proposal is snoozed until a time within the next year", remedy="Name such a time.")
        after = replace(
            before,
            state=advance(before.state, event),
            snoozed_until=until if event == "Snoozed" else None,
            decided=now,
            updated=now,
        )
        counterpart = await rows.counterpart(account, before.counterpart)
        ways = await rows.relations(account, before.counterpart)
        way = next((w for w in ways if (w.direction, w.channel) == (before.direction, before.to_channel)), None)
        changes = Changes(
            proposals=((after, before.updated),),
            decisions=(decision_on(before, event, actor=actor, reason=reason, now=now),),
        )
        if before.direction is Direction.OUT and event == "Accepted":
            if way is None or not (way.state is RelationState.ACTIVE or allows(way.state, "Accepted")):
                text = "The way that was proposed is not there any more"
                raise Conflict(text, remedy="Wait until it is found again; the proposal opens by itself then.")
            changes = replace(
                changes,
                relations=((accepted(way, now, "en person har godkänt den", "a person has accepted it"), way.updated),),
                counterparts=((replace(counterpart, preferred="", updated=now), counterpart.updated),),
            )
        elif before.direction is Direction.OUT and event == "Declined" and way and allows(way.state, "Declined"):
            declined = replace(
                way,
                state=advance_relation(way.state, "Declined"),
                reason_sv="en person har tackat nej",
                reason_en="a person said no",
                since=now,
                next_check=None,
                updated=now,
            )
            changes = replace(changes, relations=((declined, way.updated),))
        await rows.commit(changes)
        return after

    def converted(self, known: Proposal, now: datetime) -> Changes:
        """The first document went, or came, the new way."""
        return _followed(known, "Converted", now, "the first document went the new way")

    def relapsed(self, known: Proposal, now: datetime) -> Changes:
        """It is on the old way again."""
        return _followed(known, "Relapsed", now, "the old way is in use again")

    def gone(self, known: Proposal, now: datetime) -> Changes:
        """The way is gone before anybody decided."""
        return _followed(known, "Gone", now, "the way is gone")


async def prices_of(store: Store, account: AccountId, now: datetime) -> tuple[Sequence[Price], int]:
    """The account's price list, or the examples; and the electronic share of last month that its steps go by."""
    last = month_before(month_of(now.date()))
    own = await store.money.prices(account)
    return own or DEFAULT, electronic_share(await store.money.months(account, last, last)) or 0


def accepted(way: Relation, now: datetime, sv: str, en: str) -> Relation:
    """The relation in use. Not confirmed yet: the first document that goes this way does that."""
    if way.state is RelationState.ACTIVE:
        return replace(way, updated=now)
    state = advance_relation(way.state, "Accepted")
    return replace(
        way,
        state=state,
        reason_sv=sv,
        reason_en=en,
        since=now,
        confirmed=None,
        denied=None,
        asked=0,
        next_check=None,
        updated=now,
    )


def decision_on(of: Proposal, event: ProposalEvent, *, actor: str, reason: str = "", now: datetime) -> Decision:
    """The decision with the text that was shown."""
    return Decision(
        account=of.account,
        proposal=of.id,
        counterpart=of.counterpart,
        event=event,
        actor=actor,
        reason=reason,
        text_sv=of.text_sv,
        text_en=of.text_en,
        time=now,
    )


def _followed(known: Proposal, event: ProposalEvent, now: datetime, reason: str) -> Changes:
    if event not in PROPOSING[known.state]:
        return Changes()
    after = replace(known, state=advance(known.state, event), updated=now)
    if event == "Converted":
        after = replace(after, converted=now)
    return Changes(
        proposals=((after, known.updated),),
        decisions=(decision_on(known, event, actor="gateway", reason=reason, now=now),),
    )
