"""The socket towards the store's rows on counterparts, relations and proposals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is written together, in one commit, or not at all.

    A row is new, or replaces what was read: its earlier ``updated`` stands beside it, and when somebody else was
    quicker nothing is written (``LostLease``).
    """

    counterparts: tuple[tuple[Counterpart, datetime | None], ...] = ()
    """(new value, ``updated`` of the one that was read; None for a new one)."""
    relations: tuple[tuple[Relation, datetime | None], ...] = ()
    proposals: tuple[tuple[Proposal, datetime | None], ...] = ()
    capabilities: tuple[Capability, ...] = ()
    """Added, or seen again."""
    evidence: tuple[LookupEvidence, ...] = ()
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejections:
    """How often a participant refused for good lately."""

    times: int
    documents: int
    """How many different documents that was."""


class Relations(Protocol):
    """Counterparts, relations, proposals. Every call names the account; what is another's does not exist for it."""

    async def profile(self, account: AccountId) -> Profile:
        """What an account lets us decide; remembered for half a second. Raises ``StoreUnavailable``."""
        ...

    async def save_policy(self, account: AccountId, policy: RelationPolicy, actor: str) -> None:
        """Replace the account's policy."""
        ...

    async def commit(self, changes: Changes) -> None:
        """Write all of it or nothing. Raises ``LostLease``, ``Conflict`` (a number is taken), ``NotFound``."""
        ...

    async def counterparts(self, account: AccountId, which: CounterpartFilter) -> tuple[Sequence[Counterpart], str]:
        """Counterparts by name, and the cursor of the next page (empty at the end)."""
        ...

    async def listed(self, account: AccountId, which: CounterpartFilter) -> tuple[Sequence[Listed], str]:
        """The same with how each is reached, and the cursor of the next page."""
        ...

    async def listed_ids(self, account: AccountId, which: CounterpartFilter, limit: int) -> Sequence[CounterpartId]:
        """The ids of that list, at most ``limit``."""
        ...

    async def spread(self, account: AccountId, role: Role) -> Mapping[str, int]:
        """How many are reached which way (``Listed.channel``); the answer may be twenty seconds old."""
        ...

    async def counterpart(self, account: AccountId, id: CounterpartId) -> Counterpart:
        """One of them. Raises ``NotFound``."""
        ...

    async def numbered(self, account: AccountId, role: Role, numbers: Sequence[str]) -> Sequence[Counterpart]:
        """Those with these numbers of the account's own."""
        ...

    async def known_by(self, account: AccountId, role: Role, keys: Sequence[str]) -> Sequence[Counterpart]:
        """Those that have one of these identifiers (``Identifier.key``); whether it is the same party is not said."""
        ...

    async def named(self, account: AccountId, role: Role, name: str) -> Sequence[Counterpart]:
        """Those of this very name, whatever its case; at most twenty."""
        ...

    async def remove(self, account: AccountId, id: CounterpartId, actor: str) -> None:
        """Forget one with its relations and proposals; decisions and evidence stay. Raises ``NotFound``."""
        ...

    async def relations(self, account: AccountId, counterpart: CounterpartId) -> Sequence[Relation]:
        """Every way to this one."""
        ...

    async def due(self, now: datetime, limit: int, states: Sequence[RelationState] = ()) -> Sequence[Relation]:
        """Relations of all accounts that are to be asked again by now, longest due first; only in these states."""
        ...

    async def capabilities(self, account: AccountId, counterpart: CounterpartId) -> Sequence[Capability]:
        """What it can take and send."""
        ...

    async def evidence(
        self, account: AccountId, counterpart: CounterpartId, limit: int = 50
    ) -> Sequence[LookupEvidence]:
        """What was asked and answered, the newest first."""
        ...

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
        """Proposals, the one that saves most first, and the cursor of the next page."""
        ...

    async def proposal(self, account: AccountId, id: ProposalId) -> Proposal:
        """One proposal. Raises ``NotFound``."""
        ...

    async def decisions(self, account: AccountId, proposal: ProposalId) -> Sequence[Decision]:
        """What was decided about it, oldest first."""
        ...

    async def volumes(self, account: AccountId, direction: Direction, since: datetime) -> Sequence[Volume]:
        """Documents since then, counted by counterpart's address, name and channel."""
        ...

    async def note_rejection(
        self, account: AccountId, participant: str, message: DocumentId, code: str, since: datetime
    ) -> Rejections:
        """Write down that the participant refused this one for good; counts those since then."""
        ...

    async def sends_to_others(self, account: AccountId, sender: str) -> bool:
        """Whether this participant has sent an e-invoice to another account that lets it be known."""
        ...
