"""``/v1/addresses``: addresses that failed, by mail or post, and are not used until somebody says they are good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.model.addresses import FailedAddress, FailedId
from gateway.model.view import moment
from gateway.routing.addresses import REMEDY, why_not
from gateway.web.answers import page_of
from gateway.web.auth import account_of
from gateway.web.query import Query, no_query, paging

if TYPE_CHECKING:
    from gateway.app import Gateway


@dataclass(frozen=True, slots=True)
class Addresses:
    """The calls on failed addresses of the caller's account."""

    gateway: Gateway

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [web.get("/v1/addresses", self.find), web.delete("/v1/addresses/{id}", self.lift)]

    async def find(self, request: web.Request) -> web.Response:
        """Those that are not used now, the newest first."""
        limit, cursor = paging(Query(request, "limit", "cursor"))
        found, following = await self.gateway.store.addresses.listed(account_of(request), limit, cursor)
        return page_of([show(one) for one in found], following)

    async def lift(self, request: web.Request) -> web.Response:
        """It is good: the next invoice goes there again."""
        no_query(request)
        account, id_ = account_of(request), FailedId(request.match_info["id"])
        await self.gateway.outbound.addresses.lift(account, id_, f"api {account}")
        return web.Response(status=204)


def show(one: FailedAddress) -> dict[str, object]:
    """The failed address: JSON values only."""
    why, (remedy_sv, remedy) = why_not(one), REMEDY[one.channel]
    return {
        "id": one.id,
        "channel": one.channel,
        "address": one.address,
        "cause": str(one.cause),
        "said": one.said or None,
        "reason": why.en,
        "reason_sv": why.sv,
        "remedy": remedy,
        "remedy_sv": remedy_sv,
        "document": one.document or None,
        "counterpart": one.counterpart or None,
        "since": moment(one.since),
    }
