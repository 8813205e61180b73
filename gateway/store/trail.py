"""Deeds and API keys of an account: what people changed, and the keys of its business systems."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from gateway.errors import Conflict, NotFound
from gateway.model.identifiers import AccountId
from gateway.model.person import ApiKey, Deed
from gateway.store import tables
from gateway.store.people_tables import deed as deed_table
from gateway.store.people_tables import key_name

_MOST_TEXT = 500


def note(connection: Connection, deed: Deed, now: datetime) -> None:
    """Add a deed; texts from outside are cut to what a page can show."""
    row: dict[str, Any] = {name: getattr(deed, name) for name in ("account", "actor", "action", "subject", "origin")}
    connection.execute(insert(deed_table).values(time=now, detail=deed.detail[:_MOST_TEXT], **row))


def deeds(connection: Connection, account: AccountId, limit: int, before: int) -> list[Deed]:
    """The latest first."""
    wanted = select(deed_table).where(deed_table.c.account == account)
    if before:
        wanted = wanted.where(deed_table.c.number < before)
    rows = connection.execute(wanted.order_by(deed_table.c.number.desc()).limit(limit)).mappings()
    return [Deed(**row) for row in rows]


def keys(connection: Connection, account: AccountId) -> list[ApiKey]:
    """The keys of an account, the oldest first; one that was made without a name has none."""
    known = tables.api_key
    wanted = (
        select(known.c.hash, known.c.created, key_name.c.name)
        .join(key_name, key_name.c.hash == known.c.hash, isouter=True)
        .where(known.c.account == account)
        .order_by(known.c.created, known.c.hash)
    )
    return [ApiKey(hash=key, name=name or "", created=made) for key, made, name in connection.execute(wanted)]


def add_key(connection: Connection, hash: str, name: str, deed: Deed, now: datetime) -> None:
    """A new key with its name."""
    connection.execute(insert(tables.api_key).values(hash=hash, account=deed.account, created=now))
    connection.execute(insert(key_name).values(hash=hash, account=deed.account, name=name))
    note(connection, deed, now)


def remove_key(connection: Connection, hash: str, deed: Deed, now: datetime) -> None:
    """Raises ``NotFound``, and ``Conflict`` for the last one: the commands on this machine need it."""
    known = keys(connection, deed.account)
    if hash not in [key.hash for key in known]:
        raise NotFound("There is no such key.")
    if len(known) == 1:
        raise Conflict("The last key of an account stays.", remedy="Make a new key first.")
    connection.execute(delete(tables.api_key).where(tables.api_key.c.hash == hash))
    connection.execute(delete(key_name).where(key_name.c.hash == hash))
    note(connection, deed, now)
