"""Who may sign in, and what they may do for which account. Each change is one commit with the deed that tells of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from gateway.errors import Conflict, NotFound
from gateway.model.identifiers import AccountId
from gateway.model.person import ApiKey, Deed, Membership, Person, PersonId, Place, Role, SignedIn
from gateway.ports import Clock
from gateway.ports.people import Guesses
from gateway.store import identities, second, sessions, tables, trail
from gateway.store.identity_tables import identity
from gateway.store.operation import Write
from gateway.store.people_tables import invitation, login, membership, person
from gateway.store.reads import Reads
from gateway.store.second_tables import factor


@dataclass(slots=True, kw_only=True)
class People:
    """Implements :class:`~gateway.ports.People`."""

    reads: Reads
    write: Write
    clock: Clock

    async def first(self, name: str, account: AccountId, code: str, ends: datetime) -> bool:
        """Let the first administrator choose a password, as long as nobody has one."""
        errand = partial(_first, name=name, account=account, code=code, ends=ends, now=self.clock.now())
        return bool(await self.write(errand))

    async def add(self, name: str, role: Role, code: str, ends: datetime, deed: Deed) -> bool:
        """Add somebody to the deed's account. Raises ``Conflict``."""
        errand = partial(_add, name=name, role=role, code=code, ends=ends, deed=deed, now=self.clock.now())
        return bool(await self.write(errand))

    async def reset(self, name: str, code: str, ends: datetime, deed: Deed) -> None:
        """Take the password away and give a code for another. Raises ``NotFound``, ``Conflict``."""
        await self.write(partial(_reset, name=name, code=code, ends=ends, deed=deed, now=self.clock.now()))

    async def invited(self, code: str) -> Person | None:
        """Whose code this is, while it holds."""
        return await self.reads.read(partial(_invited, code=code, now=self.clock.now()))

    async def choose(self, code: str, password: str, deed: Deed) -> bool:
        """Use a code up."""
        errand = partial(_choose, code=code, password=password, deed=deed, now=self.clock.now())
        return bool(await self.write(errand))

    async def named(self, name: str) -> Person | None:
        """The person of that name."""
        return await self.reads.read(partial(_named, name=name))

    async def change_password(self, person: PersonId, password: str, keep: str, deed: Deed) -> None:
        """A new password; every session but ``keep`` ends."""
        errand = partial(_change_password, id=person, password=password, keep=keep, deed=deed, now=self.clock.now())
        await self.write(errand)

    async def choose_look(self, person: PersonId, language: str, theme: str) -> None:
        """How the pages look for them."""
        await self.write(partial(_choose_look, id=person, language=language, theme=theme))

    async def places(self, person: PersonId) -> Sequence[Place]:
        """The accounts that a person may work in, by name."""
        return await self.reads.read(partial(sessions.places_of, id=person))

    async def members(self, account: AccountId) -> Sequence[Membership]:
        """Everybody in an account, by name."""
        return await self.reads.read(partial(_members, account=account))

    async def change_role(self, person: PersonId, role: Role | None, deed: Deed) -> None:
        """Another role, or none. Raises ``NotFound``, ``Conflict``."""
        await self.write(partial(_change_role, id=person, role=role, deed=deed, now=self.clock.now()))

    async def guesses(self, keys: Sequence[str]) -> Sequence[Guesses]:
        """Wrong passwords so far."""
        return await self.reads.read(partial(sessions.guesses, keys=keys))

    async def try_guess(
        self, keys: Sequence[str], may: Callable[[Sequence[Guesses]], bool]
    ) -> Sequence[Guesses] | None:
        """Count a guess before it is looked at."""
        errand = partial(sessions.try_guess, keys=tuple(keys), may=may, now=self.clock.now())
        before: Sequence[Guesses] | None = await self.write(errand)
        return before

    async def forgive(self, keys: Sequence[str], before: Sequence[Guesses]) -> None:
        """It was right."""
        await self.write(partial(sessions.forgive, keys=tuple(keys), before=tuple(before)))

    async def begin(self, session: SignedIn, deed: Deed, instead: str = "", forget: Sequence[str] = ()) -> None:
        """Begin a session, end the one that it stands in for, and forget wrong guesses."""
        now = self.clock.now()
        await self.write(
            partial(sessions.begin, session=session, deed=deed, instead=instead, forget=tuple(forget), now=now)
        )

    async def session(self, key: str) -> SignedIn | None:
        """The session, unless it is over."""
        return await self.reads.read(partial(sessions.find, key=key, now=self.clock.now()))

    async def sessions(self, person: PersonId) -> Sequence[SignedIn]:
        """Every session of a person, the latest first."""
        return await self.reads.read(partial(sessions.find_all, id=person, now=self.clock.now()))

    async def touch(self, key: str, ends: datetime) -> None:
        """The session was used and holds until then."""
        await self.write(partial(sessions.touch, key=key, ends=ends, now=self.clock.now()))

    async def end(self, deed: Deed, *, key: str = "", person: PersonId | None = None) -> None:
        """End one session, or all of a person."""
        await self.write(partial(sessions.end, deed=deed, key=key, id=person, now=self.clock.now()))

    async def note(self, deed: Deed) -> None:
        """Write a deed down."""
        await self.write(partial(trail.note, deed=deed, now=self.clock.now()))

    async def deeds(self, account: AccountId, limit: int, before: int = 0) -> Sequence[Deed]:
        """What was done in an account, the latest first."""
        return await self.reads.read(partial(trail.deeds, account=account, limit=limit, before=before))

    async def keys(self, account: AccountId) -> Sequence[ApiKey]:
        """The API keys of an account."""
        return await self.reads.read(partial(trail.keys, account=account))

    async def add_key(self, hash: str, name: str, deed: Deed) -> None:
        """A new API key."""
        await self.write(partial(trail.add_key, hash=hash, name=name, deed=deed, now=self.clock.now()))

    async def remove_key(self, hash: str, deed: Deed) -> None:
        """Take an API key away. Raises ``NotFound``, ``Conflict``."""
        await self.write(partial(trail.remove_key, hash=hash, deed=deed, now=self.clock.now()))


