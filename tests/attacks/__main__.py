"""The attack table: ``python -m tests.attacks [--cases N] [--rows C01,D12]``; exit status 1 when anything is wrong.

Without ``--cases`` every wrapped message is judged: some 300,000 different ones, about two minutes. With ``--weakened``
checks are switched off one at a time instead, to see that the suite notices each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.attacks.catalogue import BESIDE, ELSEWHERE, PARTLY, ROWS
from tests.attacks.parts import make_kit, run, table
from tests.attacks.weakened import WEAKENINGS, examine
from tests.attacks.weakened import table as weakened_table
from tests.attacks.wrapping import Forge, run_points


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    reader.add_argument("--cases", type=int, default=0, help="so many wrapped messages, spread by seed; 0 = all")
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument("--rows", default="", help="only these rows of the catalogue, by comma")
    reader.add_argument("--weakened", action="store_true", help="switch checks off, one at a time")
    asked = reader.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        kit = make_kit(Path(directory) / "pki")
        if asked.weakened:
            findings = [examine(kit, weakening) for weakening in WEAKENINGS]
            print(weakened_table(findings))
            return 0 if all(found.carries for found in findings) else 1
        started = time.perf_counter()
        forge = Forge(kit)
        points = forge.sample(asked.cases, asked.seed) if asked.cases else list(forge.points())
        wrapped, different = run_points(kit, points)
        seconds = time.perf_counter() - started
        print(table(wrapped))
        print(f"{different} different wrapped messages, {different / seconds:.0f} a second\n")
        rows = sorted(asked.rows.split(",")) if asked.rows else sorted(ROWS)
        tallies = [run(kit, name, ROWS[name](kit)) for name in rows]
    print(table(tallies))
    elsewhere = BESIDE | {row: "::".join(place) for row, place in ELSEWHERE.items()}
    for kind, reasons in (("elsewhere", elsewhere), ("in part", PARTLY)):
        for name, reason in sorted(reasons.items()):
            print(f"{name} {kind}: {reason}")
    problems = [problem for tally in (*wrapped, *tallies) for problem in tally.problems]
    for problem in problems[:50]:
        print("WRONG", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
