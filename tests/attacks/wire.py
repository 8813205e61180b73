"""A bare HTTP client and the real endpoint behind it: nothing tidies up what the tests send."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from gateway.as4 import ebms
from gateway.as4.http import As4Endpoint
from gateway.as4.large import Large
from gateway.as4.limits import LIMITS, Limits
from gateway.as4.soap import read_envelope
from gateway.config.values import Address
from gateway.files.spool import Spool
from gateway.model.message import Received
from gateway.serving import site as serving
from gateway.ubl import large
from gateway.ubl.sbdh import unwrap
from tests.as4.as4_parts import StillClock
from tests.as4.doors import DOOR
from tests.attacks.parts import TAKEN, Kit


@dataclass
class Site:
    """The endpoint on loopback; ``stored`` is everything that it took responsibility for."""

    port: int = 0
    stored: list[Received] = field(default_factory=list)
    failure: Exception | None = None

    async def accept(self, received: Received, receipt: bytes) -> bytes:
        if self.failure is not None:
            raise self.failure
        self.stored.append(received)
        return receipt


@asynccontextmanager
async def open_site(kit: Kit, limits: Limits = LIMITS) -> AsyncIterator[Site]:
    """Serve as ``gateway serve`` does, with the same limits of the server, through the door that is open."""
    with ExitStack() as stack:
        async with _open_site(kit, limits, stack) as site:
            yield site


@asynccontextmanager
async def _open_site(kit: Kit, limits: Limits, stack: ExitStack) -> AsyncIterator[Site]:
    site = Site()
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    spool = Spool(Path(folder), at_once=100)
    spool.open()
    stack.callback(spool.close)
    unwrap_large = partial(large.unwrap, limit=limits.inflated)
    if DOOR.shapes is not None:
        kit.world.teach(DOOR.shapes)
    endpoint = As4Endpoint(
        identity=kit.c3,
        trust=kit.world.trust,
        clock=StillClock(),
        unwrap=unwrap,
        accept=site.accept,
        limits=replace(limits, in_memory=0) if DOOR.file else limits,
        large=Large(spool=spool, unwrap=unwrap_large) if DOOR.file else None,
        shapes=DOOR.shapes,
    )
    runner = serving.direct(partial(endpoint.answer, "/as4"))
    async with serving.open_site(runner, serving.listen(Address("127.0.0.1", 0)), limits=limits) as opened:
        site.port = opened.address.port
        yield site
        await asyncio.sleep(0)
    left = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert not left, f"the spool keeps {left}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status (0: the connection ended without one), headers in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def outcome(self) -> str:
        """The same words as a verdict's."""
        if self.status != 200:
            return f"HTTP {self.status}"
        messaging = read_envelope(self.body, LIMITS).messaging
        signal = None if messaging is None else ebms.read_signal(messaging)
        if signal is None:
            return "no signal"
        return signal.errors[0].code if signal.errors else TAKEN


class Wire:
    """One connection after another to a site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def post(self, content_type: str, body: bytes, *more: str) -> Answer:
        head = ["POST /as4 HTTP/1.1", "Host: a", f"Content-Length: {len(body)}"]
        if content_type:
            head.append(f"Content-Type: {content_type}")
        pieces = [("\r\n".join([*head, *more]) + "\r\n\r\n").encode("latin-1", "replace"), body]
        kept = self._streams is not None
        answer = await self.raw(pieces)
        # A kept connection may have been closed meanwhile.
        return await self.raw(pieces) if kept and answer.status == 0 else answer

    async def raw(self, pieces: Iterable[bytes], *, pause: float = 0.0, seconds: float = 30.0) -> Answer:
        """Write the pieces and read one answer; what was sent may be cut short by the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._site.port, limit=1 << 20)
        reader, writer = self._streams

        async def write() -> None:
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    if pause:
                        await asyncio.sleep(pause)
            except ConnectionError:
                pass  # the other side has said enough

        async with asyncio.timeout(seconds):
            writing = asyncio.ensure_future(write())
            try:
                answer = await _read(reader)
            finally:
                writing.cancel()
        if answer.status == 0 or answer.headers.get("connection") == "close" or not writing.done():
            self.close()
        return answer


async def _read(reader: asyncio.StreamReader) -> Answer:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.rstrip().split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer(0, {}, b"")
    return Answer(int(status_line.split()[1]), headers, body)


def lines(*more: str) -> bytes:
    return ("\r\n".join(more) + "\r\n\r\n").encode("latin-1")
