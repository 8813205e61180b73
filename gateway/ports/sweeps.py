"""The socket towards the store's rows on sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from gateway.model.counterpart import CounterpartId
from gateway.model.identifiers import AccountId
from gateway.model.sweep import Difference, Known, Subject, Sweep, SweepId, Usage
from gateway.ports.relations import Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one counterpart's look-up came to."""

    counterpart: CounterpartId
    asked: bool = False
    """False: it was not its turn, or it is to get no e-invoices."""
    changes: Changes = field(default_factory=Changes)
    known: tuple[Known, ...] = ()
    """What is to be remembered, where that differs."""
    forgotten: tuple[str, ...] = ()
    """Participants of which nothing is to be remembered any more."""
    differences: tuple[Difference, ...] = ()


class Sweeps(Protocol):
    """Sweeps of accounts: begun once, in the hand of one process, never begun anew after a crash."""

    async def begin(self, new: Sweep) -> tuple[Sweep, bool]:
        """Enter one that somebody asked for, or give the one of the account that has not ended; tells if it is new."""
        ...

    async def plan(self, night: str, begin: datetime, spread: timedelta) -> int:
        """Enter one for each account with customers, once for this night over all processes; gives how many are new.

        Each is due at a time within ``spread``, the same whoever plans it.
        """
        ...

    async def claim(self, owner: str, lease: timedelta) -> Sweep | None:
        """Take one that is due and in nobody's hand, or was in this owner's; None: there is none."""
        ...

    async def record(self, sweep: Sweep, judged: Sequence[Judged], lease: timedelta, *, last: bool = False) -> Sweep:
        """Write down what these came to, in one commit with how far the sweep is, and hold it for longer.

        One whose rows somebody else has changed meanwhile is left as it is. ``last``: that was all. Raises
        ``LostLease`` when another process has the sweep.
        """
        ...

    async def page(self, account: AccountId, after: str, limit: int) -> Sequence[Subject]:
        """Customers behind this id, by id."""
        ...

    async def count(self, account: AccountId) -> int:
        """How many customers the account has."""
        ...

    async def usage(self, account: AccountId, year: datetime, since: datetime) -> Sequence[Usage]:
        """What went out since then, by receiver, name and channel; counted from ``year`` on."""
        ...

    async def find(self, account: AccountId, limit: int, cursor: str = "") -> tuple[Sequence[Sweep], str]:
        """The account's sweeps, newest first, and the cursor of the next page. Raises ``NotFound``."""
        ...

    async def get(self, account: AccountId, id: SweepId) -> Sweep:
        """One of them. Raises ``NotFound``."""
        ...

    async def differences(
        self, account: AccountId, id: SweepId, limit: int, after: int = 0
    ) -> tuple[Sequence[Difference], int]:
        """Lines of its report as they came, and the number to go on from (0 at the end)."""
        ...

    async def latest(self) -> Sequence[Sweep]:
        """The last one of each account that has begun, newest first, of at most a thousand accounts."""
        ...
