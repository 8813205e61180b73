"""Asking DNS for NAPTR records, so that "no" and "no answer" are never the same. [I/O]

Source: RFC 1035, RFC 2308 (negative answers), RFC 6891 (EDNS). NXDOMAIN and an empty NOERROR are the SML's word;
SERVFAIL, REFUSED, silence, referrals and nonsense are nobody's word and give
:class:`~gateway.errors.LookupUnavailable`. What the records mean is :mod:`gateway.smp.locator`'s. Answers are not
kept here; how long a no may be kept is told with it.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dns.asyncquery
import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.IN.NAPTR import NAPTR

from gateway.errors import ConfigurationError, LookupUnavailable
from gateway.model.relation import Step
from gateway.smp.dnswire import Usual, answers, is_cut, kept_for, read_usual, write_question
from gateway.smp.locator import Naptr

TRY_SECONDS: Final = 2.0
"""How long one server may think about one question."""
TOTAL_SECONDS: Final = 8.0
_PAUSES: Final = (0.0, 0.15, 0.4)
"""Pause before each round over all servers; the last round asks over TCP."""
_EDNS_PAYLOAD: Final = 1232
_LARGEST: Final = 65_535
_Answered = dns.message.Message | Usual | None


@dataclass(frozen=True, slots=True)
class Server:
    """One DNS server."""

    host: str
    port: int = 53

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What DNS says: the records, or that there are none."""

    records: tuple[Naptr, ...]
    """Empty: DNS says with authority that there are none."""
    says: str
    """``NXDOMAIN``, ``no NAPTR record``, or the records in words."""
    steps: tuple[Step, ...]
    no_for: int = 0
    """Seconds that a no may be kept; 0 where its SOA does not say so, and with records."""


class Resolver:
    """Asks several DNS servers in turn until one gives an answer that counts."""

    def __init__(self, servers: Sequence[tuple[str, int]] = (), *, try_seconds: float = TRY_SECONDS) -> None:
        """``servers`` are IP addresses with ports; none means those of the system.

        Raises :class:`ConfigurationError` for a server that is no IP address, or when the system names none.
        """
        self.servers = tuple(_server(host, port) for host, port in servers) or _system_servers()
        self._try_seconds = try_seconds

    async def naptr(self, name: str) -> Found:
        """Ask for the NAPTR records of the name; raises ``LookupUnavailable`` when nobody answers."""
        try:
            write_question(name, 0, _EDNS_PAYLOAD)
        except ValueError as error:
            raise LookupUnavailable(f"{name} is no DNS name: {error}") from None
        steps: list[Step] = []
        deadline = time.monotonic() + TOTAL_SECONDS
        for round_number, pause in enumerate(_PAUSES):
            await asyncio.sleep(pause)
            for server in self.servers:
                seconds = min(self._try_seconds, deadline - time.monotonic())
                if seconds <= 0:
                    break
                tcp = round_number == len(_PAUSES) - 1
                found = await self._ask(name, server, seconds, tcp, steps)
                if found is not None:
                    return found
        said = steps[-1].answer if steps else "nothing"
        raise LookupUnavailable(f"No DNS server answers for {name} (last: {said})", steps=steps)

    async def _ask(self, name: str, server: Server, seconds: float, tcp: bool, steps: list[Step]) -> Found | None:
        """One question to one server. Adds the step; gives None when the answer does not count."""
        question = write_question(name, secrets.randbits(16), _EDNS_PAYLOAD)
        started = time.monotonic()
        records: tuple[Naptr, ...] | None = None
        no_for = 0
        try:
            response, tcp = await _exchange(question, server, seconds, tcp)
            if isinstance(response, Usual):
                records, no_for = response.records, response.no_for
                says = _say(records) if records else "NXDOMAIN"
            else:
                records, says = _judge(response, zone=dns.name.from_text(name).parent().parent())
                no_for = _no_for(response) if records == () else 0
        except (dns.exception.Timeout, TimeoutError):
            says = f"no answer within {seconds:.1f} s"
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            says = f"no readable answer ({error or type(error).__name__})"
        steps.append(
            Step(
                asked=f"NAPTR {name.rstrip('.')}",
                where=f"{server}{' (TCP)' if tcp else ''}",
                answer=says,
                milliseconds=(time.monotonic() - started) * 1000,
            )
        )
        if records is None:
            return None
        return Found(records=records, says=says, steps=tuple(steps), no_for=no_for)


async def _exchange(
    question: bytes, server: Server, seconds: float, tcp: bool
) -> tuple[dns.message.Message | Usual, bool]:
    """Ask over UDP, and again over TCP when the answer was cut; tells which one answered.

    Each question has a port of its own, and the system passes on only what comes from the server: who forges an answer
    has to guess port and number.
    """
    async with asyncio.timeout(seconds):
        if not tcp:
            response = await _over_udp(question, server)
            if response is not None:
                return response, False
        return await dns.asyncquery.tcp(dns.message.from_wire(question), server.host, port=server.port), True


