"""What the tests of documents share."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import resources
from io import BytesIO
from pathlib import Path

from pypdf import PdfReader

_WORD = re.compile(r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>')
_MM = 25.4 / 72


def example(name: str) -> bytes:
    """One of our own sample invoices."""
    return resources.files("gateway.ubl").joinpath("examples", f"{name}.xml").read_bytes()


def changed(document: bytes, *pairs: tuple[str, str]) -> bytes:
    """The document with texts replaced; each must be there."""
    text = document.decode()
    for old, new in pairs:
        assert old in text, f"{old} is not in the document"
        text = text.replace(old, new)
    return text.encode()


@dataclass(frozen=True)
class Word:
    """A word on a sheet, in mm from the top-left corner. Without poppler only its start is known."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


def words_of_first_sheet(pdf: bytes, folder: Path) -> list[Word]:
    """Every word of the first sheet with its place."""
    if shutil.which("pdftotext") is None:
        return _words_by_pypdf(pdf)
    path = folder / "page.pdf"
    path.write_bytes(pdf)
    shown = subprocess.run(
        ["pdftotext", "-bbox", "-f", "1", "-l", "1", str(path), "-"], capture_output=True, check=True, text=True
    ).stdout
    return [Word(word, *(float(place) * _MM for place in places)) for *places, word in _WORD.findall(shown)]


def _words_by_pypdf(pdf: bytes) -> list[Word]:
    sheet = PdfReader(BytesIO(pdf)).pages[0]
    height = float(sheet.mediabox.height)
    words: list[Word] = []

    def visit(text: str, matrix: list[float], position: list[float], *_: object) -> None:
        if text.strip():
            left = (position[4] * matrix[0] + matrix[4]) * _MM
            top = (height - (position[5] * matrix[3] + matrix[5])) * _MM
            words.append(Word(text.strip(), left, top, left, top))

    sheet.extract_text(visitor_text=visit)
    return words


def text_of(pdf: bytes) -> str:
    """The text of all sheets with ordinary blanks."""
    text = "\n".join(sheet.extract_text() for sheet in PdfReader(BytesIO(pdf)).pages)
    return text.replace("\u00a0", " ").replace("\u200b", "")
