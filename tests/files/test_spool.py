"""Places for large octets: few at once, only where there is room, and gone whatever happens."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Overloaded, StoreUnavailable
from gateway.files import Spool
from gateway.files import spool as module
from gateway.files.intake import Body
from gateway.files.spool import Writing, in_memory, pieces, read_range, write_all
from gateway.model.octets import Spooled, sha256_of


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool", at_once=2)
    made.open()
    yield made
    made.close()


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]


async def test_a_place_goes_with_everything_in_it_however_it_ends(spool: Spool, tmp_path: Path) -> None:
    async with spool.place(1) as place:
        write_all(place.new("a"), [b"one", b"two"])
        assert len(files(tmp_path)) == 1
    assert not files(tmp_path)
    with pytest.raises(ZeroDivisionError):
        async with spool.place(1) as place:
            write_all(place.new("a"), [b"one"])
            raise ZeroDivisionError
    assert not files(tmp_path)


async def test_more_are_refused_or_wait(spool: Spool) -> None:
    async with spool.place(1):
        async with spool.place(1):
            with pytest.raises(Overloaded, match="2 large messages"):
                async with spool.place(1):
                    pass
            waiting = asyncio.ensure_future(spool.place(1, wait=True).__aenter__())
            await asyncio.sleep(0.05)
            assert not waiting.done()
        await asyncio.wait_for(waiting, 5)
        waiting.cancel()


async def test_without_room_there_is_no_place(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 500_000_000}))
    async with spool.place(100_000_000):
        with pytest.raises(StoreUnavailable, match="has 500 MB free; a large message needs up to 867 MB"):
            async with spool.place(100_000_000):
                pass
    async with spool.place(100_000_000):
        pass


async def test_a_full_disk_in_the_middle_says_so(spool: Spool) -> None:
    with pytest.raises(StoreUnavailable, match="No space left"):
        async with spool.place(1):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_a_killed_process_left_goes_at_the_next_start_and_a_living_one_stays(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from gateway.files import Spool\n"
        "s = Spool(Path(sys.argv[1])); s.open(); (s._folder / 'left').write_bytes(b'x'); print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "spool")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        other = Spool(tmp_path / "spool")
        other.open()
        assert len(files(tmp_path)) == 1  # its owner lives
        other.close()
        child.kill()
    last = Spool(tmp_path / "spool")
    last.open()
    assert not files(tmp_path)
    last.close()


def test_a_file_knows_its_digest_and_is_read_in_pieces(tmp_path: Path) -> None:
    octets = os.urandom(200_000)
    made = write_all(tmp_path / "file", [octets[:70_000], octets[70_000:]])
    assert (made.size, made.sha256) == (200_000, sha256_of(octets))
    assert b"".join(pieces(made)) == octets == in_memory(made)
    assert max(len(piece) for piece in pieces(made)) == module.STEP
    assert b"".join(read_range(made.path, 10, 90_000)) == octets[10:90_000]
    with pytest.raises(OSError, match="shorter"):
        list(read_range(made.path, 0, 200_001))
    with pytest.raises(FileExistsError):
        Writing(made.path)


@pytest.mark.parametrize("announced", [0, 3_000_000])
async def test_a_body_moves_to_the_spool_when_it_is_large(spool: Spool, tmp_path: Path, announced: int) -> None:
    octets = os.urandom(3_000_000)
    async with Body(spool, in_memory=1_000_000, largest=5_000_000) as body:
        await body.expect(announced)
        for at in range(0, len(octets), 60_000):
            await body.add(octets[at : at + 60_000])
        assert len(body) == 3_000_000
        file = await body.octets()
        assert isinstance(file, Spooled) and file.sha256 == sha256_of(octets) and in_memory(file) == octets
    assert not files(tmp_path)
    async with Body(spool, in_memory=1_000_000, largest=5_000_000) as body:
        await body.add(octets[:900_000])
        assert await body.octets() == octets[:900_000]
        assert not files(tmp_path)


async def test_a_caller_that_goes_away_does_not_close_the_file_under_the_thread_that_writes_it(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    begun, write, leave = threading.Event(), Writing.write, Writing.__exit__

    def slow(self: Writing, octets: bytes) -> None:
        begun.set()
        time.sleep(0.3)
        write(self, octets)
        steps.append("written")

    def closed(self: Writing, *error: Any) -> None:
        steps.append("closed")
        leave(self, *error)

    monkeypatch.setattr(Writing, "write", slow)
    monkeypatch.setattr(Writing, "__exit__", closed)

    async def take() -> None:
        async with Body(spool, in_memory=1, largest=1_000_000) as body:
            await body.add(bytes(600_000))

    taking = asyncio.ensure_future(take())
    await asyncio.to_thread(begun.wait, 5)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert steps == ["written", "closed"]
