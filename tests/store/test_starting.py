"""A store that cannot be used is refused at the start, with what to do about it, and is left as it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_parts import StillClock, opened, plain_sqlite

from gateway.errors import ConfigurationError
from gateway.store import database, open_store

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


async def refused(folder: Path, url: str = "sqlite:var/gateway.db", payloads: str = "var/payloads") -> str:
    with pytest.raises(ConfigurationError) as caught:
        async with open_store(url, Path(payloads), StillClock(), base=folder):
            pass
    ((path, text),) = caught.value.problems
    return f"{path}: {text}"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@as_root
async def test_a_full_disk(tmp_path: Path, disk: Path, clock: StillClock) -> None:
    with pytest.raises(OSError), (disk / "filler").open("wb") as filler:
        while True:
            filler.write(bytes(4096))
            filler.flush()
    text = await refused(tmp_path, "sqlite:disk/gateway.db")
    assert "full" in text and "make room" in text
    (disk / "filler").unlink()
    async with open_store("sqlite:disk/gateway.db", Path("var/payloads"), clock, base=tmp_path):
        pass  # nothing half made stands in the way


@as_root
async def test_a_disk_that_is_read_only(tmp_path: Path, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert "mounted read-only" in await refused(tmp_path, "sqlite:disk/gateway.db")
    assert "store.payloads: the disk of" in await refused(tmp_path, payloads="disk")


async def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "a file has that name" in await refused(tmp_path, payloads="file")
    assert "below a file" in await refused(tmp_path, payloads="file/payloads")
    assert "store.database" in await refused(tmp_path, "sqlite:file/gateway.db")


def _of_another_program(file: Path) -> None:
    with sqlite3.connect(file) as plain:
        plain.execute("CREATE TABLE theirs (x)")


def _no_database(file: Path) -> None:
    file.write_bytes(b"this is a letter to my aunt, long enough to be read\n" * 40)


@pytest.mark.parametrize(
    ("make", "words"), [(_of_another_program, "another program"), (_no_database, "gateway db restore")]
)
async def test_a_file_that_is_not_our_database_is_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    file = tmp_path / "gateway.db"
    make(file)
    octets = file.read_bytes()
    assert words in await refused(tmp_path, f"sqlite:{file.name}")
    assert make is _of_another_program or file.read_bytes() == octets


@pytest.mark.parametrize(("version", "words"), [(1, "gateway db upgrade"), (99, "newer program")])
async def test_a_schema_of_another_version(tmp_path: Path, clock: StillClock, version: int, words: str) -> None:
    async with opened(tmp_path, clock):
        pass
    with plain_sqlite(tmp_path) as plain:
        plain.execute("UPDATE schema_version SET version = ?", (version,))
    assert words in await refused(tmp_path)


async def test_a_sqlite_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.sqlite3, "sqlite_version_info", (3, 34, 1))
    assert "too old" in await refused(tmp_path)
    assert not (tmp_path / "var/gateway.db").exists()
