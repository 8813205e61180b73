"""The octets of a NAPTR question, and of the answers that nearly everybody gives. Pure.

Source: RFC 1035 section 4, RFC 2308 section 5, RFC 3403 section 4.1, RFC 6891. What is usual is read here, at a tenth
of the cost of a general library: NAPTR records of the very name that was asked for, or NXDOMAIN with the SOA of the
zone. Where anything is otherwise, reading gives nothing, and :mod:`gateway.smp.resolver` has the library read it, which
has the last word.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from gateway.smp.locator import Naptr

_HEADER: Final = struct.Struct("!HHHHHH")
_RECORD: Final = struct.Struct("!HHIH")
"""Type, class, TTL and length of the data, after the owner."""
_PREFERENCE: Final = struct.Struct("!HH")
_NAPTR, _SOA, _OPT, _IN = 35, 6, 41, 1
_MINIMUM: Final = struct.Struct("!I")
_SOA_LEAST: Final = 22
"""Two names of one octet and five numbers, of which the last is the minimum."""
_RD, _QR, _AA, _TC, _RA = 0x0100, 0x8000, 0x0400, 0x0200, 0x0080
_NXDOMAIN: Final = 3
_OWNER: Final = b"\xc0\x0c"
"""The name of the question, as an answer points to it."""


@dataclass(frozen=True, slots=True)
class Usual:
    """The usual answer: the records, none for NXDOMAIN."""

    records: tuple[Naptr, ...]
    no_for: int = 0
    """Seconds that the NXDOMAIN may be kept."""


def write_question(name: str, number: int, payload: int) -> bytes:
    """Ask for the NAPTR records of an ASCII name; raises ``ValueError`` when it is no DNS name."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    if any(not 1 <= len(label) <= 63 for label in labels) or len(name) > 253:
        raise ValueError("a label is empty or too long")
    asked = b"".join(bytes((len(label),)) + label for label in labels)
    edns = b"\0" + _RECORD.pack(_OPT, payload, 0, 0)
    return _HEADER.pack(number, _RD, 1, 0, 0, 1) + asked + b"\0" + struct.pack("!HH", _NAPTR, _IN) + edns


def answers(wire: bytes, question: bytes) -> bool:
    """Whether the octets answer this very question of ours, whatever they say."""
    end = len(question) - 11
    return (
        len(wire) >= end
        and wire[:2] == question[:2]
        and bool(wire[2] & 0x80)
        and wire[4:6] == b"\0\x01"
        and wire[12:end].lower() == question[12:end].lower()
    )


def is_cut(wire: bytes) -> bool:
    """Whether more of the answer is to be had over TCP."""
    return bool(wire[2] & 0x02)


def kept_for(ttl: int, minimum: int) -> int:
    """Seconds that a no with this SOA may be kept (RFC 2308 section 5); a TTL from 2^31 is 0 (RFC 2181 section 8)."""
    return min(ttl, minimum) if ttl < 1 << 31 else 0


def read_usual(wire: bytes, question: bytes) -> Usual | None:
    """None says nothing but that the answer is not the usual one."""
    try:
        _, flags, _, count, above, beside = _HEADER.unpack_from(wire)
        at = len(question) - 11
        if flags & ~(_AA | _RA) not in (_QR | _RD, _QR | _RD | _NXDOMAIN) or beside > 1:
            return None
        if flags & 0xF == _NXDOMAIN:
            if count or above != 1 or not flags & (_AA | _RA):
                return None
            zone = _zone(question)
            if zone is None or wire[at : at + 2] != zone:
                return None
            start = at + 2
            at, of, data = _record(wire, start)
            if of != _SOA or len(data) < _SOA_LEAST or not _ends(wire, at, beside):
                return None
            ttl = _RECORD.unpack_from(wire, start)[2]
            return Usual((), kept_for(ttl, _MINIMUM.unpack_from(data, len(data) - _MINIMUM.size)[0]))
        if not count or above:
            return None
        found: list[Naptr] = []
        for _ in range(count):
            if wire[at : at + 2] != _OWNER:
                return None
            start = at + 2
            at, of, data = _record(wire, start)
            if of != _NAPTR:
                return None
            found.append(_read_naptr(data))
        return Usual(tuple(found)) if _ends(wire, at, beside) else None
    except (struct.error, IndexError, ValueError):
        return None


def _zone(question: bytes) -> bytes | None:
    """The pointer to the zone in the question: after the participant and the scheme."""
    at = 12
    for _ in range(2):
        at += 1 + question[at]
    return (0xC000 | at).to_bytes(2) if question[at] else None


def _record(wire: bytes, at: int) -> tuple[int, int, bytes]:
    """Where the record ends, its type, its data. Raises ``ValueError`` when it is cut or of another class."""
    of, kind, _, length = _RECORD.unpack_from(wire, at)
    at += _RECORD.size
    data = wire[at : at + length]
    if len(data) != length or kind != _IN:
        raise ValueError
    return at + length, of, data


def _ends(wire: bytes, at: int, beside: int) -> bool:
    """Whether nothing follows but, where ``beside`` says so, an EDNS record that changes nothing."""
    if not beside:
        return at == len(wire)
    of, _, flags, length = _RECORD.unpack_from(wire, at + 1)
    return wire[at] == 0 and of == _OPT and flags >> 24 == 0 and at + 1 + _RECORD.size + length == len(wire)


def _read_naptr(data: bytes) -> Naptr:
    order, preference = _PREFERENCE.unpack_from(data)
    at, texts = _PREFERENCE.size, []
    for _ in range(3):
        end = at + 1 + data[at]
        texts.append(data[at + 1 : end])
        at = end
    if data[at:] != b"\0":  # another replacement than none: the library knows how to write it
        raise ValueError
    flags, service, regexp = texts
    return Naptr(
        order=order,
        preference=preference,
        flags=flags.decode("ascii", "replace"),
        service=service.decode("ascii", "replace"),
        regexp=regexp.decode("utf-8", "replace"),
        replacement=".",
    )
