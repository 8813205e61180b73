"""A wire to PostgreSQL that can be cut at any message, or lose the answer to a commit."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

_ASKS = frozenset(b"QS")
"""Messages that ask for an answer: Query and Sync."""
_TLS_REQUEST = 80877103


@dataclass
class Wire:
    """Passes everything on, until it is told otherwise."""

    url: str
    port: int = 0
    asked: int = 0
    """Questions passed on since the last `count_from_now`."""
    cut_at: int = 0
    """The connection is cut instead of passing this question on; 0: never."""
    lose_at: int = 0
    """This question is passed on, and the connection is cut instead of passing its answer back; 0: never."""
    swallow_commit: bool = False
    """The next COMMIT is passed on, and the connection is cut instead of passing its answer back."""
    closed: bool = False
    """Nobody gets through."""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def through(self) -> str:
        """The address that goes through the wire."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self.port}"))

    def count_from_now(self, cut_at: int = 0, lose_at: int = 0) -> None:
        self.asked, self.cut_at, self.lose_at = 0, cut_at, lose_at

    def cut(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
            return
        parts = urlsplit(self.url)
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        ends = {writer, back}
        self._writers |= ends
        lost = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:  # ends when either end does
                tasks.create_task(self._ask(reader, back, lost, ends))
                tasks.create_task(self._answer(there, writer, lost, ends))
        finally:
            self._writers -= ends

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        lost: asyncio.Event,
        ends: set[asyncio.StreamWriter],
    ) -> None:
        try:
            code = _TLS_REQUEST
            while code == _TLS_REQUEST:  # the messages before the first with a kind
                length, code = struct.unpack(">II", first := await reader.readexactly(8))
                back.write(first + await reader.readexactly(length - 8))
            while True:
                kind, length = struct.unpack(">cI", head := await reader.readexactly(5))
                body = await reader.readexactly(length - 4)
                if kind[0] in _ASKS:
                    self.asked += 1
                    if self.asked == self.cut_at:
                        break
                    if self.asked == self.lose_at:
                        lost.set()
                if self.swallow_commit and kind == b"Q" and body.startswith(b"COMMIT"):
                    self.swallow_commit = False
                    lost.set()
                back.write(head + body)
        except (asyncio.IncompleteReadError, OSError):
            pass
        for end in ends:
            end.transport.abort()

    async def _answer(
        self,
        there: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        lost: asyncio.Event,
        ends: set[asyncio.StreamWriter],
    ) -> None:
        try:
            while octets := await there.read(65536):
                if lost.is_set():
                    break
                writer.write(octets)
        except OSError:
            pass
        for end in ends:
            end.transport.abort()


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    """Lay a wire to the database at this address."""
    laid = Wire(url)
    server = await asyncio.start_server(laid.carry, "127.0.0.1", 0)
    laid.port = server.sockets[0].getsockname()[1]
    try:
        yield laid
    finally:
        laid.cut()
        server.close()
