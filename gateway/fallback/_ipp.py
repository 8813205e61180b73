"""As much of IPP as printing takes: requests and answers as octets. Source: RFC 8010 (encoding), RFC 8011."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PRINT_JOB, GET_JOB, GET_JOBS = 0x0002, 0x0009, 0x000A
_OPERATION, _JOB, _END = 0x01, 0x02, 0x03
_TAGS: Final = {
    "charset": 0x47,
    "language": 0x48,
    "uri": 0x45,
    "name": 0x42,
    "keyword": 0x44,
    "mime": 0x49,
    "integer": 0x21,
    "boolean": 0x22,
}
_NUMBERS: Final = frozenset({0x21, 0x23})
Value = str | int | bool
Wanted = tuple[str, str, Value | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's status and its job groups; lists where an attribute has several values."""

    status: int
    jobs: tuple[dict[str, list[Value]], ...]
    message: str = ""

    @property
    def good(self) -> bool:
        return self.status < 0x0100


def write(
    operation: int,
    printer: str,
    wanted: Sequence[Wanted],
    job: Sequence[tuple[str, str, Value]] = (),
    document: bytes = b"",
) -> bytes:
    """A request. ``wanted`` and ``job`` are (syntax, name, value) of the operation and the job group."""
    out = [struct.pack(">BBHI", 2, 0, operation, 1), bytes([_OPERATION])]
    out += [_attribute("charset", "attributes-charset", "utf-8")]
    out += [_attribute("language", "attributes-natural-language", "en"), _attribute("uri", "printer-uri", printer)]
    for syntax, name, value in wanted:
        if isinstance(value, str | int):
            out.append(_attribute(syntax, name, value))
            continue
        for place, one in enumerate(value):
            out.append(_attribute(syntax, name if place == 0 else "", one))
    if job:
        out += [bytes([_JOB]), *(_attribute(syntax, name, value) for syntax, name, value in job)]
    return b"".join([*out, bytes([_END]), document])


def _attribute(syntax: str, name: str, value: Value) -> bytes:
    if isinstance(value, bool):
        octets = bytes([value])
    elif isinstance(value, int):
        octets = struct.pack(">i", value)
    else:
        octets = value.encode()[:1000]
    said = name.encode()
    return struct.pack(">BH", _TAGS[syntax], len(said)) + said + struct.pack(">H", len(octets)) + octets


def read(octets: bytes) -> Answer:
    """Read an answer. Raises ``ValueError`` for what is no IPP."""
    if len(octets) < 8:
        raise ValueError("the answer is no IPP")
    status: int = struct.unpack(">H", octets[2:4])[0]
    groups: list[tuple[int, dict[str, list[Value]]]] = []
    at, name = 8, ""
    try:
        while (tag := octets[at]) != _END:
            at += 1
            if tag < 0x10:
                groups.append((tag, {}))
                continue
            (length,) = struct.unpack_from(">H", octets, at)
            name = octets[at + 2 : at + 2 + length].decode() or name
            at += 2 + length
            (length,) = struct.unpack_from(">H", octets, at)
            raw = octets[at + 2 : at + 2 + length]
            at += 2 + length
            if groups:
                groups[-1][1].setdefault(name, []).append(_value(tag, raw))
    except (IndexError, struct.error, UnicodeDecodeError):
        raise ValueError("the answer is cut off, or no IPP") from None
    jobs = tuple(values for tag, values in groups if tag == _JOB)
    said: Mapping[str, list[Value]] = next((values for tag, values in groups if tag == _OPERATION), {})
    return Answer(status, jobs, str(said.get("status-message", [""])[0])[:200])


def _value(tag: int, raw: bytes) -> Value:
    if tag in _NUMBERS and len(raw) == 4:
        number: int = struct.unpack(">i", raw)[0]
        return number
    return raw == b"\x01" if tag == 0x22 else raw.decode("utf-8", "replace")
