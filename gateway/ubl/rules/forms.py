"""Documents whose markup was seen before: the same form, filled in with other texts.

A sender's invoices are alike. What stands between the texts (tags, attributes, white space) decides which elements
there are and what packs have to say about them, so it is read once from the tree and then known by its octets. Only
the texts are new, and two things about them that belong to a shape: a few codes, and whether amounts have more than
two decimals. An invoice is cut into its head and its lines, so that their number does not matter.

Why this is exact: libxml2 has found the document well-formed, and there is no comment, processing instruction or
CDATA section in it. When a form is made, the texts found here are compared with those of the tree; if they are the
same, each stands right behind the tag of its element. Another document with the same markup differs in these texts
only, and they hold no ``<``.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lxml import etree

    from gateway.ubl.rules.plans import Checks
    from gateway.ubl.rules.shapes import Entry, Shape
    from gateway.ubl.rules.sieve import Rows
    from gateway.ubl.rules.tree import Document

MAX_CODE: Final = 8
"""Signs of a code that belongs to the shape."""
_LARGEST: Final = 8 * 1024 * 1024
"""Octets of a document that is read so; larger ones are few."""
_LONGEST: Final = 64 * 1024
"""Signs of markup of a form: a head or a line that is longer is not typical."""
_MOST: Final = 16 * 1024 * 1024
"""What forms together may take, by a rough count of octets."""
_PLACE: Final = 120
"""Octets for each element of a part, roughly."""
_MAX_SEEN: Final = 20_000
_MAX_LIVE: Final = 32

_TEXT: Final = re.compile(r">([^<\t\n\r ][^<]*)")
_CENTS: Final = re.compile(r"(?:[^.\0]*(?:\.[^\0]{0,2})?(?:\0|\Z))*")
"""Amounts, one behind the other, none with more than two signs after the first point."""
_REFERENCE: Final = re.compile(r"&(?:#x([0-9a-fA-F]+)|#([0-9]+)|([a-z]+));")
_NAMED: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_LINES: Final = ("cac:InvoiceLine", "cac:CreditNoteLine")

Key = tuple[tuple[str, ...], tuple[bool, ...]]
"""The codes, and which amounts have at most two decimals (nothing where all have)."""
Markup = str | tuple[str, str]
"""Of a head; of a line with the root's tag, which says what the prefixes mean."""
Getter = Callable[[Sequence[str]], tuple[str, ...]]
Todo = tuple[int, "Checks", "Rows"]
"""What is to be checked: place within the part, checks, patterns."""


class Part:
    """Some elements that follow each other, and what is known of them before any value is read. Places are within."""

    __slots__ = ("blank", "collected", "entries", "kinds", "live", "noted", "top", "ups", "work")

    def __init__(self, entries: Sequence[Entry], ups: Sequence[int], busy: Sequence[int], packs: int) -> None:
        self.entries = entries
        self.ups = ups
        self.collected: dict[str, list[int]] = {}
        """Elements that rules look for in the whole document, by name."""
        self.noted: dict[str, list[int]] = {}
        """Elements that may not be there, by the rule whose table says so."""
        self.blank: list[int] = []
        """Elements without content."""
        self.work: list[list[int]] = [[] for _ in range(packs)]
        """Elements to check, by pack."""
        self.top: dict[str, list[int]] = {}
        """For a head: what stands directly in the root, by name."""
        self.live: dict[int, tuple[Todo, ...]] = {}
        """What :attr:`work` comes to, by pack and givens, once every entry is sieved."""
        self.kinds: dict[tuple[str, ...], frozenset[Shape]] = {}
        for place in busy:
            entry = entries[place]
            if entry.special:
                if entry.collect:
                    self.collected.setdefault(entry.path.name, []).append(place)
                for rule in entry.noted:
                    self.noted.setdefault(rule, []).append(place)
                if entry.blank:
                    self.blank.append(place)
            for number in entry.places:
                self.work[number].append(place)

    def shapes(self, names: tuple[str, ...]) -> frozenset[Shape]:
        """The shapes of its elements of these names."""
        known = self.kinds.get(names)
        if known is None:
            entries = self.entries
            known = frozenset([entries[place].shape for name in names for place in self.collected.get(name, ())])
            self.kinds[names] = known
        return known

    def keep(self, key: int, live: tuple[Todo, ...]) -> None:
        """Remember what is left to check."""
        if len(self.live) >= _MAX_LIVE:
            self.live.clear()
        self.live[key] = live


