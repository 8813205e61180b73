"""The ledger is equal to the timelines, however it was counted."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path

import pytest
from store_parts import EXEMPEL, StillClock, only_sqlite, opened, outgoing, plain

from gateway.model.lifecycle import Event
from gateway.store import SqlStore, ledger

COUNTED = """SELECT m.direction || ' ' || e.event, count(*) FROM event e JOIN message m ON m.id = e.message
    GROUP BY 1"""
TROUBLE = """SELECT direction, state, count(*) FROM message
    WHERE state = 'FAILED' OR state = 'REJECTED' OR state = 'UNKNOWN' GROUP BY 1, 2"""


def rows(folder: Path) -> dict[str, int]:
    """What a person would count."""
    counted = (
        "SELECT m.direction || ' ' || e.event, count(*) FROM event e JOIN message m ON m.id = e.message GROUP BY 1"
    )
    return dict(plain(folder, counted))  # type: ignore[arg-type]


async def live(store: SqlStore, clock: StillClock, first: int, number: int) -> None:
    """Documents come and go."""
    chance = random.Random(first)
    for one in range(first, first + number):
        await store.add_once(outgoing(f"d{one}", next_attempt=clock.now()))
    for message in await store.claim("worker", number, 60):
        name = chance.choice(["Sent", "Rejected", "GaveUp", "LostTrack", "Postponed"])
        await store.record(message, Event(name=name, reason="so", next_attempt=None))  # type: ignore[arg-type]


async def test_it_is_equal_to_the_rows_over_restarts_and_what_is_remembered(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        assert (await store.operation.ledger()).events == {}
    for first in range(0, 120, 30):
        async with opened(tmp_path, clock) as store:
            await live(store, clock, first, 30)
            found = await store.operation.ledger()
            assert found.events == rows(tmp_path)
            assert found.trouble == {(d, s): n for d, s, n in plain(tmp_path, TROUBLE)}
            await store.operation.write(lambda connection: ledger.remember(connection, keep=7))
            assert (await store.operation.ledger()).events == rows(tmp_path)
            _, anew = await store.operation.reads.read(ledger.counts)
            assert anew == 7  # all others are remembered


async def test_two_that_remember_at_once_count_nothing_twice(
    store: SqlStore, tmp_path: Path, clock: StillClock
) -> None:
    await live(store, clock, 0, 10)
    await store.operation.write(lambda connection: ledger.remember(connection, keep=0))
    await live(store, clock, 10, 10)
    stale = await store.operation.reads.read(ledger._remembered)
    await store.operation.write(lambda connection: ledger.remember(connection, keep=0))
    late = ledger.Counted(stale.upto + 20, stale.counts + stale.counts)  # of one who read before the other had written
    await store.operation.write(lambda connection: ledger._replace(connection, before=stale, after=late))
    assert (await store.operation.ledger()).events == rows(tmp_path)


async def test_it_is_counted_in_pieces_beside_the_work_and_nobody_who_asks_waits_for_more_than_one(
    store: SqlStore, tmp_path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("REMEMBER_AFTER", 20), ("NEWEST", 10), ("PIECE", 25)):
        monkeypatch.setattr(ledger, name, value)
    await live(store, clock, 0, 60)
    pieces = 0
    while await store.operation.counting.advance(200) >= 200:
        pieces += 1
    events, anew = await store.operation.reads.read(ledger.counts)
    assert pieces == 4 and anew <= 20  # 120 rows
    assert events == rows(tmp_path)
    assert await store.operation.counting.advance(200) == 0  # nothing is written while nothing happens
    await live(store, clock, 60, 30)
    together = await asyncio.gather(*(store.operation.ledger() for _ in range(4)))
    assert [one.events for one in together] == [rows(tmp_path)] * 4


@only_sqlite
async def test_what_waits_for_a_person_is_counted_by_its_index(store: SqlStore, tmp_path: Path) -> None:
    from gateway.store.operation import _trouble

    with sqlite3.connect(tmp_path / "var/gateway.db") as other:
        plan = " ".join(str(row[-1]) for row in other.execute(f"EXPLAIN QUERY PLAN {TROUBLE}"))
    assert "message_trouble" in plan
    assert await store.operation.reads.read(_trouble) == {}
