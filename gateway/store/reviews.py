"""What comes in on paper and as PDF: the rows behind :class:`~gateway.ports.reviews.Reviews`."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, tuple_, update

from gateway.errors import LostLease, NotFound
from gateway.model.identifiers import AccountId
from gateway.model.message import Direction, Evidence, Message
from gateway.model.person import Deed
from gateway.model.scan import Candidate, Field, Place, Scan, ScanState, Supplier
from gateway.ports import Clock
from gateway.ports.reviews import Begun, Lesson
from gateway.store import tables
from gateway.store.documents import MESSAGE_COLUMNS
from gateway.store.hosts import KEPT_COLUMNS
from gateway.store.octets import Folder
from gateway.store.operation import Write
from gateway.store.packing import Kept
from gateway.store.reads import Reads
from gateway.store.scan_tables import four_eyes, scan, scan_crop, supplier
from gateway.store.trail import note

_PLAIN: Final = (
    *("id", "account", "key", "state", "hold", "source", "sender", "file_name", "media_type", "channel", "pages"),
    *("reason", "reason_sv", "receiver", "document", "decided_by", "decided_at", "version", "created", "updated"),
)
_CHANGING: Final = (
    *("state", "hold", "media_type", "channel", "pages", "reason", "reason_sv", "receiver", "document"),
    *("decided_by", "decided_at"),
)
_COLUMNS: Final = tuple(scan.c[name] for name in (*_PLAIN, "rungs", "fields", "sha256", "size"))
_MOST: Final = 200
_ACCOUNTS_MOST: Final = 50
"""Bank accounts that are remembered of one supplier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviews:
    """Implements :class:`~gateway.ports.reviews.Reviews`."""

    reads: Reads
    write: Write
    clock: Clock
    payloads: Folder

    async def begin(self, scan: Scan, octets: bytes, evidence: Sequence[Evidence] = ()) -> Begun:
        """Commit a file under its key, or find the one that has the key. Raises ``StoreUnavailable``."""
        kept = await self.payloads.keep(octets, f"{scan.id}.scan")
        found: Begun = await self.write(partial(_begin, new=scan, kept=kept, evidence=evidence))
        if not found.new:
            await self.payloads.drop(kept)
        return found

    async def settle(self, before: Scan, after: Scan, crops: Mapping[str, bytes] | None = None) -> Scan:
        """Write what became of it. Raises ``LostLease``, ``StoreUnavailable``."""
        now = self.clock.now()
        settled: Scan = await self.write(partial(_settle, before=before, after=after, crops=crops, now=now))
        return settled

    async def get(self, account: AccountId, id: str) -> Scan:
        """One scan. Raises ``NotFound``."""
        return await self.reads.read(partial(_get, account=account, id=id))

    async def find(
        self, account: AccountId, states: Collection[ScanState], limit: int, cursor: str = ""
    ) -> tuple[Sequence[Scan], str]:
        """Scans in these states, newest first, and the cursor of the next page. Raises ``NotFound`` for no cursor."""
        ask = partial(_find, account=account, states=tuple(states), limit=max(1, min(limit, _MOST)), cursor=cursor)
        return await self.reads.read(ask)

    async def counts(self, account: AccountId) -> Mapping[str, int]:
        """How many scans there are in each state."""
        return await self.reads.read(partial(_counts, account=account))

    async def any(self, account: AccountId) -> bool:
        """Whether anything ever came for this account."""
        return await self.reads.read(partial(_any, account=account))

    async def octets(self, account: AccountId, id: str) -> bytes:
        """The file as it came, compared with its digest. Raises ``NotFound``, ``StateError``."""
        return await self.payloads.fetch(await self.reads.read(partial(_kept, account=account, id=id)))

    async def evidence(self, account: AccountId, id: str) -> Sequence[Evidence]:
        """What proves how it came. Raises ``NotFound``."""
        return await self.reads.read(partial(_evidence, account=account, id=id))

    async def crop(self, account: AccountId, id: str, field: str) -> bytes:
        """A PNG of the place of a field. Raises ``NotFound``."""
        return await self.reads.read(partial(_crop, account=account, id=id, field=field))

    async def unread(self, before: datetime, limit: int) -> Sequence[Scan]:
        """Of all accounts, what was taken before that moment and not read to the end."""
        return await self.reads.read(partial(_unread, before=before, limit=limit))

    async def suppliers(self, account: AccountId, ids: Collection[str]) -> Sequence[Supplier]:
        """What is known of these suppliers."""
        return await self.reads.read(partial(_suppliers, account=account, ids=sorted(ids)[:_MOST]))

    async def learn(self, account: AccountId, lesson: Lesson) -> Supplier:
        """Remember what a confirmed document says of its supplier. Raises ``StoreUnavailable``."""
        learned: Supplier = await self.write(partial(_learn, account=account, lesson=lesson, now=self.clock.now()))
        return learned

    async def four_eyes(self, account: AccountId) -> bool:
        """Whether two people release a changed bank account there."""
        return await self.reads.read(partial(_four_eyes, account=account))

    async def want_four_eyes(self, on: bool, deed: Deed) -> None:
        """From now on so, or no longer."""
        await self.write(partial(_want_four_eyes, on=on, deed=deed, now=self.clock.now()))

    async def same_number(self, account: AccountId, number: str, amount: Decimal, currency: str) -> Sequence[Message]:
        """Documents that came in with this number and amount, the oldest first."""
        ask = partial(_same_number, account=account, number=number, amount=amount, currency=currency)
        return await self.reads.read(ask)


