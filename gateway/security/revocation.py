"""Revocation lists: read, checked against the authority that has to have signed them, and kept small.

A list is taken whole or not at all: a list of somebody else, for other certificates, for some reasons only, or with
something in it that we do not understand would make a revoked certificate look good. Pure: no file, network or clock.
Source: RFC 5280 sections 4.2.1.13, 5 and 6.3; delta lists are not used.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, CRLEntryExtensionOID, ExtensionOID

from gateway.errors import Untrusted

_T = TypeVar("_T", bound=x509.ExtensionType)
Scope = Literal["all", "end entities", "authorities"]

SKEW: Final = timedelta(minutes=5)
"""How far the clocks of an authority and of this machine may lie apart."""
MOST_ENTRIES: Final = 2_000_000
_POINTS: Final = 8
_SERIAL: Final = 21
"""Octets of a serial number: RFC 5280 allows 20, and one more keeps the sign."""
_RECORD: Final = _SERIAL + 5
_DAMAGED: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_KNOWN_CRITICAL: Final = frozenset(
    {ExtensionOID.CRL_NUMBER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER, ExtensionOID.ISSUING_DISTRIBUTION_POINT}
)
_REASONS: Final = tuple(x509.ReasonFlags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """What a list says about one certificate."""

    since: datetime
    reason: str
    """As RFC 5280 writes it: ``keyCompromise``; ``unspecified`` where none is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A list that was checked: 26 octets for each entry, found by halving."""

    authority: bytes
    """:func:`authority_id` of who signed it."""
    authority_name: str
    number: int | None
    this_update: datetime
    next_update: datetime
    scope: Scope
    names: frozenset[str]
    """The distribution points that it says it is for; none: every certificate of the authority."""
    entries: bytes

    @property
    def count(self) -> int:
        return len(self.entries) // _RECORD

    def find(self, serial: int) -> Revoked | None:
        """What the list says about that serial number; None when it does not name it."""
        try:
            wanted = _serial(serial)
        except OverflowError:
            return None
        entries = self.entries
        at = bisect_left(range(self.count), wanted, key=lambda i: entries[i * _RECORD : i * _RECORD + _SERIAL])
        record = entries[at * _RECORD : (at + 1) * _RECORD]
        if record[:_SERIAL] != wanted:
            return None
        since = datetime.fromtimestamp(int.from_bytes(record[_SERIAL:-1], "big"), UTC)
        return Revoked(since=since, reason=_REASONS[record[-1]].value)

    def covers(self, certificate: x509.Certificate) -> bool:
        """Whether the list speaks about this certificate of its authority (RFC 5280 6.3.3 b)."""
        is_authority = _is_authority(certificate)
        if (self.scope == "end entities" and is_authority) or (self.scope == "authorities" and not is_authority):
            return False
        return not self.names or not self.names.isdisjoint(points(certificate))


def authority_id(certificate: x509.Certificate) -> bytes:
    """Name and key of an authority in one digest: two with the same name are two."""
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(certificate.subject.public_bytes() + key).digest()


def points(certificate: x509.Certificate) -> tuple[str, ...]:
    """Where the certificate says that its authority's complete list is: http and https addresses, at most eight."""
    found: list[str] = []
    for point in value_of(certificate.extensions, x509.CRLDistributionPoints) or ():
        if point.reasons is None and point.crl_issuer is None:
            found += _addresses(point.full_name or ())
    return tuple(dict.fromkeys(found))[:_POINTS]


def responders(certificate: x509.Certificate) -> tuple[str, ...]:
    """Where the certificate says that its authority answers OCSP."""
    access = value_of(certificate.extensions, x509.AuthorityInformationAccess) or ()
    named = (a.access_location for a in access if a.access_method == AuthorityInformationAccessOID.OCSP)
    return tuple(dict.fromkeys(_addresses(named)))[:_POINTS]


def read_list(octets: bytes, authorities: Sequence[x509.Certificate], at: datetime) -> RevocationList:
    """Read and check a list of one of these authorities; raises :class:`Untrusted` with the first reason.

    A list whose next update is past is read all the same, since what it names stays revoked; whether it still makes
    anything good is for whoever asks it.
    """
    try:
        # (1) It is one list, in DER or PEM.
        if octets.lstrip().startswith(b"-----BEGIN X509 CRL"):
            read = x509.load_pem_x509_crl(octets)
        else:
            read = x509.load_der_x509_crl(octets)
        return _checked(read, authorities, at)
    except _DAMAGED as error:
        raise Untrusted(f"The revocation list is damaged or no list: {str(error)[:200]}") from None


