"""Large documents and envelopes: the questions of ``sbdh``, ``invoice`` and ``submission``, asked of a stream.

Nothing here holds more than some MiB of a file, whatever its size. What is asked of the envelope's header is asked by
``sbdh`` itself, of the same envelope with an empty document. Where this path is stricter it says so: few encodings, no
text above 1 MiB but Base64, no nesting beyond 256, the header and the document's first tag in the first MiB.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lxml import etree

from gateway.errors import InvalidDocument, InvalidMessage
from gateway.files.spool import Writing, pieces, read_range
from gateway.model.document import Envelope, Facts, Finding, Unwrapped, Verdict
from gateway.model.octets import Octets, Spooled
from gateway.model.signals import EbmsCode
from gateway.security import safexml, streamxml
from gateway.security.safexml import UnsafeXml
from gateway.ubl import sbdh, schema
from gateway.ubl.invoice import facts_of, not_an_invoice, refusal
from gateway.ubl.names import CAC, DOCUMENTS, SBDH, UBL
from gateway.ubl.rules.judge import Rulebook
from gateway.ubl.submission import Refuses, Submission, checked_facts, disagreements, is_invalid, odd_envelope

MAX_JUDGED: Final = 16 * 1024 * 1024
"""Octets, beside long Base64, of a document that the rules look at: they need it whole in memory."""
MAX_HEAD: Final = 1024 * 1024
"""Octets before the end of the document's first tag."""
_ATTRIBUTE: Final = re.compile(rb"""([^\s=<>"'/]+)\s*=\s*("[^"]*"|'[^']*')""")
_NAME: Final = re.compile(rb"<([^\s/>]+)")
_QUOTED: Final = re.compile(rb"""<(?:[^<>"']++|"[^"]*+"|'[^']*+')*+>""")
_DECLARATION: Final = re.compile(rb"<\?xml\s[^>]*\?>")
_DECLARATION_TEXT: Final = re.compile(r"\A<\?xml\s[^>]*\?>")
_DECLARED: Final = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ENCODINGS: Final = re.compile(r"utf-16(le|be|-le|-be)?|iso-8859-\d\d?|windows-125\d")
_BULK: Final = (
    *(f"{{{CAC}}}{name}" for name in ("InvoiceLine", "CreditNoteLine", "AdditionalDocumentReference")),
    *(f"{{{CAC}}}{name}" for name in ("AllowanceCharge", "TaxTotal")),
    f"{{{UBL}CommonExtensionComponents-2}}UBLExtensions",
)
"""Children of an invoice in which no fact stands."""
_ROOTS: Final = tuple(f"{{{namespace}}}{name}" for namespace, name in DOCUMENTS.items())


@dataclass(slots=True)
class _Outline:
    """What stands where in a document or envelope; a :class:`~gateway.security.streamxml.Watcher`."""

    root: str = ""
    root_at: int = 0
    lent: dict[str | None, str] = field(default_factory=dict)
    """Namespaces that the root declares, by prefix."""
    children: list[tuple[str, int]] = field(default_factory=list)
    """Name and offset of each child of the root, as many as anybody asks for."""
    end_at: int = 0
    """Offset of the end tag of the second child."""
    beside: bool = False
    """Whether text stands directly inside the root."""
    borrows: bool = False
    """Whether an element without prefix, in the second child, has the namespace that the root declares for such."""

    def start(self, name: str, depth: int, offset: int) -> None:
        if depth == 1:
            self.root, self.root_at = name, offset
        elif depth == 2 and len(self.children) < 3:
            self.children.append((name, offset))
        if len(self.children) == 2 and name.count("}") == 1 and name.partition("}")[0] == self.lent.get(None):
            self.borrows = True

    def end(self, depth: int, offset: int) -> None:
        if depth == 2 and len(self.children) == 2:
            self.end_at = offset

    def text(self, text: str) -> None:
        self.beside = self.beside or bool(text.strip(" \t\r\n"))

    def declared(self, prefix: str | None, uri: str, depth: int) -> None:
        if depth == 1:
            self.lent[prefix] = uri

    @property
    def tag(self) -> str:
        """The root's name as lxml writes it."""
        namespace, _, local = self.root.partition("}")
        return f"{{{namespace}}}{local.partition('}')[0]}" if local else namespace


