"""What stands between the gateway under test and C3: a wire that breaks, and a ledger of what passed.

It takes whole requests and then, by the dice, passes them, cuts before or after C3 has them, is slow, or answers 503.
Lost answers make the gateway send again: the same MessageId has to come, and C3 has to have one document.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.crash.ledgers import Ledgers

_MESSAGE_ID = re.compile(rb"<(?:\w+:)?MessageId>([^<]+)</")
_SENDER = re.compile(rb"<(?:\w+:)?PartyId[^>]*>([^<]+)</")
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
FAULTS = {"pass": 80, "cut before": 5, "cut after": 8, "busy": 4, "slow": 3}


@dataclass(slots=True)
class Front:
    """The wire to C3."""

    target: tuple[str, int]
    seat: bytes
    """Whose messages are noted; C3 also tests its own address."""
    ledgers: Ledgers
    dice: random.Random
    broken: bool = True
    """Off: everything passes."""
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def listen(self, port: int) -> AsyncIterator[None]:
        """Take connections on that port of loopback inside the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=1 << 20)
        async with server:
            yield
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._pass(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; tells whether the connection goes on."""
        request = await _message(reader)
        fault = self.dice.choices(list(FAULTS), list(FAULTS.values()))[0] if self.broken else "pass"
        if fault == "cut before":
            return False
        if fault == "busy":
            writer.write(_BUSY)
            return True
        if fault == "slow":
            await asyncio.sleep(self.dice.uniform(0, 0.5))
        found, sender = _MESSAGE_ID.search(request), _SENDER.search(request)
        if sender is None or sender[1] == self.seat:
            self.ledgers.forwarded.append(found[1].decode() if found else "")
        answer = await _forward(request, self.target)
        if fault == "cut after":
            return False
        writer.write(answer)
        return True


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


async def _forward(request: bytes, target: tuple[str, int]) -> bytes:
    reader, writer = await asyncio.open_connection(*target, limit=1 << 20)
    try:
        writer.write(request)
        return await _message(reader)
    finally:
        writer.close()
