"""Opening the encrypted parts, with one wrapped key, after the signature over the header held.

``read_encryption`` looks at the shape only and touches no key. From ``open_parts`` on every failure has the same code
and text, so that nobody can use us to try keys (RFC 8017 section 7.1.1, note 3).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from types import TracebackType
from typing import Final
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.limits import Limits
from gateway.as4.mime import Part
from gateway.as4.profiles import Algorithms
from gateway.as4.soap import Envelope, canonical, leaf_text
from gateway.as4.wss.signature import SecurityHeader
from gateway.as4.wss.structure import (
    KEY_INFO,
    STR,
    TOKEN_REFERENCE,
    attributes,
    base64_of,
    children,
    noncompliant,
    plain_algorithm,
    token_of,
)
from gateway.errors import InvalidMessage
from gateway.model.often import made_often
from gateway.model.signals import EbmsCode
from gateway.security.keys import Identity
from gateway.security.safexml import UnsafeXml, nodes_of, parse

_METHOD, _CIPHER_DATA, _CIPHER_VALUE, _CIPHER_REFERENCE, _CIPHER_TRANSFORMS = (
    f"{{{ns.XENC}}}{n}" for n in ("EncryptionMethod", "CipherData", "CipherValue", "CipherReference", "Transforms")
)
_REFERENCE_LIST, _DATA_REFERENCE = f"{{{ns.XENC}}}ReferenceList", f"{{{ns.XENC}}}DataReference"
_DIGEST_METHOD, _TRANSFORM = f"{{{ns.DS}}}DigestMethod", f"{{{ns.DS}}}Transform"
_MGF: Final = f"{{{ns.XENC11}}}MGF"
_KEY_IDENTIFIER: Final = f"{{{ns.WSSE}}}KeyIdentifier"
_X509_DATA, _ISSUER_SERIAL, _SERIAL = (f"{{{ns.DS}}}{n}" for n in ("X509Data", "X509IssuerSerial", "X509SerialNumber"))
_XML_TYPE: Final = re.compile(r"(?:text|application)/(?:[\w.+-]+\+)?xml", re.ASCII | re.IGNORECASE)
IV: Final = 12
TAG: Final = 16


@made_often
@dataclass(frozen=True, slots=True)
class Encryption:
    """What is encrypted and the wrapped key that opens it."""

    wrapped_key: bytes
    media_types: dict[str, str]
    """Media type before encryption as EncryptedData says it, by Content-ID; empty where it says nothing."""
    whose: bytes = b""
    """DER of the certificate that the key is wrapped for."""


def read_encryption(
    envelope: Envelope,
    header: SecurityHeader,
    content_ids: tuple[str, ...],
    *,
    identity: Identity,
    algorithms: Algorithms,
    others: tuple[Identity, ...] = (),
) -> Encryption | None:
    """Read the shape; None for a message without parts. Raises ``InvalidMessage`` unless all parts are encrypted.

    It may be for ``identity`` or for one of the ``others``, as while our certificate changes.
    """
    if not content_ids:
        if header.encrypted_keys or header.encrypted_data:
            noncompliant("Something is encrypted that is no part of the message")
        return None
    if len(header.encrypted_keys) != 1 or len(header.encrypted_data) != len(content_ids):
        noncompliant("Every payload part must be encrypted, with exactly one key")
    key = header.encrypted_keys[0]
    data_ids = {data.get("Id", "") for data in header.encrypted_data}
    wrapped, whose = _encrypted_key(envelope, key, data_ids, (identity, *others), algorithms)
    media_types = {
        _encrypted_data(data, key.get("Id", ""), algorithms): data.get("MimeType", "") for data in header.encrypted_data
    }
    if set(media_types) != set(content_ids):
        noncompliant("EncryptedData refers to a part that is not there")
    return Encryption(wrapped, media_types, whose.der)


def addressee(encryption: Encryption, identity: Identity, others: tuple[Identity, ...]) -> Identity:
    """Which of our identities it is encrypted for."""
    return next((other for other in others if other.der == encryption.whose), identity)


def open_parts(
    encryption: Encryption,
    parts: tuple[Part, ...],
    digests: dict[str, bytes],
    *,
    identity: Identity,
    algorithms: Algorithms,
    limits: Limits,
) -> dict[str, bytes]:
    """Decrypt every part and compare it with its signed digest; gives the octets as signed, by Content-ID."""
    opened: dict[str, bytes] = {}
    with one_answer():
        cipher = AESGCM(unwrap_key(encryption, identity, algorithms))
        for part in parts:
            if len(part.content) <= IV + TAG:
                raise ValueError("nothing is encrypted")
            octets = cipher.decrypt(bytes(part.content[:IV]), part.content[IV:], None)
            if not _is_signed(octets, digests[part.content_id], encryption.media_types[part.content_id], limits):
                raise ValueError("the signed digest is another")
            opened[part.content_id] = octets
    return opened


class one_answer:  # written like a function: it is one in a ``with``
    """Whatever fails to open a part, the peer reads the same."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ValueError | InvalidTag):
            raise InvalidMessage(
                EbmsCode.FAILED_DECRYPTION,
                "The payload cannot be decrypted and verified",
                text=f"The payload cannot be decrypted and verified: {str(error) or 'wrong tag'}",
            ) from None


