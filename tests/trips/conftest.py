"""Whole gateways side by side in one process: real DNS, SMP, AS4, store; mail and letters where a trip wants them."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from gateway.app import FIRST_ACCOUNT, Gateway, open_gateway
from gateway.config import load
from gateway.model.identifiers import ParticipantId
from gateway.model.message import Message, Participant
from gateway.network.authorities import serve_authorities
from gateway.network.faults import faults_of
from gateway.network.front import Bent, serve_front
from gateway.network.market import Market, new_market, read_market
from gateway.server import open_sites
from gateway.smp.zone_server import serve_zone
from gateway.ubl import invoice

NETWORK = resources.files("gateway.ubl").joinpath("examples/network.xml").read_bytes()
FACTS = invoice.read(NETWORK)


@dataclass(slots=True)
class Corner:
    """One gateway with its sites."""

    gateway: Gateway
    sites: AsyncExitStack

    async def publish(self, id: ParticipantId) -> None:
        await self.gateway.publish(Participant(id=id, account=FIRST_ACCOUNT, country="SE"))

    async def submit(self, octets: bytes, **more: object) -> Message:
        return (await self.gateway.outbound.submit(FIRST_ACCOUNT, octets, **more)).message  # type: ignore[arg-type]

    async def work(self) -> None:
        while await self.gateway.worker.run_once():
            pass

    async def now(self, message: Message) -> Message:
        return await self.gateway.store.get(FIRST_ACCOUNT, message.id)

    async def events(self, message: Message) -> list[str]:
        return [e.event for e in await self.gateway.store.timeline(FIRST_ACCOUNT, message.id)]


@dataclass(slots=True)
class Town:
    """Two corners and the zone between them."""

    market: Market
    sender: Corner
    receiver: Corner
    stop_dns: Callable[[], Awaitable[None]]


@pytest.fixture(scope="session")
def blueprint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market's files, made once: keys take time."""
    letters = '\n[print]\nkind = "folder"\ntarget = "var/letters"\n'
    directory = tmp_path_factory.mktemp("blueprint") / "market"
    # Ports of its own: between two trips nobody listens on them, and a market that another file makes then would stay.
    first = int(os.environ["GATEWAY_MARKET_PORT"]) + 60
    new_market(directory, 2, now=datetime.now(UTC), extra={1: letters}, first_port=first)
    return directory


@pytest.fixture
async def town(tmp_path: Path, blueprint: Path) -> AsyncIterator[Town]:
    """gateway1 has a letter folder; the seller is its participant, the buyer that of gateway2."""
    async with open_town(tmp_path, blueprint) as town:
        yield town


@asynccontextmanager
async def open_town(tmp_path: Path, blueprint: Path, more: str = "") -> AsyncIterator[Town]:
    """Both gateways, their zone and their two participants; ``more`` is added to both configurations."""
    market = read_market(await asyncio.to_thread(shutil.copytree, blueprint, tmp_path / "market"))
    for member in market.members:
        member.config.write_text(member.config.read_text() + more)
    async with AsyncExitStack() as stack:
        dns = await stack.enter_async_context(AsyncExitStack())
        await dns.enter_async_context(serve_zone(market.zone_file, market.dns, Bent(market, faults_of(market))))
        if market.lists:
            await stack.enter_async_context(serve_authorities(market))
            await stack.enter_async_context(serve_front(market))
        corners = []
        for member in market.members:
            gateway = await stack.enter_async_context(open_gateway(load(member.config, {})))
            sites = await stack.enter_async_context(AsyncExitStack())
            await open_sites(gateway, sites)
            corners.append(Corner(gateway, sites))
        sender, receiver = corners
        assert FACTS.seller.endpoint and FACTS.buyer.endpoint
        await sender.publish(FACTS.seller.endpoint)
        await receiver.publish(FACTS.buyer.endpoint)
        yield Town(market=market, sender=sender, receiver=receiver, stop_dns=dns.aclose)
