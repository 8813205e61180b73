"""Our SMP over HTTP: two questions, both GET. [I/O]

Source: Peppol SMP 1.4 section 5. Paths are cut at the slashes before they are decoded, so that an identifier may hold
any character; participants are looked up without regard to case, document types exactly. The answers' octets are
:mod:`gateway.smp.publisher`'s; who our participants are is asked of the callable.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote

from aiohttp import web

from gateway.errors import InvalidAddress, TemporaryError
from gateway.model.identifiers import PARTICIPANT_SCHEME, DocumentTypeId, ParticipantId
from gateway.model.message import Participant
from gateway.smp.publisher import Publisher

FindParticipant = Callable[[ParticipantId], Awaitable[Participant | None]]

MAX_PATH: Final = 4_000
_CACHE_FOR: Final = 60
_LARGEST_BODY: Final = 1_024


class SmpServer:
    """Answers for our participants."""

    def __init__(self, publisher: Publisher, find_participant: FindParticipant) -> None:
        self._publisher = publisher
        self._find = find_participant

    def application(self) -> web.Application:
        """An application of its own, which takes every path."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_get("/{path:.*}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer ``/{participant}`` or ``/{participant}/services/{document type}``."""
        segments = read_path(request.raw_path)
        if segments is None:
            return _plain(404, "This is an SMP. Ask for /{participant} or /{participant}/services/{document type}.")
        name, kind = segments
        try:
            octets = await self._octets(name, kind)
        except TemporaryError:
            return _plain(503, "The list of participants cannot be read now, please try again later.", retry=True)
        if octets is None:
            return _plain(404, f"Not here: {name[:200]}" + (f" with {kind[:600]}" if kind else ""))
        tag = hashlib.sha256(octets).hexdigest()
        headers = {"ETag": f'"{tag}"', "Cache-Control": f"max-age={_CACHE_FOR}"}
        if any(known.value == tag for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=octets, content_type="text/xml", charset="utf-8", headers=headers)

    async def _octets(self, name: str, kind: str) -> bytes | None:
        try:
            participant = read_participant(name)
            document_type = read_document_type(kind) if kind else None
        except InvalidAddress:
            return None  # nobody could have it
        found = await self._find(participant)
        if found is None:
            return None
        if document_type is None:
            return self._publisher.group(found)
        return await asyncio.to_thread(self._publisher.metadata, found, document_type)


def read_path(raw: str) -> tuple[str, str] | None:
    """Cut a raw request path into participant and document type (empty for the group); None for other paths."""
    raw = raw.partition("?")[0]
    if len(raw) > MAX_PATH or not raw.startswith("/"):
        return None
    try:
        match [unquote(segment, errors="strict") for segment in raw[1:].split("/")]:
            case [participant] | [participant, ""] if participant:
                return participant, ""
            case [participant, "services", document_type] if participant and document_type:
                return participant, document_type
    except UnicodeDecodeError:
        pass
    return None


def read_participant(text: str) -> ParticipantId:
    """Read ``scheme::value`` as a path has it: with its scheme, which is the only one in use."""
    if not text.lower().startswith(PARTICIPANT_SCHEME + "::"):
        raise InvalidAddress(f"“{text[:80]}” does not begin with {PARTICIPANT_SCHEME}::")
    return ParticipantId.parse(text)


def read_document_type(text: str) -> DocumentTypeId:
    """Read ``scheme::value`` exactly as written: another scheme or another case is another document type."""
    found = DocumentTypeId.parse(text)
    if str(found) != text:
        raise InvalidAddress(f"“{text[:120]}” does not begin with the scheme of a document type")
    return found


def _plain(status: int, text: str, *, retry: bool = False) -> web.Response:
    headers = {"Retry-After": "30"} if retry else {}
    return web.Response(status=status, text=text + "\n", headers=headers)
