"""Reads what a PDF shows that is attached to a document: its text and its codes, no optical reading. [I/O]

It is opened in the process of its own in which scans are opened (``process.py``). What cannot be read says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.model.scan import Code, Word
from gateway.scanning import comparing, finding, kinds, pages, process, weighing
from gateway.scanning.comparing import Compared, Difference, Stated
from gateway.scanning.pages import Page
from gateway.scanning.reader import Limits, codes_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureReader:
    """Reads attached PDFs, a few at a time."""

    limits: Limits = field(default_factory=lambda: Limits(octets=10_000_000, drawn=2, seconds=60.0))
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def compare(self, octets: bytes, stated: Stated) -> Compared | None:
        """What it shows otherwise; None where it cannot be read or is no PDF with text. Raises ``Overloaded``."""
        if len(octets) > self.limits.octets or kinds.kind_of(octets) != "pdf":
            return None
        async with self.at_once:
            try:
                async with asyncio.timeout(self.limits.seconds):
                    seen, pixels = await process.ask(octets, "pdf", self.limits.sizes(), self.limits.room)
            except TimeoutError:
                return None
        words = pages.words_of(seen.get("words"))
        if "refused" in seen or not words:
            return None
        drawn = pages.pages_of(seen.get("drawn", []), pixels) or []
        count = seen.get("pages")
        codes = codes_of(seen.get("codes"))
        found = await asyncio.to_thread(_differences, words, codes, stated)
        crops = await asyncio.to_thread(_crops, found, drawn)
        return Compared(pages=count if isinstance(count, int) else 0, differences=found, crops=crops)


def _differences(words: Sequence[Word], seen: Sequence[Code], stated: Stated) -> tuple[Difference, ...]:
    found = finding.find(words, "text")
    return comparing.differences(stated, found, seen, weighing.weigh([found], seen))


def _crops(found: Sequence[Difference], drawn: Sequence[Page]) -> dict[str, bytes]:
    shown = {page.number: page for page in drawn}
    places = [(one.name, one.shown.place) for one in found]
    return {name: shown[place.page].crop(place) for name, place in places if place and place.page in shown}
