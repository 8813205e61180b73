"""How long honest messages wait while the endpoint is under attack.

    python -m benchmarks.flood [--seconds 15] [--rate 20] [--rounds 2] [--only "gzip bombs"]

One gateway on core 0. On core 1 an honest access point sends a steady stream (its clock starts when a message is due,
so a stall counts in full), and beside it, with less priority, attackers do what they can: first each kind alone, then
all at once, with a calm stretch before and after. Gateway and honest sender go before everything else on the machine
where that is allowed (root), so that the figures are about the attack and not about who else is at work. The verdict
compares the 99th percentiles: under everything at once at most twice the calm one, and no honest message failed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.attackers import ATTACKS
from benchmarks.gateway import FACTS, new_messages, register
from benchmarks.load import cpu_seconds, has_receipt, pin, read_answer, request
from gateway.app import Files, read_files
from gateway.config import load
from gateway.network.market import Market, new_market
from gateway.network.running import Running, run_market

NEW: Final = 4
"""Every so many messages one comes over a new connection."""
ALL: Final = "all at once"
MOST: Final = 2.0
"""How many times the calm 99th percentile the one under attack may be."""
MB: Final = 1_000_000
KEPT_SECONDS: Final = 30.0
"""An idle connection is used again within this time only, as our own sender does; the gateway keeps it longer."""
FIRST: Final = -10
"""The priority (nice) of gateway and honest sender."""


@dataclass(slots=True)
class Stretch:
    """One stretch of time: what honest messages met, and what the attackers got."""

    name: str
    waited: list[float] = field(default_factory=list)
    """Milliseconds from when a message was due to its receipt."""
    failed: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    cpu: float = 0.0
    seconds: float = 0.0

    def percentile(self, share: float) -> float:
        ordered = sorted(self.waited)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def line(self) -> str:
        attacks = ", ".join(f"{name} {count}" for name, count in self.answers.most_common(5))
        return (
            f"{self.name:<26}{len(self.waited):>7}{sum(self.failed.values()):>8}{self.percentile(0.5):>9.1f}"
            f"{self.percentile(0.9):>8.1f}{self.percentile(0.99):>8.1f}{max(self.waited):>9.1f}"
            f"{self.cpu / self.seconds:>7.0%}  {attacks}"
        )


HEAD: Final = (
    f"{'':<26}{'honest':>7}{'failed':>8}{'p50 ms':>9}{'p90':>8}{'p99':>8}{'slowest':>9}{'CPU':>7}  what attackers got"
)


class Honest:
    """One access point that sends a steady stream, most of it over kept connections."""

    def __init__(self, url: str, port: int, messages: Iterator[tuple[str, bytes]], rate: float) -> None:
        self._url = url
        self._port = port
        self._messages = messages
        self._rate = rate
        self._free: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, stretch: Stretch, seconds: float) -> None:
        """Send on time, whatever becomes of the earlier ones."""
        bodies = [request(self._url, *next(self._messages)) for _ in range(int(seconds * self._rate))]
        loop = asyncio.get_running_loop()
        began = loop.time() + 0.2
        async with asyncio.TaskGroup() as tasks:
            for number, body in enumerate(bodies):
                due = began + number / self._rate
                await asyncio.sleep(max(0.0, due - loop.time()))
                tasks.create_task(self._one(number, body, due, stretch))

    async def _one(self, number: int, body: bytes, due: float, stretch: Stretch) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(60):
                new = number % NEW == 0
                reader, writer = (None if new else self._kept(loop.time())) or await self._open()
                writer.write(body)
                status, answer = await read_answer(reader)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            stretch.failed[type(error).__name__] += 1
            return
        stretch.waited.append((loop.time() - due) * 1000)
        if not has_receipt(status, answer):
            stretch.failed[str(status)] += 1
        if new:
            writer.close()
        else:
            self._free.append((loop.time(), reader, writer))

    def _kept(self, now: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        while self._free:
            since, reader, writer = self._free.pop()
            if now - since < KEPT_SECONDS and not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, local_addr=("127.0.0.2", 0), limit=1 << 20)


def hostile(sender: Files, receiver: Files) -> dict[str, tuple[str, bytes]]:
    """What the attackers post, by name: (content type, body)."""

    def message(part: bytes | None = None) -> tuple[str, bytes]:
        made = new_messages(1, sender.access_point, receiver.access_point, sender.trust, part=part)
        return next(made)

    def spoil(kind: str, body: bytes) -> tuple[str, bytes]:
        start = body.index(b"SignatureValue>") + len(b"SignatureValue>")
        return kind, body[: start + 20] + (b"AAAA" if body[start + 20 : start + 24] != b"AAAA" else b"BBBB") + body[
            start + 24 :
        ]

    noise = base64.b64encode(os.urandom(6 * MB))
    elements = b"<x>" + b"<a/>" * 1_900_000 + b"<!--" + noise[:36_000] + b"--></x>"
    return {
        "wrong signatures": spoil(*message()),
        "no AS4 at all": ("text/html", b"<html>" + b"x" * 500),
        "garbage of 10 MB": ('multipart/related; boundary="b"', os.urandom(10 * MB)),
        "large, wrong signature": spoil(*message(gzip.compress(noise, 1))),
        "gzip bombs": message(gzip.compress(noise[:40_000] + b"\0" * (60 * MB), 9)),
        "XML bombs": message(gzip.compress(elements, 9)),
    }


@asynccontextmanager
async def attacking(port: int, requests: Path, names: list[str], stretch: Stretch) -> AsyncIterator[None]:
    """Attack inside the block; at its end the answers are counted into the stretch."""
    command = (sys.executable, "-m", "benchmarks.attackers", str(port), str(requests), *names)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    await asyncio.sleep(1.5)
    try:
        yield
    finally:
        out, _ = await process.communicate(b"")
        stretch.answers.update(json.loads(out or b"{}"))


async def measure(directory: Path, seconds: float, rate: float, rounds: int, only: str) -> bool:
    market = new_market(directory / "market", 2, now=datetime.now(UTC))
    os.sched_setaffinity(0, {1})
    async with run_market(market) as running, aiohttp.ClientSession() as http:
        ours, theirs = running
        pin(ours.pid, 0)
        pin(theirs.pid, 1)
        if not (put_first(ours.pid) and put_first(os.getpid())):
            print("not allowed to go first: other work on this machine counts in these figures")
        key = market.members[0].key_file.read_text().strip()
        assert FACTS.seller.endpoint
        await register(http, market, [key], 0, FACTS.seller.endpoint.value)
        return await _stretches(market, ours, directory, seconds, rate, rounds, only)


def put_first(pid: int) -> bool:
    """Let a process go before the others: its session where Linux groups by sessions, else its threads."""
    try:
        with suppress(FileNotFoundError):
            Path(f"/proc/{pid}/autogroup").write_text(str(FIRST))
            return True
        for thread in Path(f"/proc/{pid}/task").iterdir():
            if os.getpriority(os.PRIO_PROCESS, int(thread.name)) == 0:  # those that stand back go on doing so
                os.setpriority(os.PRIO_PROCESS, int(thread.name), FIRST)
    except OSError:
        return False
    return True


async def _stretches(
    market: Market, ours: Running, directory: Path, seconds: float, rate: float, rounds: int, only: str
) -> bool:
    sender, receiver = (read_files(load(market.members[n].config, {})) for n in (1, 0))
    host = market.members[0].as4
    port, url = int(host.rpartition(":")[2]), f"http://{host}/as4"
    requests = directory / "requests"
    requests.mkdir()
    for name, (kind, body) in hostile(sender, receiver).items():
        (requests / name).write_bytes(request(url, kind, body))
    messages = new_messages(10**9, sender.access_point, receiver.access_point, sender.trust)
    honest = Honest(url, port, messages, rate)
    names = [a.name for a in ATTACKS]
    plan: list[tuple[str, list[str]]] = [("calm", []), *((n, [n]) for n in names), (ALL, names), ("calm", [])]
    if only:
        plan = [("calm", []), (only, names if only == ALL else [only]), ("calm", [])]
    await honest.send(Stretch("warm"), 3)
    print(HEAD)
    found: list[Stretch] = []
    for _ in range(rounds):
        for name, attacks in plan:
            stretch = Stretch(name)
            async with attacking(port, requests, attacks, stretch):
                before, began = cpu_seconds(ours.pid), time.perf_counter()
                await honest.send(stretch, seconds)
                stretch.cpu, stretch.seconds = cpu_seconds(ours.pid) - before, time.perf_counter() - began
            found.append(stretch)
            print(stretch.line(), flush=True)
    return verdict(found, only or ALL)


def verdict(found: list[Stretch], worst: str) -> bool:
    """Print whether the claim holds."""
    calm = statistics.median(s.percentile(0.99) for s in found if s.name == "calm")
    flood = statistics.median(s.percentile(0.99) for s in found if s.name == worst)
    failed = sum((s.failed for s in found), Counter())
    times = flood / calm
    holds = times <= MOST and not failed
    print(
        f"99th percentile of honest messages: calm {calm:.1f} ms, {worst} {flood:.1f} ms: {times:.2f} times", end="; "
    )
    print(f"honest messages that failed: {dict(failed) or 'none'}")
    print(f"at most {MOST:g} times and none failed: {'holds' if holds else 'DOES NOT HOLD'}")
    return holds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15, help="of each stretch")
    parser.add_argument("--rate", type=float, default=20, help="honest messages a second")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--only", default="", choices=["", ALL, *(a.name for a in ATTACKS)], help="one kind of attack, or “all at once”"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        holds = asyncio.run(measure(Path(directory), asked.seconds, asked.rate, asked.rounds, asked.only))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
