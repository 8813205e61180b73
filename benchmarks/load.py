"""What the benchmarks of whole programs share: a load generator on raw connections, CPU of a process, one round.

The generator speaks just enough HTTP/1.1 for kept connections, so that it stays far cheaper than what it measures.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.rsa import beside

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)

Good = Callable[[int, bytes], bool]
"""Is this HTTP status with this body a success?"""


class NotAccepted(Exception):
    """A message of a benchmark was not accepted, so its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement."""

    seconds: float
    cpu: float
    messages: int
    rsa: float
    """Microseconds of the private operation beside this round."""

    @property
    def rate(self) -> float:
        return self.messages / self.seconds

    @property
    def milliseconds(self) -> float:
        return self.cpu / self.messages * 1000

    @property
    def operations(self) -> float:
        """CPU of a message in private operations."""
        return self.milliseconds * 1000 / self.rsa


def request(url: str, content_type: str, body: bytes, **headers: str) -> bytes:
    """A POST as octets."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def play(url: str, requests: Sequence[bytes], connections: int, good: Good) -> float:
    """Send every request once over so many kept connections; gives seconds. Raises :class:`NotAccepted`."""
    parts = urlsplit(url)
    waiting = list(reversed(requests))

    async def worker() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
        try:
            while waiting:
                writer.write(waiting.pop())
                await writer.drain()
                status, body = await read_answer(reader)
                if not good(status, body):
                    raise NotAccepted(f"{url} answered {status}: {body[:500]!r}")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(connections, len(requests))):
            tasks.create_task(worker())
    return time.perf_counter() - began


async def measured(pid: int, url: str, requests: Sequence[bytes], connections: int, good: Good) -> Round:
    """Play the requests and take the CPU of that process meanwhile, with the private operation beside it on core 0."""
    with beside(0) as operation:
        before = cpu_seconds(pid)
        seconds = await play(url, requests, connections, good)
        cpu = cpu_seconds(pid) - before
    return Round(seconds=seconds, cpu=cpu, messages=len(requests), rsa=operation.microseconds)


def has_receipt(status: int, body: bytes) -> bool:
    """An AS4 answer with a receipt."""
    return status == 200 and b"NonRepudiationInformation" in body


def was_accepted(status: int, body: bytes) -> bool:
    """An answer of our API about a document that is on disk."""
    return status == 202 and re.search(rb'"state":\s*"ACCEPTED"', body) is not None


def was_sent(status: int, body: bytes) -> bool:
    """An answer of our API about a document that has its receipt."""
    return status == 202 and re.search(rb'"state":\s*"SENT"', body) is not None


def cpu_seconds(pid: int) -> float:
    """Seconds of CPU that the process has used, threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def pin(pid: int, core: int) -> None:
    """Keep every thread of a process on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one answer: status and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    if _CHUNKED.search(head):
        body = bytearray()
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return status, bytes(body)
    length = _LENGTH.search(head)
    return status, await reader.readexactly(int(length[1])) if length else b""
