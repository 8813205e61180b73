"""The AS4 site's connection: octets into aiohttp's parser (llhttp, in C), requests out, each answer in one write. [I/O]

aiohttp's server makes a task, a request, a response and a writer for each request. Here one coroutine answers all the
requests of a connection, and a message that has come whole goes from the parser to the endpoint at once. What is a
request, where it ends, and what is none stays the parser's matter: it gives one request and reads on when that one is
answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.http_writer import HttpVersion11
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.tcp_helpers import tcp_keepalive

from gateway.as4.asking import Answer, Asked, line
from gateway.as4.limits import Limits

_log = logging.getLogger(__name__)

Handler = Callable[[Asked], Awaitable[Answer]]

_SHOWN: Final = 200
_IN_HAND: Final = 256 * 1024
"""Octets of a body that wait for whoever reads it; beyond twice as many the caller waits."""
_SHUTDOWN_SECONDS: Final = 10.0
"""How long requests in hand may take to be answered, and then once more for those whose body was still coming."""
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


class Request:
    """An :class:`~gateway.as4.asking.Asked` from the parser."""

    __slots__ = ("_content", "_front", "_message", "method", "old", "source", "target")

    def __init__(self, front: Front, message: RawRequestMessage, content: StreamReader, source: str) -> None:
        self._front = front
        self._message = message
        self._content = content
        self.method = message.method
        self.target = message.path
        self.source = source
        self.old = message.version < HttpVersion11

    @property
    def path(self) -> str:
        return self._message.url.path

    @property
    def length(self) -> int:
        return int(self._message.headers.get("Content-Length") or 0)

    @property
    def has_body(self) -> bool:
        return self._content is not EMPTY_PAYLOAD

    def header(self, name: str) -> str | None:
        return self._message.headers.get(name)

    def whole(self) -> bytes | None:
        return self._content.read_nowait() if self._content.is_eof() else None

    async def more(self) -> bytes:
        try:
            return await self._content.readany()
        except ConnectionError as error:
            error.__traceback__ = None  # the reader keeps it, and its frames would keep the reader
            raise type(error)(*error.args) from None
        except (HttpProcessingError, RuntimeError) as error:
            error.__traceback__ = None
            raise ConnectionError(type(error).__name__) from None

    def go_on(self) -> None:
        self._front.say(b"HTTP/1.1 100 Continue\r\n\r\n")


class Front(asyncio.Protocol):
    """Reads the requests of one caller and has them answered, one after the other."""

    __slots__ = (
        "_content",
        "_crowded",
        "_deaf",
        "_drained",
        "_early",
        "_full",
        "_handler",
        "_idle_since",
        "_last",
        "_loop",
        "_lost",
        "_made",
        "_old",
        "_parser",
        "_paused",
        "_request",
        "_source",
        "_task",
        "_transport",
        "_waiter",
        "fresh",
        "head_since",
    )

    def __init__(
        self,
        handler: Handler,
        source: str,
        limits: Limits,
        made: Callable[[Front, asyncio.Transport], None],
        lost: Callable[[Front], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._handler, self._source, self._made, self._lost = handler, source, made, lost
        self._parser: HttpRequestParser | None = HttpRequestParser(
            self,  # type: ignore[arg-type]
            self._loop,
            _IN_HAND,
            max_line_size=limits.header_octets,
            max_field_size=limits.header_octets,
            max_headers=limits.headers,
            payload_exception=ConnectionError,
            auto_decompress=False,  # packed bodies are refused, so nothing may unpack them
            max_msg_queue_size=1,
        )
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._request: Request | None = None
        self._content: StreamReader | None = None
        """Of the request at hand."""
        self._early = b""
        """Came while a whole request was at hand."""
        self._last = self._deaf = self._full = self._paused = self._crowded = False
        self._idle_since = 0.0
        self.fresh = True
        """Whether no request has come yet."""
        self.head_since = 0.0
        """Loop time since when the head of a request is awaited in part, or the first one at all; 0 when none is."""

    # What the site asks and says

    @property
    def waiting_since(self) -> float:
        """Loop time since when nothing is at hand for this caller; 0 while a request is."""
        return self.head_since or self._idle_since

    @property
    def kept_since(self) -> float:
        """Loop time since when the connection is kept without a request; 0 while there is one, or part of one."""
        return 0.0 if self.head_since else self._idle_since

    @property
    def task(self) -> asyncio.Task[None] | None:
        """Answers the requests; None before the first one."""
        return self._task

    def finish(self) -> None:
        """Answer what is at hand and then no more."""
        self._last = True
        if self._request is None and self._transport is not None:
            self._transport.close()

    def give_up(self) -> None:
        """Wait no more for a body."""
        if self._content is not None and not self._content.is_eof():
            self._content.set_exception(ConnectionAbortedError("the gateway ends"))

    def close(self) -> None:
        """Leave a caller who is kept, but asks nothing."""
        if self._transport is not None:
            self._transport.close()

    def say(self, octets: bytes) -> None:
        """Write it, while somebody is there."""
        if self._transport is not None:
            self._transport.write(octets)

    # What the event loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        tcp_keepalive(transport)  # type: ignore[arg-type]
        self.head_since = self._loop.time()
        self._made(self, transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        content = self._content
        if content is not None and content.is_eof():  # a request is at hand: this is of the next one
            self._early += data
            self._hold()
            return
        self._feed(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._transport = None
        self._deaf = True
        self._lost(self)
        self._parser = None  # it knows us: a circle that only the garbage collector would find
        if self._content is not None and not self._content.is_eof():
            self._content.set_exception(ConnectionResetError("the caller has left"))
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        self._crowded = True

    def resume_writing(self) -> None:
        self._crowded = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # What the body's reader says

    @property
    def connected(self) -> bool:
        return self._transport is not None

    def pause_reading(self) -> None:
        """More of the body waits than is good."""
        self._full = True
        if self._parser is not None:
            self._parser.pause_reading()
        self._hold()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Some of it was taken."""
        if not self._full or self._transport is None:
            return
        self._full = False
        if resume_parser and not self._deaf:
            self._feed(b"")
        if not self._full:
            self._release()

    def _hold(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _release(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # Requests and answers

    def _feed(self, octets: bytes) -> None:
        """Read on, until a request is there."""
        if (parser := self._parser) is None:
            return
        try:
            messages, upgraded, _ = parser.feed_data(octets)
        except HttpProcessingError as error:
            self._misunderstand(error)
            return
        if upgraded:
            self._last = True  # what follows it is no HTTP, or so the caller thinks
        if messages:
            message, content = messages[0]
            self._content = content
            self._request = Request(self, message, content, self._source)
            self._last = self._last or message.should_close
            self.fresh = False
            self.head_since = self._idle_since = 0.0
            if self._task is None:
                self._task = self._loop.create_task(self._serve())
            else:
                self._wake()
        elif octets and self._content is None and not self.head_since:
            self.head_since = self._loop.time()

    def _wake(self) -> None:
        """Let the coroutine see that there is a request, or nobody any more."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _misunderstand(self, error: HttpProcessingError) -> None:
        """Answer what is no request in one line, without echo or the names of our software; nothing more is read."""
        self._deaf = self._last = True
        status = 431 if isinstance(error, LineTooLong) else 400
        _log.info("refused a request with HTTP %d: %s", status, (error.message or str(error))[:_SHOWN])
        if self._content is not None:  # its head was good, so whoever reads the body answers
            self._content.set_exception(ConnectionAbortedError("the body is not as HTTP has it"))
            return
        self.say(_octets(line(status, _PHRASES[status]), last=True))
        self.close()

    async def _serve(self) -> None:
        try:
            while (request := self._request) is not None:
                try:
                    answer = await self._handler(request)
                except ConnectionError:
                    break  # nobody is there to be answered
                except Exception as error:
                    _log.error("unexpected failure of a request", exc_info=error)
                    answer = line(500, _PHRASES[500], last=True)
                if self._transport is None:
                    break
                assert self._content is not None
                last = self._last or answer.last or not self._content.is_eof()
                self.say(_octets(answer, last=last, old=request.old, bare=request.method == "HEAD"))
                if last:
                    break
                if self._crowded:
                    self._drained = self._loop.create_future()
                    await self._drained
                    if self._transport is None:
                        break
                self._request = self._content = None
                self._next()
                del request, answer  # they would be kept as long as the connection
                if self._request is None and not self._last:
                    self._idle_since = self._loop.time()
                    self._waiter = self._loop.create_future()
                    await self._waiter
        except asyncio.CancelledError:
            if self._transport is not None:
                self._transport.abort()
            raise
        finally:
            self._deaf = True
            self._request = self._content = None
            self.close()

    def _next(self) -> None:
        """Read what has come behind the request that was answered."""
        if self._parser is not None:
            self._parser.message_consumed()
        early, self._early = self._early, b""
        self._feed(early)
        if early and not self._full:
            self._release()


def _octets(answer: Answer, *, last: bool, old: bool = False, bare: bool = False) -> bytes:
    status, body, content_type, headers, _ = answer
    more = "".join(f"{name}: {value}\r\n" for name, value in headers) if headers else ""
    if last:
        more += "Connection: close\r\n"
    elif old:
        more += "Connection: keep-alive\r\n"
    head = (
        f"HTTP/1.{0 if old else 1} {status} {_PHRASES[status]}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nDate: {rfc822_formatted_time()}\r\n{more}\r\n"
    ).encode("ascii")
    return head if bare else head + body


class Fronts:
    """All connections of a site that stands on :class:`Front`; made by :func:`~gateway.serving.site.direct`."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._open: set[Front] = set()

    def connect(
        self,
        limits: Limits,
        source: str,
        made: Callable[[Front, asyncio.Transport], None],
        lost: Callable[[], None],
    ) -> Front:
        """The protocol of one connection."""

        def come(front: Front, transport: asyncio.Transport) -> None:
            self._open.add(front)
            made(front, transport)

        def gone(front: Front) -> None:
            lost()
            if front.task is None or front.task.done():
                self._open.discard(front)
            else:  # what it has in hand goes on without its caller
                front.task.add_done_callback(lambda _: self._open.discard(front))

        return Front(self._handler, source, limits, come, gone)

    async def cleanup(self) -> None:
        """Have requests in hand answered, and leave the others."""
        await asyncio.sleep(0)  # what has come is seen first
        for front in list(self._open):
            front.finish()
        late = await self._wait()
        if late:
            for front in list(self._open):
                front.give_up()
            late = await self._wait()
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _wait(self) -> set[asyncio.Task[None]]:
        tasks = {front.task for front in self._open if front.task is not None}
        if not tasks:
            return set()
        return (await asyncio.wait(tasks, timeout=_SHUTDOWN_SECONDS))[1]
