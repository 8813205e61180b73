"""Our own keys: the seam through which every private operation goes.

Today PEM files; the protocols :class:`Signer` and :class:`Decryptor` are what a hardware module will fit.
Keys are loaded once: loading one checks its primes and costs a hundred signatures.
"""

from __future__ import annotations

import base64
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from gateway.errors import ConfigurationError

_PKCS1 = padding.PKCS1v15()
_SHA256 = hashes.SHA256()
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


class Signer(Protocol):
    """Makes RSA-SHA256 (PKCS#1 v1.5) signatures, the only kind that Peppol uses."""

    def sign(self, data: bytes) -> bytes:
        """Sign the octets (not their digest)."""
        ...


class Decryptor(Protocol):
    """Opens content keys wrapped for us with RSA-OAEP, SHA-256 and MGF1-SHA-256."""

    def decrypt(self, wrapped: bytes) -> bytes:
        """Give the content key; raises ``ValueError`` when it was not wrapped for us."""
        ...


@dataclass(frozen=True, slots=True)
class PemKey:
    """A private RSA key from a file, both :class:`Signer` and :class:`Decryptor`."""

    key: rsa.RSAPrivateKey

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, _PKCS1, _SHA256)

    def decrypt(self, wrapped: bytes) -> bytes:
        return self.key.decrypt(wrapped, _OAEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate of ours with its key."""

    certificate: x509.Certificate
    der: bytes
    token: str
    """Base64 of the DER, as BinarySecurityToken and X509Certificate carry it."""
    common_name: str
    signer: Signer
    decryptor: Decryptor


def common_name(certificate: x509.Certificate) -> str:
    """The certificate's CN, or empty text where there is not exactly one."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def load_identity(certificate: Path, key: Path, *, section: str) -> Identity:
    """Load certificate (leaf first) and key; raises :class:`ConfigurationError` with the key's TOML path."""
    problems: list[tuple[str, str]] = []
    leaf: x509.Certificate | None = None
    private: rsa.RSAPrivateKey | None = None
    try:
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except (OSError, ValueError) as error:
        problems.append((f"{section}.certificate", f"{certificate} cannot be read as PEM: {error}"))
    try:
        if key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            problems.append((f"{section}.key", f"{key} can be read by others; run: chmod 600 {key}"))
        loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
        if isinstance(loaded, rsa.RSAPrivateKey) and loaded.key_size >= 2048:
            private = loaded
        else:
            problems.append((f"{section}.key", f"{key} is not an RSA key of at least 2048 bits"))
    except (OSError, ValueError, TypeError) as error:
        problems.append((f"{section}.key", f"{key} cannot be read as an unencrypted PEM key: {error}"))
    if leaf is not None and private is not None and leaf.public_key() != private.public_key():
        problems.append((f"{section}.key", f"{key} does not belong to {certificate}"))
    if problems or leaf is None or private is None:
        raise ConfigurationError(problems)
    return identity_of(leaf, private)


def identity_of(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> Identity:
    """Put a certificate and its key together."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    pem_key = PemKey(key)
    return Identity(
        certificate=certificate,
        der=der,
        token=base64.b64encode(der).decode(),
        common_name=common_name(certificate),
        signer=pem_key,
        decryptor=pem_key,
    )
