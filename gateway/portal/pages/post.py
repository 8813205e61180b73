"""Print and mail: batches and letters with what became of each, letters that came back, mails and what was heard."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from gateway.errors import NotFound, StateError
from gateway.model.addresses import FailedAddress, FailedId
from gateway.model.letter import STEPS, Letter, LetterFilter, LetterId, LetterState, ReturnReason
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Filter, Message
from gateway.portal.pages.documents import Line, other_party
from gateway.portal.telling import Told, Tone, tell
from gateway.portal.visit import WORKERS, Entry, Page, Visit
from gateway.ports import CameBack
from gateway.routing.addresses import why_not

SHOWN: Final = 50
_BATCHES: Final = 30
_COUNTED: Final = 1_000
"""Letters of a batch whose prices are added up."""
_STEP: Final = 200
_MOST_TEXT: Final = 100
_S: Final = LetterState
LETTER_TONES: Final[dict[LetterState, Tone]] = {
    _S.RENDERED: "wait",
    _S.PREFLIGHT_OK: "wait",
    _S.PREFLIGHT_FAILED: "bad",
    _S.BATCHED: "wait",
    _S.SUBMITTED: "wait",
    _S.ACCEPTED: "wait",
    _S.REJECTED: "bad",
    _S.PRINTED: "wait",
    _S.ENVELOPED: "wait",
    _S.POSTED: "good",
    _S.RETURNED: "bad",
    _S.ASSUMED_DELIVERED: "good",
}
_WAITING: Final = (_S.RENDERED, _S.PREFLIGHT_OK, _S.BATCHED)
_AT_PRINTER: Final = (_S.SUBMITTED, _S.ACCEPTED, _S.PRINTED, _S.ENVELOPED)
_GONE: Final = (_S.POSTED, _S.ASSUMED_DELIVERED)
_TROUBLE: Final = (_S.PREFLIGHT_FAILED, _S.REJECTED)
GROUPS: Final = {"waiting": _WAITING, "printer": _AT_PRINTER, "gone": _GONE, "trouble": _TROUBLE} | {
    "returned": (_S.RETURNED,)
}
MAIL_TONES: Final[dict[str, Tone]] = {
    "hard": "bad",
    "soft": "bad",
    "complaint": "bad",
    "delivered": "good",
    "delay": "wait",
    "unclear": "care",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a batch holds, added up."""

    letters: int
    sheets: int
    pages: int
    grams: int
    prices: tuple[tuple[str, Decimal], ...]
    """By currency."""
    complete: bool
    """Whether every letter was counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Something that was heard of a mail, and where its document is now."""

    row: CameBack
    word: str
    tone: Tone
    event: str
    told: Told
    other: str


# -- batches and letters


async def show(visit: Visit) -> web.StreamResponse:
    """How many letters are where, and the latest batches."""
    letters = visit.gateway.store.letters
    counts = await letters.counts(visit.account)
    return visit.render(
        "post.html",
        tab="batches",
        groups=[(name, sum(counts.get(state, 0) for state in states)) for name, states in GROUPS.items()],
        batches=await letters.batches(visit.account, _BATCHES),
        tones=LETTER_TONES,
    )


async def letters(visit: Visit) -> web.StreamResponse:
    """Letters, the latest first: of a group of states, of a batch, or those that a text finds."""
    query = visit.request.query
    group = query.get("group", "") if query.get("group", "") in GROUPS else ""
    batch = "".join(c for c in query.get("batch", "") if c.isprintable())[:200]
    text = "".join(c for c in query.get("q", "") if c.isprintable()).strip()[:_MOST_TEXT]
    wanted = LetterFilter(states=GROUPS.get(group, ()), batch=batch, query=text, limit=SHOWN)
    here = {name: value for name, value in (("group", group), ("batch", batch), ("q", text)) if value}
    store = visit.gateway.store.letters
    cursor = query.get("cursor", "")[:200]
    try:
        found, following = await store.letters(visit.account, replace(wanted, cursor=cursor))
    except NotFound:  # a cursor that is none: begin at the first page
        return visit.go("/post/letters", **here)
    returned = group == "returned"
    return visit.render(
        "letters.html",
        tab="returned" if returned else "letters",
        rows=found,
        tones=LETTER_TONES,
        group=group,
        group_options=[("", visit.t("documents.any")), *((name, visit.t(f"post.group-{name}")) for name in GROUPS)],
        batch=batch,
        text=text,
        totals=await _totals(visit, batch) if batch and found else None,
        reasons=await _reasons(visit) if returned else (),
        following=f"/post/letters?{urlencode({**here, 'cursor': following})}" if following else "",
        first=f"/post/letters?{urlencode(here)}" if cursor else "",
    )


async def _totals(visit: Visit, batch: str) -> Totals:
    rows, complete = await _many(visit, LetterFilter(batch=batch, limit=_STEP))
    prices: dict[str, Decimal] = {}
    for one in rows:
        if one.price is not None:
            prices[one.currency] = prices.get(one.currency, Decimal(0)) + one.price
    return Totals(
        letters=len(rows),
        sheets=sum(one.sheets for one in rows),
        pages=sum(one.pages for one in rows),
        grams=sum(one.grams for one in rows),
        prices=tuple(sorted(prices.items())),
        complete=complete,
    )


async def _reasons(visit: Visit) -> list[tuple[str, int]]:
    """Why letters came back, the most frequent first."""
    rows, _ = await _many(visit, LetterFilter(states=(_S.RETURNED,), limit=_STEP))
    return Counter(str(one.returned or ReturnReason.OTHER) for one in rows).most_common()


