"""DKIM signatures of our mails (RFC 6376), so that receivers know them for ours and DMARC lets them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_SMALLEST: Final = 1024
"""Bits: verifiers count no smaller key (RFC 8301 section 3.2); 2048 is what to use."""
_SIGNED: Final = tuple(
    name.encode()
    for name in (
        *("from", "from"),  # once more than there is one: nobody can add another (RFC 6376 section 8.15)
        *("to", "reply-to", "subject", "date", "message-id", "mime-version", "content-type", "auto-submitted"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Whose signature it is; the key that proves it stands in the DNS at ``SELECTOR._domainkey.DOMAIN``."""

    domain: str
    selector: str
    key: bytes = field(repr=False)
    """PEM, PKCS #1."""

    @property
    def public(self) -> bytes:
        """The public key as it stands in the DNS (DER, SubjectPublicKeyInfo)."""
        key = serialization.load_pem_private_key(self.key, password=None)
        return key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, octets: bytes) -> bytes:
        """Give the mail with its signature before it. Raises ``ImportError`` without the extra ``mail``."""
        import dkim

        head = dkim.sign(
            octets,
            self.selector.encode(),
            self.domain.encode(),
            self.key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=_SIGNED,
        )
        return bytes(head) + octets


def read_signature(domain: str, selector: str, file: Path) -> Signature:
    """Read the key. Raises ``OSError``, or ``ValueError`` with what is wrong with it."""
    try:
        mode, octets = file.stat().st_mode, file.read_bytes()
    except OSError as error:
        raise OSError(f"{file} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise ValueError(f"can be read by others; run: chmod 600 {file}")
    try:
        key = serialization.load_pem_private_key(octets, password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is no PEM key without a password: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < _SMALLEST:
        raise ValueError(f"{file} must be an RSA key of 2048 bits: openssl genrsa -out {file.name} 2048")
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return Signature(domain=domain, selector=selector, key=pem)