class Form:
    """The markup of a head or a line: where its texts go, and the parts it was seen to be."""

    __slots__ = ("_amounts", "_codes", "_constants", "_order", "parts")

    def __init__(self, entries: Sequence[Entry], texts: Sequence[str]) -> None:
        filled = [place for place, text in enumerate(texts) if _is_found(text)]
        number = {place: number for number, place in enumerate(filled)}
        others = [place for place in range(len(texts)) if place not in number]
        number |= {place: len(filled) + more for more, place in enumerate(others)}
        leaves = [place for place in filled if entries[place].shape.size == 1]
        self._constants = [texts[place] for place in others]
        self._order = _getter([number[place] for place in range(len(texts))])
        self._codes = _getter([number[place] for place in leaves if entries[place].path.coded])
        self._amounts = _getter([number[place] for place in leaves if entries[place].path.amount])
        self.parts: dict[Key, Part] = {}

    def key(self, found: list[str]) -> Key:
        """What decides which part it is."""
        amounts = self._amounts(found)
        if _CENTS.fullmatch("\0".join(amounts)):
            return self._codes(found), ()
        return self._codes(found), tuple([_CENTS.fullmatch(amount) is not None for amount in amounts])

    def texts(self, found: list[str]) -> tuple[str, ...]:
        """The texts of all elements, in their order."""
        return self._order(found + self._constants)


class Cut:
    """A document cut into markup and texts: its head, and its lines."""

    __slots__ = ("head", "head_key", "kind", "lines", "opening", "tail")

    def __init__(self, kind: str, opening: str, head: str, tail: str, lines: list[str]) -> None:
        self.kind = kind
        self.opening = opening
        self.head = _apart(head)
        self.head_key = f"{kind}\0{self.head[0]}\0{tail}"
        """The markup of the head, and of what follows the lines."""
        self.tail = tail
        self.lines = [_apart(line) for line in lines]


class Forms:
    """What is known of the documents that came before."""

    def __init__(self) -> None:
        self._forms: dict[Markup, Form] = {}
        self._seen: set[int] = set()
        """Hashes of markup that was met once; what never comes again is not worth more."""
        self._size = 0

    def clear(self) -> None:
        """Begin anew."""
        self._forms, self._seen, self._size = {}, set(), 0

    def fill(self, cut: Cut) -> list[tuple[Part, tuple[str, ...]]] | None:
        """The parts of a document, with its texts; None when one of them is not known."""
        head = self._forms.get(cut.head_key)
        if head is None:
            return None
        part = head.parts.get(head.key(cut.head[1]))
        if part is None:
            return None
        found = [(part, head.texts(cut.head[1]))]
        for markup, texts in cut.lines:
            form = self._forms.get((cut.opening, markup))
            part = form.parts.get(form.key(texts)) if form is not None else None
            if form is None or part is None:
                return None
            found.append((part, form.texts(texts)))
        return found

    def learn(self, cut: Cut, document: Document, busy: list[int], packs: int) -> None:
        """Remember the forms of a document that was read from its tree."""
        places = [0]
        for markup, _ in cut.lines:
            places.append(places[-1] + 1 + _opens(markup))
        first = len(document.entries) - places[-1]
        lines = [first + place for place in places]
        sizes = [document.entries[place].shape.size for place in lines[:-1]]
        if cut.kind and (
            document.top.get(cut.kind) != lines[:-1]
            or any(one + size != other for one, other, size in zip(lines, lines[1:], sizes, strict=False))
            or _opens(cut.tail)
            or _TEXT.search(cut.tail)
        ):
            return
        learner = _Learner(self, document, busy, packs)
        head = learner.learn(cut.head_key, cut.head[1], 0, first)
        if head is not None:
            head.top = {name: places for name, places in document.top.items() if name != cut.kind}
        for (markup, found), start, end in zip(cut.lines, lines, lines[1:], strict=False):
            learner.learn((cut.opening, markup), found, start, end)

    def form(self, markup: Markup, entries: Sequence[Entry], texts: Sequence[str], found: list[str]) -> Form | None:
        """The form of this markup, made when it is met for the second time; None when it cannot be one."""
        known = self._forms.get(markup)
        if known is None:
            length = len(markup) if isinstance(markup, str) else len(markup[0]) + len(markup[1])
            sign = hash(markup)
            if sign not in self._seen:
                if len(self._seen) >= _MAX_SEEN:
                    self._seen.clear()
                self._seen.add(sign)
                return None
            if length > _LONGEST or [text for text in texts if _is_found(text)] != found:
                return None
            self.grow(2 * length)
            known = self._forms[markup] = Form(entries, texts)
        return known

    def grow(self, by: int) -> None:
        """Count what is kept; begin anew where it is more than forms may take."""
        if self._size > _MOST:
            self.clear()
        self._size += by


