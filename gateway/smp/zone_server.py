"""DNS for a private network: answers NAPTR questions from the register file, over UDP and TCP. [I/O]

Source: RFC 1035, RFC 2308 (SOA with every "no"), RFC 7766 (TCP), BDXL 1.6 (the record). Authoritative for one zone,
recursive for none: names outside are refused. The file is read again whenever it changes; a file that cannot be read
gives SERVFAIL, because "not registered" would be a lie.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from gateway.errors import ConfigurationError
from gateway.model.identifiers import PARTICIPANT_SCHEME
from gateway.smp.locator import SERVICE, label
from gateway.smp.zone import Zone, read_zone

log = logging.getLogger(__name__)

TTL: Final = 10
_NEGATIVE_TTL: Final = 10
_UDP_PLAIN: Final = 512
_UDP_MOST: Final = 1232
_TCP_IDLE: Final = 10.0
_TCP_MOST: Final = 64
_BIND_TRIES: Final = 20


Bend = Callable[[str], str | None]


class _Silence(Exception):
    """There is to be no answer."""


class Answerer:
    """Turns one question into its answer; keeps the register in memory until its file changes."""

    def __init__(self, path: Path, bend: Bend = lambda url: url) -> None:
        """``bend``: what is said instead of an SMP's address; empty is SERVFAIL, None is silence."""
        self._path = path
        self._bend = bend
        self._stamp: tuple[int, int, int] | None = None
        self._zone = Zone(name="")
        self._by_label: dict[bytes, str] = {}

    def answer(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """Give the answer's octets; None for what is no question and gets silence."""
        try:
            query = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError, struct.error):
            return None
        if query.flags & dns.flags.QR:
            return None  # answering answers would let two servers talk for ever
        response = dns.message.make_response(query)
        try:
            response.set_rcode(self._fill(query, response))
        except _Silence:
            return None
        return to_wire(query, response, tcp=tcp)

    def _fill(self, query: dns.message.Message, response: dns.message.Message) -> dns.rcode.Rcode:
        if query.opcode() != 0:
            return dns.rcode.NOTIMP
        if len(query.question) != 1:
            return dns.rcode.FORMERR
        try:
            self._refresh()
            apex = dns.name.from_text(self._zone.name)
        except (ConfigurationError, dns.exception.DNSException) as error:
            log.error("the register of the private network cannot be read: %s", error)
            return dns.rcode.SERVFAIL
        asked = query.question[0]
        if not asked.name.is_subdomain(apex):
            return dns.rcode.REFUSED
        response.flags |= dns.flags.AA
        below = tuple(part.lower() for part in asked.name.relativize(apex).labels)
        soa = dns.rrset.from_text(
            apex, _NEGATIVE_TTL, "IN", "SOA", f"ns.{apex} hostmaster.{apex} 1 3600 600 86400 {_NEGATIVE_TTL}"
        )
        if below == () and asked.rdtype == dns.rdatatype.SOA:
            response.answer.append(soa)
            return dns.rcode.NOERROR
        url = self._by_label.get(below[0]) if below[1:] == (PARTICIPANT_SCHEME.encode(),) else None
        if url is not None:
            url = self._bend(url)
            if url is None:
                raise _Silence
            if not url:
                response.flags &= ~dns.flags.AA
                return dns.rcode.SERVFAIL
        if url is not None and asked.rdtype in (dns.rdatatype.NAPTR, dns.rdatatype.ANY):
            record = f'100 10 "U" "{SERVICE}" "!.*!{url}!" .'
            response.answer.append(dns.rrset.from_text(asked.name, TTL, "IN", "NAPTR", record))
            return dns.rcode.NOERROR
        response.authority.append(soa)
        is_there = url is not None or below in ((), (PARTICIPANT_SCHEME.encode(),))
        return dns.rcode.NOERROR if is_there else dns.rcode.NXDOMAIN

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
        except OSError as error:
            raise ConfigurationError([(str(self._path), str(error))]) from None
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp == self._stamp:
            return
        self._zone = read_zone(self._path)
        self._by_label = {label(known).encode(): url for known, url in self._zone.participants.items()}
        self._stamp = stamp


def to_wire(query: dns.message.Message, response: dns.message.Message, *, tcp: bool) -> bytes:
    """The response's octets; over UDP cut, with the flag that says so, to what the asker can take."""
    if tcp:
        return response.to_wire(max_size=65_535)
    most = min(max(query.payload, _UDP_PLAIN), _UDP_MOST) if query.edns >= 0 else _UDP_PLAIN
    return response.to_wire(max_size=most, prefer_truncation=True)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        answer = self._answerer.answer(data, tcp=False)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


class _Tcp:
    """Several questions after each other on one connection."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._open: set[asyncio.StreamWriter] = set()

    def close(self) -> None:
        """Hang up on everybody."""
        for writer in self._open:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while len(self._open) <= _TCP_MOST:
                async with asyncio.timeout(_TCP_IDLE):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    answer = self._answerer.answer(await reader.readexactly(length), tcp=True)
                    if answer is None:
                        break
                    writer.write(struct.pack("!H", len(answer)) + answer)
                    await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()


@asynccontextmanager
async def serve_zone(
    path: Path, listen: tuple[str, int] = ("127.0.0.1", 0), bend: Bend = lambda url: url
) -> AsyncIterator[tuple[str, int]]:
    """Serve the register on one UDP and TCP port; gives the bound address. Port 0 takes any that is free in both.

    Raises :class:`ConfigurationError` when the address cannot be bound.
    """
    answerer = Answerer(path, bend)
    streams = _Tcp(answerer)
    tcp, udp = await _bind(answerer, streams, *listen)
    try:
        bound: tuple[str, int] = udp.get_extra_info("sockname")[:2]
        yield bound
    finally:
        udp.close()
        tcp.close()
        streams.close()
        await tcp.wait_closed()


async def _bind(
    answerer: Answerer, streams: _Tcp, host: str, port: int
) -> tuple[asyncio.Server, asyncio.DatagramTransport]:
    loop = asyncio.get_running_loop()
    problem = ""
    for _ in range(1 if port else _BIND_TRIES):
        try:
            tcp = await asyncio.start_server(streams.serve, host, port)
        except OSError as error:
            problem = os.strerror(error.errno) if error.errno else str(error)
            continue
        number = tcp.sockets[0].getsockname()[1]
        try:
            udp, _protocol = await loop.create_datagram_endpoint(lambda: _Udp(answerer), local_addr=(host, number))
        except OSError as error:
            problem = os.strerror(error.errno) if error.errno else str(error)
            tcp.close()
            continue
        return tcp, udp
    raise ConfigurationError([("network", f"DNS cannot listen on {host}:{port}: {problem}")])
