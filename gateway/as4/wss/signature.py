"""Reading and verifying the one signature of a message, before any private key is touched.

The checks come in this order: shape of the header, exactly the wanted references, the signer's certificate, the
signature value, the digests of Messaging and Body. The digest of a part is handed out, to be compared by
``encryption.py`` once the part is open. After that the caller may use the elements of the same ``Envelope``, and
nothing else, since they are the very nodes that were digested.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.limits import Limits
from gateway.as4.profiles import Algorithms
from gateway.as4.soap import Envelope, canonical
from gateway.as4.wss.structure import (
    KEY_INFO,
    STR,
    TOKEN,
    TOKEN_REFERENCE,
    algorithm,
    attributes,
    base64_of,
    children,
    noncompliant,
    plain_algorithm,
    token_of,
)
from gateway.errors import InvalidMessage, Untrusted
from gateway.model.signals import EbmsCode
from gateway.security.trust import Believed, Role, Trust

_PKCS1: Final = padding.PKCS1v15()
_SHA256: Final = hashes.SHA256()

SIGNATURE: Final = f"{{{ns.DS}}}Signature"
ENCRYPTED_KEY: Final = f"{{{ns.XENC}}}EncryptedKey"
ENCRYPTED_DATA: Final = f"{{{ns.XENC}}}EncryptedData"
_TIMESTAMP: Final = f"{{{ns.WSU}}}Timestamp"
"""Peppol needs none. One that is there stands outside the signature and so says nothing."""
_SIGNED_INFO, _SIGNATURE_VALUE = f"{{{ns.DS}}}SignedInfo", f"{{{ns.DS}}}SignatureValue"
_C14N_METHOD, _SIGNATURE_METHOD = f"{{{ns.DS}}}CanonicalizationMethod", f"{{{ns.DS}}}SignatureMethod"
_REFERENCE, _TRANSFORMS, _TRANSFORM = (f"{{{ns.DS}}}{n}" for n in ("Reference", "Transforms", "Transform"))
_DIGEST_METHOD, _DIGEST_VALUE = f"{{{ns.DS}}}DigestMethod", f"{{{ns.DS}}}DigestValue"
_INCLUSIVE: Final = f"{{{ns.EC}}}InclusiveNamespaces"


@dataclass(frozen=True, slots=True)
class Reference:
    """One ds:Reference as it stands: what it names, its digest, and the prefixes of its canonical form."""

    uri: str
    digest: bytes
    prefixes: list[str] | None
    element: etree._Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signature that holds. It covers Messaging, Body and exactly the parts in ``parts``."""

    signer: Believed
    references: tuple[Reference, ...]
    parts: dict[str, bytes]
    """SHA-256 that was signed, by Content-ID; not compared yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityHeader:
    """The children of wsse:Security by kind."""

    signature: etree._Element
    encrypted_keys: tuple[etree._Element, ...]
    encrypted_data: tuple[etree._Element, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a signature has to be, and by whom."""

    trust: Trust
    algorithms: Algorithms
    limits: Limits
    at: datetime


def read_header(envelope: Envelope, demand: Demand) -> SecurityHeader:
    """Sort the Security header; raises ``InvalidMessage`` for anything that the profile does not know."""
    if envelope.security is None:
        noncompliant("The message is neither signed nor encrypted")
    if envelope.ambiguous:
        noncompliant("An id occurs more than once in the envelope")
    kinds: dict[object, list[etree._Element]] = {}
    for child in envelope.security:
        kinds.setdefault(child.tag, []).append(child)
    if not kinds.keys() <= {TOKEN, ENCRYPTED_KEY, ENCRYPTED_DATA, SIGNATURE, _TIMESTAMP}:
        noncompliant("The Security header holds an element that the profile does not know")
    if len(kinds.get(SIGNATURE, [])) != 1:
        noncompliant("There must be exactly one Signature")
    if len(kinds.get(TOKEN, [])) > demand.limits.tokens:
        noncompliant("Too many tokens")
    return SecurityHeader(
        signature=kinds[SIGNATURE][0],
        encrypted_keys=tuple(kinds.get(ENCRYPTED_KEY, ())),
        encrypted_data=tuple(kinds.get(ENCRYPTED_DATA, ())),
    )


