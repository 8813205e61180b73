"""What every part of the readable page shares: the page in hand, bounded texts, address labels."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from lxml import etree

from gateway.model.address import letter_lines
from gateway.model.document import Facts, PostalAddress
from gateway.ubl.names import text
from gateway.ubl.page_words import WORDS, Language, number, pick

LONG: Final = 4_000
"""Characters of a note or description."""
SHORT: Final = 300
"""Characters of any other value."""

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


def address_lines(address: PostalAddress, *, home: str, person: Language | None = None) -> list[str]:
    """The lines of an address label as letters have them; with the person's name only when a language is given."""
    shown = address if person else replace(address, attention="")
    return [clip(line, 120) for line in letter_lines(shown, home, person or "en")]


def period_of(node: etree._Element | None) -> str:
    start, end = text(node, "cbc:StartDate"), text(node, "cbc:EndDate")
    return f"{start} – {end}" if start and end else start or end