async def _many(visit: Visit, wanted: LetterFilter) -> tuple[list[Letter], bool]:
    """Letters of several pages, and whether these are all."""
    found: list[Letter] = []
    while len(found) < _COUNTED:
        rows, cursor = await visit.gateway.store.letters.letters(visit.account, wanted)
        found += rows
        if not cursor:
            return found, True
        wanted = replace(wanted, cursor=cursor)
    return found, False


async def letter(visit: Visit) -> web.StreamResponse:
    """One letter: where it is, what proves it, and the return that somebody holds."""
    return await _letter(visit)


async def _letter(visit: Visit, problem: str = "", status: int = 200) -> web.Response:
    store = visit.gateway.store
    id_ = LetterId(visit.request.match_info["id"])
    one = await store.letters.letter(visit.account, id_)
    history = await store.letters.history(visit.account, id_)
    try:
        document: Message | None = await store.get(visit.account, one.document)
    except NotFound:  # erased
        document = None
    return visit.render(
        "letter.html",
        status=status,
        letter=one,
        tone=LETTER_TONES[one.state],
        history=[(row, LETTER_TONES[row.state]) for row in reversed(history)],
        document=document,
        told=tell(visit, document) if document else None,
        may_return=visit.may_work and _S.RETURNED in STEPS[one.state],
        reasons=tuple(ReturnReason),
        today=visit.shapes.now.astimezone(visit.shapes.zone).date(),
        problem=problem,
    )


async def come_back(visit: Visit) -> web.StreamResponse:
    """Somebody holds the letter: its address is believed no more, and its document needs a decision."""
    form = await visit.form()
    id_ = LetterId(visit.request.match_info["id"])
    note = form.get("note", "").strip()
    if form.get("reason") not in tuple(ReturnReason) or len(note) > 200 or not note.isprintable():
        return await _letter(visit, visit.t("post.return-wrong"), 422)
    when = _day(visit, form.get("date", ""))
    if isinstance(when, str):
        return await _letter(visit, when, 422)
    reason = ReturnReason(form["reason"])
    actor = visit.someone.person.name
    try:
        await visit.gateway.post_room.returned(visit.account, id_, reason, note, actor, when)
    except StateError:
        return await _letter(visit, visit.t("post.return-not-now"), 409)
    await visit.gateway.store.people.note(visit.deed("letter-returned", id_, f"{reason} {note}".strip()))
    return visit.go(f"/post/letters/{id_}", said="letter-returned")


def _day(visit: Visit, text: str) -> datetime | str | None:
    """The day of the form at noon, or what is wrong with it."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007  the zone is the visitor's, in the next line
    except ValueError:
        return visit.t("post.date-wrong")
    when = day.replace(hour=0, tzinfo=visit.shapes.zone)
    return visit.t("post.date-wrong") if when > visit.shapes.now else when


# -- mails


async def mails(visit: Visit) -> web.StreamResponse:
    """Mails that may still come back, what was heard of others, addresses that get no mail for now."""
    store = visit.gateway.store
    open_ = Filter(direction=Direction.OUT, states=(State.DISPATCHED,), channel="email", limit=SHOWN)
    waiting, more = await store.find(visit.account, open_)
    heard = await store.mail.came_back(visit.account, SHOWN)
    mail = visit.gateway.mail
    window: timedelta | None = mail.bounces.window if mail else None
    return visit.render(
        "mails.html",
        tab="mails",
        waiting=[
            (Line(message=m, told=tell(visit, m), other=other_party(m)), m.updated + window if window else None)
            for m in waiting
        ],
        more=bool(more),
        hears=mail is not None,
        hours=int(window.total_seconds() // 3600) if window else 0,
        heard=[_heard(visit, row) for row in heard],
        closed=[(one, _why(visit, one)) for one in (await store.addresses.listed(visit.account, SHOWN, ""))[0]],
    )


def _heard(visit: Visit, row: CameBack) -> Heard:
    return Heard(
        row=row,
        word=visit.word(f"post.mail-{row.kind}", row.kind),
        tone=MAIL_TONES.get(row.kind, ""),
        event=visit.word(f"event.{row.event}", row.event) if row.event != "Noted" else "",
        told=tell(visit, row.message),
        other=other_party(row.message),
    )


def _why(visit: Visit, one: FailedAddress) -> str:
    why = why_not(one)
    return why.sv if visit.language == "sv" else why.en


async def release(visit: Visit) -> web.StreamResponse:
    """The address gets mail or letters again from the next invoice on."""
    id_ = FailedId((await visit.form()).get("id", ""))
    await visit.gateway.outbound.addresses.lift(visit.account, id_, visit.someone.person.name)
    await visit.gateway.store.people.note(visit.deed("address-released", id_))
    return visit.go("/post/mails", said="address-released")


_LETTER: Final = "/post/letters/{id:letter-[^/]{1,200}}"
PAGES: Final = (
    Page(path="/post", show=show, entry=Entry(name="print", order=50)),
    Page(path="/post/letters", show=letters, under="print"),
    Page(path=_LETTER, show=letter, under="print"),
    Page(path=f"{_LETTER}/return", show=come_back, method="POST", who=WORKERS, under="print"),
    Page(path="/post/mails", show=mails, under="print"),
    Page(path="/post/mails/release", show=release, method="POST", who=WORKERS, under="print"),
)
