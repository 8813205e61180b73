"""Addresses that failed, in the store: the methods of :class:`~gateway.ports.FailedAddresses`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from gateway.errors import NotFound
from gateway.model.addresses import BOUNCE_LASTS, Cause, FailedAddress, FailedId
from gateway.model.identifiers import AccountId
from gateway.ports import Clock
from gateway.store.address_tables import SEARCHING, failed_address
from gateway.store.operation import Write, note
from gateway.store.reads import Reads

PAGE_MOST: Final = 200

_known = failed_address.c
_COLUMNS: Final = tuple(_known[field.name] for field in fields(FailedAddress))


@dataclass(slots=True, kw_only=True)
class FailedAddresses:
    """Implements :class:`~gateway.ports.FailedAddresses`, whatever the database."""

    reads: Reads
    write: Write
    clock: Clock

    async def mark(self, failed: FailedAddress) -> None:
        await self.write(partial(_mark, failed=failed))

    async def failed(self, account: AccountId, ids: Sequence[FailedId]) -> Sequence[FailedAddress]:
        if not ids:
            return []
        now = self.clock.now()
        found = await self.reads.read(partial(_failed, account=account, ids=ids))
        return [one for one in found if one.lasts(now)]

    async def listed(self, account: AccountId, limit: int, cursor: str) -> tuple[Sequence[FailedAddress], str]:
        ask = partial(_listed, account=account, limit=limit, cursor=cursor, now=self.clock.now())
        return await self.reads.read(ask)

    async def lift(self, account: AccountId, id: FailedId, actor: str) -> None:
        await self.write(partial(_lift, account=account, id=id, actor=actor, now=self.clock.now()))

    async def searches(self, limit: int) -> Sequence[FailedAddress]:
        return await self.reads.read(partial(_searches, now=self.clock.now(), limit=limit))

    async def searched(self, id: FailedId, again: datetime | None) -> None:
        await self.write(partial(_searched, id=id, again=again))


def forget_old(connection: Connection, now: datetime) -> int:
    """Drop bounces that no longer count."""
    old = and_(_known.cause == Cause.BOUNCED, _known.since <= now - BOUNCE_LASTS)
    return connection.execute(delete(failed_address).where(old)).rowcount


def forget_documents(connection: Connection, ids: Sequence[str]) -> None:
    """Drop what was said of documents that are being erased; that the address is bad stays."""
    nothing = {"said": "", "document": "", "search_at": None}
    connection.execute(update(failed_address).where(_known.document.in_(ids)).values(nothing))


def _mark(connection: Connection, failed: FailedAddress) -> None:
    values = asdict(failed)
    if not connection.execute(update(failed_address).where(_known.id == failed.id).values(values)).rowcount:
        connection.execute(insert(failed_address).values(values))


def _failed(connection: Connection, account: AccountId, ids: Sequence[FailedId]) -> list[FailedAddress]:
    wanted = select(*_COLUMNS).where(_known.account == account, _known.id.in_(list(ids)))
    return [FailedAddress(**row) for row in connection.execute(wanted).mappings()]


def _listed(
    connection: Connection, account: AccountId, limit: int, cursor: str, now: datetime
) -> tuple[list[FailedAddress], str]:
    limit = max(1, min(limit, PAGE_MOST))
    counts = or_(_known.cause != Cause.BOUNCED, _known.since > now - BOUNCE_LASTS)
    wanted = select(*_COLUMNS).where(_known.account == account, counts)
    if cursor:
        place = select(_known.since).where(_known.account == account, _known.id == cursor)
        before = connection.execute(place).scalar_one_or_none()
        if before is None:
            raise NotFound("There is no such cursor", remedy="Begin again without a cursor.")
        wanted = wanted.where(or_(_known.since < before, and_(_known.since == before, _known.id < cursor)))
    rows = connection.execute(wanted.order_by(_known.since.desc(), _known.id.desc()).limit(limit + 1)).mappings()
    found = [FailedAddress(**row) for row in rows]
    return found[:limit], found[limit - 1].id if len(found) > limit else ""


def _lift(connection: Connection, account: AccountId, id: FailedId, actor: str, now: datetime) -> None:
    gone = connection.execute(delete(failed_address).where(_known.account == account, _known.id == id)).rowcount
    if not gone:
        raise NotFound("There is no such address in this account")
    note(connection, now, actor, "said that an address is good", detail={"account": account, "id": id})


def _searches(connection: Connection, now: datetime, limit: int) -> list[FailedAddress]:
    wanted = select(*_COLUMNS).where(SEARCHING, _known.search_at <= now).order_by(_known.search_at).limit(limit)
    return [FailedAddress(**row) for row in connection.execute(wanted).mappings()]


def _searched(connection: Connection, id: FailedId, again: datetime | None) -> None:
    connection.execute(update(failed_address).where(_known.id == id).values(search_at=again))
