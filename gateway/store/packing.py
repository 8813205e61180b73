"""How octets lie in a row: plain, deflated, or as a piece of what another row of the same document has.

What is in other octets already is not packed again: the document is a piece of the part that was signed, and a receipt
repeats much of the envelope that it answers. A piece has a row of its own with its own digest, and no octets::

    payload   document  slice:1180   begins there in what the row of the part inflates to (gzip)
              part      plain
    evidence  1         shared:1     a deflate stream that begins with this proof, and goes on with the next
              2         slice:9589   begins there in the stream of the proof before it

The stream is packed against ``proofs-1.txt``: what envelopes and receipts of the usual programs are made of, without
anybody's data (written here; a third less on the disk). That text never changes, or nothing packed with it could be
read; another one gets the next number. Both rows of such a pair are written and erased in one commit. Only octets in
rows are packed so, never those of files, and what a row inflates to is bounded. Every reading compares the digest of
the piece itself.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final, NamedTuple

from gateway.errors import StateError
from gateway.model.message import Direction, Evidence, PayloadKind
from gateway.ports import Arrival

try:
    from isal import isal_zlib as _deflate
except ImportError:  # the `fast` extra is not installed
    import zlib as _deflate  # type: ignore[no-redef]

IN_ROW: Final = 64 * 1024
"""Packed octets up to this size live in the row: one commit, one fsync."""
_SLICED_MOST: Final = 2 * IN_ROW
"""A piece ends at most so far into what a row inflates to."""
_PACKED_ALREADY: Final = (b"\x1f\x8b", b"PK\x03\x04", b"%PDF")
_GZIP: Final = b"\x1f\x8b"
_PLAIN_GZIP: Final = b"\x1f\x8b\x08\x00"
"""Without flags: with others isal takes some that zlib refuses."""
_GZIP_FRAME: Final = 31
_ZLIB_FRAME: Final = 15
_RAW: Final = -15
"""Window bits: what stands around a stream."""
_SHARED_PROOFS: Final = ("smp", "lookup")
"""A search and the answer of an SMP are the proof of many documents, one after another."""
_TOGETHER: Final = ("request-envelope", "receipt")
"""Proofs with long pieces in common: the receipt repeats the references of the envelope's signature."""
_STREAM: Final = "shared:1"
_A_STREAM: Final = re.compile(r"shared:([1-9])", re.ASCII)
_A_SLICE: Final = re.compile(r"slice:(0|[1-9][0-9]{0,6})", re.ASCII)


class Kept(NamedTuple):
    """Octets as a row keeps them; ``octets`` is None when ``file`` (relative to the payload folder) has them.

    A tuple, since each message makes four: first the columns of ``tables._octets``, in their order.
    """

    sha256: str
    size: int
    packing: str
    """``plain``, ``deflate``, ``shared:NUMBER`` or ``slice:OFFSET``."""
    octets: bytes | None
    file: str = ""
    host: Kept | None = None
    """What a slice is cut from; it stands in a row of its own."""

    @property
    def columns(self) -> tuple[Any, ...]:
        """The values of ``tables._octets``."""
        return self[:5]

    @property
    def is_slice(self) -> bool:
        """Whether other octets have these."""
        return self.octets is None and not self.file


def pack(octets: bytes, sha256: str = "") -> Kept:
    """Pack octets for themselves; ``sha256`` is their digest where it is known."""
    digest = sha256 or hashlib.sha256(octets).hexdigest()
    if not octets.startswith(_PACKED_ALREADY):
        packed = bytes(_deflate.compress(octets, 1))
        if len(packed) < len(octets):
            return Kept(sha256=digest, size=len(octets), packing="deflate", octets=packed)
    return Kept(sha256=digest, size=len(octets), packing="plain", octets=octets)


pack_again: Final = lru_cache(256)(pack)


def pack_arrival(arrival: Arrival) -> list[Kept] | None:
    """All octets of a new document, payloads and then evidence; None where some may be too many for a row."""
    if not all(_is_small(octets) for octets in arrival.payloads.values()):
        return None
    proofs = pack_proofs(arrival.evidence)
    if proofs is None:
        return None
    return [*_payloads(arrival), *proofs]


def _payloads(arrival: Arrival) -> Iterator[Kept]:
    part = arrival.payloads.get(PayloadKind.PART)
    host = pack(part, arrival.part_sha256) if isinstance(part, bytes) else None
    for kind, octets in arrival.payloads.items():
        assert isinstance(octets, bytes)
        if kind is PayloadKind.PART and host is not None:
            yield host
        elif kind is PayloadKind.DOCUMENT and host is not None and arrival.message.direction is Direction.IN:
            # A part of ours may be made anew before it is sent: nothing is cut from it.
            known = arrival.document_sha256
            yield _cut(host, octets, known, arrival.document_at) or pack(octets, known)
        else:
            yield pack(octets)