def _named(connection: Connection, name: str) -> Person | None:
    row = connection.execute(select(person).where(person.c.name == name)).mappings().one_or_none()
    return None if row is None else Person(**row)


def _first(connection: Connection, *, name: str, account: AccountId, code: str, ends: datetime, now: datetime) -> bool:
    somebody = select(person.c.id).where((person.c.password != "") | person.c.id.in_(select(identity.c.person)))
    if connection.execute(somebody.limit(1)).first():
        return False
    if connection.execute(select(tables.account.c.id).where(tables.account.c.id == account)).first() is None:
        return False
    someone = _named(connection, name)
    who = someone.id if someone else _new(connection, name, now)
    here = membership.c.person == who, membership.c.account == account
    if connection.execute(select(membership).where(*here)).first() is None:
        connection.execute(insert(membership).values(person=who, account=account, role=Role.ADMIN))
    _invite(connection, who, code, ends)
    return True


def _new(connection: Connection, name: str, now: datetime) -> PersonId:
    new = PersonId(str(uuid.uuid4()))
    connection.execute(insert(person).values(id=new, name=name, created=now, password="", language="", theme=""))
    return new


def _invite(connection: Connection, id: PersonId, code: str, ends: datetime) -> None:
    connection.execute(delete(invitation).where(invitation.c.person == id))
    connection.execute(insert(invitation).values(code=code, person=id, ends=ends))


def _let_choose(connection: Connection, id: PersonId, code: str, ends: datetime) -> None:
    connection.execute(update(person).where(person.c.id == id).values(password=""))
    connection.execute(delete(login).where(login.c.person == id))
    identities.forget(connection, id)
    second.forget_halves(connection, id)
    _invite(connection, id, code, ends)


