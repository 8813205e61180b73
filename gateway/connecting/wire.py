"""One connection to a server, on which one request at a time is answered. [I/O]

It sends no faster than the other side takes, and is closed by whatever it is told unasked. Source: RFC 9112 section 9.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from gateway.connecting.answer import Answer, AnswerReader, BrokenAnswer
from gateway.errors import InvalidAnswer


class Wire(asyncio.Protocol):
    """One connection, on which one request at a time is answered."""

    __slots__ = ("_answer", "_drained", "_reader", "_transport", "idle_since")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader: AnswerReader | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._drained: asyncio.Future[None] | None = None
        self.idle_since = 0.0

    @property
    def usable(self) -> bool:
        """Whether the other side has neither hung up nor said anything unasked."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, head: bytes, body: bytes | AsyncIterator[bytes], reader: AnswerReader, until: float) -> Answer:
        """Send one request; raises ``TimeoutError``, ``BrokenAnswer``, ``InvalidAnswer``, ``OSError``."""
        transport = self._transport
        if transport is None:
            raise BrokenAnswer("the connection has ended")
        loop = asyncio.get_running_loop()
        self._reader, self._answer = reader, loop.create_future()
        alarm = loop.call_at(until, self._fail, TimeoutError())
        try:
            if isinstance(body, bytes):
                transport.write(head + body)
            else:
                transport.write(head)
                await self._stream(transport, body)
            return await self._answer
        finally:
            alarm.cancel()
            self._reader = self._answer = None

    async def _stream(self, transport: asyncio.Transport, body: AsyncIterator[bytes]) -> None:
        """Send piece after piece, no faster than they are taken; an answer that comes before the end is the answer."""
        assert self._answer is not None
        async for piece in body:
            if self._answer.done():
                transport.close()  # the rest of the body will not come: nothing may follow it
                return
            transport.write(piece)
            if self._drained is not None:
                await asyncio.wait((self._drained, self._answer), return_when=asyncio.FIRST_COMPLETED)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None or answer.done() or self._reader is None:
            self.abort()  # nothing was asked
            return
        try:
            whole = self._reader.feed(data)
        except (BrokenAnswer, InvalidAnswer) as error:
            answer.set_exception(error)
            return
        if whole is not None:
            answer.set_result(whole)

    def eof_received(self) -> bool:
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._end(exc)

    def _end(self, error: Exception | None) -> None:
        answer = self._answer
        if answer is None or answer.done() or self._reader is None:
            return
        try:
            if error is not None:
                raise error if isinstance(error, OSError) else BrokenAnswer(str(error))
            answer.set_result(self._reader.end())
        except (BrokenAnswer, OSError) as broken:
            answer.set_exception(broken)

    def pause_writing(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
