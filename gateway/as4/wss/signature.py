"""Reading and verifying the one signature of a message, before any private key is touched.

The checks come in this order: shape of the header, exactly the wanted references, the signer's certificate, the
signature value, the digests of Messaging and Body. The digest of a part is handed out, to be compared by
``encryption.py`` once the part is open. After that the caller may use the elements of the same ``Envelope``, and
nothing else, since they are the very nodes that were digested.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.ebms import repeat
from gateway.as4.soap import Envelope, canonical
from gateway.as4.wss.references import Demand, Reference, canonicalization, covered, read_references, usual_references
from gateway.as4.wss.structure import (
    KEY_INFO,
    STR,
    TOKEN,
    TOKEN_REFERENCE,
    base64_of,
    children,
    noncompliant,
    plain_algorithm,
    token_of,
)
from gateway.errors import InvalidMessage, RevocationUnknown, Untrusted
from gateway.model.often import made_often
from gateway.model.signals import EbmsCode
from gateway.security.safexml import nodes_of
from gateway.security.trust import Believed, Role

PKCS1: Final = padding.PKCS1v15()
SHA256: Final = hashes.SHA256()

SIGNATURE: Final = f"{{{ns.DS}}}Signature"
ENCRYPTED_KEY: Final = f"{{{ns.XENC}}}EncryptedKey"
ENCRYPTED_DATA: Final = f"{{{ns.XENC}}}EncryptedData"
_TIMESTAMP: Final = f"{{{ns.WSU}}}Timestamp"
"""Peppol needs none. One that is there stands outside the signature and so says nothing."""
_SIGNED_INFO, _SIGNATURE_VALUE = f"{{{ns.DS}}}SignedInfo", f"{{{ns.DS}}}SignatureValue"
_C14N_METHOD, _SIGNATURE_METHOD = f"{{{ns.DS}}}CanonicalizationMethod", f"{{{ns.DS}}}SignatureMethod"


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signature that holds. It covers Messaging, Body and exactly the parts in ``parts``."""

    signer: Believed
    messaging: bytes
    """The canonical form of eb:Messaging, which is what was digested."""
    covered: tuple[tuple[str, str], ...]
    """What it is over: (reference URI, base64 SHA-256)."""
    parts: dict[str, bytes]
    """SHA-256 that was signed, by Content-ID; not compared yet."""
    references: tuple[Reference, ...] = ()
    """As they were read from the tree; none where the envelope was recognised by its shape."""
    spelled: str = ""
    """All references in canonical form as a receipt repeats them; empty where each has to be asked."""

    @property
    def repeated(self) -> str:
        """The references as a receipt repeats them."""
        return self.spelled or repeat(reference.text for reference in self.references)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityHeader:
    """The children of wsse:Security by kind."""

    signature: etree._Element
    encrypted_keys: tuple[etree._Element, ...]
    encrypted_data: tuple[etree._Element, ...]


def read_header(envelope: Envelope, demand: Demand) -> SecurityHeader:
    """Sort the Security header; raises ``InvalidMessage`` for anything that the profile does not know."""
    if envelope.security is None:
        noncompliant("The message is neither signed nor encrypted")
    if envelope.ambiguous:
        noncompliant("An id occurs more than once in the envelope")
    kinds: dict[object, list[etree._Element]] = {}
    for child in nodes_of(envelope.security):
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
    elements = nodes_of(info)
    if [child.tag for child in elements[:2]] != [_C14N_METHOD, _SIGNATURE_METHOD]:
        noncompliant("SignedInfo does not begin with its two methods")
    prefixes = canonicalization(elements[0], algorithms.canonicalization, demand.limits)
    plain_algorithm(elements[1], algorithms.signature)
    # (2) The certificate, from the one token that KeyInfo names, and whether we believe it.
    try:
        signer = _signer(envelope, key_info, demand)
    except (InvalidMessage, RevocationUnknown):
        read_references(envelope, elements[2:], content_ids, demand)  # what is wrong with them is said first
        raise
    # (3) Exactly the wanted references, each once, each with its one transform.
    octets = canonical(info, prefixes)
    references = usual_references(octets, demand)
    parts = covered(envelope, references, content_ids)
    if parts is None:
        references, parts = read_references(envelope, elements[2:], content_ids, demand)
    # (4) The signature value over SignedInfo.
    try:
        signer.key.verify(base64_of(value), octets, PKCS1, SHA256)
    except InvalidSignature:
        raise InvalidMessage(EbmsCode.FAILED_AUTHENTICATION, "The signature is not valid") from None
    # (5) The digests of Messaging and Body.
    messaging = b""
    for reference in references:
        if reference.uri.startswith("#"):
            target = envelope.ids[reference.uri[1:]]
            octets = canonical(target, reference.prefixes)
            if not hmac.compare_digest(hashlib.sha256(octets).digest(), reference.digest):
                raise InvalidMessage(EbmsCode.FAILED_AUTHENTICATION, "A signed element was changed")
            if target is envelope.messaging:
                messaging = octets
    return Signed(
        signer=signer,
        messaging=messaging,
        covered=tuple((one.uri, binascii.b2a_base64(one.digest, newline=False).decode()) for one in references),
        parts=parts,
        references=tuple(references),
    )


def _signer(envelope: Envelope, key_info: etree._Element, demand: Demand) -> Believed:
    (holder,) = children(key_info, STR)
    (reference,) = children(holder, TOKEN_REFERENCE)
    token = token_of(envelope, reference)
    return believe(token.text or "", lambda: base64_of(token), demand)


def believe(token: str, decode: Callable[[], bytes], demand: Demand) -> Believed:
    """Whether we believe the signer whose certificate the token holds; ``decode`` is called for one not seen yet.

    Raises ``InvalidMessage`` for one who is not trusted, ``RevocationUnknown`` when nobody can tell now.
    """

    def der() -> bytes:
        octets = decode()
        if len(octets) > demand.limits.certificate:
            noncompliant("The signing certificate is too large")
        return octets

    try:
        return demand.trust.believe_token(token, Role.ACCESS_POINT, demand.at, der)
    except Untrusted as error:
        raise InvalidMessage(
            EbmsCode.FAILED_AUTHENTICATION, "The signing certificate is not trusted in this network", text=str(error)
        ) from None
