"""Reading gzip: with ISA-L or without, the verdict is zlib's."""

from __future__ import annotations

import gzip
import random
from dataclasses import replace

import pytest

from gateway.as4 import gzipped
from gateway.as4.limits import LIMITS
from gateway.errors import InvalidMessage


def _verdict(octets: bytes, ratio_free: int, in_memory: int = 1 << 40) -> bytes | str:
    try:
        return gzipped.inflate(octets, replace(LIMITS, ratio_free=ratio_free, ratio=1), in_memory=in_memory)
    except InvalidMessage as error:
        return error.detail
    except gzipped.TooLargeForMemory:
        return "larger"


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
    cases = [
        (_spoilt(draw), draw.choice([0, 10, 1000, 100_000]), draw.choice([0, 99, 2000, 1 << 40])) for _ in range(800)
    ]
    quick = [_verdict(*case) for case in cases]
    monkeypatch.setattr(gzipped, "_fast_reader", None)
    assert quick == [_verdict(*case) for case in cases]
    assert {type(verdict) for verdict in quick} == {bytes, str}


@pytest.mark.parametrize("reader", ["quick", "zlib"])
def test_what_says_itself_that_it_is_large_is_not_read_here(reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if reader == "zlib":
        monkeypatch.setattr(gzipped, "_fast_reader", None)
    member = bytearray(gzip.compress(bytes(50_000), mtime=0))
    assert _verdict(bytes(member), 100_000, 49_999) == "larger"
    assert _verdict(bytes(member), 100_000, 50_000) == bytes(50_000)
    assert _verdict(bytes(member), 10_000, 20_000) == "The decompressed payload is too large"
    # Its own word is no verdict: a liar is read, as far as it may go.
    for said in (100, 1 << 31):
        member[-4:] = said.to_bytes(4, "little")
        assert _verdict(bytes(member), 100_000, 40_000) == "larger"
        assert _verdict(bytes(member), 10_000, 20_000) == "The decompressed payload is too large"
    member[-4:] = (60_000).to_bytes(4, "little")
    assert _verdict(bytes(member), 100_000, 60_000) == "The payload is not gzip, or is damaged"
    made: list[int] = []
    monkeypatch.setattr(gzipped.zlib, "decompressobj", lambda **_: made.append(1))
    monkeypatch.setattr(gzipped, "_fast_reader", None)
    assert _verdict(bytes(member), 100_000, 50_000) == "larger"
    assert not made, "nothing is made of it"
