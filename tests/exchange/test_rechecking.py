"""Receivers in doubt are asked for again by themselves, and what waits for them goes as soon as they are there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import LookupUnavailable
from gateway.model.lifecycle import State
from gateway.model.message import Direction
from gateway.model.proposal import ProposalState
from gateway.model.relating import RelationState
from tests.exchange.conftest import ACCOUNT, ENDPOINT
from tests.exchange.sweep_parts import Swept, address
from tests.exchange.test_routing import BUYER, relation, sent


async def test_one_that_is_there_again_gets_what_waits_for_it_at_once(swept: Swept) -> None:
    exchange, rechecking = swept.exchange, swept.sweeping.rechecking
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    await sent(exchange)
    del exchange.lookup.answers[BUYER.value]
    message = await sent(exchange)
    assert (await relation(exchange)).state is RelationState.SUSPECT
    assert await rechecking.run_once() == 0 and swept.surveyor.asked == [], "its time has not come"
    swept.surveyor.answers[BUYER.value] = replace(ENDPOINT, seat="POP000077")
    exchange.clock.forward(minutes=5)
    assert await rechecking.run_once() == 1
    way = await relation(exchange)
    assert (way.state, way.seat, way.next_check) == (RelationState.ACTIVE, "POP000077", None)
    exchange.lookup.answers[BUYER.value] = replace(ENDPOINT, seat="POP000077")
    await exchange.settle()
    assert (await exchange.now(message)).state is State.SENT
    assert exchange.print.parcels == [] == exchange.email.parcels


async def test_without_an_answer_nothing_changes_and_it_is_left_alone_for_some_minutes(swept: Swept) -> None:
    exchange, rechecking = swept.exchange, swept.sweeping.rechecking
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    await sent(exchange)
    del exchange.lookup.answers[BUYER.value]
    await sent(exchange)
    before = await relation(exchange)
    swept.surveyor.answers[BUYER.value] = LookupUnavailable("SERVFAIL")
    for hours in range(1, 40):
        exchange.clock.forward(hours=1)
        assert await rechecking.run_once() == 0
        assert await rechecking.run_once() == 0
        assert swept.surveyor.asked.count(BUYER.value) == hours
    assert await relation(exchange) == before


async def test_those_without_an_answer_do_not_stand_before_the_others(
    swept: Swept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.exchange.rechecking._AT_ONCE", 1)
    await swept.enter(3)
    rechecking = swept.sweeping.rechecking
    for number in (1, 2, 3):
        swept.surveyor.answers[address(number)] = ENDPOINT
    await swept.run()
    for number in (1, 2, 3):
        await swept.accept(number)
        del swept.surveyor.answers[address(number)]
    await swept.run()
    swept.exchange.clock.forward(minutes=15)
    swept.surveyor.asked.clear()
    for number in (1, 2, 3):
        swept.surveyor.answers[address(number)] = LookupUnavailable("SERVFAIL")
    for _ in range(4):
        assert await rechecking.run_once() == 0
    assert sorted(swept.surveyor.asked) == [address(1), address(2), address(3)]


async def test_one_that_stays_away_is_lost_after_a_day_and_found_again_by_itself(swept: Swept) -> None:
    await swept.enter(1)
    exchange, rechecking = swept.exchange, swept.sweeping.rechecking
    swept.surveyor.answers[address(1)] = ENDPOINT
    await swept.run()
    await swept.accept(1)
    del swept.surveyor.answers[address(1)]
    await swept.run()
    asked = 0
    for _ in range(24 * 4):
        exchange.clock.forward(minutes=15)
        asked += await rechecking.run_once()
    assert 20 <= asked <= 30
    way = await swept.way(1)
    assert way is not None and way.state is RelationState.LOST
    swept.surveyor.asked.clear()
    for _ in range(40):
        exchange.clock.forward(days=1)
        await rechecking.run_once()
    assert 30 <= swept.surveyor.asked.count(address(1)) <= 33, "daily for a month, then weekly"
    swept.surveyor.answers[address(1)] = ENDPOINT
    exchange.clock.forward(days=7)
    assert await rechecking.run_once() == 1
    way = await swept.way(1)
    assert way is not None and way.state is RelationState.PROPOSED
    found, _ = await exchange.store.relations.proposals(ACCOUNT, direction=Direction.OUT)
    assert [one.state for one in found] == [ProposalState.OPEN]
