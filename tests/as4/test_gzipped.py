"""Reading gzip: with ISA-L or without, the verdict is zlib's."""

from __future__ import annotations

import gzip
import random
from dataclasses import replace

import pytest

from gateway.as4 import gzipped
from gateway.as4.limits import LIMITS
from gateway.errors import InvalidMessage


def _verdict(octets: bytes, ratio_free: int) -> bytes | str:
    try:
        return gzipped.inflate(octets, replace(LIMITS, ratio_free=ratio_free, ratio=1))
    except InvalidMessage as error:
        return error.detail


def _spoilt(draw: random.Random) -> bytes:
    octets = bytearray(gzip.compress(draw.randbytes(draw.randrange(40)) * draw.randrange(200), mtime=0))
    match draw.randrange(6):
        case 0:
            octets[draw.randrange(len(octets))] ^= 1 << draw.randrange(8)
        case 1:
            del octets[draw.randrange(len(octets)) :]
        case 2:
            octets += draw.randbytes(draw.randrange(1, 30))
        case 3:
            octets += gzip.compress(b"second")
        case 4:
            octets[3] = draw.randrange(256)
    return bytes(octets)


@pytest.mark.parametrize("seed", range(8))
def test_the_quick_reader_changes_no_verdict(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("isal")
    draw = random.Random(seed)
    cases = [(_spoilt(draw), draw.choice([0, 10, 1000, 100_000])) for _ in range(500)]
    quick = [_verdict(*case) for case in cases]
    monkeypatch.setattr(gzipped, "_fast_reader", None)
    assert quick == [_verdict(*case) for case in cases]
    assert {type(verdict) for verdict in quick} == {bytes, str}