# --- the envelope -----------------------------------------------------------------------------------------------------


def unwrap(octets: Spooled, target: Path, *, limit: int) -> Unwrapped:
    """Open an envelope, as :func:`gateway.ubl.sbdh.unwrap` does; the document becomes the file ``target``.

    The document's octets are its own; namespaces that only the envelope declares are added to its first tag where
    they are used. Raises :class:`InvalidMessage` (EBMS:0004).
    """
    envelope, document = _open(octets, target, limit=limit)
    try:
        summary = read_facts(document).summary if is_invoice(document) else None
    except InvalidDocument:
        summary = None
    return Unwrapped(envelope=envelope, document=document, summary=summary)


def _open(octets: Spooled, target: Path, *, limit: int) -> tuple[Envelope, Spooled]:
    if octets.size > limit:
        raise _refuse(f"the business envelope has {octets.size} octets, at most {limit} are taken here")
    try:
        octets = in_utf8(octets, target.with_name(f"{target.name}.utf-8"))
    except UnsafeXml as error:
        raise _refuse(f"the business envelope cannot be read: {error}") from None
    # (1) Well-formed, and where everything stands.
    outline = _Outline()
    try:
        walk = streamxml.Walk(outline)
        for piece in pieces(octets):
            walk.feed(piece)
        walk.close()
    except UnsafeXml as error:
        raise _refuse(f"the business envelope cannot be read: {error}") from None
    # (2) The header, by the code of the small path, of the same envelope with an empty document.
    with octets.path.open("rb") as file:
        head = file.read(MAX_HEAD)
    last = outline.children[1][1] if len(outline.children) > 1 else (outline.children or [("", outline.root_at)])[0][1]
    tag = _tag_at(head, last)
    envelope = sbdh.unwrap(_emptied(head, outline, last, tag)).envelope
    if len(outline.children) != 2:
        raise _refuse("the envelope holds more than one document, exactly one is allowed")
    if outline.beside:
        raise _refuse("there is text beside the document")
    # (3) The document on its own.
    end = last + len(tag) if tag.endswith(b"/>") else _end_of_tag(octets, outline.end_at)
    lent = _needed(octets, outline, tag, last, end)
    try:
        return envelope, _cut(octets, tag, last, end, lent, target)
    except UnsafeXml as error:
        raise _refuse(f"the document in the business envelope cannot be read: {error}") from None


def _tag_at(head: bytes, offset: int) -> bytes:
    found = _QUOTED.match(head, offset)
    if found is None:
        raise _refuse(f"the header and the document's first tag have more than {MAX_HEAD} octets")
    return found[0]


def _emptied(head: bytes, outline: _Outline, last: int, tag: bytes) -> bytes:
    """The envelope up to the first tag of its last child, with nothing in that child and nothing after it."""
    root = _NAME.match(head, outline.root_at)
    name = _NAME.match(tag)
    assert root is not None and name is not None  # expat saw tags there
    whole = head[: last + len(tag)]
    if not tag.endswith(b"/>"):
        whole += b"</" + name[1] + b">"
    return whole if last == outline.root_at else whole + b"</" + root[1] + b">"


def _end_of_tag(octets: Spooled, offset: int) -> int:
    at = offset
    for piece in read_range(octets.path, offset, octets.size):
        if (found := piece.find(b">")) >= 0:
            return at + found + 1
        at += len(piece)
    raise OSError(0, "the file is shorter than it was", str(octets.path))


def _needed(octets: Spooled, outline: _Outline, tag: bytes, start: int, end: int) -> dict[str | None, str]:
    """The namespaces that the document takes from its envelope, in names or in values such as xsi:type="cac:…"."""
    own = {name.partition(b":")[2] for name, _ in _ATTRIBUTE.findall(tag) if name.split(b":")[0] == b"xmlns"}
    lent = {prefix: uri for prefix, uri in outline.lent.items() if (prefix or "").encode() not in own}
    needed: dict[str | None, str] = {None: lent[None]} if None in lent and outline.borrows else {}
    prefixes = {prefix.encode(): prefix for prefix in lent if prefix}
    if prefixes:
        uses = re.compile(rb"(?<![\w.-])(" + b"|".join(map(re.escape, prefixes)) + rb"):")
        before = b""
        for piece in read_range(octets.path, start, end):
            for found in uses.finditer(before + piece):
                needed[prefixes[found[1]]] = lent[prefixes[found[1]]]
            before = piece[-1024:]
    return needed


