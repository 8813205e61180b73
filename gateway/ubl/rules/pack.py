"""A pack: one release of one rule set, as a value. Several releases stand beside each other.

The table part (paths that are not used, severities, code lists) is a JSON file in ``packs/``; what needs arithmetic
or a condition is a function of the *family* (``en16931``, ``peppol``), found by its rule id. A function that a new
release changes gets a second name, and the release's file says which one it means (``"as"``).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final

from gateway.errors import ConfigurationError
from gateway.model.document import Severity
from gateway.ubl.rules.tree import Document, Node

FAMILIES: Final = {"en16931": "gateway.ubl.rules.en16931", "peppol": "gateway.ubl.rules.peppol"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What a check found: the element, its value as written, and what the sentence about it needs."""

    node: Node
    value: str = ""
    words: Mapping[str, object] = field(default_factory=dict)
    """For the sentence: ``expected``, ``count``, figures (``Decimal``)."""
    kind: str = ""
    """Which general sentence fits when the rule has none of its own: ``missing``, ``code``, ``many``…"""


Check = Callable[[Node, Document], Fault | None]
"""Judges one element: None when all is well. It asks element and document and nothing else: what it did not ask for
cannot change its answer, so that it is left out where that is settled (``sieve``)."""
Condition = Callable[[Node, Document], bool]
Choice = Callable[[Node, Document], str | None]
Fact = Callable[[Document], Hashable]
"""Asks the document, whatever the element; see :meth:`Document.fact`."""
Given = Callable[[Document], bool]
"""A fact that decides whether a context is there. Raising :class:`Stopped` means no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where checks apply. Of the contexts of one pattern only the first that fits an element is used."""

    paths: str
    """Alternatives parted by ``|``: ``cac:TaxTotal/cac:TaxSubtotal`` anywhere, ``/Invoice/cbc:Note`` from the root."""
    checks: Mapping[str, Check] = field(default_factory=dict)
    """By rule id, in order."""
    given: Given | None = None
    """What must be true of the document; most often where seller and buyer are."""
    when: Condition | None = None
    """What else must be true of the element. An error in it means no."""
    choose: Choice | None = None
    """With ``cases``: which of them applies (for the VAT categories); None means that the context does not fit."""
    cases: Mapping[str, Mapping[str, Check]] = field(default_factory=dict)


Pattern = tuple[Context, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pack:
    """One release of a rule set."""

    name: str
    title: str
    version: str
    valid_from: date | None
    valid_to: date | None
    rules: Mapping[str, Severity]
    """Every rule of the release."""
    not_used: Mapping[str, str]
    """Rule id to the path that must not be there; ``*line`` is an invoice or credit note line, ``//`` is anywhere."""
    lists: Mapping[str, CodeList]
    terms: Mapping[str, tuple[str, ...]]
    patterns: tuple[Pattern, ...] = ()
    facts: tuple[Fact, ...] = ()
    """What its checks ask by :meth:`Document.fact`. The answers are few, short and often the same."""
    empty_rule: str = ""
    """The rule that forbids elements without content, if there is one."""

    def valid_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)

    def __str__(self) -> str:
        return f"{self.title} {self.version}"


class CodeList:
    """A code list, kept as the text that the artefacts search in as well as a set."""

    __slots__ = ("codes", "name", "text")

    def __init__(self, name: str, codes: Sequence[str]) -> None:
        self.name = name
        self.codes = frozenset(codes)
        self.text = f" {' '.join(codes)} "


@cache
def load(name: str, version: str) -> Pack:
    """The release ``version`` of the pack ``name``. Raises :class:`ConfigurationError` when there is none."""
    place = files("gateway.ubl.rules") / "packs" / f"{name}-{version}.json"
    try:
        data = json.loads(place.read_text("utf-8"))
    except FileNotFoundError:
        known = ", ".join(f"{n} {v}" for n, v in releases()) or "none"
        raise ConfigurationError([(f"{name} {version}", f"there is no such rule pack here; known: {known}")]) from None
    return build(data)


def build(data: Mapping[str, Any]) -> Pack:
    """A pack from the content of its file."""
    severities = {"fatal": Severity.FATAL, "warning": Severity.WARNING}
    table = Pack(
        name=data["name"],
        title=data["title"],
        version=data["version"],
        valid_from=_day(data.get("valid_from")),
        valid_to=_day(data.get("valid_to")),
        rules={rule: level for key, level in severities.items() for row in data[key] for rule in row.split()},
        not_used=data["not_used"],
        lists={name: CodeList(name, " ".join(rows).split()) for name, rows in data["lists"].items()},
        terms={name: (value,) if isinstance(value, str) else tuple(value) for name, value in data["terms"].items()},
    )
    family = importlib.import_module(FAMILIES[data["family"]])
    complete: Pack = family.complete(table)
    return complete


@cache
def releases() -> tuple[tuple[str, str], ...]:
    """Every (name, version) that is here."""
    found = []
    for place in (files("gateway.ubl.rules") / "packs").iterdir():
        name, _, version = place.name.removesuffix(".json").rpartition("-")
        if place.name.endswith(".json") and name:
            found.append((name, version))
    return tuple(sorted(found))


def load_all() -> None:
    """Load every release now (some 60 ms), so that the first document does not wait."""
    for name, version in releases():
        load(name, version)


def newest(name: str, day: date | None = None) -> Pack:
    """The release of a pack that is valid on a day; outside every validity (or without a day) the nearest newest.

    Raises :class:`ConfigurationError` for a name that is not here.
    """
    packs = _in_order(name, releases())
    if not packs:
        raise ConfigurationError([(name, "there is no such rule pack here")])
    fitting = [pack for pack in packs if day is not None and pack.valid_on(day)]
    return fitting[-1] if fitting else packs[-1]


@cache
def _in_order(name: str, known: tuple[tuple[str, str], ...]) -> tuple[Pack, ...]:
    """The releases of a pack, the first to come into force first."""
    packs = (load(found, version) for found, version in known if found == name)
    return tuple(sorted(packs, key=lambda pack: pack.valid_from or date.min))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