async def _over_udp(question: bytes, server: Server) -> _Answered:
    """The answer; None when it was cut. Forged or broken datagrams are passed over: a good one may follow."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[_Answered] = loop.create_future()
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    # A bare socket takes half of what asyncio's datagram transport does, for one question and one answer.
    with socket.socket(family, socket.SOCK_DGRAM) as own:
        own.setblocking(False)
        own.connect((server.host, server.port))
        own.send(question)

        def listen() -> None:
            try:
                data = own.recv(_LARGEST)
                if not answered.done() and answers(data, question):
                    answered.set_result(None if is_cut(data) else _read(data, question))
            except (BlockingIOError, InterruptedError, dns.exception.DNSException, ValueError, struct.error):
                pass  # not readable after all, or not to be read
            except OSError as error:
                if not answered.done():
                    answered.set_exception(error)

        loop.add_reader(own.fileno(), listen)
        try:
            return await answered
        finally:
            loop.remove_reader(own.fileno())


def _read(data: bytes, question: bytes) -> dns.message.Message | Usual:
    """Raises ``DNSException``, ``ValueError`` or ``struct.error`` for what is no answer."""
    usual = read_usual(data, question)
    if usual is not None:
        return usual
    response = dns.message.from_wire(data)
    if not dns.message.from_wire(question).is_response(response):
        raise ValueError("an answer to another question")
    return response


def _judge(response: dns.message.Message, zone: dns.name.Name) -> tuple[tuple[Naptr, ...] | None, str]:
    """Give the records (empty: there are none) or None when this is no answer, and what it says in words."""
    code = response.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return None, dns.rcode.to_text(code)
    if not isinstance(response, dns.message.QueryMessage):
        return None, "an answer to another kind of question"
    owners = [rrset.name for rrset in response.authority if rrset.rdtype == dns.rdatatype.SOA]
    if any(zone.is_subdomain(owner) and owner != zone and len(owner.labels) <= 2 for owner in owners):
        # The root or a top-level domain speaks: then it is the zone that does not exist, so nobody is registered there.
        return None, f"there is no zone {zone.to_text(omit_final_dot=True)}"
    has_soa = bool(owners)
    speaks = bool(response.flags & (dns.flags.AA | dns.flags.RA)) or has_soa
    if code == dns.rcode.NXDOMAIN:
        return ((), "NXDOMAIN") if speaks else (None, "NXDOMAIN from a server that does not know the zone")
    chain = response.resolve_chaining()  # follows CNAME, and DNAME by the CNAME that comes with it
    if chain.answer is None:
        # Without SOA (RFC 2308, 2.2) it is a referral, an alias without its end, or a forwarder that knows no NAPTR;
        # unless the zone's own server says so.
        own = bool(response.flags & dns.flags.AA) and not response.answer and not response.authority
        return ((), "no NAPTR record") if has_soa or own else (None, "neither records nor a refusal")
    records = tuple(_record(item) for item in chain.answer if isinstance(item, NAPTR))
    return records, _say(records)


def _no_for(response: dns.message.Message) -> int:
    """Seconds that the no may be kept: as the SOA says, and no longer than an alias that led to it (RFC 2308, 5)."""
    zones = [rrset for rrset in response.authority if isinstance(rrset[0], SOA)]
    aliases = [rrset.ttl for rrset in response.answer]
    return min([*(kept_for(rrset.ttl, rrset[0].minimum) for rrset in zones), *aliases]) if zones else 0


def _say(records: tuple[Naptr, ...]) -> str:
    return f"NAPTR {'; '.join(str(record) for record in records[:3])}"


def _record(item: NAPTR) -> Naptr:
    return Naptr(
        order=item.order,
        preference=item.preference,
        flags=item.flags.decode("ascii", "replace"),
        service=item.service.decode("ascii", "replace"),
        regexp=item.regexp.decode("utf-8", "replace"),
        replacement=item.replacement.to_text(),
    )


def _server(host: str, port: int) -> Server:
    if not dns.inet.is_address(host):
        raise ConfigurationError([("network.dns_servers", f"“{host}” is not an IP address")])
    return Server(host, port)


def _system_servers() -> tuple[Server, ...]:
    try:
        system = dns.resolver.Resolver(configure=True)
    except (dns.exception.DNSException, OSError) as error:
        raise ConfigurationError([("network.dns_servers", f"the system names no DNS server ({error})")]) from None
    return tuple(Server(str(host), int(system.port)) for host in system.nameservers if isinstance(host, str))