def _four_eyes(connection: Connection, account: AccountId) -> bool:
    return connection.execute(select(four_eyes).where(four_eyes.c.account == account)).first() is not None


def _want_four_eyes(connection: Connection, on: bool, deed: Deed, now: datetime) -> None:
    if on == _four_eyes(connection, deed.account):
        return
    mine = four_eyes.c.account == deed.account
    connection.execute(insert(four_eyes).values(account=deed.account) if on else delete(four_eyes).where(mine))
    note(connection, deed, now)


def _once(new: Scan) -> str:
    return json.dumps([new.account, new.key])


def _begin(connection: Connection, new: Scan, kept: Kept, evidence: Sequence[Evidence]) -> Begun:
    known = connection.execute(select(*_COLUMNS).where(scan.c.once_key == _once(new))).mappings().first()
    if known is not None:
        return Begun(scan=_scan(known), new=False)
    values = {name: getattr(new, name) for name in _PLAIN}
    proofs = [
        {"kind": one.kind, "media_type": one.media_type, "octets": base64.b64encode(one.octets).decode()}
        for one in evidence
    ]
    columns = dict(zip(KEPT_COLUMNS, kept.columns, strict=True))
    connection.execute(
        insert(scan).values(
            **values, **columns, once_key=_once(new), rungs=list(new.rungs), fields=_written(new), evidence=proofs
        )
    )
    return Begun(scan=dataclasses.replace(new, sha256=kept.sha256, size=kept.size), new=True)


def _settle(
    connection: Connection, before: Scan, after: Scan, crops: Mapping[str, bytes] | None, now: datetime
) -> Scan:
    values = {name: getattr(after, name) for name in _CHANGING}
    done = connection.execute(
        update(scan)
        .where(scan.c.id == before.id, scan.c.account == before.account, scan.c.version == before.version)
        .values(**values, rungs=list(after.rungs), fields=_written(after), version=before.version + 1, updated=now)
    )
    if not done.rowcount:
        raise LostLease(f"The scan {before.id} has moved on since it was looked at")
    if crops is not None:
        connection.execute(delete(scan_crop).where(scan_crop.c.scan == before.id))
        rows = [
            {"account": before.account, "scan": before.id, "field": name, "picture": picture}
            for name, picture in crops.items()
        ]
        if rows:
            connection.execute(insert(scan_crop), rows)
    return dataclasses.replace(after, version=before.version + 1, updated=now)


def _get(connection: Connection, account: AccountId, id: str) -> Scan:
    row = connection.execute(select(*_COLUMNS).where(scan.c.id == id, scan.c.account == account)).mappings().first()
    if row is None:
        raise NotFound(f"There is no scan {id[:80]}")
    return _scan(row)


def _find(
    connection: Connection, account: AccountId, states: Sequence[ScanState], limit: int, cursor: str
) -> tuple[list[Scan], str]:
    wanted = select(*_COLUMNS).where(scan.c.account == account, scan.c.state.in_(states))
    if cursor:
        last = _get(connection, account, cursor)
        wanted = wanted.where(tuple_(scan.c.created, scan.c.id) < tuple_(last.created, last.id))
    wanted = wanted.order_by(scan.c.created.desc(), scan.c.id.desc()).limit(limit + 1)
    found = [_scan(row) for row in connection.execute(wanted).mappings()]
    return found[:limit], found[limit - 1].id if len(found) > limit else ""


def _counts(connection: Connection, account: AccountId) -> dict[str, int]:
    wanted = select(scan.c.state, func.count()).where(scan.c.account == account).group_by(scan.c.state)
    return {str(state): int(number) for state, number in connection.execute(wanted)}


