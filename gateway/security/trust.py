"""Whom we believe: path checking against our own anchors, for one role at one moment.

Peppol has two issuing authorities under one root. An access point is believed only under the access point
authority, an SMP only under the SMP authority; a certificate of the other kind is refused. No intermediate
certificate is ever taken from a message. Pure: no file, network or clock; revocation is what
:mod:`gateway.security.standing` knows. Source: Peppol PKI G3 (2025), RFC 5280 section 6.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtensionOID

from gateway.errors import RevocationUnknown, Untrusted
from gateway.security.keys import common_name
from gateway.security.revocation import value_of as _value
from gateway.security.standing import Revocations, Standing, Status

RECHECK_AFTER: Final = timedelta(minutes=10)
_SEAT: Final = re.compile(r"P[A-Z]{2}[0-9]{6}", re.ASCII)
_CACHE_SIZE: Final = 10_000
_TOKEN_BLANKS: Final = 200
"""Padding and line ends of a base64 text that is kept; a longer one is read each time."""
_DAMAGED: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the certificate library raises for one that is not well made."""
_KNOWN_CRITICAL: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,
    }
)


class Role(StrEnum):
    """What a certificate is used for; each role has its own issuing authority."""

    ACCESS_POINT = "access point"
    SMP = "SMP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """A certificate that passed every check, with what the checks found."""

    certificate: x509.Certificate
    key: rsa.RSAPublicKey
    der: bytes
    role: Role
    common_name: str
    chain: tuple[str, ...]
    """Subjects from the certificate to the anchor."""
    expires: datetime
    checked_at: datetime
    standing: tuple[Standing, ...] = ()
    """What is known about revocation, of the certificate and of each authority above it; none when not asked."""

    @property
    def revocation(self) -> str:
        """``off``, ``good`` or ``good, in grace``: the weakest in the chain."""
        if not self.standing:
            return "off"
        return str(max((s.status for s in self.standing), key=[Status.GOOD, Status.GRACE].index))


@dataclass(frozen=True, slots=True)
class Trust:
    """The anchors of one network: issuing authorities and root of each role.

    ``access_point`` and ``smp`` hold CA certificates. Those that are not self-signed are the issuing
    authorities; a leaf must come directly from one of them (or from a self-signed one where there is no other).
    """

    access_point: Sequence[x509.Certificate]
    smp: Sequence[x509.Certificate]
    revocations: Revocations | None = field(default=None, compare=False)
    """What is known about revocation; None: nobody asks (private networks only)."""
    _cache: dict[tuple[bytes, Role, int], Believed] = field(default_factory=dict, repr=False, compare=False)
    _tokens: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)
    """DER of believed certificates by the text of their token, which comes alike in every message of a peer."""

    def believe(self, der: bytes, role: Role, at: datetime) -> Believed:
        """Check the certificate for the role at that moment; raises :class:`Untrusted` with the first reason.

        Raises :class:`RevocationUnknown` when all is well but nobody can tell now whether it was revoked. Results are
        kept for ten minutes by the certificate, since every message brings one, and until news of revocation.
        """
        key = (der, role, self.revocations.generation if self.revocations else 0)
        known = self._cache.get(key)
        if known and known.checked_at <= at < _checked_until(known):
            return known
        try:
            believed = self._check(der, role, at)
        except _DAMAGED:  # fields are parsed late, each when it is looked at
            raise Untrusted("The certificate is damaged or of an unknown kind") from None
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
        self._cache[key] = believed
        return believed

    def believe_token(self, text: str, role: Role, at: datetime, decode: Callable[[], bytes]) -> Believed:
        """The same for a certificate in base64; ``decode`` gives its DER and is called for a text that is new here."""
        der = self._tokens.get(text)
        if der is not None:
            return self.believe(der, role, at)
        der = decode()
        believed = self.believe(der, role, at)
        if len(text) <= len(der) * 4 // 3 + _TOKEN_BLANKS:
            if len(self._tokens) >= _CACHE_SIZE:
                self._tokens.clear()
            self._tokens[text] = der
        return believed

    def _check(self, der: bytes, role: Role, at: datetime) -> Believed:
        # (1) It is one DER certificate and nothing more.
        try:
            leaf = x509.load_der_x509_certificate(der)
            public = leaf.public_key()
            extensions = leaf.extensions
        except ValueError:
            raise Untrusted("The token is not an X.509 certificate") from None
        if der[-len(leaf.signature) - 1] != 0:  # the library lets the count of unused bits be changed unseen
            raise Untrusted("The certificate's signature is not made of whole octets")
        subject = leaf.subject.rfc4514_string()
        # (2) An RSA key of at least 2048 bits, signed with SHA-2.
        if not isinstance(public, rsa.RSAPublicKey) or public.key_size < 2048:
            raise Untrusted(f"{subject}: the key is not RSA of at least 2048 bits")
        _strong_signature(leaf, subject)
        # (3) An end entity, allowed to sign.
        constraints = _value(extensions, x509.BasicConstraints)
        if constraints is not None and constraints.ca:
            raise Untrusted(f"{subject}: an authority's certificate cannot act as {role}")
        usage = _value(extensions, x509.KeyUsage)
        if usage is not None and not usage.digital_signature:
            raise Untrusted(f"{subject}: its key usage does not allow signatures")
        _known_critical(extensions, subject)
        # (4) Exactly one common name, a seat id: it is the party's identity.
        name = common_name(leaf)
        if not name:
            raise Untrusted(f"{subject}: not exactly one common name")
        if not _SEAT.fullmatch(name):
            raise Untrusted(f"{subject}: its common name is no seat id (P, two letters, six digits)")
        # (5) Valid now.
        _valid(leaf, at, subject)
        # (6) Issued by the authority of this role, and so on up to an anchor of ours.
        chain = self._path(leaf, role, at)
        # (7) Revoked by none of the authorities above it.
        standing = _stand(leaf, chain, self.revocations, at)
        return Believed(
            certificate=leaf,
            key=public,
            der=der,
            role=role,
            common_name=name,
            chain=(subject, *(c.subject.rfc4514_string() for c in chain)),
            expires=min(c.not_valid_after_utc for c in (leaf, *chain)),
            checked_at=at,
            standing=standing,
        )

    def _path(self, leaf: x509.Certificate, role: Role, at: datetime) -> list[x509.Certificate]:
        anchors = self.access_point if role is Role.ACCESS_POINT else self.smp
        issuing = [c for c in anchors if c.subject != c.issuer or not _has_below(c, anchors)]
        chain: list[x509.Certificate] = []
        child, candidates = leaf, issuing
        while True:
            issuer = next((c for c in candidates if _issued(child, c)), None)
            if issuer is None:
                raise Untrusted(
                    f"{child.subject.rfc4514_string()}: not issued by the {role} authority of this network "
                    f"(issuer {child.issuer.rfc4514_string()})"
                )
            subject = issuer.subject.rfc4514_string()
            constraints = _value(issuer.extensions, x509.BasicConstraints)
            if constraints is None or not constraints.ca:
                raise Untrusted(f"{subject}: is not an authority")
            if constraints.path_length is not None and constraints.path_length < len(chain):
                raise Untrusted(f"{subject}: too many authorities below it")
            usage = _value(issuer.extensions, x509.KeyUsage)
            if usage is not None and not usage.key_cert_sign:
                raise Untrusted(f"{subject}: may not issue certificates")
            _strong_signature(issuer, subject)
            _valid(issuer, at, subject)
            chain.append(issuer)
            if issuer.subject == issuer.issuer:
                return chain
            if len(chain) > 4:
                raise Untrusted(f"{leaf.subject.rfc4514_string()}: the chain of authorities is too long")
            child, candidates = issuer, list(anchors)


def _issued(child: x509.Certificate, issuer: x509.Certificate) -> bool:
    if child.issuer != issuer.subject:
        return False
    try:
        child.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _valid(certificate: x509.Certificate, at: datetime, subject: str) -> None:
    if at < certificate.not_valid_before_utc:
        raise Untrusted(f"{subject}: not valid before {certificate.not_valid_before_utc:%Y-%m-%d}")
    if at >= certificate.not_valid_after_utc:
        raise Untrusted(f"{subject}: expired on {certificate.not_valid_after_utc:%Y-%m-%d}")


def _strong_signature(certificate: x509.Certificate, subject: str) -> None:
    if not isinstance(certificate.signature_hash_algorithm, (hashes.SHA256, hashes.SHA384, hashes.SHA512)):
        raise Untrusted(f"{subject}: signed with a weak algorithm")


def _known_critical(extensions: x509.Extensions, subject: str) -> None:
    for extension in extensions:
        if extension.critical and extension.oid not in _KNOWN_CRITICAL:
            raise Untrusted(f"{subject}: unknown critical extension {extension.oid.dotted_string}")


def _has_below(root: x509.Certificate, anchors: Sequence[x509.Certificate]) -> bool:
    """Whether a root has an issuing authority of ours below it: then it issues no leaf itself."""
    return any(c.issuer == root.subject and c.subject != c.issuer for c in anchors)


def _stand(
    leaf: x509.Certificate, chain: Sequence[x509.Certificate], revocations: Revocations | None, at: datetime
) -> tuple[Standing, ...]:
    """The standing of everything below the anchor; raises for what is revoked, then for what cannot be told."""
    if revocations is None:
        return ()
    above = itertools.pairwise(chain)
    found = (
        revocations.standing(leaf, chain[0], at),
        *(revocations.standing_of_anchor(anchor, issuer, at) for anchor, issuer in above),
    )
    for wanted, error in ((Status.REVOKED, Untrusted), (Status.UNKNOWN, RevocationUnknown)):
        for standing in found:
            if standing.status is wanted:
                raise error(standing.proof)
    return found


def _checked_until(known: Believed) -> datetime:
    return min(known.checked_at + RECHECK_AFTER, known.expires, *(s.until for s in known.standing))
