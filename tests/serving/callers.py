"""A bare connection to a site."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from gateway.serving.site import Site


class Caller:
    """A bare connection to a site."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = self.body = b""

    @classmethod
    async def of(cls, site: Site, local: str = "127.0.0.1") -> Caller:
        address = site.address
        return cls(*await asyncio.open_connection(address.host, address.port, local_addr=(local, 0)))

    async def say(self, octets: bytes) -> None:
        with suppress(ConnectionError):
            self.writer.write(octets)
            await self.writer.drain()

    async def status(self, seconds: float = 5) -> int:
        """Of the next answer; 0 when the connection ends without one."""
        async with asyncio.timeout(seconds):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0
            self.head = head
            lines = head.lower().split(b"\r\n")
            length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
            self.body = await self.reader.readexactly(length)
            return int(head.split()[1])

    async def ended(self, seconds: float = 5) -> bool:
        """Whether the site has ended the connection without a word."""
        return await self.status(seconds) == 0

    def close(self) -> None:
        self.writer.close()
