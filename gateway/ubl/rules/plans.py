"""What a pack has to say about an absolute path: its contexts and its tables, before any document is seen.

What Schematron calls patterns is kept: of the contexts of one pattern only the first that fits an element is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.ubl.names import short_name
from gateway.ubl.rules.pack import Check, Choice, Condition, Context, Fact, Given, Pack, Pattern
from gateway.ubl.rules.shapes import Path

MAX_STEPS: Final = 24
"""Of a longer path only the end is looked at; no invoice is so deep, and no context so long."""
Checks = tuple[tuple[str, Check], ...]

_CODES: Final = frozenset(
    {
        "cbc:AllowanceChargeReasonCode",
        "cbc:ChargeIndicator",
        "cbc:DocumentTypeCode",
        "cbc:IdentificationCode",
        "cbc:PaymentMeansCode",
        "cbc:Percent",
    }
)
_IDENTIFIERS: Final = {
    ("cac:TaxScheme", "cbc:ID"),
    ("cac:TaxCategory", "cbc:ID"),
    ("cac:ClassifiedTaxCategory", "cbc:ID"),
}
"""Elements whose few values belong to the shape: much depends on them."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A context that may fit the elements of a path."""

    given: Given | None
    when: Condition | None
    choose: Choice | None
    checks: Checks
    cases: Mapping[str, Checks]

    @property
    def certain(self) -> bool:
        """It fits in any case."""
        return self.given is None and self.when is None and self.choose is None

    def applies(self, facts: Mapping[object, object]) -> bool:
        """It may fit in a document with these facts."""
        return self.given is None or facts[self.given] is True


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What one pack checks at a path: in any case, and the patterns in which it depends."""

    checks: Checks
    patterns: tuple[tuple[Candidate, ...], ...]


class Planner:
    """The contexts and tables of several packs, asked for one path after the other."""

    def __init__(self, packs: Sequence[Pack], anywhere: frozenset[str]) -> None:
        self._packs = tuple(packs)
        self._anywhere = anywhere
        self._contexts = [[_prepared(pattern) for pattern in pack.patterns] for pack in packs]
        self._tables: dict[str, list[tuple[tuple[str, ...], str, str]]] = {}
        for pack in packs:
            for rule, row in pack.not_used.items():
                for steps, attribute in _rows(row):
                    last = "" if steps[-1].startswith("*") else steps[-1]
                    self._tables.setdefault(last, []).append((steps, attribute, rule))

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Every question to a document that decides which contexts are there, or that checks ask."""
        given = [context.given for pack in self._packs for pattern in pack.patterns for context in pattern]
        asked = [fact for pack in self._packs for fact in pack.facts]
        return tuple(dict.fromkeys([*(one for one in given if one is not None), *asked]))

    def path(self, above: Path, tag: str) -> Path:
        """What the packs say about the elements ``tag`` below a path."""
        path = Path((*above.steps, short_name(tag))[-MAX_STEPS:])
        for steps, attribute, rule in (*self._tables.get(path.name, ()), *self._tables.get("", ())):
            if steps == ("",) or _fits(path.steps, steps):
                if attribute:
                    path.attributes[attribute] = (*path.attributes.get(attribute, ()), rule)
                else:
                    path.noted = (*path.noted, rule)
        path.amount = path.name.endswith("Amount")
        path.coded = path.name in _CODES or path.steps[-2:] in _IDENTIFIERS
        path.collect = path.name in self._anywhere
        plans = [_plan(pack, contexts, path.steps) for pack, contexts in zip(self._packs, self._contexts, strict=True)]
        path.plans = tuple(plan if plan.checks or plan.patterns else None for plan in plans)
        path.places = tuple(place for place, plan in enumerate(path.plans) if plan is not None)
        return path


_Prepared = dict[str, list[tuple[int, Context, tuple[str, ...]]]]
"""The contexts of a pattern by the last step of each of their paths (empty for any), with their order."""


def _prepared(pattern: Pattern) -> _Prepared:
    found: _Prepared = {}
    for order, context in enumerate(pattern):
        for steps in _alternatives(context):
            last = "" if steps[-1].startswith("*") else steps[-1]
            found.setdefault(last, []).append((order, context, steps))
    return found


def _plan(pack: Pack, contexts: list[_Prepared], path: tuple[str, ...]) -> Plan:
    """What to check at this path. By pattern: the contexts that may fit, up to the first that fits in any case."""
    fixed: Checks = ()
    patterns = []
    for pattern in contexts:
        row = tuple(_possible(pack, pattern, path))
        if row and row[0].certain:
            fixed += row[0].checks
        elif any(candidate.checks or candidate.cases for candidate in row):
            patterns.append(row)
    return Plan(fixed, tuple(patterns))


def _possible(pack: Pack, pattern: _Prepared, path: tuple[str, ...]) -> Iterator[Candidate]:
    near = [*pattern.get(path[-1], ()), *pattern.get("", ())]
    fitting = {order: context for order, context, steps in near if _fits(path, steps)}
    for order in sorted(fitting):
        context = fitting[order]
        cases = {case: _active(pack, checks) for case, checks in context.cases.items()}
        candidate = Candidate(context.given, context.when, context.choose, _active(pack, context.checks), cases)
        yield candidate
        if candidate.certain:
            return


def _active(pack: Pack, checks: Mapping[str, Check]) -> Checks:
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
    last = steps[-1]
    if last != path[-1] and not last.startswith("*"):
        return False
    if steps[0] == "":
        steps = steps[1:]
        if len(path) != len(steps):
            return False
    elif len(path) < len(steps):
        return False
    return all(_matches(step, name) for step, name in zip(steps, path[len(path) - len(steps) :], strict=True))


def _matches(step: str, name: str) -> bool:
    return step == name or (step.startswith("*") and name.endswith(step[1:]))
