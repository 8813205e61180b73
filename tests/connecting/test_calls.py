"""Connections to other access points: kept, shared, bounded, and never used again after a doubt."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.resolver import ThreadedResolver

from gateway.connecting.answer import Answer
from gateway.connecting.calls import Calls
from gateway.errors import PeerUnavailable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server that answers each request with the next of these octets; b"" hangs up."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0) if self.answers else OK
                if not answer:
                    return
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/as4?x=%C3%A5"
    finally:
        server.close()


@asynccontextmanager
async def calling(**settings: Any) -> AsyncIterator[Calls]:
    calls = Calls(**settings)
    try:
        yield calls
    finally:
        await calls.close()


async def post(calls: Calls, url: str, body: Any = b"hello", *, length: int = 5, **limits: Any) -> Answer:
    limits = {"most": 1000, "connect": 5.0, "total": 10.0, **limits}
    return await calls.post(url, "text/plain", body, length=length, **limits)


async def test_a_request_is_whole_and_the_connection_is_used_again() -> None:
    peer = Peer()
    async with listening(peer) as url, calling() as calls:
        for _ in range(3):
            answer = await post(calls, url)
            assert (answer.status, answer.body) == (200, b"ok")
        assert calls.idle == peer.connections == 1
    first, *lines = peer.requests[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert first == "POST /as4?x=%C3%A5 HTTP/1.1"
    assert f"Host: {url.split('/')[2]}" in lines and "Accept-Encoding: identity" in lines
    assert "Content-Type: text/plain" in lines
    assert peer.requests[0].endswith(b"\r\n\r\nhello")


async def test_no_more_connections_to_one_host_than_are_allowed_and_who_waits_too_long_has_sent_nothing() -> None:
    release = asyncio.Event()
    seen = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        await reader.readuntil(b"hello")
        seen += 1
        await release.wait()
        writer.write(OK)

    async with listening(slow) as url, calling(per_host=2) as calls:
        async with asyncio.TaskGroup() as group:
            first = [group.create_task(post(calls, url)) for _ in range(2)]
            while seen < 2:
                await asyncio.sleep(0.01)
            with pytest.raises(PeerUnavailable, match="all connections to it are in use") as raised:
                await post(calls, url, connect=0.05)
            assert not raised.value.sent and seen == 2
            assert raised.value.failure == "local", "the other side has done nothing"
            release.set()
        assert [task.result().body for task in first] == [b"ok", b"ok"]


async def test_a_connection_that_the_other_side_has_closed_is_not_used_again() -> None:
    peer = Peer(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), OK + b"more", OK)
    async with listening(peer) as url, calling() as calls:
        for idle in (0, 0, 1):
            assert (await post(calls, url)).body == b"ok"
            assert calls.idle == idle
        assert peer.connections == 3


async def test_what_a_peer_says_unasked_ends_its_connection() -> None:
    peer = Peer()
    writers: list[asyncio.StreamWriter] = []

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await peer(reader, writer)

    async with listening(talkative) as url, calling() as calls:
        await post(calls, url)
        writers[0].write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await writers[0].drain()
        await asyncio.sleep(0.05)
        assert (await post(calls, url)).body == b"ok"
        assert peer.connections == 2


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", b"SSH-2.0-x\r\n\r\n"])
async def test_a_connection_that_breaks_leaves_it_open_whether_it_arrived(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.write(answer)
        writer.close()

    async with listening(serve) as url, calling() as calls:
        with pytest.raises(PeerUnavailable) as raised:
            await post(calls, url)
        assert raised.value.sent and calls.idle == 0


async def test_a_connection_that_waited_too_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer()
    async with listening(peer) as url, calling() as calls:
        await post(calls, url)
        monkeypatch.setattr("gateway.connecting.calls.KEPT_SECONDS", 0.02)
        await asyncio.sleep(0.03)
        await post(calls, url)
        assert (peer.connections, calls.idle) == (2, 1)


async def test_who_goes_away_in_the_middle_takes_the_connection_along() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(silent) as url, calling(per_host=1) as calls:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(post(calls, url))
            await asyncio.sleep(0.05)
            task.cancel()
        assert task.cancelled()
        assert calls.idle == 0
        with pytest.raises(PeerUnavailable, match="none came within") as raised:  # and the place is free again
            await post(calls, url, total=0.05)
        assert raised.value.sent


async def pieces(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_large_body_goes_out_piece_by_piece() -> None:
    peer = Peer()
    async with listening(peer) as url, calling() as calls:
        assert (await post(calls, url, pieces(64, 65_536), length=64 * 65_536)).body == b"ok"
        assert calls.idle == 1
    assert len(peer.requests[0].partition(b"\r\n\r\n")[2]) == 64 * 65_536


async def test_an_answer_before_the_end_of_the_body_is_the_answer_and_the_rest_is_not_sent() -> None:
    sent = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal sent
        async for piece in pieces(100_000, 65_536):
            sent += 1
            yield piece

    async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK.replace(b"200 OK", b"413 No"))
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()

    async with listening(impatient) as url, calling() as calls:
        assert (await post(calls, url, counted(), length=100_000 * 65_536)).status == 413
        assert calls.idle == 0 and sent < 1000


async def test_a_name_is_connected_to_only_at_the_addresses_of_the_resolver() -> None:
    class Known(ThreadedResolver):
        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
            assert host == "ap.example.org"
            return await super().resolve("127.0.0.1", port, family)

    peer = Peer()
    async with listening(peer) as url, calling(resolver=Known()) as calls:
        assert (await post(calls, url.replace("127.0.0.1", "ap.example.org"))).body == b"ok"
    assert b"\r\nHost: ap.example.org:" in peer.requests[0]
