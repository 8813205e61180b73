"""Small exact readers that signature and encryption share: this child, this attribute, this base64, or a refusal."""

from __future__ import annotations

import binascii
from typing import NoReturn, cast

from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.soap import Envelope, leaf_text
from gateway.errors import InvalidMessage
from gateway.model.signals import EbmsCode
from gateway.security.safexml import nodes_of

TOKEN = f"{{{ns.WSSE}}}BinarySecurityToken"
STR = f"{{{ns.WSSE}}}SecurityTokenReference"
TOKEN_REFERENCE = f"{{{ns.WSSE}}}Reference"
KEY_INFO = f"{{{ns.DS}}}KeyInfo"


def noncompliant(detail: str) -> NoReturn:
    """Refuse with EBMS:0103: the security header departs from the profile."""
    raise InvalidMessage(EbmsCode.POLICY_NONCOMPLIANCE, detail)


def children(element: etree._Element, *tags: str) -> list[etree._Element]:
    """Exactly these children in this order."""
    found = nodes_of(element)
    if [child.tag for child in found] != [*tags]:
        noncompliant(f"{etree.QName(element).localname} does not have the children that the profile asks for")
    return found


def algorithm(element: etree._Element, wanted: str) -> None:
    """The Algorithm attribute, and no other, equals the wanted URI."""
    if element.get("Algorithm") != wanted or len(element.keys()) != 1:
        noncompliant(f"{etree.QName(element).localname} must be {wanted}")


def plain_algorithm(element: etree._Element, wanted: str) -> None:
    """The same, without parameters inside."""
    algorithm(element, wanted)
    if len(element):
        noncompliant(f"{etree.QName(element).localname} must have no parameters")


def attributes(element: etree._Element, *allowed: str) -> None:
    """No attribute besides these."""
    for name in cast("list[str]", element.keys()):
        if name not in allowed:
            noncompliant(f"{etree.QName(element).localname} has an attribute that the profile does not know")


def base64_of(element: etree._Element) -> bytes:
    """The element's text as octets; blanks and line ends are let be."""
    text = leaf_text(element, code=EbmsCode.POLICY_NONCOMPLIANCE)
    try:
        octets = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        octets = _with_blanks(text)
    if not octets:
        noncompliant(f"{etree.QName(element).localname} is not base64")
    return octets


def _with_blanks(text: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:  # no base64, or not even ASCII
        return b""


def token_of(envelope: Envelope, reference: etree._Element) -> etree._Element:
    """The X.509 token of this message's Security header that a direct reference names."""
    if reference.get("ValueType") != ns.X509V3:
        noncompliant("A token reference must have the value type X509v3")
    uri = reference.get("URI", "")
    token = envelope.ids.get(uri.removeprefix("#"))
    if not uri.startswith("#") or token is None or token.getparent() is not envelope.security:
        noncompliant("A token reference names no token of this header")
    if token.tag != TOKEN or token.get("ValueType") != ns.X509V3 or token.get("EncodingType") != ns.BASE64:
        noncompliant("A token must be a base64 X509v3 BinarySecurityToken")
    if len(token) or len(reference):
        noncompliant("A token and the reference to it must hold no elements")
    return token