def _cut(octets: Spooled, tag: bytes, start: int, end: int, lent: dict[str | None, str], target: Path) -> Spooled:
    check = streamxml.Check()
    name = _NAME.match(tag)
    with Writing(target) as writing:
        if lent and name is not None:
            added = "".join(
                f' xmlns{":" + prefix if prefix else ""}="{_quoted(uri)}"'
                for prefix, uri in sorted(lent.items(), key=str)
            ).encode()
            first = name[0] + added + tag[len(name[0]) :]
            check.feed(first)
            writing.write(first)
            start += len(tag)
        for piece in read_range(octets.path, start, end):
            check.feed(piece)
            writing.write(piece)
        check.close()
        return writing.done()


def _quoted(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def wrap(document: Octets, envelope: Envelope) -> Iterator[bytes]:
    """The envelope around a document in UTF-8, piece by piece; as :func:`gateway.ubl.sbdh.wrap` makes it."""
    yield sbdh.write_head(envelope)
    began = False
    blanks = b""
    for piece in pieces(document):
        if not began:
            piece = piece.removeprefix(b"\xef\xbb\xbf")
            declaration = _DECLARATION.match(piece)
            piece = (piece[declaration.end() :] if declaration else piece).lstrip()
            began = bool(piece)
        whole = blanks + piece
        piece = whole.rstrip()
        blanks = whole[len(piece) :]
        if piece:
            yield piece
    yield b"</StandardBusinessDocument>"


def in_utf8(octets: Spooled, target: Path) -> Spooled:
    """The same text in UTF-8 and without its declaration, in a new file; itself where it is UTF-8 already.

    Raises :class:`UnsafeXml` for encodings beside UTF-16, ISO 8859 and Windows 125x.
    """
    start = next(pieces(octets), b"")
    encoding = "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else ""
    if not encoding and b"\x00" in start[:4]:
        encoding = "utf-16-le" if start[1:2] == b"\x00" else "utf-16-be"
    declaration = _DECLARATION.match(start)
    declared = _DECLARED.search(declaration[0]) if declaration else None
    encoding = encoding or (declared[1].decode().lower() if declared else "utf-8")
    if encoding in ("utf-8", "us-ascii"):
        return octets
    if not _ENCODINGS.fullmatch(encoding) or not _is_known(encoding):
        raise UnsafeXml(f"A document this large must be in UTF-8, not in {encoding[:40]}", line=1)
    with Writing(target) as writing:
        for piece in _transcoded(octets, encoding):
            writing.write(piece)
        return writing.done()


def _is_known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True


def _transcoded(octets: Spooled, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    began = False
    try:
        for piece in pieces(octets):
            text = decoder.decode(piece)
            if not began:
                text = _DECLARATION_TEXT.sub("", text.removeprefix("\ufeff"), count=1)
                began = True
            yield text.encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError:
        raise UnsafeXml(f"Not well-formed XML: octets that are not {encoding}") from None


# --- the document -----------------------------------------------------------------------------------------------------


def read_submission(
    octets: Spooled,
    new_file: Callable[[str], Path],
    *,
    limit: int,
    book: Rulebook | None = None,
    refuses: Refuses = is_invalid,
) -> Submission:
    """Read and check what was handed in, as :func:`gateway.ubl.submission.read_submission` does."""
    language = book.language if book else "en"
    if octets.size > limit:
        text = f"The document has {octets.size} octets, at most {limit} are taken here."
        raise refusal(Finding(rule="SIZE", message=text))
    try:
        octets = in_utf8(octets, new_file("utf-8"))
    except UnsafeXml as error:
        raise _unsafe(error) from None
    if not _root(octets).startswith(f"{{{SBDH}}}"):
        facts = _checked(octets, language)
        return Submission(document=octets, facts=facts, envelope=None, verdict=_judged(octets, book, refuses))
    try:
        envelope, document = _open(octets, new_file("document"), limit=limit)
    except InvalidMessage as error:
        raise odd_envelope(error) from None
    if _root(document) not in _ROOTS:
        return Submission(document=document, facts=None, envelope=envelope, verdict=Verdict() if book else None)
    facts = _checked(document, language)
    findings = disagreements(envelope, facts)
    if findings:
        raise refusal(*findings)
    return Submission(document=document, facts=facts, envelope=envelope, verdict=_judged(document, book, refuses))


def verdict(document: Spooled, book: Rulebook) -> Verdict:
    """The verdict of schema and rules; the rules are not asked where more than ``MAX_JUDGED`` is not Base64."""
    try:
        if _root(document) not in _ROOTS:
            return Verdict()
        _, findings = _read(document, schema.loaded(), book.language)
    except InvalidDocument as error:
        findings = list(error.findings)
    if findings:
        return Verdict(findings=tuple(findings), count=len(findings), valid=False)
    return _of_rules(document, book)


def _judged(document: Spooled, book: Rulebook | None, refuses: Refuses) -> Verdict | None:
    """The verdict of the rules on a document that obeys its schema."""
    if book is None:
        return None
    found = _of_rules(document, book)
    if refuses(found):
        raise refusal(*found.findings)
    return found


def _of_rules(document: Spooled, book: Rulebook) -> Verdict:
    kept = bytearray()
    for piece in streamxml.thin(pieces(document)):
        kept += piece
        if len(kept) > MAX_JUDGED:
            return Verdict(why=f"it has more than {MAX_JUDGED} octets beside its attachments")
    octets = bytes(kept)
    return book.verdict(octets, safexml.parse(octets, huge=True), checked=True)


def read_facts(document: Spooled) -> Facts:
    """The facts of an invoice, as :func:`gateway.ubl.invoice.read` gives them. Raises :class:`InvalidDocument`."""
    root, _ = _read(document, None)
    return facts_of(root)


def is_invoice(document: Spooled) -> bool:
    """Whether the root is a UBL Invoice or CreditNote."""
    return _root(document) in _ROOTS


def _checked(document: Spooled, language: str) -> Facts:
    root, findings = _read(document, schema.loaded(), language)
    if findings:
        raise refusal(*findings)
    return checked_facts(root)


def _root(octets: Spooled) -> str:
    """The name of the root; raises :class:`InvalidDocument` where there is none."""
    outline = _Outline()
    try:
        walk = streamxml.Walk(outline)
        for piece in pieces(octets):
            walk.feed(piece)
            if outline.root:
                break
        else:
            walk.close()
    except UnsafeXml as error:
        raise _unsafe(error) from None
    return outline.tag


def _read(
    document: Spooled, checked_by: etree.XMLSchema | None, language: str = "en"
) -> tuple[etree._Element, list[Finding]]:
    """The invoice without its bulk, and what its schema says of all of it."""
    name = _root(document)
    if name not in _ROOTS:
        raise refusal(not_an_invoice(etree.QName(name)))
    walk, lines = streamxml.Walk(), streamxml.Lines(_ROOTS, _BULK, checked_by)

    def walked() -> Iterator[bytes]:
        for piece in pieces(document):
            walk.feed(piece)
            yield piece

    try:
        for piece in streamxml.thin(walked()):
            lines.feed(piece)
            if len(lines.errors) > schema.MAX_FINDINGS:
                break
        else:
            walk.close()
        root = None if lines.errors else lines.close()
    except UnsafeXml as error:
        raise _unsafe(error) from None
    if root is None:
        return etree.Element(name), [
            schema.finding_at(*error, language) for error in lines.errors[: schema.MAX_FINDINGS]
        ]
    return root, []


def _unsafe(error: UnsafeXml) -> InvalidDocument:
    place = f"line {error.line}" if error.line else ""
    return refusal(Finding(rule="XML", location=place, message=f"{error}. {error.remedy}"), remedy=error.remedy)


def _refuse(detail: str) -> InvalidMessage:
    return InvalidMessage(EbmsCode.OTHER, f"Business envelope (SBDH): {detail}.")