class _Learner:
    """Takes the pieces of one document, in their order."""

    def __init__(self, forms: Forms, document: Document, busy: list[int], packs: int) -> None:
        self._forms = forms
        self._document = document
        self._busy = busy
        self._packs = packs

    def learn(self, markup: Markup, found: list[str], start: int, end: int) -> Part | None:
        """The part that the elements from ``start`` to ``end`` are, if there is a form for it."""
        entries = self._document.entries[start:end]
        form = self._forms.form(markup, entries, self._document.texts[start:end], found)
        if form is None:
            return None
        key = form.key(found)
        if key in form.parts or any(len(code) > MAX_CODE for code in key[0]):
            return form.parts.get(key)
        busy = self._busy[bisect_left(self._busy, start) : bisect_left(self._busy, end)]
        inside = [place - start for place in busy]
        self._forms.grow(_PLACE * len(entries))
        part = form.parts[key] = Part(tuple(entries), tuple(self._document.ups[start:end]), inside, self._packs)
        return part


def cut(octets: bytes, root: etree._Element) -> Cut | None:
    """Cut the octets from which ``root`` was read; None when they are written in a way that is not known by markup."""
    if len(octets) > _LARGEST or octets[:1] not in (b"<", b"\xef") or b"\0" in octets:
        return None
    if (root.getroottree().docinfo.encoding or "UTF-8").upper() not in ("UTF-8", "UTF8", "US-ASCII"):
        return None
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    if "<!" in text or text.rfind("<?") > 1:
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    declaration = text.find("?>") if "<?" in text[:3] else 0
    opening = text[declaration : text.find(">", text.find("<", declaration + 1 if declaration else 0))]
    if opening.count('"') % 2 or "'" in opening:
        return None
    for kind in _LINES:
        tag = f"<{kind}>"
        start = text.find(tag)
        if start >= 0:
            end = text.rfind(f"</{kind}>") + len(tag) + 1
            lines = [line.rstrip("\t\n\r ") for line in text[start + len(tag) : end].split(tag)]
            return Cut(kind, opening, text[:start], text[end:], lines)
    return Cut("", opening, text, "", [])


def _apart(text: str) -> tuple[str, list[str]]:
    """The markup, and the texts in it that begin with a sign."""
    pieces = _TEXT.split(text)
    found = pieces[1::2]
    if "&" in text:
        found = [_REFERENCE.sub(_meant, one) if "&" in one else one for one in found]
    return "\0".join(pieces[::2]), found


def _meant(match: re.Match[str]) -> str:
    """What a reference stands for."""
    if match[3]:
        return _NAMED[match[3]]
    return chr(int(match[1], 16) if match[1] else int(match[2]))


def _is_found(text: str) -> bool:
    """The text is one of those that :data:`_TEXT` finds."""
    return bool(text) and text[0] not in "\t\n\r "


def _opens(markup: str) -> int:
    """How many elements begin in it."""
    return markup.count("<") - markup.count("</")


def _getter(numbers: list[int]) -> Getter:
    """Takes so many items out of a list, as a tuple."""
    if len(numbers) > 1:
        return itemgetter(*numbers)
    return lambda found: tuple([found[number] for number in numbers])
