"""A sweep: every counterpart of an account looked up anew, and what is different since.

A night without differences writes nothing but its own progress. "Don't know" is counted and named, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

from gateway.model.counterpart import Counterpart, CounterpartId
from gateway.model.identifiers import AccountId
from gateway.model.proposal import Proposal
from gateway.model.relating import Relation

SweepId = NewType("SweepId", str)


class SweepKind(StrEnum):
    """Why it runs."""

    NIGHT = "night"
    """By itself: who gets paper or PDF, and who is in use."""
    DEMAND = "demand"
    """Somebody asked for it: every counterpart."""


class SweepState(StrEnum):
    """Where it stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


class Change(StrEnum):
    """What is different since the last time, or was not answered."""

    APPEARED = "appeared"
    """It takes e-invoices now."""
    BACK = "back"
    """It was in doubt, and is there."""
    MOVED = "moved"
    """Another access point: the relation stays."""
    CERTIFICATE = "certificate"
    """Another certificate of the same access point."""
    DOUBTED = "doubted"
    """It is in use, and the network says no for the first time."""
    VANISHED = "vanished"
    """It could have got e-invoices, and cannot any more."""
    LOST = "lost"
    """It was in use, and has been away for more than a day."""
    UNKNOWN = "unknown"
    """No answer. No difference at all: nothing follows from it."""


FOUND: Final = (Change.APPEARED, Change.BACK)
GONE: Final = (Change.VANISHED, Change.LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One run over one account. Times are UTC."""

    id: SweepId
    account: AccountId
    kind: SweepKind
    state: SweepState = SweepState.WAITING
    actor: str = ""
    """Who asked for it; ``night``: nobody."""
    due: datetime
    """When it may begin."""
    started: datetime | None = None
    ended: datetime | None = None
    owner: str = ""
    """The process that has it in hand."""
    lease_until: datetime | None = None
    """Until when that process has said it goes on; then another one does."""
    cursor: str = ""
    """The last counterpart that is done: it goes on behind it, whatever happened."""
    total: int = 0
    """Counterparts there were when it began."""
    done: int = 0
    asked: int = 0
    """Of these, those for which the network was asked; the others' turn is another day, or they want no e-invoices."""
    questions: int = 0
    """To DNS: a counterpart may have several addresses."""
    requests: int = 0
    """To SMPs."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """By :class:`Change`."""
    created: datetime
    updated: datetime

    def count(self, *changes: Change) -> int:
        """How many of these there were."""
        return sum(self.counts.get(change.value, 0) for change in changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One line of the report."""

    counterpart: CounterpartId
    name: str
    change: Change
    participant: str = ""
    before: str = ""
    after: str = ""
    sv: str
    en: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an SMP said of one address of a counterpart when it was asked last: the next night asks DNS only."""

    counterpart: CounterpartId
    account: AccountId
    participant: str
    smp: str
    asked: datetime
    expires: datetime | None = None
    """When the endpoint or its certificate ends."""
    reason: str = ""
    """Why it takes no invoices there, although it is registered; empty: it takes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One counterpart with all that its look-up needs."""

    counterpart: Counterpart
    relation: Relation | None = None
    """Our way to it on the network."""
    proposal: Proposal | None = None
    known: tuple[Known, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Documents to one receiver over one channel."""

    receiver: str
    name: str
    channel: str
    documents: int
    """In the last year."""
    last: datetime
