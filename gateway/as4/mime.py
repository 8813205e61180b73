"""multipart/related, in memory and by byte search: the SOAP envelope and its parts.

Source: RFC 2046 section 5.1 (line ends are CR LF and nothing else), RFC 2387, SOAP Messages with Attachments.
What the parts mean is left to ``soap.py`` and ``msh.py``. Every fault is an ``UnreadableRequest``.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway.as4.limits import Limits
from gateway.as4.namespaces import SOAP_TYPE
from gateway.errors import UnreadableRequest

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_MEDIA_TYPE: Final = re.compile(f"{_TOKEN.pattern}/{_TOKEN.pattern}(?=[\\s;]|$)", re.ASCII)
_ESCAPED: Final = re.compile(r"\\(.)", re.ASCII)
_PARAMETER: Final = re.compile(
    r'[ \t]*;[ \t]*(?:([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*)))?', re.ASCII
)
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]*[0-9A-Za-z'()+_,./:=?-]", re.ASCII)
_PADDING: Final = 80
"""Blanks and line end after a boundary."""
_AS_IS: Final = frozenset({"", "binary", "8bit", "7bit"})
_ONCE: Final = frozenset({"content-type", "content-id", "content-transfer-encoding"})


@dataclass(frozen=True, slots=True)
class MediaType:
    """A Content-Type: type and parameter names in lower case, parameter values as they came."""

    name: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """One MIME part. ``content_id`` is without angle brackets, empty where there is none."""

    content_id: str
    media_type: str
    content: memoryview


@dataclass(frozen=True, slots=True)
class Related:
    """A whole message: the octets of the SOAP envelope and the parts besides."""

    soap: bytes
    parts: tuple[Part, ...] = ()


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


def read_message(content_type: str, body: bytes, limits: Limits) -> Related:
    """Split a request into envelope and parts; a bare SOAP envelope is a message without parts."""
    if len(content_type) > limits.content_type:
        raise UnreadableRequest("Content-Type is too long")
    media_type = read_media_type(content_type)
    if media_type.name == SOAP_TYPE:
        _utf8(media_type)
        return Related(body)
    if media_type.name != "multipart/related":
        raise UnreadableRequest("Content-Type must be multipart/related (AS4)", status=415)
    boundary = media_type.parameters.get("boundary", "")
    if not boundary or len(boundary) > limits.boundary or not _BOUNDARY.fullmatch(boundary):
        raise UnreadableRequest(f"multipart/related needs a boundary of 1 to {limits.boundary} characters")
    parts = _split(body, boundary.encode("ascii"), limits)
    root = _root(parts, media_type.parameters.get("start"))
    return Related(bytes(root.content), tuple(parts[1:]))


def write_message(soap: bytes, content_id: str, part: bytes, *, boundary: str, root_id: str) -> tuple[str, bytes]:
    """Write envelope and one part; gives Content-Type and body."""
    mark = boundary.encode("ascii")
    body = b"".join(
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
            part,
            b"\r\n--",
            mark,
            b"--\r\n",
        )
    )
    return f'multipart/related; boundary="{boundary}"; type="{SOAP_TYPE}"; start="<{root_id}>"', body


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
        line_end = body.find(b"\r\n", at, at + _PADDING)
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
        headers = _headers(body[start:blank], limits)
        content = view[blank + 4 : max(end, blank + 4)]
    encoding = headers.get("content-transfer-encoding", "").strip().lower()
    if encoding == "base64":
        content = memoryview(_base64(content))
    elif encoding not in _AS_IS:
        raise UnreadableRequest("Content-Transfer-Encoding must be binary, 8bit, 7bit or base64")
    content_id = headers.get("content-id", "")
    if content_id.startswith("<") and content_id.endswith(">"):
        content_id = content_id[1:-1]
    return Part(content_id, headers.get("content-type", ""), content)


def _headers(block: bytes, limits: Limits) -> dict[str, str]:
    lines = block.split(b"\r\n")
    if len(lines) > limits.part_headers:
        raise UnreadableRequest("Too many headers in a MIME part")
    if b"\x00" in block or any(b"\r" in line or b"\n" in line for line in lines):
        raise UnreadableRequest("A MIME header holds a control character (lines end in CR LF)")
    unfolded: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and unfolded:
            unfolded[-1] += b" " + line.strip()
        else:
            unfolded.append(line)
    headers: dict[str, str] = {}
    for line in unfolded:
        key, colon, value = line.decode("latin-1").partition(":")
        key = key.rstrip().lower()
        if not colon or not _TOKEN.fullmatch(key):
            raise UnreadableRequest("A MIME header cannot be read")
        if key in headers and key in _ONCE:
            raise UnreadableRequest(f"A MIME part has {key} twice")
        headers[key] = value.strip()
    return headers


def _base64(content: memoryview) -> bytes:
    try:
        return binascii.a2b_base64(bytes(content).translate(None, b"\r\n\t "), strict_mode=True)
    except binascii.Error:
        raise UnreadableRequest("A MIME part is not valid base64") from None


def _root(parts: list[Part], start: str | None) -> Part:
    root = parts[0]
    if start is not None:
        wanted = start[1:-1] if start.startswith("<") and start.endswith(">") else start
        # Some stacks name a start and then write no Content-ID on the envelope: harmless while no other part has it.
        if root.content_id != wanted and (root.content_id or any(part.content_id == wanted for part in parts)):
            raise UnreadableRequest("The SOAP envelope must be the first part, and start must name it")
    if root.media_type:
        media_type = read_media_type(root.media_type)
        if media_type.name != SOAP_TYPE:
            raise UnreadableRequest(f"The first part must be {SOAP_TYPE}", status=415)
        _utf8(media_type)
    for part in parts:
        if part.media_type and part.media_type.lower().startswith(("multipart/", "message/")):
            raise UnreadableRequest("A MIME part may not hold further parts")
    return root


def _utf8(media_type: MediaType) -> None:
    if media_type.parameters.get("charset", "utf-8").lower() != "utf-8":
        raise UnreadableRequest("The SOAP envelope must be UTF-8", status=415)
