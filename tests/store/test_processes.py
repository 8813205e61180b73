"""Several processes on one database: together when one gateway holds it, and nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from store_parts import EXEMPEL, StillClock, opened, outgoing, plain

from gateway.errors import ConfigurationError, StoreUnavailable
from gateway.model.lifecycle import State
from gateway.store import hold_store, open_store, turns

DATABASE = "sqlite:var/gateway.db"
DOCUMENTS = 300


def worker(folder: Path, name: str, held: int) -> subprocess.Popen[str]:
    """A process that adds documents of its own and works off whatever is due."""
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("worker_child.py")), str(folder), name, str(held)],
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(held,),
    )


def test_two_processes_work_one_queue_nothing_twice_and_nothing_left(tmp_path: Path, database: str) -> None:
    with hold_store(database, base=tmp_path) as held:
        children = [worker(tmp_path, name, held) for name in ("a", "b")]
        outputs = [child.communicate(timeout=60)[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert all(output for output in outputs), "one of them did everything"
    sent = [line for output in outputs for line in output]
    (shared,) = (line for line in sent if line.endswith("-shared"))
    assert sorted(sent) == sorted([shared, *(f"{name}{n}" for name in "ab" for n in range(DOCUMENTS))])
    if database == DATABASE:
        assert plain(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    assert plain(tmp_path, "SELECT DISTINCT state, attempts FROM message") == [(State.SENT, 1)]
    assert plain(tmp_path, "SELECT count(*) FROM event WHERE event = 'Sent'") == [(2 * DOCUMENTS + 1,)]
    # the key that both used is one document's
    assert plain(tmp_path, "SELECT count(*) FROM message WHERE idempotency_key <> ''") == [(1,)]


async def test_a_held_store_refuses_a_second_gateway_until_its_last_process_has_ended(
    tmp_path: Path, clock: StillClock
) -> None:
    with hold_store(DATABASE, base=tmp_path) as held:
        inherited = os.dup(held)
        async with open_store(DATABASE, Path("payloads"), clock, base=tmp_path, held=held):
            with pytest.raises(ConfigurationError, match="another gateway runs on"):
                async with opened(tmp_path, clock):
                    pass
    with pytest.raises(ConfigurationError, match="another gateway runs on"), hold_store(DATABASE, base=tmp_path):
        pass
    os.close(inherited)
    async with opened(tmp_path, clock):
        pass


async def test_who_takes_the_place_of_a_dead_process_has_its_documents_at_once_and_nobody_elses(
    tmp_path: Path, clock: StillClock
) -> None:
    with hold_store(DATABASE, base=tmp_path) as held:

        async def claim(owner: str, most: int, *, opens_as: str) -> set[str]:
            folder = Path("payloads")
            async with open_store(DATABASE, folder, clock, base=tmp_path, held=held, owner=opens_as) as store:
                return {str(message.id) for message in await store.claim(owner, most, 60)}

        async with open_store(DATABASE, Path("payloads"), clock, base=tmp_path, held=held) as store:
            await store.add_account(EXEMPEL, "Exempel AB", "hash")
            for n in range(4):
                await store.add_once(outgoing(f"d{n}"))
        first = await claim("process 1", 2, opens_as="process 1")
        second = await claim("process 2", 2, opens_as="process 2")
        assert len(first) == len(second) == 2 and first | second == {"d0", "d1", "d2", "d3"}
        assert await claim("process 3", 9, opens_as="process 3") == set()
        assert await claim("process 2", 9, opens_as="process 2") == second


async def test_a_descriptor_that_is_not_the_lock_is_refused(tmp_path: Path, clock: StillClock) -> None:
    with hold_store(DATABASE, base=tmp_path), (tmp_path / "other").open("wb") as other:
        for descriptor, words in ((other.fileno(), "is not the lock"), (1_000_000, "not inherited")):
            with pytest.raises(ConfigurationError, match=words):
                async with open_store(DATABASE, Path("payloads"), clock, base=tmp_path, held=descriptor):
                    pass


async def test_a_process_that_does_not_end_its_turn_is_told(
    tmp_path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.05)
    with hold_store(DATABASE, base=tmp_path) as held, turns.open_turns(tmp_path / "var/gateway.db") as other:
        async with open_store(DATABASE, Path("payloads"), clock, base=tmp_path, held=held) as store:
            await store.add_account(EXEMPEL, "Exempel AB", "hash")
            other.take()
            with pytest.raises(StoreUnavailable, match="does not go on"):
                await store.add_once(outgoing("d1"))
            other.give()
            assert (await store.add_once(outgoing("d1"))).new


def test_who_has_just_written_stands_behind_who_waits(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with turns.open_turns(path) as one, turns.open_turns(path) as two:
        assert one.take_at_once()
        assert not two.take_at_once()
        one.give()
        assert two.take_at_once()
        two.give()
