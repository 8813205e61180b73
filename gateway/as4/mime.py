"""multipart/related, in memory and by byte search: the SOAP envelope and its parts.

Source: RFC 2046 section 5.1 (line ends are CR LF and nothing else), RFC 2387, SOAP Messages with Attachments.
What the parts mean is left to ``soap.py`` and ``msh.py``. Every fault is an ``UnreadableRequest``.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Generic, Protocol, TypeVar

from gateway.as4.limits import Limits
from gateway.as4.namespaces import SOAP_TYPE
from gateway.errors import UnreadableRequest
from gateway.model.often import made_often

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_MEDIA_TYPE: Final = re.compile(f"{_TOKEN.pattern}/{_TOKEN.pattern}(?=[\\s;]|$)", re.ASCII)
_ESCAPED: Final = re.compile(r"\\(.)", re.ASCII)
_PARAMETER: Final = re.compile(
    r'[ \t]*;[ \t]*(?:([^\s=;"]+)[ \t]*=[ \t]*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s;"]*)))?', re.ASCII
)
BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]*[0-9A-Za-z'()+_,./:=?-]", re.ASCII)
PADDING: Final = 80
"""Blanks and line end after a boundary."""
_AS_IS: Final = frozenset({"", "binary", "8bit", "7bit"})
_USUAL_NAMES: Final = {
    name: name.lower() for name in ("Content-Type", "Content-ID", "Content-Id", "Content-Transfer-Encoding")
}
_ONCE: Final = frozenset({"content-type", "content-id", "content-transfer-encoding"})


@dataclass(frozen=True, slots=True)
class MediaType:
    """A Content-Type: type and parameter names in lower case, parameter values as they came."""

    name: str
    parameters: dict[str, str]


@made_often
@dataclass(frozen=True, slots=True)
class Part:
    """One MIME part. ``content_id`` is without angle brackets, empty where there is none."""

    content_id: str
    media_type: str
    content: memoryview


class Headed(Protocol):
    """What every MIME part has, wherever its octets lie."""

    @property
    def content_id(self) -> str: ...

    @property
    def media_type(self) -> str: ...


_H = TypeVar("_H", bound=Headed)


@dataclass(frozen=True, slots=True)
class Related(Generic[_H]):
    """A whole message: the octets of the SOAP envelope and the parts besides."""

    soap: bytes
    parts: tuple[_H, ...] = ()


@lru_cache(maxsize=64)
def read_media_type(text: str) -> MediaType:
    """Read a Content-Type value; raises ``UnreadableRequest`` (415) when it is none."""
    text = text.strip()
    found = _MEDIA_TYPE.match(text)
    if not found:
        raise UnreadableRequest("Content-Type is missing or cannot be read", status=415)
    parameters: dict[str, str] = {}
    at = found.end()
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if not match:
            raise UnreadableRequest("The parameters of Content-Type cannot be read", status=415)
        at = match.end()
        if match[1] is None:
            continue
        key = match[1].lower()
        if key in parameters:
            raise UnreadableRequest(f"Content-Type has the parameter {key[:40]} twice", status=415)
        value = match[3] if match[2] is None else match[2]
        parameters[key] = value if match[2] is None or "\\" not in value else _ESCAPED.sub(r"\1", value)
    return MediaType(found[0].lower(), parameters)


def read_message(content_type: str, body: bytes, limits: Limits) -> Related[Part]:
    """Split a request into envelope and parts; a bare SOAP envelope is a message without parts."""
    boundary, start = read_boundary(content_type, limits)
    if not boundary:
        return Related(body)
    parts = _split(body, boundary, limits)
    root = root_of(parts, start)
    return Related(bytes(root.content), tuple(parts[1:]))


def read_boundary(content_type: str, limits: Limits) -> tuple[bytes, str | None]:
    """The boundary and the ``start`` of a request; no boundary for a bare SOAP envelope."""
    if len(content_type) > limits.content_type:
        raise UnreadableRequest("Content-Type is too long")
    media_type = read_media_type(content_type)
    if media_type.name == SOAP_TYPE:
        _utf8(media_type)
        return b"", None
    if media_type.name != "multipart/related":
        raise UnreadableRequest("Content-Type must be multipart/related (AS4)", status=415)
    boundary = media_type.parameters.get("boundary", "")
    if not boundary or len(boundary) > limits.boundary or not BOUNDARY.fullmatch(boundary):
        raise UnreadableRequest(f"multipart/related needs a boundary of 1 to {limits.boundary} characters")
    return boundary.encode("ascii"), media_type.parameters.get("start")


def write_message(soap: bytes, content_id: str, part: bytes, *, boundary: str, root_id: str) -> tuple[str, bytes]:
    """Write envelope and one part; gives Content-Type and body."""
    content_type, before, after = write_around(soap, content_id, boundary=boundary, root_id=root_id)
    return content_type, b"".join((before, part, after))


def write_around(soap: bytes, content_id: str, *, boundary: str, root_id: str) -> tuple[str, bytes, bytes]:
    """Write envelope and one part; gives Content-Type and what stands before and after the part's octets."""
    mark = boundary.encode("ascii")
    before = b"".join(
        (
            b"--",
            mark,
            b"\r\nContent-Type: application/soap+xml; charset=UTF-8",
            b"\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <",
            root_id.encode("ascii"),
            b">\r\n\r\n",
            soap,
            b"\r\n--",
            mark,
            b"\r\nContent-Type: application/octet-stream",
            b"\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <",
            content_id.encode("ascii"),
            b">\r\n\r\n",
        )
    )
    content_type = f'multipart/related; boundary="{boundary}"; type="{SOAP_TYPE}"; start="<{root_id}>"'
    return content_type, before, b"\r\n--" + mark + b"--\r\n"


