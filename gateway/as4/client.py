"""AS4 on the wire, as the one who sends: one message, one connection's turn, one answer judged. [I/O]"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self

from gateway.as4.large import LargeRequest, LargeSending
from gateway.as4.limits import LIMITS, Limits
from gateway.as4.msh import Request, Sending
from gateway.as4.profiles import Profile
from gateway.as4.profiles.peppol import PROFILE
from gateway.as4.shapes import Shapes
from gateway.connecting.calls import Calls
from gateway.model.message import Outgoing
from gateway.model.octets import Spooled, size_of
from gateway.model.relation import Endpoint
from gateway.ports import Clock, Delivery
from gateway.security.keys import Identity, Keyring
from gateway.security.trust import Trust


class As4Client:
    """Sends messages: a :class:`~gateway.ports.Transport`. Connections are kept and shared."""

    def __init__(
        self,
        *,
        identity: Identity | Keyring,
        trust: Trust,
        clock: Clock,
        profile: Profile = PROFILE,
        limits: Limits = LIMITS,
        calls: Calls | None = None,
    ) -> None:
        self._keys = Keyring.of(identity)
        self._trust = trust
        self._clock = clock
        self._profile = profile
        self._limits = limits
        self._shapes = Shapes()
        self._calls = Calls() if calls is None else calls
        self._owned = calls is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, unless they were given."""
        if self._owned:
            await self._calls.close()

    async def send(self, outgoing: Outgoing, endpoint: Endpoint) -> Delivery:
        """Send once and check the answer; see :class:`~gateway.ports.Transport`."""
        started = time.perf_counter()
        limits, identity = self._limits, self._keys.current
        kind = LargeSending if isinstance(outgoing.part, Spooled) else Sending
        sending = kind(
            outgoing,
            endpoint,
            identity=identity,
            trust=self._trust,
            clock=self._clock,
            profile=self._profile,
            limits=limits,
            shapes=self._shapes,
        )
        request: Request | LargeRequest
        if isinstance(sending, LargeSending):
            request = await asyncio.to_thread(sending.stream) if identity.elsewhere else sending.stream()
            content: bytes | AsyncIterator[bytes] = _in_steps(request.body)
            length = request.length
        else:
            small = size_of(outgoing.part) <= limits.inline and not identity.elsewhere
            request = sending.request() if small else await asyncio.to_thread(sending.request)
            content, length = request.body, len(request.body)
        answer = await self._calls.post(
            endpoint.url,
            request.content_type,
            content,
            length=length,
            most=limits.answer,
            connect=limits.connect,
            total=limits.total + length / limits.pace,
        )
        receipt = sending.close(answer.status, answer.content_type, answer.body)
        return Delivery(receipt=receipt, soap=request.soap, milliseconds=(time.perf_counter() - started) * 1000)


async def _in_steps(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Take piece after piece from an iterator that reads a file."""
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
