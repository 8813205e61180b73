"""A MIME message as nearly everybody writes it: an envelope, one part, and headers that were read before.

A short cut and no second opinion: it gives a message only where ``mime.py`` gives the same one, and where it gives
none, ``mime.py`` reads it and says what is wrong. Two messages of one peer differ in boundary, Content-IDs and octets.
So these are cut out, and what is left of Content-Type and headers is read once and remembered.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gateway.as4.limits import LIMITS, Limits
from gateway.as4.mime import BOUNDARY, Part, Related, is_base64, is_envelope, read_headers, read_media_type
from gateway.errors import UnreadableRequest

_VISIBLE: Final = bytes(range(33, 127))
_BOUNDARY: Final = 'boundary="'
_START: Final = 'start="<'
_CONTENT_ID: Final = b"\r\nContent-ID: <"
_BLANK: Final = b"\r\n\r\n"


def read_message(content_type: str, body: bytes, limits: Limits) -> Related[Part] | None:
    """Split a request of two parts; None says nothing but that it has to be read step by step."""
    at = content_type.find(_BOUNDARY) + len(_BOUNDARY)
    stop = content_type.find('"', at)
    if at < len(_BOUNDARY) or not 0 < stop - at <= limits.boundary or len(content_type) > limits.content_type:
        return None
    boundary, rest = content_type[at:stop], content_type[:at] + content_type[stop:]
    start = None
    if (at := rest.find(_START) + len(_START)) >= len(_START):
        stop = rest.find('>"', at)
        start, rest = rest[at:stop], rest[:at] + rest[stop:]
        if stop < 0 or "\\" in start:
            return None
    if not (_is_usual_type(rest) and BOUNDARY.fullmatch(boundary)):
        return None
    mark = b"\r\n--" + boundary.encode("ascii")
    size, most = len(mark), limits.part_header_octets
    # Some begin with an empty line. ``before`` is where the line end before the first header is.
    before = size if body.startswith(mark) else size - 2 if body.startswith(mark[2:]) else 0
    if not before or body[before : before + 2] != b"\r\n":
        return None
    blank = body.find(_BLANK, before + 2, before + most)
    end = body.find(mark, blank + 2)
    after = end + size
    if blank < 0 or end < 0 or body[after : after + 2] != b"\r\n":
        return None
    root = _read_head(body[before:blank], limits)
    blank_2 = body.find(_BLANK, after + 2, after + most)
    end_2 = body.find(mark, blank_2 + 2)
    if root is None or blank_2 < 0 or end_2 < 0 or not body.startswith(b"--", end_2 + size) or limits.parts < 2:
        return None
    head = _read_head(body[after:blank_2], limits)
    if head is None or not root[2] or (start is not None and start != root[0]):
        return None
    content = memoryview(body)[blank_2 + 4 : max(end_2, blank_2 + 4)]
    return Related(body[blank + 4 : max(end, blank + 4)], (Part(head[0], head[1], content),))


@lru_cache(maxsize=256)
def _is_usual_type(rest: str) -> bool:
    """Whether what was cut out of this Content-Type were the values of boundary and start."""
    try:
        media_type = read_media_type(rest)
    except UnreadableRequest:
        return False
    said = media_type.parameters
    return media_type.name == "multipart/related" and (said.get("boundary"), said.get("start", "<>")) == ("", "<>")


def _read_head(block: bytes, limits: Limits) -> tuple[str, str, bool] | None:
    """Content-ID and media type of a part, and whether it can be the envelope; None where it must be looked at.

    Every line of the block has its CR LF before it.
    """
    at = block.find(_CONTENT_ID) + len(_CONTENT_ID)
    content_id, rest = b"", block
    if at >= len(_CONTENT_ID):
        stop = block.find(b">", at)
        content_id, rest = block[at:stop], block[:at] + block[stop:]
        if stop <= at or content_id.translate(None, _VISIBLE):
            return None
    if block.count(b"\n") > limits.part_headers or (known := _read_rest(rest[2:])) is None:
        return None
    return content_id.decode("ascii"), known[0], known[1]


@lru_cache(maxsize=256)
def _read_rest(rest: bytes) -> tuple[str, bool] | None:
    """Media type, and whether it is an envelope's, from headers whose Content-ID was cut out."""
    try:
        headers = read_headers(rest, LIMITS)
        media_type = headers.get("content-type", "")
        if is_base64(headers) or headers.get("content-id", "<>") != "<>":
            return None
        if media_type.lower().startswith(("multipart/", "message/")):
            return None
    except UnreadableRequest:
        return None
    try:
        return media_type, not media_type or is_envelope(media_type)
    except UnreadableRequest:
        return media_type, False