def _split(body: bytes, boundary: bytes, limits: Limits) -> list[Part]:
    mark = b"--" + boundary
    separator = b"\r\n" + mark
    view = memoryview(body)
    parts: list[Part] = []
    at = 0 if body.startswith(mark) else body.find(separator) + 2
    if at == 1:
        raise UnreadableRequest("The body has no boundary line (lines end in CR LF)")
    while True:
        at += len(mark)
        if body.startswith(b"--", at):
            break  # an epilogue is let be, even where it begins at once
        line_end = body.find(b"\r\n", at, at + PADDING)
        # A longer word that begins like the boundary would cut a part short.
        if line_end < 0 or body[at:line_end].strip(b" \t"):
            raise UnreadableRequest("A boundary line is damaged")
        if len(parts) == limits.parts:
            raise UnreadableRequest(f"More than {limits.parts} MIME parts")
        start = line_end + 2
        end = body.find(separator, line_end)
        if end < 0:
            raise UnreadableRequest("The last boundary is missing: the body is cut short")
        parts.append(_part(body, view, start, end, limits))
        at = end + 2
    if not parts:
        raise UnreadableRequest("The multipart body has no parts")
    return parts


def _part(body: bytes, view: memoryview, start: int, end: int, limits: Limits) -> Part:
    if body.startswith(b"\r\n", start):
        headers: dict[str, str] = {}
        content = view[start + 2 : max(end, start + 2)]
    else:
        blank = body.find(b"\r\n\r\n", start, min(end, start + limits.part_header_octets) + 4)
        if blank < 0 or blank + 4 > end + 2:
            raise UnreadableRequest("The headers of a MIME part do not end, or are too long")
        headers = read_headers(body[start:blank], limits)
        content = view[blank + 4 : max(end, blank + 4)]
    if is_base64(headers):
        content = memoryview(_base64(content))
    return Part(content_id_of(headers), headers.get("content-type", ""), content)


def is_base64(headers: dict[str, str]) -> bool:
    """Whether the part has to be decoded; raises ``UnreadableRequest`` for encodings that SOAP has no use for."""
    encoding = headers.get("content-transfer-encoding", "").strip().lower()
    if encoding != "base64" and encoding not in _AS_IS:
        raise UnreadableRequest("Content-Transfer-Encoding must be binary, 8bit, 7bit or base64")
    return encoding == "base64"


def content_id_of(headers: dict[str, str]) -> str:
    """The Content-ID without angle brackets, empty where there is none."""
    content_id = headers.get("content-id", "")
    return content_id[1:-1] if content_id.startswith("<") and content_id.endswith(">") else content_id


def read_headers(block: bytes, limits: Limits) -> dict[str, str]:
    """The headers of one part by name in lower case."""
    lines = block.split(b"\r\n")
    if len(lines) > limits.part_headers:
        raise UnreadableRequest("Too many headers in a MIME part")
    ends = len(lines) - 1
    if b"\x00" in block or block.count(b"\r") != ends or block.count(b"\n") != ends:
        raise UnreadableRequest("A MIME header holds a control character (lines end in CR LF)")
    if b"\r\n " in block or b"\r\n\t" in block:
        lines = _unfolded(lines)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        key = _USUAL_NAMES.get(name) or name.rstrip().lower()
        if not colon or (name not in _USUAL_NAMES and not _TOKEN.fullmatch(key)):
            raise UnreadableRequest("A MIME header cannot be read")
        if key in headers and key in _ONCE:
            raise UnreadableRequest(f"A MIME part has {key} twice")
        headers[key] = value.strip()
    return headers


def _unfolded(lines: list[bytes]) -> list[bytes]:
    unfolded: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and unfolded:
            unfolded[-1] += b" " + line.strip()
        else:
            unfolded.append(line)
    return unfolded


def _base64(content: memoryview) -> bytes:
    try:
        return binascii.a2b_base64(bytes(content).translate(None, b"\r\n\t "), strict_mode=True)
    except binascii.Error:
        raise UnreadableRequest("A MIME part is not valid base64") from None


def root_of(parts: Sequence[_H], start: str | None) -> _H:
    """The part that holds the envelope; it must be the first."""
    root = parts[0]
    if start is not None:
        wanted = start[1:-1] if start.startswith("<") and start.endswith(">") else start
        # Some stacks name a start and then write no Content-ID on the envelope: harmless while no other part has it.
        if root.content_id != wanted and (root.content_id or any(part.content_id == wanted for part in parts)):
            raise UnreadableRequest("The SOAP envelope must be the first part, and start must name it")
    if root.media_type and not is_envelope(root.media_type):
        raise UnreadableRequest(f"The first part must be {SOAP_TYPE}", status=415)
    for part in parts:
        if part.media_type and part.media_type.lower().startswith(("multipart/", "message/")):
            raise UnreadableRequest("A MIME part may not hold further parts")
    return root


def is_envelope(text: str) -> bool:
    """Whether a part of this Content-Type is a SOAP envelope; ``UnreadableRequest`` (415) for one not in UTF-8."""
    media_type = read_media_type(text)
    if media_type.name != SOAP_TYPE:
        return False
    _utf8(media_type)
    return True


def _utf8(media_type: MediaType) -> None:
    if media_type.parameters.get("charset", "utf-8").lower() != "utf-8":
        raise UnreadableRequest("The SOAP envelope must be UTF-8", status=415)
