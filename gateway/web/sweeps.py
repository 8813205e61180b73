"""``/v1/sweeps``: look every customer of the account up anew, and see what is different since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.errors import NotFound
from gateway.model.identifiers import AccountId
from gateway.model.sweep import FOUND, GONE, Change, Difference, Sweep, SweepId
from gateway.model.view import moment
from gateway.web.answers import answer, page_of
from gateway.web.auth import account_of
from gateway.web.problem import bad_request
from gateway.web.query import Query, paging

if TYPE_CHECKING:
    from gateway.app import Gateway


@dataclass(frozen=True, slots=True)
class Sweeps:
    """The calls on sweeps of the caller's account."""

    gateway: Gateway

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.post("/v1/sweeps", self.begin),
            web.get("/v1/sweeps", self.find),
            web.get("/v1/sweeps/{id}", self.show),
        ]

    async def begin(self, request: web.Request) -> web.Response:
        """Begin one (202), or give the one that goes on already (200)."""
        account = await self._account(request, Query(request, "account"))
        sweep, new = await self.gateway.sweeping.begin(account, f"api {account_of(request)}")
        headers = {"Location": f"/v1/sweeps/{sweep.id}"}
        return answer(show(sweep), status=202 if new else 200, headers=headers)

    async def find(self, request: web.Request) -> web.Response:
        """A page, newest first."""
        query = Query(request, "account", "limit", "cursor")
        limit, cursor = paging(query)
        account = await self._account(request, query)
        found, following = await self.gateway.store.sweeps.find(account, limit, cursor)
        return page_of([show(one) for one in found], following)

    async def show(self, request: web.Request) -> web.Response:
        """How far it is, and a page of its report."""
        query = Query(request, "account", "limit", "cursor")
        limit, cursor = paging(query)
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 18):
            raise bad_request("query:cursor", "There is no such cursor; begin again without one.", cursor[:40])
        account, id_ = await self._account(request, query), SweepId(request.match_info["id"])
        one = await self.gateway.store.sweeps.get(account, id_)
        lines, following = await self.gateway.store.sweeps.differences(account, id_, limit, int(cursor or 0))
        report = [show_difference(line) for line in lines]
        return answer({**show(one), "differences": report, "next": str(following) if following else None})

    async def _account(self, request: web.Request, query: Query) -> AccountId:
        """The caller's, or the one that the operator names."""
        own, named = account_of(request), query.text("account")
        if not named or named == own:
            return own
        if own != await self.gateway.store.operation.operator():
            raise NotFound("There is no such account")
        return AccountId(named)


def show(one: Sweep) -> dict[str, object]:
    """The sweep object."""
    return {
        "id": one.id,
        "kind": str(one.kind),
        "state": str(one.state),
        "actor": one.actor or None,
        "total": max(one.total, one.done),
        "done": one.done,
        "asked": one.asked,
        "found": one.count(*FOUND),
        "lost": one.count(*GONE),
        "moved": one.count(Change.MOVED),
        "doubted": one.count(Change.DOUBTED),
        "certificates": one.count(Change.CERTIFICATE),
        "unknown": one.count(Change.UNKNOWN),
        "questions": one.questions,
        "requests": one.requests,
        "due": moment(one.due),
        "started": moment(one.started),
        "ended": moment(one.ended),
        "created": moment(one.created),
        "updated": moment(one.updated),
    }


def show_difference(line: Difference) -> dict[str, object]:
    """One line of the report."""
    return {
        "counterpart": line.counterpart,
        "name": line.name,
        "change": str(line.change),
        "participant": line.participant or None,
        "before": line.before or None,
        "after": line.after or None,
        "text": line.en,
        "text_sv": line.sv,
        "time": moment(line.time),
    }
