"""My profile: language and theme, the password, and where I am signed in."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.portal.entrance import let_in, try_password, with_secret
from gateway.portal.passwords import SHORTEST, problem_with
from gateway.portal.visit import Page, Visit
from gateway.portal.words import LANGUAGES

THEMES: Final = ("light", "dark")
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)
_MOST: Final = 70


def browser(agent: str) -> str:
    """What a browser calls itself, as people call it: ``Firefox, Windows``; the beginning of what is none of these."""
    found = [next((name for sign, name in known if sign in agent), "") for known in (_BROWSERS, _SYSTEMS)]
    return ", ".join(found) if all(found) else agent[:_MOST]


async def show(visit: Visit) -> web.StreamResponse:
    """Everything of mine."""
    return await _page(visit)


async def _page(visit: Visit, problem: str = "", wait: int = 0, status: int = 200) -> web.Response:
    sessions = await visit.gateway.store.people.sessions(visit.someone.person.id)
    factor = await visit.gateway.store.second.factor(visit.someone.person.id)
    return visit.render(
        "profile.html",
        status=status,
        sessions=sessions,
        factor=factor,
        browser=browser,
        person=visit.someone.person,
        themes=THEMES,
        problem=problem,
        wait=wait,
        shortest=SHORTEST,
    )


async def look(visit: Visit) -> web.StreamResponse:
    """How the pages look for me."""
    form = await visit.form()
    language = form.get("language", "") if form.get("language", "") in LANGUAGES else ""
    theme = form.get("theme", "") if form.get("theme", "") in THEMES else ""
    await visit.gateway.store.people.choose_look(visit.someone.person.id, language, theme)
    return visit.go("/profile", said="saved")


async def change_password(visit: Visit) -> web.StreamResponse:
    """Another password: the present one must be known, and everywhere else I am signed out."""
    form, person = await visit.form(), visit.someone.person
    password = form.get("password", "")
    known, wait = await try_password(visit, person.name, form.get("present", ""))
    if known is None:
        return await _page(visit, "wait" if wait else "wrong", wait, 429 if wait else 422)
    problem = problem_with(password, person.name)
    if not problem and password != form.get("again", ""):
        problem = "differ"
    if problem:
        return await _page(visit, problem, status=422)
    hashed = await visit.front.passwords.hash(password)
    deed = visit.deed("password-changed")
    await visit.gateway.store.people.change_password(person.id, hashed, visit.someone.key, deed)
    secret = await let_in(visit, person, visit.account, "signed-in", visit.someone.way)
    return with_secret(visit, visit.go("/profile", said="password-changed"), secret)


PAGES: Final = (
    Page(path="/profile", show=show, under="profile"),
    Page(path="/profile/look", show=look, method="POST", under="profile"),
    Page(path="/profile/password", show=change_password, method="POST", under="profile"),
)
