"""The verdict on a document: which packs apply, what they find, in words.

Source of the choice: Peppol Policy for use of Identifiers (CustomizationID names the specification).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from lxml import etree

from gateway.errors import ConfigurationError
from gateway.model.document import Finding, Severity, Verdict
from gateway.ubl import schema
from gateway.ubl.invoice import read_date
from gateway.ubl.names import is_invoice, text
from gateway.ubl.rules import sentences
from gateway.ubl.rules.engine import Outcome, program
from gateway.ubl.rules.pack import Fault, Pack, load, newest
from gateway.ubl.rules.peppol.identifiers import OF_ADDRESSES

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
SCHEMA: Final = ("UBL XSD", "2.1")
MAX_FINDINGS: Final = 200
"""More are counted, not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the packs say of one document."""

    outcomes: tuple[Outcome, ...] = ()
    """Empty when no pack here speaks about such documents: then it is not validated, and :attr:`valid` says little."""
    language: str = "en"

    @property
    def packs(self) -> tuple[Pack, ...]:
        """The packs that were applied."""
        return tuple(outcome.pack for outcome in self.outcomes)

    @property
    def valid(self) -> bool:
        """No fatal finding, and no rule set that ended with an error."""
        return not (self._stopped or any(True for _ in self._fatal()))

    @property
    def addresses_only(self) -> bool:
        """Not valid, and only for form or check digits of electronic addresses."""
        return not (self.valid or self._stopped) and all(
            rule in OF_ADDRESSES and fault.node.name == "cbc:EndpointID" for rule, fault in self._fatal()
        )

    @property
    def _stopped(self) -> bool:
        return any(outcome.stopped is not None for outcome in self.outcomes)

    def _fatal(self) -> Iterator[tuple[str, Fault]]:
        for outcome in self.outcomes:
            yield from (found for found in outcome.faults if outcome.pack.rules[found[0]] is Severity.FATAL)

    @property
    def count(self) -> int:
        """How many findings there are."""
        return sum(len(outcome.faults) + (outcome.stopped is not None) for outcome in self.outcomes)

    def findings(self, most: int = MAX_FINDINGS) -> list[Finding]:
        """The findings in words, fatal ones first, at most so many."""
        ended = [(o.pack, o.stopped) for o in self.outcomes if o.stopped is not None]
        rows = [(outcome.pack.rules[rule], rule, fault) for outcome in self.outcomes for rule, fault in outcome.faults]
        rows.sort(key=lambda row: row[0] is not Severity.FATAL)
        stopped = [sentences.stopped(error, self.language, pack.title) for pack, error in ended]
        left = max(most - len(stopped), 0)
        return stopped + [sentences.finding(rule, level, fault, self.language) for level, rule, fault in rows[:left]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """Which releases judge, and in which language they speak."""

    releases: tuple[str, ...] = ()
    """``NAME=VERSION`` of packs whose release is not chosen by the issue date."""
    language: str = "en"

    def __post_init__(self) -> None:
        if self.language not in sentences.LANGUAGES:
            known = ", ".join(sentences.LANGUAGES)
            raise ConfigurationError([("rules.language", f"“{self.language}” is not one of {known}")])
        for release in self.releases:
            name, sign, version = release.partition("=")
            if not sign:
                raise ConfigurationError([("rules.releases", f"“{release}” must be written NAME=VERSION")])
            load(name, version)

    def verdict(self, octets: bytes, root: etree._Element, profile: str = "", *, checked: bool = False) -> Verdict:
        """Schema first (unless ``checked``), which stops; then the rules. Raises as :meth:`judge`."""
        if not is_invoice(root):
            return Verdict()
        found = [] if checked else schema.check(octets, root, language=self.language)
        if found:
            return Verdict(packs=(SCHEMA,), findings=tuple(found), count=len(found), valid=False)
        judgement = self.judge(root, profile, octets)
        return Verdict(
            packs=(SCHEMA, *((pack.name, pack.version) for pack in judgement.packs)),
            judged=bool(judgement.packs),
            findings=tuple(judgement.findings()) if judgement.count else (),
            count=judgement.count,
            valid=judgement.valid,
            addresses_only=judgement.count > 0 and judgement.addresses_only,
        )

    def judge(self, root: etree._Element, profile: str = "", octets: bytes = b"") -> Judgement:
        """Judge a document that has passed its schema, by the packs of its own or the given profile.

        ``octets``, what it was read from, makes it faster. Raises :class:`ConfigurationError` for an unknown profile.
        """
        return judge(root, packs_of(root, profile, self.releases), octets, language=self.language)


def profile_of(root: etree._Element) -> str:
    """The profile that a document claims by its CustomizationID; ``ubl`` where no pack here speaks about it."""
    customization = text(root, "cbc:CustomizationID")
    if not customization.startswith(_EN16931):
        return "ubl"
    # Longer names first: an extension of Peppol is written behind Peppol's own name.
    return next((profile for name, profile in _OF_PEPPOL.items() if name in customization), "en16931")


def packs_of(root: etree._Element, profile: str = "", releases: Sequence[str] = ()) -> tuple[Pack, ...]:
    """The packs for a document: those of its own or the given profile, in the release of its issue date.

    ``releases`` names other releases (``en16931=1.3.16``). Raises :class:`ConfigurationError` for unknown names.
    """
    if not is_invoice(root):
        return ()
    wanted = dict(release.split("=", 1) for release in releases)
    day = read_date(text(root, "cbc:IssueDate"))
    return tuple(_pack(name, wanted.get(name, ""), day) for name in names_of(profile or profile_of(root)))


def names_of(profile: str) -> tuple[str, ...]:
    """The pack names of a profile."""
    if profile not in PROFILES:
        raise ConfigurationError([("profile", f"“{profile}” is unknown; one of {', '.join(PROFILES)}")])
    return PROFILES[profile]


def _pack(name: str, version: str, day: date | None) -> Pack:
    return load(name, version) if version else newest(name, day)


def judge(root: etree._Element, packs: Sequence[Pack], octets: bytes = b"", *, language: str = "en") -> Judgement:
    """Judge a document that has passed its schema; see :meth:`Program.judge`."""
    outcomes = tuple(program(*packs).judge(root, octets)) if packs else ()
    return Judgement(outcomes=outcomes, language=language)
