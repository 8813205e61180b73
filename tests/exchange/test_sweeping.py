"""The sweep over a real store: what is found, what moved, what goes on after a crash, what never prints a letter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import LookupUnavailable, LostLease
from gateway.exchange.sweeping import Night
from gateway.exchange.verifying import Turns, Verifying
from gateway.model.counterpart import (
    Acceptance,
    AutoAccept,
    RelationPolicy,
)
from gateway.model.message import Direction, Route
from gateway.model.numbers import derived_gln
from gateway.model.proposal import ProposalState
from gateway.model.relating import RelationState
from gateway.model.sweep import Change, SweepKind, SweepState
from gateway.ports import Changes
from tests.exchange.conftest import ACCOUNT, ENDPOINT, OTHER
from tests.exchange.sweep_parts import Swept, address, customer, number, sweeping_of

both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@both
async def test_who_is_on_the_network_is_proposed_and_the_second_night_writes_nothing(swept: Swept) -> None:
    await swept.enter(30)
    for n in (3, 17):
        swept.surveyor.answers[address(n)] = ENDPOINT
    first = await swept.run()
    assert (first.total, first.done, first.asked) == (30, 30, 30)
    assert dict(first.counts) == {"appeared": 2} and (first.questions, first.requests) == (60, 2)
    assert await swept.report(first) == [("c000003", Change.APPEARED), ("c000017", Change.APPEARED)]
    proposals, _ = await swept.exchange.store.relations.proposals(ACCOUNT, states=[ProposalState.OPEN])
    assert {one.participant for one in proposals} == {address(3), address(17)}
    way = await swept.way(3)
    assert way is not None and (way.state, way.seat, way.confirmed) == (RelationState.PROPOSED, "POP000002", None)
    before = await swept.rows()
    swept.exchange.clock.forward(days=1)
    second = await swept.run()
    assert (second.done, dict(second.counts), second.requests) == (30, {}, 0)
    assert await swept.rows() == before


async def test_no_answer_changes_nothing_and_is_named(swept: Swept) -> None:
    await swept.enter(3)
    swept.surveyor.answers[address(1)] = ENDPOINT
    await swept.run()
    await swept.accept(1)
    before, known = await swept.way(1), await swept.rows()
    for n in (1, 2):
        swept.surveyor.answers[address(n)] = LookupUnavailable("SERVFAIL")
    swept.exchange.clock.forward(days=1)
    done = await swept.run()
    assert dict(done.counts) == {"unknown": 2}
    assert "SERVFAIL" in (await swept.lines(done))[0].sv
    assert await swept.way(1) == before
    assert await swept.rows() == known | {"sweep_difference": known["sweep_difference"] + 2}


@both
async def test_a_move_between_operators_changes_the_endpoint_and_nothing_else(swept: Swept) -> None:
    await swept.enter(2)
    swept.surveyor.answers[address(1)] = ENDPOINT
    await swept.run()
    await swept.accept(1)
    before = await swept.way(1)
    swept.surveyor.answers[address(1)] = replace(ENDPOINT, seat="POP000077", certificate=b"another")
    swept.exchange.clock.forward(days=1)
    done = await swept.run()
    after = await swept.way(1)
    assert before is not None and after is not None
    assert (after.state, after.seat, after.since) == (RelationState.ACTIVE, "POP000077", before.since)
    assert await swept.report(done) == [("c000001", Change.MOVED)]
    assert swept.exchange.print.parcels == [] == swept.exchange.email.parcels


async def test_one_that_is_away_is_doubted_first_and_lost_after_a_day(swept: Swept) -> None:
    await swept.enter(1)
    swept.surveyor.answers[address(1)] = ENDPOINT
    await swept.run()
    await swept.accept(1)
    del swept.surveyor.answers[address(1)]
    swept.exchange.clock.forward(hours=1)
    assert await swept.report(await swept.run()) == [("c000001", Change.DOUBTED)]
    way = await swept.way(1)
    assert way is not None and (way.state, way.denied) == (RelationState.SUSPECT, swept.exchange.clock.now())
    swept.surveyor.answers[address(1)] = LookupUnavailable("time-out")
    swept.exchange.clock.forward(hours=30)
    await swept.run()
    assert await swept.way(1) == way
    del swept.surveyor.answers[address(1)]
    swept.exchange.clock.forward(hours=1)
    assert await swept.report(await swept.run()) == [("c000001", Change.LOST)]
    swept.surveyor.answers[address(1)] = ENDPOINT
    swept.exchange.clock.forward(hours=1)
    assert await swept.report(await swept.run()) == [("c000001", Change.APPEARED)]


async def test_one_that_is_there_again_within_the_day_is_used_as_before(swept: Swept) -> None:
    await swept.enter(1)
    swept.surveyor.answers[address(1)] = ENDPOINT
    await swept.run()
    await swept.accept(1)
    del swept.surveyor.answers[address(1)]
    await swept.run()
    swept.surveyor.answers[address(1)] = replace(ENDPOINT, seat="POP000078")
    swept.exchange.clock.forward(hours=3)
    done = await swept.run()
    way = await swept.way(1)
    assert way is not None and (way.state, way.seat, way.denied) == (RelationState.ACTIVE, "POP000078", None)
    assert await swept.report(done) == [("c000001", Change.BACK), ("c000001", Change.MOVED)]


async def test_one_in_quarantine_stays_there_whatever_the_sweep_finds(swept: Swept) -> None:
    await swept.enter(1)
    swept.surveyor.answers[address(1)] = ENDPOINT
    await swept.run()
    await swept.accept(1)
    way, now = await swept.way(1), swept.exchange.clock.now()
    assert way is not None
    quarantined = replace(way, state=RelationState.QUARANTINED, next_check=now + timedelta(hours=1))
    await swept.exchange.store.relations.commit(Changes(relations=((quarantined, way.updated),)))
    swept.exchange.clock.forward(days=1)
    assert dict((await swept.run()).counts) == {}
    assert await swept.way(1) == quarantined
    del swept.surveyor.answers[address(1)]
    assert dict((await swept.run()).counts) == {"lost": 1}


@both
async def test_a_sweep_that_dies_goes_on_behind_what_is_done_and_counts_nothing_twice(swept: Swept) -> None:
    await swept.enter(130)
    for n in range(5, 130, 10):
        swept.surveyor.answers[address(n)] = ENDPOINT
    await swept.sweeping.begin(ACCOUNT, "test")
    swept.surveyor.die_after = 240
    with pytest.raises(BaseExceptionGroup):
        await swept.sweeping.run_once()
    (half,), _ = await swept.exchange.store.sweeps.find(ACCOUNT, 1)
    assert half.state is SweepState.RUNNING and 100 <= half.done < 130 and half.cursor == f"c{half.done:06d}"
    swept.surveyor.die_after = 0
    swept.surveyor.asked.clear()
    other = sweeping_of(swept.exchange, swept.surveyor, "second")
    assert await other.run_once() is None, "the lease of the first has not run out"
    swept.exchange.clock.forward(minutes=3)
    done = await other.run_once()
    assert done is not None and (done.done, done.id) == (130, half.id)
    assert done.counts["appeared"] == 13 and len(await swept.report(done)) == 13
    assert min(swept.surveyor.asked) == address(half.done + 1)


async def test_the_successor_of_a_dead_process_waits_for_no_lease(swept: Swept) -> None:
    await swept.enter(20)
    await swept.sweeping.begin(ACCOUNT, "test")
    swept.surveyor.die_after = 30
    with pytest.raises(BaseExceptionGroup):
        await swept.sweeping.run_once()
    swept.surveyor.die_after = 0
    again = await sweeping_of(swept.exchange, swept.surveyor, "first").run_once()
    assert again is not None and (again.state, again.done) == (SweepState.DONE, 20)


@both
async def test_one_of_two_processes_does_it_and_the_one_that_lost_it_writes_nothing(swept: Swept) -> None:
    await swept.enter(10)
    store = swept.exchange.store
    _, new = await swept.sweeping.begin(ACCOUNT, "one")
    same, again = await swept.sweeping.begin(ACCOUNT, "two")
    assert (new, again, same.actor) == (True, False, "one")
    claims = await asyncio.gather(*(store.sweeps.claim(f"p{n}", timedelta(minutes=2)) for n in range(5)))
    (held,) = [claim for claim in claims if claim is not None]
    swept.exchange.clock.forward(minutes=3)
    taken = await store.sweeps.claim("another", timedelta(minutes=2))
    assert taken is not None and taken.id == held.id
    with pytest.raises(LostLease):
        await store.sweeps.record(held, [], timedelta(minutes=2), last=True)
    assert (await store.sweeps.get(ACCOUNT, held.id)).state is SweepState.RUNNING


@both
async def test_each_night_has_one_sweep_of_each_account_at_a_time_of_its_own(swept: Swept) -> None:
    store, clock = swept.exchange.store, swept.exchange.clock
    await swept.enter(2)
    await store.add_account(OTHER, "Other AB", "hash-2")
    elsewhere = replace(customer(900, clock.now()), account=OTHER)
    await store.relations.commit(Changes(counterparts=((elsewhere, None),)))
    night = clock.now().replace(hour=1, minute=0)
    planned = await asyncio.gather(*(store.sweeps.plan("2026-11-26", night, timedelta(hours=3)) for _ in range(3)))
    assert sum(planned) == 2
    assert await store.sweeps.plan("2026-11-26", night, timedelta(hours=3)) == 0
    (one,), _ = await store.sweeps.find(ACCOUNT, 5)
    (two,), _ = await store.sweeps.find(OTHER, 5)
    assert one.kind is SweepKind.NIGHT and one.due != two.due
    assert all(night <= of.due <= night + timedelta(hours=3) for of in (one, two))


def test_a_night_begins_at_its_hour_and_lasts_as_long_as_its_spread() -> None:
    from datetime import UTC, datetime

    night = Night(hour=22, spread=timedelta(hours=4))
    begin = datetime(2026, 11, 25, 22, tzinfo=UTC)
    assert night.begins(begin - timedelta(seconds=1)) is None
    assert night.begins(begin) == night.begins(begin + timedelta(hours=3, minutes=59)) == begin
    assert night.begins(begin + timedelta(hours=5)) is None
    assert replace(night, enabled=False).begins(begin) is None


async def test_a_night_asks_for_who_got_paper_lately_and_who_is_in_use(swept: Swept) -> None:
    from tests.exchange.conftest import sample

    exchange = swept.exchange
    await exchange.submit(sample("network"))
    await exchange.settle()
    await swept.enter(2)
    swept.surveyor.answers[address(1)] = ENDPOINT
    await swept.run()
    await swept.accept(1)
    swept.surveyor.asked.clear()
    verifying = swept.sweeping
    verifying.night = Night(hour=exchange.clock.now().hour, spread=timedelta(minutes=1))
    exchange.clock.forward(days=1)
    assert await swept.sweeping.plan() == 1
    exchange.clock.forward(minutes=1)
    done = await swept.sweeping.run_once()
    assert done is not None and (done.kind, done.total, done.done, done.asked) == (SweepKind.NIGHT, 3, 3, 2)
    assert address(1) in swept.surveyor.asked and address(2) not in swept.surveyor.asked
    assert len(swept.surveyor.asked) > 1, "whoever got the letter"
    verifying.night = replace(verifying.night, hour=exchange.clock.now().hour)
    verifying.turns = Turns(often=timedelta(0), seldom=timedelta(0))
    verifying._planned = 0.0
    swept.surveyor.asked.clear()
    exchange.clock.forward(days=1)
    await swept.sweeping.plan()
    exchange.clock.forward(minutes=1)
    await swept.sweeping.run_once()
    assert swept.surveyor.asked == [address(1)]


async def test_whoever_is_set_to_one_way_or_has_said_no_is_not_asked_about(swept: Swept) -> None:
    now = swept.exchange.clock.now()
    rows = (
        customer(1, now, route=Route.PRINT),
        customer(2, now, opt_out=("peppol",)),
        replace(customer(3, now), identifiers=()),
        customer(4, now),
    )
    await swept.exchange.store.relations.commit(Changes(counterparts=tuple((row, None) for row in rows)))
    done = await swept.run()
    assert (done.done, done.asked) == (4, 1)
    assert set(swept.surveyor.asked) == {address(4), f"0088:{derived_gln(number(4))}"}


async def test_an_account_that_lets_us_gets_the_new_way_at_once(swept: Swept) -> None:
    policy = RelationPolicy(auto_accept=AutoAccept.NEVER)
    await swept.exchange.store.relations.save_policy(ACCOUNT, policy, "test")
    await swept.enter(1, acceptance=Acceptance.AUTO)
    swept.surveyor.answers[address(1)] = ENDPOINT
    done = await swept.run()
    way = await swept.way(1)
    assert way is not None and way.state is RelationState.ACTIVE and done.counts == {"appeared": 1}
    assert "taken at once" in (await swept.lines(done))[0].en
    found, _ = await swept.exchange.store.relations.proposals(ACCOUNT, direction=Direction.OUT)
    assert list(found) == []


async def test_an_answer_that_cannot_be_judged_stops_nobody_else(
    swept: Swept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await swept.enter(3)
    for n in (1, 2, 3):
        swept.surveyor.answers[address(n)] = ENDPOINT
    real = Verifying.judge

    async def judge(self: Verifying, subject: Any, *more: Any, **named: Any) -> Any:
        if subject.counterpart.number == "2":
            raise RuntimeError("odd")
        return await real(self, subject, *more, **named)

    monkeypatch.setattr(Verifying, "judge", judge)
    done = await swept.run()
    assert dict(done.counts) == {"appeared": 2, "unknown": 1}
    assert "cannot be judged" in caplog.text
