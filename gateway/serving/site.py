"""One site: a listening address, its callers, and how many of them there may be. [I/O]

Every connection is counted from the moment it is taken, before TLS and before its first octet, so that neither silent
nor slow ones keep honest callers out: one address gets a share, and when all places are taken, whoever has waited
longest for a request makes room for the next.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from aiohttp import web

from gateway.as4.limits import LIMITS, Limits
from gateway.config.values import Address, neighbourhood
from gateway.serving.connection import Connection, Request
from gateway.serving.door import Door, Favour, Nobody
from gateway.serving.front import Front, Fronts, Handler

_log = logging.getLogger(__name__)

BACKLOG: Final = 4096
"""Connections that the kernel holds for us, where it may hold so many; whom it drops asks again after a second."""
_SWEEP_SECONDS: Final = 1.0
_FIRST_REQUEST_SECONDS: Final = 1.0
"""How long the drain waits for the request of a connection that was just taken."""
_LOOKS: Final = 50
_NO_DESCRIPTOR_SECONDS: Final = 1.0
_SHUTDOWN_SECONDS: Final = 10.0
"""How long requests in hand may take to be answered."""
_TLS_GOODBYE_SECONDS: Final = 5.0
_TAKEN_AT_ONCE: Final = 64
_WELCOMED_AT_ONCE: Final = 8
"""In one go of the event loop: who only connects and leaves must not stand before requests that are being answered."""
_LOOKED_AT: Final = 64
"""At the door in one go; those who have left cost little."""
_ROOM: Final = 16
"""How many make room in one go, since looking for them costs time."""

Runner = web.AppRunner | web.ServerRunner | Fronts
"""Who makes the connections of a site and has their requests answered."""
Connect = Callable[[str, Callable[[Any, asyncio.Transport], None], Callable[[], None]], asyncio.Protocol]
"""Makes the protocol of one connection: (caller, called when it is there, called when it is gone)."""
Context = Callable[[], ssl.SSLContext | None]
"""The TLS settings for the next connection; None for plain http."""


def settings(limits: Limits = LIMITS) -> dict[str, Any]:
    """The limits as aiohttp's connection takes them."""
    return {
        "max_line_size": limits.header_octets,
        "max_field_size": limits.header_octets,
        "max_headers": limits.headers,
        "lingering_time": limits.lingering,
        "keepalive_timeout": limits.kept,
        "auto_decompress": False,  # packed bodies are refused, so nothing may unpack them
        "access_log": None,
    }


def plain() -> None:
    """The :data:`Context` of plain http."""
    return


@dataclass(eq=False, slots=True)
class _Guest:
    """A caller from the moment its connection is taken."""

    address: str
    since: float
    taken: socket.socket | None = None
    """While it stands at the door."""
    handshake: asyncio.Task[None] | None = None
    connection: Connection | Front | None = None
    transport: asyncio.Transport | None = None
    waiting_octets: int = 0
    waiting_since: float = 0.0

    @property
    def idle_since(self) -> float:
        return self.connection.waiting_since if self.connection else self.since


