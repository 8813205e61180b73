"""The files inside a business document: elements of the type BinaryObject, in UBL and in CII.

A small document is read as a tree, a large one from its file, where only the attachments are held, one at a time.
Decoding is as lenient as the most lenient reader: what somebody's program could open is looked at here too.
Source: UBL 2.1 and UN/CEFACT, unqualified data type BinaryObject (Base64, with ``mimeCode`` and ``filename``).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from gateway.files.spool import pieces, read_range
from gateway.model.octets import Octets, Spooled
from gateway.security import safexml, streamxml
from gateway.security.safexml import UnsafeXml

LARGEST: Final = 50_000_000
"""Octets of Base64 that are read of one attachment unless more are wanted; a larger one is told of without its octets.
"""
_MARK: Final = b"BinaryObject"
_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/]")
_URL_SAFE: Final = str.maketrans("-_", "+/")
_ATTRIBUTE: Final = re.compile(rb"""(mimeCode|filename)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_TAG: Final = re.compile(rb"""<[^<>"']*(?:"[^"<]*"[^<>"']*|'[^'<]*'[^<>"']*)*>""")
"""A start tag; a sign that ends tags may stand in its attributes."""
_HEAD: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """One file inside a document. Name and type are the sender's: words to show, nothing that is believed."""

    name: str = ""
    media_type: str = ""
    octets: bytes | None = b""
    """None: it is larger than is read, or cannot be read."""


def may_have(octets: Octets) -> bool:
    """Whether there may be attachments: False only where there are none. Takes microseconds."""
    if isinstance(octets, Spooled):
        return True
    start = octets[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    return _MARK in octets or not start.startswith(b"<") or b"\0" in start[:4]


def read(octets: Octets, *, largest: int = LARGEST) -> Iterator[Attached]:
    """Every attachment, in the order of the document; what cannot be read is told of as one without octets."""
    if not may_have(octets):
        return
    try:
        yield from _in_file(octets, largest) if isinstance(octets, Spooled) else _in_tree(octets, largest)
    except UnsafeXml:
        yield Attached(octets=None)


def _in_tree(octets: bytes, largest: int) -> Iterator[Attached]:
    for element in safexml.parse(octets, huge=True).iter(etree.Element):
        name = str(element.tag)
        if name.endswith("BinaryObject"):
            text = "".join(map(str, element.itertext()))
            yield _attached(text, element.get("filename", ""), element.get("mimeCode", ""), largest)


@dataclass(slots=True)
class _Places:
    """Where the attachments of a document stand; a :class:`~gateway.security.streamxml.Watcher`."""

    found: list[tuple[int, int]] = field(default_factory=list)
    _open: dict[int, int] = field(default_factory=dict)

    def start(self, name: str, depth: int, offset: int) -> None:
        if name.split("}")[1 if "}" in name else 0].endswith("BinaryObject"):
            self._open[depth] = offset

    def end(self, depth: int, offset: int) -> None:
        if (start := self._open.pop(depth, None)) is not None:
            self.found.append((start, offset))

    def text(self, text: str) -> None:
        """Nothing is asked of it."""

    def declared(self, prefix: str | None, uri: str, depth: int) -> None:
        """Nothing is asked of it."""


def _in_file(octets: Spooled, largest: int) -> Iterator[Attached]:
    for start, end in _places(octets).found:
        head = b"".join(read_range(octets.path, start, min(end, start + _HEAD)))
        found = _TAG.match(head)
        tag = found[0] if found else b""
        said = {name.decode(): (one or two).decode("utf-8", "replace") for name, one, two in _ATTRIBUTE.findall(tag)}
        words = said.get("filename", ""), said.get("mimeCode", "")
        if end - start > largest + len(tag) or (head and not found):
            yield Attached(name=words[0][:200], media_type=words[1][:100], octets=None)
            continue
        content = b"".join(read_range(octets.path, start, end))[len(tag) :]
        try:
            text = "".join(map(str, safexml.parse(b"<a>" + content + b"</a>", huge=True).itertext()))
        except UnsafeXml:  # elements in it, of a namespace that is declared further up
            yield Attached(name=words[0][:200], media_type=words[1][:100], octets=None)
            continue
        yield _attached(text, *words, largest)


def bare(octets: Octets, *, largest: int) -> bytes | None:
    """The document without the octets of its attachments, where that is not too large for a tree; else None."""
    if isinstance(octets, bytes):
        return octets if len(octets) <= largest else None
    try:
        places = _places(octets)
    except UnsafeXml:
        return None
    kept, at, size = [], 0, 0
    for start, end in (*places.found, (octets.size, octets.size)):
        head = b"".join(read_range(octets.path, start, min(end, start + _HEAD)))
        found = _TAG.match(head)
        until = start + len(found[0]) if found else start
        size += until - at
        if size > largest or until < at:
            return None
        kept.append(b"".join(read_range(octets.path, at, until)))
        at = end
    return b"".join(kept)


def _places(octets: Spooled) -> _Places:
    places = _Places()
    walk = streamxml.Walk(places)
    for piece in pieces(octets):
        walk.feed(piece)
    walk.close()
    return places


def _attached(text: str, name: str, media_type: str, largest: int) -> Attached:
    octets = None if len(text) > largest else _decoded(text)
    return Attached(name=name[:200], media_type=media_type[:100], octets=octets)


def _decoded(text: str) -> bytes:
    """What a lenient reader would make of it: other letters are left out, and what follows padding begins anew."""
    return b"".join(_of_digits(_NOT_BASE64.sub("", part)) for part in text.translate(_URL_SAFE).split("="))


def _of_digits(digits: str) -> bytes:
    whole = digits[: len(digits) - 1] if len(digits) % 4 == 1 else digits  # one digit alone is not even an octet
    return binascii.a2b_base64(whole + "=" * (-len(whole) % 4))
