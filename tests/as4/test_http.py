"""The wire: two access points over loopback, and everything that HTTP can do wrong in between."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.resolver import ThreadedResolver

from gateway.as4.client import As4Client
from gateway.as4.http import As4Endpoint
from gateway.as4.limits import Limits
from gateway.as4.msh import Unwrap
from gateway.as4.turns import Accounts
from gateway.config.values import Address, neighbourhood
from gateway.connecting.calls import Calls
from gateway.errors import (
    Conflict,
    InvalidAddress,
    InvalidAnswer,
    InvalidMessage,
    PeerRefused,
    PeerUnavailable,
    StateError,
    StoreUnavailable,
)
from gateway.model.document import Unwrapped
from gateway.model.message import Received
from gateway.model.relation import Endpoint
from gateway.model.signals import NOT_SERVICED
from gateway.serving.site import direct, listen, open_site
from gateway.ubl.sbdh import unwrap
from tests.as4.as4_parts import DOCUMENT, NOW, StillClock, World, outgoing

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """An access point on loopback; ``answer`` may be set to fail."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    failure: Exception | None = None
    stored: bytes = b""

    async def accept(self, received: Received, receipt: bytes) -> bytes:
        if self.failure:
            raise self.failure
        self.received.append(received)
        return self.stored or receipt


class Opened(AsyncExitStack):
    """A site that stays open until ``cleanup``."""

    async def cleanup(self) -> None:
        await self.aclose()


async def serve(handler: Handler) -> tuple[web.AppRunner, str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/as4"


@pytest.fixture
async def server(world: World) -> AsyncIterator[Server]:
    server = Server()
    runner, server.url = await start(world, server)
    yield server
    await runner.cleanup()


async def start(world: World, server: Server, unwrap: Unwrap = unwrap, **limits: Any) -> tuple[Opened, str]:
    endpoint = As4Endpoint(
        identity=world.c3,
        trust=world.trust,
        clock=StillClock(),
        unwrap=unwrap,
        accept=server.accept,
        limits=Limits(**limits),
    )
    opened = Opened()
    runner = direct(partial(endpoint.answer, "/as4"))
    site = await opened.enter_async_context(open_site(runner, listen(Address("127.0.0.1", 0))))
    return opened, f"http://{site.address}/as4"


@pytest.fixture
async def client(world: World) -> AsyncIterator[As4Client]:
    async with As4Client(identity=world.c2, trust=world.trust, clock=StillClock()) as client:
        yield client


def to(world: World, url: str) -> Endpoint:
    return world.endpoint(url=url)


async def test_a_message_goes_over_and_a_receipt_comes_back(world: World, server: Server, client: As4Client) -> None:
    delivery = await client.send(outgoing(), to(world, server.url))
    assert delivery.receipt.signer == "POP000002"
    assert server.received[0].document == DOCUMENT
    assert server.received[0].soap == delivery.soap
    assert 0 < delivery.milliseconds < 5000


async def test_connections_are_kept(world: World, server: Server, client: As4Client) -> None:
    for _ in range(3):
        await client.send(outgoing(), to(world, server.url))
    assert client._calls.idle == 1


async def test_many_messages_at_once(world: World, server: Server, client: As4Client) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(client.send(outgoing(), to(world, server.url)))
    assert len(server.received) == 20


async def test_a_large_message_is_worked_on_in_a_thread(world: World, client: As4Client) -> None:
    threads = []

    def watching(octets: bytes) -> Unwrapped:
        threads.append(threading.get_ident())
        return unwrap(octets)

    server = Server()
    runner, url = await start(world, server, watching, inline=20_000)
    await client.send(outgoing(), to(world, url))
    noise = random.Random(1).randbytes(300_000).hex().encode()
    document = DOCUMENT.replace(b"</Invoice>", b"<!--" + noise + b"--></Invoice>")
    await client.send(outgoing(document), to(world, url))
    assert [received.document for received in server.received] == [DOCUMENT, document]
    assert threads[0] == threading.get_ident() != threads[1]
    await runner.cleanup()


async def test_the_stored_receipt_is_given_again(world: World, server: Server, client: As4Client) -> None:
    first = (await client.send(outgoing(), to(world, server.url))).receipt
    server.stored = first.octets
    assert (await client.send(outgoing(), to(world, server.url))).receipt.octets == first.octets


@pytest.mark.parametrize(
    ("failure", "code", "detail"),
    [
        (InvalidMessage("EBMS:0004", NOT_SERVICED), "EBMS:0004", NOT_SERVICED),
        (Conflict("a secret of ours"), "EBMS:0004", Conflict.peer_text),
    ],
)
async def test_a_refusal_is_an_ebms_error(
    world: World, server: Server, client: As4Client, failure: Exception, code: str, detail: str
) -> None:
    server.failure = failure
    with pytest.raises(PeerRefused) as raised:
        await client.send(outgoing(), to(world, server.url))
    assert (raised.value.code, raised.value.detail, raised.value.signed) == (code, detail, True)


@pytest.mark.parametrize(
    "failure", [StoreUnavailable("disk full"), StateError("disk state"), ZeroDivisionError("disk bug")]
)
async def test_a_fault_of_ours_is_503(world: World, server: Server, client: As4Client, failure: Exception) -> None:
    server.failure = failure
    with pytest.raises(PeerUnavailable) as raised:
        await client.send(outgoing(), to(world, server.url))
    assert raised.value.sent
    request = world.sending().request()
    async with aiohttp.ClientSession() as session:
        answer = await session.post(server.url, data=request.body, headers={"Content-Type": request.content_type})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
        assert "disk" not in await answer.text()


async def test_get_says_what_stands_here(server: Server) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.url) as answer:
        text = await answer.text()
        assert answer.status == 200
        assert "POP000002" in text
        assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"", 415),
        ({"Content-Type": "text/plain"}, b"x", 415),
        ({"Content-Type": 'multipart/related; boundary="b"'}, b"x", 400),
        ({"Content-Type": "application/soap+xml"}, b"<a/>", 400),
        ({"Content-Type": "application/soap+xml", "Content-Encoding": "gzip"}, b"\x1f\x8b", 415),
    ],
)
async def test_what_is_no_message_gets_an_http_status(
    server: Server, headers: dict[str, str], body: bytes, status: int
) -> None:
    async with aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session:
        answer = await session.post(server.url, data=body, headers=headers)
        text = await answer.text()
        assert answer.status == status
        assert text.count("\n") == 1
    assert not server.received


