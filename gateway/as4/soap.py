"""The SOAP 1.2 envelope: the gate before anything is canonicalised, and the one shape that is read.

Everything is found by position and exact name, once; later steps use the very elements that stand here and never
search again. Source: SOAP 1.2 part 1 section 5, WS-Security 1.1.1 section 5, AS4 profile 2.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final, cast

from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.limits import Limits
from gateway.errors import InvalidMessage, UnreadableRequest
from gateway.model.signals import EbmsCode
from gateway.security.safexml import UnsafeXml, nodes_of, parse

ENVELOPE: Final = f"{{{ns.SOAP}}}Envelope"
HEADER: Final = f"{{{ns.SOAP}}}Header"
BODY: Final = f"{{{ns.SOAP}}}Body"
MESSAGING: Final = f"{{{ns.EB}}}Messaging"
SECURITY: Final = f"{{{ns.WSSE}}}Security"
_MUST_UNDERSTAND: Final = f"{{{ns.SOAP}}}mustUnderstand"
_ROLE: Final = f"{{{ns.SOAP}}}role"
SPACE: Final = " \t\r\n"
"""What XML calls white space; Python knows more of it, which would shorten a signed value."""

_ID_NAMES: Final = frozenset(("Id", "ID", "id"))
_BEFORE_NAME: Final = ("", "}")
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One parsed envelope. ``ids`` maps every id-like attribute value to the only element that has it."""

    body: etree._Element
    messaging: etree._Element | None
    security: etree._Element | None
    ids: dict[str, etree._Element]
    ambiguous: bool
    """An id occurs twice: nothing that is referenced by id can be believed."""
    elements: list[etree._Element]
    """All of them, held so that lxml need not make an object for each anew whenever one is looked at."""


def read_envelope(octets: bytes, limits: Limits) -> Envelope:
    """Read an envelope; raises ``UnreadableRequest`` for what is no SOAP 1.2 message that we would look at."""
    root = _gate(octets, limits)
    elements = list(islice(root.iter(), limits.elements + 1))
    ids, ambiguous = _id_map(elements, limits)
    children = nodes_of(root)
    if root.tag != ENVELOPE or [child.tag for child in children] != [HEADER, BODY]:
        raise UnreadableRequest("Not a SOAP 1.2 envelope with one Header and one Body")
    header, body = children
    blocks: dict[str, etree._Element] = {}
    for block in nodes_of(header):
        if block.tag in (MESSAGING, SECURITY):
            if block.tag in blocks:
                raise UnreadableRequest("A SOAP header block occurs twice")
            if block.get(_ROLE, ns.ULTIMATE_RECEIVER) != ns.ULTIMATE_RECEIVER:
                raise UnreadableRequest("A SOAP header block is meant for another role")
            blocks[str(block.tag)] = block
        elif block.get(_MUST_UNDERSTAND, "0").strip() in ("1", "true"):
            raise UnreadableRequest("A SOAP header block that must be understood is not understood")
    return Envelope(body, blocks.get(MESSAGING), blocks.get(SECURITY), ids, ambiguous, elements)


def canonical(element: etree._Element, prefixes: list[str] | None = None) -> bytes:
    """The element in exclusive canonical form without comments, with the prefixes of an InclusiveNamespaces list.

    Raises ``InvalidMessage`` for XML that has no canonical form, such as a relative namespace.
    """
    try:
        return etree.tostring(
            element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes
        )
    except etree.LxmlError:
        raise InvalidMessage(EbmsCode.POLICY_NONCOMPLIANCE, "A signed element has no canonical form") from None


def leaf_text(element: etree._Element, *, code: str = EbmsCode.INVALID_HEADER) -> str:
    """The whole text of an element that may hold text only, without blanks around it."""
    if len(element):
        raise InvalidMessage(code, f"{etree.QName(element).localname} may hold text only")
    return (element.text or "").strip(SPACE)


def escape_text(text: str) -> str:
    """Text as canonical XML writes it between tags."""
    return _legal(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def escape_attribute(text: str) -> str:
    """Text as canonical XML writes it between double quotes."""
    text = _legal(text).replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")


def _legal(text: str) -> str:
    """XML cannot hold most control characters, not even escaped; such a one is shown as the replacement mark."""
    return text if text.isascii() and text.isprintable() else _ILLEGAL.sub("�", text)


def _gate(octets: bytes, limits: Limits) -> etree._Element:
    if len(octets) > limits.soap:
        raise UnreadableRequest("The SOAP envelope is too large", status=413)
    try:
        if not octets.isascii():
            octets.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableRequest("The SOAP envelope is not UTF-8") from None
    if octets.count(b"xmlns") > limits.namespaces:
        raise UnreadableRequest("Too many namespace declarations")
    try:
        root = parse(octets, comments=False, drop_comments=True)  # as the signature's canonical form does
    except UnsafeXml as error:
        raise UnreadableRequest(f"The SOAP envelope is refused: {error}") from None
    info = root.getroottree().docinfo
    if (info.encoding or "UTF-8").upper() != "UTF-8" or (info.xml_version or "1.0") != "1.0":
        raise UnreadableRequest("The SOAP envelope must be XML 1.0 in UTF-8")
    if _deeper_than(limits.depth)(root):
        raise UnreadableRequest("Too many levels in the SOAP envelope")
    return root


@lru_cache(maxsize=8)
def _deeper_than(depth: int) -> etree.XPath:
    return etree.XPath("boolean(" + "/*" * (depth + 1) + ")")


def _id_map(elements: list[etree._Element], limits: Limits) -> tuple[dict[str, etree._Element], bool]:
    if len(elements) > limits.elements:
        raise UnreadableRequest("Too many elements in the SOAP envelope")
    ids: dict[str, etree._Element] = {}
    ambiguous = False
    most = limits.attributes
    for element in elements:
        names = cast("list[str]", element.keys())  # not items(): that takes quadratic time
        if len(names) > most:
            raise UnreadableRequest("Too many attributes in the SOAP envelope")
        for name in names:
            if name[-1] in "dD" and name[-2:] in _ID_NAMES and name[-3:-2] in _BEFORE_NAME:
                value = element.get(name, "")
                ambiguous = ambiguous or value in ids
                ids[value] = element
    return ids, ambiguous
