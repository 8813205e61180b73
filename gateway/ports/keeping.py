"""What a person does with the whole store, and what is erased when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What a restore has left open: what happened in between is known to others only."""

    backup: datetime
    """The moment that was restored."""
    restored: datetime
    source: str
    """Name of the backup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """How long each kind of data is kept after a document has ended; None: for ever."""

    payloads: timedelta | None = None
    evidence: timedelta | None = None
    timeline: timedelta | None = None
    keys: timedelta | None = None
    """The document itself with the keys by which a repeat is known."""

    def before(self, kind: str, now: datetime) -> datetime | None:
        """What is older than this is erased."""
        period: timedelta | None = getattr(self, kind)
        return None if period is None else now - period


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """Of how many documents something was erased, or would be, by kind."""

    payloads: int = 0
    evidence: int = 0
    timeline: int = 0
    keys: int = 0
    scans: int = 0
    """Files that came in on paper and as PDF; they follow the payloads."""


class Retention(Protocol):
    """Erases what is older than its period, or one document by the operator's word."""

    async def due(self, periods: Periods) -> Erased:
        """How much there is to erase. Erases nothing."""
        ...

    async def purge(self, periods: Periods, actor: str) -> Erased:
        """Erase what is older than its period. Raises ``Conflict`` while a backup is made."""
        ...

    async def once(self, name: str, period: str, owner: str) -> bool:
        """Whether this process is the one that does this duty in this period."""
        ...

    async def erase(self, id: DocumentId, actor: str, reason: str) -> None:
        """Erase the content of one finished document. Raises ``NotFound``, ``Conflict``."""
        ...

    async def hold(self, id: DocumentId, actor: str, reason: str, *, on: bool) -> None:
        """Keep a document whatever its age, or let it go again. Raises ``NotFound``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What happened to all documents, counted over their timelines."""

    events: Mapping[str, int]
    """By direction and event, as ``in Received``. Rows that retention has erased are still in it."""
    trouble: Mapping[tuple[str, str], int]
    """Documents that wait for a person now, by direction and state."""


class Counting(Protocol):
    """Counts beside the work, so that the ledger is at hand whenever somebody asks for it."""

    async def advance(self, limit: int) -> int:
        """Count a piece of what has happened since; gives less than ``limit`` where nothing is left to count."""
        ...


class Operation(Protocol):
    """What a person does with the whole store."""

    async def gap(self) -> Gap | None:
        """What a restore has left open, until a person has confirmed it: then no work is given out. None otherwise."""
        ...

    async def unfinished(self, limit: int) -> Sequence[Message]:
        """Documents on their way out, of all accounts, the oldest first."""
        ...

    async def confirm(self, actor: str, detail: dict[str, object]) -> None:
        """A person has looked at the gap: work is given out again."""
        ...

    async def ledger(self) -> Ledger:
        """What happened to all documents, counted. Raises ``StoreUnavailable``."""
        ...

    @property
    def counting(self) -> Counting:
        """Who counts beside the work what :meth:`ledger` gives."""
        ...

    async def probe(self) -> None:
        """Write something and have it on the disk. Raises ``StoreUnavailable``."""
        ...

    async def bring_near(self, longest: timedelta, lease: timedelta) -> int:
        """Let nothing wait longer than it can have been told to: the clock was set back. Gives how many were."""
        ...

    async def operator(self) -> AccountId | None:
        """The account of whoever runs this gateway: the first that was made."""
        ...
