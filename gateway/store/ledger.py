"""The timelines of all documents, counted: what the metrics must equal.

Counting a million rows at each scrape would take seconds, so what was counted once is remembered in the store with the
number of the last row that is in it, and only later rows are counted anew. The newest rows are never in what is
remembered: with several writers a row may become visible after one with a higher number.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from gateway.store.operation_tables import setting
from gateway.store.tables import event, message

_NAME: Final = "ledger"
REMEMBER_AFTER: Final = 1_000
"""Rows that are counted anew at each scrape before some of them are remembered."""
NEWEST: Final = 200


def counts(connection: Connection) -> tuple[Counter[str], int]:
    """How often each event has happened, as ``in Received``; and how many rows were counted anew for that."""
    upto, known = _remembered(connection)
    later = _count(connection, upto, None)
    return known + later, later.total()


def remember(connection: Connection, *, keep: int = NEWEST, until: int | None = None) -> None:
    """Remember the count of all rows but the newest ``keep``, or of those up to ``until``. Twice at once is once."""
    upto, known = _remembered(connection)
    if until is None:
        until = (connection.execute(select(func.max(event.c.number))).scalar_one_or_none() or 0) - keep
    if until <= upto:
        return
    value = {"upto": until, "counts": dict(known + _count(connection, upto, until))}
    if upto == 0 and not known:
        connection.execute(insert(setting).values(name=_NAME, value=value))
        return
    # Two that do this at once both read the same beginning; only the first finds it still there.
    before: Any = {"upto": upto, "counts": dict(known)}
    connection.execute(update(setting).where(setting.c.name == _NAME, setting.c.value == before).values(value=value))


def _remembered(connection: Connection) -> tuple[int, Counter[str]]:
    value = connection.execute(select(setting.c.value).where(setting.c.name == _NAME)).scalar_one_or_none()
    return (0, Counter()) if value is None else (value["upto"], Counter(value["counts"]))


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
