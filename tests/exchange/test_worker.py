"""The worker outlives whatever one document does to it, and holds no more work than it can do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Overloaded, PeerUnavailable, StateError, StoreUnavailable
from gateway.exchange import worker as worker_module
from gateway.exchange.outbound import Workshop
from gateway.files.spool import Spool
from gateway.model.lifecycle import State
from gateway.model.message import Message, Outgoing, Parcel
from gateway.model.relation import Endpoint
from gateway.model.signals import Handover
from gateway.ports import Delivery
from tests.exchange.conftest import ENDPOINT, Exchange, ScriptedChannel, ScriptedTransport, sample

NETWORK = sample("network")
BUYER = "0007:5567987606"


@asynccontextmanager
async def _running(exchange: Exchange):  # type: ignore[no-untyped-def]
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(exchange.worker.run())
        try:
            yield task
        finally:
            exchange.worker.stop()


async def _until(exchange: Exchange, message: Message, state: State) -> Message:
    async with asyncio.timeout(5):
        while (now := await exchange.now(message)).state is not state:
            await asyncio.sleep(0.01)
    return now


async def test_a_text_that_the_store_cannot_write_stops_neither_worker_nor_neighbours(exchange: Exchange) -> None:
    class Foreign(ScriptedChannel):
        async def dispatch(self, parcel: Parcel) -> Handover:
            return Handover(reference="r", text="250 queued as \udce9", evidence=b"mail")

    exchange.worker.outbound = replace(exchange.outbound, channels={"email": Foreign("email")})
    poison = await exchange.submit(NETWORK)
    async with _running(exchange) as task:
        await _until(exchange, poison, State.DIVERTED)
        await asyncio.sleep(0.1)
        exchange.lookup.answers[BUYER] = ENDPOINT
        good = await exchange.submit(NETWORK)
        await _until(exchange, good, State.SENT)
        assert not task.done()
    now = await exchange.now(poison)
    assert now.state is State.DIVERTED and now.next_attempt is not None
    assert "could not be recorded" in (await exchange.events(poison))[-1].reason


async def test_a_store_that_is_too_busy_for_a_claim_does_not_end_the_worker(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, refusals = exchange.store.claim, [Overloaded("10,000 writes wait"), StateError("?"), RuntimeError("bug")]

    async def busy(*words: Any, **more: Any) -> Sequence[Message]:
        if refusals:
            raise refusals.pop(0)
        return await claim(*words, **more)

    monkeypatch.setattr(worker_module, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(exchange.store, "claim", busy)
    exchange.lookup.answers[BUYER] = ENDPOINT
    message = await exchange.submit(NETWORK)
    async with _running(exchange):
        await _until(exchange, message, State.SENT)
    assert refusals == []


async def test_a_receipt_in_hand_is_recorded_although_the_store_fails_for_a_moment(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, failures = exchange.store.record, [StoreUnavailable("disk full"), Overloaded("too many")]

    async def failing(*words: Any, **more: Any) -> Message:
        if failures:
            raise failures.pop(0)
        return await record(*words, **more)

    monkeypatch.setattr(worker_module, "_RECORD_PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(exchange.store, "record", failing)
    exchange.lookup.answers[BUYER] = ENDPOINT
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.SENT
    assert len(exchange.transport.sent) == 1


async def test_an_unexpected_failure_after_the_octets_left_never_ends_as_failed(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER] = ENDPOINT
    exchange.transport.errors = [ZeroDivisionError("bug")]  # type: ignore[list-item]
    message = await exchange.submit(NETWORK)
    exchange.clock.forward(days=6)  # the node stood still; this is the first attempt
    await exchange.settle()
    assert (await exchange.now(message)).state is State.UNKNOWN


async def test_no_more_is_claimed_than_can_be_begun_and_a_stop_begins_nothing(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = [], asyncio.Event()

    async def slow(message: Message) -> None:
        begun.append(message.id)
        await go.wait()

    monkeypatch.setattr(exchange.worker, "work", slow)
    exchange.worker.at_once = 4  # three places for one receiver
    messages = [await exchange.submit(NETWORK) for _ in range(6)]
    async with _running(exchange):
        async with asyncio.timeout(5):
            while len(begun) < 3:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert sum([(await exchange.now(m)).attempts for m in messages]) == 3
        exchange.worker.stop()
        go.set()
    assert len(begun) == 3


async def test_a_step_longer_than_a_lease_keeps_it_and_a_dead_workers_work_is_taken_over(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_RENEW_SECONDS", 0.01)
    begun, go = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedChannel):
        async def dispatch(self, parcel: Parcel) -> Handover:
            begun.set()
            await go.wait()
            return await ScriptedChannel.dispatch(self, parcel)

    slow = Slow("email")
    exchange.worker.outbound = replace(exchange.outbound, channels={"email": slow})
    message = await exchange.submit(NETWORK)
    async with _running(exchange):
        async with asyncio.timeout(5):
            await begun.wait()
        for _ in range(5):
            exchange.clock.forward(seconds=50)
            await asyncio.sleep(0.1)
            assert await exchange.store.claim("another", 8, 60.0) == []
        go.set()
        await _until(exchange, message, State.DISPATCHED)
    assert len(slow.parcels) == 1
    dead = await exchange.submit(NETWORK)
    assert len(await exchange.store.claim("dead", 8, worker_module.LEASE_SECONDS)) == 1
    exchange.clock.forward(seconds=61)
    await exchange.store.renew("another", [dead.id], 60.0)
    assert [m.id for m in await exchange.store.claim("another", 8, 60.0)] == [dead.id]


async def test_a_worker_that_stood_still_may_claim_again_what_it_still_has_in_hand(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine was suspended for longer than a lease: the step of before ends beside the new one, without effect."""
    monkeypatch.setattr(worker_module, "_POLL_SECONDS", 0.01)
    begun, first = asyncio.Semaphore(0), asyncio.Event()

    class Slow(ScriptedChannel):
        async def dispatch(self, parcel: Parcel) -> Handover:
            begun.release()
            if parcel.message.attempts <= 2:
                await first.wait()
            return await ScriptedChannel.dispatch(self, parcel)

    exchange.worker.outbound = replace(exchange.outbound, channels={"email": Slow("email")})
    message = await exchange.submit(NETWORK)
    async with _running(exchange) as task, asyncio.timeout(5):
        await begun.acquire()
        exchange.clock.forward(seconds=61)
        await begun.acquire()
        await _until(exchange, message, State.DISPATCHED)
        first.set()
        exchange.lookup.answers[BUYER] = ENDPOINT
        await _until(exchange, await exchange.submit(NETWORK), State.SENT)
        assert not task.done()
    assert [entry.event for entry in await exchange.events(message)] == ["Accepted", "Diverted", "Dispatched"]


