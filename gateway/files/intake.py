"""A request body on its way in: in memory while it is small, in the spool once it is not."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Final, Self

from gateway.files.spool import Place, Spool, Writing
from gateway.model.octets import Octets, Spooled

_BATCH: Final = 512 * 1024
"""Octets that are handed to a thread at once."""


class Body:
    """One body of at most ``largest`` octets. Without a spool all of it stays in memory, else ``in_memory``."""

    def __init__(self, spool: Spool | None, *, in_memory: int, largest: int) -> None:
        self._spool = spool
        self._in_memory = in_memory
        self._largest = largest
        self._octets = bytearray()
        self._given = b""
        self._length = 0
        self._stack: AsyncExitStack | None = None
        self._writing: Writing | None = None
        self.place: Place | None = None
        """Where the body lies, when it is large."""

    def __len__(self) -> int:
        return self._length

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stack is not None:
            await self._stack.__aexit__(kind, error, trace)

    async def expect(self, length: int) -> None:
        """Take a place at once for a body that says it is large. Raises ``Overloaded`` or ``StoreUnavailable``."""
        if self._spool is not None and length > self._in_memory:
            await self._open(length)

    def give(self, octets: bytes) -> bool:
        """Take all of a body at once, without copying it; False when it is too large to stay in memory."""
        if self._writing is not None or (self._spool is not None and len(octets) > self._in_memory):
            return False
        self._given, self._length = octets, len(octets)
        return True

    async def add(self, chunk: bytes) -> None:
        """Take in the next octets. Raises as :meth:`expect`."""
        self._octets += chunk
        self._length += len(chunk)
        if self._writing is None:
            if self._spool is None or self._length <= self._in_memory:
                return
            await self._open(self._largest)
        if len(self._octets) >= _BATCH:
            await self._flush()

    def whole(self) -> bytes:
        """All octets of a body in memory, which are nowhere else then."""
        octets, self._given = self._given or bytes(self._octets), b""
        self._octets.clear()  # one copy is enough
        return octets

    async def file(self) -> Spooled:
        """The file of a large body, complete."""
        await self._flush()
        assert self._writing is not None
        return self._writing.done()

    async def spill(self, octets: bytes) -> Spooled:
        """Put a body from memory into a file after all. Raises as :meth:`expect`."""
        self._octets += octets
        await self._open(self._largest)
        return await self.file()

    async def octets(self) -> Octets:
        """All octets, in the form that fits them."""
        return self.whole() if self.place is None else await self.file()

    async def _open(self, expected: int) -> None:
        assert self._spool is not None
        self._stack = AsyncExitStack()
        self.place = await self._stack.enter_async_context(self._spool.place(expected))
        self._writing = self._stack.enter_context(Writing(self.place.new("body")))

    async def _flush(self) -> None:
        assert self._writing is not None
        full, self._octets = self._octets, bytearray()
        writing = asyncio.ensure_future(asyncio.to_thread(self._writing.write, full))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # The file is closed next, and its descriptor may be another's while the thread still writes there.
            with suppress(OSError):
                await writing
            raise
