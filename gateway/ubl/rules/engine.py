"""One walk over the document, then the checks that its elements call for.

A :class:`Program` is made from packs and learns as it goes: for each absolute path it keeps what the packs have to
say about it, for each shape of an element which checks can still find something (``plans``, ``shapes``, ``sieve``).
So a second line, or a second invoice, costs what its values cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import localcontext
from functools import cache
from itertools import count
from typing import Final, TypeVar

from lxml import etree

from gateway.security.safexml import nodes_of
from gateway.ubl.rules.forms import MAX_CODE, Forms, Part, Todo, cut
from gateway.ubl.rules.numbers import EXACT
from gateway.ubl.rules.pack import Fault, Pack
from gateway.ubl.rules.plans import MAX_STEPS, Checks, Planner
from gateway.ubl.rules.shapes import MAX_KIDS, Attributes, Entry, Path, Shape
from gateway.ubl.rules.sieve import Choosing, Sieved, sift, sift_part, whole
from gateway.ubl.rules.tree import LINES, WHITE, Document, Node, Stopped

ANYWHERE: Final = frozenset(
    {
        "cac:AdditionalDocumentReference",
        "cac:AllowanceCharge",
        "cac:ClassifiedTaxCategory",
        "cac:CreditNoteLine",
        "cac:InvoiceLine",
        "cac:PartyIdentification",
        "cac:PaymentMeans",
        "cac:TaxCategory",
        "cac:TaxRepresentativeParty",
        "cac:TaxTotal",
        "cac:AccountingCustomerParty",
        "cac:AccountingSupplierParty",
        "cbc:IdentificationCode",
        "cbc:PaymentID",
        "cbc:PaymentMeansCode",
    }
)
"""Names of elements that rules look for in the whole document."""
_MAX_PATHS: Final = 20_000
_MAX_ENTRIES: Final = 8_000
"""What a program remembers: paths, entries; a sender of ever new ones gets no more memory."""
_CENTS: Final = len(".00")
_NOTHING: Final[Sieved] = ((), ())

K = TypeVar("K")


@dataclass(slots=True)
class Outcome:
    """What one pack says of one document."""

    pack: Pack
    faults: list[tuple[str, Fault]]
    stopped: Stopped | None = None
    """Set when the rule set ended with an error: then there are no other faults, and the document is refused."""


class Program:
    """Packs, ready to judge documents together in one walk. Safe to use from several threads."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self.packs = tuple(packs)
        self._planner = Planner(packs, ANYWHERE)
        self._questions = self._planner.facts
        self._cases: dict[tuple[object, ...], int] = {}
        self._numbers = count()
        self._start = Path(())
        self._paths: list[Path] = []
        self._deep: dict[tuple[str, ...], Path] = {}
        self._entries = 0
        self._forms = Forms()

    def judge(self, root: etree._Element, octets: bytes = b"") -> list[Outcome]:
        """The outcome of each pack. The document has passed its schema; the tree is not changed.

        ``octets`` is what the tree was read from: with it a document is known again by its markup (``forms``).
        """
        document = self._read(root, octets)
        with localcontext(EXACT):
            case = self._facts(document)
            outcomes = [self._run(number, case, document) for number in range(len(self.packs))]
        document.memo.clear()  # what rules keep there may hold nodes, and they the document
        document.facts.clear()
        return outcomes

    def _read(self, root: etree._Element, octets: bytes) -> Document:
        written = cut(octets, root) if octets else None
        filled = self._forms.fill(written) if written is not None else None
        if written is not None and filled is not None:
            return _filled(written.kind, filled)
        document, busy = self._walk(root)
        if written is not None:
            self._forms.learn(written, document, busy, len(self.packs))
        document.parts.append((0, Part(document.entries, document.ups, busy, len(self.packs))))
        return document

    def _walk(self, root: etree._Element) -> tuple[Document, list[int]]:
        """Build the document, and list the elements that somebody wants to look at."""
        document, busy = Document(), []
        entries, texts, ups = document.entries, document.texts, document.ups
        here, path = 0, self._start.next.get(root.tag) or self._learn(self._start, root.tag)
        attributes: list[tuple[str, str]] = root.items()  # type: ignore[assignment]  # the stubs say bytes too
        children, follow = iter(nodes_of(root)), path.next
        kids: list[Shape] = []
        stack = []
        entries.append(_OPEN)
        texts.append(root.text or "")
        ups.append(0)
        place = 1
        while True:
            for element in children:
                tag = element.tag
                below = follow.get(tag)
                if below is None:
                    if tag.__class__ is not str:  # a comment or processing instruction divides the text
                        _join(document, here, element)
                        continue
                    below = self._learn(path, tag)
                text = element.text or ""
                items: list[tuple[str, str]] = element.items()  # type: ignore[assignment]
                texts.append(text)
                ups.append(place - here if here else 0)
                if len(element):
                    entries.append(_OPEN)
                    stack.append((children, here, path, kids, attributes))
                    children, here, path, kids, attributes = iter(nodes_of(element)), place, below, [], items
                    follow = below.next
                    place += 1
                    break
                if not text.strip(WHITE):
                    known = below.blank
                elif below.amount and ((point := text.find(".")) < 0 or len(text) - point <= _CENTS):
                    known = below.cents
                elif below.coded and text in below.codes:
                    known = below.codes[text]
                else:
                    known = below.filled
                entry = known.get(tuple(items) if items else ()) or self._leaf(below, text, items)
                entries.append(entry)
                kids.append(entry.shape)
                if entry.busy:
                    busy.append(place)
                place += 1
            else:
                if not stack:
                    break
                entry = self._body(path, kids, texts[here], attributes)
                entries[here] = entry
                if entry.busy:
                    busy.append(here)
                children, here, path, kids, attributes = stack.pop()
                follow = path.next
                kids.append(entry.shape)
        place = 1
        for shape in kids:
            document.top.setdefault(shape.name, []).append(place)
            place += shape.size
        found = [name for name in LINES if name in document.top]
        others = [shape for shape in kids if shape.name not in LINES] if found else kids
        entries[0] = self._body(path, others, texts[0], attributes, tuple(found))
        busy.append(0)
        busy.sort()
        return document, busy

    def _body(
        self, path: Path, kids: list[Shape], text: str, items: list[tuple[str, str]], lines: tuple[str, ...] = ()
    ) -> Entry:
        """The entry of an element with children; ``lines`` are names of children that are not counted."""
        inside = tuple(kids)
        filled = bool(text.strip(WHITE)) or bool(lines)
        key = (inside, filled, tuple(items), lines) if filled or items or lines else inside
        known = path.bodies.get(key)
        if known is None:
            kept = len(kids) <= MAX_KIDS
            shape = path.shape(inside, filled, tuple([name for name, _ in items]))
            known = self._remember(Entry(path, shape, tuple(items), kept=kept), path.bodies, key)
        return known

    def _leaf(self, path: Path, text: str, items: list[tuple[str, str]]) -> Entry:
        """The entry of an element without children that is met for the first time."""
        filled = bool(text.strip(WHITE))
        known: dict[Attributes, Entry] = path.filled if filled else path.blank
        code = text if filled and path.coded and len(text) <= MAX_CODE else None
        cents = filled and path.amount and ("." not in text or len(text) - text.index(".") <= _CENTS)
        if code is not None:
            known = path.codes.setdefault(code, {})
        elif cents:
            known = path.cents
        shape = path.shape((), filled, tuple([name for name, _ in items]), code, cents)
        return self._remember(Entry(path, shape, tuple(items), kept=True), known, tuple(items))

    def _remember(self, entry: Entry, known: dict[K, Entry], key: K) -> Entry:
        if entry.kept:
            if self._entries >= _MAX_ENTRIES:
                self._forget()
            self._entries += 1
            known[key] = entry
        return entry

    def _forget(self) -> None:
        """Begin anew with the shapes; documents in hand have what they need."""
        for path in self._paths:
            path.forget()
        self._forms.clear()
        self._cases = {}
        self._entries = 0

    def _learn(self, above: Path, tag: str) -> Path:
        """Work out what the packs say about a path that is met for the first time."""
        path = self._planner.path(above, tag)
        path = self._deep.get(path.steps, path)
        if len(self._paths) < _MAX_PATHS:
            self._paths.append(path)
            above.next[tag] = path
            if len(path.steps) == MAX_STEPS:
                self._deep[path.steps] = path
        return path

    def _facts(self, document: Document) -> int:
        """Ask the document for its facts; give the number of these answers."""
        answers = document.facts
        for question in self._questions:
            try:
                answers[question] = question(document)
            except Stopped as stopped:
                answers[question] = stopped
        key = tuple([None if isinstance(answer, Stopped) else answer for answer in answers.values()])
        case = self._cases.get(key)
        if case is None:
            if len(self._cases) >= _MAX_ENTRIES:
                self._forget()
            case = self._cases[key] = next(self._numbers)
        return case

    def _run(self, number: int, case: int, document: Document) -> Outcome:
        pack = self.packs[number]
        key = case * len(self.packs) + number
        faults: list[tuple[str, Fault]] = [
            (rule, _unused(document.noted(rule)[0], pack.not_used[rule]))
            for rule in document.noted_rules()
            if rule in pack.not_used and rule in pack.rules
        ]
        if pack.empty_rule:
            blank = [start + place for start, part in document.parts for place in part.blank]
            faults += [(pack.empty_rule, Fault(Node(document, place), kind="empty")) for place in blank]
        rule = ""
        try:
            for start, part in document.parts:
                live = part.live.get(key)
                for place, checks, rows in self._live(number, key, document, start, part) if live is None else live:
                    node = Node(document, start + place)
                    for rule, check in checks:  # names the rule that stopped
                        fault = check(node, document)
                        if fault is not None:
                            faults.append((rule, fault))
                    for row in rows:
                        for rule, check in _first(row, node):
                            fault = check(node, document)
                            if fault is not None:
                                faults.append((rule, fault))
        except Stopped as stopped:
            stopped.rule = stopped.rule or rule
            return Outcome(pack, [], stopped)
        return Outcome(pack, faults)

    def _live(self, number: int, key: int, document: Document, start: int, part: Part) -> Iterator[Todo]:
        """What is to be checked in a part; when every entry is sieved, that of a form is sifted once more and kept."""
        settled, found = True, []
        for place in part.work[number]:
            sieved = part.entries[place].sieved.get(key)
            if sieved is None:
                settled = False
                sieved = self._sieved(number, key, Node(document, start + place))
            if sieved is not _NOTHING:
                todo = (place, *sieved)
                found.append(todo)
                yield todo
        if settled and document.head is not None:
            known = range(start, start + len(part.entries))
            again = [
                (place, *sift_part(checks, rows, Node(document, start + place), known)) for place, checks, rows in found
            ]
            part.keep(key, tuple([todo for todo in again if todo[1:] != _NOTHING]))

    def _sieved(self, number: int, key: int, node: Node) -> Sieved:
        """What is to be checked on this element."""
        entry, facts = node.document.entries[node.place], node.document.facts
        plan = entry.path.plans[number]
        assert plan is not None  # else the element would not be among those of the pack
        if not entry.kept:
            return whole(plan, facts)
        if key not in entry.sieved:
            entry.sieved[key] = None  # seen once; shapes that never come again are not worth more
            return whole(plan, facts)
        self._entries += 1
        sieved = sift(plan, facts, node)
        if sieved == _NOTHING:
            sieved = _NOTHING
        entry.sieved[key] = sieved
        return sieved


