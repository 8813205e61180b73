"""``/v1/events``: everything that happened in the account, by cursor; the same objects as webhooks send.

For systems behind a firewall: ask with the ``next`` of the last answer, as often as you like. The order is that in
which things were stored; an event is given again only to who asks for it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.model.happening import event_id, event_type, happening
from gateway.model.message import Message, TimelineEntry
from gateway.model.view import describe, describe_entry
from gateway.web.answers import answer
from gateway.web.auth import account_of
from gateway.web.problem import bad_request
from gateway.web.query import Query

if TYPE_CHECKING:
    from gateway.app import Gateway

_NOW: Final = "now"
_ONCE: Final = "Received"
"""What happens to a document but once: its event has the id that a webhook gives it."""


@dataclass(frozen=True, slots=True)
class Events:
    """The call on events of the caller's account."""

    gateway: Gateway

    def routes(self) -> list[web.RouteDef]:
        """Where the call stands."""
        return [web.get("/v1/events", self.find)]

    async def find(self, request: web.Request) -> web.Response:
        """Events after the cursor, oldest first; ``after=now`` gives the cursor of this moment."""
        query = Query(request, "after", "limit")
        limit = query.number("limit", 50, 1, 200)
        text = query.text("after")
        if text == _NOW:
            return answer({"items": [], "next": str(await self.gateway.store.latest())})
        if text and not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise bad_request("query:after", "after is the “next” of an earlier answer, or now.", text)
        rows, last = await self.gateway.store.happened(account_of(request), int(text or 0), limit)
        return answer({"items": [_event(*row) for row in rows], "next": str(last)})


def _event(number: int, message: Message, entry: TimelineEntry) -> dict[str, object]:
    name = event_id(message.id, entry.event, 0 if entry.event == _ONCE else number)
    data = {"document": describe(message), "event": describe_entry(entry)}
    return happening(name, event_type(entry.event), entry.time, data)