def unwrap_key(encryption: Encryption, identity: Identity, algorithms: Algorithms) -> bytes:
    """The content key; raises ``ValueError``. Call it inside ``one_answer``."""
    content_key = identity.decryptor.decrypt(encryption.wrapped_key)
    if len(content_key) != algorithms.cipher_key_octets:
        raise ValueError("the content key has another length")
    return content_key


def _is_signed(octets: bytes, digest: bytes, media_type: str, limits: Limits) -> bool:
    """Whether the digest is over these octets or, for a part of an XML type, over their canonical form.

    The SwA profile (5.4.2) has XML parts digested in canonical form. That form lacks the comments, so nothing with a
    comment is believed on its account.
    """
    if hmac.compare_digest(hashlib.sha256(octets).digest(), digest):
        return True
    return may_be_canonical(len(octets), media_type, limits) and is_signed_as_canonical(octets, digest, limits)


def may_be_canonical(size: int, media_type: str, limits: Limits) -> bool:
    """Whether the digest of such a part may be over its canonical form."""
    return bool(_XML_TYPE.fullmatch(media_type.partition(";")[0].strip())) and size <= limits.xml_part


def is_signed_as_canonical(octets: bytes, digest: bytes, limits: Limits) -> bool:
    """Whether the digest is over the canonical form of these octets."""
    try:
        root = parse(octets, huge=True, comments=False)
        # Canonical form sorts an element's attributes in quadratic time.
        if any(len(element.attrib) > limits.attributes for element in root.iter()):
            return False
        form = canonical(root)
    except (UnsafeXml, InvalidMessage):
        return False
    return hmac.compare_digest(hashlib.sha256(form).digest(), digest)


