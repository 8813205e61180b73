"""One walk over the document, then the checks that its elements call for.

A :class:`Program` is made from packs and learns as it goes: for each absolute path it keeps what the packs have to
say about it, for each shape of an element which checks can still find something (``plans``, ``shapes``, ``sieve``).
So a second line, or a second invoice, costs what its values cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import localcontext
from functools import cache
from itertools import count
from typing import Final, TypeVar

from lxml import etree

from gateway.security.safexml import nodes_of
from gateway.ubl.rules.numbers import EXACT
from gateway.ubl.rules.pack import Fault, Pack
from gateway.ubl.rules.plans import MAX_STEPS, Checks, Planner
from gateway.ubl.rules.shapes import MAX_KIDS, Attributes, Entry, Path, Shape
from gateway.ubl.rules.sieve import LINES, Choosing, Sieved, sift, whole
from gateway.ubl.rules.tree import WHITE, Document, Node, Stopped

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
_MAX_CODE: Final = 8
"""What a program remembers: paths, entries, the signs of a code; a sender of ever new ones gets no more memory."""
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

    def judge(self, root: etree._Element) -> list[Outcome]:
        """The outcome of each pack. The document has passed its schema; the tree is not changed."""
        document, busy = self._walk(root)
        work, blank = self._note(document, busy)
        with localcontext(EXACT):
            case = self._facts(document)
            outcomes = [self._run(number, case, document, todo, blank) for number, todo in enumerate(work)]
        document.memo.clear()  # what rules keep there may hold nodes, and they the document
        document.facts.clear()
        return outcomes

    def _walk(self, root: etree._Element) -> tuple[Document, list[int]]:
        """Build the document, and list the elements that somebody wants to look at."""
        document, busy = Document(), []
        entries, texts, parents = document.entries, document.texts, document.parents
        here, path = 0, self._start.next.get(root.tag) or self._learn(self._start, root.tag)
        attributes: list[tuple[str, str]] = root.items()  # type: ignore[assignment]  # the stubs say bytes too
        children, follow = iter(nodes_of(root)), path.next
        kids: list[Shape] = []
        stack = []
        entries.append(_OPEN)
        texts.append(root.text or "")
        parents.append(0)
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
                parents.append(here)
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
        code = text if filled and path.coded and len(text) <= _MAX_CODE else None
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

    def _note(self, document: Document, busy: list[int]) -> tuple[list[list[int]], list[int]]:
        """Note what rules will look for; give the elements to check, by pack, and those without content."""
        entries, named, noted = document.entries, document.named, document.noted_places
        work: list[list[int]] = [[] for _ in self.packs]
        blank: list[int] = []
        for place in busy:
            entry = entries[place]
            if entry.special:
                if entry.collect:
                    named.setdefault(entry.path.name, []).append(place)
                for rule in entry.noted:
                    noted.setdefault(rule, []).append(place)
                if entry.blank:
                    blank.append(place)
            for number in entry.places:
                work[number].append(place)
        return work, blank

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

    def _run(self, number: int, case: int, document: Document, todo: list[int], blank: list[int]) -> Outcome:
        pack, entries = self.packs[number], document.entries
        key = case * len(self.packs) + number
        faults: list[tuple[str, Fault]] = [
            (rule, _unused(document.noted(rule)[0], pack.not_used[rule]))
            for rule in document.noted_places
            if rule in pack.not_used and rule in pack.rules
        ]
        if pack.empty_rule:
            faults += [(pack.empty_rule, Fault(Node(document, place), kind="empty")) for place in blank]
        rule = ""
        try:
            for place in todo:
                entry = entries[place]
                sieved = entry.sieved.get(key)
                if sieved is None:
                    sieved = self._sieved(number, key, Node(document, place))
                if sieved is _NOTHING:
                    continue
                checks, rows = sieved
                node = Node(document, place)
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
