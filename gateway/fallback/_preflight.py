"""Can a bureau print this, and does the envelope's window show the address and nothing else?

Read before a letter is handed over, since a bureau's answer comes hours later. It is a test of rectangles on the words
of the text layer (``_sheet.py``) against the envelope (``_envelope.py``); every fault says in millimetres what to move.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import ChannelRefused
from gateway.fallback._envelope import Box, Envelope
from gateway.fallback._sheet import Sheet, Unreadable, Word, read_sheets

_TOLERANCE: Final = 1.0
"""Millimetres by which paper may differ from A4."""
SLACK: Final = 0.3
"""Millimetres that a word may stand over an edge: no insert lies more exactly."""
_PART: Final = 6.0
"""Millimetres between two words of a line that part them into two blocks."""
_SHOWN: Final = 4
"""Faults that are told of one letter."""
_RENDER: Final = "This is a fault of the page's template: tell whoever made it."


@dataclass(frozen=True, slots=True)
class Limits:
    """What one letter may have: pages and octets."""

    pages: int
    octets: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that keeps a letter from being printed."""

    rule: str
    text: str


def count_pages(page: bytes, limits: Limits, envelope: Envelope, address: Sequence[str], *, duplex: bool) -> int:
    """Check a letter and give its number of pages; raises ``ChannelRefused`` with what is wrong."""
    if len(page) > limits.octets:
        raise ChannelRefused(
            f"The letter has {len(page):,} bytes, more than the {limits.octets:,} of print.max_bytes",
            remedy="Leave out attachments of the invoice, or raise print.max_bytes if the bureau takes it.",
        )
    try:
        pages, faults = inspect(page, envelope, address, most=limits.pages, duplex=duplex)
    except Unreadable as error:
        raise ChannelRefused(f"The letter's PDF cannot be read: {error}"[:300], remedy=_RENDER) from error
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        text = "; ".join(fault.text for fault in faults[:_SHOWN]) + more
        raise ChannelRefused(f"Preflight ({envelope.name}): {text}", remedy=_remedy(faults))
    return pages


def _remedy(faults: Sequence[Fault]) -> str:
    if any(fault.rule in ("pages", "sheets") for fault in faults):
        return "Send this invoice another way, or name an envelope that takes more in print.envelope."
    if any(fault.rule in ("address", "window") for fault in faults):
        return "Move what is named, or name the envelope that the bureau uses in print.envelope."
    return _RENDER


def inspect(
    page: bytes, envelope: Envelope, address: Sequence[str], *, most: int, duplex: bool = True
) -> tuple[int, list[Fault]]:
    """Pages of the PDF, and everything that is wrong with it. Raises :class:`Unreadable`."""
    document = read_sheets(page, most=most)
    if document.encrypted:
        return document.pages, [Fault("encrypted", "the PDF is encrypted")]
    if not 1 <= document.pages <= most:
        text = f"it has {document.pages} pages; between 1 and {most} (print.max_pages) can be printed"
        return document.pages, [Fault("pages", text)]
    faults: list[Fault] = []
    sheets = (document.pages + 1) // 2 if duplex else document.pages
    if sheets > envelope.most_sheets:
        faults.append(Fault("sheets", f"{sheets} sheets; the envelope takes {envelope.most_sheets}"))
    for number, sheet in enumerate(document.sheets, 1):
        faults += _sheet_faults(number, sheet, envelope)
    if document.sheets:
        first = document.sheets[0]
        faults += window_faults(first.words, first.pictures, envelope, address)
    return document.pages, faults


def _sheet_faults(number: int, sheet: Sheet, envelope: Envelope) -> list[Fault]:
    faults: list[Fault] = []
    width, height = envelope.page
    if abs(sheet.width - width) > _TOLERANCE or abs(sheet.height - height) > _TOLERANCE:
        paper = "A4" if envelope.page == (210, 297) else f"{width:g} × {height:g} mm"
        return [Fault("paper", f"page {number} is {sheet.width:.0f} × {sheet.height:.0f} mm, not {paper}")]
    for font in sheet.loose_fonts[:1]:
        faults.append(Fault("fonts", f"the font {font[:60]} of page {number} is not embedded"))
    if sheet.hidden:
        text = f"page {number} has text that cannot be seen (“{sheet.hidden}”), which some bureaus print"
        faults.append(Fault("hidden", text))
    edge = envelope.margins
    inside = Box(x=edge.left, y=edge.top, width=width - edge.left - edge.right, height=height - edge.top - edge.bottom)
    outside = next((word for word in sheet.words if not inside.holds(word.box, SLACK)), None)
    if outside is not None:
        faults.append(
            Fault("margin", f"{_named(outside)} of page {number} is in the margin: {_inwards(outside, inside)}")
        )
    return faults


