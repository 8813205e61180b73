"""What is kept how long, and how it is erased: by time every night, or one document by the operator's word.

Nothing unfinished is ever erased: not what waits for a worker, for C4, or for a person; nor what is under a legal hold.
Each step is a commit of its own for a few documents, so that nobody waits for long; a file goes after the commit that
forgets it, and one that a kill left behind is swept the next time. What was erased leaves a row that says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import Conflict, NotFound
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import State
from gateway.ports import Clock, Erased, Periods
from gateway.store import addresses, ledger, letters, pending, scan_erasing, searching, tables
from gateway.store.backup import no_erasing
from gateway.store.octets import Folder
from gateway.store.operation import Write, note
from gateway.store.operation_tables import duty, legal_hold, tombstone
from gateway.store.packing import Kept
from gateway.store.reads import Reads
from gateway.store.scan_tables import scan

log = logging.getLogger(__name__)

_AT_ONCE: Final = 100
"""Documents of one commit."""
_FINISHED: Final = (State.DELIVERED, State.SENT, State.DISPATCHED, State.REJECTED)
_SWEPT_SECONDS: Final = 86_400.0
"""A file that is younger may belong to a row that is being written."""
_KINDS: Final = ("payloads", "evidence", "timeline", "keys")
_OF_KIND: Final[dict[str, Table]] = {
    "payloads": tables.payload,
    "evidence": tables.evidence,
    "timeline": tables.event,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Erases."""

    reads: Reads
    write: Write
    clock: Clock
    payloads: Folder

    async def due(self, periods: Periods) -> Erased:
        """How many documents have something to erase, of each kind. Erases nothing. Raises ``StoreUnavailable``."""
        now = self.clock.now()
        counts = {
            kind: await self.reads.read(partial(_number, _old(kind, periods.before(kind, now)))) for kind in _KINDS
        }
        return Erased(**counts, scans=await self.reads.read(partial(_number, _old_scans(periods, now))))

    async def purge(self, periods: Periods, actor: str) -> Erased:
        """Erase what is older than its period. Raises ``Conflict`` while a backup is made, ``StoreUnavailable``."""
        now, counts = self.clock.now(), dict.fromkeys((*_KINDS, "scans"), 0)
        with no_erasing(self.payloads.path, erase=True):
            for kind in _KINDS:
                query = _old(kind, periods.before(kind, now)).limit(_AT_ONCE)
                while ids := await self.reads.read(partial(_ids, query)):
                    errand = partial(_forget, kind=kind, ids=ids, now=now)
                    await self._remove(await self.write(errand))
                    counts[kind] += len(ids)
            query = _old_scans(periods, now).limit(_AT_ONCE)
            while ids := await self.reads.read(partial(_ids, query)):
                await self._remove(await self.write(partial(_forget_scans, query=query)))
                counts["scans"] += len(ids)
            await self.write(partial(_forget_old, now=now))
            swept = await asyncio.to_thread(self._sweep, await self.reads.read(_named_files))
            erased = Erased(**counts)
            if swept or any(counts.values()):
                detail = {**counts, "swept": swept}
                await self.write(lambda connection: note(connection, now, actor, "purged", detail=detail))
                log.info("erased what was older than its period: %s", detail)
        return erased

    async def once(self, name: str, period: str, owner: str) -> bool:
        """Whether this process is the one that does this duty in this period. Raises ``StoreUnavailable``."""
        return bool(await self.write(partial(_once, name=name, period=period, owner=owner, now=self.clock.now())))

    async def erase(self, id: DocumentId, actor: str, reason: str) -> None:
        """Erase the content of one finished document: octets, proofs, names, and what its timeline says in words.

        Ids, digests, states and times stay, so that a repeat is still known. Raises ``NotFound``, ``Conflict`` (it is
        not finished, or under a hold, or a backup is being made), ``StoreUnavailable``.
        """
        with no_erasing(self.payloads.path, erase=True):
            errand = partial(_erase, id=id, actor=actor, reason=reason, now=self.clock.now())
            await self._remove(await self.write(errand))

    async def hold(self, id: DocumentId, actor: str, reason: str, *, on: bool) -> None:
        """Keep a document whatever its age, or let it go again. Raises ``NotFound``, ``StoreUnavailable``."""
        now = self.clock.now()
        await self.write(partial(_hold, id=id, actor=actor, reason=reason, on=on, now=now))

    async def _remove(self, files: Sequence[str]) -> None:
        for file in files:  # on the disk or in a bucket
            await self.payloads.remove(Kept(sha256="", size=0, packing="plain", octets=None, file=file))

    def _sweep(self, named: set[str]) -> int:
        """Remove files that no row names any more: a kill came between a commit and its files."""
        swept = 0
        for path in self.payloads.path.glob("[0-9a-f][0-9a-f]/*"):
            young = time.time() - path.stat().st_mtime < _SWEPT_SECONDS
            if not young and f"{path.parent.name}/{path.name}" not in named:
                path.unlink(missing_ok=True)
                swept += 1
        return swept


