"""Whether octets are one plain document: well-formed, tags and text alone. By expat, which reads a skeleton once.

Most of an invoice are values in elements of their own, ``<cbc:ID>…</cbc:ID>``. Such an element is well-formed by itself
wherever content may stand. So each is taken out and ``<_/>`` put in its place; what is left, the skeleton, is
well-formed exactly where the document is: in a tag, an attribute or beside the root the mark is as wrong as the element
was. Invoices of one form have the same skeleton, which is remembered. A longer one is read as it stands.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from xml.parsers import expat

_LEAF: Final = re.compile(
    rb'<cbc:([A-Za-z]++)(?: (?!xmlns)[A-Za-z]++="[^"<&\x00-\x08\x0b\x0c\x0e-\x1f]*+")?+>'
    rb"[^<&\x00-\x08\x0b\x0c\x0e-\x1f]*+</cbc:\1>[ \t\r\n]*+"
)
"""A value in an element of a prefix that the root declares, with one attribute at most, so that none is there twice."""
_MARK: Final = b"<_/>"
_PREFIX: Final = b"cbc"
_LONGEST: Final = 64 * 1024
"""Octets of a document that is looked at so; what is larger is seldom, and has other costs."""
_REMEMBERED: Final = 8 * 1024
"""Octets of a skeleton that is worth remembering: 512 of them are 4 MiB."""
_DEEPEST: Final = 2000
"""Levels that the parser of trees takes too."""
_LEVEL: Final = len("<a></a>")


def is_one_plain_document(piece: bytes, own: dict[bytes, bytes]) -> bool:
    """Well-formed, no deeper than trees may be, tags and text alone, its namespaces all declared by its root.

    ``own`` is what the root declares: namespaces by prefix.
    """
    if len(piece) > _DEEPEST * _LEVEL and piece.count(b"</") > _DEEPEST:
        return False
    if len(piece) > _LONGEST or _PREFIX not in own or b"]" in piece or not is_text(piece):
        return _declared(piece) == len(own)  # ]]> must not stand in text; one sign is found at once
    skeleton = _LEAF.sub(_MARK, piece)
    declared = _known(skeleton) if len(skeleton) <= _REMEMBERED else _declared(skeleton)
    return declared == len(own)


def is_text(piece: bytes) -> bool:
    """Whether it is UTF-8 of characters that XML has; control characters are looked for where text is."""
    if piece.isascii():
        return True
    try:
        text = piece.decode()
    except UnicodeDecodeError:
        return False
    return "\ufffe" not in text and "\uffff" not in text


def _declared(octets: bytes) -> int:
    """How many namespaces are declared in one well-formed document of tags and text; -1 when it is none."""
    declared: list[str | None] = []
    parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
    parser.StartNamespaceDeclHandler = lambda prefix, _: declared.append(prefix)
    parser.CommentHandler = parser.ProcessingInstructionHandler = parser.StartDoctypeDeclHandler = _not_plain
    parser.StartCdataSectionHandler = parser.XmlDeclHandler = _not_plain
    try:
        parser.Parse(octets, True)
    except (expat.ExpatError, _NotPlain):
        return -1
    return len(declared)


_known: Final = lru_cache(512)(_declared)


class _NotPlain(Exception):
    """Something that is neither tag nor text."""


def _not_plain(*_: object) -> None:
    raise _NotPlain
