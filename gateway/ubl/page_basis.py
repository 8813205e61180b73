"""What every part of the readable page shares: the page in hand, bounded texts, address labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from gateway.model.document import Facts, PostalAddress
from gateway.ubl.names import text
from gateway.ubl.page_words import COUNTRIES, WORDS, Language, number, pick

LONG: Final = 4_000
"""Characters of a note or description."""
SHORT: Final = 300
"""Characters of any other value."""
_CITY_FIRST: Final = frozenset({"GB", "IE", "US", "CA", "AU", "NZ", "SG", "IN"})
_REGION_SHOWN: Final = frozenset({"US", "CA", "AU", "IT"})

Row = dict[str, Any]
"""JSON for the template; it never leaves this package."""


@dataclass(frozen=True, slots=True)
class Page:
    """A document that is being put on a page."""

    root: etree._Element
    facts: Facts
    language: Language

    def word(self, key: str) -> str:
        return pick(WORDS[key], self.language)

    def money(self, value: str) -> str:
        """An amount with two decimals or more; empty stays empty."""
        return number(value, self.language, least=2) if value else ""

    def get(self, path: str) -> str:
        """The text at a path of the document, bounded."""
        return clip(text(self.root, path), SHORT)

    @property
    def credit(self) -> bool:
        return self.facts.kind == "CreditNote"


def clip(value: str, most: int, *, more: str = "…") -> str:
    """The text without line ends at its ends, cut when it is longer than ``most`` characters."""
    return value if len(value) <= most else value[: most - 1].rstrip() + more


def breakable(value: str, every: int = 14) -> str:
    """Let very long words break, so that no column is pushed off the page."""
    return re.sub(rf"(\S{{{every}}})(?=\S)", "\\1\u200b", value)


def address_lines(address: PostalAddress, *, home: str, attention: str = "") -> list[str]:
    """The lines of an address label; the country's name in capitals last when it is not ``home``."""
    code = address.postal_code
    if address.country in ("SE", "GR") and re.fullmatch(r"[0-9]{5}", code):
        code = f"{code[:3]} {code[3:]}"
    region = address.region if address.country in _REGION_SHOWN else ""
    if address.country in _CITY_FIRST:
        place = [" ".join(filter(None, (address.city, region, code)))]
    else:
        place = [" ".join(filter(None, (code, address.city, region)))]
    contact = address.attention if attention and address.attention != address.name else ""
    foreign = address.country if address.country and address.country != home else ""
    lines = [
        address.name,
        f"{attention} {contact}" if contact else "",
        address.street,
        address.additional,
        address.extra_line,
        *place,
        COUNTRIES.get(foreign, foreign).upper(),
    ]
    return [clip(line, 120) for line in lines if line]


def period_of(node: etree._Element | None) -> str:
    start, end = text(node, "cbc:StartDate"), text(node, "cbc:EndDate")
    return f"{start} – {end}" if start and end else start or end
