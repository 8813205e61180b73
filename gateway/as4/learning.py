"""What may differ between an envelope that was found good and the next of the same peer: makes a shape of it.

The places are known by element and attribute, from the tree. Each is found in the octets by going through tags and
elements side by side; the canonical form with holes is made by canonicalising the same envelope with marks in the
holes, so that no rule of canonical XML is written down a second time. A shape is given only when it reads the
envelope that it was made of as the whole reading did.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.ebms import REPEATED, Signal
from gateway.as4.limits import Limits
from gateway.as4.shape import TEXT, Acknowledging, Covered, Form, Shape, digest_of
from gateway.as4.soap import Envelope, canonical
from gateway.as4.usual import Layout, lay_out
from gateway.as4.wss.encryption import Encryption
from gateway.as4.wss.references import canonicalization
from gateway.as4.wss.signature import SIGNATURE, Signed
from gateway.errors import InvalidMessage
from gateway.security.safexml import UnsafeXml, nodes_of, parse

_TAG: Final = re.compile(
    rb"<(?:/[^\s<>/=\"'!?]+\s*|(?P<name>[^\s<>/=\"'!?]+)(?P<attributes>(?:\s+[^\s<>/=\"']+=\"[^\"<>&]*\")*)\s*(?P<empty>/?))>"
)
_ATTRIBUTE: Final = re.compile(rb"([^\s=]+)=\"([^\"]*)\"")
_DECLARATION: Final = re.compile(rb"<\?xml[^<>]*\?>")
_MARK: Final = re.compile(rb"v\.(\d{4})\.v")
"""With dots, which base64 has not: one signature in a thousand would hold a mark without."""
_MOST: Final = 200
"""Places in one envelope."""

_DIGEST_VALUE, _REFERENCE, _DIGEST_METHOD = (f"{{{ns.DS}}}{n}" for n in ("DigestValue", "Reference", "DigestMethod"))
_CIPHER_VALUE: Final = f"{{{ns.XENC}}}CipherValue"
_TEXTS: Final = frozenset(
    (
        _DIGEST_VALUE,
        _CIPHER_VALUE,
        f"{{{ns.DS}}}SignatureValue",
        f"{{{ns.WSU}}}Created",
        f"{{{ns.WSU}}}Expires",
    )
)
_NAMING: Final = frozenset(
    (
        _REFERENCE,
        f"{{{ns.WSSE}}}Reference",
        f"{{{ns.XENC}}}DataReference",
        f"{{{ns.XENC}}}CipherReference",
    )
)
_MESSAGE_ID, _REF_TO = f"{{{ns.EB}}}MessageId", f"{{{ns.EB}}}RefToMessageId"
_PART_INFO: Final = f"{{{ns.EB}}}PartInfo"
_IDS: Final = frozenset((b"Id", b"ID", b"id"))


class _Unlike(Exception):
    """The envelope is written in a way that is not studied."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One value: where it stands, and whose it is (the element's number; the attribute, or None for its text)."""

    start: int
    end: int
    element: int
    attribute: bytes | None


def shape_of(
    octets: bytes,
    envelope: Envelope,
    content_ids: tuple[str, ...],
    signed: Signed,
    limits: Limits,
    *,
    encryption: Encryption | None = None,
    signal: Signal | None = None,
    whose: bytes = b"",
) -> Shape | None:
    """The shape of an envelope that was read whole and found good; None where it has none that could be used."""
    try:
        study = _Study(octets, envelope, content_ids, signed, limits)
        shape = study.shape(encryption, signal, whose)
        return shape if study.is_read_by(shape) else None
    except (
        _Unlike,
        UnsafeXml,
        InvalidMessage,
        LookupError,
        ValueError,
    ):  # the message itself was good: it costs nothing
        return None