def verify(envelope: Envelope, header: SecurityHeader, content_ids: tuple[str, ...], demand: Demand) -> Signed:
    """Verify the signature over Messaging, Body and the parts named; raises ``InvalidMessage``.

    Raises ``RevocationUnknown`` when nobody can tell now whether the signer was revoked.
    """
    algorithms = demand.algorithms
    # (1) Shape: the three children, nothing like ds:Object.
    info, value, key_info = children(header.signature, _SIGNED_INFO, _SIGNATURE_VALUE, KEY_INFO)
    method = list(info)[:2]
    if [child.tag for child in method] != [_C14N_METHOD, _SIGNATURE_METHOD]:
        noncompliant("SignedInfo does not begin with its two methods")
    prefixes = _canonicalization(method[0], algorithms.canonicalization, demand.limits)
    plain_algorithm(method[1], algorithms.signature)
    # (2) Exactly the wanted references, each once, each with its one transform.
    references, parts = _references(envelope, list(info)[2:], content_ids, demand)
    # (3) The certificate, from the one token that KeyInfo names, and whether we believe it.
    signer = _signer(envelope, key_info, demand)
    # (4) The signature value over SignedInfo.
    try:
        signer.key.verify(base64_of(value), canonical(info, prefixes), _PKCS1, _SHA256)
    except InvalidSignature:
        raise InvalidMessage(EbmsCode.FAILED_AUTHENTICATION, "The signature is not valid") from None
    # (5) The digests of Messaging and Body.
    for reference in references:
        if reference.uri.startswith("#"):
            target = envelope.ids[reference.uri[1:]]
            digest = hashlib.sha256(canonical(target, reference.prefixes)).digest()
            if not hmac.compare_digest(digest, reference.digest):
                raise InvalidMessage(EbmsCode.FAILED_AUTHENTICATION, "A signed element was changed")
    return Signed(signer=signer, references=tuple(references), parts=parts)


def _references(
    envelope: Envelope, elements: list[etree._Element], content_ids: tuple[str, ...], demand: Demand
) -> tuple[list[Reference], dict[str, bytes]]:
    if len(elements) != 2 + len(content_ids):
        noncompliant("The signature must cover Messaging, Body and every part, and nothing else")
    missing = {"Messaging": envelope.messaging, "Body": envelope.body}
    parts: dict[str, bytes] = {}
    references: list[Reference] = []
    for element in elements:
        reference = _reference(element, demand)
        references.append(reference)
        if reference.uri.startswith("cid:"):
            parts[unquote(reference.uri[4:])] = reference.digest
            continue
        target = envelope.ids.get(reference.uri[1:])
        covered = next((name for name, wanted in missing.items() if target is not None and wanted is target), None)
        if covered is None:
            noncompliant("A signed reference names neither the Messaging header nor the Body of this envelope")
        del missing[covered]
    if missing or set(parts) != set(content_ids):
        noncompliant("The signature must cover Messaging, Body and every part, and nothing else")
    return references, parts


def _reference(element: etree._Element, demand: Demand) -> Reference:
    if element.tag != _REFERENCE:
        noncompliant("SignedInfo holds something other than references")
    # Only plain attributes: a receipt repeats this element, and its canonical form must not depend on ours.
    attributes(element, "URI", "Id", "Type")
    transforms, method, value = children(element, _TRANSFORMS, _DIGEST_METHOD, _DIGEST_VALUE)
    (transform,) = children(transforms, _TRANSFORM)
    for plain in (transforms, value):
        attributes(plain)
    plain_algorithm(method, demand.algorithms.digest)
    uri = element.get("URI", "")
    prefixes = None
    if uri.startswith("#"):
        prefixes = _canonicalization(transform, demand.algorithms.canonicalization, demand.limits)
    elif uri.startswith("cid:"):
        plain_algorithm(transform, demand.algorithms.part_transform)
    else:
        noncompliant("A reference must begin with # or cid:")
    digest = base64_of(value)
    if len(digest) != hashlib.sha256().digest_size:
        noncompliant("A digest has the wrong length")
    return Reference(uri, digest, prefixes, element)


def _canonicalization(element: etree._Element, wanted: str, limits: Limits) -> list[str] | None:
    algorithm(element, wanted)
    if not len(element):
        return None
    (inclusive,) = children(element, _INCLUSIVE)
    attributes(inclusive, "PrefixList")
    prefixes = inclusive.get("PrefixList", "").split()
    if len(prefixes) > limits.prefixes or len(inclusive):
        noncompliant("A PrefixList is too long")
    return prefixes


def _signer(envelope: Envelope, key_info: etree._Element, demand: Demand) -> Believed:
    (holder,) = children(key_info, STR)
    (reference,) = children(holder, TOKEN_REFERENCE)
    der = base64_of(token_of(envelope, reference))
    if len(der) > demand.limits.certificate:
        noncompliant("The signing certificate is too large")
    try:
        return demand.trust.believe(der, Role.ACCESS_POINT, demand.at)
    except Untrusted as error:
        raise InvalidMessage(
            EbmsCode.FAILED_AUTHENTICATION, "The signing certificate is not trusted in this network", text=str(error)
        ) from None
