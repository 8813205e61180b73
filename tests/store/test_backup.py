"""A store copied while it is in use, and brought back."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from store_parts import EXEMPEL, NORDISK, StillClock, opened, outgoing, plain_sqlite

from gateway.errors import ConfigurationError, Conflict, NotFound, StateError, StoreUnavailable
from gateway.model.identifiers import DocumentId
from gateway.model.message import PayloadKind
from gateway.store import SqlStore, restoring
from gateway.store.backup import back_up, no_erasing
from gateway.store.restoring import restore


@pytest.fixture
def database() -> str:
    """SQLite: PostgreSQL has tools of its own for this."""
    return "sqlite:var/gateway.db"


def backed_up(folder: Path, name: str = "backup") -> Path:
    back_up(folder / "var/gateway.db", folder / "var/payloads", folder / name)
    return folder / name


def brought_back(source: Path, folder: Path, *, replace: bool = False) -> None:
    restore(source, folder / "var/gateway.db", folder / "var/payloads", replace=replace)


def content(number: int) -> bytes:
    """Every third document is too large for its row."""
    return os.urandom(150_000 if number % 3 == 0 else 500)


async def test_a_backup_under_load_is_one_moment_with_all_its_octets(
    store: SqlStore, tmp_path: Path, clock: StillClock
) -> None:
    documents = {f"d{number}": content(number) for number in range(60)}
    first, rest = list(documents)[:20], list(documents)[20:]
    for one in first:
        await store.add_once(outgoing(one, octets=documents[one]))

    async def load() -> None:
        for one in rest:
            await store.add_once(outgoing(one, octets=documents[one]))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load())
        backup = await asyncio.to_thread(backed_up, tmp_path)

    brought_back(backup, tmp_path / "new")
    async with opened(tmp_path / "new", clock) as copy:
        with plain_sqlite(tmp_path / "new") as plain:
            there = [row[0] for row in plain.execute("SELECT id FROM message ORDER BY created, id")]
        assert set(first) <= set(there) <= set(documents)
        for one in there:
            assert await copy.payload(DocumentId(one), PayloadKind.DOCUMENT) == documents[one]
            assert len(await copy.timeline(EXEMPEL, DocumentId(one))) == 1


async def test_the_manifest_tells_what_is_there_and_sha256sum_agrees(store: SqlStore, tmp_path: Path) -> None:
    await store.add_once(outgoing("d1", octets=content(0)))
    backup = backed_up(tmp_path)
    manifest = json.loads((backup / "manifest.json").read_text())
    assert (manifest["documents"], manifest["events"], manifest["files"], manifest["damaged"]) == (1, 1, 1, [])
    lines = dict(reversed(line.split("  ")) for line in (backup / "SHA256SUMS").read_text().splitlines())
    found = {str(path.relative_to(backup)) for path in backup.rglob("*") if path.is_file()}
    assert found == {*lines, "SHA256SUMS", "manifest.json"}
    for name, digest in lines.items():
        assert hashlib.sha256((backup / name).read_bytes()).hexdigest() == digest
        assert (backup / name).stat().st_mode & 0o077 == 0


async def test_a_stopped_store_is_backed_up_too(tmp_path: Path, clock: StillClock) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        await store.add_once(outgoing("d1"))
    assert json.loads((backed_up(tmp_path) / "manifest.json").read_text())["documents"] == 1
    with pytest.raises(Conflict):
        backed_up(tmp_path)  # never over another one
    with pytest.raises(ConfigurationError):
        backed_up(tmp_path / "nowhere")


async def test_a_file_that_is_damaged_in_the_store_is_named_by_its_backup(store: SqlStore, tmp_path: Path) -> None:
    await store.add_once(outgoing("d0", octets=content(0)))
    await store.add_once(outgoing("d3", octets=content(0)))
    one, other = sorted(path for path in (tmp_path / "var/payloads").rglob("d*") if path.is_file())
    one.write_bytes(b"!" + one.read_bytes()[1:])
    other.unlink()
    done = back_up(tmp_path / "var/gateway.db", tmp_path / "var/payloads", tmp_path / "backup")
    assert {Path(file).name for file in done.damaged} == {one.name, other.name}


@pytest.mark.parametrize("name", ["gateway.db", "payloads", "SHA256SUMS"])
async def test_one_bit_that_turned_is_found_before_anything_is_put_in_place(
    store: SqlStore, tmp_path: Path, name: str
) -> None:
    await store.add_once(outgoing("d1", octets=content(0)))
    backup = backed_up(tmp_path)
    file = next(path for path in [backup / name, *(backup / name).rglob("*")] if path.is_file())
    octets = bytearray(file.read_bytes())
    octets[len(octets) // 2] ^= 1
    file.write_bytes(octets)
    with pytest.raises(StateError, match="damaged"):
        brought_back(backup, tmp_path / "new")
    assert not (tmp_path / "new/var/gateway.db").exists()


async def test_what_is_there_is_set_aside_and_never_while_a_gateway_runs(tmp_path: Path, clock: StillClock) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        await store.add_once(outgoing("d1"))
        backup = backed_up(tmp_path)
        await store.add_once(outgoing("d2"))
        with pytest.raises(ConfigurationError, match="another gateway runs"):
            brought_back(backup, tmp_path, replace=True)
    with pytest.raises(Conflict):
        brought_back(backup, tmp_path)
    (tmp_path / "var/gateway.db-wal").write_bytes(b"of the old database")
    brought_back(backup, tmp_path, replace=True)
    assert len(list((tmp_path / "var").glob("gateway.db.before-*"))) == 2
    async with opened(tmp_path, clock) as store:
        assert (await store.get(EXEMPEL, DocumentId("d1"))).id == "d1"
        with pytest.raises(NotFound):
            await store.get(EXEMPEL, DocumentId("d2"))


async def test_a_restore_that_broke_off_lets_no_gateway_start(
    tmp_path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        await store.add_once(outgoing("d0", octets=content(0)))
    backup = backed_up(tmp_path)

    def killed(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "_mark", killed)
        with pytest.raises(StoreUnavailable, match="broke off"):
            brought_back(backup, tmp_path / "new")
    with pytest.raises(ConfigurationError, match="gateway db restore again"):
        async with opened(tmp_path / "new", clock):
            pass
    brought_back(backup, tmp_path / "new")
    async with opened(tmp_path / "new", clock) as store:
        assert (await store.get(EXEMPEL, DocumentId("d0"))).id == "d0"


async def test_a_backup_that_broke_off_is_never_taken_for_one(store: SqlStore, tmp_path: Path) -> None:
    await store.add_once(outgoing("d0", octets=content(0)))
    disk = tmp_path / "full"
    disk.symlink_to("/dev/full/none")
    with pytest.raises(StoreUnavailable):
        back_up(tmp_path / "var/gateway.db", tmp_path / "var/payloads", disk / "backup")
    unfinished = tmp_path / ".backup.unfinished"
    (unfinished / "payloads").mkdir(parents=True)
    (unfinished / "gateway.db").write_bytes(b"half of it")
    shutil.copytree(unfinished, tmp_path / "half")
    with pytest.raises(NotFound, match="no backup"):
        brought_back(tmp_path / "half", tmp_path / "new")
    backed_up(tmp_path)  # what was left is in nobody's way


async def test_a_restored_store_gives_out_no_work_until_a_person_confirms(tmp_path: Path, clock: StillClock) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        await store.add_account(NORDISK, "Nordisk", "hash-2")
        await store.add_once(outgoing("d1"))
    brought_back(backed_up(tmp_path), tmp_path, replace=True)
    for _ in range(2):  # a restart changes nothing
        async with opened(tmp_path, clock) as store:
            await store.add_once(outgoing(f"new-{_}"))  # it takes in
            assert await store.claim("worker", 10, 60) == []
            assert (await store.operation.unfinished(10))[0].id == "d1"
    async with opened(tmp_path, clock) as store:
        gap = await store.operation.gap()
        assert gap is not None and gap.source == "backup"
        assert await store.operation.operator() == EXEMPEL
        await store.operation.confirm("somebody", {"set_aside": 0})
        assert await store.operation.gap() is None
        assert len(await store.claim("worker", 10, 60)) == 3
        with plain_sqlite(tmp_path) as plain:
            rows = plain.execute("SELECT actor, action FROM audit ORDER BY number").fetchall()
        assert rows == [("restore", "restored"), ("somebody", "confirmed the gap")]


async def test_erasing_and_backing_up_keep_out_of_each_others_way(store: SqlStore, tmp_path: Path) -> None:
    await store.add_once(outgoing("d1"))
    payloads = tmp_path / "var/payloads"
    with no_erasing(payloads, erase=True), pytest.raises(Conflict):
        backed_up(tmp_path)
    with no_erasing(payloads), no_erasing(payloads), pytest.raises(Conflict), no_erasing(payloads, erase=True):
        pass


async def test_a_database_of_before_gets_the_tables_of_the_operation(tmp_path: Path, clock: StillClock) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
    with plain_sqlite(tmp_path) as plain:
        for table in ("setting", "audit", "duty", "legal_hold", "tombstone"):
            plain.execute(f"DROP TABLE {table}")
    async with opened(tmp_path, clock) as store:
        assert await store.operation.gap() is None
