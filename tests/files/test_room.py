"""Room is kept for what was accepted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.files import room as module
from gateway.files.room import Room

Disk = Callable[..., None]
MB = 10**6


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk of 1,000 MB, as the kernel would tell of it."""

    def make(*, free: int, files: int = 1_000_000, free_files: int = 900_000, flags: int = 0) -> None:
        told = SimpleNamespace(
            f_blocks=1000 * MB // 4096,
            f_frsize=4096,
            f_bavail=free // 4096,
            f_files=files,
            f_favail=free_files,
            f_flag=flags,
        )
        monkeypatch.setattr(module.os, "statvfs", lambda _: told)

    return make


def shortage(reserve: int = 10 * MB, percent: int = 5) -> str:
    return Room((Path("var"),), reserve=reserve, percent=percent).shortage()


def test_the_larger_of_octets_and_share_is_kept(disk: Disk) -> None:
    disk(free=51 * MB)
    assert shortage() == ""
    assert "60 MB are kept" in shortage(reserve=60 * MB)
    disk(free=49 * MB)
    assert "49 MB free" in shortage() or "48 MB free" in shortage()
    assert shortage(percent=0) == ""


def test_names_can_run_out_before_octets(disk: Disk) -> None:
    disk(free=900 * MB, files=1_000, free_files=99)
    assert "99 more files" in shortage()
    disk(free=900 * MB, files=0, free_files=0)  # a file system that does not count them
    assert shortage() == ""


def test_a_disk_that_went_read_only_has_no_room(disk: Disk) -> None:
    disk(free=900 * MB, flags=os.ST_RDONLY)
    assert "read-only" in shortage()


def test_a_folder_that_is_gone_has_no_room(tmp_path: Path) -> None:
    assert "cannot be looked at" in Room((tmp_path / "gone",)).shortage()


def test_it_is_looked_at_again_soon(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    room = Room((Path("var"),), reserve=10 * MB)
    disk(free=9 * MB)
    assert room.shortage()
    disk(free=900 * MB)
    assert room.shortage()  # the look of a moment ago
    now += 1.0
    assert room.shortage() == ""
