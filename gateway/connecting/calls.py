"""Calls to access points and SMPs: kept connections and one request at a time on each, over HTTP/1.1. [I/O]

A general HTTP client costs as much as a signature and verifying one together, so this one knows only what is needed
here: a GET, a POST with a body of known length, no redirect, no proxy, no cookie, nothing unpacked. A name is connected
to only at the addresses that the resolver gives, which judges them. Source: RFC 9112; addresses are tried as RFC 8305
has it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import aiohappyeyeballs
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from gateway import __version__
from gateway.connecting.answer import Answer, AnswerReader, BrokenAnswer
from gateway.connecting.wire import Wire
from gateway.errors import InvalidAddress, PeerUnavailable
from gateway.security.tls import client_context, explain

PER_HOST: Final = 32
"""Connections to one: fewer make the messages of a long queue wait for each other, and share fewer commits."""
KEPT_SECONDS: Final = 20.0
"""How long a connection without a request may still be used: less than the 30 or 60 s after which servers, and what
stands before them, give it up, and not always with a word."""
_IDLE_MOST: Final = 256
"""Connections without a request, of all hosts together."""
_URL: Final = re.compile(r"(https?://[^/?#\s]+)([!-\"$-~]*)", re.ASCII | re.IGNORECASE)
_NEXT_ADDRESS_SECONDS: Final = 0.25


Kind = Literal["address", "connect", "time", "tls", "broken"]


class CallFailed(PeerUnavailable):
    """No answer. ``kind``: the address was refused, no connection in time, no answer in time, TLS, anything else."""

    def __init__(self, text: str, *, sent: bool, reason: str, kind: Kind, remedy: str = "") -> None:
        super().__init__(text, sent=sent, remedy=remedy)
        self.reason = reason
        self.kind = kind


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a URL leads."""

    tls: bool
    host: str
    port: int
    head: bytes
    """The request up to the value of its last header."""


class _Request(NamedTuple):
    """One request, where to, and until when; the times are the loop's."""

    url: str
    target: _Target
    head: bytes
    body: bytes | AsyncIterator[bytes]
    reader: AnswerReader
    connected_by: float
    answered_by: float
    seconds: float
    """How long the answer may take, for the text of an error."""


@dataclass(slots=True, eq=False)
class _Host:
    """The connections to one host and port."""

    places: asyncio.Semaphore
    idle: list[Wire] = field(default_factory=list)
    """Those without a request, the one used last at the end: so the few that are needed stay young."""
    users: int = 0


