"""The yardstick: one RSA-2048 private operation on a given core, by CPU time.

What it costs depends on what the neighbouring core does, so it is taken while the measured program is at work: a few
operations now and then, on the same core, in a process of its own (:func:`beside`).
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_ROUNDS: Final = 7
_EACH: Final = 400
_NOW_AND_THEN: Final = 0.15
"""Seconds between two samples beside a program."""
_COLD, _SAMPLE = 4, 12
"""Operations that are not counted, since they find cold caches, and those that are."""


class Beside:
    """What was measured beside a program; ``microseconds`` is there after the block."""

    microseconds: float = 0.0


@contextmanager
def beside(core: int) -> Iterator[Beside]:
    """Measure the operation on that core for as long as the block runs."""
    command = [sys.executable, "-m", "benchmarks.rsa", str(core), "--beside"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has its key
        found = Beside()
        try:
            yield found
        finally:
            process.send_signal(signal.SIGTERM)
            found.microseconds = float(process.stdout.read())


def operation_microseconds() -> float:
    """Median CPU microseconds of one signature in this process."""
    key = rsa.generate_private_key(65537, 2048)
    data = os.urandom(200)
    rounds = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        for _ in range(_EACH):
            key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        rounds.append((time.process_time() - started) / _EACH * 1e6)
    return statistics.median(rounds)


def measure_on(core: int) -> float:
    """The same in a process of its own on the given core."""
    command = [sys.executable, "-m", "benchmarks.rsa", str(core)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _sample() -> None:
    """Print the median of all samples when told to end."""
    key = rsa.generate_private_key(65537, 2048)
    data = os.urandom(200)
    found: list[float] = []

    def end(*_: object) -> None:
        print(statistics.median(found))
        sys.exit()

    def operations(count: int) -> float:
        started = time.process_time()
        for _ in range(count):
            key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return (time.process_time() - started) / count * 1e6

    operations(200)
    found.append(operations(_SAMPLE))
    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    while True:
        time.sleep(_NOW_AND_THEN)
        operations(_COLD)
        found.append(operations(_SAMPLE))


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    if "--beside" in sys.argv:
        _sample()
    print(operation_microseconds())
