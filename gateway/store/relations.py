"""Counterparts, relations and proposals in the store: the methods of :class:`~gateway.ports.Relations`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Connection

from gateway.model.counterpart import (
    Counterpart,
    CounterpartFilter,
    CounterpartId,
    Listed,
    Profile,
    RelationPolicy,
    Role,
)
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.message import Direction
from gateway.model.proposal import Decision, Proposal, ProposalId, ProposalState, Volume
from gateway.model.relating import Capability, LookupEvidence, Relation, RelationState
from gateway.ports import Changes, Clock, Rejections
from gateway.store import counterpart_lists, counterparts, proposals
from gateway.store.operation import Write, note
from gateway.store.reads import Reads
from gateway.store.remembered import Remembered
from gateway.store.session import Session

_REMEMBERED: Final = 10_000
_SPREAD_SECONDS: Final = 20.0
"""How long a count is shown again: it goes over every counterpart of the account."""


@dataclass(slots=True, kw_only=True)
class Relations:
    """Implements :class:`~gateway.ports.Relations`, whatever the database."""

    reads: Reads
    write: Write
    clock: Clock
    _profiles: Remembered[AccountId, Profile] = field(default_factory=Remembered, init=False)
    _known: Remembered[tuple[AccountId, Role, tuple[str, ...]], Sequence[Counterpart]] = field(
        default_factory=Remembered, init=False
    )
    _ways: Remembered[tuple[AccountId, CounterpartId], Sequence[Relation]] = field(
        default_factory=Remembered, init=False
    )
    _spreads: dict[tuple[AccountId, Role], tuple[float, Mapping[str, int]]] = field(default_factory=dict, init=False)

    def forget(self) -> None:
        """This process has written something that may have changed any of it."""
        self._profiles.forget()
        self._known.forget()
        self._ways.forget()

    async def profile(self, account: AccountId) -> Profile:
        known, changes = self._profiles.find(account), self._profiles.changes
        if known is not None:
            return known
        found = await self.reads.look(partial(_profile, account=account))
        return self._profiles.keep(account, found, changes)

    async def save_policy(self, account: AccountId, policy: RelationPolicy, actor: str) -> None:
        now = self.clock.now()
        await self.write(partial(proposals.save_policy, account=account, new=policy, actor=actor, now=now))

    async def commit(self, changes: Changes) -> None:
        await self.write(partial(write_changes, changes=changes))
        for one, _ in changes.counterparts:
            self._spreads.pop((one.account, one.role), None)

    async def counterparts(self, account: AccountId, which: CounterpartFilter) -> tuple[Sequence[Counterpart], str]:
        lines, cursor = await self.listed(account, which)
        return [one.counterpart for one in lines], cursor

    async def listed(self, account: AccountId, which: CounterpartFilter) -> tuple[Sequence[Listed], str]:
        return await self.reads.read(partial(counterpart_lists.listed, account=account, which=which))

    async def listed_ids(self, account: AccountId, which: CounterpartFilter, limit: int) -> Sequence[CounterpartId]:
        return await self.reads.read(partial(counterpart_lists.ids, account=account, which=which, limit=limit))

    async def spread(self, account: AccountId, role: Role) -> Mapping[str, int]:
        until, known = self._spreads.get((account, role), (0.0, {}))
        if time.monotonic() >= until:
            known = await self.reads.read(partial(counterpart_lists.spread, account=account, role=role))
            if len(self._spreads) >= _REMEMBERED:
                self._spreads.clear()
            self._spreads[account, role] = (time.monotonic() + _SPREAD_SECONDS, known)
        return known

    async def counterpart(self, account: AccountId, id: CounterpartId) -> Counterpart:
        return await self.reads.read(partial(counterparts.get, account=account, id=id))

    async def numbered(self, account: AccountId, role: Role, numbers: Sequence[str]) -> Sequence[Counterpart]:
        return await self.reads.read(partial(counterparts.numbered, account=account, role=role, numbers=numbers))

    async def known_by(self, account: AccountId, role: Role, keys: Sequence[str]) -> Sequence[Counterpart]:
        key = account, role, tuple(keys)
        known, changes = self._known.find(key), self._known.changes
        if known is not None:
            return known
        found = await self.reads.look(partial(counterparts.known_by, account=account, role=role, keys=keys))
        return self._known.keep(key, found, changes)

    async def named(self, account: AccountId, role: Role, name: str) -> Sequence[Counterpart]:
        return await self.reads.read(partial(counterparts.named, account=account, role=role, name=name))

    async def remove(self, account: AccountId, id: CounterpartId, actor: str) -> None:
        now = self.clock.now()

        def errand(connection: Connection) -> None:
            gone = counterparts.remove(connection, account, id)
            detail = {"account": account, "role": str(gone.role), "number": gone.number}
            note(connection, now, actor, "removed a counterpart", detail={**detail, "id": id})

        await self.write(errand)

    async def relations(self, account: AccountId, counterpart: CounterpartId) -> Sequence[Relation]:
        key = account, counterpart
        known, changes = self._ways.find(key), self._ways.changes
        if known is not None:
            return known
        found = await self.reads.look(partial(proposals.relations, account=account, counterpart=counterpart))
        return self._ways.keep(key, found, changes)

    async def due(self, now: datetime, limit: int, states: Sequence[RelationState] = ()) -> Sequence[Relation]:
        return await self.reads.read(partial(proposals.due, now=now, limit=limit, states=states))

    async def capabilities(self, account: AccountId, counterpart: CounterpartId) -> Sequence[Capability]:
        return await self.reads.read(partial(proposals.capabilities, account=account, counterpart=counterpart))

    async def evidence(
        self, account: AccountId, counterpart: CounterpartId, limit: int = 50
    ) -> Sequence[LookupEvidence]:
        ask = partial(proposals.evidence, account=account, counterpart=counterpart, limit=limit)
        return await self.reads.read(ask)

    async def proposals(
        self,
        account: AccountId,
        *,
        states: Sequence[ProposalState] = (),
        counterpart: CounterpartId | None = None,
        direction: Direction | None = None,
        limit: int = 50,
        cursor: str = "",
    ) -> tuple[Sequence[Proposal], str]:
        ask = partial(
            proposals.proposals,
            account=account,
            states=states,
            counterpart=counterpart,
            direction=direction,
            limit=limit,
            cursor=cursor,
        )
        return await self.reads.read(ask)

    async def proposal(self, account: AccountId, id: ProposalId) -> Proposal:
        return await self.reads.read(partial(proposals.proposal, account=account, id=id))

    async def decisions(self, account: AccountId, proposal: ProposalId) -> Sequence[Decision]:
        return await self.reads.read(partial(proposals.decisions, account=account, proposal=proposal))

    async def volumes(self, account: AccountId, direction: Direction, since: datetime) -> Sequence[Volume]:
        return await self.reads.read(partial(proposals.volumes, account=account, direction=direction, since=since))

    async def note_rejection(
        self, account: AccountId, participant: str, message: DocumentId, code: str, since: datetime
    ) -> Rejections:
        errand = partial(
            proposals.note_rejection,
            account=account,
            participant=participant,
            message=message,
            code=code,
            since=since,
            now=self.clock.now(),
        )
        times, documents = await self.write(errand)
        return Rejections(times=times, documents=documents)

    async def sends_to_others(self, account: AccountId, sender: str) -> bool:
        return await self.reads.read(partial(proposals.sends_to_others, account=account, sender=sender))


def _profile(session: Session, account: AccountId) -> Profile:
    return Profile(
        policy=proposals.policy(session, account) or RelationPolicy(),
        customers=counterparts.any_customer(session, account),
    )


def write_changes(connection: Connection, changes: Changes) -> None:
    """Write all of it or nothing. Raises ``LostLease``, ``Conflict``, ``NotFound``."""
    with connection.begin_nested():  # all of it, or nothing
        for new, expected in changes.counterparts:
            counterparts.save(connection, new, expected)
        for relation, expected in changes.relations:
            proposals.save_relation(connection, relation, expected)
        for capability in changes.capabilities:
            proposals.see_capability(connection, capability)
        for evidence in changes.evidence:
            proposals.add_evidence(connection, evidence)
        for proposal, expected in changes.proposals:
            proposals.save_proposal(connection, proposal, expected)
        for decision in changes.decisions:
            proposals.add_decision(connection, decision)
