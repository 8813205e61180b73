"""Statistics: how many documents went as data, as PDF and on paper, what it cost, and what paper would have cost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from aiohttp import web

from gateway.model.costs import MonthlyCost, electronic_share, is_electronic, month_before, month_of
from gateway.model.person import Role
from gateway.model.prices import CHANNELS, DEFAULT, Price, read_price
from gateway.portal.shapes import Shapes
from gateway.portal.visit import Entry, Page, Visit
from gateway.web.problem import bad_request

WAYS: Final = ("electronic", "pdf", "paper")
"""What a document was, in the order of the bars from below; each has a class of the style sheet."""
_KINDS: Final = {"peppol": "electronic", "operator": "electronic", "email": "pdf", "pdf": "pdf"}
_MONTHS: Final = 12
_HIGH: Final = 180
"""Units of the chart for the highest bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One part of a bar."""

    way: str
    documents: int
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One month of the chart."""

    month: str
    label: str
    documents: int
    share: int | None
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way over the whole time, for the table of money."""

    channel: str
    direction: str
    documents: int
    amount: Decimal
    paper: Decimal
    currency: str


def way_of(channel: str) -> str:
    """``electronic``, ``pdf`` or ``paper``."""
    return _KINDS.get(channel.partition(":")[0], "paper")


def last_months(last: str, count: int = _MONTHS) -> list[str]:
    """So many months up to this one, the oldest first."""
    found = [last]
    while len(found) < count:
        found.append(month_before(found[-1]))
    return found[::-1]


def bars_of(months: Sequence[str], costs: Sequence[MonthlyCost], shapes: Shapes) -> list[Bar]:
    """The chart: a bar for each month, its pieces from below in the order of ``WAYS``."""
    highest = max((sum(one.documents for one in costs if one.month == month) for month in months), default=0) or 1
    bars = []
    for month in months:
        mine = [one for one in costs if one.month == month]
        top, pieces = float(_HIGH), []
        for way in WAYS:
            documents = sum(one.documents for one in mine if way_of(one.channel) == way)
            height = round(documents * _HIGH / highest, 2)
            top -= height
            if documents:
                pieces.append(Piece(way=way, documents=documents, y=round(top, 2), height=height))
        bars.append(
            Bar(
                month=month,
                label=shapes.month(month),
                documents=sum(one.documents for one in mine),
                share=electronic_share(mine),
                pieces=tuple(pieces),
            )
        )
    return bars


def rows_of(costs: Sequence[MonthlyCost]) -> list[Row]:
    """The money of each way, dearest first."""
    keys = sorted({(one.direction, one.channel, one.currency) for one in costs})
    rows = []
    for direction, channel, currency in keys:
        mine = [o for o in costs if (o.direction, o.channel, o.currency) == (direction, channel, currency)]
        rows.append(
            Row(
                channel=channel,
                direction=str(direction),
                documents=sum(one.documents for one in mine),
                amount=sum((one.amount for one in mine), Decimal(0)),
                paper=sum((one.paper for one in mine), Decimal(0)),
                currency=currency,
            )
        )
    return sorted(rows, key=lambda row: (row.direction, -row.amount))


async def show(visit: Visit) -> web.StreamResponse:
    """The last twelve months."""
    today = visit.shapes.now.astimezone(visit.shapes.zone).date()
    months = last_months(month_of(today))
    costs = await visit.gateway.store.money.months(visit.account, months[0], months[-1])
    currencies = sorted({one.currency for one in costs})
    sums = [
        (
            currency,
            sum((one.amount for one in costs if one.currency == currency), Decimal(0)),
            sum((one.saved for one in costs if one.currency == currency), Decimal(0)),
        )
        for currency in currencies
    ]
    documents = sum(one.documents for one in costs)
    return visit.render(
        "statistics.html",
        bars=bars_of(months, costs, visit.shapes),
        rows=rows_of(costs),
        sums=sums,
        documents=documents,
        electronic=sum(one.documents for one in costs if is_electronic(one.channel)),
        paper=sum(one.documents for one in costs if way_of(one.channel) == "paper"),
        own=bool(await visit.gateway.store.money.prices(visit.account)),
        months=months[::-1],
        ways=WAYS,
    )


async def basis(visit: Visit) -> web.StreamResponse:
    """What one month is invoiced for, line by line."""
    month = visit.request.query.get("month", "") or month_of(visit.shapes.now.date())
    if not re.fullmatch(r"20[0-9]{2}-(?:0[1-9]|1[0-2])", month, re.ASCII):
        raise bad_request("query:month", "A month is written as 2026-11.")
    lines = await visit.gateway.store.money.basis(visit.account, month)
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line.currency] = sums.get(line.currency, Decimal(0)) + line.amount
    return visit.render("basis.html", month=visit.shapes.month(month, whole=True), lines=lines, sums=sums)


async def prices(visit: Visit) -> web.StreamResponse:
    """The price list, dated, with the steps that a larger electronic share reaches."""
    own = await visit.gateway.store.money.prices(visit.account)
    today = visit.shapes.now.astimezone(visit.shapes.zone).date()
    last = month_before(month_of(today))
    share = electronic_share(await visit.gateway.store.money.months(visit.account, last, last))
    return visit.render(
        "prices.html",
        own=bool(own),
        prices=own or DEFAULT,
        share=share,
        today=today,
        channels=CHANNELS,
        may_change=visit.role is Role.ADMIN,
    )


async def add_price(visit: Visit) -> web.StreamResponse:
    """One more price, or another amount for the same channel, country, day and share."""
    new = _price_of(await visit.form())
    money = visit.gateway.store.money
    own = await money.prices(visit.account) or DEFAULT
    same = (new.channel, new.country, new.since, new.share)
    kept = [one for one in own if (one.channel, one.country, one.since, one.share) != same]
    await money.save_prices(visit.account, [*kept, new], visit.someone.person.name)
    detail = f"{new.channel} {new.country} {new.since} {new.share} %: {new.amount} {new.currency}"
    await visit.gateway.store.people.note(visit.deed("priced", detail=detail))
    return visit.go("/prices", said="saved")


def _price_of(form: Mapping[str, str]) -> Price:
    """The price that the form tells, as people write amounts; raises a ``Problem`` that names the field."""
    item = {name: form.get(name, "").strip() for name in ("channel", "since")}
    item["country"], item["currency"] = (form.get(name, "").strip().upper() for name in ("country", "currency"))
    item["share"], item["currency"] = form.get("share", "").strip() or "0", item["currency"] or "SEK"
    item["amount"] = form.get("amount", "").replace(" ", "").replace("\u00a0", "").replace(",", ".")
    read = read_price(item)
    if isinstance(read, Price):
        return read
    field, text = read
    raise bad_request(f"form:{field}", text)


PAGES: Final = (
    Page(path="/statistics", show=show, entry=Entry(name="statistics", order=60)),
    Page(path="/statistics/basis", show=basis, under="statistics"),
    Page(path="/prices", show=prices, under="statistics"),
    Page(path="/prices", show=add_price, method="POST", who=frozenset({Role.ADMIN}), under="statistics"),
)
