"""XML that is too large for a tree: read once, piece by piece, in a memory that does not grow with it.

The same rules as in ``safexml.py``: no DTD, no entities, no network. Two
parsers read everything (expat knows the offsets, libxml2 is what the rest of the program reads with), and only what
both call well-formed is. Besides: no tag, comment, processing instruction or CDATA section above ``MAX_TOKEN``, no
nesting beyond ``MAX_DEPTH``, UTF-8 only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol
from xml.parsers import expat

from lxml import etree

from gateway.security.safexml import UnsafeXml

MAX_MARKUP: Final = 6_000_000
"""Signs ``<`` and ``=`` together. More than a tree may have: here none is built."""
MAX_TOKEN: Final = 1024 * 1024
MAX_DEPTH: Final = 256
MAX_PLAIN: Final = 1024 * 1024
MAX_NODES: Final = 150_000
MAX_TEXT: Final = 16_000_000
_LONG: Final = 64 * 1024
_SPACE: Final = b" \t\r\n"
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" + _SPACE
_COUNT: Final = etree.XPath("count(//*) + count(//@*)")
_WEIGH_OCTETS: Final = 4 * 1024 * 1024
_WEIGH_MARKUP: Final = 50_000
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


class Watcher(Protocol):
    """Who wants to hear of elements; ``depth`` is 1 for the root, ``offset`` that of the tag's first octet."""

    def start(self, name: str, depth: int, offset: int) -> None:
        """``name`` as expat writes it: ``namespace}local}prefix``, the last only where there is one."""
        ...

    def end(self, depth: int, offset: int) -> None: ...

    def text(self, text: str) -> None:
        """Text directly inside the root."""
        ...

    def declared(self, prefix: str | None, uri: str, depth: int) -> None:
        """A namespace, before the element of that depth begins."""
        ...


