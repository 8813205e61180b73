"""AS4 on the wire, as the one who receives: the endpoint, behind whoever speaks HTTP for it. [I/O]

HTTP facts become errors of ours here and nowhere else. Messages above ``Limits.inline`` are worked on in a thread;
smaller ones cost less than the hand-over would, unless our key is in a module that takes its time.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

from gateway.as4.asking import Answer, Asked, line
from gateway.as4.gzipped import TooLargeForMemory
from gateway.as4.large import Large, LargeReceiving
from gateway.as4.limits import LIMITS, Limits
from gateway.as4.mime import read_boundary, read_media_type
from gateway.as4.msh import Receiving, Unwrap
from gateway.as4.namespaces import SOAP_TYPE
from gateway.as4.profiles import Profile
from gateway.as4.profiles.peppol import PROFILE
from gateway.as4.shapes import Shapes
from gateway.as4.turns import Turns
from gateway.errors import (
    InvalidMessage,
    Overloaded,
    PermanentError,
    TemporaryError,
    UnreadableRequest,
)
from gateway.files.intake import Body
from gateway.model.message import Received
from gateway.model.signals import EbmsCode
from gateway.ports import Clock
from gateway.security.keys import Identity, Keyring
from gateway.security.trust import Trust

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_Judged = bytes | tuple[Received, bytes]
"""What came of a request: the signed error that answers it, or the message with its receipt."""

Accept = Callable[[Received, bytes], Awaitable[bytes]]
"""Takes responsibility for a message: (received, our receipt) -> the receipt to answer with, maybe an earlier one.

