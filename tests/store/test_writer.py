"""Group commit: answered means committed, and a failed commit fails everybody who waited for it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from store_parts import EXEMPEL, StillClock, only_sqlite, opened, outgoing, plain, plain_sqlite

from gateway.errors import NotFound, Overloaded, StoreUnavailable
from gateway.model.identifiers import DocumentId
from gateway.store import SqlStore, database, writer


def rows(folder: Path) -> int:
    """How many documents another program sees in the file."""
    return int(plain(folder, "SELECT count(*) FROM message")[0][0])


class Failing:
    """A driver's connection whose commits fail as a failing disk lets them fail, so many times."""

    def __init__(self, driver: sqlite3.Connection, left: list[int]) -> None:
        self._driver = driver
        self._left = left

    def __getattr__(self, name: str) -> object:
        return getattr(self._driver, name)

    def commit(self) -> None:
        if self._left[0] > 0:
            self._left[0] -= 1
            raise sqlite3.OperationalError("disk I/O error")
        self._driver.commit()


def broken_commits(store: SqlStore, times: int) -> None:
    """Let the next commits fail, on whatever connection."""
    transactions, left = store._writer._transactions, [times]
    begin = transactions._begin_patiently

    def begin_patiently() -> None:
        begin()
        transactions._driver = Failing(transactions._driver, left)

    transactions._begin_patiently = begin_patiently  # type: ignore[attr-defined]
    transactions._driver = Failing(transactions._driver, left)  # type: ignore[attr-defined]


async def test_when_add_returns_another_program_sees_the_document(store: SqlStore, tmp_path: Path) -> None:
    for n in range(20):
        await store.add_once(outgoing(f"d{n}"))
        assert rows(tmp_path) == n + 1


@only_sqlite
@pytest.mark.parametrize("key", ["", "the same"])
async def test_many_at_once_share_a_commit(store: SqlStore, key: str) -> None:
    commits, end = [], store._writer._transactions._end

    def count() -> None:
        commits.append(1)
        end()

    store._writer._transactions._end = count  # type: ignore[attr-defined]
    await asyncio.gather(*(store.add_once(outgoing(f"d{n}", key=key)) for n in range(100)))
    assert 1 <= len(commits) <= 3


@only_sqlite
async def test_a_failed_commit_fails_everybody_and_stores_nothing(store: SqlStore, tmp_path: Path) -> None:
    broken_commits(store, 1)
    results = await asyncio.gather(
        *(store.add_once(outgoing(f"d{n}", key="k")) for n in range(10)), return_exceptions=True
    )
    assert all(isinstance(result, StoreUnavailable) for result in results)
    assert rows(tmp_path) == 0
    assert not store.work.is_set()


@only_sqlite
async def test_after_a_failed_commit_the_same_document_can_be_handed_in_again(store: SqlStore, tmp_path: Path) -> None:
    broken_commits(store, 1)
    old = store._writer._transactions._connection
    with pytest.raises(StoreUnavailable, match="disk"):
        await store.add_once(outgoing("d1", key="k"))
    assert (await store.add_once(outgoing("d1", key="k"))).new
    assert store._writer._transactions._connection is not old
    assert rows(tmp_path) == 1


@only_sqlite
async def test_after_a_failed_commit_nothing_new_is_begun_for_a_moment(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_commits(store, 2)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store.add_once(outgoing("d1", key="k"))
        assert store.writes_failing
    monkeypatch.setattr(writer, "FAILED_SECONDS", 0.0)
    assert not store.writes_failing  # somebody may try
    monkeypatch.undo()
    assert (await store.add_once(outgoing("d1", key="k"))).new
    assert not store.writes_failing  # one commit that succeeds is enough


@only_sqlite
async def test_a_full_disk_is_told_and_what_was_accepted_stays(store: SqlStore, tmp_path: Path) -> None:
    room = plain(tmp_path, "PRAGMA page_count")[0][0] + 60
    store._writer._transactions._driver.execute(f"PRAGMA max_page_count={room}")  # until the connection is given up
    accepted: list[str] = []
    with pytest.raises(StoreUnavailable, match="full"):
        for n in range(1000):
            await store.add_once(outgoing(f"d{n}"))
            accepted.append(f"d{n}")
    assert len(accepted) > 20
    assert rows(tmp_path) == len(accepted)
    assert plain(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    assert (await store.get(EXEMPEL, DocumentId(accepted[-1]))).id == accepted[-1]


async def test_a_locked_database_is_told(tmp_path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        with plain_sqlite(tmp_path) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"):
                await store.add_once(outgoing("d1"))
        assert (await store.add_once(outgoing("d1"))).new


async def test_a_caller_that_goes_away_does_not_undo_what_others_wait_for(store: SqlStore, tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        goes = [tasks.create_task(store.add_once(outgoing(f"gone{n}"))) for n in range(10)]
        stays = [tasks.create_task(store.add_once(outgoing(f"d{n}"))) for n in range(10)]
        for turn in range(10):
            await asyncio.sleep(0.0005 * turn)
            goes[turn].cancel()
    for n, task in enumerate(stays):
        assert task.result().new
        await store.get(EXEMPEL, DocumentId(f"d{n}"))
    # each one that went away is there whole or not at all
    for n in range(10):
        try:
            await store.get(EXEMPEL, DocumentId(f"gone{n}"))
        except NotFound:
            continue
        assert len(await store.timeline(EXEMPEL, DocumentId(f"gone{n}"))) == 1
    assert (await store.add_once(outgoing("afterwards"))).new


async def test_a_cancelled_reader_leaves_the_store_usable(store: SqlStore) -> None:
    await store.add_once(outgoing("d1"))
    async with asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(store.get(EXEMPEL, DocumentId("d1"))) for _ in range(30)]
        for turn, read in enumerate(reads):
            await asyncio.sleep(0.0002 * (turn % 5))
            read.cancel()
    for _ in range(10):
        assert (await store.get(EXEMPEL, DocumentId("d1"))).id == "d1"


async def test_too_many_waiting_are_refused(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 3)
    results = await asyncio.gather(*(store.add_once(outgoing(f"d{n}")) for n in range(10)), return_exceptions=True)
    assert sum(isinstance(result, Overloaded) for result in results) == 7


async def test_closing_writes_what_waits_and_takes_nothing_after(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    async with asyncio.TaskGroup() as tasks:
        async with opened(tmp_path, clock) as store:
            await store.add_account(EXEMPEL, "Exempel AB", "hash")
            waiting = [tasks.create_task(store.add_once(outgoing(f"d{n}"))) for n in range(300)]
            await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="closed"):
            await store.add_once(outgoing("late"))
    assert all(task.result().new for task in waiting)
    assert rows(tmp_path) == 300