class Walk:
    """Feeds expat: well-formed, within the limits, and every element where it stands. Raises :class:`UnsafeXml`."""

    def __init__(self, watcher: Watcher | None = None) -> None:
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.namespace_prefixes = True
        self._parser.ordered_attributes = True
        self._watcher = watcher
        self._depth = self._fed = self._markup = 0
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.XmlDeclHandler = self._declaration
        if watcher is not None:
            self._parser.StartNamespaceDeclHandler = self._namespace

    def feed(self, piece: bytes) -> None:
        """Read the next piece."""
        if self._fed == 0:
            refuse_other_encodings(piece)
        self._markup += piece.count(b"<") + piece.count(b"=")
        if self._markup > MAX_MARKUP:
            raise UnsafeXml("It has too many elements and attributes")
        self._parse(piece, last=False)
        self._fed += len(piece)
        if self._fed - self._parser.CurrentByteIndex > MAX_TOKEN + len(piece):
            raise UnsafeXml(f"A tag, comment or the like has more than {MAX_TOKEN} octets")

    def close(self) -> None:
        """There is no more: all of it was well-formed, or :class:`UnsafeXml`."""
        if self._fed == 0:
            raise UnsafeXml("There is nothing in it (an empty document)")
        self._parse(b"", last=True)

    def _parse(self, piece: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(piece, last)
        except expat.ExpatError as error:
            raise UnsafeXml(f"Not well-formed XML: {expat.ErrorString(error.code)}", line=error.lineno) from None
        except (ValueError, LookupError) as error:  # an encoding that Python does not have
            raise UnsafeXml(f"Not well-formed XML: {error}") from None

    def _start(self, name: str, _: list[str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnsafeXml(f"It is nested more than {MAX_DEPTH} deep")
        if self._watcher is not None:
            self._parser.CharacterDataHandler = self._watcher.text if self._depth == 1 else None
            self._watcher.start(name, self._depth, self._parser.CurrentByteIndex)

    def _end(self, _: str) -> None:
        if self._watcher is not None:
            self._watcher.end(self._depth, self._parser.CurrentByteIndex)
            self._parser.CharacterDataHandler = self._watcher.text if self._depth == 2 else None
        self._depth -= 1

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        if self._watcher is not None:
            self._watcher.declared(prefix, uri or "", self._depth + 1)

    def _doctype(self, *_: object) -> None:
        raise UnsafeXml("A document type declaration (DOCTYPE) is not accepted", line=1)

    def _declaration(self, _: str, encoding: str | None, __: int) -> None:
        if (encoding or "utf-8").lower() not in _UTF8:
            raise UnsafeXml(f"A document this large must be in UTF-8, not in {str(encoding)[:40]}", line=1)


class Check:
    """Feeds libxml2 without making a tree. Raises :class:`UnsafeXml`."""

    def __init__(self) -> None:
        self._parser = etree.XMLParser(
            target=_Nothing(),  # type: ignore[arg-type]  # the stubs know less
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            attribute_defaults=False,
        )

    def feed(self, piece: bytes) -> None:
        """Read the next piece."""
        try:
            self._parser.feed(piece)
        except etree.XMLSyntaxError as error:
            raise UnsafeXml(f"Not well-formed XML: {error.msg}", line=error.lineno or 0) from None

    def close(self) -> None:
        """There is no more."""
        try:
            self._parser.close()
        except etree.XMLSyntaxError as error:
            raise UnsafeXml(f"Not well-formed XML: {error.msg}", line=error.lineno or 0) from None
        for entry in self._parser.feed_error_log:  # what a tree's parser refuses and this one only notes
            raise UnsafeXml(f"Not well-formed XML: {entry.message}", line=entry.line)


class _Nothing:
    """A parser target that wants nothing."""

    def doctype(self, *_: object) -> None:
        raise UnsafeXml("A document type declaration (DOCTYPE) is not accepted", line=1)

    def close(self) -> None:
        return None


class Lines:
    """Builds a tree of what is not cleared: for documents whose bulk is many elements of few names.

    ``roots`` are the names that the root may have. Its children with a name in ``clear`` are emptied once they are
    read, and removed when the next one is. ``schema`` is checked on the way. Feed it through :func:`thin`. What is not
    cleared may have ``MAX_NODES`` elements and attributes and ``MAX_TEXT`` characters. Raises :class:`UnsafeXml`.
    """

    def __init__(self, roots: Iterable[str], clear: Iterable[str], schema: etree.XMLSchema | None = None) -> None:
        self._clear = frozenset(clear)
        self._parser = etree.XMLPullParser(
            events=("start", "end"),
            tag=[*roots, *self._clear],
            schema=schema,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            attribute_defaults=False,
        )
        self._root: etree._Element | None = None
        self._line = 1
        self._octets = self._markup = 0
        self.errors: list[tuple[int, str]] = []
        """Schema errors as (line, text)."""

    def feed(self, piece: bytes) -> None:
        """Read the next piece."""
        try:
            self._parser.feed(piece)
        except etree.XMLSyntaxError as error:
            raise UnsafeXml(_words(error), line=error.lineno or self._line) from None
        log = list(self._parser.feed_error_log)
        self.errors += [(entry.line or self._line, entry.message) for entry in log[len(self.errors) :]]
        self._line += piece.count(b"\n")
        for event, element in self._parser.read_events():
            assert isinstance(element, etree._Element)
            if self._root is None:
                self._root = element
            elif event == "end" and element.tag in self._clear and element.getparent() is self._root:
                self._empty(element)
        self._octets += len(piece)
        self._markup += piece.count(b"<") + piece.count(b"=")
        if self._octets > _WEIGH_OCTETS or self._markup > _WEIGH_MARKUP:
            self._octets = self._markup = 0
            self._weigh()

    def close(self) -> etree._Element | None:
        """There is no more: the root with what was not cleared, or None where the schema found errors."""
        try:
            self._parser.close()
        except etree.XMLSyntaxError as error:
            if self.errors:
                return None
            raise UnsafeXml(_words(error), line=error.lineno or self._line) from None
        return self._root

    def _empty(self, element: etree._Element) -> None:
        element.clear(keep_tail=True)  # type: ignore[call-arg]
        # The last child stays in its place: the parser may be adding to the text after it.
        before = element.getprevious()
        while before is not None and before.tag in self._clear:
            element.getparent().remove(before)  # type: ignore[union-attr]
            before = element.getprevious()

    def _weigh(self) -> None:
        if self._root is None:
            return
        if int(_COUNT(self._root)) > MAX_NODES:  # type: ignore[arg-type]
            raise UnsafeXml(f"It has more than {MAX_NODES} elements and attributes beside its lines, or in one line")
        weight = 0
        for element in self._root.iter():
            weight += len(element.text or "") + len(element.tail or "")
        if weight > MAX_TEXT:
            raise UnsafeXml(f"It has more than {MAX_TEXT} characters of text beside its lines and attachments")


def thin(octets: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces without the bulk of long Base64: what stays is valid wherever the whole is, and only there.

    From a run of text above 64 KiB pieces are left out that hold nothing but Base64 digits and blanks, four digits at
    a time and never the last ones; their line ends stay, so that every line keeps its number. Other text has at most
    ``MAX_PLAIN`` octets between two tags, or it is :class:`UnsafeXml`: schema checks take quadratic time for more.
    """
    run = kept = 0
    held: bytes | None = None
    for piece in _with_whole_references(octets):
        if run >= _LONG and b"<" not in piece and not _plain(piece).translate(None, _BASE64):
            if held is not None:
                yield _squeezed(held)
            held = piece
            run += len(piece)
            continue
        if held is not None:
            yield held
            held = None
        last = piece.rfind(b"<")
        run, kept = (len(piece) - last, 0) if last >= 0 else (run + len(piece), kept + len(piece))
        if kept > MAX_PLAIN:
            raise UnsafeXml(f"One text has more than {MAX_PLAIN} octets and is not Base64")
        yield piece
    if held is not None:
        yield held


def _with_whole_references(octets: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, cut so that none ends within a character reference."""
    rest = b""
    for piece in octets:
        whole = rest + piece
        cut = whole.rfind(b"&", max(0, len(whole) - 6))
        rest = whole[cut:] if cut >= 0 and b";" not in whole[cut:] else b""
        yield whole[: len(whole) - len(rest)]
    if rest:
        yield rest


def _plain(piece: bytes) -> bytes:
    """Without the carriage returns that serializers write as references."""
    return piece.replace(b"&#13;", b"").replace(b"&#xD;", b"") if b"&" in piece else piece


def _squeezed(piece: bytes) -> bytes:
    digits = _plain(piece).translate(None, _SPACE)
    return b"\n" * piece.count(b"\n") + digits[len(digits) - len(digits) % 4 :]


def refuse_other_encodings(start: bytes) -> None:
    """Raise :class:`UnsafeXml` for UTF-16 and UTF-32, which need no declaration."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in start[:4]:
        raise UnsafeXml("A document this large must be in UTF-8, not in UTF-16 or UTF-32", line=1)


def _words(error: etree.XMLSyntaxError) -> str:
    # "no element found" is what remains of a limit's error beside a schema: expat has seen the element.
    if any(word in (error.msg or "").lower() for word in ("huge", "too long", "no element found")):
        return "A text or name is too long, or it is nested too deeply"
    return f"Not well-formed XML: {error.msg}"
