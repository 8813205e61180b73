"""How people come in and go out: the password, the one-time code, the account they work in.

At each of them the session's secret is a new one, so a secret that somebody knew before is worth nothing after.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.errors import Overloaded
from gateway.model.identifiers import AccountId
from gateway.model.person import Deed, Person, Role, SignedIn, Way
from gateway.portal.passwords import FREE, FREE_ADDRESS, key_of, pause_of
from gateway.portal.visit import Visit
from gateway.ports.people import Guesses
from gateway.web.invitation import CODE_HOLDS, hash_secret, new_secret

if TYPE_CHECKING:
    from gateway.app import Gateway

FIRST_NAME: Final = "admin"
_LOCAL: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}")
"""A path on this site, and nothing that a browser could take for another."""


def local(path: str) -> str:
    """Where to go on: only to a page of ours."""
    return path if _LOCAL.fullmatch(path) and not path.startswith("/sign-") else "/"


async def first_code(gateway: Gateway) -> str:
    """A code for the first administrator, as long as nobody has a password; else empty."""
    operator = await gateway.store.operation.operator()
    code = new_secret()
    ends = gateway.clock.now() + CODE_HOLDS
    made = operator is not None and await gateway.store.people.first(FIRST_NAME, operator, hash_secret(code), ends)
    return code if made else ""


async def try_password(visit: Visit, name: str, password: str) -> tuple[Person | None, int]:
    """The person whose password this is, or None; and how many seconds to wait before another try."""
    people, keys = visit.gateway.store.people, guess_keys(name, visit.origin)
    wait, before = await count_guess(visit, keys)
    if wait:
        return None, wait
    person = await people.named(name)
    try:
        fits = await visit.front.passwords.fits(person.password if person else "", password)
    except Overloaded:  # it was not looked at
        await people.forgive(keys, before)
        raise
    if not fits:
        return None, 0
    await people.forgive(keys, before)
    return person, 0


async def count_guess(visit: Visit, keys: tuple[str, str]) -> tuple[int, Sequence[Guesses]]:
    """Count a guess before it is looked at; gives what there was before.

    Where there were too many it gives the seconds to wait, and counts nothing.
    """
    people, now = visit.gateway.store.people, visit.gateway.clock.now()

    def pause(known: Sequence[Guesses]) -> timedelta:
        return max(pause_of(guesses, free, now) for guesses, free in zip(known, (FREE, FREE_ADDRESS), strict=True))

    before = await people.try_guess(keys, lambda known: not pause(known))
    if before is not None:
        return 0, before
    return int(pause(await people.guesses(keys)).total_seconds()) + 1, ()


def guess_keys(name: str, origin: str) -> tuple[str, str]:
    """Under what wrong passwords are counted."""
    return key_of("name", name), key_of("address", origin)


async def let_in(visit: Visit, person: Person, account: AccountId, action: str, way: Way) -> str:
    """Begin a session, or go on in another account, under a new secret; gives it."""
    people, now, secret = visit.gateway.store.people, visit.gateway.clock.now(), new_secret()
    signed = SignedIn(
        key=hash_secret(secret),
        person=person,
        account=account,
        role=Role.CLERK,  # (what it is in that account is asked at each request)
        places=(),
        begun=visit.signed.begun if visit.signed and visit.signed.person.id == person.id else now,
        seen=now,
        ends=now,
        origin=visit.origin,
        agent=visit.request.headers.get("User-Agent", "")[:200],
        way=way,
    )
    signed = replace(signed, ends=visit.front.begin(signed, now))
    deed = Deed(account=account, actor=person.name, action=action, origin=visit.origin)
    instead = visit.signed.key if visit.signed else ""
    await people.begin(signed, deed, instead, guess_keys(person.name, visit.origin))
    return secret


def with_secret(visit: Visit, response: web.Response, secret: str) -> web.Response:
    """The answer with the cookie of its session."""
    visit.front.keep_secret(visit, response, secret)
    return response
