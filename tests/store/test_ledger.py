"""The ledger is equal to the timelines, however it was counted."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

from store_parts import EXEMPEL, StillClock, only_sqlite, opened, outgoing, plain

from gateway.model.lifecycle import Event
from gateway.store import SqlStore, ledger

COUNTED = """SELECT m.direction || ' ' || e.event, count(*) FROM event e JOIN message m ON m.id = e.message
    GROUP BY 1"""
TROUBLE = """SELECT direction, state, count(*) FROM message WHERE state IN ('FAILED', 'REJECTED', 'UNKNOWN')
    GROUP BY 1, 2"""


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
    stale = await store.operation.reads.read(lambda connection: ledger._remembered(connection))
    await store.operation.write(lambda connection: ledger.remember(connection, keep=0))

    def late(connection: object) -> None:
        """One who read before the other had written."""
        kept = ledger._remembered
        ledger._remembered = lambda _: stale  # type: ignore[assignment]
        try:
            ledger.remember(connection, keep=0)  # type: ignore[arg-type]
        finally:
            ledger._remembered = kept

    await store.operation.write(late)
    assert (await store.operation.ledger()).events == rows(tmp_path)


@only_sqlite
async def test_what_waits_for_a_person_is_counted_by_its_index(store: SqlStore, tmp_path: Path) -> None:
    from gateway.store.operation import _trouble

    with sqlite3.connect(tmp_path / "var/gateway.db") as other:
        plan = " ".join(str(row[-1]) for row in other.execute(f"EXPLAIN QUERY PLAN {TROUBLE}"))
    assert "message_trouble" in plan
    assert await store.operation.reads.read(_trouble) == {}
