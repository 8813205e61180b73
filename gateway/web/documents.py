"""``/v1/documents``: hand in, list, look at, put back to work, send anew."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import HttpVersion11, web

from gateway.errors import Conflict, StateError
from gateway.files.spool import Place
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.lifecycle import STATUS, Event, State
from gateway.model.message import Direction, Message, Route
from gateway.model.octets import Octets
from gateway.model.view import describe, describe_entry
from gateway.ports import Added, Filter
from gateway.ubl import bill, bill_json
from gateway.web.answers import answer, page_of
from gateway.web.auth import account_of
from gateway.web.body import Intake, refuse_packing
from gateway.web.problem import Problem, bad_request
from gateway.web.query import Query, no_query, paging
from gateway.web.shares import leave

if TYPE_CHECKING:
    from gateway.app import Gateway

ID: Final = r"{id:[A-Za-z0-9-]{1,64}}"
MAX_WAIT: Final = 60
_XML: Final = ("application/xml", "text/xml")
_MODEL: Final = "application/json"
_MODEL_LIMIT: Final = 20_000_000
"""Octets of an invoice as JSON, with what is attached."""
_QUICK: Final = 4_000
"""So many octets of JSON are written as UBL in less time than handing them to a thread is worth."""
_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")
_LONGEST_PAUSE: Final = 1.0
"""Seconds after which a waiting caller looks again by itself: another process may have done the work."""
_WAITERS: Final = 500
_COME_AGAIN_SECONDS: Final = 60
"""While nothing new is taken: a disk is not emptied in seconds."""


@dataclass(slots=True)
class Documents:
    """The calls on documents of the caller's account."""

    gateway: Gateway
    intake: Intake
    _in_work: set[tuple[AccountId, str]] = field(default_factory=set)
    _waiting: int = 0
    _closing: bool = False
    _writing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.post("/v1/documents", self.submit, expect_handler=self._expected),
            web.get("/v1/documents", self.find),
            web.get(f"/v1/documents/{ID}", self.show),
            web.get(f"/v1/documents/{ID}/timeline", self.timeline),
            web.post(f"/v1/documents/{ID}/requeue", self.requeue),
            web.post(f"/v1/documents/{ID}/resend", self.resend),
            web.post(f"/v1/documents/{ID}/redeliver", self.redeliver),
        ]

    async def close(self, _: web.Application) -> None:
        """The node drains: whoever waits for an outcome gets the answer that is true now."""
        self._closing = True

    async def submit(self, request: web.Request) -> web.Response:
        """Accept a document: 202 once it is on disk, later only if ``wait`` says so."""
        self._admit()
        account, query = account_of(request), Query(request, "route", "wait")
        route = query.member("route", Route.AUTO)
        wait = query.number("wait", 0, 0, MAX_WAIT)
        key = idempotency_key(request)
        _refuse_other_types(request)
        async with self._handed_in(request) as (octets, place):
            with self._one_at_a_time(account, key):
                try:
                    added = await self.gateway.outbound.submit(
                        account, octets, route=route, idempotency_key=key, place=place
                    )
                except Conflict as error:
                    raise Problem("contradiction", str(error), remedy=error.remedy) from None
        leave(request)
        message = await self._settled(account, added.message, wait)
        return _accepted(added, message)

    @asynccontextmanager
    async def _handed_in(self, request: web.Request) -> AsyncIterator[tuple[Octets, Place | None]]:
        """The document: as it comes, or written here from the JSON model."""
        if request.content_type != _MODEL:
            async with self.intake.take_document(request) as document:
                yield document
            return
        async with self.intake.take(request, limit=min(_MODEL_LIMIT, self.intake.limit)) as body:
            octets = write_bill(body) if len(body) <= _QUICK else await self._written(body)
            async with self.intake.keep(octets) as document:
                yield document

    async def _written(self, body: bytes) -> bytes:
        """Large ones are written one after the other: each may take a hundred times its size in memory."""
        async with self._writing:
            return await asyncio.to_thread(write_bill, body)

    async def find(self, request: web.Request) -> web.Response:
        """A page of documents, newest first."""
        query = Query(request, "direction", "state", "q", "limit", "cursor")
        direction = query.one_of("direction", "", ("", *Direction))
        limit, cursor = paging(query)
        which = Filter(
            direction=Direction(direction) if direction else None,
            states=query.several("state", State),
            query=query.text("q"),
            limit=limit,
            cursor=cursor,
        )
        messages, following = await self.gateway.store.find(account_of(request), which)
        return page_of([describe(message) for message in messages], following)

    async def show(self, request: web.Request) -> web.Response:
        """One document."""
        no_query(request)
        return answer(describe(await self._message(request)))

    async def timeline(self, request: web.Request) -> web.Response:
        """Everything that happened to it, oldest first."""
        no_query(request)
        entries = await self.gateway.store.timeline(account_of(request), DocumentId(request.match_info["id"]))
        return page_of([describe_entry(entry) for entry in entries])

    async def requeue(self, request: web.Request) -> web.Response:
        """Back to work under the same ids, for a document that ended in trouble."""
        no_query(request)
        message = await self._message(request)
        event = Event(name="Requeued", reason="Requeued over the API", next_attempt=self.gateway.clock.now())
        try:
            if message.state is State.DELIVERED:
                raise StateError("it has arrived")
            after = await self.gateway.store.record(message, event)
        except StateError:
            now = await self._message(request)
            raise Problem(
                "conflict",
                f"The document is {now.state}; only FAILED, REJECTED and UNKNOWN documents can be requeued.",
                remedy="Wait for its own next attempt if it is queued; use resend for a new message.",
            ) from None
        return answer(describe(after), status=202)

    async def resend(self, request: web.Request) -> web.Response:
        """The stored content as a new document with new ids, linked to the old one."""
        no_query(request)
        self._admit()
        message, key = await self._message(request), idempotency_key(request)
        if message.direction is not Direction.OUT:
            raise Problem("conflict", "The document came in; only documents that were handed in here can be sent anew.")
        if STATUS[message.state] == "queued":
            raise Problem(
                "conflict",
                f"The document is {message.state}: it is still on its way, a second one would be a duplicate.",
                remedy="Wait until it has ended.",
            )
        with self._one_at_a_time(message.account, f"{message.id} {key}"):
            added = await self.gateway.outbound.resend(message, key=key)
        return _accepted(added, added.message)

    async def _expected(self, request: web.Request) -> None:
        """Ask a caller who waits with its body for it (RFC 9110 10.1.1), unless nothing new is taken."""
        if request.version < HttpVersion11:
            return
        if request.headers.get("Expect", "").lower() != "100-continue":
            raise web.HTTPExpectationFailed
        if self.gateway.door.refusal() is None:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the answer itself has not begun

    def _admit(self) -> None:
        """Refuse before the body is read while nothing new is taken."""
        if refusal := self.gateway.door.refusal():
            headers = {"Retry-After": str(_COME_AGAIN_SECONDS)}
            raise Problem("unavailable", refusal.peer_text, headers=headers, close=True)

    async def redeliver(self, request: web.Request) -> web.Response:
        """Once more to the receiver's system (C4), under the same delivery id."""
        no_query(request)
        try:
            after = await self.gateway.inbound.redeliver(await self._message(request))
        except Conflict as error:
            raise Problem("conflict", str(error), remedy=error.remedy) from None
        except StateError:
            raise Problem(
                "conflict", "The document is on its way already.", remedy="Wait for its own next attempt."
            ) from None
        return answer(describe(after), status=202)

    async def _message(self, request: web.Request) -> Message:
        return await self.gateway.store.get(account_of(request), DocumentId(request.match_info["id"]))

    def _one_at_a_time(self, account: AccountId, key: str) -> _Turn:
        return _Turn(self._in_work, (account, key) if key else None)

    async def _settled(self, account: AccountId, message: Message, seconds: int) -> Message:
        """The document as it is once it is no longer queued, or when the time is over."""
        if self._waiting >= _WAITERS:
            return message  # the promise is 202 after the commit; waiting is a courtesy
        until = time.monotonic() + seconds
        self._waiting += 1
        try:
            with self.gateway.store.watch(message.id) as bell:
                while (
                    STATUS[message.state] == "queued" and (left := until - time.monotonic()) > 0 and not self._closing
                ):
                    changed = await bell.wait(min(left, _LONGEST_PAUSE))
                    message = changed or await self.gateway.store.get(account, message.id)
        finally:
            self._waiting -= 1
        return message


