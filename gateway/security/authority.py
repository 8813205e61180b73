"""A private network's authorities: one root, one authority for access points, one for SMPs.

The same shape as the Peppol PKI G3, so that everything that runs here runs there. Used by ``gateway pki`` and
``gateway network``; never for a real network.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from gateway.errors import ConfigurationError

LeafRole = Literal["ap", "smp"]
_YEARS: Final = timedelta(days=3650)
_LEAF: Final = timedelta(days=730)
_TLS_CA: Final = "tls-ca"
LISTS_FILE: Final = "lists.url"
"""Holds the base URL of revocation lists and OCSP, where a network has them."""
KeyKind = Literal["ecdsa", "rsa"]
_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_CA_FILE: Final[dict[LeafRole, str]] = {"ap": "ap-ca", "smp": "smp-ca"}


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: _Key

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def new_pki(directory: Path, *, now: datetime, organisation: str = "Private network", lists: str = "") -> None:
    """Make root, ap-ca and smp-ca with their keys in ``directory``; refuses to overwrite.

    With ``lists``, a base URL, every certificate names its authority's revocation list and OCSP responder there.
    """
    if (directory / "root.pem").exists():
        raise ConfigurationError([(str(directory), "holds authorities already; choose another directory")])
    directory.mkdir(parents=True, exist_ok=True)
    if lists:
        (directory / LISTS_FILE).write_text(lists + "\n")
    root = _issue(_name("Private root CA", organisation), None, now, ca_below=1)
    _save(directory, "root", root)
    for role, title in (("ap", "Private access point CA"), ("smp", "Private SMP CA")):
        named = _lists(directory, "root")
        authority = _issue(_name(title, organisation), root, now, ca_below=0, lists=named)
        _save(directory, _CA_FILE[role], authority)  # type: ignore[index]


def issue(directory: Path, role: LeafRole, seat: str, *, now: datetime, organisation: str = "Private network") -> Path:
    """Issue a certificate for the seat; gives the path of ``SEAT.pem`` (key in ``SEAT.key.pem``, mode 0600)."""
    authority = load_authority(directory, _CA_FILE[role])
    unit = "PRIVATE AP" if role == "ap" else "PRIVATE SMP"
    if (directory / f"{seat}.pem").exists():
        raise ConfigurationError([(str(directory / f"{seat}.pem"), "exists already")])
    lists = _lists(directory, _CA_FILE[role])
    _save(directory, seat, _issue(_name(seat, organisation, unit), authority, now, lists=lists))
    return directory / f"{seat}.pem"


def issue_tls(
    directory: Path,
    hosts: Sequence[str],
    *,
    now: datetime,
    kind: KeyKind = "ecdsa",
    organisation: str = "Private network",
) -> Path:
    """Issue a server certificate for host names and addresses; gives the path of ``HOST.tls.pem`` with its chain.

    The key is in ``HOST.tls.key.pem`` (``HOST.tls-rsa…`` with an RSA key). The authority ``tls-ca.pem`` is made at the
    first call; whoever calls the host must know it (``network.tls_trust``). Raises :class:`ConfigurationError`.
    """
    if not (directory / f"{_TLS_CA}.pem").exists():
        root = load_authority(directory, "root")
        _save(directory, _TLS_CA, _issue(_name("Private TLS CA", organisation), root, now, ca_below=0, kind="ecdsa"))
    authority = load_authority(directory, _TLS_CA)
    name = f"{hosts[0].replace('*', 'any').replace(':', '-')}.{'tls' if kind == 'ecdsa' else 'tls-rsa'}"
    if (directory / f"{name}.pem").exists():
        raise ConfigurationError([(str(directory / f"{name}.pem"), "exists already")])
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)])
    _save(directory, name, _issue(subject, authority, now, hosts=hosts, kind=kind), above=authority)
    return directory / f"{name}.pem"


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common_name: str, organisation: str, unit: str = "") -> x509.Name:
    parts = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
    ]
    if unit:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _issue(
    subject: x509.Name,
    issuer: Issued | None,
    now: datetime,
    *,
    ca_below: int | None = None,
    hosts: Sequence[str] = (),
    kind: KeyKind = "rsa",
    lists: tuple[str, str] | None = None,
) -> Issued:
    key: _Key
    if kind == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    is_ca = ca_below is not None
    start = now - timedelta(minutes=5)  # clocks of the same network differ a little
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + (_YEARS if is_ca else _LEAF))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=ca_below), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_encipherment=not is_ca and kind == "rsa",
                data_encipherment=not is_ca and not hosts,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                content_commitment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
    if not is_ca:
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    if lists:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(lists[0])], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        asked = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(lists[1]))
        builder = builder.add_extension(x509.AuthorityInformationAccess([asked]), critical=False)
    if hosts:
        names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return Issued(builder.sign((issuer.key if issuer else key), hashes.SHA256()), key)


def _save(directory: Path, name: str, issued: Issued, above: Issued | None = None) -> None:
    chain = issued.certificate_pem() + (above.certificate_pem() if above else b"")
    (directory / f"{name}.pem").write_bytes(chain)
    handle = os.open(directory / f"{name}.key.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(issued.key_pem())


def _lists(directory: Path, authority: str) -> tuple[str, str] | None:
    """Where that authority's list and its OCSP responder are; None where the network has none."""
    try:
        base = (directory / LISTS_FILE).read_text().strip()
    except FileNotFoundError:
        return None
    return f"{base}/{authority}.crl", f"{base}/ocsp"


def load_authority(directory: Path, name: str) -> Issued:
    """The certificate and key of an authority; raises :class:`ConfigurationError`."""
    try:
        certificate = x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())
        key = serialization.load_pem_private_key((directory / f"{name}.key.pem").read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            [(str(directory), f"no authority {name} here ({error}); make one with: gateway pki new")]
        ) from None
    if not isinstance(key, _Key):
        raise ConfigurationError([(str(directory), f"the key of {name} is neither RSA nor ECDSA")])
    return Issued(certificate, key)
