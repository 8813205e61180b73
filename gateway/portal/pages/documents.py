"""Documents: what came and what went, filtered, searched, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from gateway.errors import NotFound
from gateway.model.lifecycle import STATUS
from gateway.model.message import Direction, Filter, Message
from gateway.portal.telling import Told, tell
from gateway.portal.visit import Entry, Page, Visit

SHOWN: Final = 50
STATUSES: Final = ("queued", "delivered", "needs_attention", "failed")
CHANNELS: Final = ("peppol", "email", "print", "scan", "pdf")
_MOST_TEXT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which documents; what no page of ours asks for counts as not asked."""

    direction: str = ""
    status: str = ""
    channel: str = ""
    text: str = ""
    cursor: str = ""

    @classmethod
    def read(cls, visit: Visit) -> Wanted:
        """Of the address of the page."""
        query = visit.request.query

        def known(name: str, words: tuple[str, ...]) -> str:
            return query.get(name, "") if query.get(name, "") in words else ""

        text = "".join(c for c in query.get("q", "") if c.isprintable()).strip()
        return cls(
            direction=known("direction", ("in", "out")),
            status=known("status", STATUSES),
            channel=known("channel", CHANNELS),
            text=text[:_MOST_TEXT],
            cursor=query.get("cursor", "")[:200],
        )

    @property
    def filter(self) -> Filter:
        return Filter(
            direction=Direction(self.direction) if self.direction else None,
            states=tuple(state for state, status in STATUS.items() if status == self.status),
            channel=self.channel,
            query=self.text,
            limit=SHOWN,
            cursor=self.cursor,
        )

    def path(self, **other: str) -> str:
        """The page's address with something else in it; always from the first page on."""
        values = {"direction": self.direction, "status": self.status, "channel": self.channel, "q": self.text}
        wanted = {name: value for name, value in (values | other).items() if value}
        return f"/documents?{urlencode(wanted)}" if wanted else "/documents"

    @property
    def narrowed(self) -> bool:
        return bool(self.direction or self.status or self.channel or self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row: the document and what is said of it."""

    message: Message
    told: Told
    other: str
    """The other company."""


def other_party(message: Message) -> str:
    """The name of the company at the other end, or its address."""
    out = message.direction is Direction.OUT
    return (message.buyer_name or message.receiver) if out else (message.seller_name or message.sender)


async def show(visit: Visit) -> web.StreamResponse:
    """A page of documents, the latest first."""
    wanted = Wanted.read(visit)
    try:
        messages, following = await visit.gateway.store.find(visit.account, wanted.filter)
    except NotFound:  # a cursor that is none: begin at the first page
        return visit.go(wanted.path())
    lines = [Line(message=m, told=tell(visit, m), other=other_party(m)) for m in messages]
    return visit.render(
        "documents.html",
        wanted=wanted,
        lines=lines,
        following=wanted.path(cursor=following) if following else "",
        statuses=STATUSES,
        channels=CHANNELS,
    )


PAGES: Final = (Page(path="/documents", show=show, entry=Entry(name="documents", order=20)),)
