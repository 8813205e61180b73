"""What the first page of the web tool counts: what needs a person, how much came and went."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Connection, and_, func, insert, select, update

from gateway.errors import NotFound
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.message import Message
from gateway.model.person import Deed
from gateway.ports import Clock
from gateway.ports.people import Counted
from gateway.store import tables
from gateway.store.documents import MESSAGE_COLUMNS
from gateway.store.operation import Write
from gateway.store.people_tables import handled
from gateway.store.queries import of_account
from gateway.store.reads import Reads
from gateway.store.trail import note

_BELIEVED_SECONDS: Final = 20.0
"""How long a count is shown again: it goes over every document of the time that is asked for."""
_MOST: Final = 1_000


@dataclass(slots=True, kw_only=True)
class Overview:
    """Implements :class:`~gateway.ports.Overview`."""

    reads: Reads
    write: Write
    clock: Clock
    _counted: dict[tuple[AccountId, datetime], tuple[float, Counted]] = field(default_factory=dict)

    async def counted(self, account: AccountId, since: datetime) -> Counted:
        """Count an account's documents from that moment on; the answer may be twenty seconds old."""
        key = account, since
        until, known = self._counted.get(key, (0.0, None))
        if known is None or time.monotonic() >= until:
            known = await self.reads.read(partial(_count, account=account, since=since))
            if len(self._counted) >= _MOST:
                self._counted.clear()
            self._counted[key] = time.monotonic() + _BELIEVED_SECONDS, known
        return known

    async def waiting(self, account: AccountId, limit: int) -> Sequence[Message]:
        """Documents that ended in trouble and that nobody has seen to since, the latest first."""
        return await self.reads.read(partial(_waiting, account=account, limit=limit))

    async def handled(self, id: DocumentId, deed: Deed) -> None:
        """Somebody has seen to it. Raises ``NotFound``."""
        await self.write(partial(_handled, id=id, deed=deed, now=self.clock.now()))

    async def is_handled(self, message: Message) -> bool:
        """Whether somebody has seen to it since it changed last."""
        return await self.reads.read(partial(_is_handled, message=message))


def _count(connection: Connection, account: AccountId, since: datetime) -> Counted:
    known = tables.message.c
    kinds = known.direction, known.channel, known.state
    wanted = select(*kinds, func.count()).where(known.account == account, known.created >= since).group_by(*kinds)
    rows = {(str(direction), channel, str(state)): n for direction, channel, state, n in connection.execute(wanted)}
    return Counted(since=since, rows=rows)


def _waiting(connection: Connection, account: AccountId, limit: int) -> list[Message]:
    known = tables.message.c
    seen_to = and_(handled.c.message == known.id, handled.c.time >= known.updated)
    wanted = (
        select(*MESSAGE_COLUMNS)
        .join(handled, seen_to, isouter=True)
        .where(tables.in_trouble, of_account(account), handled.c.message.is_(None))
        .order_by(known.updated.desc(), known.id)
        .limit(limit)
    )
    return [Message(**row) for row in connection.execute(wanted).mappings()]


def _handled(connection: Connection, id: DocumentId, deed: Deed, now: datetime) -> None:
    known = tables.message.c
    if connection.execute(select(known.id).where(known.id == id, known.account == deed.account)).first() is None:
        raise NotFound(f"There is no document {id}")
    values = {"time": now, "person": deed.actor, "account": deed.account}
    if not connection.execute(update(handled).where(handled.c.message == id).values(values)).rowcount:
        connection.execute(insert(handled).values(message=id, **values))
    note(connection, deed, now)


def _is_handled(connection: Connection, message: Message) -> bool:
    wanted = select(handled.c.time).where(handled.c.message == message.id, handled.c.account == message.account)
    when = connection.execute(wanted).scalar_one_or_none()
    return when is not None and when >= message.updated
