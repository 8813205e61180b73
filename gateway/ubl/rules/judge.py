"""The verdict on a document: which packs apply, what they find, in words.

Source of the choice: Peppol Policy for use of Identifiers (CustomizationID names the specification).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from lxml import etree

from gateway.errors import ConfigurationError
from gateway.model.document import Finding, Severity
from gateway.ubl.invoice import read_date
from gateway.ubl.names import text
from gateway.ubl.rules import sentences
from gateway.ubl.rules.engine import Outcome, program
from gateway.ubl.rules.pack import Pack, load, newest

PROFILES: Final = {
    "ubl": (),
    "en16931": ("en16931",),
    "peppol": ("en16931", "peppol-billing"),
    "peppol-selfbilling": ("en16931", "peppol-selfbilling"),
}
"""Names for the command line and the setting, and the packs that they mean."""
_EN16931: Final = "urn:cen.eu:en16931:2017"
_OF_PEPPOL: Final = {
    "urn:fdc:peppol.eu:2017:poacc:billing:3.0": "peppol",
    "urn:fdc:peppol.eu:2017:poacc:selfbilling:3.0": "peppol-selfbilling",
}
MAX_FINDINGS: Final = 200
"""More are counted, not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the packs say of one document."""

    outcomes: tuple[Outcome, ...]
    language: str

    @property
    def packs(self) -> tuple[Pack, ...]:
        """The packs that were applied."""
        return tuple(outcome.pack for outcome in self.outcomes)

    @property
    def valid(self) -> bool:
        """No fatal finding, and no rule set that ended with an error."""
        return not any(
            outcome.stopped is not None or any(outcome.pack.rules[rule] is Severity.FATAL for rule, _ in outcome.faults)
            for outcome in self.outcomes
        )

    def findings(self, most: int = MAX_FINDINGS) -> list[Finding]:
        """The findings in words, fatal ones first, at most so many."""
        rows = [(outcome.pack.rules[rule], rule, fault) for outcome in self.outcomes for rule, fault in outcome.faults]
        rows.sort(key=lambda row: row[0] is not Severity.FATAL)
        ended = [sentences.stopped(o.stopped, self.language) for o in self.outcomes if o.stopped is not None]
        found = [sentences.finding(rule, severity, fault, self.language) for severity, rule, fault in rows[:most]]
        return ended + found


def profile_of(root: etree._Element) -> str:
    """The profile that a document claims by its CustomizationID; ``ubl`` where no pack here speaks about it."""
    customization = text(root, "cbc:CustomizationID")
    if not customization.startswith(_EN16931):
        return "ubl"
    # Longer names first: an extension of Peppol is written behind Peppol's own name.
    return next((profile for name, profile in _OF_PEPPOL.items() if name in customization), "en16931")


def packs_of(root: etree._Element, profile: str = "") -> tuple[Pack, ...]:
    """The packs for a document: those of its own or the given profile, in the release of its issue date.

    A profile may name releases itself: ``en16931=1.3.16``. Raises :class:`ConfigurationError` for unknown names.
    """
    day = read_date(text(root, "cbc:IssueDate"))
    return tuple(_pack(name, day) for name in names_of(profile or profile_of(root)))


def names_of(profile: str) -> tuple[str, ...]:
    """The pack names of a profile, or those that are written out with commas between them."""
    if profile in PROFILES:
        return PROFILES[profile]
    names = tuple(name.strip() for name in profile.split(",") if name.strip())
    if not names or not all("=" in name for name in names):
        known = ", ".join(PROFILES)
        raise ConfigurationError([("profile", f"“{profile}” is unknown; one of {known}, or NAME=VERSION")])
    return names


def _pack(name: str, day: date | None) -> Pack:
    name, _, version = name.partition("=")
    return load(name, version) if version else newest(name, day)


def judge(root: etree._Element, packs: Sequence[Pack], *, language: str = "en") -> Judgement:
    """Judge a document that has passed its schema. About 0.8 ms for an invoice of 10 kB."""
    outcomes = tuple(program(*packs).judge(root)) if packs else ()
    return Judgement(outcomes=outcomes, language=language)
