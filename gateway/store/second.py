"""Second factors: the rows behind :class:`~gateway.ports.second.SecondFactors`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.model.person import Deed, Factor, Person, PersonId
from gateway.ports import Clock
from gateway.store import sessions, trail
from gateway.store.operation import Write
from gateway.store.people_tables import login, person
from gateway.store.reads import Reads
from gateway.store.second_tables import factor, half, recovery


@dataclass(slots=True, kw_only=True)
class SecondFactors:
    """Implements :class:`~gateway.ports.second.SecondFactors`."""

    reads: Reads
    write: Write
    clock: Clock

    async def factor(self, person: PersonId) -> Factor | None:
        """The device of a person."""
        return await self.reads.read(partial(_factor, id=person))

    async def enrol(self, factor: Factor, codes: Sequence[str], deed: Deed) -> bool:
        """From now on this device is asked for."""
        errand = partial(_enrol, new=factor, codes=tuple(codes), deed=deed, now=self.clock.now())
        return bool(await self.write(errand))

    async def renew(self, person: PersonId, codes: Sequence[str], deed: Deed) -> None:
        """Other recovery codes."""
        await self.write(partial(_renew, id=person, codes=tuple(codes), deed=deed, now=self.clock.now()))

    async def use_step(self, person: PersonId, step: int) -> bool:
        """Take the code of a time step."""
        return bool(await self.write(partial(_use_step, id=person, step=step)))

    async def use_code(self, person: PersonId, code: str) -> bool:
        """Take a recovery code."""
        return bool(await self.write(partial(_use_code, id=person, code=code)))

    async def drop(self, person: PersonId, deed: Deed) -> None:
        """They no longer want it."""
        await self.write(partial(_drop, id=person, deed=deed, now=self.clock.now()))

    async def remove(self, name: str, deed: Deed) -> None:
        """Take the device of somebody else away. Raises ``NotFound``, ``Conflict``."""
        await self.write(partial(_remove, name=name, deed=deed, now=self.clock.now()))

    async def begin(self, key: str, person: PersonId, ends: datetime) -> None:
        """A half sign-in."""
        await self.write(partial(_begin, key=key, id=person, ends=ends, now=self.clock.now()))

    async def half(self, key: str) -> Person | None:
        """Whose half sign-in this is."""
        return await self.reads.read(partial(_half, key=key, now=self.clock.now()))

    async def end(self, key: str) -> bool:
        """The half sign-in is over."""
        return bool(await self.write(partial(_end, key=key)))


def forget_halves(connection: Connection, id: PersonId) -> None:
    """What a person has half done is over: their password has changed."""
    connection.execute(delete(half).where(half.c.person == id))


def forget(connection: Connection, id: PersonId) -> None:
    """Nothing of it is left."""
    for table in (half, recovery, factor):
        connection.execute(delete(table).where(table.c.person == id))


def _factor(connection: Connection, id: PersonId) -> Factor | None:
    row = connection.execute(select(factor).where(factor.c.person == id)).mappings().one_or_none()
    if row is None:
        return None
    left = select(func.count()).select_from(recovery).where(recovery.c.person == id)
    return Factor(**row, codes=connection.execute(left).scalar_one())


def _enrol(connection: Connection, *, new: Factor, codes: Sequence[str], deed: Deed, now: datetime) -> bool:
    if _factor(connection, new.person) is not None:
        return False
    forget(connection, new.person)
    connection.execute(insert(factor).values(person=new.person, sealed=new.sealed, step=new.step, since=new.since))
    _put_codes(connection, new.person, codes)
    connection.execute(delete(login).where(login.c.person == new.person))
    trail.note(connection, deed, now)
    return True


def _put_codes(connection: Connection, id: PersonId, codes: Sequence[str]) -> None:
    connection.execute(delete(recovery).where(recovery.c.person == id))
    for code in codes:
        connection.execute(insert(recovery).values(hash=code, person=id))


def _renew(connection: Connection, *, id: PersonId, codes: Sequence[str], deed: Deed, now: datetime) -> None:
    _put_codes(connection, id, codes)
    trail.note(connection, deed, now)


def _use_step(connection: Connection, *, id: PersonId, step: int) -> bool:
    later = update(factor).where(factor.c.person == id, factor.c.step < step).values(step=step)
    return connection.execute(later).rowcount == 1


def _use_code(connection: Connection, *, id: PersonId, code: str) -> bool:
    return connection.execute(delete(recovery).where(recovery.c.person == id, recovery.c.hash == code)).rowcount == 1


def _drop(connection: Connection, *, id: PersonId, deed: Deed, now: datetime) -> None:
    forget(connection, id)
    trail.note(connection, deed, now)


def _remove(connection: Connection, *, name: str, deed: Deed, now: datetime) -> None:
    whose = sessions.touchable(connection, name, deed)
    forget(connection, whose)
    connection.execute(delete(login).where(login.c.person == whose))
    trail.note(connection, deed, now)


def _begin(connection: Connection, *, key: str, id: PersonId, ends: datetime, now: datetime) -> None:
    connection.execute(delete(half).where((half.c.person == id) | (half.c.ends <= now)))
    connection.execute(insert(half).values(key=key, person=id, ends=ends))


def _half(connection: Connection, key: str, now: datetime) -> Person | None:
    wanted = select(person).join(half, half.c.person == person.c.id).where(half.c.key == key, half.c.ends > now)
    row = connection.execute(wanted).mappings().one_or_none()
    return None if row is None else Person(**row)


def _end(connection: Connection, *, key: str) -> bool:
    return connection.execute(delete(half).where(half.c.key == key)).rowcount == 1