def _encrypted_key(
    envelope: Envelope,
    key: etree._Element,
    data_ids: set[str],
    identities: tuple[Identity, ...],
    algorithms: Algorithms,
) -> tuple[bytes, Identity]:
    attributes(key, "Id")
    parts = nodes_of(key)
    references = parts.pop() if len(parts) == 4 and parts[3].tag == _REFERENCE_LIST else None
    if [part.tag for part in parts] != [_METHOD, KEY_INFO, _CIPHER_DATA]:
        noncompliant("EncryptedKey does not have the children that the profile asks for")
    method, key_info, cipher_data = parts
    # Both must be said: without them OAEP means SHA-1.
    if method.get("Algorithm") != algorithms.key_transport or len(method.keys()) != 1:
        noncompliant(f"The key must be wrapped with {algorithms.key_transport}")
    digest, mgf = children(method, _DIGEST_METHOD, _MGF) if len(method) == 2 else (None, None)
    if digest is None or mgf is None:
        noncompliant("The key must be wrapped with RSA-OAEP, its digest and its mask generation named")
    plain_algorithm(digest, algorithms.key_transport_digest)
    plain_algorithm(mgf, algorithms.mask_generation)
    if references is not None:
        listed = children(references, *[_DATA_REFERENCE] * len(data_ids))
        wanted = {f"#{data_id}" for data_id in data_ids}
        if {reference.get("URI", "") for reference in listed} != wanted or any(len(reference) for reference in listed):
            noncompliant("ReferenceList does not name the encrypted parts")
    (holder,) = children(key_info, STR)
    whose = next((identity for identity in identities if _is_ours(envelope, holder, identity)), None)
    if whose is None:
        raise InvalidMessage(
            EbmsCode.FAILED_DECRYPTION, "The message is not encrypted for this access point's certificate"
        )
    (value,) = children(cipher_data, _CIPHER_VALUE)
    return base64_of(value), whose


def _is_ours(envelope: Envelope, holder: etree._Element, identity: Identity) -> bool:
    """Whether the reference names our certificate, in any of the four forms that are about.

    Of issuer and serial number the number is compared: the text of a name differs between programs, and a wrong guess
    ends at the decryption.
    """
    if len(holder) != 1:
        noncompliant("A SecurityTokenReference must hold exactly one reference")
    reference = holder[0]
    if reference.tag == TOKEN_REFERENCE:
        token = token_of(envelope, reference)
        return token.text == identity.token or base64_of(token) == identity.der
    if reference.tag == _KEY_IDENTIFIER:
        value_type, value = reference.get("ValueType"), base64_of(reference)
        if value_type == ns.THUMBPRINT:
            return value == hashlib.sha1(identity.der, usedforsecurity=False).digest()
        if value_type == ns.SUBJECT_KEY_IDENTIFIER:
            return value == _subject_key_identifier(identity.certificate)
        noncompliant("The key identifier is of a kind that the profile does not know")
    if reference.tag == _X509_DATA:
        (issuer_serial,) = children(reference, _ISSUER_SERIAL)
        serial = issuer_serial.find(_SERIAL)
        text = "" if serial is None else leaf_text(serial)
        return text.isascii() and text.isdigit() and len(text) < 60 and int(text) == identity.certificate.serial_number
    return noncompliant("The encrypted key names its certificate in a way that the profile does not know")


def _subject_key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _encrypted_data(data: etree._Element, key_id: str, algorithms: Algorithms) -> str:
    """Check one EncryptedData; gives the Content-ID that it describes."""
    attributes(data, "Id", "MimeType", "Type")
    if data.get("Type") != algorithms.encrypted_type:
        noncompliant(f"EncryptedData must be of type {algorithms.encrypted_type}")
    parts = nodes_of(data)
    if len(parts) == 3 and parts[1].tag == KEY_INFO:
        (holder,) = children(parts.pop(1), STR)
        (reference,) = children(holder, TOKEN_REFERENCE)
        if not key_id or reference.get("URI") != f"#{key_id}" or len(reference):
            noncompliant("EncryptedData must refer to the EncryptedKey")
    if [part.tag for part in parts] != [_METHOD, _CIPHER_DATA]:
        noncompliant("EncryptedData does not have the children that the profile asks for")
    plain_algorithm(parts[0], algorithms.cipher)
    (reference,) = children(parts[1], _CIPHER_REFERENCE)
    if len(reference):
        (transforms,) = children(reference, _CIPHER_TRANSFORMS)
        (transform,) = children(transforms, _TRANSFORM)
        plain_algorithm(transform, algorithms.cipher_transform)
    uri = reference.get("URI", "")
    if not uri.startswith("cid:"):
        noncompliant("CipherReference must begin with cid:")
    return unquote(uri[4:])
