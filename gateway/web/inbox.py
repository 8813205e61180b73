"""``/v1/inbox``: how C4 fetches what came for it, and says that it has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.errors import NotFound, StateError
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import State
from gateway.model.message import Direction
from gateway.model.view import describe
from gateway.ports import Filter
from gateway.web.answers import answer, page_of
from gateway.web.auth import account_of
from gateway.web.documents import ID
from gateway.web.problem import Problem
from gateway.web.query import Query, no_query, paging

if TYPE_CHECKING:
    from gateway.app import Gateway

SOON: Final = "Acknowledge what GET /v1/inbox gives; ask again in a second."


@dataclass(frozen=True, slots=True)
class Inbox:
    """The calls on inbound documents of the caller's account."""

    gateway: Gateway

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [web.get("/v1/inbox", self.find), web.post(f"/v1/inbox/{ID}/ack", self.acknowledge)]

    async def find(self, request: web.Request) -> web.Response:
        """``state=new``: what nobody has acknowledged yet; ``state=all``: everything that came in."""
        query = Query(request, "state", "limit", "cursor")
        new = query.one_of("state", "new", ("new", "all")) == "new"
        limit, cursor = paging(query)
        which = Filter(
            direction=Direction.IN,
            states=(State.RECEIVED,) if new else (),
            unacknowledged=new,
            idle=new,
            limit=limit,
            cursor=cursor,
        )
        messages, following = await self.gateway.store.find(account_of(request), which)
        return page_of([describe(message) for message in messages], following)

    async def acknowledge(self, request: web.Request) -> web.Response:
        """C4 has it; twice is once."""
        no_query(request)
        account, wanted = account_of(request), DocumentId(request.match_info["id"])
        before = await self.gateway.store.get(account, wanted)
        if before.direction is not Direction.IN:
            raise NotFound("There is no such document in the inbox: it was sent from here")
        if before.state is State.RECEIVED and before.next_attempt is not None and before.acknowledged is None:
            raise Problem("conflict", "The document is not in the inbox yet: it is still in work here.", remedy=SOON)
        try:
            message = await self.gateway.store.acknowledge(account, wanted)
        except StateError:
            raise Problem("conflict", f"The document is {before.state} and cannot be acknowledged.") from None
        return answer(describe(message))