def _checked(
    read: x509.CertificateRevocationList, authorities: Sequence[x509.Certificate], at: datetime
) -> RevocationList:
    name = read.issuer.rfc4514_string()
    # (2) Signed with SHA-2 by an authority of ours of that name, which may sign lists.
    if not isinstance(read.signature_hash_algorithm, (hashes.SHA256, hashes.SHA384, hashes.SHA512)):
        raise Untrusted(f"The revocation list of {name} is signed with a weak algorithm")
    of_that_name = [c for c in authorities if c.subject == read.issuer]
    if not of_that_name:
        raise Untrusted(f"The revocation list is of {name}, which is no authority of this network")
    authority = next((c for c in of_that_name if _signed_by(read, c)), None)
    if authority is None:
        raise Untrusted(f"The revocation list says that it is of {name}, but that authority did not sign it")
    usage = value_of(authority.extensions, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        raise Untrusted(f"{name} may not sign revocation lists")
    # (3) It has begun, and says when it ends.
    if read.next_update_utc is None:
        raise Untrusted(f"The revocation list of {name} does not say when the next one comes")
    if read.last_update_utc > at + SKEW:
        raise Untrusted(
            f"The revocation list of {name} is of {read.last_update_utc:%Y-%m-%d %H:%M} UTC, which is still to come: "
            "compare this machine's clock"
        )
    # (4) It is complete for the certificates that it is for, and nothing in it is unknown.
    for extension in read.extensions:
        if extension.oid == ExtensionOID.DELTA_CRL_INDICATOR:
            raise Untrusted(f"The revocation list of {name} is a delta, which says only what has changed")
        if extension.critical and extension.oid not in _KNOWN_CRITICAL:
            raise Untrusted(
                f"The revocation list of {name} has the unknown critical extension {extension.oid.dotted_string}"
            )
    scope, names = _scope(read, name)
    number = value_of(read.extensions, x509.CRLNumber)
    return RevocationList(
        authority=authority_id(authority),
        authority_name=name,
        number=None if number is None else number.crl_number,
        this_update=read.last_update_utc,
        next_update=read.next_update_utc,
        scope=scope,
        names=names,
        entries=_entries(read, name),
    )


def _scope(read: x509.CertificateRevocationList, name: str) -> tuple[Scope, frozenset[str]]:
    point = value_of(read.extensions, x509.IssuingDistributionPoint)
    if point is None:
        return "all", frozenset()
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs or point.relative_name:
        raise Untrusted(
            f"The revocation list of {name} is not for all reasons and certificates of this authority alone"
        )
    names = frozenset(_addresses(point.full_name or ()))
    if point.full_name and not names:
        raise Untrusted(f"The revocation list of {name} is for a distribution point that is no web address")
    if point.only_contains_user_certs:
        return "end entities", names
    return ("authorities" if point.only_contains_ca_certs else "all"), names


def _entries(read: x509.CertificateRevocationList, name: str) -> bytes:
    if len(read) > MOST_ENTRIES:
        raise Untrusted(f"The revocation list of {name} has more than {MOST_ENTRIES} entries")
    records: list[bytes] = []
    for entry in read:
        reason = x509.ReasonFlags.unspecified
        for extension in entry.extensions:
            if isinstance(extension.value, x509.CRLReason):
                reason = extension.value.reason
            elif extension.critical or extension.oid == CRLEntryExtensionOID.CERTIFICATE_ISSUER:
                raise Untrusted(f"An entry of the revocation list of {name} has an unknown critical extension")
        if reason is x509.ReasonFlags.remove_from_crl:
            continue  # it is no longer revoked
        since = max(0, min(int(entry.revocation_date_utc.timestamp()), 0xFFFFFFFF))
        records.append(_serial(entry.serial_number) + since.to_bytes(4, "big") + bytes([_REASONS.index(reason)]))
    records.sort()
    return b"".join(records)


def value_of(extensions: x509.Extensions, kind: type[_T]) -> _T | None:
    """The extension of that kind; None where there is none."""
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _signed_by(read: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    return isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)) and read.is_signature_valid(key)


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = value_of(certificate.extensions, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _addresses(names: Iterable[x509.GeneralName]) -> list[str]:
    found = (n.value for n in names if isinstance(n, x509.UniformResourceIdentifier))
    return [url for url in found if url.lower().startswith(("http://", "https://"))]


def _serial(number: int) -> bytes:
    return number.to_bytes(_SERIAL, "big", signed=True)
