"""TLS as Peppol and good practice want it: 1.2 and 1.3, forward secrecy, authenticated ciphers, nothing else.

Sources: Peppol transport policy (TLS 1.2 or newer, certificates of public authorities), Mozilla's “intermediate”
profile 5.7 without its finite-field key exchange. Groups are OpenSSL's own (X25519, P-256, P-384 and their like).
These certificates have nothing to do with those of access points and SMPs, which sign and encrypt messages.
"""

from __future__ import annotations

import ipaddress
import itertools
import secrets
import ssl
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.errors import ConfigurationError

CIPHERS: Final = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)
"""Of TLS 1.2; those of 1.3 are all good."""
_CURVES: Final = ("secp256r1", "secp384r1")
_LEAST_RSA: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The files of one certificate (leaf first, then issuers) and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """What we show to callers."""

    kind: str
    """``ECDSA`` or ``RSA``."""
    hosts: tuple[str, ...]
    """Host names and addresses that it is for, as the certificate has them (maybe ``*.example.org``)."""
    expires: datetime
    issued_by_itself: bool

    def covers(self, host: str) -> bool:
        """Whether a caller who asked for this host is content."""
        name = host.lower().rstrip(".")
        _, _, parent = name.partition(".")
        return name in self.hosts or (bool(parent) and not _is_address(name) and f"*.{parent}" in self.hosts)


def server_context(pairs: Sequence[Pair], *, section: str) -> tuple[ssl.SSLContext, tuple[ServerCertificate, ...]]:
    """The settings for callers, and what they are shown; one pair of each kind of key.

    Raises :class:`ConfigurationError` with every problem, under the TOML paths of the section.
    """
    problems: list[tuple[str, str]] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _set(context)
    context.set_alpn_protocols(["http/1.1"])
    shown: list[ServerCertificate] = []
    for pair in pairs:
        found = _read(pair, section, problems)
        if found is None:
            continue
        if found.kind in {other.kind for other in shown}:
            problems.append(
                (f"{section}.tls_certificate", f"{pair.certificate} is another one with an {found.kind} key")
            )
            continue
        try:
            context.load_cert_chain(pair.certificate, pair.key, password="")  # an encrypted key asks nobody
        except (OSError, ValueError) as error:
            problems.append((f"{section}.tls_key", f"{pair.key} cannot be used with {pair.certificate}: {error}"))
        shown.append(found)
    if problems:
        raise ConfigurationError(problems)
    return context, tuple(shown)