async def test_a_message_has_a_size_limit_with_and_without_length(world: World) -> None:
    runner, url = await start(world, Server(), message=5000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 1000

    headers = {"Content-Type": 'multipart/related; boundary="b"'}
    async with aiohttp.ClientSession() as session:
        assert (await session.post(url, data=b"x" * 5001, headers=headers)).status == 413
        assert (await session.post(url, data=chunks(), headers=headers)).status == 413
    await runner.cleanup()


async def test_all_bodies_together_have_a_limit_and_room_comes_back(world: World) -> None:
    runner, url = await start(world, Server(), bodies=1500)
    headers = {"Content-Type": 'multipart/related; boundary="b"'}
    _, waiting = await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].split("/")[0]))
    async with aiohttp.ClientSession() as session:
        waiting.write(HEAD + b"x" * 999)
        await asyncio.sleep(0.1)
        answer = await session.post(url, data=b"x" * 900, headers=headers)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
        waiting.close()
        await asyncio.sleep(0.1)
        for _ in range(3):
            assert (await session.post(url, data=b"x" * 900, headers=headers)).status == 400
    await runner.cleanup()


async def test_chunks_are_accepted(world: World, server: Server) -> None:
    request = world.sending().request()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(request.body), 700):
            yield request.body[start : start + 700]

    async with aiohttp.ClientSession() as session:
        answer = await session.post(server.url, data=chunks(), headers={"Content-Type": request.content_type})
        assert answer.status == 200
    assert len(server.received) == 1


