"""What the supervisor does about processes that no longer move, and what they do when it is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[[float], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def _start(hang_seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.serving.supervised", str(tmp_path), str(hang_seconds)]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        stdout = running[-1].stdout
        assert stdout is not None and '"number": 1' in stdout.readline()
        return running[-1]

    yield _start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)
    for number in (1, 2):
        pid = int((tmp_path / str(number)).read_text())
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    """Whether it runs; one that has ended and is not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def soon(what: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def pid_of(folder: Path, number: int) -> int:
    return int((folder / str(number)).read_text() or 0)


@pytest.mark.parametrize("how", ["stopped by a signal", "stuck in its own work"])
def test_one_that_hangs_is_replaced_and_the_other_left_alone(tmp_path: Path, start: Start, how: str) -> None:
    supervisor = start(4)  # it looks once a second, and the process's own alarm rings half as late again
    victim, other = pid_of(tmp_path, 2), pid_of(tmp_path, 1)
    if how == "stopped by a signal":
        os.kill(victim, signal.SIGSTOP)
    else:
        (tmp_path / "hang-2").touch()
    soon(lambda: pid_of(tmp_path, 2) not in (0, victim))
    soon(lambda: (tmp_path / f"up-{pid_of(tmp_path, 2)}").exists())
    assert not lives(victim)
    assert pid_of(tmp_path, 1) == other and lives(other)
    supervisor.send_signal(signal.SIGTERM)
    _, log = supervisor.communicate(timeout=20)
    assert "process 2 has not moved for 4 s and is killed" in log
    assert "process 2 was killed by signal 9" in log and "process 2 runs again" in log


def test_one_that_hangs_ends_even_when_the_supervisor_was_killed(tmp_path: Path, start: Start) -> None:
    supervisor = start(1.5)
    well, stuck = pid_of(tmp_path, 1), pid_of(tmp_path, 2)
    (tmp_path / "hang-2").touch()
    soon(lambda: not (tmp_path / "hang-2").exists())
    supervisor.kill()
    soon(lambda: not lives(well))
    soon(lambda: not lives(stuck))


def test_one_that_moves_outlives_the_limit(tmp_path: Path, start: Start) -> None:
    supervisor = start(0.6)
    before = pid_of(tmp_path, 1), pid_of(tmp_path, 2)
    time.sleep(2)
    assert (pid_of(tmp_path, 1), pid_of(tmp_path, 2)) == before
    assert supervisor.poll() is None and all(lives(pid) for pid in before)