@cache
def program(*packs: Pack) -> Program:
    """The program of these packs; made once."""
    return Program(packs)


_OPEN: Final = Entry(Path(()), Shape("", (), True, (), None, False), (), kept=False)
"""Stands for an element whose end is not reached."""


def _filled(kind: str, filled: list[tuple[Part, tuple[str, ...]]]) -> Document:
    """The document of a form that is filled in; after the head come lines of this kind."""
    document, place, lines = Document(), 0, []
    entries, texts, ups, parts = document.entries, document.texts, document.ups, document.parts
    for part, found in filled:
        parts.append((place, part))
        lines.append(place)
        entries += part.entries
        ups += part.ups
        texts += found
        place += len(found)
    document.head = filled[0][0]
    document.top = dict(document.head.top)
    if kind:
        document.top[kind] = lines[1:]
    return document


def _unused(node: Node, row: str) -> Fault:
    """The fault of a row of the table: the element, or its attribute."""
    _, _, attribute = row.partition("@")
    value = node.attributes.get(attribute, "") if attribute else node.text.strip(WHITE)
    return Fault(node, value, {"attribute": attribute}, "unused")


def _join(document: Document, place: int, divider: etree._Element) -> None:
    """The text after a comment belongs to the element's value, but is a text node of its own."""
    if divider.tail:
        if document.texts[place]:
            document.divided.add(place)
        document.texts[place] += divider.tail


def _first(row: tuple[Choosing, ...], node: Node) -> Checks:
    """The checks of the first context that fits."""
    document = node.document
    for choosing in row:
        candidate = choosing.candidate
        case = None
        try:
            if candidate.when is not None and not candidate.when(node, document):
                continue
            if candidate.choose is not None:
                case = candidate.choose(node, document)
                if case is None or case not in candidate.cases:
                    continue
        except Stopped:
            continue
        checks = choosing.known.get(case)
        return choosing.checks(case, node) if checks is None else checks
    return ()