Raises ``InvalidMessage`` (the answer is an ebMS error) or ``TemporaryError`` (the answer is 503).
"""

Door = Callable[[], TemporaryError | None]
"""Why no message can be taken now; None while it can. Asked before a body is read, so it must not wait."""

_ERROR_CODE: Final = re.compile(rb'errorCode="(EBMS:[0-9]{4})"')
_TYPES: Final = (SOAP_TYPE, "multipart/related")
_SIGNAL_TYPE: Final = f"{SOAP_TYPE};charset=UTF-8"
_WAITING: Final = 4
"""Threads where our key is in a module: they wait more than they work."""
_RETRY_AFTER: Final = "60"


class As4Endpoint:
    """Receives messages: answers every request of a site that has one path."""

    def __init__(
        self,
        *,
        identity: Identity | Keyring,
        trust: Trust,
        clock: Clock,
        unwrap: Unwrap,
        accept: Accept,
        profile: Profile = PROFILE,
        limits: Limits = LIMITS,
        large: Large | None = None,
        door: Door = lambda: None,
        shapes: Shapes | None = None,
        answered: Callable[[str, float], None] = lambda kind, seconds: None,
    ) -> None:
        self._answered = answered
        self._door = door
        self._keys = Keyring.of(identity)
        self._trust = trust
        self._clock = clock
        self._large = large
        self._unwrap = unwrap
        self._accept = accept
        self._profile = profile
        self._limits = limits
        self._shapes = Shapes() if shapes is None else shapes
        self._turns = Turns(_WAITING if self._keys.elsewhere else 0)
        self._held = 0
        """Octets of all request bodies at hand."""

    @property
    def turns(self) -> Turns:
        """Who is known here, and whose turn it is."""
        return self._turns

    async def answer(self, path: str, request: Asked) -> Answer:
        """Answer whatever is asked of a site where only ``path`` exists; no router is needed for that."""
        if request.target != path and request.path != path:
            return line(404, "There is nothing here.", last=True)
        if request.method == "POST":
            started = time.perf_counter()
            answer, kind = await self.post(request)
            self._answered(kind, time.perf_counter() - started)
            return answer
        if request.method in ("GET", "HEAD"):
            return self.about()._replace(last=request.has_body)
        return line(405, "Messages come by POST.", ("Allow", "POST, GET, HEAD"), last=True)

    def about(self) -> Answer:
        """Say what stands here."""
        return line(
            200, f"AS4 access point {self._keys.current.common_name} ({self._profile.name}); messages come by POST."
        )

    async def post(self, request: Asked) -> tuple[Answer, str]:
        """Read one message and answer it: receipt, ebMS error, or an HTTP status for what is no message.

        With the answer comes its kind: ``receipt``, the code of an ebMS error, or the HTTP status. Where it is no
        message the connection ends, so that the rest of a body is not waited for.
        """
        if (refusal := self._door()) is not None:  # the door logs, once
            return _busy(refusal.peer_text)
        self._turns.expect(request.source)
        held = 0
        try:
            spool = self._large.spool if self._large else None
            limits = self._limits
            async with Body(spool, in_memory=limits.in_memory, largest=limits.message) as body:
                try:
                    content_type = await self._fill(body, request)
                finally:
                    held = len(body)
                signal, receipt = await self._answer(request.source, content_type, body)
                return Answer(200, signal, _SIGNAL_TYPE), "receipt" if receipt else _code(signal)
        except UnreadableRequest as error:
            _log.info("refused a request with HTTP %d: %s", error.status, error)
            return line(error.status, error.peer_text, last=True), str(error.status)
        except TemporaryError as error:
            _log.warning("cannot take a message now: %s", error)
            return _busy(error.peer_text)
        except Exception:  # a bug is a fault of ours: the peer keeps the message and tries again
            _log.exception("a fault of ours while a message was read")
            return _busy(TemporaryError.peer_text)
        finally:
            self._held -= held

    async def _answer(self, source: str, content_type: str, body: Body) -> tuple[bytes, bool]:
        """The signal that answers, and whether it is a receipt: verified in the caller's turn, then for the exchange.

        The large path begins here, for a body that is in a file, or that turns out not to fit into memory.
        """
        receiving, judged = await self._read(content_type, source, body)
        if isinstance(judged, bytes):
            return judged, False
        received, receipt = judged
        if received.is_test:
            return receipt, True
        try:
            answer = await self._accept(received, receipt)
        except InvalidMessage as refusal:
            error = refusal
        except PermanentError as refused:
            _log.warning("refused a message: %s", refused)
            error = InvalidMessage(EbmsCode.OTHER, refused.peer_text)
        else:
            self._turns.accounts.vouch(source)
            return answer, True
        _log.info("refused a message with %s: %s", error.code, error)
        turn = self._turns.beside if self._keys.elsewhere else self._turns.here
        return await turn(source, lambda: receiving.error(error)), False

    async def _read(self, content_type: str, source: str, body: Body) -> tuple[Receiving, _Judged]:
        """Here when it is small, in a thread when it is not or inflates much, from file to file when it is large."""
        keys = self._keys
        facts: dict[str, Any] = {
            "identity": keys.current,
            "others": keys.others,
            "trust": self._trust,
            "now": self._clock.now(),
            "unwrap": self._unwrap,
            "profile": self._profile,
            "limits": self._limits,
            "shapes": self._shapes,
        }
        limits = self._limits
        if self._large is None or body.place is None:
            octets = body.whole()
            most = sys.maxsize - 1 if self._large is None else limits.inflated_in_memory
            if len(octets) <= limits.inline and not keys.elsewhere:
                receiving = Receiving(content_type, octets, in_memory=min(most, limits.inflated_inline), **facts)
                if (judged := await self._turns.here(source, partial(_judge, receiving))) is not None:
                    return receiving, judged
            receiving = Receiving(content_type, octets, in_memory=most, **facts)
            if (judged := await self._turns.beside(source, partial(_judge, receiving))) is not None:
                return receiving, judged
            del receiving
            file = await body.spill(octets)
            del octets
        else:
            file = await body.file()
        assert self._large is not None and body.place is not None
        large = LargeReceiving(content_type, file.path, body.place, self._large.unwrap, **facts)
        judged = await self._turns.beside(source, partial(_judge, large))
        assert judged is not None  # only what is read in memory can be too large for it
        return large, judged

    async def _fill(self, body: Body, request: Asked) -> str:
        """Take the body in within size and time, and give its Content-Type.

        Raises ``UnreadableRequest``, or ``Overloaded`` for want of room.
        """
        limits = self._limits
        if (request.header("Content-Encoding") or "identity").lower() != "identity":
            raise UnreadableRequest("Content-Encoding is not accepted", status=415)
        content_type = request.header("Content-Type") or ""
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type not in _TYPES and read_media_type(content_type).name not in _TYPES:
            raise UnreadableRequest("Content-Type must be multipart/related (AS4)", status=415)
        most = min(limits.soap, limits.message) if media_type == SOAP_TYPE else limits.message
        length = request.length
        if length > most:
            raise UnreadableRequest(f"A message may have at most {most} octets", status=413)
        await body.expect(length)
        _wave_through(request)
        if length <= limits.preamble and (octets := request.whole()) is not None:  # all of it came with its head
            if body.give(octets):
                self._held += len(octets)
                self._check(body, most)
            else:
                await self._take_in(body, octets, most)
            return content_type
        read_media_type(content_type)  # before it is waited for; what is here is read at once, all of it
        clock = asyncio.get_running_loop().time
        started = clock()
        begin: bytearray | None = bytearray()
        try:
            async with asyncio.timeout(limits.idle) as deadline:
                while chunk := await request.more():
                    await self._take_in(body, chunk, most)
                    if begin is not None:
                        begin += chunk
                        if len(begin) > limits.preamble:
                            _begins_well(content_type, begin, limits)
                            begin = None
                    rate = limits.rate if body.place is None else limits.pace  # few places: none for a trickle
                    slowest = started + limits.grace + len(body) / rate
                    deadline.reschedule(min(clock() + limits.idle, slowest))
        except TimeoutError:
            raise UnreadableRequest("The body came too slowly", status=408) from None
        except ConnectionError as error:
            raise UnreadableRequest(f"The body did not come whole: {type(error).__name__}") from None
        return content_type

    async def _take_in(self, body: Body, chunk: bytes, most: int) -> None:
        self._held += len(chunk)
        await body.add(chunk)
        self._check(body, most)

    def _check(self, body: Body, most: int) -> None:
        if self._held > self._limits.bodies:
            raise Overloaded(f"More than {self._limits.bodies} octets of messages at once")
        if len(body) > most:
            raise UnreadableRequest(f"A message may have at most {most} octets", status=413)


def _begins_well(content_type: str, begin: bytearray, limits: Limits) -> None:
    """Refuse a body that cannot become a message before the rest of it is read; raises ``UnreadableRequest``."""
    boundary, _ = read_boundary(content_type, limits)
    mark = b"--" + boundary
    if boundary and not begin.startswith(mark) and b"\r\n" + mark not in begin:
        raise UnreadableRequest(f"The first {limits.preamble} octets hold no boundary line (lines end in CR LF)")


def _judge(receiving: Receiving) -> _Judged | None:
    """The message with its receipt, or the signed error; None when it does not fit into the memory that it may take."""
    try:
        return receiving.read(), receiving.receipt()
    except TooLargeForMemory:
        return None
    except InvalidMessage as error:
        _log.info("refused a message with %s: %s", error.code, error)
        return receiving.error(error)
    except UnreadableRequest:
        raise
    except PermanentError as error:
        _log.warning("refused a message: %s", error)
        return receiving.error(InvalidMessage(EbmsCode.OTHER, error.peer_text))


def _code(signal: bytes) -> str:
    """The code of an ebMS error."""
    code = _ERROR_CODE.search(signal)
    return code[1].decode() if code else "EBMS"


def _wave_through(request: Asked) -> None:
    """Tell a caller who asked whether to send the body that it is welcome (RFC 9110 10.1.1)."""
    expected = request.header("Expect")
    if expected is None or request.old:
        return
    if expected.lower() != "100-continue":
        raise UnreadableRequest("Of Expect only 100-continue is known", status=417)
    request.go_on()


def _busy(text: str) -> tuple[Answer, str]:
    return line(503, text, ("Retry-After", _RETRY_AFTER), last=True), "503"
