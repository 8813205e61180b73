"""Which subject of a sign-in service is which person: the rows behind :class:`~gateway.ports.identities.Identities`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, delete, insert, select

from gateway.errors import Conflict, NotFound
from gateway.model.person import Deed, Person, PersonId
from gateway.ports import Clock
from gateway.ports.identities import NoEntry, Vouched
from gateway.store import sessions, trail
from gateway.store.identity_tables import identity, spent
from gateway.store.operation import Write
from gateway.store.people_tables import login, person
from gateway.store.reads import Reads


@dataclass(slots=True, kw_only=True)
class Identities:
    """Implements :class:`~gateway.ports.identities.Identities`."""

    reads: Reads
    write: Write
    clock: Clock

    async def enter(self, vouched: Vouched, origin: str) -> Person | NoEntry:
        """Who it is: by subject, else by verified e-mail address."""
        found: Person | NoEntry = await self.write(
            partial(_enter, vouched=vouched, origin=origin, now=self.clock.now())
        )
        return found

    async def tie(self, name: str, issuer: str, subject: str, deed: Deed) -> None:
        """This subject is that person; an empty one unties. Raises ``NotFound``, ``Conflict``."""
        errand = partial(_tie, name=name, issuer=issuer, subject=subject, deed=deed, now=self.clock.now())
        await self.write(errand)

    async def subjects(self, issuer: str, people: Sequence[PersonId]) -> Mapping[PersonId, str]:
        """The subjects of these people."""
        return await self.reads.read(partial(_subjects, issuer=issuer, people=tuple(people)))


def forget(connection: Connection, id: PersonId) -> None:
    """Nobody's subject is this person any more."""
    connection.execute(delete(identity).where(identity.c.person == id))


def _enter(connection: Connection, *, vouched: Vouched, origin: str, now: datetime) -> Person | NoEntry:
    connection.execute(delete(spent).where(spent.c.ends <= now))
    if connection.execute(select(spent.c.key).where(spent.c.key == vouched.nonce)).first():
        return NoEntry.SPENT
    connection.execute(insert(spent).values(key=vouched.nonce, ends=vouched.until))
    tied = (identity.c.issuer == vouched.issuer) & (identity.c.subject == vouched.subject)
    wanted = select(person).join(identity, identity.c.person == person.c.id).where(tied)
    if row := connection.execute(wanted).mappings().one_or_none():
        return Person(**row)
    row = connection.execute(select(person).where(person.c.name == vouched.email)).mappings().one_or_none()
    places = sessions.places_of(connection, row["id"]) if row and vouched.email else ()
    if row is None or not places:
        return NoEntry.UNKNOWN
    someone = Person(**row)
    known = (identity.c.person == someone.id) & (identity.c.issuer == vouched.issuer)
    if connection.execute(select(identity.c.subject).where(known)).first():
        return NoEntry.TAKEN
    _insert(connection, someone.id, vouched.issuer, vouched.subject, now)
    deed = Deed(
        account=places[0].account,
        actor=someone.name,
        action="identity-tied",
        subject=someone.name,
        detail=vouched.subject,
        origin=origin,
    )
    trail.note(connection, deed, now)
    return someone


def _tie(connection: Connection, *, name: str, issuer: str, subject: str, deed: Deed, now: datetime) -> None:
    row = connection.execute(select(person).where(person.c.name == name)).mappings().one_or_none()
    if row is None or not sessions.places_of(connection, row["id"]):
        raise NotFound(f"There is nobody called {name}.")
    tied = (identity.c.issuer == issuer) & (identity.c.subject == subject)
    holder = connection.execute(select(identity.c.person).where(tied)).scalar_one_or_none() if subject else None
    if holder not in (None, row["id"]):
        raise Conflict("This subject is somebody else already.", remedy="Untie it there first.")
    mine = (identity.c.person == row["id"]) & (identity.c.issuer == issuer)
    connection.execute(delete(identity).where(mine))
    connection.execute(delete(login).where(login.c.person == row["id"]))
    if subject:
        _insert(connection, row["id"], issuer, subject, now)
    trail.note(connection, deed, now)


def _insert(connection: Connection, id: PersonId, issuer: str, subject: str, now: datetime) -> None:
    connection.execute(insert(identity).values(issuer=issuer, subject=subject, person=id, created=now))


def _subjects(connection: Connection, issuer: str, people: Sequence[PersonId]) -> dict[PersonId, str]:
    wanted = select(identity.c.person, identity.c.subject).where(
        identity.c.issuer == issuer, identity.c.person.in_(people)
    )
    return {PersonId(row.person): row.subject for row in connection.execute(wanted)}
