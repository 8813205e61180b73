"""Reads a foreign file: from its octets to fields with witnesses, step by step and no further than needed. [I/O]

The file is opened in a process of its own (``child.py``), pictures are read by tesseract in another; what comes back
is text, boxes and pixels, which are weighed here.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import statistics
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.model.scan import NEEDED, Candidate, Code, Field, Reading, Supplier, Word
from gateway.scanning import codes, embedded, finding, kinds, pages, process, weighing
from gateway.scanning.finding import Found
from gateway.scanning.pages import Page
from gateway.scanning.process import Ended, Room
from gateway.scanning.texts import refusal

log = logging.getLogger(__name__)

SuppliersOf = Callable[[Collection[str]], Awaitable[Sequence[Supplier]]]
"""What the account knows of the suppliers whose numbers stand on the page."""
_FEW: Final = 8
"""A page with fewer words in its text layer is a picture with a stamp on it."""
_UNSURE: Final = 0.55


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a file may be."""

    octets: int = 20_000_000
    pages: int = 30
    pixels: int = 60_000_000
    drawn: int = 4
    """Pages that are drawn and looked at for codes and pictures of text."""
    dpi: int = 200
    width: int = 2_600
    """Pixels of a page's longer side, halved, to which larger scans are made smaller."""
    room: Room = field(default_factory=Room)
    seconds: float = 90.0
    """On the clock, for all that is done with one file."""

    def sizes(self) -> dict[str, int]:
        """What the process that opens a file is told."""
        return {name: getattr(self, name) for name in ("pages", "pixels", "drawn", "dpi", "width")}


