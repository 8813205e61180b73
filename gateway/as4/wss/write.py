"""Signing and sealing: every signed element is written canonical, so that its octets are digested as they stand.

A redundant namespace declaration is harmless XML; it makes each template complete in itself. Order in the header is
that which strict receivers need: each token before its use, encryption before signature.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.as4 import namespaces as ns
from gateway.as4.ebms import MESSAGING_ID
from gateway.as4.soap import escape_attribute
from gateway.errors import Untrusted
from gateway.model.octets import Octets, sha256_of
from gateway.model.often import made_often
from gateway.security.keys import Identity

_OAEP: Final = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)

_SIGNER_ID, _RECEIVER_ID, _KEY_ID, _DATA_ID, _BODY_ID = "signer", "receiver", "key", "data", "body"
_BODY: Final = f'<soap:Body xmlns:soap="{ns.SOAP}" xmlns:wsu="{ns.WSU}" wsu:Id="{_BODY_ID}"></soap:Body>'


def _digest(octets: Octets) -> str:
    return _base64(sha256(octets).digest() if isinstance(octets, bytes) else bytes.fromhex(sha256_of(octets)))


def _base64(octets: bytes) -> str:
    return binascii.b2a_base64(octets, newline=False).decode()


def _reference(uri: str, transform: str, digest: str) -> str:
    return (
        f'<ds:Reference URI="{uri}">'
        f'<ds:Transforms><ds:Transform Algorithm="{transform}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{ns.SHA256}"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue>'
        "</ds:Reference>"
    )


_BODY_DIGEST: Final = _digest(_BODY.encode())
_BODY_REFERENCE: Final = _reference(f"#{_BODY_ID}", ns.EXCLUSIVE_C14N, _BODY_DIGEST)
_INFO_OPEN: Final = (
    f'<ds:SignedInfo xmlns:ds="{ns.DS}">'
    f'<ds:CanonicalizationMethod Algorithm="{ns.EXCLUSIVE_C14N}"></ds:CanonicalizationMethod>'
    f'<ds:SignatureMethod Algorithm="{ns.RSA_SHA256}"></ds:SignatureMethod>'
)


def _token(token_id: str, token: str) -> str:
    return (
        f'<wsse:BinarySecurityToken EncodingType="{ns.BASE64}" ValueType="{ns.X509V3}" wsu:Id="{token_id}">{token}'
        "</wsse:BinarySecurityToken>"
    )


def _token_reference(token_id: str) -> str:
    return (
        "<ds:KeyInfo><wsse:SecurityTokenReference>"
        f'<wsse:Reference URI="#{token_id}" ValueType="{ns.X509V3}"/></wsse:SecurityTokenReference></ds:KeyInfo>'
    )


@made_often
@dataclass(frozen=True, slots=True)
class Signature:
    """Token and ds:Signature as text, and what was signed as (URI, base64 SHA-256)."""

    text: str
    references: tuple[tuple[str, str], ...]


@made_often
@dataclass(frozen=True, slots=True)
class Sealed:
    """The receiver's token, the wrapped key and the description of the part as text, and the encrypted part."""

    text: str
    octets: bytes


def sign(messaging: str, identity: Identity, part: tuple[str, Octets] | None = None) -> Signature:
    """Sign a canonical eb:Messaging, the empty Body and, where there is one, the part (Content-ID, octets)."""
    digest = _digest(messaging.encode())
    signed = [(f"#{MESSAGING_ID}", digest), (f"#{_BODY_ID}", _BODY_DIGEST)]
    opening, between, after_digest = _INFO
    if part is None:
        info = f"{opening}{digest}{between}</ds:SignedInfo>"
    else:
        uri, octets = f"cid:{part[0]}", _digest(part[1])
        signed.append((uri, octets))
        before_uri, before_digest = _PART_REFERENCE
        info = (
            f"{opening}{digest}{between}{before_uri}{escape_attribute(uri)}{before_digest}{octets}{after_digest}"
            "</ds:SignedInfo>"
        )
    value = _base64(identity.signer.sign(info.encode()))
    return Signature(f"{_signer(identity.token)}{info}<ds:SignatureValue>{value}{_SIGNATURE_END}", tuple(signed))