def _add(
    connection: Connection, *, name: str, role: Role, code: str, ends: datetime, deed: Deed, now: datetime
) -> bool:
    someone = _named(connection, name)
    places = sessions.places_of(connection, someone.id) if someone else ()
    if deed.account in [place.account for place in places]:
        raise Conflict(f"{name} is in this account already.", remedy="Change the role instead.")
    if places and deed.account != sessions.operators(connection):  # whoever gave the name first has its password
        text = f"{name} is known from another account."
        raise Conflict(text, remedy="Choose another name; only the operator's account takes in who is known already.")
    who = someone.id if someone else _new(connection, name, now)
    connection.execute(insert(membership).values(person=who, account=deed.account, role=role))
    if not places:  # a code for somebody who is known elsewhere would hand their account over
        second.forget(connection, who)  # who has left every account begins anew
        _let_choose(connection, who, code, ends)
    trail.note(connection, deed, now)
    return not places


def _reset(connection: Connection, *, name: str, code: str, ends: datetime, deed: Deed, now: datetime) -> None:
    _let_choose(connection, sessions.touchable(connection, name, deed), code, ends)
    trail.note(connection, deed, now)


def _invited(connection: Connection, code: str, now: datetime) -> Person | None:
    wanted = (
        select(person)
        .join(invitation, invitation.c.person == person.c.id)
        .where(invitation.c.code == code, invitation.c.ends > now)
    )
    row = connection.execute(wanted).mappings().one_or_none()
    return None if row is None else Person(**row)


def _choose(connection: Connection, *, code: str, password: str, deed: Deed, now: datetime) -> bool:
    someone = _invited(connection, code, now)
    if someone is None:
        return False
    connection.execute(delete(invitation).where(invitation.c.person == someone.id))
    connection.execute(update(person).where(person.c.id == someone.id).values(password=password))
    connection.execute(delete(login).where(login.c.person == someone.id))
    second.forget_halves(connection, someone.id)
    trail.note(connection, deed, now)
    return True


def _change_password(
    connection: Connection, *, id: PersonId, password: str, keep: str, deed: Deed, now: datetime
) -> None:
    connection.execute(update(person).where(person.c.id == id).values(password=password))
    connection.execute(delete(login).where(login.c.person == id, login.c.key != keep))
    second.forget_halves(connection, id)
    connection.execute(delete(invitation).where(invitation.c.person == id))
    trail.note(connection, deed, now)


def _choose_look(connection: Connection, *, id: PersonId, language: str, theme: str) -> None:
    connection.execute(update(person).where(person.c.id == id).values(language=language, theme=theme))


def _members(connection: Connection, account: AccountId) -> list[Membership]:
    logins = select(login.c.person, func.max(login.c.seen).label("seen")).where(login.c.account == account)
    seen = logins.group_by(login.c.person).subquery()
    tied = exists().where(identity.c.person == membership.c.person)
    device = exists().where(factor.c.person == membership.c.person)
    wanted = (
        select(
            membership, person.c.name, person.c.password, seen.c.seen, tied.label("tied"), device.label("second_factor")
        )
        .join(person, person.c.id == membership.c.person)
        .join(seen, seen.c.person == person.c.id, isouter=True)
        .where(membership.c.account == account)
        .order_by(person.c.name)
    )
    return [
        Membership(
            person=row["person"],
            name=row["name"],
            account=row["account"],
            role=row["role"],
            active=bool(row["password"] or row["tied"]),
            second_factor=bool(row["second_factor"]),
            last_seen=datetime.fromisoformat(row["seen"]) if isinstance(row["seen"], str) else row["seen"],
        )
        for row in connection.execute(wanted).mappings()
    ]


def _change_role(connection: Connection, *, id: PersonId, role: Role | None, deed: Deed, now: datetime) -> None:
    here = membership.c.account == deed.account
    known = {row.person: row.role for row in connection.execute(select(membership).where(here))}
    if id not in known:
        raise NotFound("There is no such person in this account.")
    left = [one for one, their in known.items() if their is Role.ADMIN and one != id]
    if known[id] is Role.ADMIN and role is not Role.ADMIN and not left:
        raise Conflict("The last administrator of an account stays.", remedy="Make somebody else administrator first.")
    mine = here & (membership.c.person == id)
    if role is None:
        connection.execute(delete(membership).where(mine))
        connection.execute(delete(login).where(login.c.person == id, login.c.account == deed.account))
    else:
        connection.execute(update(membership).where(mine).values(role=role))
    trail.note(connection, deed, now)