def _cut(host: Kept, octets: bytes, sha256: str, at: int | None) -> Kept | None:
    """The octets as a piece of what the part inflates to; None where they cannot be that."""
    if at is None or host.octets is None or not host.octets.startswith(_GZIP) or at + len(octets) > _SLICED_MOST:
        return None
    return _slice(host, octets, at, sha256)


def _slice(host: Kept, octets: bytes, at: int, sha256: str = "") -> Kept:
    digest = sha256 or hashlib.sha256(octets).hexdigest()
    return Kept(sha256=digest, size=len(octets), packing=f"slice:{at}", octets=None, host=host)


def pack_proofs(evidence: Sequence[Evidence]) -> list[Kept] | None:
    """Evidence of one commit; None where some may be too many octets for a row."""
    if not all(_is_small(proof.octets) for proof in evidence):
        return None
    kept: list[Kept] = []
    for number, proof in enumerate(evidence):
        if number < len(kept):
            continue  # packed with the one before
        after = evidence[number + 1] if number + 1 < len(evidence) else None
        if after is not None and (proof.kind, after.kind) == _TOGETHER:
            kept += pack_together(proof.octets, after.octets)
        else:
            kept.append((pack_again if proof.kind in _SHARED_PROOFS else pack)(proof.octets))
    return kept


def pack_together(first: bytes, second: bytes) -> tuple[Kept, Kept]:
    """Two octet strings in one stream, each with its own digest; apart where that is no shorter."""
    whole = first + second
    packed = whole
    if len(whole) <= IN_ROW:
        deflater: Any = _deflate.compressobj(1, zlib.DEFLATED, _RAW, zdict=_dictionary("1"))
        packed = deflater.compress(whole) + deflater.flush()
    if len(packed) >= len(whole):
        return pack(first), pack(second)
    digest = hashlib.sha256(first).hexdigest()
    host = Kept(sha256=digest, size=len(first), packing=_STREAM, octets=packed)
    return host, _slice(host, second, len(first))


def _is_small(octets: object) -> bool:
    return isinstance(octets, bytes) and len(octets) <= IN_ROW


def unpack(kept: Kept, packed: bytes) -> bytes:
    """The octets, compared with their digest; ``packed`` is what the row, the file or the host has.

    Raises ``StateError`` when they are not what was kept.
    """
    octets = packed
    try:
        if kept.packing == "deflate":
            # One octet more than there may be: a damaged row must not inflate without end.
            octets = _inflated(packed, kept.size + 1)
        elif (named := _A_SLICE.fullmatch(kept.packing)) is not None:
            octets = _sliced(kept, packed, int(named[1]))
        elif kept.packing != "plain":
            octets = _begun(kept.packing, packed, kept.size)
    except Exception as error:  # zlib and isal have no common error class
        raise quarantined(kept, f"cannot be unpacked: {error}") from error
    if len(octets) != kept.size or hashlib.sha256(octets).hexdigest() != kept.sha256:
        raise quarantined(kept, "the digest is another one")
    return octets


def _sliced(kept: Kept, packed: bytes, begin: int) -> bytes:
    end = begin + kept.size
    if end > _SLICED_MOST:
        raise ValueError("it would lie too far into what its row inflates to")
    if kept.host is not None and kept.host.packing != "plain":
        return _begun(kept.host.packing, packed, end)[begin:]
    if packed.startswith(_PLAIN_GZIP):
        with suppress(Exception):
            octets = _inflated(packed, end, _GZIP_FRAME)
            if len(octets) == end:
                return octets[begin:]
    # As on the way in: what isal does not read, zlib may.
    return zlib.decompressobj(_GZIP_FRAME).decompress(packed, end)[begin:] if end else b""


def _begun(packing: str, packed: bytes, most: int) -> bytes:
    """What a stream of several proofs begins with."""
    named = _A_STREAM.fullmatch(packing)
    if named is None:
        raise ValueError(f"nobody knows the packing “{packing[:40]}”")
    return _inflated(packed, most, _RAW, _dictionary(named[1]))


def _inflated(packed: bytes, most: int, frame: int = _ZLIB_FRAME, dictionary: bytes = b"") -> bytes:
    if not most:
        return b""  # to both libraries no limit at all
    inflater: Any = _deflate.decompressobj(frame, zdict=dictionary) if dictionary else _deflate.decompressobj(frame)
    return bytes(inflater.decompress(packed, most))


@cache
def _dictionary(number: str) -> bytes:
    return resources.files("gateway.store").joinpath(f"proofs-{number}.txt").read_bytes()


def quarantined(kept: Kept, why: str) -> StateError:
    """What is said of octets that are not what was kept."""
    return StateError(
        f"Stored octets with SHA-256 {kept.sha256} are quarantined: {why}",
        remedy="Check the disk; bring the octets back from a backup. They are given to nobody as they are.",
    )