_HOLE: Final = "\0"
_DIGEST_END: Final = "</ds:DigestValue></ds:Reference>"
_first, _rest = _reference(f"#{MESSAGING_ID}", ns.EXCLUSIVE_C14N, _HOLE).split(_HOLE)
_INFO: Final = (_INFO_OPEN + _first, _rest + _BODY_REFERENCE, _DIGEST_END)
"""ds:SignedInfo before and after the digest of eb:Messaging, and what follows the digest of the part."""
_uri, _middle, _end = _reference(_HOLE, ns.CONTENT_SIGNATURE, _HOLE).split(_HOLE)
assert _rest == _end == _DIGEST_END
_PART_REFERENCE: Final = (_uri, _middle)
_SIGNATURE_END: Final = f"</ds:SignatureValue>{_token_reference(_SIGNER_ID)}</ds:Signature>"


@lru_cache(maxsize=16)
def _signer(token: str) -> str:
    return f'{_token(_SIGNER_ID, token)}<ds:Signature xmlns:ds="{ns.DS}" Id="signature">'


def seal(part: bytes, content_id: str, certificate: bytes, *, content_key: bytes, iv: bytes) -> Sealed:
    """Encrypt the part for a certificate (DER) with a fresh key of 16 and a fresh IV of 12 random octets."""
    text = seal_key(content_id, certificate, content_key=content_key)
    return Sealed(text, iv + AESGCM(content_key).encrypt(iv, part, None))


def seal_key(content_id: str, certificate: bytes, *, content_key: bytes) -> str:
    """The receiver's token, the wrapped key and the description of the part that it opens, as text."""
    public_key, before = _recipient(certificate)
    wrapped = _base64(public_key.encrypt(content_key, _OAEP))
    return f"{before}{wrapped}{_KEY_END}{escape_attribute(content_id)}{_DATA_END}"


def _before_key(token: str) -> str:
    return (
        f"{_token(_RECEIVER_ID, token)}"
        f'<xenc:EncryptedKey xmlns:xenc="{ns.XENC}" xmlns:ds="{ns.DS}" Id="{_KEY_ID}">'
        f'<xenc:EncryptionMethod Algorithm="{ns.RSA_OAEP}"><ds:DigestMethod Algorithm="{ns.SHA256}"/>'
        f'<xenc11:MGF xmlns:xenc11="{ns.XENC11}" Algorithm="{ns.MGF1_SHA256}"/></xenc:EncryptionMethod>'
        f"{_token_reference(_RECEIVER_ID)}"
        "<xenc:CipherData><xenc:CipherValue>"
    )


_KEY_END: Final = (
    "</xenc:CipherValue></xenc:CipherData>"
    f'<xenc:ReferenceList><xenc:DataReference URI="#{_DATA_ID}"/></xenc:ReferenceList></xenc:EncryptedKey>'
    f'<xenc:EncryptedData xmlns:xenc="{ns.XENC}" xmlns:ds="{ns.DS}" Id="{_DATA_ID}" MimeType="{ns.GZIP}" '
    f'Type="{ns.CONTENT_ONLY}"><xenc:EncryptionMethod Algorithm="{ns.AES128_GCM}"/>'
    f'<ds:KeyInfo><wsse:SecurityTokenReference xmlns:wsse11="{ns.WSSE11}" '
    f'wsse11:TokenType="{ns.ENCRYPTED_KEY_TOKEN}"><wsse:Reference URI="#{_KEY_ID}"/>'
    "</wsse:SecurityTokenReference></ds:KeyInfo><xenc:CipherData>"
    '<xenc:CipherReference URI="cid:'
)
_DATA_END: Final = (
    '"><xenc:Transforms>'
    f'<ds:Transform Algorithm="{ns.CIPHERTEXT}"/></xenc:Transforms></xenc:CipherReference></xenc:CipherData>'
    "</xenc:EncryptedData>"
)


def write_envelope(messaging: str, security: str) -> bytes:
    """Put signed header, security header and Body together."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<soap:Envelope xmlns:soap="{ns.SOAP}"><soap:Header>'
        f'<wsse:Security xmlns:wsse="{ns.WSSE}" xmlns:wsu="{ns.WSU}" soap:mustUnderstand="true">{security}'
        f"</wsse:Security>{messaging}</soap:Header>{_BODY}</soap:Envelope>"
    ).encode()


@lru_cache(maxsize=512)
def _recipient(certificate: bytes) -> tuple[rsa.RSAPublicKey, str]:
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except ValueError:
        raise Untrusted("The receiver's certificate cannot be read") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise Untrusted("The receiver's certificate does not hold an RSA key")
    return key, _before_key(_base64(certificate))