@dataclass(slots=True)
class _Sight:
    """What has been seen of one file so far."""

    words: tuple[Word, ...]
    codes: tuple[Code, ...]
    pages: list[Page]
    rungs: list[str]
    found: list[Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReader:
    """Reads files, a few at a time."""

    limits: Limits = field(default_factory=Limits)
    language: str = "swe"
    second_language: str = "eng"
    """Another model of the optical reader: its second opinion."""
    program: str = field(default_factory=lambda: shutil.which("tesseract") or "")
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def read(
        self,
        octets: bytes,
        *,
        file_name: str = "",
        media_type: str = "",
        own: Collection[str] = (),
        suppliers_of: SuppliersOf,
    ) -> Reading:
        """Read one file. ``own``: numbers and names of the account itself. Never raises for what is in the file."""
        if len(octets) > self.limits.octets:
            return Reading(refusal=refusal("too-large"))
        kind = kinds.kind_of(octets, file_name, media_type)
        if not isinstance(kind, str):
            return Reading(refusal=kind)
        async with self.at_once:
            try:
                async with asyncio.timeout(self.limits.seconds):
                    return await self._read(octets, kind, own, suppliers_of)
            except TimeoutError:
                return Reading(media_type=kinds.MEDIA_TYPES[kind], refusal=refusal("too-long"))

    async def _read(self, octets: bytes, kind: kinds.Kind, own: Collection[str], suppliers_of: SuppliersOf) -> Reading:
        media_type = kinds.MEDIA_TYPES[kind]
        seen, drawn = await self._look(octets, kind)
        if reason := seen.get("refused"):
            return Reading(media_type=media_type, refusal=refusal(str(reason)))
        count = int(seen.get("pages", 0))
        words = pages.words_of(seen.get("words"))
        sight = _Sight(words, codes_of(seen.get("codes")), drawn, [], [])
        if words:
            sight.found.append(await asyncio.to_thread(finding.find, words, "text"))
            sight.rungs.append("text")
        if (read := await asyncio.to_thread(_invoice_in, seen.get("xml"))) is not None:
            return self._structured(*read, media_type, count, sight)
        if any(codes.read(code.text) for code in sight.codes):
            sight.rungs.insert(0, "code")
        reading = Reading(media_type=media_type, pages=count)
        return await self._climb(reading, sight, own, suppliers_of)

    async def _look(self, octets: bytes, kind: kinds.Kind) -> tuple[dict[str, Any], list[Page]]:
        seen, pixels = await process.ask(octets, kind, self.limits.sizes(), self.limits.room)
        if "refused" in seen:
            return seen, []
        drawn = pages.pages_of(seen.get("drawn", []), pixels)
        return (seen, drawn) if drawn is not None else ({"refused": "crashed"}, [])

    def _structured(self, values: dict[str, str], xml: bytes, media_type: str, count: int, sight: _Sight) -> Reading:
        """An invoice embedded as XML: believed as it is, unless the page shows something else."""
        fields = {
            name: Field(
                name=name,
                value=value,
                accepted=True,
                candidates=(Candidate(value=value, shown=value, witnesses=("xml", "structure")),),
            )
            for name, value in values.items()
        }
        reading = Reading(media_type=media_type, pages=count, rungs=("xml", *sight.rungs), fields=fields)
        differs = bool(sight.found) and _differs(values, sight.found[0])
        return replace(reading, xml=xml, refusal=refusal("xml-differs") if differs else None)

    async def _climb(self, reading: Reading, sight: _Sight, own: Collection[str], suppliers_of: SuppliersOf) -> Reading:
        picture = len(sight.words) < _FEW * max(1, len(sight.pages))
        weighed = None
        if not sight.words and not sight.codes and _blank(sight):
            return replace(reading, refusal=refusal("blank"))
        if not picture:
            weighed = await self._weigh(sight, own, suppliers_of)
        if picture or (weighed is not None and _lacks(weighed) and not _other(sight)):
            if not self.program:
                if picture and "code" not in sight.rungs:
                    return replace(reading, rungs=tuple(sight.rungs), refusal=refusal("no-reader"))
            else:
                await self._optical(sight, self.language, "ocr")
                weighed = await self._weigh(sight, own, suppliers_of)
                if _lacks(weighed) and picture and not _other(sight):
                    await self._optical(sight, self.second_language, "second reading")
                    weighed = None
        weighed = weighed or await self._weigh(sight, own, suppliers_of)
        why = _why_a_person(sight, weighed)
        shown = {page.number: page for page in sight.pages}
        crops = {}
        for name, one in weighed.fields.items():
            if one.best and one.best.place and (page := shown.get(one.best.place.page)):
                crops[name] = page.crop(one.best.place)
        return replace(
            reading,
            rungs=tuple(sight.rungs),
            fields={n: replace(one, has_crop=n in crops) for n, one in weighed.fields.items()},
            refusal=refusal(why) if why else None,
            crops=crops,
            mentions=tuple(sorted({one for found in sight.found for one in found.organisations})),
        )

    async def _weigh(self, sight: _Sight, own: Collection[str], suppliers_of: SuppliersOf) -> weighing.Weighed:
        numbers = {number for found in sight.found for number in found.organisations}
        numbers |= {values["supplier"] for values in _read_codes(sight) if "supplier" in values}
        suppliers = await suppliers_of(numbers - set(own)) if numbers else ()
        return await asyncio.to_thread(weighing.weigh, sight.found, sight.codes, own=own, suppliers=suppliers)

    async def _optical(self, sight: _Sight, language: str, witness: str) -> None:
        """Have every drawn page read; a page that reads badly is turned upside down and read again."""
        words: list[Word] = []
        for place, page in enumerate(sight.pages):
            read = await self._page(page, language)
            if witness == "ocr" and (len(read) < _FEW or _sureness(read) < _UNSURE):
                turned = page.turned()
                again = await self._page(turned, language)
                if _sureness(again) > _sureness(read) + 0.1:
                    sight.pages[place], read = turned, again
            words += read
        sight.rungs.append("ocr") if "ocr" not in sight.rungs else None
        if witness == "ocr":
            sight.words = (*sight.words, *words)
        sight.found.append(await asyncio.to_thread(finding.find, words, witness))

    async def _page(self, page: Page, language: str) -> list[Word]:
        room = replace(self.limits.room, answer=4_000_000)
        command = [self.program, "stdin", "stdout", "-l", language, "--psm", "4", "-c", "debug_file=/dev/null", "tsv"]
        answer = await process.run(process.confined(command, room), page.pgm(), room)
        if isinstance(answer, Ended):
            log.warning("a page could not be read: %s", answer.how)
            return []
        return pages.tesseract_words(answer, page)


def _invoice_in(attached: object) -> tuple[dict[str, str], bytes] | None:
    """The first attached invoice that can be read, with its octets. Of what the child says, no more than it may say."""
    left = embedded.MOST
    for text in attached[: embedded.MOST_ATTACHED] if isinstance(attached, list) else ():
        xml = str(text).encode()
        left -= len(xml)
        if left >= 0 and (values := embedded.read(xml)) is not None:
            return values, xml
    return None


def codes_of(rows: object) -> tuple[Code, ...]:
    """The codes of an answer; what has another form is left out."""
    if not isinstance(rows, list):
        return ()
    return tuple(
        Code(format=row[0][:40], text=row[1][: codes.MOST], page=row[2])
        for row in rows[:40]
        if isinstance(row, list)
        and len(row) == 3
        and isinstance(row[0], str)
        and isinstance(row[1], str)
        and isinstance(row[2], int)
    )


def _read_codes(sight: _Sight) -> list[dict[str, str]]:
    return [values for code in sight.codes if (values := codes.read(code.text))]


def _lacks(weighed: weighing.Weighed) -> bool:
    """Whether another reader could help: something needed, or read, is not believed yet."""
    return any(not weighed.fields[name].accepted for name in NEEDED) or bool(weighed.doubtful)


def _other(sight: _Sight) -> bool:
    return any(found.other and not found.is_invoice for found in sight.found)


def _sureness(words: Sequence[Word]) -> float:
    return statistics.fmean(word.confidence for word in words) if words else 0.0


def _blank(sight: _Sight) -> bool:
    return all(page.pixels.count(b"\xff") > 0.999 * len(page.pixels) for page in sight.pages)


def _why_a_person(sight: _Sight, weighed: weighing.Weighed) -> str:
    """Why the document itself is for a person, whatever its fields are."""
    read = _read_codes(sight)
    for name in ("number", "total", "account", "supplier"):
        if len({values[name] for values in read if name in values}) > 1:
            return "several" if name == "number" else "contradicting-codes"
    pages_with_numbers = [numbers for found in sight.found[:1] for numbers in found.numbers_by_page.values()]
    if len(pages_with_numbers) > 1 and not set.intersection(*pages_with_numbers):
        return "several"
    if read:
        return ""
    if not sight.words:
        return "not-invoice"
    if any(found.other for found in sight.found):
        return "other-document"
    if not any(found.is_invoice for found in sight.found):
        return "not-invoice"
    return ""


def _differs(values: dict[str, str], found: Found) -> bool:
    """Whether the page shows another total or account than its XML says; what it does not show is no difference."""
    shown = found.candidates
    totals = {one.value for one in shown.get("total", ())}
    if totals and values["total"] not in totals:
        return True
    kind, _, _ = values.get("account", "").partition(":")
    accounts = {one.value for one in shown.get("account", ()) if one.value.startswith(f"{kind}:")}
    return bool(kind and accounts and values["account"] not in accounts)