def window_faults(
    words: Sequence[Word], pictures: Sequence[Box], envelope: Envelope, address: Sequence[str]
) -> list[Fault]:
    """What is wrong with the first sheet: the address, what else can be seen in the window, forbidden zones."""
    faults: list[Fault] = []
    mine: set[int] = set()
    blocks = _blocks(words)
    for line in address:
        found = [block for block in blocks if _bare(words, block) == _letters(line) and not mine & set(block)]
        if not found:
            faults.append(Fault("address", f"the address line “{line}” does not stand on the first page as it should"))
            continue
        best = min(found, key=lambda block: _far(_around(words, block), envelope.address))
        mine.update(best)
        box = _around(words, best)
        if not envelope.address.holds(box, SLACK):
            faults.append(Fault("address", f"the address line “{line}” {_outside(box, envelope.address)}"))
    for place, word in enumerate(words):
        if place in mine:
            continue
        sender = envelope.return_line.holds(word.box, SLACK)
        if word.box.meets(envelope.window, SLACK) and not sender:
            away = _away(word.box, envelope.window)
            faults.append(Fault("window", f"{_named(word)} can be seen in the window: move it {away}"))
        for zone in envelope.forbidden:
            if word.box.meets(zone, SLACK):
                away = _away(word.box, zone)
                faults.append(Fault("zone", f"{_named(word)} is in the zone of the {zone.name}: move it {away}"))
    for picture in pictures:
        for zone in (envelope.window, *envelope.forbidden):
            if picture.meets(zone, SLACK):
                what = f"the zone of the {zone.name}" if zone.name else "the window"
                faults.append(Fault("picture", f"a picture reaches into {what}: move it {_away(picture, zone)}"))
    return faults


def _letters(text: str) -> str:
    """The text without spaces, as it compares."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(letter for letter in plain if unicodedata.category(letter)[0] not in "CZ")


def _bare(words: Sequence[Word], block: Sequence[int]) -> str:
    return _letters("".join(words[place].text for place in block))


def _blocks(words: Sequence[Word]) -> list[list[int]]:
    """Words side by side on one line, from left to right, parted where the space is wide."""
    lines: list[list[int]] = []
    for place in sorted(
        range(len(words)), key=lambda at: (words[at].box.y + words[at].box.height / 2, words[at].box.x)
    ):
        middle = words[place].box.y + words[place].box.height / 2
        last = words[lines[-1][0]].box if lines else None
        if last is not None and abs(last.y + last.height / 2 - middle) < last.height * 0.3:
            lines[-1].append(place)
        else:
            lines.append([place])
    blocks: list[list[int]] = []
    for line in lines:
        line.sort(key=lambda at: words[at].box.x)
        begun = [line[0]]
        for place in line[1:]:
            if words[place].box.x - words[begun[-1]].box.right > _PART:
                blocks.append(begun)
                begun = []
            begun.append(place)
        blocks.append(begun)
    return blocks


def _around(words: Sequence[Word], block: Sequence[int]) -> Box:
    boxes = [words[place].box for place in block]
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    right, bottom = max(box.right for box in boxes), max(box.bottom for box in boxes)
    return Box(x=left, y=top, width=right - left, height=bottom - top)


def _far(box: Box, of: Box) -> float:
    return abs(box.x - of.x) + abs(box.y - of.y)


def _named(word: Word) -> str:
    return f"“{word.text[:30]}” at {word.box.x:.0f}/{word.box.y:.0f} mm"


def _outside(box: Box, wanted: Box) -> str:
    """How far a line stands out of its box, and where it would have to go."""
    if box.width > wanted.width + SLACK:
        return f"is {box.width:.1f} mm wide, and the window shows {wanted.width:.1f} mm: set it smaller or break it"
    right, down = _shift(box.x, box.right, wanted.x, wanted.right), _shift(box.y, box.bottom, wanted.y, wanted.bottom)
    ways = [_way(right, "right", "left"), _way(down, "down", "up")]
    return f"is not inside the window's address box: move it {' and '.join(way for way in ways if way)}"


def _shift(low: float, high: float, least: float, most: float) -> float:
    return least - low if low < least else most - high if high > most else 0.0


def _way(amount: float, ahead: str, back: str) -> str:
    return f"{abs(amount):.1f} mm {ahead if amount > 0 else back}" if abs(amount) > SLACK else ""


def _inwards(word: Word, inside: Box) -> str:
    right = _shift(word.box.x, word.box.right, inside.x, inside.right)
    down = _shift(word.box.y, word.box.bottom, inside.y, inside.bottom)
    ways = [_way(right, "right", "left"), _way(down, "down", "up")]
    return f"move it {' and '.join(way for way in ways if way)}"


def _away(box: Box, zone: Box) -> str:
    """The shortest way out of a zone."""
    ways = (
        (box.bottom - zone.y, "up"),
        (zone.bottom - box.y, "down"),
        (box.right - zone.x, "left"),
        (zone.right - box.x, "right"),
    )
    amount, where = min(ways)
    return f"{amount:.1f} mm {where}"
