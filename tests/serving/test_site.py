"""Connections: who is silent, slow or endless is let go, and never keeps honest callers out. Raw sockets throughout.

Each test stands before both fronts: aiohttp's, and the AS4 site's own.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import pytest
from aiohttp import web

from gateway.as4.asking import Answer, Asked
from gateway.as4.limits import Limits
from gateway.config.values import Address, neighbourhood
from gateway.serving.site import Runner, Site, direct, listen, low_level, open_site, with_application
from tests.serving.callers import Caller

HONEST = b"POST /as4 HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000


class Request(Protocol):
    """What the handlers here want of a request."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    async def read(self) -> bytes: ...


Handler = Callable[[Any], Awaitable[web.Response]]


async def answer(request: Request) -> web.Response:
    body = await request.read()
    return web.Response(text=f"{request.method} {request.path} {len(body)}")


class Plain:
    """A request of our own front."""

    def __init__(self, asked: Asked) -> None:
        self.asked, self.method, self.path = asked, asked.method, asked.path

    async def read(self) -> bytes:
        octets = self.asked.whole()
        if octets is None:
            octets = b""
            while more := await self.asked.more():
                octets += more
        return octets


def own(handler: Handler) -> Runner:
    async def answered(asked: Asked) -> Answer:
        response = await handler(Plain(asked))
        assert response.body is None or isinstance(response.body, bytes)
        return Answer(response.status, response.body or b"")

    return direct(answered)


class Serving(Protocol):
    """Opens a site."""

    def __call__(
        self, handler: Handler = answer, exempt: tuple[str, ...] = (), **limits: Any
    ) -> AbstractAsyncContextManager[Site]: ...


@pytest.fixture(params=[low_level, own], ids=["aiohttp", "own"])
def serving(request: pytest.FixtureRequest) -> Serving:
    @asynccontextmanager
    async def opened(handler: Handler = answer, exempt: tuple[str, ...] = (), **limits: Any) -> AsyncIterator[Site]:
        runner, sockets = request.param(handler), listen(Address("127.0.0.1", 0))
        site_of = open_site(runner, sockets, limits=Limits(**limits), exempt=exempt)
        async with asyncio.timeout(18), site_of as site:  # it waits for nobody for long when it ends
            yield site

    return opened


async def seconds_until(what: Awaitable[Any]) -> float:
    clock = asyncio.get_running_loop().time
    started = clock()
    await what
    return clock() - started


async def test_a_connection_that_says_nothing_is_let_go(serving: Serving) -> None:
    async with serving(head=0.3) as site:
        caller = await Caller.of(site)
        assert 0.2 < await seconds_until(caller.ended()) < 2
        assert site.connections == 0


@pytest.mark.parametrize("head", [b"P", b"POST /as4 HTTP/1.1\r\n", b"POST /as4 HTTP/1.1\r\nHost: a\r\nX: "])
async def test_half_a_head_is_not_waited_for(serving: Serving, head: bytes) -> None:
    async with serving(head=0.3) as site:
        caller = await Caller.of(site)
        await caller.say(head)
        assert await caller.ended(3)


async def test_a_head_that_dribbles_in_has_one_deadline_as_a_whole(serving: Serving) -> None:
    async with serving(head=0.5) as site:
        caller = await Caller.of(site)

        async def dribble() -> None:
            for octet in b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 1000:
                await caller.say(bytes([octet]))
                await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as tasks:
            dribbling = tasks.create_task(dribble())
            assert await seconds_until(caller.ended()) < 3
            dribbling.cancel()


async def test_the_second_head_of_a_kept_connection_has_the_deadline_too(serving: Serving) -> None:
    async with serving(head=0.4) as site:
        caller = await Caller.of(site)
        await caller.say(HONEST)
        assert await caller.status() == 200
        await asyncio.sleep(0.8)  # idle is allowed: that is what keeping is for
        await caller.say(HONEST)
        assert await caller.status() == 200
        await caller.say(b"POST /as4 HT")
        assert 0.2 < await seconds_until(caller.ended()) < 3


async def test_a_kept_connection_is_given_up_after_a_while(serving: Serving) -> None:
    async with serving(kept=0.3, head=30) as site:
        caller = await Caller.of(site)
        await caller.say(HONEST)
        assert await caller.status() == 200
        assert await caller.ended(3)


