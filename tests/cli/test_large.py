"""Large messages through real processes: memory stays flat, and a kill in the middle of a body leaves nothing."""

from __future__ import annotations

import signal
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.memory import trip
from gateway.network.market import Market, new_market
from tests.cli.test_serve import _call, _serve

MORE_MIB = 32
"""Half of what one copy of the message would take."""


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return new_market(tmp_path / "market", 1, now=datetime.now(UTC))


async def test_a_message_of_64_mb_costs_less_than_half_of_that_on_both_sides(tmp_path: Path) -> None:
    found = await trip(tmp_path / "market", 48_000_000)
    assert found.megabytes > 64
    assert found.sender.base > 40 and found.receiver.base > 40
    assert found.sender.peak - found.sender.base < MORE_MIB
    assert found.receiver.peak - found.receiver.base < MORE_MIB


def test_a_kill_in_the_middle_of_a_body_leaves_nothing(market: Market) -> None:
    spool = market.members[0].directory / "var/payloads/.spool"
    process, ready = _serve(market)
    address = urlsplit(ready["as4"])
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        head = 'POST /as4 HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/related; boundary="b"\r\n'
        connection.sendall(head.encode() + b"Content-Length: 50000000\r\n\r\n--b\r\n\r\n" + bytes(4_000_000))
        until = time.monotonic() + 20
        while not (left := [path for path in spool.rglob("*") if path.is_file()]) and time.monotonic() < until:
            time.sleep(0.05)
        assert left
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    assert all(path.exists() for path in left)
    again, now = _serve(market)
    try:
        assert not [path for path in spool.rglob("*") if path.is_file()]
        assert _call(now, ready["api_key"], "/v1/inbox")["items"] == []
    finally:
        again.send_signal(signal.SIGTERM)
        again.communicate(timeout=30)
