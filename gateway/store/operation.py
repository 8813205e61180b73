"""What a person does with the whole store: confirm a restore, look who did what.

While a restored store waits for a person it gives out no work at all, so nothing can leave whatever asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.model.identifiers import AccountId
from gateway.model.lifecycle import WORKABLE
from gateway.model.message import Direction, Message
from gateway.ports import Clock, Gap, Ledger
from gateway.store import ledger, tables
from gateway.store.documents import MESSAGE_COLUMNS
from gateway.store.ledger import LedgerFollower
from gateway.store.operation_tables import audit, setting
from gateway.store.reads import Reads

_RECONCILE: Final = "reconcile"
_LOOK_SECONDS: Final = 0.5
"""How long after a person's word another process goes on waiting."""


Write = Callable[[Callable[[Connection], Any]], Awaitable[Any]]
"""Has an errand done by the writer; returns after the commit."""


@dataclass(slots=True, kw_only=True)
class Operation:
    """The operator's calls on one store."""

    reads: Reads
    write: Write
    clock: Clock
    _waits: bool | None = field(default=None, init=False)
    """None before the first look."""
    _looked: float = field(default=0.0, init=False)
    _operator: AccountId | None = field(default=None, init=False)

    async def waits(self) -> bool:
        """Whether the store was restored and no person has confirmed the gap; costs nothing when it was not."""
        if self._waits is None or (self._waits and time.monotonic() - self._looked > _LOOK_SECONDS):
            self._waits = await self.gap() is not None
            self._looked = time.monotonic()
        return self._waits

    async def gap(self) -> Gap | None:
        """What a restore has left open; None when nothing is. Raises ``StoreUnavailable``."""
        return await self.reads.read(gap)

    async def reopen(self, gap: Gap) -> None:
        """The database was brought back from a backup by other means: give out no work until a person confirms."""
        await self.write(partial(open_gap, new=gap))
        self._waits = True

    async def unfinished(self, limit: int) -> Sequence[Message]:
        """Documents on their way out, of all accounts, the oldest first."""
        return await self.reads.read(partial(unfinished, limit=limit))

    async def confirm(self, actor: str, detail: dict[str, object]) -> None:
        """A person has looked at the gap: from now on work is given out. Raises ``StoreUnavailable``."""
        now = self.clock.now()
        await self.write(partial(_confirm, actor=actor, detail=detail, now=now))
        self._waits = False

    async def ledger(self) -> Ledger:
        """What happened to all documents, counted. Raises ``StoreUnavailable``."""
        while await self.counting.advance(1):  # at most what came since the last look of whoever counts beside the work
            pass
        events, _ = await self.reads.read(ledger.counts)
        return Ledger(events=events, trouble=await self.reads.read(_trouble))

    async def probe(self) -> None:
        """Write something and have it on the disk. Raises ``StoreUnavailable``."""
        await self.write(partial(_put, name="probe", value=self.clock.now().isoformat()))

    async def bring_near(self, longest: timedelta, lease: timedelta) -> int:
        """Let nothing wait longer than it can have been told to: the clock was set back. Gives how many were.

        A document is due within ``longest``, and a lease ends within ``lease``. Raises ``StoreUnavailable``.
        """
        now = self.clock.now()
        return int(await self.write(partial(_bring_near, now=now, due=now + longest, lease=now + lease)))

    @property
    def counting(self) -> LedgerFollower:
        """Counts beside the work what :meth:`ledger` gives."""
        return LedgerFollower(self.reads, self.write)

    async def operator(self) -> AccountId | None:
        """The account of whoever runs this gateway: the first that was made."""
        if self._operator is None:
            self._operator = await self.reads.read(_operator)
        return self._operator


def gap(connection: Connection) -> Gap | None:
    """What a restore has left open."""
    value = connection.execute(select(setting.c.value).where(setting.c.name == _RECONCILE)).scalar_one_or_none()
    if value is None:
        return None
    return Gap(
        backup=datetime.fromisoformat(value["backup"]),
        restored=datetime.fromisoformat(value["restored"]),
        source=value["source"],
    )


def open_gap(connection: Connection, new: Gap) -> None:
    """Note that the store was restored: no work is given out until a person confirms it."""
    connection.execute(delete(setting).where(setting.c.name == _RECONCILE))
    value = {"backup": new.backup.isoformat(), "restored": new.restored.isoformat(), "source": new.source}
    connection.execute(insert(setting).values(name=_RECONCILE, value=value))
    note(connection, new.restored, "restore", "restored", detail=value)


def note(
    connection: Connection,
    now: datetime,
    actor: str,
    action: str,
    *,
    message: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Write down who did what."""
    row = {"time": now, "actor": actor, "action": action, "message": message, "detail": detail or {}}
    connection.execute(insert(audit).values(**row))


def unfinished(connection: Connection, *, limit: int) -> list[Message]:
    """Documents on their way out, the oldest first."""
    known = tables.message.c
    wanted = (
        select(*MESSAGE_COLUMNS)
        .where(known.next_attempt.is_not(None), known.direction == Direction.OUT, known.state.in_(WORKABLE["out"]))
        .order_by(known.created, known.id)
        .limit(limit)
    )
    return [Message(**row) for row in connection.execute(wanted).mappings()]


def _confirm(connection: Connection, *, actor: str, detail: dict[str, object], now: datetime) -> None:
    if connection.execute(delete(setting).where(setting.c.name == _RECONCILE)).rowcount:
        note(connection, now, actor, "confirmed the gap", detail=detail)


def _trouble(connection: Connection) -> dict[tuple[str, str], int]:
    known = tables.message.c
    wanted = select(known.direction, known.state, func.count()).where(tables.in_trouble)
    rows = connection.execute(wanted.group_by(known.direction, known.state))
    return {(str(direction), str(state)): number for direction, state, number in rows}


def _put(connection: Connection, *, name: str, value: object) -> None:
    if not connection.execute(update(setting).where(setting.c.name == name).values(value=value)).rowcount:
        connection.execute(insert(setting).values(name=name, value=value))


def _bring_near(connection: Connection, *, now: datetime, due: datetime, lease: datetime) -> int:
    known = tables.message.c
    waits = known.next_attempt.is_not(None)
    leases = update(tables.message).where(waits, known.lease_until > lease).values(lease_until=lease)
    connection.execute(leases)
    return connection.execute(
        update(tables.message).where(waits, known.next_attempt > due).values(next_attempt=now)
    ).rowcount


def _operator(connection: Connection) -> AccountId | None:
    wanted = select(tables.account.c.id).order_by(tables.account.c.created, tables.account.c.id).limit(1)
    found = connection.execute(wanted).scalar_one_or_none()
    return None if found is None else AccountId(found)


def last_event(connection: Connection) -> tuple[int, datetime | None]:
    """Number of rows of all timelines, and when the last was written."""
    number, when = connection.execute(select(func.count(), func.max(tables.event.c.time))).one()
    return number, datetime.fromisoformat(when) if isinstance(when, str) else when