async def test_a_slow_answer_of_ours_is_not_the_callers_fault(serving: Serving) -> None:
    async def slow(request: Request) -> web.Response:
        await request.read()
        await asyncio.sleep(1.0)
        return web.Response(text="late")

    async with serving(slow, head=0.2) as site:
        caller = await Caller.of(site)
        await caller.say(HONEST)
        assert await caller.status() == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
        b"GET /" + b"x" * 100_000,
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(1000)) + b"\r\n",
    ],
    ids=["long header", "long line", "many headers"],
)
async def test_an_endless_head_is_refused_while_it_comes(
    serving: Serving, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with serving() as site:
            caller = await Caller.of(site)
            await caller.say(head)
            assert await caller.status() in (400, 431)
            assert b"aiohttp" not in caller.body and b"xxx" not in caller.body
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_an_answer_that_nobody_takes_is_given_up(serving: Serving) -> None:
    async def large(request: Request) -> web.Response:
        return web.Response(body=b"x" * 20_000_000)

    async with serving(large, stalled=0.4) as site:
        taken = socket.socket()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        taken.setblocking(False)
        await asyncio.get_running_loop().sock_connect(taken, (site.address.host, site.address.port))
        await asyncio.get_running_loop().sock_sendall(taken, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.1)
        assert site.connections == 1
        async with asyncio.timeout(5):
            while site.connections:
                await asyncio.sleep(0.05)
        taken.close()


async def test_one_address_gets_a_share_and_the_others_theirs(serving: Serving) -> None:
    async with serving(per_address=5) as site:
        callers = [await Caller.of(site, "127.0.0.2") for _ in range(5)]
        assert await (await Caller.of(site, "127.0.0.2")).ended()
        assert site.refused == 1
        honest = await Caller.of(site, "127.0.0.3")
        await honest.say(HONEST)
        assert await honest.status() == 200
        callers[0].close()
        await asyncio.sleep(0.1)
        again = await Caller.of(site, "127.0.0.2")
        await again.say(HONEST)
        assert await again.status() == 200


async def test_the_proxy_in_front_has_no_share(serving: Serving) -> None:
    async with serving(per_address=2, exempt=("127.0.0.2",)) as site:
        callers = [await Caller.of(site, "127.0.0.2") for _ in range(10)]
        for caller in callers:
            await caller.say(HONEST)
            assert await caller.status() == 200


async def test_a_thousand_idle_connections_do_not_keep_an_honest_message_out(serving: Serving) -> None:
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(serving(connections=300, head=60))
        silent = []
        for number in range(1000):
            silent.append(await Caller.of(site, f"127.0.1.{1 + number % 250}"))
            assert site.connections <= 300
        for _ in range(20):
            honest = await Caller.of(site, "127.0.0.9")
            await honest.say(HONEST)
            assert await honest.status() == 200
        for caller in silent:
            caller.close()


async def test_who_is_being_served_is_never_turned_out(serving: Serving) -> None:
    release = asyncio.Event()

    async def waits(request: Request) -> web.Response:
        await request.read()
        await release.wait()
        return web.Response(text="done")

    async with serving(waits, connections=4) as site:
        busy = [await Caller.of(site) for _ in range(4)]
        for caller in busy:
            await caller.say(HONEST)
        await asyncio.sleep(0.2)
        assert await (await Caller.of(site)).ended()
        release.set()
        assert [await caller.status() for caller in busy] == [200] * 4


async def test_the_drain_answers_what_is_at_hand_and_what_has_just_come(serving: Serving) -> None:
    began = asyncio.Event()

    async def slow(request: Request) -> web.Response:
        await request.read()
        began.set()
        await asyncio.sleep(0.3)
        return web.Response(text="done")

    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(serving(slow))
        address = site.address
        first, second = await Caller.of(site), await Caller.of(site)
        await first.say(HONEST)
        await began.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stack.aclose())
            await asyncio.sleep(0.05)
            await second.say(HONEST)
            assert await first.status() == 200
            assert await second.status() == 200
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.host, address.port)


async def test_an_application_stands_behind_the_same_front() -> None:
    app = web.Application()
    app.router.add_get("/", answer)  # type: ignore[arg-type]
    sockets = listen(Address("127.0.0.1", 0))
    async with open_site(with_application(app), sockets, limits=Limits(head=0.3), exempt=()) as site:
        caller = await Caller.of(site)
        await caller.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await caller.status() == 200
        silent = await Caller.of(site)
        assert await silent.ended(3)


async def test_several_may_listen_side_by_side_only_when_all_agree() -> None:
    first = listen(Address("127.0.0.1", 0), shared=True)
    address = Address("127.0.0.1", first[0].getsockname()[1])
    second = listen(address, shared=True)
    with pytest.raises(OSError, match=str(address)):
        listen(address)
    for one in (*first, *second):
        one.close()


@pytest.mark.parametrize(
    ("address", "one"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1%eth0", "2001:db8:1:2::/64"),
        ("::1", "::1"),
    ],
)
def test_what_counts_as_one_address(address: str, one: str) -> None:
    assert neighbourhood(address) == one


async def test_a_crowd_of_one_address_delays_itself_only(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    async def welcome(self: Site, guest: Any, taken: socket.socket) -> None:
        order.append(guest.address)
        taken.close()
        self._leave(guest)

    monkeypatch.setattr(Site, "_welcome", welcome)
    async with serving() as site:
        pairs = [socket.socketpair() for _ in range(41)]
        for number, (ours, _) in enumerate(pairs):
            site._admit(ours, "127.0.0.8" if number == 40 else "127.0.0.9")
        async with asyncio.timeout(5):
            while site.connections:
                await asyncio.sleep(0)
        assert order.index("127.0.0.8") == 1
        assert len(order) == 41
        for ours, theirs in pairs:
            assert ours.fileno() == -1
            theirs.close()


async def test_who_stands_at_the_door_when_the_site_ends_is_let_go(serving: Serving) -> None:
    async with serving() as site:
        ours, theirs = socket.socketpair()
        await site.stop()
        site._admit(ours, "127.0.0.9")
        site.end()
    assert ours.fileno() == -1
    theirs.close()
