"""A market whose ports others hold says which, who holds them and what to do, before anything of it starts."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.network import taken
from gateway.network.market import Market, new_market
from gateway.network.running import run_market
from gateway.network.taken import PortsTaken, check_ports


def held(place: tuple[str, int], kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    holds = socket.socket(socket.AF_INET, kind)
    holds.bind(place)
    if kind is socket.SOCK_STREAM:
        holds.listen()
    return holds


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    now = datetime.now(UTC)
    return new_market(tmp_path_factory.mktemp("taken") / "market", 1, now=now, revocation=True, first_port=29_400)


async def test_each_taken_port_is_named_with_its_use_and_who_holds_it(market: Market) -> None:
    check_ports(market)
    assert market.lists is not None
    with held(market.lists), held(market.dns, socket.SOCK_DGRAM), pytest.raises(PortsTaken) as caught:
        async with run_market(market):
            pytest.fail("it was called ready")
    _, *lines = str(caught.value).splitlines()
    starts = [f"127.0.0.1:{market.dns[1]} (DNS, UDP): ", f"127.0.0.1:{market.lists[1]} (revocation lists): "]
    assert len(lines) == 2, lines
    for line, start in zip(lines, starts, strict=True):
        assert line.strip().startswith(f"{start}process {os.getpid()}, "), line
    assert "GATEWAY_MARKET_PORT" in caught.value.remedy and caught.value.temporary
    check_ports(market)


@pytest.mark.parametrize("use", ["DNS, TCP", "SMPs with faults", "gateway1's AS4", "gateway1's API", "gateway1's SMP"])
def test_every_port_of_a_market_is_looked_at(market: Market, use: str) -> None:
    place = next(place for what, place, _ in taken._places(market) if what == use)
    with held(place), pytest.raises(PortsTaken, match=f"{place[1]} \\({use}\\)"):
        check_ports(market)


def test_whom_we_may_not_look_at_is_another_program(
    market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(taken, "_PROC", tmp_path)
    with held(market.dns), pytest.raises(PortsTaken, match=r"\(DNS, TCP\): another program"):
        check_ports(market)
