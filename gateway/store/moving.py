"""``gateway db upgrade`` and ``gateway db move``: what changes a whole store while no gateway runs on it.

**Never a half state.** A step of the schema is one transaction. A store that is being filled says so in
``schema_version`` and is opened by no gateway; when everything is there and compared, first the old store is marked as
moved away, then the new one as whole: there is no moment in which gateways could start on both, and what is broken off
at any point is begun anew by the same command.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import (
    Boolean,
    Connection,
    Integer,
    Table,
    bindparam,
    func,
    insert,
    inspect,
    literal_column,
    select,
    text,
    tuple_,
    update,
)

from gateway.errors import ConfigurationError, StateError
from gateway.store.database import check_version, make_missing
from gateway.store.session import Row, Session, Statement
from gateway.store.tables import MOVED_AWAY, MOVING_IN, SCHEMA_VERSION, mark, metadata, schema_version
from gateway.store.whole import Whole, open_whole

T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""What is done (``copy`` or ``compare``, and the table), how many of its rows, of how many."""

PAGE: Final = 200
_SUM: Final = 2**256


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """From which version to which."""

    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What a table holds: rows, and a sum over the SHA-256 of each, so that the order does not matter."""

    rows: int = 0
    sum: int = 0

    @property
    def text(self) -> str:
        return f"{self.sum:064x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What was moved, compared on both sides."""

    source: str
    target: str
    tables: dict[str, Digest]


async def upgrade(database: str, base: Path, told: Callable[[int, str], None]) -> Upgraded:
    """Take every step that the schema lacks, each in one transaction. Raises as :func:`open_whole`.

    ``told`` hears of each step before it is taken.
    """
    from gateway.store import migrations

    async with open_whole(database, base) as whole:
        before = await whole.do(partial(_on_connection, work=migrations.version_of))
        for step in migrations.steps(before):
            told(int(step.revision), step.doc)
            await whole.do(partial(_on_connection, work=partial(migrations.take, step=step)))
        await whole.do(partial(_on_connection, work=make_missing))
        return Upgraded(before=before, after=await whole.do(partial(_on_connection, work=migrations.version_of)))


async def move(source: str, target: str, base: Path, told: Progress, *, replace: bool = False) -> Moved:
    """Copy everything, compare it, and leave the source marked as moved away. Raises as :func:`open_whole`.

    Also ``ConfigurationError`` when the target holds a store, except one that was moved away when ``replace`` is set;
    ``StateError`` when both differ in the end. Payloads in files stay where they are.
    """
    async with open_whole(source, base) as old, open_whole(target, base, make=True) as new:
        again = await new.do(partial(_made_empty, replace=replace))
        await old.do(partial(_check_source, again=again))
        digests = {table.name: await _copy(old, new, table, told) for table in _tables()}
        await new.do(_set_counters)
        await new.do(_analyse)
        for table in _tables():
            there = await _digest(new, table, told, digests[table.name].rows)
            if there != digests[table.name]:
                raise StateError(
                    f"{table.name} is not the same in {new.name}: {there} and {digests[table.name]}",
                    remedy="The old store is as it was; look for the cause, then run the command again.",
                )
        await old.do(partial(_set_version, version=MOVED_AWAY))
        await new.do(partial(_set_version, version=SCHEMA_VERSION))
        return Moved(source=old.name, target=new.name, tables=digests)


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table is not schema_version]


def _connection(session: Session) -> Connection:
    assert session.connection is not None
    return session.connection


def _on_connection(session: Session, *, work: Callable[[Connection], T]) -> T:
    return work(_connection(session))


