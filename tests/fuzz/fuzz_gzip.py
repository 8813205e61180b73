"""gzip: one whole member within its limits, and nothing beyond them."""

from __future__ import annotations

import gzip
from dataclasses import replace

from gateway.as4.gzipped import compress, inflate
from gateway.as4.limits import LIMITS
from tests.fuzz.seeds import OURS, business, part

SMALL = replace(LIMITS, ratio_free=10_000, ratio=20, inflated=200_000)


def seeds() -> list[bytes]:
    return [part(), gzip.compress(business(), 9), gzip.compress(b""), compress(b"\0" * 100_000), part() + part(), b""]


def fuzz(data: bytes) -> None:
    try:
        document = inflate(data, SMALL)
    except OURS:
        return
    assert len(document) <= max(SMALL.ratio_free, SMALL.ratio * len(data))
    assert gzip.decompress(data) == document
