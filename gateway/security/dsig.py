"""The enveloped signature of SMP answers: sign ours, believe others' only in one exact shape.

Source: Peppol SMP 1.4 (SignedServiceMetadata), XML Signature 1.0. One reference to the whole document, the
enveloped transform alone, inclusive C14N 1.0, RSA-SHA256, the certificate in KeyInfo. Everything else is refused
before any canonicalisation, because canonicalising hostile XML costs minutes and odd transforms hide text. The
mathematics is signxml's; whom to believe is :mod:`gateway.security.trust`'s. What the signed document means is
left to the caller. WS-Security signatures are another thing and live with AS4. Pure: no file, network or clock.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree
from signxml import (  # type: ignore[attr-defined]
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConfiguration,
    SignatureMethod,
    XMLSigner,
    XMLVerifier,
    methods,
)
from signxml.exceptions import SignXMLException

from gateway.errors import Untrusted
from gateway.security import safexml
from gateway.security.keys import Identity, Signer
from gateway.security.trust import Believed, Role, Trust

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
C14N: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"

MAX_OCTETS: Final = 256 * 1024
MAX_ELEMENTS: Final = 2_000
MAX_DEPTH: Final = 32
MAX_ATTRIBUTES: Final = 32
MAX_NAMESPACES: Final = 200
"""Declarations in the whole document: inclusive C14N is quadratic in them."""

_CONFIGURATION: Final = SignatureConfiguration(
    location="./",
    expect_references=1,
    signature_methods=frozenset({SignatureMethod.RSA_SHA256}),
    digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
    default_reference_c14n_method=CanonicalizationMethod.CANONICAL_XML_1_0,
)


@dataclass(frozen=True, slots=True)
class SignedXml:
    """A document as its signer signed it, without the signature element, and who that was."""

    root: etree._Element
    """Parsed from the very octets that were digested."""
    signer: Believed


@dataclass(frozen=True, slots=True)
class _Key:
    """Our :class:`Signer` in the shape of a private key that signxml calls; padding and hash are the signer's."""

    signer: Signer

    def sign(self, data: bytes, padding: object = None, algorithm: object = None) -> bytes:
        return self.signer.sign(data)


def sign_enveloped(root: etree._Element, identity: Identity) -> bytes:
    """Sign the whole document; gives its octets in UTF-8 with ``ds:Signature`` as last child of the root.

    ``root`` stays as it is. Costs one RSA private operation and about a millisecond.
    """
    key_info = etree.Element(f"{{{DS}}}KeyInfo", nsmap={"ds": DS})
    data = etree.SubElement(key_info, f"{{{DS}}}X509Data")
    etree.SubElement(data, f"{{{DS}}}X509SubjectName").text = identity.certificate.subject.rfc4514_string()
    etree.SubElement(data, f"{{{DS}}}X509Certificate").text = identity.token
    signer = XMLSigner(
        method=methods.enveloped,
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.CANONICAL_XML_1_0,
    )
    key: Any = _Key(identity.signer)
    # Only the transform "enveloped" may stand in the reference: Java clients refuse a second one.
    signed = signer.sign(root, key=key, key_info=key_info, exclude_c14n_transform_element=True)
    return etree.tostring(signed, xml_declaration=True, encoding="UTF-8")


def verify_enveloped(octets: bytes, trust: Trust, role: Role, now: datetime) -> SignedXml:
    """Check shape, signer and signature, in this order.

    Raises :class:`Untrusted` with the first reason, or :class:`~gateway.security.safexml.UnsafeXml` when the octets
    are no XML that we read. Costs a few milliseconds of CPU: call it off the event loop.
    """
    # (1) Small and plain enough to be canonicalised.
    if len(octets) > MAX_OCTETS:
        raise Untrusted(f"The signed document is larger than {MAX_OCTETS // 1024} KiB")
    if octets.count(b"xmlns") > MAX_NAMESPACES:
        raise Untrusted(f"The signed document declares more than {MAX_NAMESPACES} namespaces")
    root = safexml.parse(octets, comments=False)
    _refuse_excess(root)
    # (2) One signature, in the one shape that the specification describes.
    certificate = _certificate(_signature(root))
    # (3) Its certificate comes from our own anchors' authority for this role.
    signer = trust.believe(certificate, role, now)
    # (4) The mathematics, with exactly that certificate.
    digested = _fits(root, signer) or _verified(root, signer, now)
    # (5) Only what was digested is handed on.
    return SignedXml(safexml.parse(digested, comments=False), signer)


