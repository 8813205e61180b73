"""What a second process brings: messages received each second by `gateway serve --workers 1` and `--workers 2`.

    python -m benchmarks.workers [--messages 1500] [--rounds 3]

The same machine, the same messages (made before the clock starts, each node new and with its own database), the same
generator on raw kept connections. With one worker the gateway stands on core 0 and the generator on core 1; with two,
everything shares both cores, so the generator takes CPU from the gateway, as it does not with one. Therefore two
ratios: of the rates as they are, and of the rates with the generator's CPU taken out, which is what two free cores
would give: messages / (seconds - the generator's CPU / 2). CPU is from the kernel, for the gateway's processes
together. The last column is the machine's load before the round: the ratio means something only when it was quiet.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from benchmarks.gateway import FACTS, new_messages, register
from benchmarks.load import NotAccepted, cpu_seconds, has_receipt, play, request
from benchmarks.rsa import measure_on
from gateway.app import read_files
from gateway.config import load
from gateway.network.market import Market, new_market

_WARM: int = 200
_CORES: dict[int, tuple[set[int], set[int]]] = {1: ({0}, {1}), 2: ({0, 1}, {0, 1})}
"""Cores of the gateway and of the generator, for each number of workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One round."""

    messages: int
    seconds: float
    gateway: float
    """Seconds of CPU."""
    generator: float

    @property
    def rate(self) -> float:
        return self.messages / self.seconds

    @property
    def milliseconds(self) -> float:
        return self.gateway / self.messages * 1000

    def free_rate(self, workers: int) -> float:
        """Messages a second if the generator had used none of the gateway's cores."""
        stolen = self.generator / 2 if workers > 1 else 0.0
        return self.messages / (self.seconds - stolen)


@contextmanager
def node(market: Market, workers: int) -> Iterator[tuple[list[int], str]]:
    """The first member as so many processes; gives their ids and the API key."""
    member = market.members[0]
    command = [sys.executable, "-m", "gateway", "serve", "--json", "--workers", str(workers)]
    cores = ",".join(map(str, sorted(_CORES[workers][0])))
    with (member.directory / "log.jsonl").open("ab") as log:
        process = subprocess.Popen(
            ["taskset", "-c", cores, *command, "--config", str(member.config)], stdout=subprocess.PIPE, stderr=log
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise NotAccepted(f"the gateway did not start: {(member.directory / 'log.jsonl').read_text()[-500:]}")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield [process.pid, *map(int, children)] if workers > 1 else [process.pid], json.loads(line)["api_key"]
    finally:
        process.terminate()
        process.wait()


def measure(workers: int, messages: int, connections: int) -> Found:
    """A new node, warmed with a few messages, and one round."""
    os.sched_setaffinity(0, {0, 1})
    with tempfile.TemporaryDirectory() as name:
        market = new_market(Path(name) / "market", 2, now=datetime.now(UTC))
        url = f"http://{market.members[0].as4}/as4"
        sender, receiver = (read_files(load(member.config, {})) for member in reversed(market.members))
        parts = new_messages(messages + _WARM, sender.access_point, receiver.access_point, sender.trust)
        requests = [request(url, *one) for one in parts]
        with node(market, workers) as (pids, key):
            os.sched_setaffinity(0, _CORES[workers][1])
            asyncio.run(_register(market, key))
            asyncio.run(play(url, requests[:_WARM], connections, has_receipt))
            return _round(pids, url, requests[_WARM:], connections)


def _round(pids: Sequence[int], url: str, requests: Sequence[bytes], connections: int) -> Found:
    before, own = sum(map(cpu_seconds, pids)), time.process_time()
    seconds = asyncio.run(play(url, requests, connections, has_receipt))
    return Found(
        messages=len(requests),
        seconds=seconds,
        gateway=sum(map(cpu_seconds, pids)) - before,
        generator=time.process_time() - own,
    )


async def _register(market: Market, key: str) -> None:
    assert FACTS.seller.endpoint
    async with aiohttp.ClientSession() as http:
        await register(http, market, [key], 0, FACTS.seller.endpoint.value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    arguments = parser.parse_args()
    found: dict[int, list[Found]] = {1: [], 2: []}
    print(
        f"{'workers':8}{'messages/s':>12}{'free cores':>15}{'CPU ms':>9}{'generator':>14}{'RSA op us':>11}{'load':>7}"
    )
    for _ in range(arguments.rounds):
        for workers, rounds in found.items():
            busy, rsa = os.getloadavg()[0], measure_on(0)
            one = measure(workers, arguments.messages, arguments.connections)
            rounds.append(one)
            print(
                f"{workers:<8}{one.rate:12.0f}{one.free_rate(workers):15.0f}{one.milliseconds:9.2f}"
                f"{one.generator / one.messages * 1000:14.2f}{rsa:11.0f}{busy:7.1f}"
            )
    rates = {workers: statistics.median(one.rate for one in rounds) for workers, rounds in found.items()}
    free = {w: statistics.median(one.free_rate(w) for one in rounds) for w, rounds in found.items()}
    print(f"medians: {rates[2] / rates[1]:.2f} times as many messages, {free[2] / free[1]:.2f} on two free cores")


if __name__ == "__main__":
    main()
