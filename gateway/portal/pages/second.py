"""The second factor: the second step of signing in, enrolling a device, recovery codes, switching it off."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.errors import Conflict, NotFound
from gateway.model.identifiers import AccountId
from gateway.model.person import Factor, Person, Role, Way
from gateway.portal import two_steps
from gateway.portal.entrance import let_in, local, try_password, with_secret
from gateway.portal.totp import address_of, as_text
from gateway.portal.visit import Page, Visit
from gateway.ubl.page_code import draw_code
from gateway.web.invitation import read_name

_STATUS: Final = {"wrong": 403, "wait": 429, "broken": 503}


# -- at the door


async def step(visit: Visit) -> web.StreamResponse:
    """The second step: a code, or a device to be enrolled by who must have one and has none."""
    wanted = local(visit.request.query.get("next", ""))
    known = await two_steps.half_done(visit)
    if known is None:
        return visit.go("/" if visit.signed else "/sign-in")
    return await _step(visit, known[0], wanted)


async def _step(visit: Visit, person: Person, wanted: str, problem: str = "", wait: int = 0) -> web.Response:
    status = _STATUS.get(problem, 200)
    if await visit.gateway.store.second.factor(person.id) is not None:
        return visit.render("second-step.html", status=status, wanted=wanted, problem=problem, wait=wait)
    key, sealed = two_steps.offer(visit, visit.front.half(visit))
    return _enrolment(visit, person, key, sealed, wanted=wanted)


async def take_step(visit: Visit) -> web.StreamResponse:
    """A code of the device, or a recovery code: only now the session begins."""
    form, store = await visit.form(), visit.gateway.store
    wanted, known = local(form.get("next", "")), await two_steps.half_done(visit)
    if known is None:
        return _over(visit, wanted)
    person, account = known
    factor = await store.second.factor(person.id)
    if factor is None:
        return await _enrol_first(visit, person, account, wanted)
    proof, wait = await two_steps.prove(visit, person, factor, form.get("code", ""), account)
    if proof not in ("device", "recovery"):
        return await _step(visit, person, wanted, proof, wait)
    return await _come_in(visit, person, account, visit.go(wanted, said="recovery-used" if proof == "recovery" else ""))


async def _enrol_first(visit: Visit, person: Person, account: AccountId, wanted: str) -> web.Response:
    """The device of somebody who must have one, before their first session."""
    form, half = await visit.form(), visit.front.half(visit)
    sealed = form.get("sealed", "")
    key = two_steps.offered(visit, sealed, half)
    if key is None:
        return await _step(visit, person, wanted)
    codes = await two_steps.enrol(visit, person, account, key, form.get("code", ""))
    if codes is None:
        return _enrolment(visit, person, key, sealed, wanted=wanted, problem="wrong")
    return await _come_in(visit, person, account, _codes(visit, codes, wanted))


async def _come_in(visit: Visit, person: Person, account: AccountId, response: web.Response) -> web.Response:
    """The half sign-in becomes a session."""
    await visit.gateway.store.second.end(two_steps.key_of_half(visit))
    secret = await let_in(visit, person, account, "signed-in-second", Way.SECOND)
    visit.front.keep_half(visit, response, "")
    return with_secret(visit, response, secret)


def _over(visit: Visit, wanted: str) -> web.Response:
    values = {"wanted": wanted, "name": "", "wait": 0, "problem": "over"}
    return visit.render("sign-in.html", status=403, **values)


# -- in the profile


async def show(visit: Visit) -> web.StreamResponse:
    """Whether it is on, and what can be done."""
    return await _page(visit)


async def _page(visit: Visit, problem: str = "", wait: int = 0, status: int = 200) -> web.Response:
    return visit.render(
        "second.html",
        status=status,
        factor=await visit.gateway.store.second.factor(visit.someone.person.id),
        required=two_steps.is_required(visit.gateway.config.portal, visit.someone.places),
        problem=problem,
        wait=wait,
    )


async def begin(visit: Visit) -> web.StreamResponse:
    """Offer a key for a new device: to who knows the password."""
    person = visit.someone.person
    known, wait = await try_password(visit, person.name, (await visit.form()).get("password", ""))
    if known is None:
        return await _page(visit, "wait" if wait else "password", wait, 429 if wait else 403)
    if await visit.gateway.store.second.factor(person.id) is not None:
        return visit.go("/profile/second")
    key, sealed = two_steps.offer(visit, visit.someone.key)
    return _enrolment(visit, person, key, sealed)


async def enrol(visit: Visit) -> web.StreamResponse:
    """The device shows a right code."""
    form, person = await visit.form(), visit.someone.person
    sealed = form.get("sealed", "")
    key = two_steps.offered(visit, sealed, visit.someone.key)
    if key is None or await visit.gateway.store.second.factor(person.id) is not None:
        return visit.go("/profile/second")
    codes = await two_steps.enrol(visit, person, visit.account, key, form.get("code", ""))
    if codes is None:
        return _enrolment(visit, person, key, sealed, problem="wrong")
    return await _again(visit, _codes(visit, codes, "/profile/second"), Way.SECOND)


async def renew(visit: Visit) -> web.StreamResponse:
    """Other recovery codes."""
    factor, refusal = await _proven(visit)
    if factor is None:
        return refusal
    codes = await two_steps.renew_codes(visit, visit.someone.person)
    return await _again(visit, _codes(visit, codes, "/profile/second"), visit.someone.way)


async def drop(visit: Visit) -> web.StreamResponse:
    """Switch it off, where nobody demands it."""
    if two_steps.is_required(visit.gateway.config.portal, visit.someone.places):
        raise Conflict("A second factor is required here.", remedy="Ask the operator of this gateway.")
    factor, refusal = await _proven(visit)
    if factor is None:
        return refusal
    await visit.gateway.store.second.drop(visit.someone.person.id, visit.deed("second-off"))
    return await _again(visit, visit.go("/profile/second", said="second-off"), Way.PASSWORD)


async def _proven(visit: Visit) -> tuple[Factor | None, web.Response]:
    """Password and code are asked for once more before either changes."""
    form, person = await visit.form(), visit.someone.person
    factor = await visit.gateway.store.second.factor(person.id)
    if factor is None:
        return None, visit.go("/profile/second")
    known, wait = await try_password(visit, person.name, form.get("password", ""))
    if known is None:
        return None, await _page(visit, "wait" if wait else "password", wait, 429 if wait else 403)
    proof, wait = await two_steps.prove(visit, person, factor, form.get("code", ""), visit.account)
    if proof not in ("device", "recovery"):
        return None, await _page(visit, proof, wait, _STATUS[proof])
    return factor, visit.go("/profile/second")


async def _again(visit: Visit, response: web.Response, way: Way) -> web.Response:
    """Go on under a new secret."""
    secret = await let_in(visit, visit.someone.person, visit.account, "signed-in", way)
    return with_secret(visit, response, secret)


# -- both


def _enrolment(
    visit: Visit, person: Person, key: bytes, sealed: str, *, wanted: str = "", problem: str = ""
) -> web.Response:
    """The picture and the key as text, and the field for the first code."""
    address = address_of(key, person.name, visit.gateway.config.operator.name)
    return visit.render(
        "second-first.html" if wanted else "second-enrol.html",
        status=422 if problem else 200,
        picture=draw_code(address),
        address=address,
        key=as_text(key),
        sealed=sealed,
        wanted=wanted,
        problem=problem,
    )


def _codes(visit: Visit, codes: tuple[str, ...], wanted: str) -> web.Response:
    return visit.render("second-codes.html", codes=codes, wanted=wanted)


# -- for administrators


async def remove(visit: Visit) -> web.StreamResponse:
    """Take the device of somebody away who has lost it."""
    name = read_name((await visit.form()).get("name", ""))
    if name == visit.someone.person.name:
        raise Conflict("Your own you switch off in your profile, with a code.")
    if not name:
        raise NotFound("There is no such person in this account.")
    await visit.gateway.store.second.remove(name, visit.deed("second-removed", name))
    return visit.go("/settings/people", said="second-removed")


PAGES: Final = (
    Page(path="/sign-in/second", show=step, open=True),
    Page(path="/sign-in/second", show=take_step, method="POST", open=True),
    Page(path="/profile/second", show=show, under="profile"),
    Page(path="/profile/second", show=enrol, method="POST", under="profile"),
    Page(path="/profile/second/begin", show=begin, method="POST", under="profile"),
    Page(path="/profile/second/codes", show=renew, method="POST", under="profile"),
    Page(path="/profile/second/off", show=drop, method="POST", under="profile"),
    Page(path="/settings/people/second", show=remove, method="POST", who=frozenset({Role.ADMIN}), under="settings"),
)
