"""One walk over the document, then the checks that its elements call for.

A :class:`Program` is made from packs and learns as it goes: for each absolute path it keeps what the packs have to
say about it (:class:`_State`), so that a second invoice of the same shape costs one dictionary look-up an element.
What Schematron calls patterns is kept: of the contexts of one pattern only the first that fits an element is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import localcontext
from functools import cache
from typing import Final

from lxml import etree

from gateway.ubl.names import short_name
from gateway.ubl.rules.numbers import EXACT
from gateway.ubl.rules.pack import Check, Choice, Condition, Context, Fault, Pack, Pattern
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
_MAX_STATES: Final = 20_000
"""Paths that a program remembers; a sender of ever new ones gets no more of the memory."""

_Checks = tuple[tuple[str, Check], ...]
_Candidate = tuple[Condition | None, Choice | None, _Checks, dict[str, _Checks]]
_Candidates = tuple[tuple[_Candidate, ...], ...]
_Plan = tuple[_Checks, _Candidates]
"""The checks that an element has in any case, and the patterns in which it depends."""


@dataclass(slots=True)
class Outcome:
    """What one pack says of one document."""

    pack: Pack
    faults: list[tuple[str, Fault]]
    stopped: Stopped | None = None
    """Set when the rule set ended with an error: then there are no other faults, and the document is refused."""


class _State:
    """Everything the packs say about one absolute path."""

    __slots__ = ("attributes", "collect", "name", "next", "not_used", "path", "plain", "plans")

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path
        self.name = path[-1] if path else ""
        self.next: dict[str, _State] = {}
        self.collect = self.name in ANYWHERE
        self.not_used: tuple[str, ...] = ()
        self.attributes: dict[str, tuple[str, ...]] = {}
        self.plain = False
        """Nobody looks for the element by name, and no table speaks of it."""
        self.plans: tuple[tuple[int, _Plan], ...] = ()
        """By pack (its place): what to check; packs that have nothing to say are left out."""


class Program:
    """Packs, ready to judge documents together in one walk. Safe to use from several threads."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self.packs = tuple(packs)
        self._tables = [
            (path, attribute, rule)
            for pack in packs
            for rule, row in pack.not_used.items()
            for path, attribute in _rows(row)
        ]
        self._start = _State(())
        self._states = 0

    def judge(self, root: etree._Element) -> list[Outcome]:
        """The outcome of each pack. The document has passed its schema; the tree is not changed."""
        document, work = self._walk(root)
        with localcontext(EXACT):
            return [self._run(pack, document, todo) for pack, todo in zip(self.packs, work, strict=True)]

    def _walk(self, root: etree._Element) -> tuple[Document, list[list[tuple[Node, _Plan]]]]:
        """Build the nodes, apply the tables, and list which elements have checks to run."""
        state = self._start.next.get(root.tag) or self._learn(self._start, root.tag)
        work: list[list[tuple[Node, _Plan]]] = [[] for _ in self.packs]
        top = Node(state.name, None, _attributes(root), root.text or "")
        document = Document(top)
        self._note(document, work, top, state)
        stack: list[tuple[Iterator[etree._Element], Node, _State]] = [(iter(root), top, state)]
        named, noted, empty = document.named, document.noted, document.empty
        while stack:
            children, parent, above = stack[-1]
            follow = above.next
            kids = parent.kids
            for element in children:
                tag = element.tag
                if tag.__class__ is not str:  # a comment or processing instruction divides the text
                    _join(parent, element)
                    continue
                state = follow.get(tag) or self._learn(above, tag)
                name = state.name
                items: list[tuple[str, str]] = element.items()  # type: ignore[assignment]  # the stubs say bytes too
                text = element.text or ""
                node = Node(name, parent, dict(items) if items else _NO_ATTRIBUTES, text)
                if name in kids:
                    kids[name].append(node)
                elif kids:
                    kids[name] = [node]
                else:
                    kids = parent.kids = {name: [node]}
                if not state.plain:
                    if state.collect:
                        named.setdefault(name, []).append(node)
                    for rule in state.not_used:
                        noted.setdefault(rule, []).append(node)
                    if items:
                        _note_attributes(noted, node, state)
                for place, plan in state.plans:
                    work[place].append((node, plan))
                if len(element):
                    stack.append((iter(element), node, state))
                    break
                if not text or not text.strip(WHITE):
                    empty.append(node)
            else:
                stack.pop()
                if not parent.kids and not parent.text.strip(WHITE):
                    empty.append(parent)
        return document, work

    def _note(self, document: Document, work: list[list[tuple[Node, _Plan]]], root: Node, state: _State) -> None:
        """What the walk does for every element, for the root."""
        for rule in state.not_used:
            document.noted.setdefault(rule, []).append(root)
        _note_attributes(document.noted, root, state)
        for place, plan in state.plans:
            work[place].append((root, plan))

    def _run(self, pack: Pack, document: Document, work: list[tuple[Node, _Plan]]) -> Outcome:
        faults: list[tuple[str, Fault]] = [
            (rule, _unused(document.noted[rule][0], pack.not_used[rule]))
            for rule in document.noted.keys() & pack.not_used.keys() & pack.rules.keys()
        ]
        if pack.empty_rule:
            faults += [(pack.empty_rule, Fault(node, kind="empty")) for node in document.empty]
        rule = ""
        try:
            for node, (checks, patterns) in work:
                for rule, check in checks:  # names the rule that stopped
                    fault = check(node, document)
                    if fault is not None:
                        faults.append((rule, fault))
                for candidates in patterns:
                    for rule, check in _first(candidates, node, document):
                        fault = check(node, document)
                        if fault is not None:
                            faults.append((rule, fault))
        except Stopped as stopped:
            stopped.rule = rule
            return Outcome(pack, [], stopped)
        return Outcome(pack, faults)

    def _learn(self, above: _State, tag: str) -> _State:
        """Work out what the packs say about a path that is met for the first time."""
        state = _State((*above.path, short_name(tag)))
        path = state.path
        for steps, attribute, rule in self._tables:
            if steps == ("",) or _fits(path, steps):
                if attribute:
                    state.attributes[attribute] = (*state.attributes.get(attribute, ()), rule)
                else:
                    state.not_used = (*state.not_used, rule)
        plans = ((place, _plan(pack, path)) for place, pack in enumerate(self.packs))
        state.plans = tuple((place, plan) for place, plan in plans if plan != ((), ()))
        state.plain = not (state.collect or state.not_used or state.attributes)
        if self._states < _MAX_STATES:
            self._states += 1
            above.next[tag] = state
        return state


