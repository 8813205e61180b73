"""What the law asks of an invoice between two parties on its day of issue: dated data with sources, ``gates.json``.

The gate comes before any preference and any price. It judges by what is *known* of the buyer: a kind that was only
guessed from digits holds nothing back. A counterpart's own mandate class, set by a person, goes before the table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Final

from gateway.model.counterpart import PartyKind
from gateway.routing.words import Said

STRUCTURED, FREE = "structured", "free"
"""Mandate classes that a person can set for a counterpart."""
_PUBLIC_SE: Final = ("20", "2120", "2220", "2321")
"""How the numbers of state authorities, municipalities, their associations and regions begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One law, from one day to another."""

    rule: str
    seller: tuple[str, ...]
    buyer: tuple[str, ...]
    kinds: tuple[PartyKind, ...]
    since: date
    until: date | None
    structured: bool
    copy_only: tuple[str, ...]
    sv: str
    en: str
    source: str

    def holds(self, seller: str, buyer: str, kind: PartyKind, day: date) -> bool:
        """Whether it is in force for them on that day."""
        begun = self.since <= day and (self.until is None or day < self.until)
        return begun and seller in self.seller and buyer in self.buyer and kind in self.kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What is allowed."""

    structured: bool = False
    """Only a structured invoice is an invoice."""
    copy_only: tuple[str, ...] = ()
    """Ways that may carry a copy and no invoice."""
    said: tuple[Said, ...] = ()


@cache
def rules() -> tuple[Rule, ...]:
    """The laws that are known here."""
    rows = json.loads(resources.files(__package__).joinpath("gates.json").read_text("utf-8"))
    return tuple(
        Rule(
            rule=row["rule"],
            seller=tuple(row["seller"]),
            buyer=tuple(row["buyer"]),
            kinds=tuple(PartyKind(kind) for kind in row["kinds"]),
            since=date.fromisoformat(row["from"]),
            until=date.fromisoformat(row["until"]) if row["until"] else None,
            structured=row["structured"],
            copy_only=tuple(row["copy_only"]),
            sv=row["sv"],
            en=row["en"],
            source=row["source"],
        )
        for row in rows
    )


def kind_of(country: str, known: PartyKind, vat_id: str) -> PartyKind:
    """What the buyer is before the law: as the register says; else a business where it has a VAT number."""
    if known is not PartyKind.UNKNOWN:
        return known
    return PartyKind.BUSINESS if vat_id[:2].upper() == country and len(vat_id) > 4 else PartyKind.UNKNOWN


def looks_public(country: str, keys: tuple[str, ...]) -> bool:
    """Whether a Swedish number is of the kind that public bodies have: a hint to a person, never a reason to hold."""
    return country == "SE" and any(key.startswith(tuple(f"0007:{begin}" for begin in _PUBLIC_SE)) for key in keys)


def gate(*, seller: str, buyer: str, kind: PartyKind, day: date, mandate: str = "") -> Gate:
    """What the law allows; everything, where none is known. ``mandate``: the class that a person has set."""
    if mandate == FREE:
        return Gate()
    if mandate == STRUCTURED:
        said = Said(
            step="legal",
            sv="Motparten är satt till att kräva strukturerad e-faktura",
            en="The counterpart is set to need a structured e-invoice",
        )
        return Gate(structured=True, copy_only=("email", "print"), said=(said,))
    for rule in rules():
        if rule.holds(seller, buyer, kind, day):
            said = Said(step="legal", sv=rule.sv, en=rule.en)
            return Gate(structured=rule.structured, copy_only=rule.copy_only, said=(said,))
    return Gate()
