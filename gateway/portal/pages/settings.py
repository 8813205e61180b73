"""Settings: the companies that receive here, the people of the account, the keys of its business systems."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.app import KEY_PREFIX
from gateway.errors import InvalidAddress, NotFound
from gateway.model.identifiers import ParticipantId
from gateway.model.message import Participant
from gateway.model.person import PersonId, Role
from gateway.model.schemes import read_own
from gateway.model.status import is_provider
from gateway.portal.visit import Entry, Page, Visit
from gateway.web.invitation import CODE_HOLDS, code_path, hash_secret, new_secret, read_name
from gateway.web.problem import Problem

ADMIN: Final = frozenset({Role.ADMIN})
ROLES: Final = tuple(Role)
_LONGEST: Final = 120


# -- companies


async def companies(visit: Visit) -> web.StreamResponse:
    """Our own participants, and where each stands on its way onto the network."""
    return await _companies(visit)


async def _companies(visit: Visit, problem: str = "", typed: str = "", status: int = 200) -> web.Response:
    store = visit.gateway.store
    ways = {way.participant: way for way in await store.registrations(visit.account)}
    rows = [
        (one, ways.get(one.id), _standing(ways.get(one.id)))
        for one in await store.participants(visit.account)
        if not is_provider(one.id)
    ]
    return visit.render(
        "settings.html",
        status=status,
        rows=rows,
        problem=problem,
        typed=typed,
        deliveries=tuple(visit.gateway.config.delivery),
        may=visit.role in ADMIN,
    )


def _standing(way: object) -> str:
    if way is None:
        return "none"
    complete, stopped = getattr(way, "complete", False), getattr(way, "stopped", False)
    return "done" if complete else "stopped" if stopped else "waiting"


async def add_company(visit: Visit) -> web.StreamResponse:
    """Bring a company onto the network: what is not done at once goes on by itself."""
    form, gateway = await visit.form(), visit.gateway
    typed, delivery = form.get("number", "").strip(), form.get("delivery", "default")
    if delivery not in gateway.config.delivery:
        raise Problem("invalid-value", "There is no such delivery.")
    try:
        strict = gateway.config.network.kind != "private"
        known = read_own(typed, gateway.clock.now().date(), strict=strict).participant
    except InvalidAddress as error:
        return await _companies(visit, f"{error}. {error.remedy}", typed, 422)
    participant = Participant(
        id=known,
        account=visit.account,
        name=form.get("name", "").strip()[:_LONGEST],
        country=gateway.config.operator.country,
        delivery=delivery,
    )
    await gateway.publish(participant)
    await gateway.store.people.note(visit.deed("company-added", known.value, participant.name))
    return visit.go("/settings", said="company-added")


async def remove_company(visit: Visit) -> web.StreamResponse:
    """Take a company off the network; what it has received stays."""
    try:
        wanted = ParticipantId.parse((await visit.form()).get("number", ""))
    except InvalidAddress:
        raise NotFound("There is no such company.") from None
    found = await visit.gateway.store.participant(wanted)
    if found is None or found.account != visit.account:
        raise NotFound("There is no such company.")
    await visit.gateway.unpublish(visit.account, wanted)
    await visit.gateway.store.people.note(visit.deed("company-removed", wanted.value))
    return visit.go("/settings", said="company-removed")


# -- people


async def people(visit: Visit) -> web.StreamResponse:
    """Everybody in the account."""
    return await _people(visit)


async def _people(
    visit: Visit, *, link: str = "", name: str = "", problem: str = "", status: int = 200
) -> web.Response:
    members = await visit.gateway.store.people.members(visit.account)
    provider, subjects = visit.front.provider, {}
    four_eyes = await visit.gateway.store.reviews.four_eyes(visit.account)
    if provider is not None:
        ids = [one.person for one in members]
        subjects = dict(await visit.gateway.store.identities.subjects(provider.settings.issuer, ids))
    return visit.render(
        "people.html",
        status=status,
        members=members,
        subjects=subjects,
        four_eyes=four_eyes,
        roles=ROLES,
        link=link,
        name=name,
        problem=problem,
    )


def _link(visit: Visit, code: str) -> str:
    url = visit.gateway.config.portal.url.rstrip("/") or f"{visit.request.scheme}://{visit.request.host}"
    return url + code_path(code)


async def add_person(visit: Visit) -> web.StreamResponse:
    """Add somebody; who is new gets a one-time link, shown once."""
    form = await visit.form()
    name, role = read_name(form.get("name", "")), form.get("role", "")
    if not name or role not in ROLES:
        return await _people(visit, name=form.get("name", ""), problem="name", status=422)
    code, ends = new_secret(), visit.gateway.clock.now() + CODE_HOLDS
    deed = visit.deed("user-added", name, role)
    fresh = await visit.gateway.store.people.add(name, Role(role), hash_secret(code), ends, deed)
    if not fresh:
        return visit.go("/settings/people", said="saved")
    return await _people(visit, link=_link(visit, code), name=name)


async def reset_person(visit: Visit) -> web.StreamResponse:
    """A new one-time link for somebody; until it is used they cannot sign in."""
    name = read_name((await visit.form()).get("name", ""))
    code, ends = new_secret(), visit.gateway.clock.now() + CODE_HOLDS
    await visit.gateway.store.people.reset(name, hash_secret(code), ends, visit.deed("user-reset", name))
    return await _people(visit, link=_link(visit, code), name=name)


async def change_person(visit: Visit) -> web.StreamResponse:
    """Another role for somebody, or out of the account."""
    form = await visit.form()
    name, role = read_name(form.get("name", "")), form.get("role", "")
    person = await visit.gateway.store.people.named(name)
    if person is None or role not in (*Role, "none"):
        raise NotFound("There is no such person in this account.")
    new = None if role == "none" else Role(role)
    deed = visit.deed("user-changed" if new else "user-removed", name, role if new else "")
    await visit.gateway.store.people.change_role(PersonId(person.id), new, deed)
    return visit.go("/settings/people", said="saved")


async def want_four_eyes(visit: Visit) -> web.StreamResponse:
    """Whether two people release a changed bank account."""
    on = (await visit.form()).get("four-eyes") == "yes"
    await visit.gateway.store.reviews.want_four_eyes(on, visit.deed("four-eyes-on" if on else "four-eyes-off"))
    return visit.go("/settings/people", said="saved")


# -- keys


async def keys(visit: Visit) -> web.StreamResponse:
    """The API keys of the account."""
    return await _keys(visit)


async def _keys(visit: Visit, made: str = "") -> web.Response:
    return visit.render("keys.html", keys=await visit.gateway.store.people.keys(visit.account), made=made)


async def add_key(visit: Visit) -> web.StreamResponse:
    """A new key, shown once."""
    name = (await visit.form()).get("name", "").strip()[:_LONGEST]
    key = KEY_PREFIX + new_secret()
    await visit.gateway.store.people.add_key(hash_secret(key), name, visit.deed("key-added", name))
    return await _keys(visit, key)


async def remove_key(visit: Visit) -> web.StreamResponse:
    """Take a key away; a business system that uses it is refused within a second."""
    wanted = (await visit.form()).get("key", "")
    known = {key.hash: key for key in await visit.gateway.store.people.keys(visit.account)}
    name = known[wanted].name if wanted in known else ""
    await visit.gateway.store.people.remove_key(wanted, visit.deed("key-removed", name or wanted[:12]))
    return visit.go("/settings/keys", said="key-removed")


def _form(path: str, do: object) -> Page:
    return Page(path=f"/settings/{path}", show=do, method="POST", who=ADMIN, under="settings")  # type: ignore[arg-type]


PAGES: Final = (
    Page(path="/settings", show=companies, who=ADMIN, entry=Entry(name="settings", order=80)),
    Page(path="/settings/people", show=people, who=ADMIN, under="settings"),
    Page(path="/settings/keys", show=keys, who=ADMIN, under="settings"),
    _form("companies/add", add_company),
    _form("companies/remove", remove_company),
    _form("people/add", add_person),
    _form("people/reset", reset_person),
    _form("people/change", change_person),
    _form("people/four-eyes", want_four_eyes),
    _form("keys/add", add_key),
    _form("keys/remove", remove_key),
)