def _count(connection: Connection, *, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _write(session: Session, *, statement: Statement, rows: list[Row]) -> None:
    session.write(statement, rows)


def _check_source(session: Session, *, again: bool) -> None:
    connection = _connection(session)
    if schema_version.name not in inspect(connection).get_table_names():
        raise ConfigurationError([("FROM", "there is no store in this database")])
    version = connection.execute(select(schema_version.c.version)).scalar_one_or_none()
    if version == MOVED_AWAY and again:
        return  # broken off between the two last steps
    try:
        check_version(version)
    except ConfigurationError as error:
        raise ConfigurationError([("FROM", said) for _, said in error.problems]) from None
    make_missing(connection)


def _made_empty(session: Session, *, replace: bool) -> bool:
    """Make the target an empty store that is being filled; tell whether it was that before."""
    connection = _connection(session)
    there = inspect(connection).get_table_names()
    again = False
    if there:
        if schema_version.name not in there:
            raise ConfigurationError([("TO", "it is a database of another program; name another one")])
        version = connection.execute(select(schema_version.c.version)).scalar_one_or_none()
        again = version == MOVING_IN
        if version == MOVED_AWAY and not replace:
            text = "it holds a store that was moved away; add --replace to put the new one in its place"
            raise ConfigurationError([("TO", text)])
        if not again and version != MOVED_AWAY:
            raise ConfigurationError([("TO", "it holds a store already; name an empty database")])
        metadata.drop_all(connection)
    metadata.create_all(connection)
    connection.execute(insert(schema_version).values(version=MOVING_IN))
    return again


def _set_version(session: Session, *, version: int) -> None:
    _connection(session).execute(update(schema_version).values(version=version))


def _set_counters(session: Session) -> None:
    """Let rows that PostgreSQL numbers itself go on after the highest; SQLite does so anyway."""
    connection = _connection(session)
    if connection.dialect.name != "postgresql":
        return
    for table in _tables():
        column = table.autoincrement_column
        if column is not None:
            highest = connection.execute(select(func.max(column))).scalar_one_or_none()
            if highest:
                set_it = text("SELECT setval(pg_get_serial_sequence(:of, :column), :highest)")
                connection.execute(set_it, {"of": table.name, "column": column.name, "highest": highest})


def _analyse(session: Session) -> None:
    """Let PostgreSQL know how large its tables are: until it looks by itself it would choose the wrong indexes."""
    connection = _connection(session)
    if connection.dialect.name == "postgresql":
        for table in _tables():
            connection.execute(text(f"ANALYZE {table.name}"))


async def _copy(old: Whole, new: Whole, table: Table, told: Progress) -> Digest:
    """Copy the rows page by page; gives what was read."""
    total = await old.do(partial(_on_connection, work=partial(_count, table=table)))
    insertion = Statement(
        insert(table).values({column.name: bindparam(column.name) for column in table.columns}).inline(),
        tuple(column.name for column in table.columns),
    )
    digest, after = Digest(), None
    while rows := await old.do(partial(_page, table=table, after=after)):
        wanted = [row for row in rows if _belongs(table, row)]
        await new.do(partial(_write, statement=insertion, rows=wanted))
        digest, after = _added(digest, wanted), _key(table, rows[-1])
        told(f"copy {table.name}", digest.rows, total)
    return digest


async def _digest(whole: Whole, table: Table, told: Progress, total: int) -> Digest:
    digest, after = Digest(), None
    while rows := await whole.do(partial(_page, table=table, after=after)):
        digest, after = _added(digest, rows), _key(table, rows[-1])
        told(f"compare {table.name}", digest.rows, total)
    return digest


def _page(session: Session, *, table: Table, after: tuple[Any, ...] | None) -> list[Row]:
    statement = _page_of(table, first=after is None)
    rows = session.fetch(statement, (PAGE,) if after is None else (*after, PAGE))
    return [tuple(_plain(table, row)) for row in rows]


@cache
def _page_of(table: Table, *, first: bool) -> Statement:
    keys = list(table.primary_key.columns)
    wanted = select(*table.columns).order_by(*keys)
    wanted = wanted.limit(bindparam("most", type_=Integer)).offset(literal_column("0"))
    if first:
        return Statement(wanted, ("most",))
    bounds = [bindparam(f"after_{key.name}", type_=key.type) for key in keys]
    wanted = wanted.where(tuple_(*keys) > tuple_(*bounds) if len(keys) > 1 else keys[0] > bounds[0])
    return Statement(wanted, (*(bound.key for bound in bounds), "most"))


def _plain(table: Table, row: Row) -> Iterator[Any]:
    """The values as both databases take them."""
    for column, value in zip(table.columns, row, strict=True):
        yield bool(value) if isinstance(column.type, Boolean) and value is not None else value


def _belongs(table: Table, row: Row) -> bool:
    """A writer's own mark is of no use to another database."""
    return table is not mark or not str(row[0]).startswith("writer ")


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    places = [place for place, column in enumerate(table.columns) if column.primary_key]
    return tuple(row[place] for place in places)


def _added(digest: Digest, rows: list[Row]) -> Digest:
    total = digest.sum
    for row in rows:
        one = hashlib.sha256()
        for value in row:
            octets = value if isinstance(value, bytes) else repr(value).encode()
            one.update(f"{type(value).__name__} {len(octets)} ".encode())
            one.update(octets)
        total += int.from_bytes(one.digest(), "big")
    return Digest(rows=digest.rows + len(rows), sum=total % _SUM)
