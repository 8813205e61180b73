"""The timelines of all documents, counted: what the metrics must equal.

Counting a million rows at each scrape would take seconds, so what was counted once is remembered in the store with the
number of the last row that is in it, and only later rows are counted anew. :class:`LedgerFollower` counts beside the
work, a piece at a time, so that this is little whenever somebody asks. The newest rows are never in what is
remembered: with several writers a row may become visible after one with a higher number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.store.operation_tables import setting
from gateway.store.reads import Reads
from gateway.store.tables import event, message

_NAME: Final = "ledger"
REMEMBER_AFTER: Final = 1_000
"""Rows that are counted anew at each scrape before some of them are remembered."""
NEWEST: Final = 200
PIECE: Final = 20_000
"""Rows that are counted in one go when many are not remembered yet: some tenths of a second."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What is remembered: the counts of all rows up to a number."""

    upto: int
    counts: Counter[str]

    @property
    def value(self) -> dict[str, Any]:
        """As it is stored."""
        return {"upto": self.upto, "counts": dict(self.counts)}


@dataclass(frozen=True, slots=True)
class LedgerFollower:
    """Counts what has happened and remembers it: the rows in a reading connection, the sum in a small commit."""

    reads: Reads
    write: Callable[[Callable[[Connection], Any]], Awaitable[Any]]

    async def advance(self, limit: int) -> int:
        """Count a piece where enough is new; gives at least ``limit`` where there may be more.

        Several that do it at once, in one process or many, count nothing twice. Raises ``StoreUnavailable``.
        """
        before, after = await self.reads.read(next_piece)
        if after is before:
            return 0
        await self.write(partial(_replace, before=before, after=after))
        return max(after.upto - before.upto, limit)


def next_piece(connection: Connection) -> tuple[Counted, Counted]:
    """What is remembered, and what may be instead; the same where too little is new."""
    before = _remembered(connection)
    last = connection.execute(select(func.max(event.c.number))).scalar_one_or_none() or 0
    if last - before.upto <= REMEMBER_AFTER:
        return before, before
    until = min(before.upto + PIECE, last - NEWEST)
    return before, Counted(until, before.counts + _count(connection, before.upto, until))


def counts(connection: Connection) -> tuple[Counter[str], int]:
    """How often each event has happened, as ``in Received``; and how many rows were counted anew for that."""
    known = _remembered(connection)
    later = _count(connection, known.upto, None)
    return known.counts + later, later.total()


def remember(connection: Connection, *, keep: int = NEWEST, until: int | None = None) -> None:
    """Remember the count of all rows but the newest ``keep``, or of those up to ``until``. Twice at once is once."""
    before = _remembered(connection)
    if until is None:
        until = (connection.execute(select(func.max(event.c.number))).scalar_one_or_none() or 0) - keep
    if until > before.upto:
        after = Counted(until, before.counts + _count(connection, before.upto, until))
        _replace(connection, before=before, after=after)


def _replace(connection: Connection, *, before: Counted, after: Counted) -> None:
    """Two that do this at once both have read the same beginning; only the first finds it still there."""
    same = (setting.c.name == _NAME, setting.c.value == before.value)
    if connection.execute(update(setting).where(*same).values(value=after.value)).rowcount or before.upto:
        return
    if connection.execute(select(setting.c.name).where(setting.c.name == _NAME)).first() is None:
        with suppress(IntegrityError), connection.begin_nested():  # another node may be a moment earlier
            connection.execute(insert(setting).values(name=_NAME, value=after.value))


def _remembered(connection: Connection) -> Counted:
    value = connection.execute(select(setting.c.value).where(setting.c.name == _NAME)).scalar_one_or_none()
    return Counted(0, Counter()) if value is None else Counted(value["upto"], Counter(value["counts"]))


def _count(connection: Connection, after: int, until: int | None) -> Counter[str]:
    wanted = (
        select(message.c.direction, event.c.event, func.count())
        .join(message, message.c.id == event.c.message)
        .where(event.c.number > after)
        .group_by(message.c.direction, event.c.event)
    )
    if until is not None:
        wanted = wanted.where(event.c.number <= until)
    return Counter({f"{direction} {name}": number for direction, name, number in connection.execute(wanted)})
