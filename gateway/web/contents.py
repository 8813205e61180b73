"""What a document is and what proves its way: ``content``, ``page.pdf``, ``evidence.zip``.

Everything is sent as an attachment under a name made here; nothing that an invoice says becomes active in a browser.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import ETag, web

from gateway.errors import InvalidDocument, NotFound, Overloaded
from gateway.model.identifiers import DocumentId
from gateway.model.message import Direction, Message, PayloadKind
from gateway.ubl import page
from gateway.ubl.page_words import Language
from gateway.ubl.submission import read_submission
from gateway.web import evidence
from gateway.web.auth import account_of
from gateway.web.documents import ID
from gateway.web.problem import Problem
from gateway.web.query import Query, no_query

if TYPE_CHECKING:
    from gateway.app import Gateway

LANGUAGES: Final[dict[str, Language]] = {"sv": "sv", "en": "en"}
_GZIP: Final = b"\x1f\x8b"
_AT_ONCE: Final = 2
_QUEUE: Final = 20
_ENVELOPE_GROWTH: Final = 2
"""An envelope is at most so many times the largest message: a packed part may not unpack to more."""


@dataclass(slots=True)
class Contents:
    """The calls that give octets of documents of the caller's account."""

    gateway: Gateway
    _heavy: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _queued: int = 0

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.get(f"/v1/documents/{ID}/content", self.content),
            web.get(f"/v1/documents/{ID}/page.pdf", self.page),
            web.get(f"/v1/documents/{ID}/evidence.zip", self.evidence),
        ]

    async def content(self, request: web.Request) -> web.StreamResponse:
        """The octets of the document, or with ``form=sbd`` of the whole business envelope."""
        form = Query(request, "form").one_of("form", "document", ("document", "sbd"))
        message = await self._message(request)
        if form == "document":
            octets = await self.gateway.store.payload(message.id, PayloadKind.DOCUMENT)
            return _attachment(request, octets, "application/xml", _file_name(message, "xml"))
        limit = self.gateway.config.as4.max_message * _ENVELOPE_GROWTH
        part = await self.gateway.store.payload(message.id, PayloadKind.PART)
        octets = await asyncio.to_thread(_unpacked, part, limit)
        return _attachment(request, octets, "application/xml", _file_name(message, "sbd.xml"))

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The readable page as PDF/A-3 with the document embedded."""
        word = Query(request, "language").one_of("language", "", ("", *LANGUAGES))
        language = LANGUAGES.get(word)  # None: as the document suggests
        message = await self._message(request)
        octets = await self.gateway.store.payload(message.id, PayloadKind.DOCUMENT)
        async with self._turn():
            pdf = await asyncio.to_thread(_render, octets, message.direction, language)
        return _attachment(request, pdf, "application/pdf", _file_name(message, "pdf"))

    async def evidence(self, request: web.Request) -> web.StreamResponse:
        """Everything that proves what happened, with a manifest of digests."""
        no_query(request)
        message, store = await self._message(request), self.gateway.store
        async with self._turn():
            document = await store.payload(message.id, PayloadKind.DOCUMENT)
            try:
                part = await store.payload(message.id, PayloadKind.PART)
            except NotFound:
                part = b""  # never sent over the network
            proofs = await store.evidence(message.account, message.id)
            timeline = await store.timeline(message.account, message.id)
            octets = await asyncio.to_thread(evidence.write, message, timeline, document, part, proofs)
        return _attachment(request, octets, "application/zip", _file_name(message, "evidence.zip"))

    async def _message(self, request: web.Request) -> Message:
        return await self.gateway.store.get(account_of(request), DocumentId(request.match_info["id"]))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Two heavy answers are made at once, a few wait, more get 503."""
        if self._queued >= _QUEUE:
            raise Overloaded("Too many pages and evidence files are being made at once.")
        self._queued += 1
        try:
            async with self._heavy:
                yield
        finally:
            self._queued -= 1


def _render(octets: bytes, direction: Direction, language: Language | None) -> bytes:
    """The page of the document, which is cut out first where a whole envelope was handed in."""
    try:
        document = read_submission(octets).document if direction is Direction.OUT else octets
        return page.render(document, language=language)
    except InvalidDocument:
        raise NotFound(
            "There is no readable page: the document is neither invoice nor credit note.",
            remedy="Fetch its content instead.",
        ) from None


def _unpacked(part: bytes, limit: int) -> bytes:
    if not part.startswith(_GZIP):
        return part
    inflater = zlib.decompressobj(wbits=31)
    octets = inflater.decompress(part, limit)
    if not inflater.eof:
        text = f"The envelope unpacks to more than {limit:,} octets."
        raise Problem("conflict", text, remedy="Take it, packed as it is, from evidence.zip.")
    return octets


def _file_name(message: Message, ending: str) -> str:
    """A file name of plain letters only, whatever the document's number looks like."""
    number = re.sub(r"[^A-Za-z0-9._-]+", "-", message.number).strip(".-")[:60]
    return f"{number or 'document'}-{message.id[:8]}.{ending}"


def _attachment(request: web.Request, octets: bytes, media_type: str, name: str) -> web.StreamResponse:
    """The octets with the SHA-256 as ETag; 304 for a caller who has them."""
    digest = hashlib.sha256(octets).hexdigest()
    wanted = request.if_none_match
    response: web.StreamResponse
    if wanted and any(tag.value in ("*", digest) for tag in wanted):
        response = web.Response(status=304)
    else:
        response = web.Response(body=octets, content_type=media_type)
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.etag = ETag(digest)
    return response
