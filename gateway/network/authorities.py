"""The revocation lists and the OCSP responder of a market's authorities. [I/O]

Source: RFC 5280 section 5, RFC 6960. Both are signed by the authority itself, when they are asked for. Lists hold for
two minutes, so that a certificate that is revoked while people look is refused soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from gateway.network.faults import Faults, faults_of
from gateway.network.market import Market
from gateway.security.authority import LISTS_FILE, Issued, load_authority

HOLDS: Final = timedelta(minutes=2)
_NAMES: Final = ("root", "ap-ca", "smp-ca")
_LARGEST: Final = 64 * 1024


@dataclass(slots=True)
class Authorities:
    """Answers ``GET /NAME.crl`` and ``POST /ocsp``."""

    market: Market
    faults: Faults
    issued: dict[str, Issued]

    async def answer(self, request: web.Request) -> web.Response:
        name = request.path.strip("/").removesuffix(".crl")
        if self.faults.all().get("no-lists"):
            return web.Response(status=503, text="out of order, as it was told\n")
        if request.path == "/ocsp" and request.method == "POST":
            octets = await asyncio.to_thread(self.say, await request.read())
            return web.Response(body=octets, content_type="application/ocsp-response")
        if request.method == "GET" and request.path.endswith(".crl") and name in self.issued:
            octets = await asyncio.to_thread(self.list_of, name)
            return web.Response(body=octets, content_type="application/pkix-crl")
        return web.Response(status=404, text="Here are /root.crl, /ap-ca.crl, /smp-ca.crl and /ocsp.\n")

    def list_of(self, name: str) -> bytes:
        """The authority's list as of now, in DER."""
        authority, now = self.issued[name], datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.certificate.subject)
            .last_update(now - timedelta(seconds=1))
            .next_update(now + HOLDS)
            .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
            )
        )
        for certificate in self.revoked():
            if certificate.issuer == authority.certificate.subject:
                entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
                reason = x509.CRLReason(x509.ReasonFlags.cessation_of_operation)
                entry = entry.revocation_date(now - timedelta(seconds=1)).add_extension(reason, critical=False)
                builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def say(self, question: bytes) -> bytes:
        """The answer to an OCSP question, in DER."""
        try:
            asked = ocsp.load_der_ocsp_request(question)
            serial = asked.serial_number
        except ValueError:
            return _refuse(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        now = datetime.now(UTC)
        for authority in self.issued.values():
            name = hashes.Hash(asked.hash_algorithm)
            name.update(authority.certificate.subject.public_bytes())
            if name.finalize() != asked.issuer_name_hash:
                continue
            revoked = any(c.serial_number == serial for c in self.revoked())
            status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
            builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
                issuer_name_hash=asked.issuer_name_hash,
                issuer_key_hash=asked.issuer_key_hash,
                serial_number=serial,
                algorithm=asked.hash_algorithm,
                cert_status=status,
                this_update=now - timedelta(seconds=1),
                next_update=now + HOLDS,
                revocation_time=now - timedelta(seconds=1) if revoked else None,
                revocation_reason=None,
            )
            builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, authority.certificate)
            return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)
        return _refuse(ocsp.OCSPResponseStatus.UNAUTHORIZED)

    def revoked(self) -> list[x509.Certificate]:
        """The certificates that the switches say are revoked."""
        found = []
        for member in self.market.members:
            if self.faults.on("revoked-ap", member.name):
                pem = (member.directory / f"{member.seat}.pem").read_bytes()
                found.append(x509.load_pem_x509_certificate(pem))
        return found


def _refuse(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


@asynccontextmanager
async def serve_authorities(market: Market) -> AsyncIterator[None]:
    """Serve what the market's certificates name as their lists; nothing where they name none."""
    if market.lists is None:
        yield
        return
    pki = market.directory / "pki"
    assert (pki / LISTS_FILE).exists()
    authorities = Authorities(market, faults_of(market), {name: load_authority(pki, name) for name in _NAMES})
    app = web.Application(client_max_size=_LARGEST)
    app.router.add_route("*", "/{path:.*}", authorities.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, *market.lists).start()
        yield
    finally:
        await runner.cleanup()