def _ids(query: Select[Any], connection: Connection) -> list[str]:
    return [str(one) for one in connection.execute(query).scalars()]


def _number(query: Select[Any], connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())


def _finished() -> ColumnElement[bool]:
    known = tables.message.c
    held = exists().where(legal_hold.c.message == known.id)
    return known.state.in_(_FINISHED) & known.next_attempt.is_(None) & ~held


def _old(kind: str, before: datetime | None) -> Select[Any]:
    """Ids of finished documents older than that which still have something of this kind; none without a period."""
    known = tables.message.c
    wanted = select(known.id).where(_finished())
    if before is None:
        return wanted.where(known.id.is_(None))
    wanted = wanted.where(known.created < before, known.updated < before)  # the index knows the first
    if kind in _OF_KIND:
        table = _OF_KIND[kind]
        has = exists().where(table.c.message == known.id)
        if kind == "timeline":
            has = has.where(table.c.event != "Erased")
        wanted = wanted.where(has)
    return wanted


def _old_scans(periods: Periods, now: datetime) -> Select[Any]:
    return scan_erasing.old(periods.before("payloads", now), _finished())


def _forget_scans(connection: Connection, *, query: Select[Any]) -> list[str]:
    return scan_erasing.erase(connection, _ids(query, connection))


def _forget(connection: Connection, *, kind: str, ids: list[str], now: datetime) -> list[str]:
    """Erase one kind of these documents, which are looked at again here; gives the files that nobody names now."""
    known = tables.message.c
    ids = list(connection.execute(select(known.id).where(known.id.in_(ids), _finished())).scalars())
    if not ids:
        return []
    if kind == "keys":
        return _forget_wholly(connection, ids, now)
    if kind == "timeline":
        _count_events(connection, ids)
        files: list[str] = []
        connection.execute(delete(tables.event).where(tables.event.c.message.in_(ids)))
    else:
        files = _drop_octets(connection, (_OF_KIND[kind],), ids)
    _say_erased(connection, ids, f"Its period has ended: {kind}", now)
    return files


def _forget_old(connection: Connection, *, now: datetime) -> None:
    """What has a period of its own, which nobody sets."""
    addresses.forget_old(connection, now)
    pending.forget_old(connection, now)


def _forget_wholly(connection: Connection, ids: list[str], now: datetime) -> list[str]:
    """The document itself; what stays says that it was here."""
    searching.forget(connection, ids)
    _count_events(connection, ids)
    files = _drop_octets(connection, (tables.payload, tables.evidence), ids)
    known = tables.message.c
    kept = (known.id, known.account, known.direction, known.state, known.message_id, known.sha256, known.created)
    rows = connection.execute(select(*kept).where(known.id.in_(ids))).mappings().all()
    connection.execute(insert(tombstone), [{**row, "erased": now} for row in rows])
    for table in reversed(tables.metadata.sorted_tables):
        if table is not tables.message and "message" in table.c and table.c.message.foreign_keys:
            connection.execute(delete(table).where(table.c.message.in_(ids)))
    letters.forget(connection, ids)
    addresses.forget_documents(connection, ids)
    files += scan_erasing.forget(connection, ids)
    connection.execute(delete(tables.message).where(known.id.in_(ids)))
    return files


