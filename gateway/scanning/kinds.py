"""What a file is, by its first octets and not by its name: pure, a look before anything opens it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final, Literal

from gateway.model.scan import Refusal

Kind = Literal["pdf", "png", "jpeg", "tiff"]

MEDIA_TYPES: Final[dict[Kind, str]] = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "tiff": "image/tiff",
}
SUFFIXES: Final[dict[str, Kind]] = {
    ".pdf": "pdf",
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
}
_MAGIC: Final[tuple[tuple[bytes, Kind], ...]] = (
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
)
_TAIL: Final = 66_000
"""Octets: a ZIP archive has its directory's end within the last 65,557."""
_HEAD: Final = 2_048
_MARKUP: Final = re.compile(rb"<(?:!doctype html|html|script|svg|\?php|body)\b", re.IGNORECASE)


def kind_of(octets: bytes, file_name: str = "", media_type: str = "") -> Kind | Refusal:
    """What it is, or why it is not taken."""
    if not octets:
        return Refusal(name="empty", en="The file is empty.", sv="Filen är tom.")
    found = next((kind for magic, kind in _MAGIC if octets.startswith(magic)), None)
    if found is None:
        return Refusal(
            name="type",
            en="The file is neither PDF, TIFF, JPEG nor PNG. Send the invoice as PDF.",
            sv="Filen är varken PDF, TIFF, JPEG eller PNG. Skicka fakturan som PDF.",
        )
    if b"PK\x05\x06" in octets[-_TAIL:] or _MARKUP.search(octets[:_HEAD]) or b"%PDF-" in octets[5:_HEAD]:
        return Refusal(
            name="polyglot",
            en="The file is two kinds of file in one (for example a PDF and an archive); that is not taken.",
            sv="Filen är två slags filer i en (till exempel PDF och arkiv); sådana tas inte emot.",
        )
    if found == "pdf" and (problem := _after_pdf(octets)):
        return problem
    named = SUFFIXES.get(PurePosixPath(file_name.lower()).suffix)
    said = next((kind for kind, name in MEDIA_TYPES.items() if name == media_type.lower()), None)
    for other in (named, said):
        if other is not None and other != found:
            return Refusal(
                name="wrong-name",
                en=f"The file says that it is {other.upper()}, but it is {found.upper()}. Name it as what it is.",
                sv=f"Filen anges vara {other.upper()} men är {found.upper()}. Ge den rätt namn.",
            )
    return found


def _after_pdf(octets: bytes) -> Refusal | None:
    """A PDF ends with its end mark; something else behind it is somebody else's file."""
    end = octets.rfind(b"%%EOF")
    if end < 0:
        return Refusal(
            name="cut-off",
            en="The PDF has no end: it was cut off on its way. Send it again.",
            sv="PDF-filen saknar slut: den har kapats på vägen. Skicka den igen.",
        )
    if len(octets[end + 5 :].strip(b"\r\n\t \x00")) > 64:
        return Refusal(
            name="polyglot",
            en="There is something behind the end of the PDF; that is not taken.",
            sv="Det ligger något efter slutet på PDF-filen; sådant tas inte emot.",
        )
    return None
