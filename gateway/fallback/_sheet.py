"""What a PDF would put on paper: words with their places in millimetres, fonts, pictures. Needs the extra ``pdf``.

Read by PDFium, which is no friend of threads: one reads at a time. It is given our own pages; a PDF that a company
handed in is first read by ``_enclosure.py`` in a process of its own.
"""

from __future__ import annotations

import ctypes
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import ChannelUnavailable
from gateway.fallback._envelope import Box

MM: Final = 25.4 / 72
"""Millimetres of a point."""
_HIDDEN: Final = frozenset({3, 7})
"""Text rendering modes that show nothing (ISO 32000-1, 9.3.6)."""
_TEXT, _IMAGE = 1, 3
_GAP: Final = 0.35
"""A space wider than so many line heights parts words."""
PDFIUM: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Word:
    """Letters without a space between them, and the box of their line from the upper left corner, in millimetres."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One page."""

    width: float
    height: float
    words: tuple[Word, ...]
    pictures: tuple[Box, ...]
    """Images."""
    loose_fonts: tuple[str, ...]
    """Fonts that are not embedded."""
    hidden: str
    """The beginning of text that is there and cannot be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheets:
    """A whole PDF; words only of the first ``read`` pages."""

    pages: int
    encrypted: bool
    sheets: tuple[Sheet, ...]


class Unreadable(ValueError):
    """PDFium cannot read it."""


def read_sheets(octets: bytes, *, most: int) -> Sheets:
    """Read a PDF, of very many pages only the first ``most``. Raises :class:`Unreadable`, ``ChannelUnavailable``."""
    try:
        import pypdfium2
    except ImportError:
        raise ChannelUnavailable(
            "The letter cannot be checked: pypdfium2 is not installed",
            failure="local",
            remedy="Run: pip install 'access-point-gateway[pdf]'",
        ) from None
    with PDFIUM:
        try:
            document = pypdfium2.PdfDocument(octets)
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower():
                return Sheets(pages=1, encrypted=True, sheets=())
            raise Unreadable(str(error)) from None
        try:
            encrypted = pypdfium2.raw.FPDF_GetSecurityHandlerRevision(document) != -1
            read = tuple(_read(document[number]) for number in range(min(len(document), most)))
            return Sheets(pages=len(document), encrypted=encrypted, sheets=read)
        except pypdfium2.PdfiumError as error:
            raise Unreadable(str(error)) from None
        finally:
            document.close()


def _read(page: Any) -> Sheet:
    from pypdfium2 import raw

    width, height = page.get_size()
    turned = page.get_rotation()
    text = page.get_textpage()
    loose: dict[str, None] = {}
    hidden, pictures = "", list[Box]()
    for one in page.get_objects(filter=(_TEXT, _IMAGE), max_depth=6):
        if one.type == _IMAGE:
            left, bottom, right, top = one.get_bounds()
            pictures.append(_box(*_turn(left, bottom, right, top, turned, width, height), height))
            continue
        font = raw.FPDFTextObj_GetFont(one)
        if font and not raw.FPDFFont_GetIsEmbedded(font):
            loose[_font_name(raw, font)] = None
        if not hidden and raw.FPDFTextObj_GetTextRenderMode(one) in _HIDDEN:
            hidden = _text_of(raw, one, text).strip()[:40]
    words = tuple(_words(raw, text, turned, width, height))
    text.close()
    return Sheet(
        width=width * MM,
        height=height * MM,
        words=words,
        pictures=tuple(pictures),
        loose_fonts=tuple(loose),
        hidden=hidden,
    )


def _words(raw: Any, text: Any, turned: int, width: float, height: float) -> Iterator[Word]:
    """Words in the order of the text layer; a wide gap or another line ends one, whether there is a space or not."""
    letters: list[str] = []
    rect = raw.FS_RECTF()
    sides = [0.0, 0.0, 0.0, 0.0]
    for place in range(raw.FPDFText_CountChars(text)):
        code = raw.FPDFText_GetUnicode(text, place)
        letter = chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else ""
        blank = not letter or letter.isspace() or unicodedata.category(letter)[0] in "CZ"
        if not blank:
            raw.FPDFText_GetLooseCharBox(text, place, rect)
            left, bottom, right, top = _turn(rect.left, rect.bottom, rect.right, rect.top, turned, width, height)
            if right <= left or top <= bottom:
                continue
            line = top - bottom
            if letters and (left > sides[2] + _GAP * line or left < sides[2] - 2 * line or top < sides[1]):
                yield _word(letters, sides, height)
                letters = []
            if letters:
                sides = [min(sides[0], left), min(sides[1], bottom), max(sides[2], right), max(sides[3], top)]
            else:
                sides = [left, bottom, right, top]
            letters.append(letter)
        elif letters:
            yield _word(letters, sides, height)
            letters = []
    if letters:
        yield _word(letters, sides, height)


def _turn(
    left: float, bottom: float, right: float, top: float, turned: int, width: float, height: float
) -> tuple[float, float, float, float]:
    """A box of the page as it lies, on the page as it is shown: turned clockwise to ``width`` by ``height``."""
    if turned == 90:
        return bottom, height - right, top, height - left
    if turned == 180:
        return width - right, height - top, width - left, height - bottom
    if turned == 270:
        return width - top, left, width - bottom, right
    return left, bottom, right, top


def _word(letters: list[str], sides: list[float], height: float) -> Word:
    return Word("".join(letters), _box(sides[0], sides[1], sides[2], sides[3], height))


def _box(left: float, bottom: float, right: float, top: float, height: float) -> Box:
    return Box(x=left * MM, y=(height - top) * MM, width=(right - left) * MM, height=(top - bottom) * MM)


def _font_name(raw: Any, font: Any) -> str:
    length = raw.FPDFFont_GetBaseFontName(font, None, 0)
    name = ctypes.create_string_buffer(length)
    raw.FPDFFont_GetBaseFontName(font, name, length)
    return name.value.decode("utf-8", "replace") or "a font without a name"


def _text_of(raw: Any, one: Any, text: Any) -> str:
    length = raw.FPDFTextObj_GetText(one, text, None, 0)
    letters = ctypes.create_string_buffer(length + 2)
    buffer = ctypes.cast(letters, ctypes.POINTER(ctypes.c_ushort))
    raw.FPDFTextObj_GetText(one, text, buffer, length)
    return letters.raw[:length].decode("utf-16-le", "replace").rstrip("\0")
