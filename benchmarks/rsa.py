"""The yardstick: one RSA-2048 private operation on a given core, by CPU time."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_ROUNDS: Final = 7
_EACH: Final = 400


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


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    print(operation_microseconds())
