"""Statements written once and rows as tuples: what makes a batch cheap.

SQLAlchemy's layers cost more than the statements of the hot path themselves, so here each of those is compiled to text
once, at its first use, and afterwards goes to the driver with plain tuples. The values are converted by the functions
below, which say the same as the types of ``tables.py``. What is particular to one database stands in its class:
:class:`SqliteSession` here, and one for PostgreSQL in ``postgres/session.py``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from operator import attrgetter
from typing import Any, Final, Protocol, cast

from sqlalchemy import (
    ClauseElement,
    Column,
    Connection,
    Delete,
    Dialect,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    insert,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from gateway.model.message import Message
from gateway.store import tables
from gateway.store.in_hand import InHand

Row = tuple[Any, ...]

_DIALECT: Final = sqlite.dialect(paramstyle="qmark")
_WRITES: Final[dict[type, Callable[[Any], Any]]] = {
    tables.Instant: tables.instant_text,
    tables.Day: date.isoformat,
    tables.Amount: str,
    tables.Json: tables.json_text,
}


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One statement with the names of its parameters, in the order in which its rows bring the values."""

    core: ClauseElement
    names: tuple[str, ...]
    once: str = ""
    """A unique column: a row whose value is there already is left out."""
    noted: bool = False
    """Whether who runs it tells ``Session.in_hand`` what becomes of the documents."""

    @property
    def hides_change(self) -> bool:
        """Whether it may change documents that are in hand, and nobody tells."""
        changes = isinstance(self.core, Update | Delete) or (isinstance(self.core, Insert) and not self.once)
        return changes and cast("Any", self.core).table is tables.message and not self.noted

    def written(self, dialect: Dialect) -> tuple[str, tuple[int, ...]]:
        """The statement as this database takes it, and the places of its values in the rows, in its own order.

        Both databases write the part about what is there already alike.
        """
        compiled = cast("SQLCompiler", self.core.compile(dialect=dialect))
        places = tuple(self.names.index(name) for name in compiled.positiontup or ())
        if sorted(places) != list(range(len(self.names))):
            raise TypeError(f"the parameters are {compiled.positiontup}, not {self.names}")
        return f"{compiled} ON CONFLICT ({self.once}) DO NOTHING" if self.once else str(compiled), places


def insertion(table: Table, *, once: str = "") -> Statement:
    """Insert rows of all columns, in the table's order; with ``once``, only where that unique column is not there."""
    names = tuple(column.name for column in table.columns if not _numbered(table, column.name))
    core = insert(table).values({name: bindparam(name) for name in names}).inline()
    return Statement(core, names, once)


class texts_in(FunctionElement[Any]):  # written like the functions of SQL beside it
    """The texts of a JSON list, a row each, in the column ``value``."""

    inherit_cache = True


@compiles(texts_in)
def _texts_in_sqlite(element: texts_in, compiler: SQLCompiler, **more: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **more)})"


@compiles(texts_in, "postgresql")
def _texts_in_postgresql(element: texts_in, compiler: SQLCompiler, **more: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **more)} AS JSON))"


def one_of(name: str) -> Select[Any]:
    """The texts of one parameter, a JSON list."""
    return select(texts_in(bindparam(name)).table_valued("value").c.value)


def _numbered(table: Table, name: str) -> bool:
    """Whether the database numbers these rows itself."""
    return table is tables.event and name == "number"


class Session(Protocol):
    """What a batch or a look may ask of one database. Its errors are those of the driver."""

    in_hand: InHand | None
    """What is known of documents without asking; None where others may change them at any moment."""

    @property
    def connection(self) -> Connection | None:
        """For what is asked seldom and not compiled here; the writer's session has one."""
        ...

    @property
    def in_order(self) -> bool:
        """Whether rows that the database numbers become visible in that order."""
        ...

    def fetch(self, statement: Statement, values: Sequence[object]) -> list[Row]:
        """Every row of the answer."""
        ...

    def fetch_each(self, statement: Statement, keys: Iterable[object]) -> list[Row]:
        """The rows for each of the keys, which the statement takes one by one."""
        ...

    def fetch_many(self, statement: Statement, rows: Sequence[Row]) -> list[Row]:
        """The rows for each of these rows of values."""
        ...

    def write(self, statement: Statement, rows: Sequence[Row]) -> None:
        """Do the statement with each row."""
        ...

    def write_once(self, statement: Statement, rows: Sequence[Row]) -> list[bool]:
        """Insert each row, whose first value is its primary key ``id``, unless what must be unique is there.

        Tells which were inserted.
        """
        ...

    def alone(self, names: Iterable[str]) -> None:
        """Until the commit no other transaction goes on that is alone with one of these names."""
        ...

    def wake(self) -> None:
        """Say that the commit brings work; other nodes hear of it."""
        ...


