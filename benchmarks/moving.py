"""A store moved from SQLite to PostgreSQL and back: seconds, and what both sides say of every table.

    python -m benchmarks.moving [--messages 10000] [--dir FOLDER]

The store is filled by its own calls: every second document came in, with its receipt; the others were sent, with the
receipt that they got; one in twenty has a payload of 120,000 octets, which is a file. Then ``gateway db move`` is run
as an operator runs it, there and back. At the end every payload is read from the third database and its SHA-256
compared with that of the octets that were handed in.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.store import ACCOUNT, WallClock, arrival, payload, work_off
from gateway.model.identifiers import DocumentId
from gateway.model.message import Direction, PayloadKind
from gateway.store import open_store
from tests import postgres_server

_LARGE, _LARGE_ONE_IN = 120_000, 20
_AT_ONCE = 64


async def fill(folder: Path, database: str, number: int) -> dict[DocumentId, str]:
    """Make the store; gives the SHA-256 of the document of each id."""
    known: dict[DocumentId, str] = {}
    async with open_store(database, Path("payloads"), WallClock(), base=folder) as store:
        await store.add_account(ACCOUNT, "Exempel AB", "hash")

        async def add(n: int) -> None:
            octets = payload(_LARGE if n % _LARGE_ONE_IN == 0 else 3000)
            new = arrival(octets, Direction.IN if n % 2 else Direction.OUT)
            await store.add_once(new)
            known[new.message.id] = hashlib.sha256(octets).hexdigest()

        for first in range(0, number, _AT_ONCE):
            async with asyncio.TaskGroup() as tasks:
                for n in range(first, min(first + _AT_ONCE, number)):
                    tasks.create_task(add(n))
        await work_off(store, number)
    return known


async def differing(folder: Path, database: str, known: dict[DocumentId, str]) -> int:
    """How many payloads are not the octets that were handed in; the store compares at every reading, too."""
    async with open_store(database, Path("payloads"), WallClock(), base=folder) as store:
        found = 0
        for of, sha256 in known.items():
            octets = await store.payload(of, PayloadKind.DOCUMENT)
            found += hashlib.sha256(octets).hexdigest() != sha256
        return found


def move(folder: Path, source: str, target: str) -> tuple[dict[str, Any], float]:
    """Run the command; gives what it says of each table, and seconds."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "gateway", "db", "move", source, target]
    options = ["--json", "--config", str(folder / "config.toml")]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)["tables"], time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--dir", type=Path, help="folder on the disk to use; default: a temporary one")
    options = parser.parse_args()
    if why := postgres_server.why_not():
        sys.exit(why)
    with tempfile.TemporaryDirectory(dir=options.dir) as name, postgres_server.running() as server:
        folder, between = Path(name), server.new_database("moving")
        known = asyncio.run(fill(folder, "sqlite:a.db", options.messages))
        there, first = move(folder, "sqlite:a.db", between)
        back, second = move(folder, between, "sqlite:b.db")
        print(f"{'table':24}{'rows':>10}  sum of the SHA-256 of all rows, in PostgreSQL and back in SQLite")
        for table in there:
            if there[table]["rows"] or back[table]["rows"]:
                same = "the same" if there[table] == back[table] else f"NOT {back[table]}"
                print(f"{table:24}{there[table]['rows']:>10,}  {there[table]['sha256_sum'][:24]}…  {same}")
        wrong = asyncio.run(differing(folder, "sqlite:b.db", known))
    good = there == back and not wrong
    print(f"{options.messages:,} messages: {first:.1f} s to PostgreSQL, {second:.1f} s back; {wrong} payloads differ")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