class Calls:
    """A pool of connections."""

    def __init__(
        self,
        *,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        per_host: int = PER_HOST,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> None:
        """``resolver`` gives the addresses of a name and may refuse (``InvalidAddress``); default: the system's."""
        self._resolver = resolver
        self._tls = tls
        self._per_host = per_host
        self._family = family
        self._hosts: dict[tuple[bool, str, int], _Host] = {}
        self._idle: deque[tuple[float, _Host, Wire]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def idle(self) -> int:
        """Connections that wait for the next request."""
        return sum(len(host.idle) for host in self._hosts.values())

    async def close(self) -> None:
        """Close every connection that waits; those in use end with their request."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for host in self._hosts.values():
            for wire in host.idle:
                wire.close()
            host.idle.clear()
        if self._resolver is not None:
            await self._resolver.close()

    async def post(
        self,
        url: str,
        content_type: str,
        body: bytes | AsyncIterator[bytes],
        *,
        length: int,
        most: int,
        connect: float,
        total: float,
    ) -> Answer:
        """Send once and give the answer, of at most ``most`` octets.

        ``connect`` seconds may pass until there is a connection, ``total`` until the answer is here. Raises
        ``CallFailed`` and, for an answer that is too large or packed, ``InvalidAnswer``.
        """
        target = _target(url, "POST")
        head = b"%b%b\r\nContent-Length: %d\r\n\r\n" % (target.head, content_type.encode("latin-1"), length)
        started = asyncio.get_running_loop().time()
        request = _Request(url, target, head, body, AnswerReader(most), started + connect, started + total, total)
        return await self._call(request, place_by=started + connect)

    async def get(self, url: str, *, accept: str, most: int, said: int, connect: float, total: float) -> Answer:
        """Ask once; of an answer with the status ``said`` the body is not read. Otherwise as ``post``."""
        target = _target(url, "GET")
        head = b"%b%b\r\n\r\n" % (target.head, accept.encode("ascii"))
        started = asyncio.get_running_loop().time()
        reader = AnswerReader(most, said=said)
        request = _Request(url, target, head, b"", reader, started + connect, started + total, total)
        return await self._call(request, place_by=started + total)

    async def _call(self, request: _Request, place_by: float) -> Answer:
        key = (request.target.tls, request.target.host, request.target.port)
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host(asyncio.Semaphore(self._per_host))
        host.users += 1
        try:
            if host.places.locked():
                await self._place(host, request.url, place_by)
            else:
                await host.places.acquire()  # returns at once
            try:
                wire = self._waiting(host) or await self._connected(request)
                answer = await _asked(wire, request)
                if answer.kept and wire.usable and not self._closed:
                    self._keep(host, wire)
                else:
                    wire.close()
                return answer
            finally:
                host.places.release()
        finally:
            host.users -= 1
            if not host.users and not host.idle:
                self._hosts.pop(key, None)

    @staticmethod
    async def _place(host: _Host, url: str, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                await host.places.acquire()
        except TimeoutError:
            remedy = "Nothing to do: it is sent when one is free."
            busy = _unreached(url, "all connections to it are in use", remedy, kind="connect")
            busy.failure = "local"  # the other side has done nothing
            raise busy from None

    @staticmethod
    def _waiting(host: _Host) -> Wire | None:
        oldest = asyncio.get_running_loop().time() - KEPT_SECONDS
        while host.idle:
            wire = host.idle.pop()
            if wire.usable and wire.idle_since > oldest:
                return wire
            wire.close()
        return None

    def _keep(self, host: _Host, wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        wire.idle_since = now = loop.time()
        host.idle.append(wire)
        self._idle.append((now, host, wire))
        if len(self._idle) > 4 * _IDLE_MOST or self._sweeper is None:
            self._sweep()

    def _sweep(self) -> None:
        """Close what has waited too long, or is too much; entries of those that were used since are dropped."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - KEPT_SECONDS
        current = deque(entry for entry in self._idle if entry[2].idle_since == entry[0] and entry[2] in entry[1].idle)
        while current and (current[0][0] <= oldest or len(current) > _IDLE_MOST):
            _, host, wire = current.popleft()
            host.idle.remove(wire)
            wire.close()
        self._idle = current
        for key in [key for key, host in self._hosts.items() if not host.users and not host.idle]:
            del self._hosts[key]
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweeper = loop.call_later(KEPT_SECONDS / 4, self._sweep) if current else None

    async def _connected(self, request: _Request) -> Wire:
        """A new connection. Raises ``CallFailed``: nothing was sent."""
        target, url = request.target, request.url
        context = self._context() if target.tls else None
        made: socket.socket | None = None
        try:
            async with asyncio.timeout_at(request.connected_by):
                made = await aiohappyeyeballs.start_connection(
                    await self._addresses(target), happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, interleave=1
                )
                loop = asyncio.get_running_loop()
                _, wire = await loop.create_connection(
                    Wire, sock=made, ssl=context, server_hostname=target.host.rstrip(".") if context else None
                )
                return wire
        except TimeoutError as error:
            text = (
                "no connection could be made in time" if made is None or not context else "TLS was not agreed in time"
            )
            raise _unreached(url, text, kind="connect") from error
        except InvalidAddress as error:
            raise _unreached(url, str(error), kind="address") from None
        except (OSError, ssl.SSLError, ValueError) as error:
            if context and made is not None and isinstance(error, ssl.SSLError | ConnectionError):
                raise _unreached(url, *explain(error), kind="tls") from None
            raise _unreached(url, str(error) or type(error).__name__) from None

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = client_context()
        return self._tls

    async def _addresses(self, target: _Target) -> list[Any]:
        stream, tcp = socket.SOCK_STREAM, socket.IPPROTO_TCP
        with suppress(ValueError):
            version = ipaddress.ip_address(target.host).version
            family = socket.AF_INET6 if version == 6 else socket.AF_INET
            place = (target.host, target.port, 0, 0) if version == 6 else (target.host, target.port)
            return [(family, stream, tcp, "", place)]
        if self._resolver is None:
            self._resolver = ThreadedResolver()
        found = await self._resolver.resolve(target.host, target.port, self._family)
        return [
            (
                each["family"],
                stream,
                tcp,
                "",
                (each["host"], each["port"], 0, 0)
                if each["family"] == socket.AF_INET6
                else (each["host"], each["port"]),
            )
            for each in found
        ]


async def _asked(wire: Wire, request: _Request) -> Answer:
    """Send and wait for the answer; whatever goes wrong ends the connection, and the octets may have arrived."""
    whole = False
    try:
        answer = await wire.ask(request.head, request.body, request.reader, request.answered_by)
        whole = True
        return answer
    except TimeoutError:
        raise _unanswered(request.url, f"none came within {request.seconds:g} s", "time") from None
    except (BrokenAnswer, OSError) as error:
        raise _unanswered(request.url, str(error) or type(error).__name__, "broken") from None
    finally:
        if not whole:
            wire.abort()


def _unreached(url: str, text: str, remedy: str = "", *, kind: Kind = "broken") -> CallFailed:
    return CallFailed(f"{url} cannot be reached: {text}", sent=False, reason=text, kind=kind, remedy=remedy)


def _unanswered(url: str, text: str, kind: Kind) -> CallFailed:
    return CallFailed(f"{url} gave no answer: {text}", sent=True, reason=text, kind=kind)


def _target(url: str, method: Literal["GET", "POST"]) -> _Target:
    """Read a URL; raises ``CallFailed``."""
    try:
        return _read_post(url) if method == "POST" else _read_get(url)
    except ValueError as error:
        raise _unreached(url, str(error), kind="address") from None


@lru_cache(1024)
def _read_post(url: str) -> _Target:
    """Access points are few and called often. Raises ``ValueError``."""
    place, named = _place_of(read := URL(url))
    return replace(place, head=_head(f"POST {read.raw_path_qs}", named, "*/*", "Content-Type: "))


def _read_get(url: str) -> _Target:
    """Of an SMP every URL is another. Its path goes out as given: it is encoded already. Raises ``ValueError``."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("this is no address of http or https")
    place, named = _read_base(found[1])
    path = found[2] if found[2][:1] == "/" else f"/{found[2]}"
    return replace(place, head=f"GET {path} HTTP/1.1\r\n".encode() + named)


@lru_cache(1024)
def _read_base(url: str) -> tuple[_Target, bytes]:
    place, named = _place_of(URL(url))
    return place, _head("", named, "", "Accept: ").removeprefix(b" HTTP/1.1\r\n")


def _place_of(read: URL) -> tuple[_Target, str]:
    if read.scheme not in ("http", "https") or not read.host or not read.raw_host or not read.port:
        raise ValueError("this is no address of http or https")
    default = read.port == (443 if read.scheme == "https" else 80)
    named = f"[{read.raw_host}]" if ":" in read.raw_host else read.raw_host
    place = _Target(read.scheme == "https", read.raw_host, read.port, b"")
    return place, named if default else f"{named}:{read.port}"


def _head(request: str, named: str, accept: str, last: str) -> bytes:
    lines = (
        f"{request} HTTP/1.1",
        f"Host: {named}",
        *([f"Accept: {accept}"] if accept else []),
        "Accept-Encoding: identity",
        f"User-Agent: access-point-gateway/{__version__}",
        last,
    )
    return "\r\n".join(lines).encode("ascii")
