"""``make crash``: the campaign with a progress line and a table.

python -m tests.crash [--kills 300] [--seed 1]                        kill -9 at random moments under load
python -m tests.crash --points [--fault EIO] [--step 1] [--flow ...]  every durable call of each flow
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import sys
import tempfile
from pathlib import Path

from tests.crash.campaign import random_kills
from tests.crash.judge import Verdict
from tests.crash.points import FLOWS, build, sweep


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--points", action="store_true", help="strike every durable call instead")
    parser.add_argument("--fault", default="", help="let the call fail with this errno (EIO, ENOSPC) instead of a kill")
    parser.add_argument("--step", type=int, default=1, help="only every so-many-th call")
    parser.add_argument("--flow", nargs="*", choices=FLOWS, default=FLOWS)
    parser.add_argument("--dir", type=Path, help="keep everything in this new directory, to look at a failure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        place = arguments.dir or Path(directory) / "market"
        run = _points if arguments.points else _kills
        rows, verdict, end = run(arguments, place, Path(directory))
    print(file=sys.stderr)
    _show({**rows, **verdict.counts}, verdict)
    print(f"{end}: {'every promise kept' if verdict.good else 'BROKEN PROMISES'}")
    return 0 if verdict.good else 1


def _kills(arguments: argparse.Namespace, place: Path, _: Path) -> tuple[dict[str, object], Verdict, str]:
    found = asyncio.run(random_kills(place, arguments.seed, arguments.kills, progress=_progress))
    rows: dict[str, object] = {
        "kills": found.kills,
        "of these while starting": found.killed_while_starting,
        "slowest start, seconds": f"{found.slowest_start:.2f}",
        "promises (receipts and 202s)": found.promises,
    }
    return rows, found.verdict, f"seed {found.seed}, {found.seconds:.0f} s"


def _points(arguments: argparse.Namespace, place: Path, around: Path) -> tuple[dict[str, object], Verdict, str]:
    library = build(around)
    if library is None:
        sys.exit("a C compiler is needed (Debian: apt-get install gcc libc6-dev)")
    fault = getattr(errno, arguments.fault) if arguments.fault else 0
    flows = tuple(arguments.flow)
    found = asyncio.run(sweep(place, library, flows, fault=fault, step=arguments.step, progress=_progress))
    rows: dict[str, object] = {f"durable calls: {flow}": count for flow, count in found.points.items()}
    every = "each" if arguments.step == 1 else f"every {arguments.step}th"
    return rows, found.verdict, f"{every} call {arguments.fault or 'killed'}"


def _show(rows: dict[str, object], verdict: Verdict) -> None:
    rows |= {
        "LOST": len(verdict.lost),
        "TWICE": len(verdict.twice),
        "MIXED": len(verdict.mixed),
        "STUCK": len(verdict.stuck),
        "for a person to look at": len(verdict.for_people),
    }
    for name, value in rows.items():
        print(f"{name:36}{value:>12,}" if isinstance(value, int) else f"{name:36}{value!s:>12}")
    for text in (*verdict.lost, *verdict.twice, *verdict.mixed, *verdict.stuck, *verdict.for_people)[:40]:
        print(f"  {text}")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<78}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
