"""Which checks need to look at an element again: those whose answer does not follow from its shape alone.

A check is run once on watched nodes. If it finds no fault and has asked for nothing beyond shape and attributes of
the element, it cannot find one in any element of the same entry, and is dropped for that entry. Checks are functions
of element and document and nothing else; that is all that this rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeVar, cast

from gateway.ubl.rules.plans import Candidate, Checks, Plan
from gateway.ubl.rules.tree import LINES, Document, Node, Stopped

T = TypeVar("T")

NOWHERE: Final = range(0)


class Watch:
    """Whether a check has asked for more than the shape says."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = False


class WatchedNode(Node):
    """A node that tells when it is asked for more than the shape says."""

    __slots__ = ("inner", "known", "watch")

    def __init__(self, document: Document, place: int, watch: Watch, *, inner: bool, known: range = NOWHERE) -> None:
        super().__init__(document, place)
        self.watch = watch
        self.inner = inner
        """It is not the element that is judged: then the values of its attributes are no part of the entry."""
        self.known = known
        """Places of the part of a form: of these everything is settled but texts that are no codes."""

    @property
    def parent(self) -> Node | None:
        above = super().parent
        if above is not None and above.place in self.known:
            return WatchedNode(self.document, above.place, self.watch, inner=True, known=self.known)
        self.watch.asked = True
        return above

    @property
    def attributes(self) -> Mapping[str, str]:
        self.watch.asked |= self.inner and self.place not in self.known
        return super().attributes

    @property
    def text(self) -> str:
        self._read(self.place)
        return super().text

    @property
    def own(self) -> str:
        self.watch.asked = True
        return super().own

    def places(self, path: str) -> Sequence[int]:
        if not self.place and path.startswith(LINES):
            self.watch.asked = True
        return super().places(path)

    def has(self, path: str) -> bool:
        if not self.place and path in LINES:
            return bool(super().places(path))
        return super().has(path)

    def all(self, path: str) -> list[Node]:
        return [self._inside(place) for place in self.places(path)]

    def one(self, path: str) -> Node | None:
        place = self.the_place(path)
        return self._inside(place) if place else None

    def _inside(self, place: int) -> WatchedNode:
        return WatchedNode(self.document, place, self.watch, inner=True, known=self.known)

    def string(self, path: str) -> str:
        self._read(*self.places(path))
        return super().string(path)

    def normal(self, path: str) -> str:
        self._read(*self.places(path))
        return super().normal(path)

    def piece(self, path: str) -> str:
        self.watch.asked |= self.has(path)
        return super().piece(path)

    def decimal(self, path: str) -> Decimal | None:
        self._read(*self.places(path))
        return super().decimal(path)

    def _read(self, *places: int) -> None:
        entries, known = self.document.entries, self.known
        self.watch.asked |= any(
            (shape := entries[place].shape).code is None and (shape.filled or place not in known) for place in places
        )


class WatchedDocument:
    """A document that tells when it is asked."""

    __slots__ = ("_document", "_known", "_watch")

    def __init__(self, document: Document, watch: Watch, known: range) -> None:
        self._document = document
        self._watch = watch
        self._known = known

    @property
    def root(self) -> Node:
        self._watch.asked |= 0 not in self._known
        return WatchedNode(self._document, 0, self._watch, inner=True, known=self._known)

    @property
    def is_invoice(self) -> bool:
        return self._document.is_invoice  # the path says so

    def fact(self, question: Callable[[Document], T]) -> T:
        return self._document.fact(question)

    def __getattr__(self, name: str) -> object:
        self._watch.asked = True
        return getattr(self._document, name)


def watched(work: Callable[[Node, Document], T], node: Node, known: range = NOWHERE) -> tuple[T | Stopped, bool]:
    """The answer to a question, or how it stopped, and whether it was taken from the shape (or the part) alone."""
    watch = Watch()
    seen = WatchedNode(node.document, node.place, watch, inner=False, known=known)
    try:
        answer: T | Stopped = work(seen, cast(Document, WatchedDocument(node.document, watch, known)))
    except Stopped as stopped:
        answer = stopped
    return answer, not watch.asked


@dataclass(slots=True)
class Choosing:
    """A candidate whose fit is not known from the shape, and its checks as far as it was ever chosen."""

    candidate: Candidate
    known: dict[str | None, Checks] = field(default_factory=dict)
    """By case (None for the candidate's own checks)."""
    sorts: bool = True
    """False where it stands for elements of different shapes."""

    def checks(self, case: str | None, node: Node) -> Checks:
        """What is to be checked when it fits."""
        checks = self.known.get(case)
        if checks is None:
            checks = self.candidate.checks if case is None else self.candidate.cases[case]
            checks = self.known[case] = open_checks(checks, node) if self.sorts else checks
        return checks


Rows = tuple[tuple[Choosing, ...], ...]
Sieved = tuple[Checks, Rows]
"""What is left to check on the elements of an entry: checks that always apply, and patterns where one is chosen."""


def whole(plan: Plan, facts: Mapping[object, object]) -> Sieved:
    """A plan as it is, for elements of any shape in a document with these facts."""
    rows = tuple(tuple(Choosing(one, sorts=False) for one in row if one.applies(facts)) for row in plan.patterns)
    return plan.checks, rows


def sift(plan: Plan, facts: Mapping[object, object], node: Node) -> Sieved:
    """What is left of a plan for elements such as this one, in a document with these facts."""
    return _left(plan.checks, [[one for one in row if one.applies(facts)] for row in plan.patterns], node, NOWHERE)


def sift_part(checks: Checks, rows: Rows, node: Node, known: range) -> Sieved:
    """What is left of that for an element in the part of a form which stands at these places."""
    return _left(checks, [[choosing.candidate for choosing in row] for row in rows], node, known)


def _left(checks: Checks, candidates: list[list[Candidate]], node: Node, known: range) -> Sieved:
    patterns = []
    for pattern in candidates:
        row = tuple(_possible(pattern, node, known))
        if row and row[0].candidate.certain:
            checks += row[0].candidate.checks
        elif row:
            patterns.append(row)
    return open_checks(checks, node, known), tuple(patterns)


def open_checks(checks: Checks, node: Node, known: range = NOWHERE) -> Checks:
    """Those checks whose answer is still open for other elements of the entry, or a fault in all of them."""
    answers = [(rule, check, watched(check, node, known)) for rule, check in checks]
    return tuple((rule, check) for rule, check, (answer, settled) in answers if answer is not None or not settled)


def _possible(pattern: list[Candidate], node: Node, known: range) -> Iterator[Choosing]:
    """The candidates that may still fit; those that fit for certain are written so, and end the row."""
    for candidate in pattern:
        when, choose, checks = candidate.when, candidate.choose, candidate.checks
        if when is not None:
            answer, settled = watched(when, node, known)
            if settled:
                if answer is not True:
                    continue
                when = None
        if when is None and choose is not None:
            case, settled = watched(choose, node, known)
            if settled:
                if not isinstance(case, str) or case not in candidate.cases:
                    continue
                choose, checks = None, candidate.cases[case]
        found = Candidate(None, when, choose, checks, candidate.cases)
        yield Choosing(found)
        if found.certain:
            return
