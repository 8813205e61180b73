"""A small network for the relation search: authorities, a DNS zone, and an SMP that does what a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.security.authority import new_pki
from gateway.smp import zone
from gateway.smp.zone_server import serve_zone
from tests.smp.smp_parts import BUYER, NOW, FixedClock, Network, Pki, anchors, identity, open_smp, searching


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    ours, foreign = tmp_path_factory.mktemp("pki"), tmp_path_factory.mktemp("foreign")
    new_pki(ours, now=NOW - timedelta(days=1000))
    new_pki(foreign, now=NOW - timedelta(days=1000))
    long_ago = NOW - timedelta(days=800)
    return Pki(
        smp=identity(ours, "smp", "PSP000201"),
        other_smp=identity(ours, "smp", "PSP000202"),
        expired_smp=identity(ours, "smp", "PSP000209", long_ago),
        foreign_smp=identity(foreign, "smp", "PSP000201"),
        ap=identity(ours, "ap", "POP000101"),
        expired_ap=identity(ours, "ap", "POP000109", long_ago),
        foreign_ap=identity(foreign, "ap", "POP000101"),
        trust=anchors(ours),
    )


@pytest.fixture
async def network(pki: Pki, tmp_path: Path) -> AsyncIterator[Network]:
    zone_file = tmp_path / "zone.json"
    async with AsyncExitStack() as stack:
        smp = await stack.enter_async_context(open_smp(pki))
        second = await stack.enter_async_context(open_smp(pki))
        zone.register(zone_file, BUYER, smp.url)
        address = await stack.enter_async_context(serve_zone(zone_file))
        clock = FixedClock()
        lookup = await stack.enter_async_context(searching(pki, address, clock))
        yield Network(smp, second, lookup, clock, zone_file, address, pki)
