"""Files that wait for somebody's yes: the methods of :class:`~gateway.ports.Pending`."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from gateway.errors import NotFound
from gateway.model.identifiers import AccountId
from gateway.ports import Clock
from gateway.store.operation import Write
from gateway.store.pending_tables import pending_file
from gateway.store.reads import Reads

KEPT: Final = timedelta(hours=6)
MOST: Final = 5
"""Files of one account that wait at once."""
_of: Final = pending_file.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Implements :class:`~gateway.ports.Pending`, whatever the database."""

    reads: Reads
    write: Write
    clock: Clock

    async def keep(self, account: AccountId, actor: str, kind: str, octets: bytes) -> str:
        packed = await asyncio.to_thread(zlib.compress, octets, 1)
        id_, now = secrets.token_hex(16), self.clock.now()

        def errand(connection: Connection) -> None:
            newest = select(_of.id).where(_of.account == account).order_by(_of.created.desc(), _of.id).limit(MOST - 1)
            kept = list(connection.execute(newest).scalars())
            connection.execute(delete(pending_file).where(_of.account == account, _of.id.not_in(kept)))
            forget_old(connection, now)
            values = {"id": id_, "account": account, "actor": actor, "kind": kind, "octets": packed, "created": now}
            connection.execute(insert(pending_file).values(values))

        await self.write(errand)
        return id_

    async def fetch(self, account: AccountId, actor: str, kind: str, id: str) -> bytes:
        since = self.clock.now() - KEPT
        packed = await self.reads.read(partial(_octets, account=account, actor=actor, kind=kind, id=id, since=since))
        if packed is None:
            raise NotFound("The file is not here any more", remedy="Hand it in once more.")
        return await asyncio.to_thread(zlib.decompress, packed)

    async def drop(self, account: AccountId, id: str) -> None:
        def errand(connection: Connection) -> None:
            connection.execute(delete(pending_file).where(_of.account == account, _of.id == id))

        await self.write(errand)


def forget_old(connection: Connection, now: datetime) -> int:
    """Drop what nobody has said yes to in time, of all accounts."""
    return connection.execute(delete(pending_file).where(_of.created <= now - KEPT)).rowcount


def _octets(
    connection: Connection, account: AccountId, actor: str, kind: str, id: str, since: datetime
) -> bytes | None:
    mine = (_of.account == account, _of.actor == actor, _of.kind == kind, _of.id == id, _of.created > since)
    return connection.execute(select(_of.octets).where(*mine)).scalar_one_or_none()
