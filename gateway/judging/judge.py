"""A document and the official packs that are for it: what each of them says.

A pack that ends with an error of its own on a document has refused it; a pack that could not be run has said nothing,
and then there is no judgement at all (:class:`RulesUnavailable`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Final

from lxml import etree

from gateway.config import Rules
from gateway.errors import RulesUnavailable
from gateway.judging.pack import Pack, UnusablePack, choose
from gateway.judging.reading import Source
from gateway.judging.shelf import Shelf
from gateway.judging.svrl import Place, read_report
from gateway.judging.workers import Aborted, Limits, NoProcessor, PackBroken, Workers
from gateway.model.document import Finding, Severity

ABORTED: Final = "ABORTED"
"""The rule that a pack's own error is reported under."""
_CII_GUIDELINE: Final = "{*}ExchangedDocumentContext/{*}GuidelineSpecifiedDocumentContextParameter/{*}ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one pack says of one document."""

    pack: Pack
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def refused(self) -> bool:
        return any(finding.severity is Severity.FATAL for finding in self.findings)


def kind_of(root: etree._Element) -> tuple[str, str]:
    """The root element as ``{namespace}Name``, and the CustomizationID (of CII: the guideline)."""
    said = root.find("{*}CustomizationID")
    if said is None:
        said = root.find(_CII_GUIDELINE)
    return str(root.tag), ("" if said is None else "".join(map(str, said.itertext()))).strip()


class Judge:
    """Runs installed packs. May be used from several threads; each call blocks."""

    def __init__(self, shelf: Shelf, workers: Workers, place: Place) -> None:
        self._shelf = shelf
        self._workers = workers
        self._place = place

    def installed(self) -> list[Pack]:
        """Every installed pack."""
        return self._shelf.packs()

    def named(self, name: str, day: date) -> Pack:
        """The installed pack of this name that is in force, whatever documents it is for; raises ``NotFound``."""
        packs = self._shelf.find(name)
        return max(packs, key=lambda pack: (pack.valid_on(day), pack.valid_from or date.min, pack.installed))

    def packs_for(self, root: etree._Element, day: date) -> list[Pack]:
        """The installed packs that are for this document on this day."""
        return choose(self._shelf.packs(), *kind_of(root), day)

    def judge(self, root: etree._Element, packs: Sequence[Pack]) -> list[Judgement]:
        """What each pack says of a document that ``safexml`` parsed. Raises :class:`RulesUnavailable`."""
        octets = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
        return [self._one(root, octets, pack) for pack in packs]

    def _one(self, root: etree._Element, octets: bytes, pack: Pack) -> Judgement:
        began = time.perf_counter()
        try:
            report = self._workers.judge(pack.stylesheet_sha256, partial(self._shelf.program, pack), octets)
            findings = _aborted(pack, report) if isinstance(report, Aborted) else read_report(report, root, self._place)
        except (PackBroken, ValueError) as error:
            raise RulesUnavailable(
                f"The rule pack {pack.name} {pack.version} cannot be used: {error}",
                remedy=f"gateway rules remove {pack.name}, then install it again as its publisher offers it.",
            ) from None
        return Judgement(pack=pack, findings=tuple(findings), seconds=time.perf_counter() - began)


def _aborted(pack: Pack, report: Aborted) -> list[Finding]:
    text = (
        f"The rule set {pack.name} ended with an error on this document, which refuses it: {report.text[:500]}. "
        "Usually an amount, date or identifier cannot be read as one, or stands twice where one is allowed."
    )
    return [Finding(rule=ABORTED, message=text)]


def install(source: Source, shelf: Shelf, workers: Workers) -> tuple[Pack, bool, NoProcessor | None]:
    """Compile a pack once as proof and keep it; without a processor it is kept unproven, and the error returned.

    Raises :class:`UnusablePack` when it does not compile.
    """
    missing = None
    proved = ""
    try:
        proved = workers.prove(source.pack.stylesheet_sha256, source.program)
    except NoProcessor as error:
        missing = error
    except PackBroken as error:
        raise UnusablePack(f"{source.pack.file} does not compile: {str(error)[:1500]}") from None
    pack, new = shelf.put(source, proved=proved)
    return pack, new, missing


def dated(source: Source, *, installed: str, valid_from: date | None, valid_to: date | None) -> Source:
    """The pack with the days that the operator says."""
    if valid_from and valid_to and valid_to < valid_from:
        raise UnusablePack(f"It would end ({valid_to}) before it begins ({valid_from})", remedy="Exchange the days.")
    return replace(source, pack=replace(source.pack, installed=installed, valid_from=valid_from, valid_to=valid_to))


@contextmanager
def open_judge(rules: Rules, place: Place) -> Iterator[Judge]:
    """A judge over the packs and limits of ``[rules]``; its processes end with the block."""
    limits = Limits(seconds=rules.time_limit.total_seconds(), memory=rules.memory_limit)
    with Workers(most=rules.workers, limits=limits) as workers:
        yield Judge(Shelf(rules.folder), workers, place)
