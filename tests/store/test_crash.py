"""A process killed at any moment has kept every promise that it gave.

SIGKILL leaves what the kernel has; that the disk has it too rests on ``synchronous=FULL`` and the order of fsync and
rename, which ``test_database.py`` and ``test_octets.py`` pin.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from store_parts import EXEMPEL, StillClock, opened, plain

from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import State
from gateway.model.message import PayloadKind

ROUNDS = 4


def run_and_kill(folder: Path, name: str, after: float) -> list[tuple[str, str]]:
    """Let the child work for so long, kill it, and give what it had promised."""
    output = folder / f"{name}.out"
    with output.open("wb") as stdout:
        child = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("crash_child.py")), str(folder), name], stdout=stdout
        )
        try:
            deadline = time.monotonic() + 60
            while b"sent" not in output.read_bytes():
                assert child.poll() is None, "the child ended by itself"
                assert time.monotonic() < deadline, "the child has promised nothing"
                time.sleep(0.01)
            time.sleep(after)
            assert child.poll() is None, "the child ended by itself"
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(10)
    # the last line may have been cut by the kill
    lines = output.read_text().split("\n")[:-1]
    return [(word, of) for word, of in (line.split(" ") for line in lines) if word != "ready"]


async def test_every_promise_given_before_a_kill_is_kept(tmp_path: Path, database: str) -> None:
    promised: list[tuple[str, str]] = []
    chance = random.Random()
    for number in range(ROUNDS if database.startswith("sqlite:") else 2):
        given = run_and_kill(tmp_path, f"r{number}", chance.uniform(0.05, 0.6))
        promised += given
        async with opened(tmp_path, StillClock()) as store:
            for word, of in given:
                message = await store.get(EXEMPEL, DocumentId(of))
                events = [entry.event for entry in await store.timeline(EXEMPEL, message.id)]
                if word == "sent":
                    assert message.state is State.SENT, of
                    assert events == ["Accepted", "Sent"], of
                    assert [name for name, _, _ in await store.evidence(EXEMPEL, message.id)] == ["01-receipt"]
                else:
                    octets = await store.payload(message.id, PayloadKind.DOCUMENT)
                    assert octets.startswith(f"<Invoice>{of}</Invoice>".encode()), of
        if database.startswith("sqlite:"):
            assert plain(tmp_path, "PRAGMA integrity_check") == [("ok",)]
            assert plain(tmp_path, "PRAGMA foreign_key_check") == []
        stored = {row[0] for row in plain(tmp_path, "SELECT id FROM message")}
        assert {of for _, of in promised} <= stored
        # nothing half: each document has its payload and as many timeline rows as its state says
        half = "SELECT count(*) FROM message WHERE id NOT IN (SELECT message FROM {})"
        assert plain(tmp_path, half.format("payload")) == [(0,)]
        assert plain(tmp_path, half.format("event")) == [(0,)]
    assert {word for word, _ in promised} == {"added", "sent"}
