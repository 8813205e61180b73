"""Octets in rows and files: small ones in the row, large ones on disk first, damaged ones never given away."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from store_parts import EXEMPEL, START, outgoing, plain

from gateway.errors import StateError, StoreUnavailable
from gateway.files.spool import in_memory, write_all
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import Event
from gateway.model.message import Evidence, PayloadKind
from gateway.model.octets import Spooled
from gateway.store import SqlStore, octets
from gateway.store.octets import Folder

LARGE = os.urandom(200_000)
D1 = DocumentId("d1")


def damage_row(folder: Path, table: str) -> None:
    ((kept,),) = plain(folder, f"SELECT octets FROM {table}")
    plain(folder, f"UPDATE {table} SET octets = ?", kept[:-8] + bytes([kept[-8] ^ 1]) + kept[-7:])


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "var/payloads").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "content", [b"", b"x", b"<a/>" * 10_000, b"\x1f\x8b" + os.urandom(100), LARGE, b"y" * 3_000_000]
)
async def test_what_was_kept_comes_back(tmp_path: Path, content: bytes) -> None:
    folder = Folder(tmp_path)
    assert await folder.fetch(await folder.keep(content, "d1.document")) == content


async def test_small_octets_make_no_file_and_large_ones_one_that_only_we_can_read(
    store: SqlStore, tmp_path: Path
) -> None:
    await store.add_once(outgoing("d1", octets=b"<a/>" * 50_000))
    assert files(tmp_path) == []
    await store.add_once(outgoing("d2", octets=LARGE))
    (file,) = files(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await store.payload(DocumentId("d2"), PayloadKind.DOCUMENT) == LARGE


async def test_a_repeats_file_is_removed_and_the_first_stays(store: SqlStore, tmp_path: Path) -> None:
    await store.add_once(outgoing("d1", key="k", octets=LARGE))
    await store.add_once(outgoing("d2", key="k", octets=LARGE))
    assert len(files(tmp_path)) == 1
    await store.add_once(outgoing("d1", key="k", octets=LARGE))
    assert await store.payload(D1, PayloadKind.DOCUMENT) == LARGE


@pytest.mark.parametrize("large", [False, True])
async def test_the_file_is_synced_renamed_and_its_folder_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    content = write_all(tmp_path / "spooled", [LARGE]) if large else LARGE
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(descriptor: int) -> None:
        steps.append("fsync " + ("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"))
        fsync(descriptor)

    def noted_rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(octets.os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    await Folder(tmp_path).keep(content, "d1.document")
    assert steps == ["fsync folder", "fsync file", "rename", "fsync folder"]


async def test_a_changed_octet_in_the_row_is_never_given_away(store: SqlStore, tmp_path: Path) -> None:
    proof = Evidence(kind="receipt", media_type="text/xml", octets=os.urandom(500))
    await store.add_once(outgoing("d1", octets=os.urandom(500), evidence=[proof]))
    for table in ("payload", "evidence"):
        damage_row(tmp_path, table)
    with pytest.raises(StateError, match="quarantined"):
        await store.payload(D1, PayloadKind.DOCUMENT)
    with pytest.raises(StateError, match="quarantined"):
        await store.evidence(EXEMPEL, D1)


async def test_a_changed_octet_in_packed_octets_is_never_given_away(store: SqlStore, tmp_path: Path) -> None:
    await store.add_once(outgoing("d1", octets=b"".join(b"<a>%d</a>" % n for n in range(500))))
    damage_row(tmp_path, "payload")
    with pytest.raises(StateError, match="quarantined"):
        await store.payload(D1, PayloadKind.DOCUMENT)


async def test_a_damaged_row_does_not_inflate_without_end(store: SqlStore, tmp_path: Path) -> None:
    await store.add_once(outgoing("d1", octets=b"z" * 900_000))
    plain(tmp_path, "UPDATE payload SET size = 1000")
    with pytest.raises(StateError, match="quarantined"):
        await store.payload(D1, PayloadKind.DOCUMENT)


async def test_a_changed_or_missing_file_is_never_given_away(store: SqlStore, tmp_path: Path) -> None:
    await store.add_once(outgoing("d1", octets=LARGE))
    (file,) = files(tmp_path)
    file.write_bytes(LARGE[:-1] + b"!")
    with pytest.raises(StateError, match="quarantined"):
        await store.payload(D1, PayloadKind.DOCUMENT)
    file.unlink()
    with pytest.raises(StateError, match="missing"):
        await store.payload(D1, PayloadKind.DOCUMENT)


@pytest.mark.parametrize("id", ["../d1", "a/b", ".hidden", "a\0b", "x" * 300])
async def test_a_name_never_leaves_the_folder(tmp_path: Path, id: str) -> None:
    with pytest.raises(StateError, match="file name"):
        await Folder(tmp_path).keep(LARGE, f"{id}.document")


async def test_a_disk_that_takes_no_file_is_a_store_that_cannot_be_used(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(octets.os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="No space left"):
        await store.add_once(outgoing("d1", octets=LARGE))


async def test_a_file_that_did_not_fit_leaves_nothing_behind(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(octets.os, "fsync", full)
    for number in range(3):
        with pytest.raises(StoreUnavailable):
            await store.add_once(outgoing(f"d{number}", octets=LARGE))
    assert files(tmp_path) == []


async def test_a_repeat_is_answered_although_its_own_file_cannot_be_removed(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    await store.add_once(outgoing("d1", key="k", octets=LARGE))
    monkeypatch.setattr(octets.Path, "unlink", broken)
    again = await store.add_once(outgoing("d2", key="k", octets=LARGE))
    monkeypatch.undo()
    assert (again.message.id, again.new, again.same) == ("d1", False, True)
    assert len(files(tmp_path)) == 2 and "cannot be removed" in caplog.text


async def test_when_one_of_several_does_not_fit_the_others_do_not_stay(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    write = octets._write_durably

    def full(path: Path, content: bytes) -> None:
        if PayloadKind.PART in path.name:
            raise OSError(28, "No space left on device")
        write(path, content)

    arrival = outgoing("d1", octets=LARGE)
    arrival = replace(arrival, payloads={**arrival.payloads, PayloadKind.PART: LARGE})
    monkeypatch.setattr(octets, "_write_durably", full)
    with pytest.raises(StoreUnavailable):
        await store.add_once(arrival)
    assert files(tmp_path) == []


async def test_a_file_is_kept_by_one_more_name_and_given_back_as_a_file(tmp_path: Path) -> None:
    folder, content = Folder(tmp_path / "kept"), os.urandom(3_000_000)
    spooled = write_all(tmp_path / "spooled", [content])
    kept = await folder.keep(spooled, "d1.document")
    assert await folder.fetch(kept) == content
    found = await folder.content(kept)
    assert isinstance(found, Spooled) and found.path.stat().st_ino == spooled.path.stat().st_ino
    spooled.path.unlink()
    assert in_memory(found) == content
    again = await folder.keep(found, "d1.document")  # its own name: nothing happens to it
    assert again == kept and await folder.fetch(kept) == content
    assert [path.name for path in (tmp_path / "kept").rglob("*") if path.is_file()] == [Path(kept.file).name]
    await folder.drop(await folder.keep(found, "d2.document"))
    assert await folder.fetch(kept) == content


async def test_a_file_on_another_disk_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(octets.os, "link", refuse)
    folder, content = Folder(tmp_path / "kept"), os.urandom(3_000_000)
    before = os.umask(0o022)
    try:
        kept = await folder.keep(write_all(tmp_path / "spooled", [content]), "d1.document")
    finally:
        os.umask(before)
    assert await folder.fetch(kept) == content
    assert stat.S_IMODE((folder.path / kept.file).stat().st_mode) == 0o600


async def test_evidence_that_was_kept_before_stays_when_a_later_step_cannot_be_kept(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.add_once(outgoing("d1"))
    same = Evidence(kind="error", media_type="text/xml", octets=LARGE)
    again = Event(name="Postponed", reason="no answer", next_attempt=START)
    (claimed,) = await store.claim("w", 1, 60)
    await store.record(claimed, again, [same])
    (claimed,) = await store.claim("w", 1, 60)
    write = octets._write_durably

    def full(path: Path, content: bytes) -> None:
        if "smp" in path.name:
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(octets, "_write_durably", full)
    with pytest.raises(StoreUnavailable):
        await store.record(claimed, again, [same, Evidence(kind="smp", media_type="text/xml", octets=LARGE[::-1])])
    ((_, _, kept),) = await store.evidence(EXEMPEL, D1)
    assert kept.octets == LARGE


async def test_a_damaged_file_is_given_to_nobody(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "kept")
    kept = await folder.keep(write_all(tmp_path / "spooled", [os.urandom(3_000_000)]), "d1.document")
    with (tmp_path / "kept" / kept.file).open("r+b") as file:
        file.seek(2_000_000)
        file.write(b"xx")
    with pytest.raises(StateError, match="digest"):
        await folder.content(kept)
    (tmp_path / "kept" / kept.file).unlink()
    with pytest.raises(StateError, match="missing"):
        await folder.content(kept)
