from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from channel_parts import NOW, make_parcel

from gateway.errors import ChannelRefused, ChannelUnavailable
from gateway.files import Handovers, handovers
from gateway.model.message import Message
from gateway.model.signals import Handover

MESSAGE = make_parcel(page=b"").message
DONE = Handover(reference="r", text="Åtgärdat", confirmed=True, evidence=b"line\nand \x00 octets")


def memory(base: Path, now: Callable[[], object] = lambda: NOW) -> Handovers:
    return Handovers(base, now)  # type: ignore[arg-type]


class Act:
    def __init__(self, fails: Exception | None = None) -> None:
        self.times, self.fails = 0, fails

    async def __call__(self) -> Handover:
        self.times += 1
        await asyncio.sleep(0.02)
        if self.fails:
            raise self.fails
        return DONE


async def test_what_was_done_is_remembered_to_the_last_octet(tmp_path: Path) -> None:
    act = Act()
    for _ in range(3):
        assert await memory(tmp_path).once(MESSAGE, act) == DONE
    assert act.times == 1
    assert [p.name for p in (tmp_path / "2026-11-25").iterdir()] == ["doc-0001.handover"]


async def test_what_failed_is_done_again(tmp_path: Path) -> None:
    with pytest.raises(ChannelRefused):
        await memory(tmp_path).once(MESSAGE, Act(ChannelRefused("no")))
    act = Act()
    assert await memory(tmp_path).once(MESSAGE, act) == DONE
    assert act.times == 1


async def test_many_at_the_same_time_do_it_until_it_is_done_and_then_no_more(tmp_path: Path) -> None:
    class SecondTime(Act):
        async def __call__(self) -> Handover:
            self.fails = ChannelUnavailable("not now") if self.times == 0 else None
            return await super().__call__()

    act = SecondTime()
    answers = await asyncio.gather(*(memory(tmp_path).once(MESSAGE, act) for _ in range(10)), return_exceptions=True)
    assert act.times == 2
    assert answers.count(DONE) == 9
    assert [p.name for p in (tmp_path / "2026-11-25").iterdir()] == ["doc-0001.handover"]


async def test_another_process_keeps_us_away_until_it_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handovers, "_LONGEST_WAIT", 0.2)
    lock = tmp_path / "2026-11-25/doc-0001.lock"
    lock.parent.mkdir()
    code = f"import fcntl, time; f = open({str(lock)!r}, 'w'); fcntl.flock(f, 2); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline()
        act = Act()
        with pytest.raises(ChannelUnavailable, match="Another worker"):
            await memory(tmp_path).once(MESSAGE, act)
        assert act.times == 0
        other.kill()
    assert await memory(tmp_path).once(MESSAGE, act) == DONE


async def test_a_memory_that_cannot_be_read_is_not_forgotten(tmp_path: Path) -> None:
    act = Act()
    await memory(tmp_path).once(MESSAGE, act)
    (tmp_path / "2026-11-25/doc-0001.handover").write_bytes(b"broken")
    with pytest.raises(ChannelUnavailable, match="cannot be read"):
        await memory(tmp_path).once(MESSAGE, act)
    assert act.times == 1


async def test_a_handover_that_cannot_be_remembered_is_still_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, octets: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(handovers, "write_durably", full)
    assert await memory(tmp_path).once(MESSAGE, Act()) == DONE
    assert "doc-0001" in caplog.text and "No space" in caplog.text
    monkeypatch.undo()
    again = Act()
    assert await memory(tmp_path).once(MESSAGE, again) == replace(DONE, evidence=b"")
    assert again.times == 0


async def test_nothing_is_handed_over_when_there_is_no_room_to_remember_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    act = Act()
    with pytest.raises(ChannelUnavailable, match="No space"):
        await memory(tmp_path).once(MESSAGE, act)
    assert act.times == 0


async def test_old_days_are_forgotten_and_young_ones_kept(tmp_path: Path) -> None:
    for name, age in (("2026-08-01", 100), ("2026-11-01", 20)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.handover").write_bytes(b"")
        then = (NOW - timedelta(days=age)).timestamp()
        os.utime(tmp_path / name, (then, then))
    await memory(tmp_path).once(MESSAGE, Act())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["2026-11-01", "2026-11-25"]


async def test_each_document_has_its_own_lock(tmp_path: Path) -> None:
    messages: list[Message] = [make_parcel(f"doc-{n}", page=b"").message for n in range(20)]
    store, begin = memory(tmp_path), time.monotonic()
    await asyncio.gather(*(store.once(message, Act()) for message in messages))
    assert time.monotonic() - begin < 5
    assert len(list((tmp_path / "2026-11-25").iterdir())) == 20
