"""The answer to a request of ours, as it comes in pieces: HTTP/1.1 as access points and SMPs speak it. Pure.

It reads one answer and says whether the connection is good for another request. What leaves a doubt about where the
answer ends is refused or is the last on its connection, so that no octet of one answer is ever read as part of the
next. Source: RFC 9112 sections 2 to 7 and 9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from gateway.errors import InvalidAnswer
from gateway.model.often import made_often

_HEAD_OCTETS: Final = 64 * 1024
"""Of status line and headers."""
_TRAILER_OCTETS: Final = 8 * 1024
_PROVISIONAL_MOST: Final = 16
"""Answers that only say that there will be one."""
_LINE_OCTETS: Final = 1024
"""Of the line before a chunk."""
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LINE_END: Final = re.compile(rb"\r?\n")
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?", re.DOTALL)
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?", re.DOTALL)
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")
_NO_BODY: Final = frozenset({204, 304})
_USUAL: Final = {name: name.lower() for name in (b"Content-Type", b"Content-Length", b"Date", b"Connection", b"Server")}


class BrokenAnswer(Exception):
    """What came is no answer of HTTP/1.1, or it broke off."""


@made_often
@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    content_type: str
    body: bytes
    kept: bool
    """Whether its connection can take another request."""


@made_often
@dataclass(frozen=True, slots=True)
class _Head:
    status: int
    content_type: str
    length: int | None
    """Octets of the body; None where chunks or the end of the connection tell."""
    chunked: bool
    kept: bool
    packed: bool = False
    """Whether it is compressed."""


class AnswerReader:
    """Collects one answer with a body of at most ``most`` octets.

    Of answers with the status ``said`` nobody reads the body: whatever it is, they are whole.
    """

    __slots__ = ("_body", "_buffer", "_head", "_most", "_provisional", "_said", "_trailing")

    def __init__(self, most: int, *, said: int = 0) -> None:
        self._most = most
        self._said = said
        self._buffer: bytes | bytearray = b""
        """What has come and is not taken apart yet."""
        self._head: _Head | None = None
        self._body = bytearray()
        """What the chunks held so far."""
        self._provisional = 0
        self._trailing = False
        """Whether the last chunk has come."""

    def feed(self, octets: bytes) -> Answer | None:
        """Take the next octets; gives the answer once it is whole.

        Raises ``BrokenAnswer``, or ``InvalidAnswer`` for one that is too large or packed.
        """
        if self._buffer:
            self._buffer = bytearray(self._buffer) if isinstance(self._buffer, bytes) else self._buffer
            self._buffer += octets
        else:
            self._buffer = octets
        if self._head is None:
            self._head = self._read_head(len(octets))
            if self._head is None:
                return None
        head, buffer = self._head, self._buffer
        if head.chunked:
            return self._read_chunks(head, len(octets))
        if head.length is None:
            self._allow(len(buffer))
            return None
        if len(buffer) < head.length:
            return None
        body = bytes(buffer[: head.length])
        return Answer(head.status, head.content_type, body, head.kept and len(buffer) == head.length)

    def end(self) -> Answer:
        """The connection has ended; gives the answer where that is its end. Raises ``BrokenAnswer``."""
        head = self._head
        if head is None and not self._buffer:
            raise BrokenAnswer("it hung up without an answer")
        if head is None or head.chunked or head.length is not None:
            raise BrokenAnswer("it hung up in the middle of its answer")
        return Answer(head.status, head.content_type, bytes(self._buffer), False)

    def _allow(self, octets: int) -> None:
        if octets > self._most:
            raise InvalidAnswer(f"The answer is larger than {self._most} octets")

    def _read_head(self, fresh: int) -> _Head | None:
        """Take status line and headers off the buffer, once they are whole; what is only provisional is passed by."""
        while True:
            found = _HEAD_END.search(self._buffer, max(0, len(self._buffer) - fresh - 3))
            if (found.start() if found else len(self._buffer)) > _HEAD_OCTETS:
                raise BrokenAnswer("the head of its answer does not end")
            if found is None:
                return None
            head = _head(bytes(self._buffer[: found.start()]))
            self._buffer = self._buffer[found.end() :]
            if head.status == self._said and (head.packed or head.length is None or head.length > self._most):
                return replace(head, length=0, chunked=False, kept=False)
            if head.packed:
                raise InvalidAnswer("The answer is compressed although that was not asked for")
            if head.status >= 200:
                self._allow(head.length or 0)
                return head
            if head.status == 101:
                raise BrokenAnswer("it wants to speak another protocol")
            self._provisional += 1
            if self._provisional > _PROVISIONAL_MOST:
                raise BrokenAnswer("it says again and again that it will answer")
            fresh = len(self._buffer)

    def _read_chunks(self, head: _Head, fresh: int) -> Answer | None:
        buffer, at = self._buffer, 0
        fresh = fresh if self._trailing else len(buffer)
        while not self._trailing:
            line = _LINE_END.search(buffer, at, at + _LINE_OCTETS)
            if line is None:
                if len(buffer) - at >= _LINE_OCTETS:
                    raise BrokenAnswer("a chunk of its answer is badly framed")
                break
            size = _CHUNK.fullmatch(buffer, at, line.start())
            if size is None:
                raise BrokenAnswer("a chunk of its answer is badly framed")
            octets = int(size[1], 16)
            if octets == 0:
                self._trailing = True
                at = line.start()  # the line end begins the trailers, which may be none
                break
            self._allow(len(self._body) + octets)
            start = line.end()
            end = _LINE_END.match(buffer, start + octets)
            if end is None:
                if len(buffer) >= start + octets + 2:
                    raise BrokenAnswer("a chunk of its answer is badly framed")
                break
            self._body += buffer[start : start + octets]
            at = end.end()
        if at:
            self._buffer = buffer = buffer[at:]
        if not self._trailing:
            return None
        found = _HEAD_END.search(buffer, max(0, len(buffer) - fresh - 3))
        if found is None:
            if len(buffer) > _TRAILER_OCTETS:
                raise BrokenAnswer("the trailers of its answer do not end")
            return None
        return Answer(head.status, head.content_type, bytes(self._body), head.kept and found.end() == len(buffer))


def _head(block: bytes) -> _Head:
    first, *lines = _LINE_END.split(block)
    status = _STATUS.fullmatch(first)
    if status is None:
        raise BrokenAnswer("its answer is not HTTP/1.1")
    headers: dict[bytes, list[bytes]] = {}
    last: list[bytes] | None = None
    for line in lines:
        if line[:1] in (b" ", b"\t") and last:
            last[-1] += b" " + line.strip()
            continue
        name, colon, value = line.partition(b":")
        key = _USUAL.get(name)
        if key is None:
            if not _NAME.fullmatch(name):
                raise BrokenAnswer("a header of its answer cannot be read")
            key = name.lower()
        if not colon:
            raise BrokenAnswer("a header of its answer cannot be read")
        last = headers.setdefault(key, [])
        last.append(value.strip())
    packed = any(packing.lower() != b"identity" for packing in headers.get(b"content-encoding", ()))
    code, old = int(status[2]), status[1] == b"0"
    codings, lengths = headers.get(b"transfer-encoding", ()), set(headers.get(b"content-length", ()))
    wishes = b",".join(headers.get(b"connection", ())).lower().replace(b" ", b"").split(b",")
    kept = (b"keep-alive" in wishes) if old else (b"close" not in wishes)
    length: int | None = None
    if code in _NO_BODY:
        length = 0
    elif codings:
        if [coding.lower() for coding in codings] != [b"chunked"] or old:
            raise BrokenAnswer("the coding of its answer is not known")
        kept = kept and not lengths
    elif lengths:
        if len(lengths) > 1 or not _LENGTH.fullmatch(text := lengths.pop()):
            raise BrokenAnswer("the length of its answer cannot be read")
        length = int(text)
    content_type = headers.get(b"content-type", [b""])[0].decode("latin-1")
    chunked = bool(codings) and length is None
    return _Head(code, content_type, length, chunked, kept and (chunked or length is not None), packed)
