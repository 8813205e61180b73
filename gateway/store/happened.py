"""What happened in an account, in order, from a place on: the timeline rows of all its documents.

Rows are numbered as they are written. One call looks at a limited number of rows of all accounts and tells how far it
came, so that it costs the same whoever asks and however little happened to him. Where several processes number at once
(PostgreSQL), a row may be seen later than one with a higher number; there the newest seconds are left for the next
call, so that no row is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, func, select

from gateway.model.identifiers import AccountId
from gateway.model.message import Message, TimelineEntry
from gateway.store import tables
from gateway.store.documents import MESSAGE_COLUMNS

T = TypeVar("T", bound=Any)

LOOKED_AT: Final = 2_000
"""Rows of all accounts that one call looks at."""
UNSETTLED: Final = timedelta(seconds=10)
"""How long a row may be seen later than one with a higher number."""


def happened(
    connection: Connection, account: AccountId, after: int, limit: int, now: datetime
) -> tuple[list[tuple[int, Message, TimelineEntry]], int]:
    """Up to ``limit`` rows as (number, document as it is now, what happened), and the number to go on from."""
    row = tables.event
    window = select(row.c.number, row.c.account, row.c.time).where(row.c.number > after)
    seen = connection.execute(window.order_by(row.c.number).limit(LOOKED_AT)).all()
    seen = settled(connection, seen, now)
    mine = [one.number for one in seen if one.account == account]
    last = int(seen[-1].number) if seen else after
    if len(mine) > limit:
        mine = mine[:limit]
        last = mine[-1]
    if not mine:
        return [], last
    rows = connection.execute(select(row).where(row.c.number.in_(mine)).order_by(row.c.number)).mappings().all()
    about = select(*MESSAGE_COLUMNS).where(tables.message.c.id.in_({one["message"] for one in rows}))
    documents = {one["id"]: Message(**one) for one in connection.execute(about).mappings()}
    return [
        (
            one["number"],
            documents[one["message"]],
            TimelineEntry(
                time=one["time"],
                event=one["event"],
                reason=one["reason"],
                detail=one["detail"],
                attempt=one["attempt"],
                next_attempt=one["next_attempt"],
                evidence=tuple(one["evidence"]),
            ),
        )
        for one in rows
    ], last


def settled(connection: Connection, rows: Sequence[T], now: datetime) -> Sequence[T]:
    """Those rows of the timeline, in their order, before which none can still appear."""
    if connection.dialect.name == "sqlite":
        return rows
    return rows[: next((place for place, one in enumerate(rows) if one.time > now - UNSETTLED), len(rows))]


def latest(connection: Connection) -> int:
    """The number of the newest row; 0 when nothing has happened yet."""
    return int(connection.execute(select(func.max(tables.event.c.number))).scalar() or 0)
