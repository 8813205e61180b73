"""Drawn pages as grey pixels, what an optical reader says of them, and pictures of places. Pure.

The pixels come from a process that is not believed, so they are only counted and copied here, never decoded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.model.scan import Place, Word

_MOST_WORDS: Final = 20_000
_MARGIN: Final = 0.012
_LARGEST_SIDE: Final = 8_000


@dataclass(frozen=True, slots=True)
class Page:
    """One page: rows of grey pixels from the top, an octet each."""

    number: int
    width: int
    height: int
    pixels: bytes

    def turned(self) -> Page:
        """Upside down."""
        return Page(self.number, self.width, self.height, self.pixels[::-1])

    def pgm(self) -> bytes:
        """As a Netpbm grey map, which every optical reader takes."""
        return b"P5\n%d %d\n255\n" % (self.width, self.height) + self.pixels

    def crop(self, place: Place) -> bytes:
        """A PNG of the place with a margin."""
        left = max(0, int((place.left - _MARGIN * 2) * self.width))
        right = min(self.width, int((place.left + place.width + _MARGIN * 2) * self.width) + 1)
        top = max(0, int((place.top - _MARGIN) * self.height))
        bottom = min(self.height, int((place.top + place.height + _MARGIN) * self.height) + 1)
        if right <= left or bottom <= top:
            left, top, right, bottom = 0, 0, self.width, min(self.height, 200)
        rows = [
            self.pixels[row * self.width + left : row * self.width + right]
            for row in range(top, min(bottom, top + 600))
        ]
        return png(right - left, rows)


def png(width: int, rows: Sequence[bytes]) -> bytes:
    """Grey rows as PNG (ISO/IEC 15948)."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, len(rows), 8, 0, 0, 0, 0)
    content = zlib.compress(b"".join(b"\x00" + row for row in rows), 6)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def pages_of(drawn: object, pixels: bytes) -> list[Page] | None:
    """The pages of an answer; None when sizes and pixels do not agree."""
    if not isinstance(drawn, list):
        return None
    found, at = [], 0
    for row in drawn:
        if not (isinstance(row, list) and len(row) == 3 and all(isinstance(one, int) for one in row)):
            return None
        number, width, height = row
        if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE) or at + width * height > len(pixels):
            return None
        found.append(Page(number, width, height, pixels[at : at + width * height]))
        at += width * height
    return found


def words_of(rows: object) -> tuple[Word, ...]:
    """The words of an answer; what has another form is left out."""
    if not isinstance(rows, list):
        return ()
    return tuple(word for row in rows[:_MOST_WORDS] if (word := _word(row)) is not None)


def _word(row: Any) -> Word | None:
    if not (isinstance(row, list) and len(row) == 7 and isinstance(row[0], str) and isinstance(row[1], int)):
        return None
    if not all(isinstance(one, int | float) for one in row[2:]):
        return None
    left, top, right, bottom, confidence = map(float, row[2:])
    text = "".join(c for c in row[0][:200] if c.isprintable())
    return Word(text, row[1], left, top, right, bottom, confidence) if text else None


def tesseract_words(table: bytes, page: Page) -> list[Word]:
    """The words of tesseract's TSV: level 5, boxes in pixels, confidence in per cent."""
    words = []
    for line in table.decode("utf-8", "replace").splitlines()[1 : _MOST_WORDS + 1]:
        cells = line.split("\t")
        if len(cells) != 12 or cells[0] != "5":
            continue
        try:
            left, top, width, height = (int(cell) for cell in cells[6:10])
            confidence = float(cells[10]) / 100
        except ValueError:
            continue
        text = "".join(c for c in cells[11].strip() if c.isprintable())
        if text and confidence >= 0:
            words.append(
                Word(
                    text[:200],
                    page.number,
                    left / page.width,
                    top / page.height,
                    (left + width) / page.width,
                    (top + height) / page.height,
                    min(1.0, confidence),
                )
            )
    return words