def _kept(connection: Connection, account: AccountId, id: str) -> Kept:
    columns = (scan.c[name] for name in KEPT_COLUMNS)
    row = connection.execute(select(*columns).where(scan.c.id == id, scan.c.account == account)).mappings().first()
    if row is None:
        raise NotFound(f"There is no scan {id[:80]}")
    if row["octets"] is None and not row["file"]:
        raise NotFound(f"The file of the scan {id[:80]} was erased")
    return Kept(**row)


def _evidence(connection: Connection, account: AccountId, id: str) -> list[Evidence]:
    row = connection.execute(select(scan.c.evidence).where(scan.c.id == id, scan.c.account == account)).first()
    if row is None:
        raise NotFound(f"There is no scan {id[:80]}")
    return [
        Evidence(kind=one["kind"], media_type=one["media_type"], octets=base64.b64decode(one["octets"]))
        for one in row[0]
    ]


def _crop(connection: Connection, account: AccountId, id: str, field: str) -> bytes:
    known = scan_crop.c
    wanted = select(known.picture).where(known.scan == id, known.account == account, known.field == field)
    picture = connection.execute(wanted).scalar_one_or_none()
    if picture is None:
        raise NotFound(f"There is no picture of {field[:40]}")
    return bytes(picture)


def _unread(connection: Connection, before: datetime, limit: int) -> list[Scan]:
    wanted = select(*_COLUMNS).where(scan.c.state == ScanState.TAKEN, scan.c.created < before)
    return [_scan(row) for row in connection.execute(wanted.order_by(scan.c.created).limit(limit)).mappings()]


def _suppliers(connection: Connection, account: AccountId, ids: Sequence[str]) -> list[Supplier]:
    wanted = select(supplier).where(supplier.c.account == account, supplier.c.id.in_(ids)).order_by(supplier.c.id)
    return [_supplier(row) for row in connection.execute(wanted).mappings()]


def _supplier(row: RowMapping) -> Supplier:
    return Supplier(
        account=AccountId(row["account"]),
        id=row["id"],
        name=row["name"],
        accounts=row["accounts"],
        anchors={name: (float(left), float(top)) for name, (left, top) in row["anchors"].items()},
        documents=row["documents"],
    )


def _learn(connection: Connection, account: AccountId, lesson: Lesson, now: datetime) -> Supplier:
    known = next(iter(_suppliers(connection, account, [lesson.supplier])), None)
    before = known or Supplier(account=account, id=lesson.supplier)
    accounts = dict(before.accounts)
    if lesson.account and (lesson.account in accounts or len(accounts) < _ACCOUNTS_MOST):
        accounts[lesson.account] = accounts.get(lesson.account, 0) + 1
    after = dataclasses.replace(
        before,
        name=lesson.name or before.name,
        accounts=accounts,
        anchors={**before.anchors, **(lesson.anchors or {})},
        documents=before.documents + 1,
    )
    values = {
        "name": after.name,
        "accounts": accounts,
        "anchors": {name: list(at) for name, at in after.anchors.items()},
        "documents": after.documents,
        "updated": now,
    }
    if known is None:
        connection.execute(insert(supplier).values(account=account, id=lesson.supplier, **values))
    else:
        mine = (supplier.c.account == account) & (supplier.c.id == lesson.supplier)
        connection.execute(update(supplier).where(mine).values(values))
    return after


def _any(connection: Connection, account: AccountId) -> bool:
    return connection.execute(select(scan.c.id).where(scan.c.account == account).limit(1)).first() is not None


def _same_number(
    connection: Connection, account: AccountId, number: str, amount: Decimal, currency: str
) -> list[Message]:
    known = tables.message.c
    wanted = select(*MESSAGE_COLUMNS).where(
        known.account == account, known.direction == Direction.IN, known.number == number, known.currency == currency
    )
    found = connection.execute(wanted.order_by(known.created).limit(_MOST)).mappings()
    return [message for row in found if (message := Message(**row)).amount == amount]


def _written(one: Scan) -> dict[str, object]:
    """The fields as JSON."""
    return {name: dataclasses.asdict(field) for name, field in one.fields.items()}


def _scan(row: RowMapping) -> Scan:
    plain = {name: row[name] for name in (*_PLAIN, "sha256", "size")}
    return Scan(**plain, rungs=tuple(row["rungs"]), fields={name: _field(one) for name, one in row["fields"].items()})


def _field(one: Mapping[str, Any]) -> Field:
    at = one["confirmed_at"]
    candidates = tuple(
        Candidate(
            **{
                **candidate,
                "witnesses": tuple(candidate["witnesses"]),
                "place": Place(**candidate["place"]) if candidate["place"] else None,
            }
        )
        for candidate in one["candidates"]
    )
    return Field(**{**one, "candidates": candidates, "confirmed_at": datetime.fromisoformat(at) if at else None})