def _drop_octets(connection: Connection, of: Sequence[Table], ids: list[str]) -> list[str]:
    files = set[str]()
    for table in of:
        files |= set(
            connection.execute(select(table.c.file).where(table.c.message.in_(ids), table.c.file != "")).scalars()
        )
        connection.execute(delete(table).where(table.c.message.in_(ids)))
    for table in (tables.payload, tables.evidence):  # the same octets may be named twice in one document
        files -= set(connection.execute(select(table.c.file).where(table.c.message.in_(ids))).scalars())
    return sorted(files)


def _count_events(connection: Connection, ids: list[str]) -> None:
    """Let the ledger remember rows before they go."""
    last = connection.execute(
        select(func.max(tables.event.c.number)).where(tables.event.c.message.in_(ids))
    ).scalar_one()
    if last is not None:
        ledger.remember(connection, until=last)


def _say_erased(connection: Connection, ids: Sequence[str], reason: str, now: datetime) -> None:
    known = tables.message.c
    rows = connection.execute(select(known.id, known.account, known.attempts).where(known.id.in_(ids))).all()
    same = {"time": now, "event": "Erased", "reason": reason, "detail": {}, "next_attempt": None, "evidence": []}
    connection.execute(
        insert(tables.event), [{**same, "message": r.id, "account": r.account, "attempt": r.attempts} for r in rows]
    )


def _once(connection: Connection, *, name: str, period: str, owner: str, now: datetime) -> bool:
    key = (duty.c.name == name) & (duty.c.period == period)
    if connection.execute(select(duty.c.owner).where(key)).first() is not None:
        return False
    try:
        with connection.begin_nested():
            connection.execute(insert(duty).values(name=name, period=period, owner=owner, begun=now))
    except IntegrityError:
        return False  # another node was a moment earlier
    connection.execute(delete(duty).where(duty.c.name == name, duty.c.period < period))
    return True


def _erase(connection: Connection, *, id: DocumentId, actor: str, reason: str, now: datetime) -> list[str]:
    known = tables.message.c
    _exists(connection, id)
    if connection.execute(select(known.id).where(known.id == id, _finished())).first() is None:
        raise Conflict(
            f"{id} is not finished, or under a legal hold: it is not erased",
            remedy="Wait until it has ended; release the hold, or requeue what failed.",
        )
    files = _drop_octets(connection, (tables.payload, tables.evidence), [id])
    files += scan_erasing.erase(connection, scan_erasing.of_documents(connection, [id]))
    connection.execute(
        update(tables.event).where(tables.event.c.message == id).values(reason="", detail={}, evidence=[])
    )
    searching.forget(connection, [id])
    bare = {"seller_name": "", "buyer_name": "", "number": "", "amount": None, "reason": "Erased", "search": id}
    connection.execute(update(tables.message).where(known.id == id).values(**bare))
    letters.forget(connection, [id])
    addresses.forget_documents(connection, [id])
    _say_erased(connection, [id], "Its content was erased by the operator", now)
    note(connection, now, actor, "erased", message=id, detail={"reason": reason})
    return files


def _hold(connection: Connection, *, id: DocumentId, actor: str, reason: str, on: bool, now: datetime) -> None:
    _exists(connection, id)
    connection.execute(delete(legal_hold).where(legal_hold.c.message == id))
    if on:
        connection.execute(insert(legal_hold).values(message=id, since=now, actor=actor, reason=reason))
    note(connection, now, actor, "held" if on else "released", message=id, detail={"reason": reason})


def _exists(connection: Connection, id: DocumentId) -> None:
    if connection.execute(select(tables.message.c.id).where(tables.message.c.id == id)).first() is None:
        raise NotFound(f"There is no document {id}")


def _named_files(connection: Connection) -> set[str]:
    named = set[str]()
    for table in (tables.payload, tables.evidence, scan):
        named |= set(connection.execute(select(table.c.file).where(table.c.file != "")).scalars())
    return named
