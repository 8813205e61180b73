"""A document as the rules see it: nodes with short names, and the few questions that rules ask of them.

The questions copy XPath 2.0 where it matters to a verdict: a function that takes one value stops the rule set when
there are two (:class:`Stopped`), no value is not the same as an empty one, and white space is only the four signs
that XML knows. Source: XPath and XQuery Functions and Operators (W3C), 5.4.5 normalize-space, 17 casting.

The elements stand in flat lists in document order; a :class:`Node` is a number and looks there. What lies inside an
element is told by its :class:`~gateway.ubl.rules.shapes.Shape`, which many elements share.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar, cast

from gateway.ubl.rules.numbers import NotANumber, boolean_of, decimal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from gateway.ubl.rules.forms import Part
    from gateway.ubl.rules.shapes import Entry, Shape

T = TypeVar("T")

LINES: Final = ("cac:InvoiceLine", "cac:CreditNoteLine")
"""Children of the root that its shape does not count."""
WHITE: Final = " \t\r\n"
_RUN: Final = re.compile(r"[ \t\r\n]+")
_NONE: Final[Sequence[int]] = ()


class Stopped(Exception):  # it is the rule set that stops
    """The official rule set ends here with an error instead of a verdict, which counts as a refusal."""

    def __init__(self, node: Node, reason: str, value: str = "") -> None:
        super().__init__(reason)
        self.node = node
        self.reason = reason
        self.value = value
        self.rule = ""
        """The rule that was being checked."""


class Node:
    """One element. The order of children with different names is never asked for."""

    __slots__ = ("document", "place")

    def __init__(self, document: Document, place: int) -> None:
        self.document = document
        self.place = place
        """Which element of the document it is, counted from the root, 0."""

    @property
    def name(self) -> str:
        """``cbc:ID``, ``Invoice``, or ``{namespace}name`` of a stranger."""
        return self.document.entries[self.place].shape.name

    @property
    def parent(self) -> Node | None:
        """The element around it; None for the root."""
        place = self.place
        if not place:
            return None
        up = self.document.ups[place]
        return Node(self.document, place - up if up else 0)

    @property
    def on_top(self) -> bool:
        """It stands directly in the root."""
        return self.document.ups[self.place] == 0

    @property
    def attributes(self) -> Mapping[str, str]:
        return self.document.entries[self.place].attributes

    def has_attribute(self, name: str) -> bool:
        """Tell whether it has an attribute of this name."""
        return name in self.document.entries[self.place].shape.names

    @property
    def in_cents(self) -> bool:
        """It is an amount whose text has at most two signs after the first point."""
        return self.document.entries[self.place].shape.in_cents

    def within(self, name: str) -> bool:
        """Tell whether it stands somewhere inside an element of this name."""
        return name in self.document.entries[self.place].path.steps[:-1]

    @property
    def text(self) -> str:
        """The string value: all text inside, as written."""
        return self.document.texts[self.place]

    @property
    def shape(self) -> Shape:
        """What lies inside it, without the values."""
        return self.document.entries[self.place].shape

    @property
    def has_children(self) -> bool:
        """There are elements inside."""
        return self.document.entries[self.place].shape.size > 1

    def places(self, path: str) -> Sequence[int]:
        """Every element at a path of child steps, in document order, by its place."""
        place = self.place
        if not place:
            return self.document.below_root(path)
        shape = self.document.entries[place].shape
        found = shape.found.get(path)
        if found is None:
            found = shape.find(path)
        if len(found) == 1:
            return (place + found[0],)
        return [place + one for one in found] if found else _NONE

    def all(self, path: str) -> list[Node]:
        """Every element at a path of child steps, in document order."""
        return [Node(self.document, place) for place in self.places(path)]

    def has(self, path: str) -> bool:
        """Tell whether there is an element at the path."""
        return bool(self.places(path))

    def the_place(self, path: str) -> int:
        """The place of the only element at the path, or 0. Raises :class:`Stopped` when there are more."""
        found = self.places(path)
        if not found:
            return 0
        if len(found) > 1:
            raise Stopped(Node(self.document, found[1]), "several", path)
        return found[0]

    def one(self, path: str) -> Node | None:
        """The only element at the path, or None. Raises :class:`Stopped` when there are more."""
        place = self.the_place(path)
        return Node(self.document, place) if place else None

    def filled(self, path: str) -> bool:
        """``normalize-space(path) != ''``; as :meth:`one`."""
        place = self.the_place(path)
        return bool(place) and self.document.entries[place].shape.filled

    def string(self, path: str) -> str:
        """The text at the path, empty when there is none; as :meth:`one`."""
        place = self.the_place(path)
        return self.document.texts[place] if place else ""

    def normal(self, path: str) -> str:
        """``normalize-space`` of the path; as :meth:`one`."""
        place = self.the_place(path)
        return normal(self.document.texts[place]) if place else ""

    def words(self, path: str) -> str:
        """``normalize-space(path/text())``: two text nodes stop it, also those that a comment in a value makes."""
        return normal(self.piece(path))

    def piece(self, path: str) -> str:
        """The only text node at the path, as written; empty when there is none. Two raise :class:`Stopped`."""
        document = self.document
        found = [place for place in self.places(path) if document.texts[place]]
        if len(found) > 1 or (found and document.divided and found[0] in document.divided):
            raise Stopped(Node(document, found[-1]), "divided", path)
        return document.texts[found[0]] if found else ""

    @property
    def own(self) -> str:
        """The only text node of this element, as written; see :meth:`piece`."""
        if self.place in self.document.divided:
            raise Stopped(self, "divided", self.text)
        return self.text

    def decimal(self, path: str) -> Decimal | None:
        """``xs:decimal`` of the path, or None when there is nothing; as :meth:`one`."""
        document, place = self.document, self.place
        found = document.entries[place].shape.found.get(path) if place else None  # the usual way, in a few steps
        place = place + found[0] if found is not None and len(found) == 1 else self.the_place(path)
        if not place:
            return None
        known = document.numbers.get(document.texts[place])
        return known if known is not None else document.number(place)

    def decimals(self, path: str, of: str) -> list[Decimal]:
        """The amounts ``of`` each element at the path, in a row; elements without one are left out."""
        found = (node.decimal(of) for node in self.all(path))
        return [value for value in found if value is not None]

    @property
    def xpath(self) -> str:
        """Where it stands: ``/Invoice/cac:InvoiceLine[3]/cbc:ID``."""
        steps: list[str] = []
        node: Node | None = self
        while node is not None:
            step, above = node.name, node.parent
            if above is not None:
                twins = above.places(step)
                if len(twins) > 1:
                    step += f"[{twins.index(node.place) + 1}]"
            steps.append(step)
            node = above
        return "/" + "/".join(reversed(steps))


class Document:
    """The whole tree, and what was noted on the walk that built it."""

    __slots__ = ("divided", "entries", "facts", "head", "memo", "named", "numbers", "parts", "texts", "top", "ups")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.texts: list[str] = []
        self.ups: list[int] = []
        """How many places before an element the one around it stands; 0 where that is the root."""
        self.parts: list[tuple[int, Part]] = []
        """The whole document, or its head and its lines, each with its first place."""
        self.top: dict[str, list[int]] = {}
        """What stands directly in the root, by name."""
        self.head: Part | None = None
        """What stands before the lines, where that is a form seen before."""
        self.divided: set[int] = set()
        """Elements whose text a comment divides: then there are several text nodes."""
        self.named: dict[str, list[int]] = {}
        self.numbers: dict[str, Decimal] = {}
        """Texts that were read as numbers before."""
        self.facts: dict[object, object] = {}
        """The answers to the facts of the packs; :class:`Stopped` where the question stopped."""
        self.memo: dict[object, object] = {}
        """What several rules need and one of them has worked out."""

    @property
    def root(self) -> Node:
        return Node(self, 0)

    @property
    def is_invoice(self) -> bool:
        return self.entries[0].shape.name == "Invoice"

    def below_root(self, path: str) -> Sequence[int]:
        """Every element at a path of child steps from the root."""
        found = self.top.get(path)
        if found is not None:
            return found
        first, sign, rest = path.partition("/")
        if not sign:
            return _NONE
        entries, places = self.entries, []
        for place in self.top.get(first, ()):
            shape = entries[place].shape
            for step in shape.found.get(rest) or shape.find(rest):
                places.append(place + step)
        self.top[path] = places
        if self.head is not None and first not in LINES:
            self.head.top[path] = places  # so it is in every document with this head
        return places

    def anywhere(self, name: str) -> list[Node]:
        """Every element of this name, in document order; only for the names in ``engine.ANYWHERE``."""
        return [Node(self, place) for place in self.places(name)]

    def places(self, name: str) -> Sequence[int]:
        """The same as places."""
        found = self.named.get(name)
        if found is None:
            found = [start + place for start, part in self.parts for place in part.collected.get(name, _NONE)]
            self.named[name] = found
        return found

    def shapes(self, *names: str) -> frozenset[Shape]:
        """The shapes of all elements of these names; as :meth:`anywhere`."""
        return frozenset().union(*[part.shapes(names) for part in {part for _, part in self.parts}])

    def noted(self, rule: str) -> list[Node]:
        """The elements that carry what the rule's table does not allow."""
        return [Node(self, start + place) for start, part in self.parts for place in part.noted.get(rule, _NONE)]

    def noted_rules(self) -> list[str]:
        """The rules whose tables do not allow something in the document."""
        return list(dict.fromkeys([rule for _, part in self.parts if part.noted for rule in part.noted]))

    def number(self, place: int) -> Decimal:
        """``xs:decimal`` of an element. Raises :class:`Stopped` when it is none."""
        text = self.texts[place]
        known = self.numbers.get(text)
        if known is None:
            try:
                known = self.numbers[text] = decimal_of(text)
            except NotANumber as error:
                raise Stopped(Node(self, place), str(error), text) from None
        return known

    def fact(self, question: Callable[[Document], T]) -> T:
        """The answer to one of the packs' facts. Checks are sorted by these answers too, so asking costs nothing."""
        answer = self.facts[question]
        if isinstance(answer, Stopped):
            raise Stopped(answer.node, answer.reason, answer.value)
        return cast(T, answer)

    def once(self, work: Callable[[Document], T]) -> T:
        """The result of ``work``, done the first time and remembered."""
        if work not in self.memo:
            self.memo[work] = work(self)
        return cast(T, self.memo[work])


def normal(text: str) -> str:
    """``normalize-space``: trimmed, and each run of white space one blank."""
    text = text.strip(WHITE)
    return _RUN.sub(" ", text) if " " in text or "\n" in text or "\t" in text or "\r" in text else text


def decimal(node: Node) -> Decimal:
    """``xs:decimal`` of an element. Raises :class:`Stopped` when it is none."""
    _ = node.text  # a watched node tells that it was read
    return node.document.number(node.place)


def truth(node: Node) -> bool:
    """``xs:boolean`` of an element. Raises :class:`Stopped` when it is none."""
    answer = boolean_of(node.text)
    if answer is None:
        raise Stopped(node, "boolean", node.text)
    return answer
