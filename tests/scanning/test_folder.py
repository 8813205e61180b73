"""The scan folder: complete files are handed in, put aside, and never lost by a kill in between."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.errors import StoreUnavailable
from gateway.model.identifiers import AccountId
from gateway.ports import Incoming, Taken
from gateway.scanning.folder import ScanFolder


class FakeIntake:
    def __init__(self) -> None:
        self.taken: list[Incoming] = []
        self.verdict = "accepted"
        self.down = False

    async def hand_in(self, incoming: Incoming) -> Taken:
        if self.down:
            raise StoreUnavailable
        self.taken.append(incoming)
        return Taken(id=f"id{len(self.taken)}", verdict=self.verdict, reason="why", reason_sv="varför")  # type: ignore[arg-type]


async def _account() -> AccountId | None:
    return AccountId("main")


def folder(path: Path, intake: FakeIntake, quiet: float = 0.0) -> ScanFolder:
    made = ScanFolder(path=path, account=_account, intake=intake, largest=100, quiet_seconds=quiet)
    made.prepare()
    return made


async def test_a_complete_file_is_handed_in_once_and_put_aside(tmp_path: Path) -> None:
    intake = FakeIntake()
    made = folder(tmp_path, intake)
    (tmp_path / "a.pdf").write_bytes(b"one")
    (tmp_path / "alpha").mkdir()
    (tmp_path / "alpha" / "b.pdf").write_bytes(b"two")
    assert await made.look() == 2 and await made.look() == 0
    assert [(one.account, one.file_name, one.octets) for one in intake.taken] == [
        ("main", "a.pdf", b"one"),
        ("alpha", "b.pdf", b"two"),
    ]
    assert sorted(one.name for one in (tmp_path / "done").iterdir()) == ["id1-a.pdf", "id2-b.pdf"]


async def test_what_is_still_being_written_waits(tmp_path: Path) -> None:
    intake = FakeIntake()
    made = folder(tmp_path, intake, quiet=3600.0)
    (tmp_path / "a.pdf").write_bytes(b"hal")
    (tmp_path / "b.pdf.part").write_bytes(b"x")
    (tmp_path / ".hidden.pdf").write_bytes(b"x")
    assert await made.look() == 0
    made.quiet_seconds = 0.0
    assert await made.look() == 1 and [one.file_name for one in intake.taken] == ["a.pdf"]


async def test_links_are_not_followed_and_larger_files_are_not_read_whole(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"key")
    intake = FakeIntake()
    made = folder(tmp_path / "scans", intake)
    os.symlink(secret, tmp_path / "scans" / "link.pdf")
    (tmp_path / "scans" / "large.pdf").write_bytes(b"x" * 5_000)
    assert await made.look() == 1
    assert [len(one.octets) for one in intake.taken] == [101]


async def test_what_cannot_be_committed_stays_and_has_the_same_key_next_time(tmp_path: Path) -> None:
    intake = FakeIntake()
    made = folder(tmp_path, intake)
    (tmp_path / "a.pdf").write_bytes(b"one")
    intake.down = True
    assert await made.look() == 0 and (tmp_path / "a.pdf").exists()
    intake.down = False
    assert await made.look() == 1
    (tmp_path / "again.pdf").write_bytes(b"one")  # as after a kill between commit and move
    assert await folder(tmp_path, intake).look() == 1
    assert intake.taken[0].key == intake.taken[1].key


async def test_a_refused_file_lies_beside_its_reason(tmp_path: Path) -> None:
    intake = FakeIntake()
    intake.verdict = "refused"
    (tmp_path / "a.pdf").write_bytes(b"one")
    assert await folder(tmp_path, intake).look() == 1
    assert (tmp_path / "refused" / "id1-a.pdf.txt").read_text() == "varför\nwhy\n"


async def test_a_fault_of_ours_on_one_file_stops_neither_the_next_nor_the_gateway(tmp_path: Path) -> None:
    class Faulty(FakeIntake):
        async def hand_in(self, incoming: Incoming) -> Taken:
            if incoming.file_name == "a.pdf":
                raise ValueError("a fault")
            return await super().hand_in(incoming)

    for name in ("a.pdf", "b.pdf"):
        (tmp_path / name).write_bytes(name.encode())
    assert await folder(tmp_path, Faulty()).look() == 1
    assert (tmp_path / "a.pdf").exists() and not (tmp_path / "b.pdf").exists()
