"""The door: sign in, choose a password with a one-time code, sign out, go to another account."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.errors import NotFound
from gateway.model.identifiers import AccountId
from gateway.model.person import Deed, Person
from gateway.portal.entrance import let_in, local, try_password, with_secret
from gateway.portal.passwords import SHORTEST, problem_with
from gateway.portal.two_steps import go_in
from gateway.portal.visit import Page, Visit
from gateway.web.invitation import hash_secret, read_name


async def show(visit: Visit) -> web.StreamResponse:
    """Name and password."""
    wanted = local(visit.request.query.get("next", ""))
    if visit.signed is not None:
        return visit.go(wanted)
    return visit.render("sign-in.html", wanted=wanted, name="", problem="", wait=0)


async def sign_in(visit: Visit) -> web.StreamResponse:
    """Try the password. The answer is the same whether the name is known or not."""
    form = await visit.form()
    wanted, name = local(form.get("next", "")), read_name(form.get("name", ""))
    person, wait = await try_password(visit, name, form.get("password", ""))
    account = await _home(visit, person) if person else None
    if person is None or account is None:
        problem = "wait" if wait else "wrong"
        status = 429 if wait else 403
        return visit.render("sign-in.html", status=status, wanted=wanted, name=name, problem=problem, wait=wait)
    return await go_in(visit, person, account, wanted)


async def _home(visit: Visit, person: Person) -> AccountId | None:
    """The account in which somebody begins: the first of theirs."""
    places = await visit.gateway.store.people.places(person.id)
    return places[0].account if places else None


async def welcome(visit: Visit) -> web.StreamResponse:
    """Choose a password with a one-time code."""
    code = visit.request.query.get("code", "")
    person = await visit.gateway.store.people.invited(hash_secret(code))
    return _welcome(visit, code, person.name if person else "", "", 200 if person else 404)


async def choose(visit: Visit) -> web.StreamResponse:
    """The password is chosen: the code is used up, and they are in."""
    form, people = await visit.form(), visit.gateway.store.people
    code, password = form.get("code", ""), form.get("password", "")
    person = await people.invited(hash_secret(code))
    if person is None:
        return _welcome(visit, "", "", "", 404)
    problem = problem_with(password, person.name)
    if not problem and password != form.get("again", ""):
        problem = "differ"
    if problem:
        return _welcome(visit, code, person.name, problem, 422)
    account = await _home(visit, person)
    if account is None:
        return _welcome(visit, "", "", "", 404)
    hashed = await visit.front.passwords.hash(password)
    deed = Deed(account=account, actor=person.name, action="password-chosen", origin=visit.origin)
    if not await people.choose(hash_secret(code), hashed, deed):
        return _welcome(visit, "", "", "", 404)
    return await go_in(visit, person, account, "/", said="welcome")


def _welcome(visit: Visit, code: str, name: str, problem: str, status: int) -> web.Response:
    return visit.render("welcome.html", status=status, code=code, name=name, problem=problem, shortest=SHORTEST)


async def sign_out(visit: Visit) -> web.StreamResponse:
    """End this session, or with ``everywhere`` all of the person."""
    everywhere = (await visit.form()).get("everywhere") == "yes"
    signed = visit.someone
    deed = visit.deed("signed-out-everywhere" if everywhere else "signed-out")
    await visit.gateway.store.people.end(deed, key=signed.key, person=signed.person.id if everywhere else None)
    return with_secret(visit, visit.go("/sign-in", said="signed-out"), "")


async def go_to_account(visit: Visit) -> web.StreamResponse:
    """Work in another account of theirs, under a new secret."""
    wanted = (await visit.form()).get("account", "")
    place = next((place for place in visit.someone.places if place.account == wanted), None)
    if place is None:
        raise NotFound("There is no such account.")
    secret = await let_in(visit, visit.someone.person, place.account, "changed-account", visit.someone.way)
    return with_secret(visit, visit.go("/"), secret)


PAGES: Final = (
    Page(path="/sign-in", show=show, open=True),
    Page(path="/sign-in", show=sign_in, method="POST", open=True),
    Page(path="/welcome", show=welcome, open=True),
    Page(path="/welcome", show=choose, method="POST", open=True),
    Page(path="/sign-out", show=sign_out, method="POST"),
    Page(path="/account", show=go_to_account, method="POST"),
)
