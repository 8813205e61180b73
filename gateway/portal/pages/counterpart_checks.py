"""Many counterparts looked up at once: chosen ones or a whole list, with how far it is and what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from gateway.exchange.checking import MOST
from gateway.model.counterpart import CounterpartFilter, CounterpartId, Listed, Role
from gateway.model.sweep import FOUND, GONE, Change, SweepId
from gateway.portal.pages.counterpart import foreseeing_of
from gateway.portal.pages.counterparts import VERDICT_TONES, Line, Wanted, line_of
from gateway.portal.visit import WORKERS, Page, Visit

_PAGE: Final = 200
RESULTS: Final = ("positive", "authoritative_negative", "indeterminate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it is."""

    total: int
    waiting: int
    """Those that have no answer yet."""
    without: int
    """Those that have no number that could be asked for."""
    counts: dict[str, int]

    @property
    def done(self) -> int:
        return self.total - self.waiting


async def begin(visit: Visit) -> web.StreamResponse:
    """Ask about the chosen ones, or about the whole list as it was filtered."""
    form, rows = await visit.form(), visit.gateway.store.relations
    wanted = Wanted.of(form)
    chosen = tuple(CounterpartId(name[4:]) for name in form if name.startswith("one-"))[:_PAGE]
    if form.get("what") != "all" and not chosen:
        return visit.go(wanted.path(), said="nothing-chosen")
    if form.get("what") == "all" and wanted.role is Role.CUSTOMER and not wanted.narrowed:
        sweep, new = await visit.gateway.sweeping.begin(visit.account, visit.someone.person.name)
        if new:
            await visit.gateway.store.people.note(visit.deed("counterparts-checked", sweep.id))
        return visit.go(f"/counterparts/sweeps/{sweep.id}")
    which = replace(wanted.filter, cursor="", among=() if form.get("what") == "all" else chosen)
    ids = await rows.listed_ids(visit.account, which, MOST)
    if not visit.gateway.checking.begin(visit.account, ids, foreseeing_of(visit)):
        return visit.go(wanted.path(), said="check-goes-on")
    await visit.gateway.store.people.note(visit.deed("counterparts-checked", detail=str(len(ids))))
    fields = wanted.fields | ({"among": ",".join(which.among)} if which.among else {})
    since = visit.gateway.clock.now().astimezone(UTC).strftime("%Y%m%d%H%M%S")
    return visit.go(f"/counterparts/checks?{urlencode({**fields, 'since': since})}")


async def show(visit: Visit) -> web.StreamResponse:
    """How far it is, and what came: the newest answer of each since it began."""
    query = visit.request.query
    try:
        since = datetime.strptime(query.get("since", ""), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return visit.go("/counterparts")
    wanted = Wanted.read(visit)
    among = tuple(CounterpartId(word) for word in query.get("among", "").split(",") if word)[:_PAGE]
    found = await _all(visit, replace(wanted.filter, among=among, limit=_PAGE, cursor=""))
    asked = [one for one in found if one.counterpart.addresses]
    fresh = [one for one in asked if one.asked is not None and one.asked >= since]
    progress = Progress(
        total=len(found),
        waiting=len(asked) - len(fresh),
        without=len(found) - len(asked),
        counts={verdict: sum(one.verdict == verdict for one in fresh) for verdict in RESULTS},
    )
    lines: list[tuple[Line, str]] = [(line_of(visit, one), one.verdict) for one in sorted(fresh, key=_surest_first)]
    return visit.render(
        "counterpart-checks.html",
        wanted=wanted,
        progress=progress,
        lines=lines,
        going=progress.waiting > 0 and visit.gateway.checking.going(visit.account),
        again=str(visit.request.rel_url),
        verdict_tones=VERDICT_TONES,
        results=RESULTS,
    )


async def sweep(visit: Visit) -> web.StreamResponse:
    """All customers at once: how far it is, and what is different since the last time."""
    id_, rows = SweepId(visit.request.match_info["id"]), visit.gateway.store.sweeps
    one = await rows.get(visit.account, id_)
    lines, _ = await rows.differences(visit.account, id_, _PAGE, 0)
    return visit.render(
        "counterpart-sweep.html",
        sweep=one,
        total=max(one.total, one.done),
        going=one.ended is None,
        appeared=one.count(*FOUND),
        gone=one.count(*GONE),
        unknown=one.count(Change.UNKNOWN),
        lines=lines,
        again=visit.request.path,
    )


def _surest_first(one: Listed) -> tuple[int, str]:
    return RESULTS.index(one.verdict), one.counterpart.name.casefold()


async def _all(visit: Visit, which: CounterpartFilter) -> Sequence[Listed]:
    found: list[Listed] = []
    while len(found) < MOST:
        page, cursor = await visit.gateway.store.relations.listed(visit.account, which)
        found += page
        if not cursor:
            break
        which = replace(which, cursor=cursor)
    return found[:MOST]


PAGES: Final = (
    Page(path="/counterparts/check", show=begin, method="POST", who=WORKERS, under="counterparts"),
    Page(path="/counterparts/sweeps/{id:[0-9a-f]{32}}", show=sweep, under="counterparts"),
    Page(path="/counterparts/checks", show=show, under="counterparts"),
)
