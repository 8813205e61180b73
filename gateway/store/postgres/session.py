"""What a batch or a look may ask of PostgreSQL.

The work is written without ``await``, for both databases alike. Here it runs in a greenlet (``greenlet_spawn``, the
way SQLAlchemy itself does it): at each question the greenlet rests and the event loop goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.util.concurrency import await_

from gateway.store.postgres.connecting import Driver, number_of
from gateway.store.session import Row, Statement

_DIALECT: Final = dialect.dialect()  # type: ignore[no-untyped-call]
_written: Final[dict[Statement, tuple[str, tuple[int, ...] | None]]] = {}
_ALONE: Final = "SELECT pg_advisory_xact_lock($1::bigint)"


class PostgresSession:
    """Implements :class:`~gateway.store.session.Session`. Its errors are those of the driver."""

    __slots__ = ("_driver", "connection", "work")
    in_order: Final = False
    in_hand: Final = None

    def __init__(self, connection: Connection | None, driver: Driver) -> None:
        self.connection = connection
        self._driver = driver
        self.work = False
        """Whether there will be something to do for a worker."""

    def fetch(self, statement: Statement, values: Sequence[object]) -> list[Row]:
        text, rows = _ready(statement, [values])
        return cast("list[Row]", await_(self._driver.fetch(text, *rows[0])))

    def fetch_each(self, statement: Statement, keys: Iterable[object]) -> list[Row]:
        text, rows = _ready(statement, [(key,) for key in keys])
        return cast("list[Row]", await_(self._driver.fetchmany(text, rows))) if rows else []

    def fetch_many(self, statement: Statement, rows: Sequence[Row]) -> list[Row]:
        text, ready = _ready(statement, rows)
        return cast("list[Row]", await_(self._driver.fetchmany(text, ready))) if ready else []

    def write(self, statement: Statement, rows: Sequence[Row]) -> None:
        if rows:
            await_(self._driver.executemany(*_ready(statement, rows)))

    def write_once(self, statement: Statement, rows: Sequence[Row]) -> list[bool]:
        """In the order of what must be unique, so that two nodes never wait for each other in a circle."""
        if not rows:
            return []
        place = statement.names.index(statement.once)
        ordered = sorted(rows, key=lambda row: row[place] or "")
        text, ready = _ready(statement, ordered)
        new = {row[0] for row in await_(self._driver.fetchmany(f"{text} RETURNING id", ready))}
        return [row[0] in new for row in rows]

    def alone(self, names: Iterable[str]) -> None:
        locks = sorted({number_of(name) for name in names})
        if locks:
            await_(self._driver.fetchmany(_ALONE, [(lock,) for lock in locks]))

    def wake(self) -> None:
        self.work = True


def _ready(statement: Statement, rows: Sequence[Sequence[object]]) -> tuple[str, list[Sequence[object]]]:
    """The statement's text, and the rows as it takes them."""
    known = _written.get(statement)
    if known is None:
        text, places = statement.written(_DIALECT)
        known = _written[statement] = text, None if places == tuple(range(len(places))) else places
    text, order = known
    clean = [_clean(row) for row in rows]
    return text, clean if order is None else [[row[place] for place in order] for row in clean]


def _clean(row: Sequence[object]) -> Sequence[object]:
    """Texts without U+0000, which PostgreSQL cannot keep; no XML has it, but another's error text may."""
    if any(isinstance(value, str) and "\0" in value for value in row):
        return tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in row)
    return row
