"""The only XML parsers in the program.

No DTD, no entities, no network, bounded depth; a document that carries a DTD is refused even if it is
harmless. Source of the rules: OWASP XXE prevention; AS4 profile and UBL need none of what is switched off.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Final, cast

from lxml import etree

from gateway.errors import PermanentError

MAX_NODES: Final = 2_000_000
"""Elements and attributes together, counted by their signs before the parse: a tree takes some 120 octets for each,
whatever the document's own size. An invoice of 60,000 lines has half as many."""
_PIECE: Final = 4096
_DECLARATION: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\s([^>]*)(\?>)?")
_ENCODING: Final = re.compile(rb"""encoding\s*=\s*["']([^"']*)["']""")
_COUNTABLE: Final = re.compile(
    r"(?:utf-?(?:8|16|32)|utf-?(?:16|32)[lb]e|(?:iso-10646-)?ucs-?[24]|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?\d|"
    r"(?:windows|cp)-?125\d)",
    re.ASCII | re.IGNORECASE,
)
"""Encodings in which each sign of markup is an octet of its own; in UTF-7 and its like it can be written otherwise."""

nodes_of: Final = cast("Callable[[etree._Element], list[etree._Element]]", itemgetter(slice(None)))
"""The children of an element, comments too. A slice takes a quarter of the time of ``list(element)``."""


class UnsafeXml(PermanentError):
    """The XML is not well-formed or carries what we never accept."""

    remedy = "Send well-formed XML 1.0 in UTF-8 without a document type declaration."

    def __init__(self, text: str, *, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


def parse(octets: bytes, *, huge: bool = False, comments: bool = True, drop_comments: bool = False) -> etree._Element:
    """Parse a whole document and give its root.

    ``huge`` lifts libxml2's 10 MB limit of a text node, for invoices with large attachments; call it only on
    input whose size is bounded already. ``comments=False`` refuses comments and processing instructions, which
    are a way to hide text inside signed values. ``drop_comments`` reads as if they were not there, as canonical XML
    without comments does; the text around one is then one text. Raises :class:`UnsafeXml`.
    """
    if not octets or octets.isspace():
        raise UnsafeXml("There is nothing in it (an empty document)")
    declaration = _DECLARATION.match(octets, 0, _PIECE)
    if declaration:
        if declaration.end() == _PIECE:
            raise UnsafeXml("The XML declaration does not end")
        for name in _ENCODING.findall(declaration[1]):
            _refuse_encoding(name.decode("latin-1"))
    if len(octets) > MAX_NODES and octets.count(b"<") - octets.count(b"</") + octets.count(b"=") > MAX_NODES:
        raise UnsafeXml("It has too many elements and attributes")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=huge,
        attribute_defaults=False,
        remove_comments=drop_comments,
    )
    try:
        root = etree.fromstring(octets, parser)  # noqa: TID251
    except etree.XMLSyntaxError as error:
        line = error.lineno or 0
        raise UnsafeXml(f"Not well-formed XML: {error.msg}", line=line) from None
    except ValueError as error:  # lxml refuses NUL and such before it parses
        raise UnsafeXml(f"Not well-formed XML: {error}") from None
    for entry in parser.error_log:  # lxml looks at the last one only: a warning behind it would hide an error
        if entry.level >= etree.ErrorLevels.ERROR:
            raise UnsafeXml(f"Not well-formed XML: {entry.message}", line=entry.line)
    info = root.getroottree().docinfo
    _refuse_encoding(info.encoding or "UTF-8")
    if info.internalDTD is not None or info.doctype:
        raise UnsafeXml("A document type declaration (DOCTYPE) is not accepted", line=1)
    if not comments:
        refuse_comments(root)
    return root


def obeys(octets: bytes, schema: etree.XMLSchema) -> bool:
    """Tell whether a document obeys a schema; reading ends with the first pieces that do not."""
    parser = _checking(schema)
    try:
        for start in range(0, len(octets), _PIECE):
            parser.feed(octets[start : start + _PIECE])
            if len(parser.feed_error_log):
                return False
        parser.close()
    except etree.XMLSyntaxError:
        return False
    return not len(parser.feed_error_log)


def _checking(schema: etree.XMLSchema) -> etree.XMLParser:
    return etree.XMLParser(
        schema=schema, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, attribute_defaults=False
    )


def schema_errors(octets: bytes, schema: etree.XMLSchema, most: int) -> list[tuple[int, str]]:
    """The first schema errors of a well-formed document as (line, text); stops reading once there are ``most``.

    A tree's check cannot be stopped, and for each error it counts the siblings before the place: minutes for 2 MB.
    """
    parser = _checking(schema)
    found: list[tuple[int, str]] = []
    for number, line in enumerate(octets.splitlines(keepends=True), 1):
        for start in range(0, len(line), _PIECE):
            try:
                parser.feed(line[start : start + _PIECE])
            except etree.XMLSyntaxError:
                return found
            log = list(parser.feed_error_log)
            found += [(number, entry.message) for entry in log[len(found) :]]
            if len(found) >= most:
                return found[:most]
    return found


def _refuse_encoding(name: str) -> None:
    if not _COUNTABLE.fullmatch(name.strip()):
        raise UnsafeXml(f"The encoding “{name.strip()[:40]}” is not accepted; UTF-8 is")


def refuse_comments(root: etree._Element) -> None:
    """Raise :class:`UnsafeXml` when the tree holds a comment, a processing instruction or an entity."""
    for node in root.iter(etree.Comment, etree.ProcessingInstruction, etree.Entity):
        raise UnsafeXml("Comments and processing instructions are not accepted here", line=_line(node))
    for sibling in (*root.itersiblings(), *root.itersiblings(preceding=True)):
        raise UnsafeXml("Nothing may stand beside the root element", line=_line(sibling))


def _line(node: etree._Element) -> int:
    line = node.sourceline
    return line if isinstance(line, int) else 0
