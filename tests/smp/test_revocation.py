"""The search and revoked certificates: of the endpoint, of the SMP, in what is remembered. Never a no, never paper."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from gateway.errors import LookupUnavailable
from gateway.model.relation import Reachable, Unreachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.smp import zone
from gateway.smp.metadata import path
from gateway.smp.zone_server import serve_zone
from tests.security.revocation_parts import DAY, HOUR, World, world
from tests.security.revocation_parts import NOW as MOMENT
from tests.smp.smp_parts import BUYER, FixedClock, Network, Pki, open_smp, searching

METADATA = path(BUYER, str(BILLING_INVOICE))


class Market:
    """A network in which nobody knows anything about revocation yet; ``learned`` is what a fetch would bring."""

    def __init__(self) -> None:
        self.world: World = world()
        self.ap, self.smp = self.world.leaf("POP000101"), self.world.smp_leaf("PSP000201")
        self.trust = self.world.trust()
        self.settled = 0
        self.learned: Callable[[], object] = lambda: None

    async def settle(self) -> None:
        self.settled += 1
        self.learned()

    def know(self, network: Network, *revoked: x509.Certificate, number: int = 1) -> None:
        self.world.give_all(self.trust, *revoked, at=network.clock.now() + number * HOUR / 60, number=number)


@pytest.fixture
def market() -> Market:
    return Market()


@pytest.fixture
async def network(pki: Pki, market: Market, tmp_path: Path) -> AsyncIterator[Network]:
    ours = replace(pki, smp=market.world.identity(market.smp), ap=market.world.identity(market.ap), trust=market.trust)
    clock, zone_file = FixedClock(MOMENT), tmp_path / "zone.json"
    async with AsyncExitStack() as stack:
        smp = await stack.enter_async_context(open_smp(ours))
        zone.register(zone_file, BUYER, smp.url)
        address = await stack.enter_async_context(serve_zone(zone_file))
        lookup = await stack.enter_async_context(searching(ours, address, clock, settle=market.settle))
        smp.all_well()
        yield Network(smp, smp, lookup, clock, zone_file, address, ours)


async def find(network: Network) -> Reachable | Unreachable:
    return await network.lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)


async def test_who_is_revoked_by_nobody_is_found(network: Network, market: Market) -> None:
    market.know(network)
    assert isinstance(await find(network), Reachable)
    assert market.settled == 0


async def test_a_revoked_endpoint_is_no_way_and_no_no(network: Network, market: Market) -> None:
    market.know(network, market.ap)
    with pytest.raises(LookupUnavailable, match=r"its access point .* cannot be used: CN=POP000101.*revoked since"):
        await find(network)


async def test_what_a_revoked_smp_signed_does_not_count(network: Network, market: Market) -> None:
    market.know(network, market.smp)
    with pytest.raises(LookupUnavailable, match=r"does not count: CN=PSP000201.*revoked since") as caught:
        await find(network)
    assert any("not to be believed" in step.answer for step in caught.value.steps)


async def test_a_search_that_lacks_only_a_list_waits_for_it_once(network: Network, market: Market) -> None:
    market.learned = lambda: market.know(network)
    assert isinstance(await find(network), Reachable)
    assert market.settled == 1


async def test_a_search_whose_list_does_not_come_gives_no_verdict(network: Network, market: Market) -> None:
    with pytest.raises(LookupUnavailable, match="is registered, but a certificate cannot be judged now") as caught:
        await find(network)
    assert market.settled == 1
    assert any("its signer cannot be judged yet" in step.answer for step in caught.value.steps)
    assert "fetched again by itself" in caught.value.remedy


async def test_a_remembered_answer_is_dropped_when_its_endpoint_is_revoked(network: Network, market: Market) -> None:
    market.know(network)
    await find(network)
    await find(network)
    assert network.smp.asked.count(METADATA) == 1
    market.know(network, market.ap, number=2)
    with pytest.raises(LookupUnavailable, match="revoked since"):
        await find(network)
    assert network.smp.asked.count(METADATA) == 2


async def test_a_remembered_answer_waits_when_nobody_can_tell_any_longer(network: Network, market: Market) -> None:
    network.smp.pki.trust.revocations.grace = 0 * DAY  # type: ignore[union-attr]
    market.world.give_all(market.trust, at=network.clock.now() - DAY + HOUR / 12)
    await find(network)
    network.clock.time += HOUR / 10
    with pytest.raises(LookupUnavailable, match="cannot be judged now"):
        await find(network)