class _Study:
    """One envelope: its places, and the same envelope with marks in them."""

    def __init__(
        self, octets: bytes, envelope: Envelope, content_ids: tuple[str, ...], signed: Signed, limits: Limits
    ) -> None:
        if not octets.isascii() or b"&" in octets or b"\r" in octets or _MARK.search(octets):
            raise _Unlike
        self._octets = octets
        self._envelope = envelope
        self._content_ids = content_ids
        self._signed = signed
        self._limits = limits
        self._elements = envelope.elements
        self._numbers = {element: number for number, element in enumerate(self._elements)}
        self._messaging = set() if envelope.messaging is None else set(envelope.messaging.iter())
        self._places = self._find()
        self._values = [octets[place.start : place.end] for place in self._places]
        if len(self._places) > _MOST or not all(self._values) or b"".join(self._values).translate(None, TEXT):
            raise _Unlike
        self._by_attribute = {
            (place.element, place.attribute): number for number, place in enumerate(self._places) if place.attribute
        }
        self._by_text = {place.element: number for number, place in enumerate(self._places) if not place.attribute}
        self._marked = self._with_marks()

    def _find(self) -> list[_Place]:
        octets = self._octets
        start = _DECLARATION.match(octets)
        tags = list(_TAG.finditer(octets, start.end() if start else 0))
        if octets.count(b"<") != len(tags) + (start is not None):
            raise _Unlike
        places: list[_Place] = []
        number = -1
        for tag in tags:
            if tag["name"] is None:
                continue
            number += 1
            element = self._elements[number]
            for found in _ATTRIBUTE.finditer(octets, tag.start("attributes"), tag.end("attributes")):
                if self._differs(element, found[1]):
                    places.append(_Place(found.start(2), found.end(2), number, found[1]))
            text = element in self._messaging or element.tag in _TEXTS
            if text and not len(element) and not tag["empty"] and octets[tag.end()] != ord("<"):
                places.append(_Place(tag.end(), octets.index(b"<", tag.end()), number, None))
        if number + 1 != len(self._elements):
            raise _Unlike
        return places

    def _differs(self, element: etree._Element, name: bytes) -> bool:
        """Whether this attribute has another value in every message."""
        if name.rpartition(b":")[2] in _IDS:
            return True
        return (name == b"URI" and element.tag in _NAMING) or (name == b"href" and element.tag == _PART_INFO)

    def _with_marks(self) -> list[etree._Element]:
        pieces: list[bytes] = []
        at = 0
        for number, place in enumerate(self._places):
            pieces += (self._octets[at : place.start], b"v.%04d.v" % number)
            at = place.end
        root = parse(b"".join((*pieces, self._octets[at:])))
        marked = list(root.iter())
        if [element.tag for element in marked] != [element.tag for element in self._elements]:
            raise _Unlike
        return marked

    def _form(self, element: etree._Element, prefixes: list[str] | None = None) -> Form:
        pieces = _MARK.split(canonical(self._marked[self._numbers[element]], prefixes))
        return Form(tuple(pieces[::2]), tuple(int(mark) for mark in pieces[1::2]))

    def shape(self, encryption: Encryption | None, signal: Signal | None, whose: bytes) -> Shape:
        envelope = self._envelope
        assert envelope.security is not None and envelope.messaging is not None
        (signature,) = (child for child in nodes_of(envelope.security) if child.tag == SIGNATURE)
        info, value, key_info = nodes_of(signature)
        (token_reference,) = nodes_of(nodes_of(key_info)[0])
        token = envelope.ids[token_reference.get("URI", "")[1:]].text or ""
        methods = nodes_of(info)
        ids = {
            self._values[number].decode(): number
            for (_, attribute), number in self._by_attribute.items()
            if attribute.rpartition(b":")[2] in _IDS
        }
        names, part_names = self._names(ids)
        key = None
        if encryption is not None:
            (key,) = (n for e, n in self._by_text.items() if self._elements[e].tag == _CIPHER_VALUE)
        covered = tuple(self._covered(methods[2:]))
        at = 0
        steps: list[tuple[int, bytes, bytes]] = []
        for number, place in enumerate(self._places):
            steps.append((number, self._octets[at : place.start], b'"' if place.attribute else b"<"))
            at = place.end
        return Shape(
            whose=whose,
            values=tuple(self._values),
            steps=tuple(steps),
            tail=self._octets[at:],
            attributes=tuple(self._by_attribute.values()),
            ids=tuple(ids.values()),
            names=names,
            part_names=part_names,
            signed_info=self._form(info, canonicalization(methods[0], methods[0].get("Algorithm", ""), self._limits)),
            covered=covered,
            signature=self._by_text[self._numbers[value]],
            token=token,
            key=key,
            media_types=() if encryption is None else tuple(encryption.media_types[c] for c in self._content_ids),
            receipt=None if signal is None else self._receipt(),
            spelled=Form.joined([one.spelled for one in covered], *(text.encode() for text in REPEATED)),
            user=None if signal is not None else _laid_out(covered),
        )

    def is_read_by(self, shape: Shape) -> bool:
        """Whether the shape gives of this very envelope what the whole reading gave."""
        values = shape.match(self._octets)
        if values != self._values:
            return False
        for covered, reference in zip(shape.covered, self._signed.references, strict=True):
            target = None if covered.target is None else covered.target.fill(values)
            digest = values[covered.digest]
            if binascii.b2a_base64(reference.digest, newline=False) != digest:  # more spellings than the usual one
                return False
            if target is not None and digest_of(target) != digest:
                return False
            if covered.spelled.fill(values).decode() != reference.text:  # what a receipt repeats
                return False
            if covered.is_messaging and target != self._signed.messaging:
                return False
        return shape.spelled.fill(values).decode() == self._signed.repeated

    def _names(self, ids: dict[str, int]) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        """What refers to an id or a part, outside of eb:Messaging."""
        names: list[tuple[int, int]] = []
        parts: list[tuple[int, int]] = []
        for (element, attribute), number in self._by_attribute.items():
            if attribute != b"URI" or self._elements[element] in self._messaging:
                continue
            value = self._values[number].decode()
            if value.startswith("#"):
                names.append((number, ids[value[1:]]))
            elif value.startswith("cid:") and unquote(value[4:]) in self._content_ids:
                parts.append((number, self._content_ids.index(unquote(value[4:]))))
            else:
                raise _Unlike
        return tuple(names), tuple(parts)

    def _covered(self, elements: list[etree._Element]) -> list[Covered]:
        covered: list[Covered] = []
        for element, reference in zip(elements, self._signed.references, strict=True):
            (digest,) = (child for child in nodes_of(element) if child.tag == _DIGEST_VALUE)
            target = self._envelope.ids[reference.uri[1:]] if reference.uri.startswith("#") else None
            covered.append(
                Covered(
                    uri=self._by_attribute[self._numbers[element], b"URI"],
                    digest=self._by_text[self._numbers[digest]],
                    spelled=self._form(element),
                    part=self._content_ids.index(unquote(reference.uri[4:])) if target is None else None,
                    target=None if target is None else self._form(target, reference.prefixes),
                    is_messaging=target is not None and target is self._envelope.messaging,
                )
            )
        return covered

    def _receipt(self) -> Acknowledging:
        named = {element.tag: number for element, number in self._numbers.items() if element in self._messaging}
        references: list[tuple[int, str, int]] = []
        for element, number in self._numbers.items():
            if element.tag == _REFERENCE and element in self._messaging:
                rows = {child.tag: child for child in nodes_of(element)}
                method, digest = rows[_DIGEST_METHOD], rows[_DIGEST_VALUE]
                references.append(
                    (
                        self._by_attribute[number, b"URI"],
                        method.get("Algorithm", ""),
                        self._by_text[self._numbers[digest]],
                    )
                )
        return Acknowledging(
            message_id=self._by_text[named[_MESSAGE_ID]],
            ref_to=self._by_text[named[_REF_TO]],
            references=tuple(references),
        )


def _laid_out(covered: tuple[Covered, ...]) -> tuple[Layout, tuple[int, ...]] | None:
    """How a user message of this form is read by its values; None where a value is made of more than one place."""
    (form,) = (one.target for one in covered if one.is_messaging and one.target is not None)
    marks = {f"v.{hole:04d}.v": hole for hole in form.holes}
    found = lay_out(form.fill({hole: mark.encode() for mark, hole in marks.items()}))
    if found is None or any(value not in marks for value in found[1]) or _MARK.search(repr(found[0]).encode()):
        return None
    return found[0], tuple(marks[value] for value in found[1])
