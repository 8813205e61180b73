"""Rows of counterparts and their numbers. Every statement names the account."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Column, Connection, bindparam, delete, func, insert, literal_column, select, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import Conflict, LostLease, NotFound
from gateway.model.counterpart import Counterpart, CounterpartId, Identifier, Origin, Role
from gateway.model.document import PostalAddress
from gateway.model.identifiers import AccountId
from gateway.store import tables
from gateway.store.relation_tables import capability, counterpart, counterpart_identifier, proposal, relation
from gateway.store.session import Row, Session, Statement, one_of
from gateway.store.sweep_tables import sweep_known
from gateway.store.tables import reader

_NAMED_MOST: Final = 20
_PLAIN: Final = (
    "id",
    "account",
    "role",
    "number",
    "name",
    "country",
    "kind",
    "address_quality",
    "email",
    "email_quality",
    "language",
    "route",
    "preferred",
    "acceptance",
    "mandate",
    "note",
    "origin",
    "created",
    "updated",
)
COLUMNS: Final = (*(counterpart.c[name] for name in (*_PLAIN, "names", "opt_out", "address")),)
_NUMBERS: Final = tuple(counterpart_identifier.c[n] for n in ("scheme", "value", "origin", "issuer", "verified"))
_KNOWN: Final = Statement(
    select(*COLUMNS).where(
        counterpart.c.account == bindparam("account"),
        counterpart.c.role == bindparam("role"),
        counterpart.c.id.in_(
            select(counterpart_identifier.c.counterpart).where(
                counterpart_identifier.c.account == bindparam("of_account"),
                counterpart_identifier.c.key.in_(one_of("keys")),
            )
        ),
    ),
    ("account", "role", "of_account", "keys"),
)
_OF: Final = Statement(
    select(*_NUMBERS).where(counterpart_identifier.c.counterpart == bindparam("counterpart")), ("counterpart",)
)


def known_by(session: Session, account: AccountId, role: Role, keys: Sequence[str]) -> list[Counterpart]:
    """Those that have one of these identifiers: two small statements on the hot path."""
    rows = session.fetch(_KNOWN, (account, role.value, account, json.dumps(list(keys))))
    return [_made(tuple(row), tuple(map(tuple, session.fetch(_OF, (row[0],))))) for row in rows]


@lru_cache(1024)
def _made(row: Row, numbers: tuple[Row, ...]) -> Counterpart:
    """The counterpart of these rows; those of one that many documents go to are the same each time."""
    values = read_row(COLUMNS, row)
    return _counterpart(values, [Identifier(**read_row(_NUMBERS, number)) for number in numbers])


def page_by_id(connection: Connection, account: AccountId, role: Role, after: str, limit: int) -> list[Counterpart]:
    """Those behind this id, by id."""
    wanted = select(*COLUMNS).where(
        counterpart.c.account == account, counterpart.c.role == role, counterpart.c.id > after
    )
    return with_numbers(connection, connection.execute(wanted.order_by(counterpart.c.id).limit(limit)).mappings().all())


def get(connection: Connection, account: AccountId, id: CounterpartId) -> Counterpart:
    """One of the account. Raises ``NotFound``."""
    wanted = select(*COLUMNS).where(counterpart.c.account == account, counterpart.c.id == id)
    found = with_numbers(connection, connection.execute(wanted).mappings().all())
    if not found:
        raise NotFound("There is no such counterpart in this account")
    return found[0]


def numbered(connection: Connection, account: AccountId, role: Role, numbers: Sequence[str]) -> list[Counterpart]:
    """Those with these numbers of the account's own."""
    keys = [number_key(account, role, number) for number in numbers if number]
    wanted = select(*COLUMNS).where(counterpart.c.number_key.in_(keys))
    return with_numbers(connection, connection.execute(wanted).mappings().all())


def named(connection: Connection, account: AccountId, role: Role, name: str) -> list[Counterpart]:
    """Those of this very name."""
    wanted = select(*COLUMNS).where(
        counterpart.c.account == account, counterpart.c.role == role, counterpart.c.sort_name == name.casefold()
    )
    return with_numbers(connection, connection.execute(wanted.limit(_NAMED_MOST)).mappings().all())


