from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from gateway.files import make_directory, publish_directory, remove_leftovers, safe_name, write_durably


def test_a_file_is_replaced_whole_while_others_read_it(tmp_path: Path) -> None:
    path, stop, seen = tmp_path / "x", threading.Event(), set()
    write_durably(path, b"a" * 100_000)

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(30):
        write_durably(path, bytes([97 + n % 2]) * 100_000)
    stop.set()
    reader.join()
    assert {(len(octets), len(set(octets))) for octets in seen} == {(100_000, 1)}
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_durably(tmp_path / "x", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(tmp_path / "x", b"new")
    with pytest.raises(OSError, match="No space"):
        publish_directory({"a": b"1"}, tmp_path / "batch")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


def test_octets_are_on_the_disk_before_the_name_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def flushed(descriptor: int) -> None:
        events.append(f"flush {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        events.append(f"name {target.name}")
        return rename(self, target)

    def replaced(self: Path, target: Path) -> Path:
        events.append(f"name {target.name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(Path, "replace", replaced)
    publish_directory({"a": b"1", "b": b"2"}, tmp_path / "batch")
    assert events == [
        f"flush {tmp_path.name}",
        "flush a",
        "flush b",
        "flush .incoming-batch",
        "name batch",
        f"flush {tmp_path.name}",
    ]
    events.clear()
    write_durably(tmp_path / "x", b"1")
    assert events[0].startswith("flush .incoming-x-")
    assert events[1:] == ["name x", f"flush {tmp_path.name}"]


def test_a_directory_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    assert publish_directory({"a": b"1"}, tmp_path / "batch")
    assert not publish_directory({"a": b"2", "b": b"2"}, tmp_path / "batch")
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "batch").iterdir()] == [("a", b"1")]


def test_what_a_killed_writer_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".incoming-batch").mkdir()
    (tmp_path / ".incoming-batch/half").write_bytes(b"x")
    assert publish_directory({"a": b"1"}, tmp_path / "batch")
    assert [p.name for p in tmp_path.rglob("*")] == ["batch", "a"]


def test_every_new_parent_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: flushed.append(os.readlink(f"/proc/self/fd/{fd}")))
    make_directory(tmp_path / "a/b/c")
    assert {str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a/b")} == set(flushed)


def test_leftovers_are_removed_once_they_are_old(tmp_path: Path) -> None:
    (tmp_path / ".incoming-old").mkdir()
    (tmp_path / ".incoming-old/x").write_bytes(b"")
    (tmp_path / ".incoming-file").write_bytes(b"")
    for path in (tmp_path / ".incoming-old", tmp_path / ".incoming-file"):
        os.utime(path, (time.time() - 7200,) * 2)
    (tmp_path / ".incoming-new").mkdir()
    (tmp_path / "batch").mkdir()
    os.utime(tmp_path / "batch", (0, 0))
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".incoming-new", "batch"]
    remove_leftovers(tmp_path / "absent")


@pytest.mark.parametrize("text", ["doc-1", "0a1b", "A_b.c-d", "x" * 100])
def test_a_harmless_identifier_is_its_own_name(text: str) -> None:
    assert safe_name(text) == text


@pytest.mark.parametrize(
    "text", ["", ".", "..", ".x", "a/b", "a\0b", "å", "x" * 101, "a b", "a\n", "a.", "a..b", "\ud800"]
)
def test_any_other_gets_a_digest(text: str) -> None:
    assert len(safe_name(text)) == 40 and safe_name(text).isalnum()
