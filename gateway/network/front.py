"""An SMP that stands in front of a gateway's own while something is to go wrong with that. [I/O]

While no fault is on, DNS names the gateway's SMP itself and nobody comes here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from yarl import URL

from gateway.errors import InvalidAddress
from gateway.model.identifiers import TRANSPORT_PROFILE
from gateway.model.services import BILLING_PROCESS
from gateway.network.faults import Faults, faults_of
from gateway.network.market import Market, Member
from gateway.security.dsig import sign_enveloped
from gateway.security.keys import Identity, load_identity
from gateway.security.tls import client_context
from gateway.smp.metadata import ServiceEndpoint, write_metadata, write_redirect
from gateway.smp.server import read_document_type, read_participant

OF_SMP: Final = ("lying-smp", "slow-smp", "broken-smp", "forged-smp", "redirect-loop")
SLOW_SECONDS: Final = 30.0
_HOPS: Final = "again"
"""Before a path: the redirect was followed once."""


@dataclass(slots=True)
class Front:
    """Answers in the name of a gateway's SMP: ``/{gateway}/…``."""

    market: Market
    faults: Faults
    session: aiohttp.ClientSession

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Do what is to go wrong, else what the gateway's own SMP does."""
        name, _, rest = request.raw_path.lstrip("/").partition("/")
        member = next((member for member in self.market.members if member.name == name), None)
        if member is None:
            return web.Response(status=404)
        rest = rest.removeprefix(f"{_HOPS}/")
        if self.faults.on("slow-smp", name):
            await asyncio.sleep(SLOW_SECONDS)
        if self.faults.on("broken-smp", name):
            return web.Response(status=503, text="out of order, as it was told\n")
        _, is_service, _ = rest.partition("/services/")
        if is_service and self.faults.on("redirect-loop", name):
            return await _signed(self._loop, member, rest)
        if is_service and self.faults.on("lying-smp", name):
            return await _signed(self._lie, member, rest)
        async with self.session.get(URL(f"{member.smp_url}/{rest}", encoded=True)) as real:
            octets = await real.read()
            if self.faults.on("forged-smp", name) and is_service:
                octets = octets.replace(member.as4_url.encode(), b"http://127.0.0.1:9/as4")
            return web.Response(status=real.status, body=octets, content_type="text/xml")

    def _loop(self, member: Member, rest: str) -> bytes:
        ours = _smp(member)
        place = url_of(self.market, member) + f"/{_HOPS}/{rest}"
        return sign_enveloped(write_redirect(place, ours.certificate.subject.rfc4514_string()), ours)

    def _lie(self, member: Member, rest: str) -> bytes:
        participant, _, kind = rest.partition("/services/")
        certificate = x509.load_pem_x509_certificate((member.directory / f"{member.seat}.pem").read_bytes())
        endpoint = ServiceEndpoint(
            url=member.as4_url, certificate=certificate.public_bytes(Encoding.DER), transport_profile=TRANSPORT_PROFILE
        )
        asked, document_type = read_participant(unquote(participant)), read_document_type(unquote(kind))
        root = write_metadata(
            asked, document_type, [BILLING_PROCESS], [endpoint], description="a lie", contact_url=member.smp_url
        )
        return sign_enveloped(root, _smp(member))


async def _signed(write: Callable[..., bytes], *about: object) -> web.Response:
    try:
        return web.Response(body=await asyncio.to_thread(write, *about), content_type="text/xml")
    except InvalidAddress:
        return web.Response(status=404)


def _smp(member: Member) -> Identity:
    seat = member.seat.replace("POP", "PSP")
    return load_identity(member.directory / f"{seat}.pem", member.directory / f"{seat}.key.pem", section="smp")


def url_of(market: Market, member: Member) -> str:
    """Where the front answers in the name of this gateway's SMP."""
    assert market.front is not None
    return f"http://{market.front[0]}:{market.front[1]}/{member.name}"


@dataclass(slots=True)
class Bent:
    """What DNS says about a participant whose SMP is at an address: for :class:`gateway.smp.zone_server.Answerer`."""

    market: Market
    faults: Faults

    def __call__(self, url: str) -> str | None:
        """The address to say; empty: SERVFAIL; None: nothing at all."""
        held = self.faults.all()
        member = next((member for member in self.market.members if member.smp_url == url), None)
        if not held or member is None:
            return url
        if self.faults.on("dns-silent", member.name):
            return None
        if self.faults.on("servfail", member.name):
            return ""
        return url_of(self.market, member) if any(self.faults.on(one, member.name) for one in OF_SMP) else url


@asynccontextmanager
async def serve_front(market: Market) -> AsyncIterator[None]:
    """Serve it; nothing in a market of an earlier version, which has no place for it."""
    if market.front is None:
        yield
        return
    trust = [market.directory / "pki" / "tls-ca.pem"] if any(member.tls for member in market.members) else []
    connector = aiohttp.TCPConnector(ssl=client_context(trust))
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False, trust_env=False) as session:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", Front(market, faults_of(market), session).answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, *market.front).start()
            yield
        finally:
            await runner.cleanup()
