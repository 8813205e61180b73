"""Accounts, their API keys and their participants: few rows, seldom written, one statement each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from gateway.errors import Conflict, GatewayError, NotFound
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.model.message import Participant
from gateway.store import tables
from gateway.store.session import Row, Session, Statement
from gateway.store.tables import reader

Errand = Callable[[Connection], Any]
"""A small write: checks first, then writes, so that a refusal has written nothing."""


def run_errands(session: Session, jobs: Sequence[Errand]) -> list[Any]:
    """Do each errand in turn; the writer's work for everything that is not worth a batch."""
    outcomes: list[Any] = []
    session.alone(["errand"])
    connection = session.connection
    assert connection is not None  # the writer's session has one
    for errand in jobs:
        try:
            outcomes.append(errand(connection))
        except GatewayError as refusal:
            outcomes.append(refusal)
    return outcomes


def first_account(connection: Connection, name: str, key_hash: str, now: datetime) -> bool:
    """Make the first account with its key, if there is none yet."""
    if connection.execute(select(tables.account.c.id).limit(1)).first() is not None:
        return False
    plain = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:40] or "first"
    add_account(connection, AccountId(plain), name, key_hash, now)
    return True


def add_account(connection: Connection, id: AccountId, name: str, key_hash: str, now: datetime) -> None:
    """Add an account with its key. Raises ``Conflict`` when account or key are there already."""
    taken = connection.execute(select(tables.account.c.id).where(tables.account.c.id == id)).first()
    if taken is not None or account_of_key(connection, key_hash) is not None:
        raise Conflict(f"The account {id} or its key is there already")
    connection.execute(insert(tables.account).values(id=id, name=name, created=now))
    connection.execute(insert(tables.api_key).values(hash=key_hash, account=id, created=now))


def account_of_key(connection: Connection, key_hash: str) -> AccountId | None:
    """The account of a key, by its hash, or None."""
    found = connection.execute(select(tables.api_key.c.account).where(tables.api_key.c.hash == key_hash)).scalar()
    return None if found is None else AccountId(found)


_PARTICIPANT: Final = Statement(
    select(tables.participant).where(tables.participant.c.id == bindparam("of_id")), ("of_id",)
)
_KEY: Final = Statement(select(tables.api_key.c.account).where(tables.api_key.c.hash == bindparam("hash")), ("hash",))


def find_participant(session: Session, id: ParticipantId) -> Participant | None:
    """One of our own participants, or None."""
    rows = session.fetch(_PARTICIPANT, (str(id),))
    return _participant_of(rows[0]) if rows else None


def find_account(session: Session, key_hash: str) -> AccountId | None:
    """The account of a key, by its hash, or None."""
    rows = session.fetch(_KEY, (key_hash,))
    return AccountId(rows[0][0]) if rows else None


def participants(connection: Connection, account: AccountId | None) -> list[Participant]:
    """The participants of one account, or all."""
    wanted = select(tables.participant).order_by(tables.participant.c.id)
    if account is not None:
        wanted = wanted.where(tables.participant.c.account == account)
    return [_participant(dict(row)) for row in connection.execute(wanted).mappings()]


def save_participant(connection: Connection, new: Participant, now: datetime) -> None:
    """Add or replace. Raises ``Conflict`` when another account has it, ``NotFound`` without such an account."""
    table = tables.participant
    values = {
        "account": new.account,
        "name": new.name,
        "country": new.country,
        "delivery": new.delivery,
        "document_types": new.document_types,
    }
    owner = connection.execute(select(table.c.account).where(table.c.id == str(new.id))).scalar()
    if owner == new.account:
        connection.execute(update(table).where(table.c.id == str(new.id)).values(values))
        return
    if owner is not None:
        raise Conflict(f"{new.id.value} belongs to another account", remedy="Its owner must remove it first.")
    if connection.execute(select(tables.account.c.id).where(tables.account.c.id == new.account)).first() is None:
        raise NotFound(f"There is no account {new.account}")
    connection.execute(insert(table).values(id=str(new.id), created=new.created or now, **values))


def remove_participant(connection: Connection, account: AccountId, id: ParticipantId) -> None:
    """Remove. Raises ``NotFound``."""
    table = tables.participant
    if not connection.execute(delete(table).where(table.c.id == str(id), table.c.account == account)).rowcount:
        raise NotFound(f"{id.value} is not a participant of this account")


def _participant(row: Mapping[str, Any]) -> Participant:
    types = ((document_type, process) for document_type, process in row["document_types"])
    scheme, _, value = row["id"].partition("::")
    return Participant(
        id=ParticipantId(value, scheme),
        account=AccountId(row["account"]),
        name=row["name"],
        country=row["country"],
        delivery=row["delivery"],
        document_types=tuple(types),
        created=row["created"],
    )


def _participant_of(row: Row) -> Participant:
    columns = tables.participant.c
    readers = (reader(column) for column in columns)
    values = (read(value) if read and value is not None else value for read, value in zip(readers, row, strict=True))
    return _participant(dict(zip(columns.keys(), values, strict=True)))
