"""The second factor: who must have one, and what happens between the password and the session.

Between both a browser holds a secret that opens nothing but the second step. Wrong codes are counted with wrong
passwords, before they are looked at. Source: OWASP ASVS 5.0 (6.5, 6.6), RFC 6238.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal

from aiohttp import web

from gateway.config.sections import Portal
from gateway.errors import KeyUnavailable
from gateway.model.identifiers import AccountId
from gateway.model.person import Deed, Factor, Person, PersonId, Place, SignedIn, Way
from gateway.portal.entrance import count_guess, guess_keys, let_in, with_secret
from gateway.portal.totp import DIGITS, fitting_step, hash_of, new_key, new_recovery_codes, read_code
from gateway.portal.visit import Visit
from gateway.web.invitation import hash_secret, new_secret

log = logging.getLogger(__name__)

HALF_HOLDS: Final = timedelta(minutes=10)
Proof = Literal["device", "recovery", "wrong", "wait", "broken"]
"""``broken``: the key of the device cannot be read, which is for the operator to mend."""


def is_required(portal: Portal, places: Sequence[Place]) -> bool:
    """Whether somebody with these roles must have a second factor."""
    wanted = portal.second_factor
    return "all" in wanted or any(place.role in wanted for place in places)


def falls_short(portal: Portal, signed: SignedIn) -> bool:
    """Whether a session began with less than is asked for now."""
    return signed.way is Way.PASSWORD and is_required(portal, signed.places)


async def go_in(visit: Visit, person: Person, account: AccountId, wanted: str, *, said: str = "") -> web.Response:
    """After the password: into the web tool, or to the second step."""
    second = visit.gateway.store.second
    places = await visit.gateway.store.people.places(person.id)
    if await second.factor(person.id) is None and not is_required(visit.gateway.config.portal, places):
        secret = await let_in(visit, person, account, "signed-in", Way.PASSWORD)
        return with_secret(visit, visit.go(wanted, said=said), secret)
    secret = new_secret()
    await second.begin(hash_secret(secret), person.id, visit.gateway.clock.now() + HALF_HOLDS)
    response = visit.go("/sign-in/second", **({"next": wanted} if wanted != "/" else {}))
    visit.front.keep_half(visit, response, secret)
    return response


async def half_done(visit: Visit) -> tuple[Person, AccountId] | None:
    """Who has given their password in this browser a moment ago, and where they begin."""
    secret = visit.front.half(visit)
    person = await visit.gateway.store.second.half(hash_secret(secret)) if secret else None
    places = await visit.gateway.store.people.places(person.id) if person else ()
    return (person, places[0].account) if person and places else None


def key_of_half(visit: Visit) -> str:
    """Under what the store knows it."""
    return hash_secret(visit.front.half(visit))


async def prove(visit: Visit, person: Person, factor: Factor, typed: str, account: AccountId) -> tuple[Proof, int]:
    """Take a code of the device or a recovery code; and how many seconds to wait where too many were wrong."""
    store, now = visit.gateway.store, visit.gateway.clock.now()
    wait, _ = await count_guess(visit, guess_keys(person.name, visit.origin))
    if wait:
        return "wait", wait
    code = read_code(typed)
    if len(code) == DIGITS:
        try:
            key = visit.front.seal.open(factor.sealed, _for_store(person.id))
        except KeyUnavailable as error:
            log.error("a second factor cannot be checked: %s", error, extra={"remedy": error.remedy})
            return "broken", 0
        if key is None:
            remedy = "Put the file of before back, or remove the factor: gateway user remove-factor NAME"
            log.error(
                "second factor of another portal.second_factor_key", extra={"person": person.id, "remedy": remedy}
            )
            return "broken", 0
        step = fitting_step(key, code, now)
        if step is not None and await store.second.use_step(person.id, step):
            return "device", 0
    elif code and await store.second.use_code(person.id, hash_of(code, person.id)):
        left = f"{factor.codes - 1}"
        deed = Deed(account=account, actor=person.name, action="recovery-code-used", detail=left, origin=visit.origin)
        await store.people.note(deed)
        return "recovery", 0
    log.info("a wrong code after the right password, or one that was used", extra={"person": person.id})
    await store.people.note(Deed(account=account, actor=person.name, action="second-refused", origin=visit.origin))
    return "wrong", 0


def offer(visit: Visit, holder: str) -> tuple[bytes, str]:
    """A key for a new device, and the same sealed for the form of this session or half sign-in only."""
    key = new_key()
    return key, visit.front.seal.close(key, _for_form(holder))


def offered(visit: Visit, sealed: str, holder: str) -> bytes | None:
    """The key that was offered there."""
    return visit.front.seal.open(sealed, _for_form(holder))


async def enrol(visit: Visit, person: Person, account: AccountId, key: bytes, typed: str) -> tuple[str, ...] | None:
    """The device shows a right code: from now on it is asked for. Gives the recovery codes; None for a wrong code."""
    now, mine = visit.gateway.clock.now(), person.id
    step = fitting_step(key, read_code(typed), now)
    if step is None:
        return None
    codes = new_recovery_codes()
    factor = Factor(person=mine, sealed=visit.front.seal.close(key, _for_store(mine)), step=step, since=now)
    deed = Deed(account=account, actor=person.name, action="second-on", origin=visit.origin)
    hashes = [hash_of(code, mine) for code in codes]
    return codes if await visit.gateway.store.second.enrol(factor, hashes, deed) else None


async def renew_codes(visit: Visit, person: Person) -> tuple[str, ...]:
    """Other recovery codes in place of those before."""
    codes = new_recovery_codes()
    hashes = [hash_of(code, person.id) for code in codes]
    await visit.gateway.store.second.renew(person.id, hashes, visit.deed("recovery-codes"))
    return codes


def _for_store(person: PersonId) -> str:
    return f"second factor of {person}"


def _for_form(holder: str) -> str:
    return f"offered to {holder}"