def client_context(roots: Sequence[Path] = ()) -> ssl.SSLContext:
    """The settings for our own calls: the given authorities and no others, or those of the system.

    Made once, since reading the system's authorities takes longer than a handshake. Raises
    :class:`ConfigurationError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # asks for a certificate and checks the host name
    _set(context)
    if not roots:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return context
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an authority is believed without its own root
    problems = []
    for path in roots:
        try:
            context.load_verify_locations(path)
        except (OSError, ValueError) as error:
            problems.append(("network.tls_trust", f"{path} cannot be read as PEM certificates: {error}"))
    if problems:
        raise ConfigurationError(problems)
    return context


def show_as(context: ssl.SSLContext, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
    """Show this certificate to those whom we call. OpenSSL takes only files: this one is gone at once, and locked."""
    password = secrets.token_bytes(32)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(password)
    )
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM) + locked)
        file.flush()
        context.load_cert_chain(file.name, password=password)


def explain(error: BaseException) -> tuple[str, str]:
    """What went wrong with the TLS of a host that we called, and what to do about it.

    The error may be wrapped as HTTP clients do: ``certificate_error``, ``os_error``.
    """
    error = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(error, ssl.SSLCertVerificationError):
        for codes, text, remedy in _VERDICTS:
            if error.verify_code in codes:
                return text, remedy
        return f"its TLS certificate is not accepted ({error.verify_message})", _TELL
    if isinstance(error, ConnectionError):
        return (
            "it hung up while TLS was being agreed; perhaps it offers no TLS 1.2 or newer, or no safe cipher",
            _TELL,
        )
    reason = (getattr(error, "reason", None) or str(error)).upper().replace(" ", "_")
    for words, text, remedy in _REASONS:
        if any(word in reason for word in words):
            return text, remedy
    return f"no TLS could be agreed ({getattr(error, 'reason', None) or error})", _TELL


_TELL: Final = "Tell the other operator; nothing was sent, and the message is tried again."
_VERDICTS: Final = (
    ((10,), "its TLS certificate has expired", "Tell the other operator to renew it; the message is tried again."),
    (
        (9,),
        "its TLS certificate is not valid yet",
        "Check this machine's clock; if it is right, tell the other operator.",
    ),
    (
        (62, 64),
        "its TLS certificate is for another host",
        "Tell the other operator: the certificate must name the host of the published address.",
    ),
    (
        (18,),
        "its TLS certificate is signed by itself",
        "Tell the other operator to use a public authority; in a private network add it to network.tls_trust.",
    ),
    (
        (2, 19, 20, 21),
        "its TLS certificate comes from an authority that is not known here, or the chain is sent without issuers",
        "Tell the other operator to send the whole chain of a public authority; in a private network name the "
        "authority in network.tls_trust.",
    ),
    ((26,), "its TLS certificate is not made for servers", _TELL),
    ((23,), "its TLS certificate is revoked", _TELL),
)
_REASONS: Final = (
    (
        ("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "VERSION_TOO_LOW"),
        "it offers no TLS 1.2 or newer",
        "Tell the other operator to switch TLS 1.2 or 1.3 on; older versions are not safe.",
    ),
    (
        ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"),
        "there is no TLS at this address (plain http?)",
        "Tell the other operator: the published address says https, but the port speaks something else.",
    ),
    (
        ("HANDSHAKE_FAILURE", "NO_SHARED_CIPHER", "NO_CIPHERS", "BAD_ECPOINT", "DH_KEY_TOO_SMALL", "INSUFFICIENT_SEC"),
        "it offers no safe cipher (ECDHE with AES-GCM or ChaCha20)",
        "Tell the other operator to offer one; see Mozilla's TLS recommendations, profile “intermediate”.",
    ),
)


def _set(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _read(pair: Pair, section: str, problems: list[tuple[str, str]]) -> ServerCertificate | None:
    certificate, key = f"{section}.tls_certificate", f"{section}.tls_key"
    before = len(problems)
    try:
        if pair.key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            problems.append((key, f"{pair.key} can be read by others; run: chmod 600 {pair.key}"))
        private = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        problems.append((key, f"{pair.key} cannot be read as an unencrypted PEM key: {error}"))
        private = None
    try:
        chain = x509.load_pem_x509_certificates(pair.certificate.read_bytes())
    except (OSError, ValueError) as error:
        problems.append((certificate, f"{pair.certificate} cannot be read as PEM certificates: {error}"))
        return None
    leaf = chain[0]
    for below, above in itertools.pairwise(chain):
        if below.issuer != above.subject:
            problems.append((certificate, f"{pair.certificate} must hold the leaf first, then its issuer, and so on"))
            break
    public = leaf.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        kind = "ECDSA"
    elif isinstance(public, rsa.RSAPublicKey) and public.key_size >= _LEAST_RSA:
        kind = "RSA"
    else:
        problems.append((certificate, f"{pair.certificate} needs an ECDSA key (P-256, P-384) or RSA from 2048 bits"))
        kind = ""
    if private is not None and private.public_key() != public:
        problems.append((key, f"{pair.key} does not belong to {pair.certificate}"))
    hosts = _hosts(leaf)
    if not hosts:
        problems.append((certificate, f"{pair.certificate} names no host (subject alternative name)"))
    if not _is_for_servers(leaf):
        problems.append((certificate, f"{pair.certificate} is not made for servers (extended key usage)"))
    if len(problems) > before:
        return None
    return ServerCertificate(
        kind=kind, hosts=hosts, expires=leaf.not_valid_after_utc, issued_by_itself=leaf.issuer == leaf.subject
    )


def _hosts(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return (*(name.lower() for name in names.get_values_for_type(x509.DNSName)), *addresses)


def _is_for_servers(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