class SqliteSession:
    """What a batch may ask of the open transaction; for SQLite.

    Its errors are those of the driver: ``database.meaning`` translates them.
    """

    __slots__ = ("_connection", "_cursor", "_texts", "in_hand")
    in_order: Final = True

    def __init__(
        self, connection: Connection | None, driver: sqlite3.Connection, in_hand: InHand | None = None
    ) -> None:
        self._connection = connection
        self.in_hand = in_hand
        self._cursor = driver.cursor()
        self._texts: dict[Statement, tuple[str, bool]] = {}

    @property
    def connection(self) -> Connection | None:
        if self.in_hand is not None:
            self.in_hand.forget()  # whoever takes it may change any row
        return self._connection

    def fetch(self, statement: Statement, values: Sequence[object]) -> list[Row]:
        return self._cursor.execute(self._text(statement), values).fetchall()

    def fetch_each(self, statement: Statement, keys: Iterable[object]) -> list[Row]:
        execute, text = self._cursor.execute, self._text(statement)
        return [row for key in keys for row in execute(text, (key,))]

    def fetch_many(self, statement: Statement, rows: Sequence[Row]) -> list[Row]:
        execute, text = self._cursor.execute, self._text(statement)
        return [found for row in rows for found in execute(text, row)]

    def write(self, statement: Statement, rows: Sequence[Row]) -> None:
        if rows:
            self._cursor.executemany(self._text(statement), rows)

    def write_once(self, statement: Statement, rows: Sequence[Row]) -> list[bool]:
        cursor, text = self._cursor, self._text(statement)
        return [cursor.execute(text, row).rowcount == 1 for row in rows]

    def alone(self, names: Iterable[str]) -> None:
        """Nothing: there is only one who writes."""

    def wake(self) -> None:
        """Nothing: other processes look by themselves."""

    def _text(self, statement: Statement) -> str:
        known = self._texts.get(statement)
        if known is None:
            text, places = statement.written(_DIALECT)
            if places != tuple(range(len(places))):
                raise TypeError(f"the parameters of {text} come in another order")
            known = self._texts[statement] = text, statement.hides_change
        if known[1] and self.in_hand is not None:
            self.in_hand.forget()
        return known[0]


def values_of(columns: Sequence[Column[Any]], row: Row) -> dict[str, Any]:
    """Our values of a row of these columns, by their names."""
    values = {column.name: value for column, value in zip(columns, row, strict=True)}
    for column in columns:
        if values[column.name] is not None and (read := tables.reader(column)):
            values[column.name] = read(values[column.name])
    return values


MESSAGE_FIELDS: Final = tuple(field.name for field in fields(Message))
_setters: Final = tuple(vars(Message)[name].__set__ for name in MESSAGE_FIELDS)
_values_of: Final = attrgetter(*MESSAGE_FIELDS)
_PLACES: Final = {name: place for place, name in enumerate(MESSAGE_FIELDS)}


def writer_of(*names: str) -> Callable[[Message], list[Any]]:
    """What gives these fields of a document as the database keeps them."""
    kinds = [type(tables.message.c[name].type) for name in names]
    # The property `value` of a word costs as much as all that is done with it here.
    paths = [f"{name}._value_" if kind is tables.Word else name for name, kind in zip(names, kinds, strict=True)]
    values_of: Callable[[Message], tuple[Any, ...]] = attrgetter(*paths)
    writes = tuple((place, _WRITES[kind]) for place, kind in enumerate(kinds) if kind in _WRITES)

    def write_values(message: Message) -> list[Any]:
        values = list(values_of(message))
        for place, write in writes:
            value = values[place]
            if value is not None:
                values[place] = write(value)
        return values

    return write_values


message_values: Final = writer_of(*MESSAGE_FIELDS)
"""The columns of a document, in the order of ``MESSAGE_FIELDS``."""
_READS: Final = tuple(
    (place, read) for place, name in enumerate(MESSAGE_FIELDS) if (read := tables.reader(tables.message.c[name]))
)


def message_of(row: Row) -> Message:
    """Read a document from the first columns of its row."""
    values = list(row[: len(MESSAGE_FIELDS)])
    for place, read in _READS:
        value = values[place]
        if value is not None:
            values[place] = read(value)
    return _made(values)


def changed(message: Message, **changes: object) -> Message:
    """A copy with other values in some fields, like ``dataclasses.replace`` at a quarter of its cost."""
    values = list(_values_of(message))
    for name, value in changes.items():
        values[_PLACES[name]] = value
    return _made(values)


def _made(values: Sequence[Any]) -> Message:
    """A document from all its values; a frozen class of so many fields takes its time to set them one by one."""
    message = object.__new__(Message)
    for set_value, value in zip(_setters, values, strict=True):
        set_value(message, value)
    return message
