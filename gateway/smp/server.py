"""Our SMP over HTTP: three questions, all GET. [I/O]

Source: Peppol SMP 1.4 section 5. Paths are cut at the slashes before they are decoded, so that an identifier may hold
any character; participants are looked up without regard to case, document types exactly. The answers' octets are
:mod:`gateway.smp.publisher`'s; who our participants are is asked of the callable. An answer is kept by the path that
it was asked with, and goes out again for as long as the participant is as it was.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import unquote

from aiohttp import web

from gateway.errors import InvalidAddress, TemporaryError
from gateway.model.identifiers import PARTICIPANT_SCHEME, DocumentTypeId, ParticipantId
from gateway.model.message import Participant
from gateway.smp.cards import has_card, write_card
from gateway.smp.publisher import Publisher
from gateway.smp.writing import Writer

FindParticipant = Callable[[ParticipantId], Awaitable[Participant | None]]

MAX_PATH: Final = 4_000
CARD_PATH: Final = "businesscard"
"""Stands for the business card where a document type stands; it is none itself."""
_MOST_KEPT: Final = 10_000
_CACHE_FOR: Final = 60
_LARGEST_BODY: Final = 1_024


class Home(Protocol):
    """Where a participant is that has left us."""

    @property
    def smp(self) -> str: ...

    @property
    def signer(self) -> str: ...


FindHome = Callable[[ParticipantId], Awaitable[Home | None]]


async def _at_home(id: ParticipantId) -> Home | None:
    return None


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer as it goes out, and what it was made of: it serves for as long as that is the same."""

    participant: Participant
    home: Home | None
    publisher: Publisher
    body: bytes
    tag: str
    headers: dict[str, str]


class SmpServer:
    """Answers for our participants."""

    def __init__(
        self,
        publisher: Publisher | Callable[[], Publisher],
        find_participant: FindParticipant,
        find_home: FindHome | None = None,
        writer: Writer | None = None,
    ) -> None:
        """``find_home`` tells where a participant is that another SMP has now; ``publisher()`` may change as well.

        ``writer``: None, only reads.
        """
        self._writer = writer
        self._publisher = publisher if callable(publisher) else lambda: publisher
        self._find = find_participant
        self._home = find_home or _at_home
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def application(self) -> web.Application:
        """An application of its own, which takes every path."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer ``/{participant}``, ``/{participant}/services/{document type}``, ``/businesscard/{participant}``."""
        if self._writer is not None and request.method in ("PUT", "DELETE"):
            return await self._writer.answer(request)
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="An SMP is only read.\n", headers={"Allow": "GET, HEAD"})
        raw = request.raw_path
        try:
            kept = await self._fresh(raw) or await self._make(raw)
        except TemporaryError:
            return _plain(503, "The list of participants cannot be read now, please try again later.", retry=True)
        if isinstance(kept, web.Response):
            return kept
        known = request.headers.get("If-None-Match")
        if known is not None and any(each.value == kept.tag for each in request.if_none_match or ()):
            return web.Response(status=304, headers={name: kept.headers[name] for name in ("ETag", "Cache-Control")})
        return web.Response(body=kept.body, headers=kept.headers)

    async def _fresh(self, raw: str) -> _Kept | None:
        """The answer to this very path, if nothing that it was made of has changed."""
        kept = self._kept.get(raw)
        if kept is None:
            return None
        known = kept.participant.id
        found = await self._find(known)
        if (
            (found is kept.participant or found == kept.participant)
            and kept.publisher is self._publisher()
            and await self._home(known) == kept.home
        ):
            return kept
        self._kept.pop(raw, None)
        return None

    async def _make(self, raw: str) -> _Kept | web.Response:
        asked = read_path(raw)
        if asked is None:
            return _plain(404, "This is an SMP. Ask for /{participant} or /{participant}/services/{document type}.")
        name, kind = asked
        nothing = _plain(404, f"Not here: {name[:200]}" + (f" with {kind[:600]}" if kind else ""))
        try:
            asked_for = read_participant(name)
            document_type = read_document_type(kind) if kind not in ("", CARD_PATH) else None
        except InvalidAddress:
            return nothing  # nobody could have it
        participant = await self._find(asked_for)
        if participant is None:
            return nothing
        home, publisher = await self._home(asked_for), self._publisher()
        body = await _octets(publisher, participant, kind, document_type, home)
        if body is None:
            return nothing
        tag = hashlib.sha256(body).hexdigest()
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "ETag": f'"{tag}"',
            "Cache-Control": f"max-age={_CACHE_FOR}",
        }
        kept = self._kept[raw] = _Kept(participant, home, publisher, body, tag, headers)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return kept


async def _octets(
    publisher: Publisher, participant: Participant, kind: str, document_type: DocumentTypeId | None, home: Home | None
) -> bytes | None:
    if kind == CARD_PATH:
        return write_card(participant) if has_card(participant) and home is None else None
    if document_type is None:
        return publisher.group(participant)
    if home is not None:
        return await asyncio.to_thread(publisher.redirect, participant, document_type, home.smp, home.signer)
    return await asyncio.to_thread(publisher.metadata, participant, document_type)


def read_path(raw: str) -> tuple[str, str] | None:
    """Cut a raw request path into participant and document type; None for other paths.

    Instead of a document type stands nothing for the group, and ``CARD_PATH`` for the business card.
    """
    raw = raw.partition("?")[0]
    if len(raw) > MAX_PATH or not raw.startswith("/"):
        return None
    try:
        match [unquote(segment, errors="strict") for segment in raw[1:].split("/")]:
            case [participant] | [participant, ""] if participant:
                return participant, ""
            case ["businesscard", participant] if participant:
                return participant, CARD_PATH
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
