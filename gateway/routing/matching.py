"""Whether the party that an invoice names is the one in the register.

Digits alone never make two parties one: number and name must agree. A number that agrees under quite another name is a
doubt that a person sees, and the register's settings are not used for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from functools import lru_cache
from typing import Final

from gateway.model.counterpart import Counterpart, Origin
from gateway.model.document import Company
from gateway.routing.words import Said

_LEGAL_FORMS: Final = frozenset(
    [
        *("ab", "aktiebolag", "publ", "hb", "handelsbolag", "kb", "kommanditbolag", "ek", "for", "enskild", "firma"),
        *("as", "asa", "aps", "a", "s", "oy", "oyj", "abp", "ltd", "limited", "plc", "llc", "inc", "gmbh", "ag", "kg"),
        *("bv", "nv", "sa", "sas", "sarl", "srl", "spa", "bvba", "cv", "og", "co", "the", "och", "and"),
    ]
)
_ALIKE: Final = 0.86
_LONGEST: Final = 200


class Agreement(StrEnum):
    """How an invoice's party and one of the register fit together."""

    BOTH = "both"
    NUMBER_ONLY = "number-only"
    NAME_ONLY = "name-only"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The counterpart that is meant, if that is sure, and what is doubtful."""

    counterpart: Counterpart | None = None
    doubt: Said | None = None
    name_mismatch: bool = False


def plain_name(name: str) -> str:
    """A name without case, accents, punctuation and legal form, its words in order."""
    folded = unicodedata.normalize("NFKD", name[:_LONGEST].casefold())
    letters = "".join(c for c in folded if not unicodedata.combining(c))
    words = [word for word in re.split(r"[\W_]+", letters) if word]
    kept = [word for word in words if word not in _LEGAL_FORMS]
    return " ".join(kept or words)


@lru_cache(4096)
def alike(one: str, other: str) -> bool:
    """Whether two names may be of the same party: equal, one inside the other word by word, or nearly equal."""
    a, b = plain_name(one), plain_name(other)
    if not a or not b:
        return False
    if a == b:
        return True
    words_a, words_b = set(a.split()), set(b.split())
    if min(len(words_a), len(words_b)) > 1 and (words_a <= words_b or words_b <= words_a):
        return True
    return SequenceMatcher(None, a, b, autojunk=False).ratio() >= _ALIKE


def agreement(company: Company, keys: Sequence[str], counterpart: Counterpart) -> Agreement:
    """How they agree. ``keys`` are the company's numbers as ``Identifier.key``."""
    numbers = {one.key for one in counterpart.identifiers if one.trust}
    number = bool(numbers.intersection(keys))
    names = [name for name in (company.name, company.legal_name) if name]
    name = any(alike(theirs, ours) for theirs in names for ours in counterpart.all_names)
    if number:
        return Agreement.BOTH if name else Agreement.NUMBER_ONLY
    return Agreement.NAME_ONLY if name else Agreement.NONE


def match(company: Company, keys: Sequence[str], known: Sequence[Counterpart]) -> Match:
    """Which of those that may be meant is meant. By name alone only one without any number of its own."""
    judged = [(one, agreement(company, keys, one)) for one in known]
    both = [one for one, fits in judged if fits is Agreement.BOTH]
    if len(both) == 1:
        return _beside(company, both[0], [one for one, fits in judged if fits is Agreement.NUMBER_ONLY])
    if both:
        exact = [one for one in both if plain_name(one.name) in _names(company)]
        if len(exact) == 1:
            return Match(counterpart=exact[0])
        return Match(doubt=_several(both))
    by_number = [one for one, fits in judged if fits is Agreement.NUMBER_ONLY]
    if by_number:
        return Match(doubt=_other_name(company, by_number[0]), name_mismatch=True)
    by_name = [one for one, fits in judged if fits is Agreement.NAME_ONLY and not (keys and one.addresses)]
    by_name = [one for one in by_name if plain_name(one.name) in _names(company) and _same_place(company, one)]
    return Match(counterpart=by_name[0]) if len(by_name) == 1 else Match()


def _beside(company: Company, one: Counterpart, others: Sequence[Counterpart]) -> Match:
    """One that only invoices brought is doubtful where the account's own register has its number for another name."""
    entered = [other for other in others if other.origin is Origin.MASTER_DATA]
    if one.origin is Origin.MASTER_DATA or not entered:
        return Match(counterpart=one)
    return Match(counterpart=one, doubt=_other_name(company, entered[0]), name_mismatch=True)


def _names(company: Company) -> set[str]:
    return {plain_name(name) for name in (company.name, company.legal_name) if name}


def _same_place(company: Company, one: Counterpart) -> bool:
    """Postal codes that contradict each other are two places, as are two countries."""
    ours, theirs = one.address.postal_code.replace(" ", ""), company.address.postal_code.replace(" ", "")
    lands = {land for land in (one.country, company.country) if land}
    return len(lands) < 2 and (not ours or not theirs or ours == theirs)


def _several(both: Sequence[Counterpart]) -> Said:
    numbers = ", ".join(one.number or one.id for one in both[:5])
    return Said(
        step="agreement",
        sv=f"Flera motparter i registret har samma nummer och namn ({numbers}): ingen av deras inställningar används.",
        en=f"Several counterparts in the register have this number and name ({numbers}): no setting of theirs is used.",
    )


def _other_name(company: Company, one: Counterpart) -> Said:
    shown = company.shown_name
    return Said(
        step="agreement",
        sv=f"Numret finns i registret under ett annat namn ({one.name}, på fakturan {shown}): en person bör jämföra.",
        en=f"The register has the number under another name ({one.name}, on the invoice {shown}): "
        "a person should compare.",
    )