@dataclass(slots=True)
class _Turn:
    """While it is held, the same key cannot be worked on twice in this process."""

    in_work: set[tuple[AccountId, str]]
    key: tuple[AccountId, str] | None

    def __enter__(self) -> None:
        if self.key is None:
            return
        if self.key in self.in_work:
            raise Problem("still-running", "A request with this key is still in work.", headers={"Retry-After": "1"})
        self.in_work.add(self.key)

    def __exit__(self, *_: object) -> None:
        if self.key is not None:
            self.in_work.discard(self.key)


def idempotency_key(request: web.Request) -> str:
    """The ``Idempotency-Key`` header, or empty text; raises ``invalid-request``."""
    values = request.headers.getall("Idempotency-Key", [])
    if not values:
        return ""
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        raise bad_request("header:Idempotency-Key", "Idempotency-Key is one text of 1 to 255 printable ASCII signs.")
    return values[0]


def _refuse_other_types(request: web.Request) -> None:
    refuse_packing(request)
    if request.content_type in (*_XML, _MODEL):
        return
    detail = (
        "Documents are taken as application/xml (a UBL Invoice or CreditNote, or a whole business envelope, SBD) "
        "and as application/json (the invoice model)."
    )
    raise Problem("unsupported-type", detail, headers={"Accept": ", ".join((*_XML, _MODEL))}, close=True)


def write_bill(body: bytes) -> bytes:
    """The UBL document of an invoice as JSON. Raises ``InvalidDocument``."""
    return bill.write(bill_json.read(body))


def _accepted(added: Added, message: Message) -> web.Response:
    headers = {"Location": f"/v1/documents/{message.id}"}
    if not added.new:
        headers["Idempotent-Replay"] = "true"
    return answer(describe(message), status=202, headers=headers)
