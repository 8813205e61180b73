"""A receiver of webhooks with a fault script and a ledger: what it was sent, what it believes, what it answers."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + base64.b64encode(b"a secret of 32 octets, not more.").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of 32 octets, ok.").decode()


@dataclass
class Receiver:
    """Speaks just enough HTTP/1.1. ``script`` holds the next answers, then it is 204 for ever.

    An answer is a status line with its headers, or ``hang up``, ``cut`` (in the middle of the answer), ``silent``,
    ``drip`` (an endless answer), ``huge`` (a very long one).
    """

    port: int = 0
    script: list[str] = field(default_factory=list)
    secret: str = SECRET
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/c4"

    @property
    def ids(self) -> list[str]:
        """Ids of what was believed: signed by the reference implementation's verdict."""
        believed = []
        for headers, body in self.got:
            try:
                Webhook(self.secret).verify(body.decode(), headers)
            except WebhookVerificationError:
                continue
            believed.append(headers["webhook-id"])
        return believed

    def event(self, number: int = -1) -> Any:
        return json.loads(self.got[number][1])

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")[1:]
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
        answer = self.script.pop(0) if self.script else "204 No Content"
        if answer == "hang up":
            return False
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append((headers, body))
        if answer == "silent":
            await reader.read()
            return False
        if answer == "cut":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            return False
        if answer in ("drip", "huge"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            while True:
                writer.write(b"x" * (1 if answer == "drip" else 65536))
                await writer.drain()
                await asyncio.sleep(0.01)
        status, _, more = answer.partition("\r\n")
        said = b"" if status.startswith("204") else b"no comment\x1b[31m"
        more = f"{more}\r\n" if more else ""
        writer.write(f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(said)}\r\n\r\n".encode() + said)
        return True


@asynccontextmanager
async def webhook_receiver(*script: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    double = Receiver(script=list(script))
    tasks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(double.talk(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls)
    try:
        double.port = server.sockets[0].getsockname()[1]
        yield double
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
