"""A document as the rules see it: nodes with short names, and the few questions that rules ask of them.

The questions copy XPath 2.0 where it matters to a verdict: a function that takes one value stops the rule set when
there are two (:class:`Stopped`), no value is not the same as an empty one, and white space is only the four signs
that XML knows. Source: XPath and XQuery Functions and Operators (W3C), 5.4.5 normalize-space, 17 casting.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar, cast

from gateway.ubl.rules.numbers import NotANumber, boolean_of, decimal_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

T = TypeVar("T")

WHITE: Final = " \t\r\n"
_RUN: Final = re.compile(r"[ \t\r\n]+")
_NONE: Final[list[Node]] = []
_LEAF: Final[dict[str, list[Node]]] = {}
_STEPS: Final[dict[str, tuple[str, ...]]] = {}
"""The paths of the rules, cut into steps; rules are the only ones that ask, so there are some hundred."""


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
    """One element. Its children stand by name; the order among different names is never asked for."""

    __slots__ = ("attributes", "kids", "name", "parent", "pieces", "text")

    def __init__(self, name: str, parent: Node | None, attributes: dict[str, str], text: str) -> None:
        self.name = name
        """``cbc:ID``, ``Invoice``, or ``{namespace}name`` of a stranger."""
        self.parent = parent
        self.attributes = attributes
        self.text = text
        """The string value: all text inside, as written."""
        self.pieces = 1 if text else 0
        """How many text nodes there are; more than one when a comment or element divides the text."""
        self.kids: dict[str, list[Node]] = _LEAF

    def all(self, path: str) -> list[Node]:
        """Every element at a path of child steps, in document order."""
        found = self.kids.get(path)
        if found is not None or "/" not in path:
            return found or _NONE
        found = [self]
        for step in _STEPS.get(path) or _steps(path):
            if len(found) == 1:
                found = found[0].kids.get(step)
                if found is None:
                    return _NONE
            else:
                found = [child for node in found for child in node.kids.get(step, _NONE)]
        return found

    def has(self, path: str) -> bool:
        """Tell whether there is an element at the path."""
        return path in self.kids or ("/" in path and bool(self.all(path)))

    def one(self, path: str) -> Node | None:
        """The only element at the path, or None. Raises :class:`Stopped` when there are more."""
        found = self.kids.get(path)
        if found is None:
            if "/" not in path:
                return None
            found = self.all(path)
        if len(found) == 1:
            return found[0]
        if found:
            raise Stopped(found[1], "several", path)
        return None

    def string(self, path: str) -> str:
        """The text at the path, empty when there is none; as :meth:`one`."""
        node = self.one(path)
        return node.text if node is not None else ""

    def normal(self, path: str) -> str:
        """``normalize-space`` of the path; as :meth:`one`."""
        node = self.one(path)
        return normal(node.text) if node is not None else ""

    def words(self, path: str) -> str:
        """``normalize-space(path/text())``: two text nodes stop it, also those that a comment in a value makes."""
        return normal(self.piece(path))

    def piece(self, path: str) -> str:
        """The only text node at the path, as written; empty when there is none. Two raise :class:`Stopped`."""
        found = [node for node in self.all(path) if node.pieces]
        if len(found) > 1 or (found and found[0].pieces > 1):
            raise Stopped(found[-1], "divided", path)
        return found[0].text if found else ""

    @property
    def own(self) -> str:
        """The only text node of this element, as written; see :meth:`piece`."""
        if self.pieces > 1:
            raise Stopped(self, "divided", self.text)
        return self.text

    def decimal(self, path: str) -> Decimal | None:
        """``xs:decimal`` of the path, or None when there is nothing; as :meth:`one`."""
        node = self.one(path)
        return decimal(node) if node is not None else None

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
            step = node.name
            if node.parent is not None:
                twins = node.parent.kids[node.name]
                if len(twins) > 1:
                    step += f"[{twins.index(node) + 1}]"
            steps.append(step)
            node = node.parent
        return "/" + "/".join(reversed(steps))


class Document:
    """The whole tree, and what was noted on the walk that built it."""

    __slots__ = ("empty", "memo", "named", "noted", "root")

    def __init__(self, root: Node) -> None:
        self.root = root
        self.named: dict[str, list[Node]] = {}
        """Elements that rules look for anywhere (``//cac:TaxCategory``), in document order."""
        self.noted: dict[str, list[Node]] = {}
        """By rule: the elements that carry what the rule's table does not allow."""
        self.empty: list[Node] = []
        self.memo: dict[object, object] = {}
        """What several rules need and one of them has worked out."""

    @property
    def is_invoice(self) -> bool:
        return self.root.name == "Invoice"

    def anywhere(self, name: str) -> list[Node]:
        """Every element of this name; only for the names in ``engine.ANYWHERE``."""
        return self.named.get(name, _NONE)

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
    try:
        return decimal_of(node.text)
    except NotANumber as error:
        raise Stopped(node, str(error), node.text) from None


def truth(node: Node) -> bool:
    """``xs:boolean`` of an element. Raises :class:`Stopped` when it is none."""
    answer = boolean_of(node.text)
    if answer is None:
        raise Stopped(node, "boolean", node.text)
    return answer


def _steps(path: str) -> tuple[str, ...]:
    steps = _STEPS[path] = tuple(path.split("/"))
    return steps
