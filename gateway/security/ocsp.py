"""OCSP: the question about one certificate and the check of its answer. The second source, for when no list is current.

Pure: no file, network or clock. Source: RFC 6960 (4.2.2.2 who may answer), RFC 5019 (no nonce, answers made ahead).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.errors import RevocationUnknown, Untrusted
from gateway.security.revocation import SKEW, Revoked, value_of

REQUEST_TYPE: Final = "application/ocsp-request"
MAX_ANSWER: Final = 64 * 1024
_WITHOUT_END: Final = timedelta(hours=1)
"""How long an answer serves that does not say when the next one comes."""
_DAMAGED: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspAnswer:
    """An answer that was checked: good, or revoked since when and why."""

    revoked: Revoked | None
    this_update: datetime
    next_update: datetime
    responder: str
    """Subject of who signed it."""


def question(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """The DER of the question; SHA-1 names the issuer here, as every responder expects, and protects nothing."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303
    return builder.build().public_bytes(serialization.Encoding.DER)


def read_answer(octets: bytes, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> OcspAnswer:
    """Read and check the answer about that certificate.

    Raises :class:`Untrusted` for one that proves nothing, :class:`RevocationUnknown` when the responder does not know
    or has no time.
    """
    try:
        answer = ocsp.load_der_ocsp_response(octets)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise RevocationUnknown(f"The OCSP responder says {answer.response_status.name.lower().replace('_', ' ')}")
        return _checked(answer, certificate, issuer, at)
    except _DAMAGED as error:
        raise Untrusted(f"The OCSP answer is damaged: {str(error)[:200]}") from None


def _checked(
    answer: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
) -> OcspAnswer:
    # (1) Signed with SHA-2 by the issuer, or by whom it has appointed.
    signer = _signer(answer, issuer, at)
    # (2) About this certificate of this issuer.
    single = next((one for one in answer.responses if _is_about(one, certificate, issuer)), None)
    if single is None:
        raise Untrusted("The OCSP answer is about another certificate")
    # (3) Valid now.
    next_update = single.next_update_utc or single.this_update_utc + _WITHOUT_END
    if single.this_update_utc > at + SKEW:
        raise Untrusted("The OCSP answer is of a time to come: compare this machine's clock")
    if at >= next_update:
        raise Untrusted(f"The OCSP answer was valid until {next_update:%Y-%m-%d %H:%M} UTC")
    # (4) The word itself.
    if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise RevocationUnknown("The OCSP responder does not know the certificate")
    revoked = None
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        since = single.revocation_time_utc or single.this_update_utc
        reason = single.revocation_reason or x509.ReasonFlags.unspecified
        revoked = Revoked(since=since, reason=reason.value)
    return OcspAnswer(
        revoked=revoked,
        this_update=single.this_update_utc,
        next_update=next_update,
        responder=signer.subject.rfc4514_string(),
    )


def _signer(answer: ocsp.OCSPResponse, issuer: x509.Certificate, at: datetime) -> x509.Certificate:
    if not isinstance(answer.signature_hash_algorithm, (hashes.SHA256, hashes.SHA384, hashes.SHA512)):
        raise Untrusted("The OCSP answer is signed with a weak algorithm")
    for signer in (issuer, *(c for c in answer.certificates[:4] if _appointed(c, issuer, at))):
        if _named(answer, signer) and _signed_by(answer, signer):
            return signer
    raise Untrusted("The OCSP answer is signed neither by the issuer nor by whom it has appointed")


def _appointed(certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> bool:
    """A certificate that this issuer gave for answering; such are short-lived and not asked about themselves."""
    purposes = value_of(certificate.extensions, x509.ExtendedKeyUsage)
    if purposes is None or ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        return False
    if not certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _named(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    if answer.responder_name is not None:
        return answer.responder_name == signer.subject
    return answer.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(signer.public_key()).digest


def _signed_by(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, algorithm = signer.public_key(), answer.signature_hash_algorithm
    assert algorithm is not None
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _is_about(single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    name = single.hash_algorithm.name
    if single.serial_number != certificate.serial_number or name not in ("sha1", "sha256", "sha384", "sha512"):
        return False
    key = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    if name != "sha1":
        key = hashlib.new(name, _bare_key(issuer)).digest()
    return single.issuer_key_hash == key and (
        single.issuer_name_hash == hashlib.new(name, issuer.subject.public_bytes(), usedforsecurity=False).digest()
    )


def _bare_key(certificate: x509.Certificate) -> bytes:
    """The octets of the public key without its algorithm, which OCSP digests."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
