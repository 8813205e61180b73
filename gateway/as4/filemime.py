"""multipart/related in a file, by byte search: what ``mime.py`` does in memory, for bodies that are too large for it.

The steps, their order and their refusals are those of ``mime.py``; only the envelope is read into memory.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.as4.limits import Limits
from gateway.as4.mime import PADDING, Related, content_id_of, is_base64, read_boundary, read_headers, root_of
from gateway.errors import UnreadableRequest
from gateway.files.spool import read_range, write_all

_STEP: Final = 256 * 1024
_BLANKS: Final = b"\r\n\t "


@dataclass(frozen=True, slots=True)
class FilePart:
    """One MIME part: its octets are those from ``start`` to ``end`` of a file."""

    content_id: str
    media_type: str
    path: Path
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start

    def read(self, start: int, end: int) -> bytes:
        """Some octets, counted from the part's first."""
        return b"".join(read_range(self.path, self.start + start, min(self.start + end, self.end)))


def read_message(
    content_type: str, path: Path, size: int, limits: Limits, new_file: Callable[[str], Path]
) -> Related[FilePart]:
    """Split the body in this file; parts in base64 are decoded into new files. Raises ``UnreadableRequest``."""
    boundary, start = read_boundary(content_type, limits)
    if not boundary:
        return Related(FilePart("", "", path, 0, size).read(0, limits.soap + 1))
    parts = _Splitter(path, size, limits, new_file).split(boundary)
    root = root_of(parts, start)
    return Related(root.read(0, limits.soap + 1), tuple(parts[1:]))


@dataclass(frozen=True, slots=True)
class _Splitter:
    path: Path
    size: int
    limits: Limits
    new_file: Callable[[str], Path]

    def split(self, boundary: bytes) -> list[FilePart]:
        mark = b"--" + boundary
        separator = b"\r\n" + mark
        parts: list[FilePart] = []
        at = 0 if self._read(0, len(mark)) == mark else self._find(separator, 0, self.size) + 2
        if at == 1:
            raise UnreadableRequest("The body has no boundary line (lines end in CR LF)")
        while True:
            at += len(mark)
            if self._read(at, at + 2) == b"--":
                break
            line, end_of_line, _ = self._read(at, at + PADDING).partition(b"\r\n")
            if not end_of_line or line.strip(b" \t"):
                raise UnreadableRequest("A boundary line is damaged")
            if len(parts) == self.limits.parts:
                raise UnreadableRequest(f"More than {self.limits.parts} MIME parts")
            line_end = at + len(line)
            end = self._find(separator, line_end, self.size)
            if end < 0:
                raise UnreadableRequest("The last boundary is missing: the body is cut short")
            parts.append(self._part(line_end + 2, end, len(parts)))
            at = end + 2
        if not parts:
            raise UnreadableRequest("The multipart body has no parts")
        return parts

    def _part(self, start: int, end: int, number: int) -> FilePart:
        headers: dict[str, str] = {}
        begin = start + 2
        if self._read(start, start + 2) != b"\r\n":
            blank = self._find(b"\r\n\r\n", start, min(end, start + self.limits.part_header_octets) + 4)
            if blank < 0 or blank + 4 > end + 2:
                raise UnreadableRequest("The headers of a MIME part do not end, or are too long")
            headers = read_headers(self._read(start, blank), self.limits)
            begin = blank + 4
        part = FilePart(content_id_of(headers), headers.get("content-type", ""), self.path, begin, max(end, begin))
        if not is_base64(headers):
            return part
        decoded = write_all(self.new_file(f"decoded-{number}"), _decoded(part))
        return FilePart(part.content_id, part.media_type, decoded.path, 0, decoded.size)

    def _read(self, start: int, end: int) -> bytes:
        return b"".join(read_range(self.path, start, min(end, self.size)))

    def _find(self, wanted: bytes, start: int, end: int) -> int:
        """Where the octets stand first, whole between ``start`` and ``end``; -1 where they do not."""
        before, at = b"", start
        for piece in read_range(self.path, start, min(end, self.size), step=_STEP):
            window = before + piece
            found = window.find(wanted)
            if found >= 0:
                return at - len(before) + found
            at += len(piece)
            before = window[1 - len(wanted) :]
        return -1


def _decoded(part: FilePart) -> Iterator[bytes]:
    """The octets that the part's base64 means, as strict as for a part in memory."""
    rest = b""
    ended = False
    for piece in read_range(part.path, part.start, part.end):
        text = rest + piece.translate(None, _BLANKS)
        if ended and text:
            raise UnreadableRequest("A MIME part is not valid base64")
        whole = len(text) - len(text) % 4
        rest = text[whole:]
        yield _octets(text[:whole])
        ended = b"=" in text[:whole]
    if rest:
        raise UnreadableRequest("A MIME part is not valid base64")


def _octets(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise UnreadableRequest("A MIME part is not valid base64") from None