def _fits(root: etree._Element, signer: Believed) -> bytes | None:
    """What the signature of the usual document covers, when it is right; None says nothing. Leaves ``root`` as it is.

    signxml does the same in some four times the time, so it is asked only where this fails, and says what is wrong.
    """
    if b"xml:" in etree.tostring(root):  # the canonical form of a part inherits such attributes
        return None
    signature = root[-1]
    info, value = signature[0], signature[1]
    in_scope: Any = info.nsmap
    alone = etree.Element(info.tag, nsmap=in_scope)
    alone.attrib.update(info.attrib)
    alone.text = info.text
    alone.extend(deepcopy(child) for child in info)
    bare = deepcopy(root)
    enveloped = bare[-1]
    if enveloped.tail:
        before = enveloped.getprevious()
        if before is None:
            bare.text = (bare.text or "") + enveloped.tail
        else:
            before.tail = (before.tail or "") + enveloped.tail
    bare.remove(enveloped)
    digested = etree.tostring(bare, method="c14n")
    try:
        digest = _base64(info[2][2])
        signer.key.verify(_base64(value), etree.tostring(alone, method="c14n"), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return None
    return digested if hmac.compare_digest(hashlib.sha256(digested).digest(), digest) else None


def _base64(element: etree._Element) -> bytes:
    return base64.b64decode("".join((element.text or "").split()), validate=True)


def _verified(root: etree._Element, signer: Believed, now: datetime) -> bytes:
    try:
        result = XMLVerifier().verify(
            root,
            x509_cert=signer.certificate,
            validate_schema=False,  # the shape was compared, more strictly than the schema does
            expect_config=replace(_CONFIGURATION, verification_time=now),
        )
    except (SignXMLException, ValueError, etree.LxmlError) as error:
        raise Untrusted(f"The signature of {signer.common_name} does not fit the document: {error}") from None
    if isinstance(result, list):
        raise _other_form("not exactly one reference")
    return result.signed_data


def _refuse_excess(root: etree._Element) -> None:
    encoding = root.getroottree().docinfo.encoding or "UTF-8"
    if encoding.upper() not in ("UTF-8", "US-ASCII", "ASCII"):
        raise Untrusted(f"The signed document is written in {encoding}, not in UTF-8")
    elements = depth = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "end":
            depth -= 1
            continue
        depth += 1
        elements += 1
        if elements > MAX_ELEMENTS or depth > MAX_DEPTH or len(element.attrib) > MAX_ATTRIBUTES:
            raise Untrusted(
                f"The signed document has more than {MAX_ELEMENTS} elements, {MAX_DEPTH} levels "
                f"or {MAX_ATTRIBUTES} attributes at one element"
            )


def _signature(root: etree._Element) -> etree._Element:
    """Give the one signature after comparing its form with the specification's, or raise :class:`Untrusted`."""
    found = list(root.iter(f"{{{DS}}}Signature"))
    if not found:
        raise Untrusted("The document is not signed")
    if len(found) > 1 or found[0] is not root[-1]:
        raise _other_form("not exactly one signature as the last child of the root")
    (signature,) = found
    info, _, key_info = _children(signature, "SignedInfo", "SignatureValue", "KeyInfo")
    canonical, method, reference = _children(info, "CanonicalizationMethod", "SignatureMethod", "Reference")
    _algorithm(canonical, C14N)
    _algorithm(method, RSA_SHA256)
    if reference.items() != [("URI", "")]:
        raise _other_form("the reference does not name the whole document")
    transforms, digest, _ = _children(reference, "Transforms", "DigestMethod", "DigestValue")
    (transform,) = _children(transforms, "Transform")
    _algorithm(transform, ENVELOPED)
    _algorithm(digest, SHA256)
    _children(key_info, "X509Data")
    return signature


def _children(parent: etree._Element, *names: str) -> list[etree._Element]:
    children = list(parent)
    if [child.tag for child in children] != [f"{{{DS}}}{name}" for name in names]:
        inside = etree.QName(parent).localname
        raise _other_form(f"{inside} does not hold exactly {', '.join(names)}")
    return children


def _algorithm(element: etree._Element, wanted: str) -> None:
    if len(element) or element.items() != [("Algorithm", wanted)]:
        raise _other_form(f"{etree.QName(element).localname} is not {wanted}")


def _certificate(signature: etree._Element) -> bytes:
    # Subject name, issuer and serial may stand beside it; they decide nothing.
    texts = [element.text or "" for element in signature.iter(f"{{{DS}}}X509Certificate")]
    if len(texts) != 1:
        raise _other_form("not exactly one certificate")
    try:
        return base64.b64decode("".join(texts[0].split()), validate=True)
    except (binascii.Error, ValueError):
        raise _other_form("the certificate is not Base64") from None


def _other_form(what: str) -> Untrusted:
    return Untrusted(
        f"The signature has another form than the SMP specification prescribes: {what}",
        remedy="Tell the operator of that SMP: one reference to the whole document, the enveloped transform alone, "
        "inclusive C14N 1.0, RSA-SHA256, SHA-256, one certificate.",
    )