async def test_a_receiver_that_never_answers_does_not_stop_the_others(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = asyncio.Event()
    good = "5560360793"

    class Silent(ScriptedTransport):
        async def send(self, outgoing: Outgoing, endpoint: Endpoint) -> Delivery:
            if endpoint is ENDPOINT:
                await go.wait()
            return await ScriptedTransport.send(self, outgoing, endpoint)

    exchange.worker.outbound = replace(exchange.outbound, transport=Silent())
    exchange.lookup.answers = {BUYER: ENDPOINT, f"0007:{good}": replace(ENDPOINT, seat="POP000003")}
    stuck = [await exchange.submit(NETWORK) for _ in range(30)]
    async with _running(exchange):
        await asyncio.sleep(0.2)
        for _ in range(5):
            fresh = await exchange.submit(NETWORK.replace(BUYER[5:].encode(), good.encode()))
            await _until(exchange, fresh, State.SENT)
        go.set()
        for message in stuck:
            await _until(exchange, message, State.SENT)


async def test_many_receivers_that_never_answer_do_not_stop_the_others(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once each has been tried, the silent ones share a few places however many there are."""
    monkeypatch.setattr("gateway.exchange.worker._POLL_SECONDS", 0.05)
    silent, good = ("5560360793", "5567121388", "5567456701"), "5564300142"
    tried: list[str] = []

    class Silent(ScriptedTransport):
        async def send(self, outgoing: Outgoing, endpoint: Endpoint) -> Delivery:
            if endpoint is ENDPOINT:
                tried.append(outgoing.message_id)
                await asyncio.sleep(0.3)
                raise PeerUnavailable("no answer in time", sent=True)
            return await ScriptedTransport.send(self, outgoing, endpoint)

    exchange.worker.outbound = replace(exchange.outbound, transport=Silent())
    exchange.lookup.answers = {f"0007:{number}": ENDPOINT for number in silent}
    exchange.lookup.answers[f"0007:{good}"] = replace(ENDPOINT, seat="POP000003")

    def addressed(number: str) -> bytes:
        return NETWORK.replace(BUYER[5:].encode(), number.encode())

    for number in silent:
        for _ in range(30):
            await exchange.submit(addressed(number))
    async with _running(exchange):
        await asyncio.sleep(1.0)  # by now each has been silent once
        for _ in range(5):
            fresh = await exchange.submit(addressed(good))
            await _until(exchange, fresh, State.SENT)
    # It did not wait for its turn behind them: nearly all of theirs have been put off without being tried.
    assert len(tried) < 20


async def test_a_receiver_that_holds_all_its_places_is_served_again_as_soon_as_one_is_free(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_POLL_SECONDS", 60.0)
    exchange.worker.at_once = 4
    exchange.lookup.answers[BUYER] = ENDPOINT
    waiting = [await exchange.submit(NETWORK) for _ in range(12)]
    async with _running(exchange):
        for message in waiting:
            await _until(exchange, message, State.SENT)


async def test_large_documents_that_wait_for_their_place_do_not_stop_small_ones(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(worker_module, "IN_MEMORY", len(NETWORK) + 50)
    monkeypatch.setattr(worker_module, "_POLL_SECONDS", 60.0)
    go = asyncio.Event()
    silent, good = ("5560360793", "5567121388", "5567456701", "5567987606"), "5564300142"

    class Waiting(ScriptedTransport):
        async def send(self, outgoing: Outgoing, endpoint: Endpoint) -> Delivery:
            if endpoint is ENDPOINT:
                await go.wait()
            return await ScriptedTransport.send(self, outgoing, endpoint)

    def addressed(number: str) -> bytes:
        return NETWORK.replace(BUYER[5:].encode(), number.encode())

    workshop = Workshop(
        spool=Spool(tmp_path / "spool", at_once=1), pack=lambda _, path: pytest.fail("not large"), limit=1
    )
    outbound = replace(exchange.outbound, transport=Waiting(), large=workshop)
    exchange.worker.outbound, exchange.worker.at_once = outbound, 8
    exchange.lookup.answers = {f"0007:{number}": ENDPOINT for number in silent}
    exchange.lookup.answers[f"0007:{good}"] = replace(ENDPOINT, seat="POP000003")
    large = [await exchange.submit(addressed(n) + b"<!--" + b"x" * 100 + b"-->") for _ in range(3) for n in silent]
    async with _running(exchange):
        await asyncio.sleep(0.2)
        assert 1 <= exchange.worker._large <= 2  # those of one claim
        for _ in range(3):
            await _until(exchange, await exchange.submit(addressed(good)), State.SENT)
        go.set()
        for message in large:
            await _until(exchange, message, State.SENT)
    assert exchange.worker._large == 0


async def test_a_dead_partner_is_left_alone_and_then_found_alive_by_one_try(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER] = ENDPOINT
    exchange.transport.errors = [PeerUnavailable("no answer in time", sent=False) for _ in range(4)]
    messages = [await exchange.submit(NETWORK) for _ in range(20)]
    await exchange.settle()
    assert len(exchange.transport.sent) == 3  # the others were put off without being tried
    for message in messages:
        now, last = await exchange.now(message), (await exchange.events(message))[-1]
        assert (now.state, last.detail["failure"]) == (State.ACCEPTED, "remote")
        assert now.sent_octets is False and "octets" not in last.reason
    assert "left alone: it failed 3 times in a row" in (await exchange.events(messages[-1]))[-1].reason
    exchange.clock.forward(minutes=2)
    await exchange.settle()
    assert len(exchange.transport.sent) == 4  # one probe, which failed
    exchange.clock.forward(minutes=2)
    await exchange.settle()
    # It answered once, so what waited for it goes out now and not when each would have been due.
    assert [(await exchange.now(m)).state for m in messages] == [State.SENT] * 20
    assert len({o.message_id for o in exchange.transport.sent}) == 20


async def test_at_the_end_of_the_window_nothing_waits_for_a_dead_partner(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER] = ENDPOINT
    exchange.transport.errors = [PeerUnavailable("no answer in time", sent=False) for _ in range(100_000)]
    messages = [await exchange.submit(NETWORK) for _ in range(5)]
    for _ in range(5 * 24):
        await exchange.settle()
        exchange.clock.forward(minutes=61)
    assert [(await exchange.now(m)).state for m in messages] == [State.FAILED] * 5


@pytest.mark.parametrize("jump", [-1.0, 24.0])
async def test_a_jump_of_the_wall_clock_makes_no_storm_and_no_stop(exchange: Exchange, jump: float) -> None:
    exchange.lookup.answers[BUYER] = ENDPOINT
    exchange.transport.errors = [PeerUnavailable("no answer in time", sent=False)]
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    exchange.clock.forward(hours=jump)
    for _ in range(3):
        await exchange.settle()
    assert len(exchange.transport.sent) <= 2  # at most one try more
    exchange.clock.forward(hours=abs(jump) + 3)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.SENT


async def test_what_waited_for_a_dead_partner_goes_out_in_order_of_age(exchange: Exchange) -> None:
    """B22: at once, however long each would still have paused."""
    exchange.lookup.answers[BUYER] = ENDPOINT
    exchange.transport.errors = [PeerUnavailable("no answer in time", sent=False) for _ in range(3)]
    slow = replace(exchange.outbound.retry, first=timedelta(hours=1))
    exchange.outbound = exchange.worker.outbound = replace(exchange.outbound, retry=slow)
    waiting = []
    for _ in range(20):
        waiting.append(await exchange.submit(NETWORK))
        exchange.clock.forward(seconds=1)
        await exchange.settle()
    assert {(await exchange.now(m)).state for m in waiting} == {State.ACCEPTED}
    exchange.transport.sent.clear()
    exchange.clock.forward(seconds=40)
    fresh = await exchange.submit(NETWORK)  # finds it alive
    await exchange.settle()
    assert [o.message_id for o in exchange.transport.sent] == [m.message_id for m in (fresh, *waiting)]