@cache
def program(*packs: Pack) -> Program:
    """The program of these packs; made once."""
    return Program(packs)


_NO_ATTRIBUTES: Final[dict[str, str]] = {}


def _unused(node: Node, row: str) -> Fault:
    """The fault of a row of the table: the element, or its attribute."""
    _, _, attribute = row.partition("@")
    value = node.attributes.get(attribute, "") if attribute else node.text.strip(WHITE)
    return Fault(node, value, {"attribute": attribute}, "unused")


def _attributes(element: etree._Element) -> dict[str, str]:
    return {str(name): str(value) for name, value in element.items()}


def _join(parent: Node, divider: etree._Element) -> None:
    """The text after a comment belongs to the parent's value, but is a text node of its own."""
    if divider.tail:
        parent.text += divider.tail
        parent.pieces += 1


def _note_attributes(noted: dict[str, list[Node]], node: Node, state: _State) -> None:
    for name, rules in state.attributes.items():
        if name in node.attributes:
            for rule in rules:
                noted.setdefault(rule, []).append(node)


def _first(candidates: tuple[_Candidate, ...], node: Node, document: Document) -> _Checks:
    """The checks of the first context that fits. An error in a condition means that it does not fit."""
    for when, choose, checks, cases in candidates:
        try:
            if when is not None and not when(node, document):
                continue
            if choose is None:
                return checks
            case = choose(node, document)
        except Stopped:
            continue
        if case is not None and case in cases:
            return cases[case]
    return ()


def _plan(pack: Pack, path: tuple[str, ...]) -> _Plan:
    """What to check at this path. By pattern: the contexts that may fit, up to the first that fits in any case."""
    fixed: _Checks = ()
    patterns = []
    for pattern in pack.patterns:
        row = tuple(_possible(pack, pattern, path))
        if row and row[0][0] is None and row[0][1] is None:
            fixed += row[0][2]
        elif any(checks or cases for _, _, checks, cases in row):
            patterns.append(row)
    return fixed, tuple(patterns)


def _possible(pack: Pack, pattern: Pattern, path: tuple[str, ...]) -> Iterator[_Candidate]:
    for context in pattern:
        if any(_fits(path, steps) for steps in _alternatives(context)):
            cases = {case: _active(pack, checks) for case, checks in context.cases.items()}
            yield context.when, context.choose, _active(pack, context.checks), cases
            if context.when is None and context.choose is None:
                return


def _active(pack: Pack, checks: Mapping[str, Check]) -> _Checks:
    """The checks whose rules belong to the release."""
    return tuple((rule, check) for rule, check in checks.items() if rule in pack.rules)


def _alternatives(context: Context) -> list[tuple[str, ...]]:
    return [tuple(path.strip().split("/")) for path in context.paths.split("|")]


def _rows(row: str) -> list[tuple[tuple[str, ...], str]]:
    """A path of the table as (steps, attribute), for both kinds of lines where it says ``*line``."""
    path, _, attribute = row.partition("@")
    path = path.rstrip("/")
    if not path:
        return [(("",), attribute)]  # //@attribute: on every element
    anywhere = path.startswith("//")
    steps = path.removeprefix("//").split("/")
    kinds = [steps]
    if steps[0] == "*line":
        kinds = [["cac:InvoiceLine", *steps[1:]], ["cac:CreditNoteLine", *steps[1:]]]
    return [((*(() if anywhere else ("", "*")), *kind), attribute) for kind in kinds]


def _fits(path: tuple[str, ...], steps: tuple[str, ...]) -> bool:
    """Tell whether an absolute path ends in these steps.

    An empty first step ties them to the root; ``*`` is any name, ``*Amount`` each that ends so."""
    if steps[0] == "":
        steps = steps[1:]
        if len(path) != len(steps):
            return False
    elif len(path) < len(steps):
        return False
    return all(_matches(step, name) for step, name in zip(steps, path[len(path) - len(steps) :], strict=True))


def _matches(step: str, name: str) -> bool:
    return step == name or (step.startswith("*") and name.endswith(step[1:]))
