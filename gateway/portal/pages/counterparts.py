"""Counterparts: who gets what and why, filtered in the database; add, edit, remove; the register as a file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from gateway.errors import Conflict, NotFound
from gateway.exchange.registering import Registering
from gateway.model.counterpart import (
    Acceptance,
    Counterpart,
    CounterpartFilter,
    CounterpartId,
    Listed,
    PartyKind,
    Quality,
    Role,
)
from gateway.model.message import Route
from gateway.model.relating import RelationState
from gateway.portal.telling import CHANNEL_SIGNS, Tone
from gateway.portal.visit import WORKERS, Entry, Page, Visit
from gateway.routing.customer_file import write_file
from gateway.routing.fields import WAYS, Problem, read_fields

SHOWN: Final = 50
CHANNELS: Final = ("peppol", "email", "print", "none")
ONLY: Final = ("proposal", "unsure", "opt_out", "bad_address")
STATES: Final = tuple(str(state) for state in RelationState)
STATE_TONES: Final[dict[str, Tone]] = {
    "active": "good",
    "verified": "good",
    "proposed": "wait",
    "suspect": "care",
    "quarantined": "care",
    "lost": "bad",
}
VERDICT_TONES: Final[dict[str, Tone]] = {
    "positive": "good",
    "authoritative_negative": "bad",
    "indeterminate": "care",
}
FIELDS: Final[tuple[str, ...]] = (
    *("number", "name", "other_names", "country", "kind", "org_number", "vat_number", "gln", "participant"),
    *("email", "street", "additional", "attention", "postal_code", "city", "language", "route", "preferred"),
    *("acceptance", "mandate", "note"),
)
ONE: Final = "/counterparts/{id:[0-9A-Za-z-]{1,64}}"
_MOST_TEXT: Final = 100
_EXPORT_MOST: Final = 50_000
_SIGNS: Final = {**CHANNEL_SIGNS, "none": "question"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which counterparts; what no page of ours asks for counts as not asked."""

    role: Role = Role.CUSTOMER
    channel: str = ""
    state: str = ""
    only: str = ""
    text: str = ""
    cursor: str = ""

    @classmethod
    def read(cls, visit: Visit) -> Wanted:
        """Of the address of the page."""
        return cls.of(visit.request.query)

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Wanted:
        """Of an address or a form."""
        get = given.get

        def known(name: str, words: tuple[str, ...]) -> str:
            return get(name, "") if get(name, "") in words else ""

        text = "".join(c for c in get("q", "") if c.isprintable()).strip()
        return cls(
            role=Role.SUPPLIER if get("role", "") == Role.SUPPLIER else Role.CUSTOMER,
            channel=known("channel", CHANNELS),
            state=known("state", STATES),
            only=known("only", ONLY),
            text=text[:_MOST_TEXT],
            cursor=get("cursor", "")[:64],
        )

    @property
    def filter(self) -> CounterpartFilter:
        return CounterpartFilter(
            role=self.role,
            query=self.text,
            channel=self.channel,
            state=self.state,
            proposal=self.only == "proposal",
            unsure=self.only == "unsure",
            opt_out=self.only == "opt_out",
            bad_address=self.only == "bad_address",
            limit=SHOWN,
            cursor=self.cursor,
        )

    @property
    def fields(self) -> dict[str, str]:
        """What stands in an address or a form."""
        role = str(self.role) if self.role is Role.SUPPLIER else ""
        values = {"role": role, "channel": self.channel, "state": self.state, "only": self.only, "q": self.text}
        return {name: value for name, value in values.items() if value}

    def path(self, **other: str) -> str:
        """The page's address with something else in it; always from the first page on."""
        wanted = {name: value for name, value in (self.fields | other).items() if value}
        return f"/counterparts?{urlencode(wanted)}" if wanted else "/counterparts"

    @property
    def narrowed(self) -> bool:
        return bool(self.channel or self.state or self.only or self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row in words."""

    listed: Listed
    channel: str
    channel_sign: str
    state: str
    tone: Tone


def line_of(visit: Visit, one: Listed) -> Line:
    """The row of one."""
    return Line(
        listed=one,
        channel=channel_word(visit, one.channel, one.counterpart.role),
        channel_sign=_SIGNS.get(one.channel, "send"),
        state=visit.t(f"relation.{one.state}"),
        tone=STATE_TONES.get(one.state, ""),
    )


def channel_word(visit: Visit, channel: str, role: Role) -> str:
    """The usual way as people say it."""
    if channel == "none":
        return visit.t("counterparts.no-way-in" if role is Role.SUPPLIER else "counterparts.no-way")
    return visit.word(f"channel.{channel}", channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How an account's customers get their invoices: word, number, and the piece of the bar."""

    rows: tuple[tuple[str, int, float, float], ...]
    total: int


async def show(visit: Visit) -> web.StreamResponse:
    """A page of counterparts by name."""
    wanted, rows = Wanted.read(visit), visit.gateway.store.relations
    try:
        found, following = await rows.listed(visit.account, wanted.filter)
    except NotFound:  # a cursor that is none: begin at the first page
        return visit.go(wanted.path())
    return visit.render(
        "counterparts.html",
        wanted=wanted,
        lines=[line_of(visit, one) for one in found],
        following=wanted.path(cursor=following) if following else "",
        channels=CHANNELS,
        states=STATES,
        only=ONLY,
        spread=_spread(await rows.spread(visit.account, wanted.role)),
        verdict_tones=VERDICT_TONES,
    )


def _spread(numbers: Mapping[str, int]) -> Spread:
    total, left, rows = sum(numbers.values()), 0.0, []
    for channel in CHANNELS:
        if number := numbers.get(channel, 0):
            rows.append((channel, number, round(left, 2), round(100 * number / total, 2)))
            left += 100 * number / total
    return Spread(rows=tuple(rows), total=total)


# -- one more, or another way for one


async def new(visit: Visit) -> web.StreamResponse:
    """The empty form."""
    role = Role.SUPPLIER if visit.request.query.get("role") == Role.SUPPLIER else Role.CUSTOMER
    return _form(visit, None, {"role": str(role), "country": visit.gateway.config.operator.country})


async def edit(visit: Visit) -> web.StreamResponse:
    """The form of one."""
    one = await counterpart_of(visit)
    return _form(visit, one, values_of(one))


def values_of(one: Counterpart) -> dict[str, str]:
    """What the form shows of one that is there."""
    own = {number.scheme: number.value for number in one.identifiers if number.origin == "master_data"}
    return {
        "role": str(one.role),
        "number": one.number,
        "name": one.name,
        "other_names": " | ".join(one.names),
        "country": one.country,
        "kind": str(one.kind),
        "org_number": own.get("0007", ""),
        "gln": own.get("0088", ""),
        "email": one.email,
        "street": one.address.street,
        "additional": one.address.additional,
        "attention": one.address.attention,
        "postal_code": one.address.postal_code,
        "city": one.address.city,
        "language": one.language,
        "route": str(one.route),
        "preferred": one.preferred,
        "acceptance": str(one.acceptance),
        "mandate": one.mandate,
        "note": one.note,
        "updated": one.updated.isoformat(),
        **{f"not-{way}": "yes" if way in one.opt_out else "" for way in WAYS},
    }


def _form(
    visit: Visit, one: Counterpart | None, values: dict[str, str], problems: tuple[Problem, ...] = (), clash: str = ""
) -> web.Response:
    place = visit.language
    wrong = {problem.column: problem.sv if place == "sv" else problem.en for problem in problems if problem.fatal}
    return visit.render(
        "counterpart-form.html",
        status=422 if wrong else 409 if clash else 200,
        one=one,
        values=values,
        wrong=wrong,
        other=[text for column, text in wrong.items() if column not in FIELDS],
        clash=clash,
        kinds=tuple(PartyKind),
        routes=tuple(Route),
        acceptances=tuple(Acceptance),
        ways=WAYS,
    )


async def add(visit: Visit) -> web.StreamResponse:
    """Enter a new one; a number that is there already is said to be."""
    form = dict(await visit.form())
    role = Role.SUPPLIER if form.get("role") == Role.SUPPLIER else Role.CUSTOMER
    number = form.get("number", "").strip()
    if number and await visit.gateway.store.relations.numbered(visit.account, role, [number]):
        return _form(visit, None, form, clash=visit.t("counterpart.number-taken", number=number))
    return await _save(visit, form, role, None)


async def change(visit: Visit) -> web.StreamResponse:
    """Change one; what somebody else changed since the form was opened is not overwritten."""
    one, form = await counterpart_of(visit), dict(await visit.form())
    if form.get("updated", "") != one.updated.isoformat():
        return _form(visit, one, {**form, "updated": one.updated.isoformat()}, clash=visit.t("counterpart.changed"))
    return await _save(visit, form, one.role, one)


async def _save(visit: Visit, form: dict[str, str], role: Role, before: Counterpart | None) -> web.StreamResponse:
    fields: dict[str, str] = {name: form[name] for name in FIELDS if name in form}
    fields["opt_out"] = "|".join(way for way in WAYS if form.get(f"not-{way}"))
    draft, problems = read_fields(fields, role)
    if any(problem.fatal for problem in problems):
        return _form(visit, before, form, tuple(problems))
    values = dict(draft.values)
    if before is not None and values.get("email") != before.email:
        values["email_quality"] = Quality.UNKNOWN
    if before is not None and any(fields.get(part, "") != getattr(before.address, part) for part in _LETTER):
        values["address_quality"] = Quality.UNKNOWN
    gateway = visit.gateway
    registering = Registering(store=gateway.store, clock=gateway.clock)
    try:
        after, fresh = await registering.save(visit.account, replace(draft, values=values), before)
    except Conflict as error:
        return _form(visit, before, form, clash=str(error))
    await gateway.store.people.note(visit.deed(f"counterpart-{'added' if fresh else 'changed'}", after.id, after.name))
    return visit.go(f"/counterparts/{after.id}", said="saved")


_LETTER: Final = ("street", "additional", "attention", "postal_code", "city")


async def counterpart_of(visit: Visit) -> Counterpart:
    """The one that the address names, of this account. Raises ``NotFound``."""
    id_ = CounterpartId(visit.request.match_info["id"])
    return await visit.gateway.store.relations.counterpart(visit.account, id_)


# -- the register as a file


async def export(visit: Visit) -> web.StreamResponse:
    """The list as it is filtered, as CSV."""
    wanted, rows = Wanted.read(visit), visit.gateway.store.relations
    which, found = replace(wanted.filter, limit=200, cursor=""), list[Counterpart]()
    while len(found) < _EXPORT_MOST:
        page, cursor = await rows.counterparts(visit.account, which)
        found += page
        if not cursor:
            break
        which = replace(which, cursor=cursor)
    octets = await asyncio.to_thread(write_file, found)
    await visit.gateway.store.people.note(visit.deed("counterparts-exported", detail=str(len(found))))
    headers = {"Content-Disposition": f'attachment; filename="{wanted.role}s.csv"'}
    return web.Response(body=octets, content_type="text/csv", charset="utf-8", headers=headers)


PAGES: Final = (
    Page(path="/counterparts", show=show, entry=Entry(name="counterparts", order=30)),
    Page(path="/counterparts/new", show=new, who=WORKERS, under="counterparts"),
    Page(path="/counterparts/add", show=add, method="POST", who=WORKERS, under="counterparts"),
    Page(path="/counterparts/export.csv", show=export, under="counterparts"),
    Page(path=f"{ONE}/edit", show=edit, who=WORKERS, under="counterparts"),
    Page(path=f"{ONE}/change", show=change, method="POST", who=WORKERS, under="counterparts"),
)
