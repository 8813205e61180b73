"""Sessions of people, and the wrong passwords before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from gateway.errors import Conflict, NotFound
from gateway.model.person import Deed, Person, PersonId, Place, SignedIn
from gateway.ports.people import Guesses
from gateway.store import tables
from gateway.store.people_tables import guess, login, membership, person
from gateway.store.trail import note

_FORGOTTEN_AFTER: Final = timedelta(days=1)
_MOST_GUESSES: Final = 20_000
_MOST_SESSIONS: Final = 20
"""Of one person; the oldest ends when another begins."""
_OF_SESSION: Final = ("key", "account", "begun", "seen", "ends", "origin", "agent", "way")


def find(connection: Connection, key: str, now: datetime) -> SignedIn | None:
    """The session, unless it is over or its person has left the account."""
    rows = _read(connection, _wanted().where(login.c.key == key, login.c.ends > now))
    return rows[0] if rows else None


def find_all(connection: Connection, id: PersonId, now: datetime) -> list[SignedIn]:
    """Every session of a person, the latest first."""
    return _read(connection, _wanted().where(login.c.person == id, login.c.ends > now).order_by(login.c.seen.desc()))


def _wanted() -> Select[Any]:
    columns = (login.c[name] for name in _OF_SESSION)
    return select(*columns, *(column.label(f"of_{column.name}") for column in person.columns)).join(
        person, person.c.id == login.c.person
    )


def _read(connection: Connection, wanted: Select[Any]) -> list[SignedIn]:
    found = []
    for row in connection.execute(wanted).mappings():
        one = Person(**{column.name: row[f"of_{column.name}"] for column in person.columns})
        places = places_of(connection, one.id)
        here = next((place for place in places if place.account == row["account"]), None)
        if here is not None:
            rest = {name: row[name] for name in _OF_SESSION}
            found.append(SignedIn(person=one, role=here.role, places=places, **rest))
    return found


def places_of(connection: Connection, id: PersonId) -> tuple[Place, ...]:
    """The accounts that a person may work in, by name."""
    wanted = (
        select(membership.c.account, tables.account.c.name, membership.c.role)
        .join(tables.account, tables.account.c.id == membership.c.account)
        .where(membership.c.person == id)
    )
    rows = connection.execute(wanted)
    places = (Place(account=account, name=name or account, role=role) for account, name, role in rows)
    return tuple(sorted(places, key=lambda place: (place.name.casefold(), place.account)))


def operators(connection: Connection) -> str | None:
    """The account of whoever runs this gateway: the first one."""
    wanted = select(tables.account.c.id).order_by(tables.account.c.created, tables.account.c.id).limit(1)
    return connection.execute(wanted).scalar_one_or_none()


def touchable(connection: Connection, name: str, deed: Deed) -> PersonId:
    """Somebody whose way in the deed's account may change. Raises ``NotFound``, ``Conflict``."""
    found = connection.execute(select(person.c.id).where(person.c.name == name)).scalar_one_or_none()
    places = places_of(connection, PersonId(found)) if found else ()
    if found is None or deed.account not in [place.account for place in places]:
        raise NotFound(f"There is nobody called {name} in this account.")
    if len(places) > 1 and deed.account != operators(connection):
        text = f"{name} works in other accounts too."
        raise Conflict(text, remedy="Only the operator of this gateway can change how they sign in.")
    return PersonId(found)


def begin(
    connection: Connection, session: SignedIn, deed: Deed, instead: str, forget: Sequence[str], now: datetime
) -> None:
    """Begin a session; the one before and wrong guesses go in the same commit."""
    connection.execute(delete(login).where((login.c.key == instead) | (login.c.ends <= now)))
    kept = select(login.c.key).where(login.c.person == session.person.id).order_by(login.c.seen.desc())
    old = connection.execute(kept.offset(_MOST_SESSIONS - 1).limit(1000)).scalars().all()
    connection.execute(delete(login).where(login.c.key.in_(old)))
    row = {name: getattr(session, name) for name in _OF_SESSION}
    connection.execute(insert(login).values(person=session.person.id, **row))
    _forget(connection, forget)
    note(connection, deed, now)


def _forget(connection: Connection, keys: Sequence[str]) -> None:
    """Wrong guesses of a name, here and among those of its address: what was guessed of others stays counted."""
    for wrong in guesses(connection, keys[:1]):
        left = update(guess).where(guess.c.key.in_(keys)).values(failures=guess.c.failures - wrong.failures)
        connection.execute(left)
        connection.execute(delete(guess).where(guess.c.key.in_(keys), guess.c.failures <= 0))


def touch(connection: Connection, key: str, ends: datetime, now: datetime) -> None:
    """It was used now, and holds until then."""
    connection.execute(update(login).where(login.c.key == key).values(seen=now, ends=ends))


def end(connection: Connection, deed: Deed, key: str, id: PersonId | None, now: datetime) -> None:
    """End one session, or all of a person."""
    which = login.c.key == key if id is None else login.c.person == id
    connection.execute(delete(login).where(which))
    note(connection, deed, now)


def guesses(connection: Connection, keys: Sequence[str]) -> list[Guesses]:
    """For each key, in their order."""
    rows = connection.execute(select(guess).where(guess.c.key.in_(keys))).mappings()
    known = {row["key"]: Guesses(failures=row["failures"], last=row["last"]) for row in rows}
    return [known.get(key, Guesses()) for key in keys]


def try_guess(
    connection: Connection, *, keys: Sequence[str], may: Callable[[Sequence[Guesses]], bool], now: datetime
) -> list[Guesses] | None:
    """Count one more, if there may be one; gives what there was."""
    locked = select(guess.c.key).where(guess.c.key.in_(keys)).order_by(guess.c.key).with_for_update()
    connection.execute(locked).all()
    before = guesses(connection, keys)
    if not may(before):
        return None
    guessed(connection, keys, now)
    return before


def forgive(connection: Connection, *, keys: Sequence[str], before: Sequence[Guesses]) -> None:
    """Take one back for each, and the time of it: a right one makes nobody wait."""
    for key, one in zip(keys, before, strict=True):
        time = {"last": one.last} if one.last is not None else {}
        connection.execute(update(guess).where(guess.c.key == key).values(failures=guess.c.failures - 1, **time))
    connection.execute(delete(guess).where(guess.c.key.in_(keys), guess.c.failures <= 0))


def guessed(connection: Connection, keys: Sequence[str], now: datetime) -> None:
    """One more for each; what is old is forgotten, so that strangers cannot fill the table."""
    connection.execute(delete(guess).where(guess.c.last < now - _FORGOTTEN_AFTER))
    if connection.execute(select(func.count()).select_from(guess)).scalar_one() > _MOST_GUESSES:
        connection.execute(delete(guess).where(guess.c.failures <= 1))
    for key in keys:
        more = update(guess).where(guess.c.key == key).values(failures=guess.c.failures + 1, last=now)
        if not connection.execute(more).rowcount:
            connection.execute(insert(guess).values(key=key, failures=1, last=now))
