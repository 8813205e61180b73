"""One connection of a caller: aiohttp's, with the deadlines and the manners that it lacks. [I/O]

aiohttp closes a connection on which no request comes, but a head that dribbles in keeps it open for ever. So each
connection knows since when it waits for the rest of a head; :class:`~gateway.serving.site.Site` looks at all of them
once a second, which costs a request nothing but two assignments.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler

_log = logging.getLogger(__name__)

_SHOWN: Final = 200


class Connection(RequestHandler):
    """Reads requests and has them answered. Made for each connection by the site."""

    __slots__ = ("_head_since", "_lost", "_made")

    def __init__(
        self,
        manager: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        made: Callable[[Connection, asyncio.Transport], None],
        lost: Callable[[], None],
        **settings: Any,
    ) -> None:
        super().__init__(manager, loop=loop, **settings)
        self._made = made
        self._lost = lost
        self._head_since = 0.0

    @property
    def head_since(self) -> float:
        """Loop time since when the head of a request is awaited in part, or the first one at all; 0 when none is."""
        return self._head_since

    @property
    def waiting_since(self) -> float:
        """Loop time since when nothing is at hand for this caller; 0 while a request is."""
        if self._head_since:
            return self._head_since
        idle = self._waiter is not None and not self._waiter.done()
        return self._next_keepalive_close_time - self._keepalive_timeout if idle else 0.0

    @property
    def fresh(self) -> bool:
        """Whether no request has come yet."""
        return self._request_count == 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._head_since = self._loop.time()
        super().connection_made(transport)
        self._made(self, transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waiter = self._waiter
        if waiter is None or waiter.done():
            if self._request_count:
                self._head_since = 0.0
        elif not self._head_since:
            self._head_since = self._loop.time()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._lost()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request in one line, without traceback, echo or the names of our software."""
        if isinstance(exc, HttpProcessingError):
            status = 431 if isinstance(exc, LineTooLong) else status
            _log.info("refused a request with HTTP %d: %s", status, (message or str(exc))[:_SHOWN])
        else:
            _log.error("unexpected failure of a request", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        response = Nameless(status=status, text=f"{HTTPStatus(status).phrase}\n")
        response.force_close()
        return response


class Nameless(web.Response):
    """An answer that does not say which software gave it."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


class Request(web.BaseRequest):
    """A request on a site without router; its answers do not say which software gave them."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)


async def hide_server(_: web.Request, response: web.StreamResponse) -> None:
    """The same for an application, as ``on_response_prepare``."""
    response.headers.popall("Server", None)
