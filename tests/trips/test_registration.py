"""A participant gets onto the network, off it, and from one SMP to another, over a real SML, DNS, SMP and AS4."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.app import FIRST_ACCOUNT, Gateway, open_gateway
from gateway.config import load
from gateway.errors import Conflict, LookupUnavailable
from gateway.model.identifiers import ParticipantId
from gateway.model.message import Participant
from gateway.model.migration_keys import new_key
from gateway.model.registration import Goal, Registration, Stage
from gateway.model.relation import Reachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.network.market import ZONE, Market, new_market, read_market
from gateway.network.sml import Sml, serve_sml
from gateway.ports import Filter
from gateway.server import open_sites
from gateway.smp.zone_server import serve_zone

OURS = ParticipantId.parse("0007:5567212047")
PARTICIPANT = Participant(id=OURS, account=FIRST_ACCOUNT, name="Exempel Bygg AB", country="SE")


@dataclass
class Place:
    """Two gateways with their SMPs, one SML."""

    market: Market
    sml: Sml
    first: Gateway
    second: Gateway

    async def find(self) -> Reachable:
        found = await self.second.lookup.find_afresh(OURS, BILLING_INVOICE, BILLING_PROCESS)
        assert isinstance(found, Reachable), found
        return found


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("registration") / "market"
    new_market(directory, 2, now=datetime.now(UTC), sml=True, first_port=22_000 + os.getpid() % 20_000)
    return directory


@pytest.fixture
async def place(tmp_path: Path, files: Path) -> AsyncIterator[Place]:
    market = read_market(await asyncio.to_thread(shutil.copytree, files, tmp_path / "market"))
    assert market.sml
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve_zone(market.zone_file, market.dns))
        sml = Sml(market.zone_file, market.directory / "sml.json", name=ZONE)
        await stack.enter_async_context(serve_sml(sml, market.sml))
        gateways = []
        for member in market.members:
            gateway = await stack.enter_async_context(
                open_gateway(load(member.config, {"GATEWAY__MLS__RECEIVE": "false"}))
            )
            sites = await stack.enter_async_context(AsyncExitStack())
            await open_sites(gateway, sites)
            gateways.append(gateway)
        yield Place(market, sml, *gateways)


async def follow(gateway: Gateway, seconds: float = 20.0) -> Registration:
    """Let the registrar work until the participant is where it is to be, or a person must do something."""
    async with asyncio.timeout(seconds):
        while True:
            await gateway.registrar.run_once()
            way = await gateway.store.registration(OURS)
            assert way is not None
            if way.complete or way.stopped:
                return way
            await asyncio.sleep(0.05)


async def test_one_call_brings_a_company_onto_the_network_as_far_as_a_test_message(place: Place) -> None:
    way = await place.first.publish(PARTICIPANT)
    assert [done.stage for done in way.done] == [Stage.PUBLISHED, Stage.REGISTERED]
    way = await follow(place.first)
    stages = [Stage.PUBLISHED, Stage.REGISTERED, Stage.FOUND, Stage.TESTED, Stage.LISTED]
    assert [done.stage for done in way.done] == stages
    assert "receipt of POP000001" in way.done[3].text
    assert (await place.find()).endpoint.seat == "POP000001"
    items, _ = await place.first.store.find(FIRST_ACCOUNT, Filter())
    assert list(items) == []  # a test message is nobody's document


async def test_whatever_goes_wrong_at_the_sml_the_participant_is_registered_once(place: Place) -> None:
    troubles = ["lost", "105", "500", "html", ""]
    place.sml.trouble = lambda operation: troubles.pop(0) if operation == "create" and troubles else ""
    way = await place.first.publish(PARTICIPANT)
    assert not way.complete
    await follow(place.first)
    assert place.sml.held == {OURS: "PSP000001"}


async def test_a_gateway_that_dies_goes_on_where_it_stood(place: Place) -> None:
    place.sml.trouble = lambda operation: "lost" if operation == "create" else ""
    way = await place.first.publish(PARTICIPANT)
    assert (way.stage, way.attempts) == (Stage.REGISTERED, 1)
    place.sml.trouble = lambda operation: ""
    again = await place.first.store.registration(OURS)
    assert again == way  # all that a new process needs
    assert (await follow(place.first)).complete


async def test_one_that_another_smp_has_stops_with_what_to_do(place: Place) -> None:
    await place.second.publish(PARTICIPANT)
    with pytest.raises(Conflict, match="not at our SMP PSP000001"):
        await place.first.publish(PARTICIPANT)
    way = await place.first.store.registration(OURS)
    assert way is not None
    assert way.stopped
    assert "migration key" in way.problem
    assert place.sml.held == {OURS: "PSP000002"}
    await place.first.unpublish(FIRST_ACCOUNT, OURS)
    assert place.sml.held == {OURS: "PSP000002"}, "who never had it takes nothing away"


async def test_off_the_network_it_is_answered_for_until_nobody_finds_it(place: Place) -> None:
    await place.first.publish(PARTICIPANT)
    await follow(place.first)
    place.sml.trouble = lambda operation: "lost" if operation == "delete" else ""
    way = await place.first.unpublish(FIRST_ACCOUNT, OURS)
    assert (way.goal, way.stage) == (Goal.OFF, Stage.DEREGISTERED)
    assert await place.first.store.participant(OURS)
    place.sml.trouble = lambda operation: ""
    assert (await place.first.unpublish(FIRST_ACCOUNT, OURS)).complete
    assert await place.first.store.participant(OURS) is None
    assert place.sml.held == {}


async def test_a_migration_has_no_moment_without_a_right_answer(place: Place) -> None:
    """Somebody looks all the time, also with DNS answers that are old: every look-up ends at one of the two."""
    await place.first.publish(PARTICIPANT)
    await follow(place.first)
    looked: list[str] = []
    failed: list[str] = []
    stale = await place.second.lookup.locate(OURS)
    assert isinstance(stale, str)
    over = asyncio.Event()

    async def look(old_dns: bool) -> None:
        while not over.is_set():
            try:
                looked.append((await _ask(place, stale if old_dns else None)).endpoint.seat)
            except (LookupUnavailable, AssertionError) as error:
                failed.append(str(error))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(look(False))
        tasks.create_task(look(True))
        away = await place.first.registrar.hand_over(FIRST_ACCOUNT, OURS, new_key())
        away = await place.first.registrar.advance(away, until=Stage.PREPARED)
        await asyncio.sleep(0.2)
        assert (await place.find()).endpoint.seat == "POP000001", "until the key is used nothing changes"
        await place.second.publish(PARTICIPANT, away.key)
        taken = await follow(place.second)
        gone = await follow(place.first)
        await asyncio.sleep(0.3)
        over.set()
    assert (taken.complete, gone.complete) == (True, True)
    assert gone.moved_to == f"http://{place.market.members[1].smp}"
    assert failed == []
    assert set(looked) == {"POP000001", "POP000002"}
    assert looked[-1] == "POP000002"
    redirected = await _ask(place, stale)
    assert redirected.endpoint.seat == "POP000002"
    assert any("redirects to" in step.answer for step in redirected.steps)


async def test_one_that_comes_back_is_answered_for_at_once(place: Place) -> None:
    """The SMP that redirected it away must not go on doing so once DNS leads there again: both would redirect."""
    await place.first.publish(PARTICIPANT)
    await follow(place.first)
    for loser, gainer in ((place.first, place.second), (place.second, place.first)):
        away = await loser.registrar.advance(
            await loser.registrar.hand_over(FIRST_ACCOUNT, OURS, new_key()), until=Stage.PREPARED
        )
        await gainer.publish(PARTICIPANT, away.key)
        assert (await place.find()).endpoint.seat == gainer.config.operator.seat_id
        await follow(gainer)
        await follow(loser)
        assert (await place.find()).endpoint.seat == gainer.config.operator.seat_id
    for each in (place.first, place.second):
        await each.registrar.refresh()  # as another process of the same gateway would, a little late
        assert (await _ask(place, f"http://{each.config.smp.listen}")).endpoint.seat == "POP000001"


async def _ask(place: Place, smp: str | None) -> Reachable:
    """One whole search; with ``smp``, as somebody whose DNS answer is old."""
    search = place.second.lookup._begin(OURS)
    if smp is not None:
        held = await search._by_name(smp, BILLING_INVOICE)
        assert isinstance(held, tuple), held
        found = search._reachable(smp, *held, BILLING_INVOICE, BILLING_PROCESS)
    else:
        found = await search.endpoint(BILLING_INVOICE, BILLING_PROCESS)
    assert isinstance(found, Reachable), found
    return found
