"""What the store remembers about mail (``gateway.ports.MailRecords``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.mail import Letter
from gateway.model.message import Message
from gateway.ports import CameBack, Clock, Promised
from gateway.store import tables
from gateway.store.documents import MESSAGE_COLUMNS
from gateway.store.mail_tables import BOUNCE, HANDED_OVER, mail_answer
from gateway.store.operation import Write
from gateway.store.operation_tables import setting
from gateway.store.reads import Reads

_REMEMBERED: Final = timedelta(days=60)
"""How long the key of an answer is kept: no mail server tries for as long."""
_TOLD: Final = ("kind", "address", "status", "words", "reporter")
_BOOKMARK: Final = "mailbox "


@dataclass(slots=True, kw_only=True)
class MailRecords:
    """Implements :class:`~gateway.ports.MailRecords` on one store."""

    reads: Reads
    write: Write
    clock: Clock

    async def came_back(self, account: AccountId, limit: int) -> Sequence[CameBack]:
        return await self.reads.read(partial(_came_back, account=account, limit=limit))

    async def document(self, id: DocumentId) -> Message | None:
        return await self.reads.read(partial(_document, id=id))

    async def quiet(self, channel: str, before: datetime, limit: int) -> Sequence[Message]:
        return await self.reads.read(partial(_quiet, channel=channel, before=before, limit=limit))

    async def promise(self, key: str, account: AccountId, letter: Letter) -> bool:
        now = self.clock.now()
        row = {"key": key, "account": account, "recipient": letter.recipient, "octets": letter.octets}
        return bool(await self.write(partial(_promise, row={**row, "attempts": 0, "due": now, "made": now})))

    async def promised(self, limit: int) -> Sequence[Promised]:
        return await self.reads.read(partial(_promised, now=self.clock.now(), limit=limit))

    async def put_off(self, key: str, until: datetime) -> None:
        await self.write(partial(_put_off, key=key, until=until))

    async def kept(self, key: str) -> None:
        await self.write(partial(_kept, key=key, old=self.clock.now() - _REMEMBERED))

    async def answered(self, recipient: str, since: datetime) -> int:
        return await self.reads.read(partial(_answered, recipient=recipient, since=since))

    async def bookmark(self, name: str) -> Mapping[str, object]:
        return await self.reads.read(partial(_bookmark, name=_BOOKMARK + name))

    async def set_bookmark(self, name: str, place: Mapping[str, object]) -> None:
        await self.write(partial(_set_bookmark, name=_BOOKMARK + name, place=dict(place)))


def _came_back(connection: Connection, *, account: AccountId, limit: int) -> list[CameBack]:
    proof, said = tables.evidence.c, tables.event.c
    wanted = select(proof.message).where(proof.account == account, BOUNCE)
    ids = list(connection.execute(wanted.order_by(proof.time.desc(), proof.message).limit(limit)).scalars())
    rows = connection.execute(
        select(*MESSAGE_COLUMNS).where(tables.message.c.account == account, tables.message.c.id.in_(ids))
    )
    messages = {row["id"]: Message(**row) for row in rows.mappings()}
    wanted_rows = select(said.message, said.time, said.event, said.detail).where(said.message.in_(ids))
    found = [
        CameBack(
            message=messages[row.message],
            time=row.time,
            event=row.event,
            **{name: str(row.detail["mail"].get(name, "")) for name in _TOLD},
        )
        for row in connection.execute(wanted_rows)
        if row.message in messages and isinstance(row.detail.get("mail"), dict)
    ]
    return sorted(found, key=lambda one: one.time, reverse=True)[:limit]


def _document(connection: Connection, *, id: DocumentId) -> Message | None:
    row = connection.execute(select(*MESSAGE_COLUMNS).where(tables.message.c.id == id)).mappings().first()
    return None if row is None else Message(**row)


def _quiet(connection: Connection, *, channel: str, before: datetime, limit: int) -> list[Message]:
    known = tables.message.c
    wanted = (
        select(*MESSAGE_COLUMNS)
        .where(known.state == HANDED_OVER, known.channel == channel, known.updated <= before)
        .order_by(known.updated)
        .limit(limit)
    )
    return [Message(**row) for row in connection.execute(wanted).mappings()]


def _promise(connection: Connection, *, row: dict[str, Any]) -> bool:
    if connection.execute(select(mail_answer.c.key).where(mail_answer.c.key == row["key"])).first():
        return False
    connection.execute(insert(mail_answer).values(**row))
    return True


def _promised(connection: Connection, *, now: datetime, limit: int) -> list[Promised]:
    known = mail_answer.c
    wanted = select(mail_answer).where(known.due.is_not(None), known.due <= now).order_by(known.due).limit(limit)
    return [
        Promised(
            key=row.key,
            account=AccountId(row.account),
            letter=Letter(octets=row.octets, recipient=row.recipient),
            attempts=row.attempts,
        )
        for row in connection.execute(wanted)
    ]


def _put_off(connection: Connection, *, key: str, until: datetime) -> None:
    attempts = mail_answer.c.attempts + 1
    connection.execute(update(mail_answer).where(mail_answer.c.key == key).values(due=until, attempts=attempts))


def _kept(connection: Connection, *, key: str, old: datetime) -> None:
    connection.execute(update(mail_answer).where(mail_answer.c.key == key).values(due=None, octets=None))
    connection.execute(delete(mail_answer).where(mail_answer.c.due.is_(None), mail_answer.c.made < old))


def _answered(connection: Connection, *, recipient: str, since: datetime) -> int:
    known = mail_answer.c
    wanted = select(func.count()).where(known.recipient == recipient, known.made > since)
    return int(connection.execute(wanted).scalar_one())


def _bookmark(connection: Connection, *, name: str) -> Mapping[str, object]:
    found = connection.execute(select(setting.c.value).where(setting.c.name == name)).scalar_one_or_none()
    return found if isinstance(found, dict) else {}


def _set_bookmark(connection: Connection, *, name: str, place: dict[str, object]) -> None:
    if not connection.execute(update(setting).where(setting.c.name == name).values(value=place)).rowcount:
        connection.execute(insert(setting).values(name=name, value=place))
