"""A PKI whose certificates say where their lists are, and lists and OCSP answers made to order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from gateway.security.keys import Identity, identity_of
from gateway.security.revocation import RevocationList, read_list
from gateway.security.standing import Revocations
from gateway.security.trust import Trust

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A key of that name; making one costs a hundred signatures."""
    return rsa.generate_private_key(65537, 2048)


def uri(url: str) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(url)]


@dataclass(frozen=True)
class Authority:
    """A certificate that may sign, with the name of its key."""

    certificate: x509.Certificate
    key_name: str

    @property
    def key(self) -> rsa.RSAPrivateKey:
        return key(self.key_name)

    def issue(
        self,
        common_name: str,
        *,
        ca: bool = False,
        lists: Sequence[str] = (),
        responder: str = "",
        key_name: str = "",
        purposes: Sequence[x509.ObjectIdentifier] = (),
        serial: int = 0,
        start: datetime = NOW - 30 * DAY,
        end: datetime = NOW + 365 * DAY,
    ) -> x509.Certificate:
        return _certificate(
            common_name,
            self.certificate.subject,
            self.key,
            key_name or common_name,
            ca=ca,
            lists=lists,
            responder=responder,
            purposes=purposes,
            serial=serial,
            start=start,
            end=end,
        )

    def list(
        self,
        *revoked: x509.Certificate | int,
        number: int | None = 1,
        made: datetime = NOW - HOUR,
        until: datetime | None = NOW + DAY,
        reason: x509.ReasonFlags | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        signer: str = "",
    ) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject).last_update(made)
        builder = builder.next_update(until or NOW + DAY)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().revocation_date(made)
            entry = entry.serial_number(one if isinstance(one, int) else one.serial_number)
            if reason:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        octets = builder.sign(key(signer or self.key_name), hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        return octets if until else without_next_update(octets, signer or self.key_name)

    def answer(
        self,
        certificate: x509.Certificate,
        *,
        status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
        made: datetime = NOW - HOUR,
        until: datetime | None = NOW + HOUR,
        signer: tuple[x509.Certificate, str] | None = None,
        algorithm: hashes.HashAlgorithm | None = None,
    ) -> bytes:
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        by, key_name = signer or (self.certificate, self.key_name)
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=certificate,
                issuer=self.certificate,
                algorithm=algorithm or hashes.SHA1(),
                cert_status=status,
                this_update=made,
                next_update=until,
                revocation_time=made if revoked else None,
                revocation_reason=None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, by)
        )
        if signer:
            builder = builder.certificates([by])
        return builder.sign(key(key_name), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@dataclass(frozen=True)
class World:
    """Root, the two authorities below it, and where their lists are."""

    root: Authority
    access_point: Authority
    smp: Authority
    base: str

    def trust(self, **changes: Any) -> Trust:
        authorities = [self.root.certificate, self.access_point.certificate, self.smp.certificate]
        revocations = Revocations(authorities=authorities, **changes)
        return Trust(authorities[1:2] + authorities[:1], authorities[2:] + authorities[:1], revocations)

    def leaf(self, common_name: str = "POP000001", **changes: Any) -> x509.Certificate:
        return self.access_point.issue(common_name, **({"lists": [f"{self.base}/ap.crl"]} | changes))

    def smp_leaf(self, common_name: str = "PSP000001", **changes: Any) -> x509.Certificate:
        return self.smp.issue(common_name, **({"lists": [f"{self.base}/smp.crl"]} | changes))

    def identity(self, certificate: x509.Certificate) -> Identity:
        (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return identity_of(certificate, key(str(name.value)))

    def give(self, trust: Trust, octets: bytes, source: str = "", at: datetime = NOW) -> str:
        """Put a list in as if it had been fetched."""
        revocations = known(trust)
        return revocations.take_list(source or f"{self.base}/ap.crl", self.read(octets, at))

    def read(self, octets: bytes, at: datetime = NOW) -> RevocationList:
        authorities = [self.root.certificate, self.access_point.certificate, self.smp.certificate]
        return read_list(octets, authorities, at)

    def give_all(self, trust: Trust, *revoked: x509.Certificate, at: datetime = NOW, number: int = 1) -> None:
        """Fresh lists of all three authorities."""
        for authority, file in ((self.root, "root"), (self.access_point, "ap"), (self.smp, "smp")):
            own = [c for c in revoked if c.issuer == authority.certificate.subject]
            octets = authority.list(*own, made=at - HOUR, until=at + DAY, number=number)
            assert self.give(trust, octets, f"{self.base}/{file}.crl", at) == ""


def known(trust: Trust) -> Revocations:
    assert trust.revocations is not None
    return trust.revocations


def world(base: str = "http://lists.test", generation: str = "") -> World:
    """A PKI like Peppol's whose lists are below ``base``; another generation has the same names and other keys."""
    root = lone("Root CA", f"Root CA{generation}")
    lists = [f"{base}/root.crl"]
    below = [
        Authority(
            root.issue(title, ca=True, lists=lists, key_name=title + generation, end=NOW + 3000 * DAY),
            title + generation,
        )
        for title in ("Access point CA", "SMP CA")
    ]
    return World(root, *below, base)


def lone(common_name: str, key_name: str = "") -> Authority:
    """An authority that has signed itself."""
    key_name = key_name or common_name
    return Authority(_certificate(common_name, _name(common_name), key(key_name), key_name, ca=True), key_name)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def without_next_update(octets: bytes, key_name: str) -> bytes:
    """Take nextUpdate out of a list and sign it again: no library writes such a one."""
    read = x509.load_der_x509_crl(octets)
    inner = read.tbs_certlist_bytes
    assert read.next_update_utc is not None
    time = b"\x17\x0d" + f"{read.next_update_utc:%y%m%d%H%M%SZ}".encode()
    assert inner.count(time) == 1
    body = _content(inner).replace(time, b"")
    algorithm = bytes.fromhex("300d06092a864886f70d01010b0500")
    signed = _sequence(body)
    signature = key(key_name).sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return _sequence(signed + algorithm + b"\x03" + _length(len(signature) + 1) + b"\x00" + signature)


def _content(octets: bytes) -> bytes:
    return octets[2 + (octets[1] & 0x7F if octets[1] & 0x80 else 0) :]


def _sequence(content: bytes) -> bytes:
    return b"\x30" + _length(len(content)) + content


def _length(number: int) -> bytes:
    if number < 0x80:
        return bytes([number])
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Operator"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certificate(
    common_name: str,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    key_name: str,
    *,
    ca: bool = False,
    lists: Sequence[str] = (),
    responder: str = "",
    purposes: Sequence[x509.ObjectIdentifier] = (),
    serial: int = 0,
    start: datetime = NOW - 30 * DAY,
    end: datetime = NOW + 3650 * DAY,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer)
        .public_key(key(key_name).public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.KeyUsage(True, False, not ca, not ca, False, ca, ca, False, False), critical=True)
    )
    if lists:
        points = [x509.DistributionPoint(uri(url), None, None, None) for url in lists]
        builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
    if responder:
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder))
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING


def point(url: str = "", **flags: Any) -> tuple[x509.ExtensionType, bool]:
    """An issuing distribution point: what a list says about the certificates that it is for."""
    values: dict[str, Any] = {
        "full_name": uri(url) if url else None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(values | flags)), True
