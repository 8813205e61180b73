"""What a person, or a clock that was set back, does to the whole store."""

from __future__ import annotations

from datetime import timedelta

from store_parts import START, StillClock, outgoing, plain

from gateway.model.lifecycle import Event
from gateway.store import SqlStore

DAY, LEASE = timedelta(days=1), timedelta(seconds=60)


async def test_a_clock_that_was_set_back_leaves_nothing_waiting_for_next_year(
    store: SqlStore, clock: StillClock
) -> None:
    clock.time = START + timedelta(days=365)  # wrong, and nobody knows yet
    await store.add_once(outgoing("leased", next_attempt=clock.time))
    assert len(await store.claim("worker", 10, 60)) == 1
    await store.add_once(outgoing("postponed", next_attempt=clock.time))
    await store.add_once(outgoing("soon", next_attempt=START + timedelta(hours=1)))
    clock.time = START  # set right
    assert await store.claim("worker", 10, 60) == []
    assert await store.operation.bring_near(DAY, LEASE) == 2
    assert await store.operation.bring_near(DAY, LEASE) == 0  # twice is once: every process may do it
    assert [m.id for m in await store.claim("worker", 10, 60)] == ["postponed"]
    clock.pass_seconds(61)  # a lease is a lease
    assert {m.id for m in await store.claim("other", 10, 60)} == {"leased", "postponed"}


async def test_the_probe_is_a_write_and_leaves_one_row(store: SqlStore, tmp_path, clock: StillClock) -> None:  # type: ignore[no-untyped-def]
    for _ in range(3):
        clock.pass_seconds(1)
        await store.operation.probe()
    rows = plain(tmp_path, "SELECT name, value FROM setting")
    assert len(rows) == 1 and "12:00:03" in rows[0][1]


async def test_what_waits_is_counted_no_further_than_asked(store: SqlStore, clock: StillClock) -> None:
    for number in range(5):
        await store.add_once(outgoing(f"d{number}", next_attempt=START + timedelta(minutes=number)))
    queue = await store.queue(3)
    assert (queue.waiting, queue.overdue, queue.oldest) == (3, 0, START)
    clock.pass_seconds(7 * 60)
    assert (await store.queue(100)).overdue == 2
    (taken,) = await store.claim("worker", 1, 60)
    assert (await store.queue(100)).overdue == 1  # somebody has it in hand
    await store.record(taken, Event(name="GaveUp", reason="it is no use"))
    queue = await store.queue(100)
    assert (queue.waiting, queue.overdue) == (4, 1)
