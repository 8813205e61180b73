"""``/v1/statistics``, ``/v1/prices``: what documents cost, how many go as data, and what paper would have cost."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.model.costs import MonthlyCost, electronic_share, is_electronic, month_of
from gateway.model.prices import DEFAULT, Price, read_price
from gateway.web.answers import answer
from gateway.web.auth import account_of
from gateway.web.body import Intake, read_json
from gateway.web.problem import bad_request
from gateway.web.query import Query, no_query

if TYPE_CHECKING:
    from gateway.app import Gateway

_MONTH: Final = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])", re.ASCII)
_MOST_PRICES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Statistics:
    """The calls on money of the caller's account."""

    gateway: Gateway
    intake: Intake

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.get("/v1/statistics", self.show),
            web.get("/v1/statistics/basis", self.basis),
            web.get("/v1/prices", self.prices),
            web.put("/v1/prices", self.replace),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Documents, cost and electronic share by month, channel and direction; the last twelve months by default."""
        query = Query(request, "from", "to")
        this = self.gateway.clock.now().date()
        last = _month(query, "to", month_of(this))
        first = _month(query, "from", month_of(this.replace(year=this.year - 1, day=1)))
        if first > last:
            raise bad_request("query:from", "from is a month before to.", first)
        found = await self.gateway.store.money.months(account_of(request), first, last)
        return answer(describe_months(first, last, found))

    async def basis(self, request: web.Request) -> web.Response:
        """What one month is invoiced for, a line for each price; as CSV where that is asked for."""
        query = Query(request, "month")
        month = _month(query, "month", month_of(self.gateway.clock.now().date()))
        lines = await self.gateway.store.money.basis(account_of(request), month)
        rows = [
            {
                "direction": str(line.direction),
                "channel": line.channel,
                "country": line.country,
                "documents": line.documents,
                "price": str(line.price),
                "amount": str(line.amount),
                "currency": line.currency,
            }
            for line in lines
        ]
        if "text/csv" not in request.headers.get("Accept", ""):
            return answer({"month": month, "lines": rows})
        text = io.StringIO()
        writer = csv.DictWriter(
            text, ["direction", "channel", "country", "documents", "price", "amount", "currency"], lineterminator="\r\n"
        )
        writer.writeheader()
        writer.writerows(rows)
        return web.Response(text=text.getvalue(), content_type="text/csv", charset="utf-8")

    async def prices(self, request: web.Request) -> web.Response:
        """The account's price list; ``own`` is false while the example figures count."""
        no_query(request)
        own = await self.gateway.store.money.prices(account_of(request))
        return answer({"own": bool(own), "items": [_describe_price(one) for one in own or DEFAULT]})

    async def replace(self, request: web.Request) -> web.Response:
        """Replace the price list: ``{"items": [{channel, country, since, share, amount, currency, note}]}``."""
        no_query(request)
        account = account_of(request)
        body = await read_json(self.intake, request)
        items = body.get("items")
        if not isinstance(items, list) or len(items) > _MOST_PRICES:
            raise bad_request("/items", f"items is a list of at most {_MOST_PRICES} prices.")
        prices = [_read_price(place, item) for place, item in enumerate(items)]
        keys = [(one.channel, one.country, one.since, one.share) for one in prices]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise bad_request(f"/items/{place}", "There are two prices for this channel, country, day and share.")
        await self.gateway.store.money.save_prices(account, prices, f"account {account}")
        return answer({"own": bool(prices), "items": [_describe_price(one) for one in prices or DEFAULT]})


def describe_months(first: str, last: str, found: Sequence[MonthlyCost]) -> dict[str, object]:
    """Statistics as the API gives them."""
    return {
        "from": first,
        "to": last,
        "items": [
            {
                "month": one.month,
                "direction": str(one.direction),
                "channel": one.channel,
                "electronic": is_electronic(one.channel),
                "documents": one.documents,
                "cost": str(one.amount),
                "paper_cost": str(one.paper),
                "saved": str(one.saved),
                "currency": one.currency,
            }
            for one in found
        ],
        "months": [_summary(month, list(rows)) for month, rows in groupby(found, key=lambda one: one.month)],
        "total": _summary("", found),
    }


def _summary(month: str, rows: Sequence[MonthlyCost]) -> dict[str, object]:
    money: dict[str, dict[str, str]] = {}
    for currency in sorted({one.currency for one in rows}):
        of = [one for one in rows if one.currency == currency]
        cost, paper = sum((one.amount for one in of), Decimal(0)), sum((one.paper for one in of), Decimal(0))
        money[currency] = {"cost": str(cost), "paper_cost": str(paper), "saved": str(paper - cost)}
    named = {"month": month} if month else {}
    return {
        **named,
        "documents": sum(one.documents for one in rows),
        "electronic_share": electronic_share(rows),
        "money": money,
    }


def _month(query: Query, name: str, default: str) -> str:
    value = query.text(name) or default
    if not _MONTH.fullmatch(value):
        raise bad_request(f"query:{name}", f"{name} is a month such as 2026-11.", value)
    return value


def _describe_price(one: Price) -> dict[str, object]:
    return {
        "channel": one.channel,
        "country": one.country,
        "since": one.since.isoformat(),
        "share": one.share,
        "amount": str(one.amount),
        "currency": one.currency,
        "note": one.note,
    }


def _read_price(place: int, item: object) -> Price:
    read = read_price(item)
    if isinstance(read, Price):
        return read
    field, text = read
    raise bad_request(f"/items/{place}{f'/{field}' if field else ''}", text)
