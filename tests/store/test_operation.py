"""What a person, or a clock that was set back, does to the whole store."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from store_parts import START, StillClock, opened, outgoing, plain

from gateway.model.lifecycle import Event
from gateway.store import SqlStore
from gateway.store.operation import note

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


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"])
async def test_nobody_changes_or_removes_a_row_of_the_audit_log(
    store: SqlStore, tmp_path: Path, clock: StillClock, database: str, statement: str
) -> None:
    await store.operation.write(lambda connection: note(connection, clock.now(), "somebody", "did something"))
    before = [tuple(row) for row in plain(tmp_path, "SELECT actor, action FROM audit ORDER BY number")]
    assert ("somebody", "did something") in before
    with pytest.raises(Exception, match="only added to"):
        plain(tmp_path, statement)
    assert [tuple(row) for row in plain(tmp_path, "SELECT actor, action FROM audit ORDER BY number")] == before


async def test_the_audit_log_of_an_earlier_store_is_guarded_from_its_next_start(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.operation.write(lambda connection: note(connection, clock.now(), "somebody", "did something"))
    if database.startswith("sqlite:"):
        for name in ("audit_no_update", "audit_no_delete"):
            plain(tmp_path, f"DROP TRIGGER {name}")
    else:
        plain(tmp_path, "DROP TRIGGER audit_stays ON audit")
    plain(tmp_path, "UPDATE audit SET actor = 'another'")  # (as before)
    for _ in range(2):
        async with opened(tmp_path, clock):
            pass
    with pytest.raises(Exception, match="only added to"):
        plain(tmp_path, "DELETE FROM audit")
