"""``python -m tests.fuzz [--minutes N] [--targets mime,gzip] [--seed N]``, or ``--replay FILE`` for one that broke.

Each target runs in a process of its own, one after the other; a table closes the run. The exit status is 1 when
anything was found.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.engine import FOUND, TARGETS, Report, load, run, run_atheris

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    reader.add_argument("--minutes", type=float, default=1.0, help="for each target")
    reader.add_argument("--targets", default=",".join(TARGETS))
    reader.add_argument("--seed", type=int, default=int(time.time()))
    reader.add_argument("--replay", type=Path, help="run one saved input and show what breaks")
    reader.add_argument("--atheris", help=argparse.SUPPRESS)
    asked = reader.parse_args()
    if asked.replay:
        load(asked.replay.name.partition("-")[0]).fuzz(asked.replay.read_bytes())
        print("nothing breaks")
        return 0
    if asked.atheris:
        run_atheris(asked.atheris, asked.minutes * 60)
        return 0
    guided = importlib.util.find_spec("atheris") is not None
    way = "atheris" if guided else "mutation of real messages"
    print(f"{way}, seed {asked.seed}, {asked.minutes:g} min each", flush=True)
    reports = [
        _guided(t, asked.minutes) if guided else _plain(t, asked.minutes, asked.seed) for t in asked.targets.split(",")
    ]
    print(f"\n{'target':<12}{'runs':>10}{'per second':>12}{'slowest':>11}{'found':>7}")
    for report in reports:
        rate = f"{report.rate:.0f}" if report.rate else "-"
        slowest = f"{report.slowest * 1000:.1f} ms"
        print(f"{report.target:<12}{report.runs or '-':>10}{rate:>12}{slowest:>11}{len(report.found):>7}")
    for report in reports:
        for path in report.found:
            print(f"found: python -m tests.fuzz --replay {path.relative_to(ROOT)}")
    return 1 if any(report.found for report in reports) else 0


def _plain(target: str, minutes: float, seed: int) -> Report:
    return run(target, minutes * 60, seed, show=_show)


def _show(report: Report) -> None:
    print(f"{report.target}: {report.runs} runs, {report.rate:.0f} a second, {len(report.found)} found", flush=True)


def _guided(target: str, minutes: float) -> Report:
    """libFuzzer ends its process, so each target has one; what it found lies in the folder."""
    before = set(FOUND.glob(f"{target}-*"))
    command = [sys.executable, "-m", "tests.fuzz", "--atheris", target, "--minutes", str(minutes)]
    subprocess.run(command, cwd=ROOT, check=False)
    return Report(target, seconds=minutes * 60, found=sorted(set(FOUND.glob(f"{target}-*")) - before))


if __name__ == "__main__":
    sys.exit(main())
