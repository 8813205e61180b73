"""The table of network situations, each with the one verdict that is right.

    python -m tests.smp.situations [--wrong]

Only the network's own clear word is a no. The command plays every situation and prints what came; the last line says
how many were right and how many of those in doubt were taken for a no, which must be none.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from gateway.cli.terminal import paint, table
from gateway.security.authority import new_pki
from tests.smp.situation_parts import UNKNOWN, YES, Situation, play
from tests.smp.situations_dns import DNS, NAPTR
from tests.smp.situations_pki import ENDPOINT, REVOCATION, SIGNATURE
from tests.smp.smp_parts import NOW, Pki, anchors, identity
from tests.smp.test_search import TABLE

SMP = [
    Situation(
        group="SMP",
        name=row.name,
        verdict=row.verdict,
        says=row.says,
        prepare=row.prepare,
        participant=row.participant,
        document_type=row.document_type,
        process=row.process,
    )
    for row in TABLE
]
"""Played by ``test_search.py``."""
MORE = [*DNS, *NAPTR, *SIGNATURE, *ENDPOINT, *REVOCATION]
SITUATIONS = [*MORE, *SMP]


def make_pki(directory: Path) -> Pki:
    """Two networks that look alike; one of them is ours."""
    ours, foreign = directory / "ours", directory / "foreign"
    for each in (ours, foreign):
        new_pki(each, now=NOW - timedelta(days=1000))
    long_ago = NOW - timedelta(days=800)
    return Pki(
        smp=identity(ours, "smp", "PSP000201"),
        other_smp=identity(ours, "smp", "PSP000202"),
        expired_smp=identity(ours, "smp", "PSP000209", long_ago),
        foreign_smp=identity(foreign, "smp", "PSP000201"),
        ap=identity(ours, "ap", "POP000101"),
        expired_ap=identity(ours, "ap", "POP000109", long_ago),
        foreign_ap=identity(foreign, "ap", "POP000101"),
        trust=anchors(ours),
    )


async def play_all(pki: Pki, *, only_wrong: bool) -> int:
    """Play and print; gives the number of wrong verdicts."""
    rows, styles, wrong, taken = [], [], 0, 0
    for number, situation in enumerate(SITUATIONS, 1):
        outcome = await play(situation, pki)
        right = outcome.verdict == situation.verdict and situation.says in outcome.text
        wrong += not right
        taken += situation.verdict == UNKNOWN and outcome.verdict not in (UNKNOWN, YES)
        if right and only_wrong:
            continue
        rows.append([str(number), situation.group, situation.name, str(outcome.verdict), outcome.text[:160]])
        styles.append(["dim", "", "", "green" if right else "red", "dim"])
    if rows:
        print(table(["", "of", "situation", "verdict", "in words"], rows, styles=styles, right=frozenset({0})))
    count = len(SITUATIONS)
    print(f"{count} situations, {count - wrong} right; in doubt and taken for a no: {taken}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--wrong", action="store_true", help="print only what is wrong")
    given = parser.parse_args()
    logging.disable(logging.ERROR)  # the SMPs here fail on purpose
    with tempfile.TemporaryDirectory() as folder:
        wrong = asyncio.run(play_all(make_pki(Path(folder)), only_wrong=given.wrong))
    if wrong:
        print(paint(f"{wrong} wrong", "red"))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
