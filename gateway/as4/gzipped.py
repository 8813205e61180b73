"""The AS4 compression feature (AS4 profile 3.1): one gzip member in, one gzip member out.

ISA-L is used where it is installed: three times the speed for the same size in writing, twice in reading. Only zlib
calls something damaged, since it is the better tried on hostile input: what ISA-L does not read whole and at once, zlib
judges. That it is too large needs no second opinion: what makes it so was read.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any, Final, cast

from gateway.as4.limits import Limits
from gateway.errors import InvalidMessage
from gateway.model.signals import EbmsCode

_LEVEL: Final = 1
_GZIP: Final = 31
"""zlib's window bits for 32 KiB with a gzip frame."""


def _compressor() -> Callable[..., bytes]:
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.compress
    fast: Callable[..., bytes] = isal_zlib.compress
    return fast


def _decompressor() -> tuple[Callable[..., Any] | None, type[Exception]]:
    try:
        from isal import igzip_lib, isal_zlib
    except ImportError:
        return None, zlib.error
    return isal_zlib.decompressobj, cast("type[Exception]", igzip_lib.IsalError)


_compress: Final = _compressor()
_fast_reader, _FastError = _decompressor()
_PLAIN_HEADER: Final = b"\x1f\x8b\x08\x00"
"""gzip, deflate, no flags: with others ISA-L takes some that zlib refuses."""
_RATIO: Final = 1032
"""How many octets deflate makes of one at most (zlib's technical notes, 'Maximum Compression Factor')."""


def compressor() -> Any:
    """A compression object of zlib's interface, for what comes in pieces."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.compressobj(_LEVEL, wbits=_GZIP)
    return isal_zlib.compressobj(_LEVEL, wbits=_GZIP)


def allowed_size(packed: int, limits: Limits) -> int:
    """How many octets so many packed ones may become."""
    return min(limits.inflated, max(limits.ratio_free, limits.ratio * packed))


def compress(octets: bytes) -> bytes:
    """Make one gzip member, the same for the same octets: it carries neither time nor name."""
    return _compress(octets, _LEVEL, wbits=_GZIP)


class TooLargeForMemory(Exception):
    """The octets may be good, but are too many to be held here: they have to go through a file."""


def inflate(octets: bytes, limits: Limits, *, in_memory: int = sys.maxsize - 1) -> bytes:
    """Read exactly one gzip member; raises ``InvalidMessage`` (EBMS:0303) when it is not whole, not alone or too large.

    It never makes more than one octet beyond the allowed size, nor beyond ``in_memory``, where it raises
    :class:`TooLargeForMemory`; at once, and nothing is made, where the member itself says that it is as large.
    """
    allowed = allowed_size(len(octets), limits)
    most = min(allowed, in_memory)
    if in_memory < allowed and in_memory < _said_size(octets):
        raise TooLargeForMemory
    if _fast_reader is not None and octets.startswith(_PLAIN_HEADER):
        fast = _fast_reader(wbits=_GZIP)
        try:
            document: bytes = fast.decompress(octets, most + 1)
        except _FastError:
            document = b""
        if len(document) > most:
            raise _too_large(allowed, in_memory)
        if document and fast.eof and not fast.unused_data:
            return document
    reader = zlib.decompressobj(wbits=_GZIP)
    try:
        document = reader.decompress(octets, most + 1)
    except zlib.error:
        raise refusal("The payload is not gzip, or is damaged") from None
    if len(document) > most:
        raise _too_large(allowed, in_memory)
    if not reader.eof:
        raise refusal("The gzip payload ends early")
    if reader.unused_data:
        raise refusal("Octets follow the gzip payload")
    return document


def _said_size(octets: bytes) -> int:
    """What the last octets say that the member becomes (RFC 1952 2.3.1); 0 where that cannot be.

    It decides nothing but who reads the member.
    """
    said = int.from_bytes(octets[-4:], "little")
    return said if said <= _RATIO * len(octets) else 0


def _too_large(allowed: int, in_memory: int) -> Exception:
    return TooLargeForMemory() if in_memory < allowed else refusal("The decompressed payload is too large")


def refusal(detail: str) -> InvalidMessage:
    """EBMS:0303 with this text."""
    return InvalidMessage(EbmsCode.DECOMPRESSION_FAILURE, detail)
