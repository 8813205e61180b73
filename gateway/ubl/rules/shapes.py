"""What documents have in common: paths, shapes of elements, and elements with their attributes. Programs keep them.

A :class:`Path` is what the packs have to say about an absolute path, a :class:`Shape` what lies inside an element as
far as names go, an :class:`Entry` a shape with the attributes of its element. Two invoice lines of the same shape
share one, and so do two invoices; what follows from the shape alone is then worked out once (``sieve``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.ubl.rules.plans import Plan
    from gateway.ubl.rules.sieve import Sieved

Attributes = tuple[tuple[str, str], ...]
MAX_KIDS: Final = 64
"""Children of an element that is remembered."""
NO_ATTRIBUTES: Final[Mapping[str, str]] = {}


class Path:
    """Everything the packs say about one absolute path."""

    __slots__ = (
        "amount",
        "attributes",
        "blank",
        "bodies",
        "cents",
        "coded",
        "codes",
        "collect",
        "filled",
        "name",
        "next",
        "noted",
        "places",
        "plans",
        "shapes",
        "steps",
    )

    def __init__(self, steps: tuple[str, ...]) -> None:
        self.steps = steps
        self.name = steps[-1] if steps else ""
        self.next: dict[str, Path] = {}
        """The paths of its children, by tag."""
        self.noted: tuple[str, ...] = ()
        """The rules by whose table the element may not be there."""
        self.attributes: dict[str, tuple[str, ...]] = {}
        """The same for its attributes."""
        self.collect = False
        """Rules look for the element by its name."""
        self.plans: tuple[Plan | None, ...] = ()
        """What to check, by pack (its place); None where a pack has nothing to say."""
        self.places: tuple[int, ...] = ()
        """The packs that have something to say."""
        self.filled: dict[Attributes, Entry] = {}
        """Elements without children that hold a text, by their attributes."""
        self.blank: dict[Attributes, Entry] = {}
        """Elements that hold nothing."""
        self.amount = False
        """Whether it has more than two decimals belongs to the shape."""
        self.cents: dict[Attributes, Entry] = {}
        """Amounts of at most two decimals."""
        self.coded = False
        """Its short values belong to the shape."""
        self.codes: dict[str, dict[Attributes, Entry]] = {}
        """The same by value."""
        self.bodies: dict[object, Entry] = {}
        """Elements with children, by the shapes of those, and what else there is."""
        self.shapes: dict[object, Shape] = {}

    def forget(self) -> None:
        """Begin anew with shapes and entries."""
        self.filled, self.blank, self.cents, self.codes, self.bodies, self.shapes = {}, {}, {}, {}, {}, {}

    def shape(
        self,
        kids: tuple[Shape, ...],
        filled: bool,
        names: tuple[str, ...],
        code: str | None = None,
        cents: bool = False,
    ) -> Shape:
        """The shape of an element here; one and the same for the same parts."""
        key = (kids, filled, names, code, cents)
        known = self.shapes.get(key)
        if known is None:
            known = Shape(self.name, kids, filled, names, code, cents)
            known.open_code |= self.coded and code is None
            if len(kids) <= MAX_KIDS:
                self.shapes[key] = known
        return known


class Shape:
    """What lies inside an element: names, order, which elements hold text, a few codes. Other values are not in it."""

    __slots__ = ("code", "filled", "found", "in_cents", "kids", "memo", "name", "names", "open_code", "size")

    def __init__(
        self, name: str, kids: tuple[Shape, ...], filled: bool, names: tuple[str, ...], code: str | None, cents: bool
    ) -> None:
        self.name = name
        self.kids = kids
        self.filled = filled
        """There is more than white space in the text of the element itself."""
        self.names = names
        """Which attributes it has."""
        self.code = code
        """Its text, where that is short and much depends on it; else None."""
        self.in_cents = cents
        self.open_code: bool = any(kid.open_code for kid in kids)
        """There is a code inside that is too long to be told by the shape."""
        self.size: int = 1 + sum([kid.size for kid in kids])
        """How many elements it is, with all that is inside."""
        self.memo: dict[object, object] = {}
        """What somebody has worked out from the shape."""
        self.found: dict[str, tuple[int, ...]] = {}
        """What :meth:`find` found."""

    def find(self, path: str) -> tuple[int, ...]:
        """The elements at a path of child steps: how many elements after this one each stands."""
        level: list[tuple[int, Shape]] = [(0, self)]
        for step in path.split("/"):
            below = []
            for place, shape in level:
                place += 1
                for kid in shape.kids:
                    if kid.name == step:
                        below.append((place, kid))
                    place += kid.size
            level = below
        found = self.found[path] = tuple([place for place, _ in level])
        return found


class Entry:
    """An element as far as its shape and its attributes go."""

    __slots__ = ("attributes", "busy", "collect", "kept", "noted", "path", "places", "shape", "sieved", "special")

    def __init__(self, path: Path, shape: Shape, attributes: Attributes, *, kept: bool) -> None:
        self.path = path
        self.shape = shape
        self.attributes: Mapping[str, str] = dict(attributes) if attributes else NO_ATTRIBUTES
        self.noted = path.noted
        """The rules by whose tables the element, or one of its attributes, may not be there."""
        for name, rules in path.attributes.items():
            if name in self.attributes:
                self.noted += rules
        self.collect = path.collect
        self.special = self.collect or bool(self.noted) or self.blank
        self.places = path.places
        """The packs that have something to check, by their places."""
        self.busy = self.special or bool(self.places)
        """There may be something to do for such an element."""
        self.kept = kept
        """It is remembered, so that thinking about it pays."""
        self.sieved: dict[int, Sieved | None] = {}
        """What is left to check, by pack and givens; None when one element was met, made at the second."""

    @property
    def blank(self) -> bool:
        """There is nothing in it at all."""
        return self.shape.size == 1 and not self.shape.filled