def save(connection: Connection, new: Counterpart, expected: Any) -> None:
    """Insert, or replace the one that was read. Raises ``LostLease``, ``Conflict``, ``NotFound``."""
    values = _values(new)
    try:
        with connection.begin_nested():
            if expected is None:
                connection.execute(insert(counterpart).values(values))
            else:
                same = (
                    counterpart.c.id == new.id,
                    counterpart.c.account == new.account,
                    counterpart.c.updated == expected,
                )
                if not connection.execute(update(counterpart).where(*same).values(values)).rowcount:
                    raise LostLease("The counterpart has changed meanwhile", remedy="Read it again first.")
    except IntegrityError as error:
        if expected is None and not _account_is_there(connection, new.account):
            raise NotFound(f"There is no account {new.account}") from error
        if expected is None and connection.execute(select(counterpart.c.id).where(counterpart.c.id == new.id)).first():
            raise LostLease("The counterpart is there already", remedy="Read it first.") from error
        text = f"The {new.role} number {new.number} belongs to another counterpart of this account"
        raise Conflict(text, remedy="Change that one, or give this one another number.") from error
    connection.execute(delete(counterpart_identifier).where(counterpart_identifier.c.counterpart == new.id))
    rows = {one.key: one for one in new.identifiers}.values()
    if rows:
        connection.execute(
            insert(counterpart_identifier),
            [
                {"account": new.account, "counterpart": new.id, "role": new.role, "key": one.key, **asdict(one)}
                for one in rows
            ],
        )


def remove(connection: Connection, account: AccountId, id: CounterpartId) -> Counterpart:
    """Forget one with what hangs on it. Raises ``NotFound``."""
    gone = get(connection, account, id)
    for table in (counterpart_identifier, relation, capability, proposal, sweep_known):
        connection.execute(delete(table).where(table.c.counterpart == id))
    connection.execute(delete(counterpart).where(counterpart.c.id == id))
    return gone


_CUSTOMER: Final = Statement(
    select(counterpart.c.id)
    .where(counterpart.c.account == bindparam("account"), counterpart.c.role == literal_column(f"'{Role.CUSTOMER}'"))
    .limit(literal_column("1"))
    .offset(literal_column("0")),
    ("account",),
)


def any_customer(session: Session, account: AccountId) -> bool:
    """Whether the account has a customer here."""
    return bool(session.fetch(_CUSTOMER, (account,)))


def number_key(account: AccountId, role: Role, number: str) -> str | None:
    """By what a number is there only once."""
    return f"{account}\n{role}\n{number}" if number else None


def _account_is_there(connection: Connection, account: AccountId) -> bool:
    table = tables.account
    return bool(connection.execute(select(func.count()).select_from(table).where(table.c.id == account)).scalar())


def _values(of: Counterpart) -> dict[str, Any]:
    words = (*of.all_names, of.number, of.email, *(one.key for one in of.identifiers))
    return {
        **{name: getattr(of, name) for name in _PLAIN},
        "names": list(of.names),
        "opt_out": list(of.opt_out),
        "address": {name: value for name, value in asdict(of.address).items() if value},
        "number_key": number_key(of.account, of.role, of.number),
        "sort_name": of.name.casefold(),
        "search": "\n".join(word.casefold() for word in words if word),
    }


def with_numbers(connection: Connection, rows: Sequence[Mapping[Any, Any]]) -> list[Counterpart]:
    """The counterparts of these rows of ``COLUMNS``, each with its numbers."""
    numbers: dict[str, list[Identifier]] = {row["id"]: [] for row in rows}
    wanted = select(counterpart_identifier.c.counterpart, *_NUMBERS)
    wanted = wanted.where(counterpart_identifier.c.counterpart.in_(list(numbers)))
    for number in connection.execute(wanted).mappings() if rows else ():
        values = dict(number)
        numbers[values.pop("counterpart")].append(Identifier(**values))
    return [_counterpart(row, numbers[row["id"]]) for row in rows]


def _counterpart(row: Mapping[Any, Any], numbers: Sequence[Identifier]) -> Counterpart:
    return Counterpart(
        **{name: row[name] for name in _PLAIN},
        names=tuple(row["names"]),
        opt_out=tuple(row["opt_out"]),
        address=PostalAddress(**row["address"]),
        identifiers=tuple(sorted(numbers, key=lambda one: (list(Origin).index(one.origin), one.key))),
    )


def read_row(columns: Sequence[Column[Any]], row: Row) -> dict[str, Any]:
    """Values of the database as ours, by the name of their column."""
    found = {}
    for column, value in zip(columns, row, strict=True):
        read = reader(column)
        found[column.name] = value if value is None or read is None else read(value)
    return found