async def raw(url: str, octets: list[bytes], pause: float) -> bytes:
    """Write to the socket piece by piece and read what comes."""
    port = int(url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in octets:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    except (ConnectionError, asyncio.IncompleteReadError):
        return b""
    finally:
        writer.close()


HEAD = b"POST /as4 HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/related; boundary=b\r\nContent-Length: 1000\r\n\r\n"


async def test_a_body_that_stops_is_given_up(world: World) -> None:
    runner, url = await start(world, Server(), idle=0.1)
    assert b" 408 " in await raw(url, [HEAD, b"x"], 0)
    await runner.cleanup()


async def test_a_body_that_trickles_is_given_up(world: World) -> None:
    runner, url = await start(world, Server(), grace=0.2, rate=1000)
    answer = await raw(url, [HEAD, *[b"x"] * 15], 0.05)
    assert answer == b"" or b" 408 " in answer  # nothing, when our last octets crossed the closing
    await runner.cleanup()


async def test_nobody_there_means_that_nothing_was_sent(world: World, client: As4Client) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/as4"
    for url in (closed, "http:///as4", "nonsense", "ftp://127.0.0.1/as4"):
        with pytest.raises(PeerUnavailable) as raised:
            await client.send(outgoing(), to(world, url))
        assert not raised.value.sent, url


async def test_an_address_that_we_may_not_go_to_means_that_nothing_was_sent(world: World) -> None:
    class Guard(ThreadedResolver):
        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
            raise InvalidAddress("The address 10.0.0.7 is not on the public internet")

    client = As4Client(identity=world.c2, trust=world.trust, clock=StillClock(), calls=Calls(resolver=Guard()))
    with pytest.raises(PeerUnavailable, match="not on the public internet") as caught:
        await client.send(outgoing(), to(world, "https://ap.example.org/as4"))
    assert not caught.value.sent


@pytest.mark.parametrize("status", [200, 204, 302, 404, 500, 503])
async def test_an_answer_without_signal_leaves_it_open(world: World, client: As4Client, status: int) -> None:
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(await request.read())
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    runner, url = await serve(handler)
    with pytest.raises(PeerUnavailable) as raised:
        await client.send(outgoing(), to(world, url))
    assert raised.value.sent
    assert len(seen) == 1
    await runner.cleanup()


async def test_a_connection_that_breaks_leaves_it_open(world: World, client: As4Client) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    runner, url = await serve(handler)
    with pytest.raises(PeerUnavailable) as raised:
        await client.send(outgoing(), to(world, url))
    assert raised.value.sent
    await runner.cleanup()


async def test_a_silent_peer_is_given_up(world: World) -> None:
    release = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    runner, url = await serve(handler)
    async with As4Client(identity=world.c2, trust=world.trust, clock=StillClock(), limits=Limits(total=0.2)) as client:
        with pytest.raises(PeerUnavailable) as raised:
            await client.send(outgoing(), to(world, url))
    assert raised.value.sent
    release.set()
    await runner.cleanup()


async def test_an_oversized_or_compressed_answer_is_not_swallowed(world: World, client: As4Client) -> None:
    async def huge(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * (2 << 20))

    async def packed(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    for handler in (huge, packed):
        runner, url = await serve(handler)
        with pytest.raises(InvalidAnswer):
            await client.send(outgoing(), to(world, url))
        await runner.cleanup()


async def test_proxies_of_the_environment_are_ignored(
    world: World, server: Server, client: As4Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await client.send(outgoing(), to(world, server.url))).receipt.received_at == NOW


async def test_connections_that_were_given_are_not_closed(world: World, server: Server) -> None:
    calls = Calls()
    async with As4Client(identity=world.c2, trust=world.trust, clock=StillClock(), calls=calls) as client:
        await client.send(outgoing(), to(world, server.url))
    assert calls.idle == 1
    await calls.close()
    assert calls.idle == 0


async def test_a_receipt_of_somebody_else_is_no_receipt(world: World, server: Server, client: As4Client) -> None:
    wrong = replace(to(world, server.url), seat="POP000009", certificate=world.c3.der)
    with pytest.raises(PeerRefused):  # the addressee itself sees that the message is not for it
        await client.send(outgoing(), wrong)


def as_if(address: str, _: str) -> str:
    return neighbourhood(address)


async def test_a_customer_with_many_ipv6_addresses_is_one_caller(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    charged: list[str] = []
    spend = Accounts.charged

    def noted(self: Accounts, source: str, job: Any) -> Any:
        charged.append(source)
        return spend(self, source, job)

    monkeypatch.setattr(Accounts, "charged", noted)
    runner, url = await start(world, Server())
    headers = {"Content-Type": 'multipart/related; boundary="b"'}
    async with aiohttp.ClientSession() as session:
        for address in ("2001:db8::1", "2001:db8::ffff", "192.0.2.1"):
            monkeypatch.setattr("gateway.serving.site.neighbourhood", partial(as_if, address))
            assert (await session.post(url, data=b"x", headers=headers)).status == 400
    assert charged == ["2001:db8::/64", "2001:db8::/64", "192.0.2.1"]
    await runner.cleanup()
