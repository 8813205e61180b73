"""What a document is and what proves its way: ``content``, ``page.pdf``, ``evidence.zip``.

Everything is sent as an attachment under a name made here; nothing that an invoice says becomes active in a browser.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import ETag, web

from gateway.errors import InvalidDocument, NotFound, Overloaded
from gateway.exchange.antivirus import is_quarantined, is_unseen
from gateway.exchange.diverting import PAPER
from gateway.files.spool import STEP, Place, in_memory, pieces, write_all
from gateway.model.identifiers import DocumentId
from gateway.model.message import Direction, Message, PayloadKind
from gateway.model.octets import IN_MEMORY, Octets, Spooled, sha256_of, size_of
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
_STALLED_SECONDS: Final = 60.0
"""How long a caller may take nothing of an answer that lies in a file."""
_QUARANTINED: Final = (
    "Ask the supplier for a clean one. In the web tool an administrator may still fetch it, and says why."
)
_AT_ONCE: Final = 2
_QUEUE: Final = 20


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
        message = await self._clean(request)
        if form == "document":
            octets = await self.gateway.store.content(message.id, PayloadKind.DOCUMENT)
            return await _attachment(request, octets, "application/xml", _file_name(message, "xml"))
        name = _file_name(message, "sbd.xml")
        part = await self.gateway.store.content(message.id, PayloadKind.PART)
        async with self._place(max(size_of(part), message.size)) as place:  # packed, it may be small
            octets = await asyncio.to_thread(_unpacked, part, self.gateway.limit, place)
            return await _attachment(request, octets, "application/xml", name)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The readable page as PDF/A-3 with the document embedded."""
        word = Query(request, "language").one_of("language", "", ("", *LANGUAGES))
        language = LANGUAGES.get(word)  # None: as the document suggests
        message = await self._clean(request)
        if message.size > PAPER:
            text = f"The document has {message.size:,} octets; a page is made of at most {PAPER:,}."
            raise Problem("conflict", text, remedy="Fetch its content instead.")
        async with self._turn():
            octets = await self.gateway.store.payload(message.id, PayloadKind.DOCUMENT)
            pdf = await asyncio.to_thread(_render, octets, message.direction, language)
        return await _attachment(request, pdf, "application/pdf", _file_name(message, "pdf"))

    async def evidence(self, request: web.Request) -> web.StreamResponse:
        """Everything that proves what happened, with a manifest of digests."""
        no_query(request)
        message, store = await self._clean(request), self.gateway.store
        # The place first: who waits for one keeps nobody from a page.
        async with self._place(message.size) as place:
            async with self._turn():
                document = await store.content(message.id, PayloadKind.DOCUMENT)
                try:
                    part = await store.content(message.id, PayloadKind.PART)
                except NotFound:
                    part = b""  # never sent over the network
                proofs = await store.evidence(message.account, message.id)
                timeline = await store.timeline(message.account, message.id)
                target = place.new("evidence.zip") if place else None
                octets = await asyncio.to_thread(evidence.write, message, timeline, document, part, proofs, target)
            return await _attachment(request, octets, "application/zip", _file_name(message, "evidence.zip"))

    async def quarantined(self, request: web.Request) -> web.StreamResponse:
        """The octets of a document whatever was found in it, under a name that no program opens by itself.

        Only for a deed that the caller has written down before.
        """
        message = await self._message(request)
        octets = await self.gateway.store.content(message.id, PayloadKind.DOCUMENT)
        return await _attachment(request, octets, "application/octet-stream", _file_name(message, "quarantined"))

    async def _clean(self, request: web.Request) -> Message:
        """The document, if its octets may be given away: what a virus scanner has to see first, it sees now."""
        message = await self._message(request)
        if is_quarantined(message):
            raise Problem("conflict", message.reason, remedy=_QUARANTINED)
        if (antivirus := self.gateway.antivirus) is not None and is_unseen(message):
            octets = await self.gateway.store.content(message.id, PayloadKind.DOCUMENT)
            _, suspicion = await antivirus.of_document(octets)
            if suspicion is not None:
                raise Problem("conflict", f"Quarantined: {suspicion.english}", remedy=_QUARANTINED)
        return message

    async def _message(self, request: web.Request) -> Message:
        return await self.gateway.store.get(account_of(request), DocumentId(request.match_info["id"]))

    @asynccontextmanager
    async def _place(self, size: int) -> AsyncIterator[Place | None]:
        """A place in the spool for an answer that is made of so many octets, if they are too many for memory."""
        if size <= IN_MEMORY or self.gateway.handing_out is None:
            yield None
            return
        async with self.gateway.handing_out.place(size, wait=True) as place:
            yield place

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
        return page.render(in_memory(document), language=language)
    except InvalidDocument:
        raise NotFound(
            "There is no readable page: the document is neither invoice nor credit note.",
            remedy="Fetch its content instead.",
        ) from None


def _unpacked(part: Octets, limit: int, place: Place | None) -> Octets:
    if next(pieces(part), b"")[:2] != _GZIP:
        return part
    if place is None:
        return b"".join(_inflated(part, limit))
    return write_all(place.new("envelope"), _inflated(part, limit))


def _inflated(part: Octets, limit: int) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    left = limit
    for piece in pieces(part):
        while piece and not inflater.eof:
            octets = inflater.decompress(piece, STEP)
            left -= len(octets)
            if left < 0:
                text = f"The envelope unpacks to more than {limit:,} octets."
                raise Problem("conflict", text, remedy="Take it, packed as it is, from evidence.zip.")
            yield octets
            piece = inflater.unconsumed_tail


def _file_name(message: Message, ending: str) -> str:
    """A file name of plain letters only, whatever the document's number looks like."""
    number = re.sub(r"[^A-Za-z0-9._-]+", "-", message.number).strip(".-")[:60]
    return f"{number or 'document'}-{message.id[:8]}.{ending}"


async def _attachment(request: web.Request, octets: Octets, media_type: str, name: str) -> web.StreamResponse:
    """The octets with the SHA-256 as ETag; 304 for a caller who has them. A file is sent piece by piece."""
    digest = sha256_of(octets)
    wanted = request.if_none_match
    response: web.StreamResponse
    if wanted and any(tag.value in ("*", digest) for tag in wanted):
        response = web.Response(status=304)
    else:
        response = web.Response(body=octets) if isinstance(octets, bytes) else web.StreamResponse()
        response.content_type = media_type
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.etag = ETag(digest)
    if isinstance(octets, Spooled) and response.status == 200:
        await _send(request, response, octets)
    return response


async def _send(request: web.Request, response: web.StreamResponse, file: Spooled) -> None:
    response.content_length = file.size
    await response.prepare(request)
    if request.method == "HEAD":
        return
    steps = pieces(file, step=4 * STEP)
    try:
        while piece := await asyncio.to_thread(next, steps, b""):
            async with asyncio.timeout(_STALLED_SECONDS):
                await response.write(piece)
        await response.write_eof()
    except (ConnectionError, TimeoutError):  # the caller has gone, or takes nothing any more
        if request.transport is not None:
            request.transport.abort()
