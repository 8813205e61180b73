"""Reading a body that a stranger sends: bounded in size, in time, and in how many are read at once.

Small bodies are read into memory, large documents into the spool; what all requests together may hold is bounded too,
and beyond that the caller gets 503 and comes again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.files.intake import Body
from gateway.files.spool import Place, Spool
from gateway.model.octets import IN_MEMORY, Octets
from gateway.ubl.json_fields import once, refuse_constant
from gateway.web.problem import RETRY_SECONDS, Problem, bad_request

PAUSE_SECONDS: Final = 30.0
"""The longest pause between two pieces of a body."""
WHOLE_SECONDS: Final = 600.0
JSON_LIMIT: Final = 64 * 1024
_AT_ONCE: Final = 4
"""How many of the largest bodies may be in memory together."""
_FULL: Final = "Too many large documents are being handed in at once."


@dataclass(slots=True)
class Intake:
    """Reads bodies; knows how many octets all of them hold at the moment."""

    limit: int
    """Octets that one body may have."""
    spool: Spool | None = None
    """Where large documents go; without it they stay in memory."""
    pause_seconds: float = PAUSE_SECONDS
    whole_seconds: float = WHOLE_SECONDS
    held: int = 0

    @asynccontextmanager
    async def take(self, request: web.Request, *, limit: int = 0) -> AsyncIterator[bytes]:
        """Read the whole body, chunked or not; it counts as held until the block ends.

        Raises the problems ``too-large``, ``too-slow``, ``unsupported-type`` and ``unavailable``.
        """
        async with self._body(request, None, limit or self.limit) as body:
            yield body.whole()

    @asynccontextmanager
    async def take_document(self, request: web.Request) -> AsyncIterator[tuple[Octets, Place | None]]:
        """The same for a document of any size up to the limit; with the place of one that is in a file.

        Raises ``Overloaded`` and ``StoreUnavailable`` too.
        """
        async with self._body(request, self.spool, self.limit) as body:
            yield await body.octets(), body.place

    @asynccontextmanager
    async def keep(self, octets: bytes) -> AsyncIterator[tuple[Octets, Place | None]]:
        """The same for a document that was written here, from a body that said it in other words."""
        if len(octets) > self.limit:
            raise too_large(self.limit)
        async with Body(self.spool, in_memory=IN_MEMORY, largest=self.limit) as body:
            await body.expect(len(octets))
            await body.add(octets)
            yield await body.octets(), body.place

    @asynccontextmanager
    async def _body(self, request: web.Request, spool: Spool | None, limit: int) -> AsyncIterator[Body]:
        async with Body(spool, in_memory=IN_MEMORY, largest=limit) as body:
            try:
                await self._read(request, body, limit)
                yield body
            finally:
                self.held -= len(body)

    async def _read(self, request: web.Request, body: Body, limit: int) -> None:
        refuse_packing(request)
        if (request.content_length or 0) > limit:
            raise too_large(limit)
        await body.expect(request.content_length or 0)
        try:
            async with asyncio.timeout(self.whole_seconds):
                while piece := await self._piece(request):
                    self.held += len(piece)
                    await body.add(piece)
                    if len(body) > limit:
                        raise too_large(limit)
                    if self.held > self.limit * _AT_ONCE:
                        raise Problem("unavailable", _FULL, headers={"Retry-After": str(RETRY_SECONDS)}, close=True)
        except TimeoutError:
            raise Problem("too-slow", "The body did not arrive in time.", close=True) from None
        except web.RequestPayloadError:
            raise Problem("invalid-request", "The body broke off or is badly framed.", close=True) from None

    async def _piece(self, request: web.Request) -> bytes:
        async with asyncio.timeout(self.pause_seconds):
            return await request.content.readany()


def refuse_packing(request: web.Request) -> None:
    """A packed body could unpack to anything: not taken."""
    packing = request.headers.get("Content-Encoding", "identity").strip().lower()
    if packing not in ("", "identity"):
        raise Problem("unsupported-type", "A packed body (Content-Encoding) is not taken; send it plain.", close=True)


def too_large(limit: int) -> Problem:
    """413 with the limit."""
    return Problem("too-large", f"The body is larger than {limit:,} octets, the most that is taken.", close=True)


async def read_json(intake: Intake, request: web.Request) -> dict[str, object]:
    """Read a small JSON object strictly: no key twice, no NaN, bounded depth. Raises problems."""
    if request.content_type != "application/json":
        raise Problem("unsupported-type", "This call takes application/json.", close=True)
    try:
        async with intake.take(request, limit=JSON_LIMIT) as octets:
            value = json.loads(octets, object_pairs_hook=once, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        text = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise bad_request("", f"The body is not the JSON that is taken here: {text[:200]}") from None
    if not isinstance(value, dict):
        raise bad_request("", "The body must be a JSON object.")
    return value
