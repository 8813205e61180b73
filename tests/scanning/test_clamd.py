"""clamd over its protocol: the real one and a double of it say the same; whatever else happens is no verdict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.errors import ScannerUnavailable
from gateway.ports.antivirus import Inspected
from gateway.scanning.clamd import Clamd
from tests import clamav
from tests.clamav import EICAR


@pytest.fixture(params=["double", "real"])
async def clamd(request: pytest.FixtureRequest) -> AsyncIterator[Clamd]:
    if request.param == "double":
        async with clamav.double() as (_, path):
            yield Clamd(path=path)
        return
    if why := clamav.why_not():
        pytest.skip(why)
    async with clamav.real() as path:
        yield Clamd(path=path)


async def test_what_it_knows_is_found_and_all_else_is_clean(clamd: Clamd) -> None:
    assert await clamd.inspect(b"%PDF-1.7 harmless") == Inspected()
    assert await clamd.inspect(b"") == Inspected()
    assert (await clamd.inspect(EICAR)).found.startswith(clamav.NAME)
    found = await clamd.inspect(b" " * 65_530 + EICAR + b" " * 100_000)  # across the border of two pieces
    assert found.found.startswith(clamav.NAME) and not found.clean
    assert "ClamAV" in await clamd.version()


async def test_what_is_larger_than_it_takes_is_not_called_clean(clamd: Clamd) -> None:
    assert await clamd.inspect(b" " * 900_000) == Inspected()
    said = await clamd.inspect(b" " * 3_000_000)
    assert said.too_large and not said.clean


async def test_what_is_larger_than_our_own_limit_is_not_sent_at_all() -> None:
    async with clamav.double() as (double, path):
        assert (await Clamd(path=path, largest=10).inspect(b" " * 11)).too_large
        assert double.asked == []


@pytest.mark.parametrize(
    "answer",
    [b"", b"stream: OK", b"\0", b"stream: lstat() failed ERROR\0", b"stream: OK FOUND EVIL\0", b"OK\0", b"x" * 9_000],
)
async def test_half_an_answer_or_another_is_no_verdict(answer: bytes) -> None:
    async with clamav.double() as (double, path):
        double.answer = answer
        with pytest.raises(ScannerUnavailable):
            await Clamd(path=path).inspect(b"harmless")


async def test_one_that_is_away_silent_or_no_clamd_is_no_verdict() -> None:
    with pytest.raises(ScannerUnavailable, match="cannot be asked"):
        await Clamd(path="/nowhere/clamd.sock").inspect(b"")
    with pytest.raises(ScannerUnavailable, match="cannot be asked"):
        await Clamd(host="127.0.0.1", port=1).version()
    async with clamav.double() as (double, path):
        double.silent = True
        with pytest.raises(ScannerUnavailable, match="no answer within"):
            await Clamd(path=path, seconds=0.2).inspect(b" " * 5_000_000)


async def test_it_is_asked_over_tcp_too() -> None:
    double = clamav.Double()
    server = await asyncio.start_server(double.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (await Clamd(host="127.0.0.1", port=port).inspect(EICAR)).found
