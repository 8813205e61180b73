"""The lossy disk loses what it must lose and keeps what it must keep; a few power cuts under a whole gateway."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.model.identifiers import DocumentId
from gateway.model.message import PayloadKind
from gateway.store.octets import Folder
from tests.crash.campaign import random_kills
from tests.crash.power import missing, mounted
from tests.store.store_parts import EXEMPEL, StillClock, opened

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

WRITES = 40
_CHILD = Path(__file__).parents[1] / "store" / "crash_child.py"
_SQLITE = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1] + "/t.db", isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("PRAGMA synchronous=FULL")
connection.execute("CREATE TABLE t(x)")
connection.execute(f"PRAGMA synchronous={sys.argv[2]}")
for number in range(40):
    connection.execute("INSERT INTO t VALUES (?)", (number,))
os.kill(os.getpid(), 9)
"""
_PAYLOADS = """
import asyncio, os, stat, sys
from pathlib import Path
from gateway.store.octets import Folder
real = os.fsync
def fsync(descriptor):
    kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
    if kind != sys.argv[2]:
        real(descriptor)
os.fsync = fsync
async def keep():
    for number in range(40):
        kept = await Folder(Path(sys.argv[1])).keep(os.urandom(100_000), f"d{number}.document")
        print(kept.file, kept.sha256, flush=True)
asyncio.run(keep())
os.kill(os.getpid(), 9)
"""


async def run(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    return (await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)).stdout


@pytest.mark.parametrize(("synchronous", "kept"), [("FULL", True), ("NORMAL", False)])
async def test_sqlite_keeps_its_commits_only_when_it_syncs_them(tmp_path: Path, synchronous: str, kept: bool) -> None:
    async with mounted(tmp_path / "disk") as disk:
        await run(_SQLITE, str(disk.path), synchronous)
        await disk.cut()

        def rows() -> int:
            connection = sqlite3.connect(disk.path / "t.db")
            try:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                return int(connection.execute("SELECT count(*) FROM t").fetchone()[0])
            finally:
                connection.close()

        assert (await asyncio.to_thread(rows) == WRITES) is kept


@pytest.mark.parametrize("left_out", ["nothing", "file", "folder"])
async def test_payloads_survive_and_a_missing_fsync_of_file_or_folder_is_seen(tmp_path: Path, left_out: str) -> None:
    async with mounted(tmp_path / "disk") as disk:
        said = (await run(_PAYLOADS, str(disk.path), left_out)).split()
        assert len(said) == 2 * WRITES
        await disk.cut()

        def good(file: str, sha256: str) -> bool:
            path = disk.path / file
            return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

        survived = [await asyncio.to_thread(good, f, s) for f, s in zip(said[::2], said[1::2], strict=True)]
        assert all(survived) if left_out == "nothing" else not any(survived)


async def test_a_rename_is_seen_whole_or_not_at_all(tmp_path: Path) -> None:
    async with mounted(tmp_path / "disk") as disk:

        def write(name: str, octets: bytes) -> None:
            with (disk.path / name).open("wb") as file:
                file.write(octets)
                file.flush()
                os.fsync(file.fileno())

        def change() -> None:
            write("new", b"second")
            (disk.path / "new").rename(disk.path / "old")

        seen = set[bytes]()
        for seed in range(20):
            await asyncio.to_thread(write, "old", b"first")
            await disk.settle()
            await asyncio.to_thread(change)
            await disk.cut(seed)
            seen.add(await asyncio.to_thread((disk.path / "old").read_bytes))
        assert seen == {b"first", b"second"}


async def test_a_store_in_new_folders_keeps_what_it_promised_at_its_first_start(tmp_path: Path) -> None:
    async with mounted(tmp_path / "disk") as disk:
        place = disk.path / "new" / "node"
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, str(_CHILD), str(place), "1"), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        said = [(await child.stdout.readline()).decode().split() for _ in range(30)]
        child.kill()
        await child.wait()
        await disk.cut()
        async with opened(place, StillClock()) as store:
            for _, name in said[1:]:  # the first says that it is ready
                assert (await store.get(EXEMPEL, DocumentId(name))).id == name
                assert await store.payload(DocumentId(name), PayloadKind.DOCUMENT)


async def test_a_folder_that_a_killed_run_left_unsynced_is_made_durable_by_the_next(tmp_path: Path) -> None:
    async with mounted(tmp_path / "disk") as disk:
        octets = [os.urandom(100_000) for _ in range(3)]
        for each in octets:  # made, and killed before the fsync of the folder above
            await asyncio.to_thread((disk.path / hashlib.sha256(each).hexdigest()[:2]).mkdir, exist_ok=True)
        kept = [await Folder(disk.path).keep(each, "d1.document") for each in octets]
        await disk.cut()
        assert [await Folder(disk.path).fetch(each) for each in kept] == octets


async def test_no_promise_is_lost_with_the_power(tmp_path: Path) -> None:
    found = await random_kills(tmp_path / "market", seed=4, kills=8, power=True)
    assert found.verdict.good, found.verdict
    assert found.verdict.counts["pages that the cuts took"] + found.verdict.counts["names that the cuts took"] > 0
    assert found.promises >= 6
