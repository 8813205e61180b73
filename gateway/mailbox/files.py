"""The invoices in a mail: its PDF attachments, and what is said of everything else. No file is opened here."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from typing import Final

from gateway.mailbox.mime import decoded, parts

_ARCHIVES: Final = (b"PK\x03\x04", b"PK\x05\x06", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
_LARGEST: Final = 20_000_000
_PDF: Final = b"%PDF-"
_HEAD: Final = 1024
"""Octets within which readers look for the head of a PDF."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One PDF attachment."""

    number: int
    """Its place in the mail, which is part of its key."""
    name: str
    media_type: str
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Why something of the mail was not taken, in both languages."""

    name: str
    english: str
    swedish: str


def files_of(message: Message, most: int) -> tuple[list[File], list[Remark]]:
    """PDF files in their order, and remarks on what was not taken; pictures in the text are passed over in silence."""
    files: list[File] = []
    remarks: list[Remark] = []
    for number, part in enumerate(parts(message)):
        if part.is_multipart() or part.get_content_maintype() == "multipart":
            continue
        name = _name(part)
        kind = part.get_content_type()
        if kind.startswith(("text/", "message/")) and not name:
            continue
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes) or not content:
            continue
        if _PDF in content[:_HEAD]:
            if len(content) > _LARGEST:
                remarks.append(_remark(name, "too-large"))
            elif len(files) < most:
                files.append(File(number=number, name=name, media_type=kind, octets=content))
            else:
                remarks.append(_remark(name, "too-many"))
        elif kind == "application/pdf" or name.lower().endswith(".pdf"):
            remarks.append(_remark(name, "no-pdf"))
        elif content.startswith(_ARCHIVES) or name.lower().endswith((".zip", ".rar", ".7z", ".gz")):
            remarks.append(_remark(name, "archive"))
        elif part.get_content_disposition() == "attachment" and not kind.startswith("image/"):
            remarks.append(_remark(name, "other"))
    return files, remarks


_REMARKS: Final = {
    "too-large": ("is larger than 20 MB", "är större än 20 MB"),
    "too-many": (
        "was not taken: there are too many files in one mail",
        "togs inte emot: det är för många filer i ett mejl",
    ),
    "no-pdf": ("is called PDF and is none", "kallas PDF men är ingen"),
    "archive": (
        "is an archive, which is not opened: attach the PDF itself",
        "är ett arkiv, som inte öppnas: bifoga själva PDF-filen",
    ),
    "other": ("is no PDF and was not read", "är ingen PDF och lästes inte"),
}


def _remark(name: str, key: str) -> Remark:
    english, swedish = _REMARKS[key]
    return Remark(name=name, english=english, swedish=swedish)


def _name(part: Message) -> str:
    try:
        raw = part.get_filename() or ""
    except (LookupError, ValueError, TypeError):
        raw = ""
    return decoded(raw.replace("\\", "/").rpartition("/")[2], 120)
