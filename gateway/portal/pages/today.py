"""Today: what needs a person, what came and went, and how much of it was electronic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from gateway.model.costs import is_electronic
from gateway.model.message import Direction, Filter
from gateway.portal.pages.documents import Line, other_party
from gateway.portal.telling import tell
from gateway.portal.visit import Entry, Page, Visit
from gateway.ports.people import Counted

_WAITING: Final = 8
_LATEST: Final = 6
_DAYS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How documents went out: for each way its number, and where its piece of the bar begins and how wide it is."""

    rows: tuple[tuple[str, int, float, float], ...]
    total: int
    electronic: int


def share_of(counted: Counted) -> Share:
    """Of what has gone out by a chosen way; what is still looking for one is not in it."""
    ways: dict[str, int] = {}
    electronic = 0
    for (direction, channel, _), number in counted.rows.items():
        if direction == Direction.OUT and channel:
            name = channel if channel in ("peppol", "email", "print") else "other"
            ways[name] = ways.get(name, 0) + number
            electronic += number if is_electronic(channel) else 0
    total, left, rows = sum(ways.values()), 0.0, []
    for name in ("peppol", "email", "print", "other"):
        if number := ways.get(name, 0):
            rows.append((name, number, round(left, 2), round(100 * number / total, 2)))
            left += 100 * number / total
    return Share(rows=tuple(rows), total=total, electronic=electronic)


def _sum(rows: Mapping[tuple[str, str, str], int], direction: Direction) -> int:
    return sum(number for (which, _, _), number in rows.items() if which == direction)


async def show(visit: Visit) -> web.StreamResponse:
    """The first page."""
    store, account = visit.gateway.store, visit.account
    midnight = _midnight(visit)
    today = await store.overview.counted(account, midnight)
    month = await store.overview.counted(account, midnight - timedelta(days=_DAYS))
    waiting = await store.overview.waiting(account, _WAITING + 1)
    latest, _ = await store.find(account, Filter(limit=_LATEST))
    return visit.render(
        "today.html",
        account_name=next(place.name for place in visit.someone.places if place.account == account),
        waiting=[Line(message=m, told=tell(visit, m), other=other_party(m)) for m in waiting[:_WAITING]],
        more=len(waiting) > _WAITING,
        latest=[Line(message=m, told=tell(visit, m), other=other_party(m)) for m in latest],
        came=_sum(today.rows, Direction.IN),
        went=_sum(today.rows, Direction.OUT),
        month_came=_sum(month.rows, Direction.IN),
        month_went=_sum(month.rows, Direction.OUT),
        share=share_of(month),
        days=_DAYS,
    )


def _midnight(visit: Visit) -> datetime:
    return visit.shapes.now.astimezone(visit.shapes.zone).replace(hour=0, minute=0, second=0, microsecond=0)


PAGES: Final = (Page(path="/", show=show, entry=Entry(name="today", order=10)),)
