"""The hostile side of ``benchmarks.flood``: a process of its own that attacks one endpoint until it is ended.

Each attack comes from addresses of its own inside 127.0.0.0/8, as attackers on a network do.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.load import read_answer

HALF_A_HEAD: Final = b"POST /as4 HTTP/1.1\r\nHost: a\r\nContent-Ty"
SLOW_HEAD: Final = (
    b'POST /as4 HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/related; boundary="b"\r\nContent-Length: 50000\r\n\r\n'
)
GONE: Final = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)


@dataclass(frozen=True, slots=True)
class Attack:
    """One kind of attack: so many connections at once, spread over so many addresses."""

    name: str
    connections: int
    addresses: int = 10


ATTACKS: Final = (
    Attack("slow bodies", 300),
    Attack("connection churn", 16),
    Attack("wrong signatures", 16),
    Attack("no AS4 at all", 16),
    Attack("garbage of 10 MB", 8),
    Attack("large, wrong signature", 4),
    Attack("gzip bombs", 50),
    Attack("XML bombs", 16),
)
"""The last two have good signatures: a peer of the network misbehaves."""


class Attacker:
    """Runs some attacks on one port; counts what came back."""

    def __init__(self, port: int, requests: Path) -> None:
        self._port = port
        self._requests = requests
        self.answers: Counter[str] = Counter()

    async def run(self, names: list[str]) -> None:
        """Until cancelled."""
        ways: dict[str, Callable[[str], Awaitable[None]]] = {
            "slow bodies": self._slowly,
            "connection churn": self._churn,
        }
        async with asyncio.TaskGroup() as tasks:
            for number, attack in enumerate(ATTACKS):
                if attack.name not in names:
                    continue
                way = ways.get(attack.name) or self._posting((self._requests / attack.name).read_bytes())
                for n in range(attack.connections):
                    tasks.create_task(self._again(way, f"127.{66 + number}.0.{1 + n % attack.addresses}"))

    async def _again(self, way: Callable[[str], Awaitable[None]], source: str) -> None:
        while True:
            try:
                async with asyncio.timeout(60):
                    await way(source)
            except GONE:
                self.answers["cut"] += 1
                await asyncio.sleep(0.001)

    async def _open(self, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, local_addr=(source, 0), limit=1 << 20)

    def _posting(self, request: bytes) -> Callable[[str], Awaitable[None]]:
        """The same request over and over, as fast as it is answered."""

        async def post(source: str) -> None:
            reader, writer = await self._open(source)
            try:
                while True:
                    writer.write(request)
                    status, body = await read_answer(reader)
                    code = body.partition(b'errorCode="')[2].partition(b'"')[0].decode() or str(status)
                    self.answers[code] += 1
            finally:
                writer.transport.abort()

        return post

    async def _slowly(self, source: str) -> None:
        reader, writer = await self._open(source)
        try:
            writer.write(SLOW_HEAD)
            while not reader.at_eof():
                writer.write(b"-")
                await writer.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await reader.read(100)
            self.answers["slow"] += 1
        finally:
            writer.transport.abort()

    async def _churn(self, source: str) -> None:
        _, writer = await self._open(source)
        writer.write(HALF_A_HEAD)
        await writer.drain()
        writer.transport.abort()
        self.answers["connections"] += 1


async def _main(port: int, requests: Path, names: list[str]) -> None:
    attacker = Attacker(port, requests)
    attacking = asyncio.ensure_future(attacker.run(names))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until the other side closes it
    attacking.cancel()
    with suppress(asyncio.CancelledError):
        await attacking
    print(json.dumps(attacker.answers))


if __name__ == "__main__":
    os.setpriority(os.PRIO_PROCESS, 0, 15)  # the honest client of the same core must not wait for us
    asyncio.run(_main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
