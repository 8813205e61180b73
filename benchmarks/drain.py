"""How a long queue drains: messages a second and memory of both gateways, block after block, beside a short queue.

    python -m benchmarks.drain [--messages 100000] [--steady 4000] [--blocks 20]

Two whole gateways on loopback. One document is handed in over the API; the queue is made of it by plain INSERTs while
no gateway runs, each with ids of its own. The steady speed is that of a short queue, before and after the long one.
Every message is looked up, packed, signed, encrypted, sent, verified by the other gateway, stored there and proven by
its receipt. CPU is from the kernel; the RSA-2048 private operation beside each block says how fast the machine was just
then, so that what others on it take can be told from what a long queue costs. Judged are the speed by that measure
(steady ÷ long at least 0.8) and the memory of both after the first fifth (at most 5 % more at the end).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from benchmarks.gateway import FACTS, SAMPLE, node, register
from benchmarks.load import NotAccepted, cpu_seconds
from benchmarks.rsa import beside
from gateway.network.market import FIRST_PORT, Market, Member, new_market
from gateway.network.running import run_market
from gateway.store.tables import instant_text

SPEED, MEMORY = 0.8, 1.05
_WARM = 500
"""Messages that fill caches and open connections; they are not counted."""
_OWN = ("id", "message_id", "instance_id", "once_key", "instance_key", "idempotency_key", "created", "next_attempt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """So many messages in a row."""

    messages: int
    seconds: float
    cpu: tuple[float, float]
    """Seconds of the sender, of the receiver."""
    rss: tuple[float, float]
    """Megabytes at its end."""
    rsa: float
    """Microseconds of the private operation beside it."""

    @property
    def operations(self) -> float:
        """CPU of both for one message, in private operations."""
        return sum(self.cpu) / self.messages * 1e6 / self.rsa


def queue_up(database: Path, template: str, first: int, count: int) -> None:
    """Make so many waiting documents of one, numbered from ``first``; no gateway may have the store."""
    with closing(sqlite3.connect(database)) as store:
        store.execute("UPDATE message SET next_attempt = NULL WHERE id = ?", [template])  # it stays as it is

        def columns(table: str) -> list[str]:
            return [
                row[1] for row in store.execute(f"PRAGMA table_info({table})") if not (row[1] == "number" and row[5])
            ]

        for table, key in (("message", "id"), ("payload", "message"), ("event", "message")):
            names = columns(table)
            values = [f":{name}" if name in (_OWN if table == "message" else (key,)) else name for name in names]
            copy = f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table} WHERE {key} = :of"
            store.executemany(copy, ({**one, "message": one["id"], "of": template} for one in _ids(first, count)))
        store.commit()


def _ids(first: int, count: int) -> Iterator[dict[str, str]]:
    start = datetime.now(UTC) - timedelta(days=1)
    for number in range(first, first + count):
        when = instant_text(start + timedelta(microseconds=number))
        own = f"drain-{number}"
        ids = {"id": f"{number:032x}", "message_id": f"{own}@example.org"}
        yield dict.fromkeys(_OWN, own) | ids | {"created": when, "next_attempt": when}


async def drained(database: Path, pids: tuple[int, int], blocks: int, tell: bool) -> list[Block]:
    """Let the worker of the first process send all that waits; one figure a block, the last few beside it."""
    found: list[Block] = []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:

        def waiting() -> int:
            row = store.execute("SELECT count(*) FROM message WHERE next_attempt IS NOT NULL").fetchone()
            return int(row[0])

        left = waiting()
        each = (left - _WARM) // blocks
        os.kill(pids[0], signal.SIGUSR1)
        left = await _below(waiting, left - _WARM)
        for number in range(blocks):
            began, used = time.perf_counter(), [cpu_seconds(pid) for pid in pids]
            with beside(0) as operation:
                now = await _below(waiting, left - each if number + 1 < blocks else 0)
            seconds = time.perf_counter() - began
            sender, receiver = (cpu_seconds(pid) - before for pid, before in zip(pids, used, strict=True))
            rss = _megabytes(pids[0]), _megabytes(pids[1])
            block = Block(
                messages=left - now, seconds=seconds, cpu=(sender, receiver), rss=rss, rsa=operation.microseconds
            )
            found, left = [*found, block], now
            if tell:
                _print(sum(one.messages for one in found) + _WARM, block)
        os.kill(pids[0], signal.SIGUSR2)
        other = store.execute("SELECT count(*) FROM message WHERE direction = 'out' AND state <> 'SENT'").fetchone()[0]
    if other != 1:  # the one that all were made of
        raise NotAccepted(f"{other - 1} documents are not SENT; see the gateway's log")
    return found


async def _below(waiting: object, number: int) -> int:
    assert callable(waiting)
    while (left := int(waiting())) > number:  # noqa: ASYNC110 - it happens in another process
        await asyncio.sleep(0.2)
    return left


def _megabytes(pid: int) -> float:
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _print(done: int, block: Block) -> None:
    print(
        f"{done:>10,}{block.messages / block.seconds:>12.0f}{block.cpu[0] / block.messages * 1000:>10.2f}"
        f"{block.cpu[1] / block.messages * 1000:>10.2f}{block.rsa:>9.0f}{block.operations:>11.2f}"
        f"{block.rss[0]:>11.1f}{block.rss[1]:>11.1f}",
        flush=True,
    )


@asynccontextmanager
async def _prepared(market: Market) -> AsyncIterator[tuple[int, str]]:
    """The receiver runs inside the block: its process, and the id of the document that the queue is made of."""
    async with run_market(replace(market, members=market.members[1:])) as (theirs,):
        async with node(market), aiohttp.ClientSession() as http:
            keys = [member.key_file.read_text().strip() for member in market.members]
            assert FACTS.seller.endpoint and FACTS.buyer.endpoint
            await register(http, market, keys, 0, FACTS.seller.endpoint.value)
            await register(http, market, keys, 1, FACTS.buyer.endpoint.value)
            headers = {"Authorization": f"Bearer {keys[0]}", "Content-Type": "application/xml"}
            url = f"http://{market.members[0].api}/v1/documents"
            async with http.post(url, data=SAMPLE, headers=headers) as answer:
                template = str((await answer.json())["id"])
        yield theirs.pid, template


def _database(member: Member) -> Path:
    return member.directory / "var" / "gateway.db"


async def measure(market: Market, messages: int, steady: int, blocks: int) -> bool:
    """Print the curve; tells whether speed and memory are what they have to be."""
    made = 1

    async def run(count: int, parts: int, name: str) -> list[Block]:
        nonlocal made
        queue_up(_database(market.members[0]), template, made, count + _WARM)
        made += count + _WARM
        async with node(market) as ours:
            print(f"{name}: {count:,} wait")
            return await drained(_database(market.members[0]), (ours, theirs), parts, tell=True)

    async with _prepared(market) as (theirs, template):
        heads = "messages", "a second", "ms, from", "ms, to", "RSA µs", "CPU in ops", "MB, from", "MB, to"
        print("".join(f"{head:>{width}}" for head, width in zip(heads, (10, 12, 10, 10, 9, 11, 11, 11), strict=True)))
        short = await run(steady, 1, "short queue")
        long = await run(messages, blocks, "long queue")
        short += await run(steady, 1, "short queue again")
    return _judge(short, long)


def _judge(short: list[Block], long: list[Block]) -> bool:
    def rate(blocks: list[Block]) -> float:
        return sum(b.messages for b in blocks) / sum(b.seconds for b in blocks)

    def cost(blocks: list[Block]) -> float:
        return sum(b.operations * b.messages for b in blocks) / sum(b.messages for b in blocks)

    speed = cost(short) / cost(long)
    print(
        f"by the clock: {rate(short):.0f} a second of a short queue, {rate(long):.0f} of the long one: "
        f"{rate(long) / rate(short):.2f}"
    )
    print(f"by CPU in private operations: {cost(short):.2f} and {cost(long):.2f} a message: {speed:.2f}")
    after = long[len(long) // 5]
    good = speed >= SPEED
    for who, one in (("sender", 0), ("receiver", 1)):
        most = max(b.rss[one] for b in long[len(long) // 5 :])
        print(
            f"memory of the {who} after the first fifth {after.rss[one]:.1f} MB, at most {most:.1f} MB, "
            f"at the end {long[-1].rss[one]:.1f} MB"
        )
        good = good and long[-1].rss[one] <= after.rss[one] * MEMORY
    print("flat" if good else "NOT FLAT")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--steady", type=int, default=4000, help="messages of the short queue")
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--first-port", type=int, default=FIRST_PORT, help="where free ports are looked for")
    parser.add_argument("--dir", type=Path, help="folder on the disk to use; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        market = new_market(Path(directory) / "market", 2, now=datetime.now(UTC), first_port=options.first_port)
        good = asyncio.run(measure(market, options.messages, options.steady, options.blocks))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
