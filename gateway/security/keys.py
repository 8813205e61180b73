"""Our own keys: the seam through which every private operation goes.

:class:`Signer` and :class:`Decryptor` are what AS4, the SMP and status messages know. Behind them stands a key from a
file (PEM, PKCS#12) or one that never leaves its module (:mod:`gateway.security.hsm`). Keys are loaded once: loading one
from a file checks its primes and costs a hundred signatures.
"""

from __future__ import annotations

import base64
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from gateway.errors import ConfigurationError

_PKCS1 = padding.PKCS1v15()
_SHA256 = hashes.SHA256()
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
MODULE: Final = "pkcs11:"
"""How the address of a key in a hardware module begins (RFC 7512)."""
_CONTAINERS: Final = (".p12", ".pfx")


class Signer(Protocol):
    """Makes RSA-SHA256 (PKCS#1 v1.5) signatures, the only kind that Peppol uses."""

    def sign(self, data: bytes) -> bytes:
        """Sign the octets (not their digest)."""
        ...


class Decryptor(Protocol):
    """Opens content keys wrapped for us with RSA-OAEP, SHA-256 and MGF1-SHA-256."""

    def decrypt(self, wrapped: bytes) -> bytes:
        """Give the content key; raises ``ValueError`` when it was not wrapped for us.

        A key that is not in a file may also raise ``KeyUnavailable``, here and when it signs.
        """
        ...


@dataclass(frozen=True, slots=True)
class PemKey:
    """A private RSA key in memory, both :class:`Signer` and :class:`Decryptor`."""

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
    elsewhere: bool = False
    """Whether its private operations are done outside this process, so that they are waited for in a thread."""


@dataclass(slots=True)
class Keyring:
    """Our identities now; what changes when keys do is this object, and whoever holds it has the new ones."""

    current: Identity
    """Signs; it is also what the others are told to encrypt for."""
    others: tuple[Identity, ...] = ()
    """For which somebody may encrypt as well: what was current, and what is announced."""

    @classmethod
    def of(cls, given: Identity | Keyring) -> Keyring:
        return given if isinstance(given, Keyring) else cls(given)

    @property
    def elsewhere(self) -> bool:
        """Whether an operation of one of them may take long."""
        return self.current.elsewhere or any(other.elsewhere for other in self.others)


def common_name(certificate: x509.Certificate) -> str:
    """The certificate's CN, or empty text where there is not exactly one."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def load_identity(
    certificate: Path, key: Path | str, *, section: str, password: bytes | None = None, names: str = ""
) -> Identity:
    """Load certificate (leaf first) and key; raises :class:`ConfigurationError` with the key's TOML path.

    Either may be a PKCS#12 file (``.p12``, ``.pfx``), one for both; ``key`` may be the ``pkcs11:`` address of a key in
    a hardware module. ``password`` opens what is encrypted, or is the module's PIN. ``names`` begins the names of both
    in the section: ``next_`` for ``next_certificate``.
    """
    where, of_key = f"{section}.{names}certificate", f"{section}.{names}key"
    problems: list[tuple[str, str]] = []
    leaf = _attempt(lambda: _read_certificate(certificate, password), where, problems)
    if isinstance(key, str) and key.startswith(MODULE):
        if leaf is None:
            raise ConfigurationError(problems)
        return _in_module(leaf, key, password, of_key)
    private = _attempt(lambda: _read_key(Path(key), password), of_key, problems)
    if leaf is not None and private is not None and leaf.public_key() != private.public_key():
        problems.append((of_key, f"{key} does not belong to {certificate}"))
    if problems or leaf is None or private is None:
        raise ConfigurationError(problems)
    return identity_of(leaf, private)


_T = TypeVar("_T")


def _attempt(read: Callable[[], _T], where: str, problems: list[tuple[str, str]]) -> _T | None:
    try:
        return read()
    except ValueError as error:
        problems.append((where, str(error)))
        return None


def _is_container(path: Path) -> bool:
    return path.suffix.lower() in _CONTAINERS


def _read_container(path: Path, password: bytes | None) -> pkcs12.PKCS12KeyAndCertificates:
    try:
        return pkcs12.load_pkcs12(path.read_bytes(), password or None)
    except (OSError, ValueError, TypeError) as error:
        hint = "" if password else "; its password belongs into key_password_file"
        raise ValueError(f"{path} cannot be read as PKCS#12: {error}{hint}") from None


def _read_certificate(path: Path, password: bytes | None) -> x509.Certificate:
    if _is_container(path):
        found = _read_container(path, password).cert
        if found is None:
            raise ValueError(f"{path} holds no certificate of its key")
        return found.certificate
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as PEM: {error}") from None


def _read_key(path: Path, password: bytes | None) -> rsa.RSAPrivateKey:
    try:
        exposed = bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if exposed:
        raise ValueError(f"{path} can be read by others; run: chmod 600 {path}")
    loaded: object
    if _is_container(path):
        loaded = _read_container(path, password).key
    else:
        octets = path.read_bytes()
        encrypted = b"ENCRYPTED" in octets
        try:
            loaded = serialization.load_pem_private_key(octets, password=(password or b"") if encrypted else None)
        except (OSError, ValueError, TypeError) as error:
            kind = "an encrypted PEM key with its password" if encrypted else "an unencrypted PEM key"
            raise ValueError(f"{path} cannot be read as {kind}: {error}") from None
    if not isinstance(loaded, rsa.RSAPrivateKey) or loaded.key_size < 2048:
        raise ValueError(f"{path} is not an RSA key of at least 2048 bits")
    return loaded


def _in_module(leaf: x509.Certificate, address: str, pin: bytes | None, of_key: str) -> Identity:
    from gateway.security.hsm import open_key

    public = leaf.public_key()
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size < 2048:
        raise ConfigurationError([(of_key, "the certificate is not of an RSA key of at least 2048 bits")])
    try:
        key = open_key(address, pin, public)
    except ValueError as error:
        raise ConfigurationError([(of_key, str(error))]) from None
    return _identity(leaf, key, key, elsewhere=True)


def identity_of(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> Identity:
    """Put a certificate and its key together."""
    pem_key = PemKey(key)
    return _identity(certificate, pem_key, pem_key)


def _identity(
    certificate: x509.Certificate, signer: Signer, decryptor: Decryptor, *, elsewhere: bool = False
) -> Identity:
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Identity(
        certificate=certificate,
        der=der,
        token=base64.b64encode(der).decode(),
        common_name=common_name(certificate),
        signer=signer,
        decryptor=decryptor,
        elsewhere=elsewhere,
    )
