"""Parts of a small network for the relation search: an SMP and a DNS server that do what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dns.message
from aiohttp import web

from gateway.model.identifiers import TRANSPORT_PROFILE, DocumentTypeId, ParticipantId, ProcessId
from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS
from gateway.security.authority import issue
from gateway.security.dsig import sign_enveloped
from gateway.security.keys import Identity, load_identity
from gateway.security.trust import Trust
from gateway.security.weburl import WebRules
from gateway.smp.beside import open_beside
from gateway.smp.client import Settle, SmpLookup
from gateway.smp.fetch import Timeouts, open_fetcher
from gateway.smp.metadata import ServiceEndpoint, path, write_group, write_metadata
from gateway.smp.resolver import Resolver

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
ZONE = "sml.test"
BUYER = ParticipantId.parse("0007:5567212047")
OTHER = ParticipantId.parse("0088:7300010000001")
AP_URL = "http://127.0.0.1:18999/as4"
PINT = DocumentTypeId.parse(
    "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::Invoice##urn:peppol:pint:billing-1@jp-1::2.1"
)
PINT_PROCESS = ProcessId("urn:peppol:bis:billing")


class FixedClock:
    def __init__(self, now: datetime = NOW) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


@dataclass
class Pki:
    """Certificates of our network, and of one that only looks like it."""

    smp: Identity
    other_smp: Identity
    expired_smp: Identity
    foreign_smp: Identity
    ap: Identity
    expired_ap: Identity
    foreign_ap: Identity
    trust: Trust


def identity(directory: Path, role: str, seat: str, now: datetime = NOW) -> Identity:
    certificate = issue(directory, role, seat, now=now)  # type: ignore[arg-type]
    return load_identity(certificate, directory / f"{seat}.key.pem", section="test")


def anchors(directory: Path) -> Trust:
    from cryptography import x509

    def load(*names: str) -> list[x509.Certificate]:
        return [x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes()) for name in names]

    return Trust(access_point=load("ap-ca", "root"), smp=load("smp-ca", "root"))


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def xml(octets: bytes, status: int = 200, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=octets, content_type="text/xml", headers=headers)

    return answer


def status(number: int, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=number, text="as the test says", headers=headers)

    return answer


@dataclass
class ScriptedSmp:
    """An SMP whose answers are set by the raw path; everything else is 404. ``asked`` counts."""

    pki: Pki
    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        answer = self.answers.get(request.raw_path)
        return await answer(request) if answer else web.Response(status=404, text="unknown")

    def group(
        self, *document_types: DocumentTypeId, participant: ParticipantId = BUYER, as_if: ParticipantId | None = None
    ) -> None:
        self.answers[path(participant)] = xml(write_group(as_if or participant, document_types, self.url))

    def signed(
        self,
        document_type: DocumentTypeId = BILLING_INVOICE,
        *,
        participant: ParticipantId = BUYER,
        process: ProcessId = BILLING_PROCESS,
        signer: Identity | None = None,
        certificate: bytes | None = None,
        **endpoint: Any,
    ) -> bytes:
        end = ServiceEndpoint(
            url=endpoint.pop("url", AP_URL),
            certificate=self.pki.ap.der if certificate is None else certificate,
            transport_profile=endpoint.pop("transport_profile", TRANSPORT_PROFILE),
            **endpoint,
        )
        root = write_metadata(
            participant, document_type, [process], [end], description="Exempel AB", contact_url="mailto:x@example.org"
        )
        return sign_enveloped(root, signer or self.pki.smp)

    def metadata(self, octets: bytes, document_type: DocumentTypeId = BILLING_INVOICE) -> None:
        self.at(document_type, xml(octets))

    def at(self, document_type: DocumentTypeId, answer: Answer) -> None:
        self.answers[path(BUYER, str(document_type))] = answer

    def all_well(self) -> None:
        """The buyer takes the billing documents."""
        self.group(BILLING_INVOICE, BILLING_CREDIT_NOTE)
        for kind in (BILLING_INVOICE, BILLING_CREDIT_NOTE):
            self.metadata(self.signed(kind), kind)


@asynccontextmanager
async def open_smp(pki: Pki) -> AsyncIterator[ScriptedSmp]:
    smp = ScriptedSmp(pki)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", smp.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        smp.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield smp
    finally:
        await runner.cleanup()


@dataclass
class Network:
    """One zone, one SMP, one search."""

    smp: ScriptedSmp
    second: ScriptedSmp
    lookup: SmpLookup
    clock: FixedClock
    zone_file: Path
    dns: tuple[str, int]
    pki: Pki


@asynccontextmanager
async def searching(
    pki: Pki,
    dns: tuple[str, int],
    clock: FixedClock,
    *,
    try_seconds: float = 0.3,
    total: float = 1.0,
    settle: Settle | None = None,
    most_beside: int = 32,
) -> AsyncIterator[SmpLookup]:
    """A search with short patience."""
    async with open_fetcher(
        WebRules(allow_http=True, allow_loopback=True), Timeouts(connect=0.5, total=total)
    ) as fetch:
        resolver = Resolver([dns], try_seconds=try_seconds)
        async with open_beside(most_beside) as beside:
            yield SmpLookup(fetch, resolver, pki.trust, zone=ZONE, clock=clock, settle=settle, beside=beside)


DnsAnswer = Callable[[dns.message.Message, bool], list[bytes]]
"""What a scripted DNS server sends back for a question: any number of packets (the flag says TCP)."""


class _Scripted(asyncio.DatagramProtocol):
    def __init__(self, answer: DnsAnswer, seen: list[str]) -> None:
        self.answer, self.seen = answer, seen

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.seen.append("udp")
        for packet in self.answer(dns.message.from_wire(data), False):
            self.transport.sendto(packet, addr)


@asynccontextmanager
async def scripted_dns(answer: DnsAnswer, seen: list[str] | None = None) -> AsyncIterator[tuple[str, int]]:
    """A DNS server that misbehaves as told, over UDP and TCP; ``seen`` gets ``udp`` or ``tcp`` for each question."""
    seen = [] if seen is None else seen

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            length = int.from_bytes(await reader.readexactly(2), "big")
            seen.append("tcp")
            for packet in answer(dns.message.from_wire(await reader.readexactly(length)), True):
                writer.write(len(packet).to_bytes(2, "big") + packet)
            await writer.drain()
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(stream, "127.0.0.1", 0)
    address: tuple[str, int] = server.sockets[0].getsockname()[:2]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Scripted(answer, seen), local_addr=address)
    try:
        yield address
    finally:
        transport.close()
        server.close()
