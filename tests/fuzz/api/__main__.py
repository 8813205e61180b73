"""``python -m tests.fuzz.api [--calls 100000] [--seed 1] [--schemathesis PATH]``: generated calls of a running gateway.

schemathesis writes the calls out of ``/api/openapi.json``, good ones and bad ones, one after another and in chains that
follow what was created. The caller's own objects and a stranger's are put into the paths. Asked at the end: no 5xx but
503, no answer that breaks the description, nothing of the stranger's in an answer, nothing of the stranger's changed.
schemathesis lives in a virtual environment of its own (``make api-fuzz`` makes it).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.api.world import KEYS, LISTS, World, open_world

HERE = Path(__file__).resolve().parent
CHECKS = ("status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance", "ignored_auth", "nothing_of_a_stranger", "no_fault_of_ours")  # fmt: skip
WORDS = {"stranger-2", "stranger-77", "stranger.pdf", "stranger Kund AB", "operator-1"}
"""What stands in the stranger's objects and went to nobody else."""
_SHORTEST = 10.0
"""Seconds below which a round is not worth beginning."""
LEFT_OUT = {"operator": "/v1/operation/purge"}
"""(that one erases what the others' calls are about)"""


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m tests.fuzz.api", description=__doc__)
    reader.add_argument("--calls", type=int, default=100_000, help="at least so many")
    reader.add_argument(
        "--minutes", type=float, default=0.0, help="no longer than so, with however many there are then"
    )
    reader.add_argument("--seed", type=int, default=1, help="of the first round; each further round adds one")
    reader.add_argument("--examples", type=int, default=200, help="of each operation in a round")
    reader.add_argument("--schemathesis", default=str(HERE.parents[2] / ".venv/api-fuzz/bin/schemathesis"))
    reader.add_argument("--directory", type=Path, help="where reports and logs are left")
    reader.add_argument("--port", type=int, default=int(os.environ.get("GATEWAY_MARKET_PORT", "0")))
    asked = reader.parse_args()
    with tempfile.TemporaryDirectory() as base:
        directory = (asked.directory or Path(base)).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        return asyncio.run(campaign(asked, directory))


async def campaign(asked: argparse.Namespace, directory: Path) -> int:
    """Rounds until there are calls enough; the last lines are the verdict."""
    tally, broken = directory / "tally.jsonl", 0
    tally.unlink(missing_ok=True)
    async with open_world(directory / "market", asked.port) as world:
        before = await world.picture("stranger")
        (directory / "secrets.json").write_text(json.dumps(_secrets(world)), encoding="utf-8")
        seed, began = asked.seed, time.monotonic()
        while not tally.exists() or _lines(tally) < asked.calls:
            left = asked.minutes * 60 - (time.monotonic() - began)
            if asked.minutes and left < _SHORTEST:
                break
            who = "operator" if seed % 8 == 0 else "caller"
            status = await _round(world, who, seed, asked, directory, left if asked.minutes else 0)
            broken += status != 0
            print(
                f"round {seed} as {who}: {_lines(tally):,} calls so far, schemathesis ended with {status}", flush=True
            )
            if status not in (0, 1):
                return 2
            seed += 1
        await asyncio.sleep(5)
        after = await world.picture("stranger")
    changed = sorted(name for name in before if before[name] != after.get(name))
    for name in changed:
        print(f"changed for the stranger: {name}\n  {before[name][:1500]}\n  {after[name][:1500]}")
    (directory / "pictures.json").write_text(json.dumps([before, after], indent=1), encoding="utf-8")
    return _verdict(tally, changed, broken, time.monotonic() - began)


async def _round(world: World, who: str, seed: int, asked: argparse.Namespace, directory: Path, seconds: float) -> int:
    ids = {"own": world.ids.get(who, {}), "strangers": world.ids["stranger"] if who == "caller" else {}}
    (directory / "ids.json").write_text(json.dumps(ids), encoding="utf-8")
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(HERE),
        "FUZZ_IDS": str(directory / "ids.json"),
        "FUZZ_SECRETS": str(directory / "secrets.json"),
        "FUZZ_TALLY": str(directory / "tally.jsonl"),
        "FUZZ_SEED": str(seed),
    }
    command = [asked.schemathesis, "run", f"{world.url}/api/openapi.json", "--seed", str(seed), "--no-color"]
    command += ["--header", f"Authorization: Bearer {KEYS[who]}", "--checks", ",".join(CHECKS)]
    command += ["--max-examples", str(asked.examples), "--continue-on-failure", "--generation-database", "none"]
    command += ["--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "60"]
    if seconds:
        command += ["--max-time", str(int(seconds))]
    if who in LEFT_OUT:
        command += ["--exclude-path", LEFT_OUT[who]]
    with (directory / f"round-{seed}.txt").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=directory, stdout=log, stderr=asyncio.subprocess.STDOUT
        )
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _secrets(world: World) -> list[str]:
    """Words that stand in the stranger's objects only."""
    ids = {one for rows in world.ids["stranger"].values() for one in rows if re.fullmatch(r"[\w-]{16,}", one)}
    return sorted(
        ids - {one for rows in world.ids["caller"].values() for one in rows} | {"stranger-77", "stranger.pdf"}
    )


def _lines(tally: Path) -> int:
    with tally.open("rb") as file:
        return sum(1 for _ in file)


def _verdict(tally: Path, changed: list[str], broken: int, seconds: float) -> int:
    statuses: Counter[int] = Counter()
    operations: set[tuple[str, str]] = set()
    with tally.open(encoding="utf-8") as file:
        for line in file:
            method, path, status = json.loads(line)
            statuses[status] += 1
            operations.add((method, path))
    calls, faults = sum(statuses.values()), sum(n for status, n in statuses.items() if status >= 500 and status != 503)
    print(f"{calls:,} calls of {len(operations)} operations and others in {seconds:,.0f} s")
    print("  " + ", ".join(f"{status}: {number:,}" for status, number in sorted(statuses.items())))
    print(f"  5xx other than 503: {faults}; rounds with an answer that breaks the description: {broken}")
    print(f"  of {len(LISTS)} lists and each object of the stranger's changed: {len(changed)}")
    return 1 if faults or broken or changed or not calls else 0


if __name__ == "__main__":
    sys.exit(main())