@dataclass(kw_only=True)
class Site:
    """Takes connections and watches over them. Made by :func:`open_site`."""

    connect: Connect
    limits: Limits = LIMITS
    context: Context = plain
    exempt: Collection[str] = ("127.0.0.1", "::1")
    """Addresses of proxies: no share of one address for them."""
    refused: int = 0
    """Connections that were closed at once since the start."""
    _guests: dict[_Guest, None] = field(default_factory=dict)
    _held: Counter[str] = field(default_factory=Counter)
    _sockets: list[socket.socket] = field(default_factory=list)
    _sweep_timer: asyncio.TimerHandle | None = None
    favour: Favour = field(default_factory=Nobody)
    """Whom it prefers."""
    _opening: asyncio.Handle | None = None

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handshakes = asyncio.TaskGroup()
        self._door = Door[_Guest](self.favour, self._loop.time)
        """Who is counted and not yet welcomed."""
        self._most = min(self.limits.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._guests)

    @property
    def address(self) -> Address:
        """Where it listens."""
        host, port = self._sockets[0].getsockname()[:2]
        return Address(str(host), int(port))

    def start(self, sockets: Sequence[socket.socket]) -> None:
        """Take connections from these listening sockets."""
        for listening in sockets:
            listening.setblocking(False)
            self._sockets.append(listening)
            self._loop.add_reader(listening.fileno(), self._take, listening)
        self._sweep()

    async def stop(self) -> None:
        """Take what has arrived, then listen no more; give the newest callers a moment to say what they want."""
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())
            self._take(listening, most=BACKLOG)
            listening.close()
        self._sockets.clear()
        for _ in range(_LOOKS):
            if not any(guest.connection is None or guest.connection.fresh for guest in self._guests):
                break
            await asyncio.sleep(_FIRST_REQUEST_SECONDS / _LOOKS)

    def end(self) -> None:
        """Leave whoever is still there."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for guest in list(self._guests):
            self._turn_out(guest)
        for guest in self._door.clear():
            _close(guest)

    def _take(self, listening: socket.socket, most: int = _TAKEN_AT_ONCE) -> None:
        for _ in range(most):
            try:
                taken, peer = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue
            except OSError as error:  # no descriptor or no memory left
                _log.error("no connection can be taken: %s", error.strerror)
                self._loop.remove_reader(listening.fileno())
                self._loop.call_later(_NO_DESCRIPTOR_SECONDS, self._take_again, listening)
                return
            self._admit(taken, neighbourhood(str(peer[0])))

    def _take_again(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening.fileno(), self._take, listening)

    def _admit(self, taken: socket.socket, address: str) -> None:
        full = address not in self.exempt and self._held[address] >= self.limits.per_address
        if full or (len(self._guests) >= self._most and not self._make_room()):
            self.refused += 1
            taken.close()
            return
        taken.setblocking(False)
        guest = _Guest(address, self._loop.time(), taken)
        self._guests[guest] = None
        self._held[address] += 1
        if self._door.put(address, guest) or self._opening is None:
            self._open_after(0.0)

    def _open_door(self) -> None:
        """Welcome some of those at the door."""
        self._opening = None
        welcomed = 0
        for _ in range(_LOOKED_AT):
            if welcomed == _WELCOMED_AT_ONCE or (guest := self._door.next()) is None:
                break
            taken, guest.taken = guest.taken, None
            assert taken is not None
            if _has_left(taken):
                self._door.give_back()
                taken.close()
                self._leave(guest)
                continue
            welcomed += 1
            guest.handshake = self._handshakes.create_task(self._welcome(guest, taken))
        if (pause := self._door.pause()) is not None:
            self._open_after(pause)

    def _open_after(self, seconds: float) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if seconds:
            self._opening = self._loop.call_later(seconds, self._open_door)
        else:
            self._opening = self._loop.call_soon(self._open_door)

    async def _welcome(self, guest: _Guest, taken: socket.socket) -> None:
        """Agree on TLS where that is wanted, and begin to read."""

        def made(connection: Connection | Front, transport: asyncio.Transport) -> None:
            guest.connection, guest.transport = connection, transport

        def connection() -> asyncio.Protocol:
            return self.connect(guest.address, made, lambda: self._leave(guest))

        try:
            context = self.context()
            if context is None:
                await self._loop.connect_accepted_socket(connection, taken)
            else:
                await self._loop.connect_accepted_socket(
                    connection,
                    taken,
                    ssl=context,
                    ssl_handshake_timeout=self.limits.handshake,
                    ssl_shutdown_timeout=_TLS_GOODBYE_SECONDS,
                )
        except asyncio.CancelledError:
            self._leave(guest)
            raise
        except Exception as error:  # whatever a stranger sends instead of a handshake
            self._leave(guest)
            _log.debug("no TLS with %s: %s", guest.address, error)
        finally:
            guest.handshake = None

    def _leave(self, guest: _Guest) -> None:
        if self._guests.pop(guest, guest) is guest:
            return  # it was counted out before
        guest.connection = guest.transport = None  # they know it too: a circle
        self._held[guest.address] -= 1
        if not self._held[guest.address]:
            del self._held[guest.address]

    def _make_room(self) -> bool:
        """Turn those out who have waited longest for a request; False when every caller is being served."""
        waiting = sorted((g for g in self._guests if g.idle_since), key=lambda g: g.idle_since)
        for guest in waiting[:_ROOM]:
            self._turn_out(guest)
            self._leave(guest)
        return bool(waiting)

    def _sweep(self) -> None:
        now = self._loop.time()
        for guest in list(self._guests):
            if guest.connection is None or guest.transport is None:
                continue  # the handshake has a deadline of its own
            head = guest.connection.head_since
            if (head and now - head > self.limits.head) or self._is_stalled(guest, guest.transport, now):
                self._turn_out(guest)
            elif isinstance(guest.connection, Front):  # aiohttp's has a timer for that
                kept = guest.connection.kept_since
                if kept and now - kept > self.limits.kept:
                    guest.connection.close()
        pause = min(_SWEEP_SECONDS, self.limits.head / 4, self.limits.stalled / 4)
        self._sweep_timer = self._loop.call_later(pause, self._sweep)

    def _is_stalled(self, guest: _Guest, transport: asyncio.Transport, now: float) -> bool:
        octets = transport.get_write_buffer_size()
        if octets == 0 or octets != guest.waiting_octets:
            guest.waiting_octets, guest.waiting_since = octets, now
            return False
        return now - guest.waiting_since > self.limits.stalled

    def _turn_out(self, guest: _Guest) -> None:
        if guest.taken is not None:
            self._door.remove(guest.address, guest)
            _close(guest)
        elif guest.transport is not None:
            guest.transport.abort()
        elif guest.handshake is not None:
            guest.handshake.cancel()


def _close(guest: _Guest) -> None:
    """It goes from the door."""
    if guest.taken is not None:
        guest.taken.close()
        guest.taken = None


def _has_left(taken: socket.socket) -> bool:
    """Whether a caller has gone without a word, or was cut off."""
    try:
        return not taken.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True


@asynccontextmanager
async def open_site(
    runner: Runner,
    sockets: Sequence[socket.socket],
    *,
    limits: Limits = LIMITS,
    context: Context = plain,
    exempt: Collection[str] = ("127.0.0.1", "::1"),
    favour: Favour | None = None,
) -> AsyncIterator[Site]:
    """Serve on these sockets inside the block; at its end listening stops and requests in hand are answered."""
    connect = await _connect(runner, limits)
    site = Site(connect=connect, limits=limits, context=context, exempt=exempt, favour=favour or Nobody())
    failure: BaseException | None = None
    async with site._handshakes:
        site.start(sockets)
        try:
            yield site
        except BaseException as error:
            failure = error  # it leaves as it is, not in the task group's wrapping
        finally:
            try:
                await site.stop()
                await runner.cleanup()
            finally:
                site.end()
    if failure is not None:
        raise failure


async def _connect(runner: Runner, limits: Limits) -> Connect:
    if isinstance(runner, Fronts):
        return partial(runner.connect, limits)
    await runner.setup()
    server, loop, chosen = runner.server, asyncio.get_running_loop(), settings(limits)
    assert server is not None

    def connection(_: str, made: Callable[[Any, asyncio.Transport], None], lost: Callable[[], None]) -> Connection:
        return Connection(server, loop=loop, made=made, lost=lost, **chosen)

    return connection


def direct(handler: Handler) -> Fronts:
    """A runner without aiohttp's server, for a handler of plain values (:mod:`gateway.as4.asking`)."""
    return Fronts(handler)


def low_level(handler: Callable[[web.BaseRequest], Any]) -> web.ServerRunner:
    """A runner without application: no router and no middleware stand between connection and handler."""
    loop = asyncio.get_running_loop()

    def request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return Request(message, payload, protocol, writer, task, loop)

    return web.ServerRunner(web.Server(handler, request_factory=request), shutdown_timeout=_SHUTDOWN_SECONDS)


def with_application(app: web.Application) -> web.AppRunner:
    """A runner for an application."""
    return web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)


def listen(address: Address, *, shared: bool = False) -> list[socket.socket]:
    """Listening sockets for the address; ``shared`` lets several of our own stand side by side. Raises ``OSError``."""
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, place in dict.fromkeys(found):
            listening = socket.socket(family, kind, protocol)
            sockets.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                with suppress(OSError):
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(place)
            listening.listen(BACKLOG)
    except OSError as error:
        for listening in sockets:
            listening.close()
        raise OSError(error.errno, f"{address}: {error.strerror}") from None
    return sockets
