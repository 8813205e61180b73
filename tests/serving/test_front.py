"""The AS4 site's own front, where it is not aiohttp that answers: order, ends, what waits for whom. Raw sockets."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.as4.asking import Answer, Asked
from gateway.as4.limits import Limits
from gateway.config.values import Address
from gateway.serving import front as fronts
from gateway.serving.site import Site, direct, listen, open_site
from tests.serving.callers import Caller

GET = b"GET /as4 HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body: bytes, target: str = "/as4", *more: str) -> bytes:
    head = "\r\n".join([f"POST {target} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *more, "", ""])
    return head.encode() + body


async def read(asked: Asked) -> bytes:
    octets = asked.whole()
    if octets is not None:
        return octets
    octets = b""
    while more := await asked.more():
        octets += more
    return octets


async def echo(asked: Asked) -> Answer:
    return Answer(200, f"{asked.method} {asked.target} {len(await read(asked))}".encode())


@asynccontextmanager
async def fronting(handler: Callable[[Asked], Awaitable[Answer]] = echo, **limits: Any) -> AsyncIterator[Site]:
    """A site; who keeps it from its end for long is a fault."""
    runner, sockets = direct(handler), listen(Address("127.0.0.1", 0))
    async with asyncio.timeout(18), open_site(runner, sockets, limits=Limits(**limits), exempt=()) as site:
        yield site
    assert not runner._open


async def test_many_requests_in_a_row_are_answered_one_after_the_other_however_they_are_cut() -> None:
    at_once: list[int] = []
    busy = 0

    async def slow(asked: Asked) -> Answer:
        nonlocal busy
        busy += 1
        at_once.append(busy)
        await asyncio.sleep(0)
        body = await read(asked)
        busy -= 1
        return Answer(200, asked.target.encode() + body)

    said = b"".join(post(b"x" * (n % 7), f"/{n}") for n in range(200))
    for size in (len(said), 1000, 61):
        async with fronting(slow) as site:
            caller = await Caller.of(site)

            async def say(caller: Caller, size: int) -> None:
                for at in range(0, len(said), size):
                    await caller.say(said[at : at + size])

            saying = asyncio.ensure_future(say(caller, size))
            for n in range(200):
                assert await caller.status() == 200
                assert caller.body == f"/{n}".encode() + b"x" * (n % 7)
            await saying
    assert set(at_once) == {1}


async def test_who_sends_requests_and_takes_no_answers_waits_in_the_end() -> None:
    answered = 0

    async def large(asked: Asked) -> Answer:
        nonlocal answered
        answered += 1
        return Answer(200, b"x" * 100_000)

    async with fronting(large, stalled=0.3) as site:
        caller = await Caller.of(site)
        caller.reader._limit = 1  # type: ignore[attr-defined]
        caller.writer.write(GET * 10_000)
        async with asyncio.timeout(10):
            while site.connections or not answered:
                await asyncio.sleep(0.05)
        assert answered < 1000, "he is let go, and his other requests with him"


async def test_a_body_that_nobody_reads_stays_with_its_caller() -> None:
    go = asyncio.Event()
    got = 0

    async def late(asked: Asked) -> Answer:
        nonlocal got
        await go.wait()
        got = len(await read(asked))
        return Answer(200, b"")

    body = b"x" * 30_000_000
    async with fronting(late) as site:
        caller = await Caller.of(site)
        saying = asyncio.ensure_future(caller.say(post(body)))
        await asyncio.sleep(0.3)
        (front,) = [guest.connection for guest in site._guests]
        assert isinstance(front, fronts.Front) and front._content is not None
        assert front._content._size < 3_000_000, "what waits in us is bounded"
        go.set()
        assert await caller.status() == 200 and got == len(body)
        await saying


@pytest.mark.parametrize(
    "rest",
    [b"zz\r\n", b"5\r\nab", b"1\r\nxx0\r\n\r\n", b"ffffffffffffffffffff\r\n"],
    ids=["size", "cut", "end", "long"],
)
async def test_a_body_that_breaks_off_is_no_body_and_nothing_behind_it_is_a_request(rest: bytes) -> None:
    ends: list[str] = []

    async def reading(asked: Asked) -> Answer:
        try:
            return Answer(200, await read(asked))
        except ConnectionError as error:
            ends.append(type(error).__name__)
            return Answer(400, b"broken")

    async with fronting(reading) as site:
        caller = await Caller.of(site)
        await caller.say(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await asyncio.sleep(0.05)
        await caller.say(rest + (b"" if rest.startswith(b"5") else GET))
        if rest.startswith(b"5"):
            caller.writer.transport.abort()
        else:
            assert await caller.status() == 400 and caller.body == b"broken"
            assert await caller.ended()
        async with asyncio.timeout(5):
            while site.connections:
                await asyncio.sleep(0.01)
    assert ends == ["ConnectionResetError" if rest.startswith(b"5") else "ConnectionAbortedError"]


async def test_a_good_request_before_garbage_is_answered_and_then_the_connection_ends() -> None:
    async with fronting() as site:
        caller = await Caller.of(site)
        await caller.say(post(b"abc") + b"\x00garbage\r\n\r\n" + GET)
        assert await caller.status() == 200 and caller.body == b"POST /as4 3"
        assert await caller.status() == 400 and caller.body == b"Bad Request\n"
        assert await caller.ended()


@pytest.mark.parametrize(
    ("version", "said", "kept"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: close", False),
        ("1.1", "Connection: keep-alive", True),
        ("1.0", "", False),
        ("1.0", "Connection: keep-alive", True),
        ("1.0", "Connection: close", False),
    ],
)
async def test_a_connection_is_kept_as_its_caller_says(version: str, said: str, kept: bool) -> None:
    request = "\r\n".join([f"GET / HTTP/{version}", "Host: a", *([said] if said else []), "", ""]).encode()
    async with fronting() as site:
        caller = await Caller.of(site)
        await caller.say(request)
        assert await caller.status() == 200
        assert caller.head.startswith(f"HTTP/{version} 200 OK\r\n".encode())
        assert (b"connection: close" in caller.head.lower()) == (not kept)
        if kept:
            assert (b"connection: keep-alive" in caller.head.lower()) == (version == "1.0")
            await caller.say(request)
            assert await caller.status() == 200
        else:
            assert await caller.ended()


async def test_an_offer_of_http_2_is_let_be_and_one_of_a_websocket_ends_the_connection() -> None:
    async with fronting() as site:
        caller = await Caller.of(site)
        offer = (
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA",
        )
        for _ in range(3):
            await caller.say(post(b"abc", "/as4", *offer))
            assert await caller.status() == 200 and caller.body == b"POST /as4 3"
        await caller.say(post(b"abc", "/as4", "Connection: Upgrade", "Upgrade: websocket") + GET)
        assert await caller.status() == 200 and caller.body == b"POST /as4 3"
        assert await caller.ended()


async def test_a_failure_of_ours_is_told_in_two_words(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(asked: Asked) -> Answer:
        raise ZeroDivisionError("a secret")

    async with fronting(fails) as site:
        caller = await Caller.of(site)
        await caller.say(GET)
        assert await caller.status() == 500 and caller.body == b"Internal Server Error\n"
        assert await caller.ended()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_what_came_whole_is_worked_on_though_its_caller_has_left() -> None:
    release, done = asyncio.Event(), asyncio.Event()

    async def works(asked: Asked) -> Answer:
        assert await read(asked) == b"abc"
        await release.wait()
        done.set()
        return Answer(200, b"")

    async with fronting(works) as site:
        caller = await Caller.of(site)
        await caller.say(post(b"abc"))
        await asyncio.sleep(0.05)
        caller.writer.transport.abort()
        async with asyncio.timeout(5):
            while site.connections:
                await asyncio.sleep(0.01)
            release.set()
            await done.wait()


async def test_the_end_waits_for_work_not_for_bodies_and_cancels_what_never_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fronts, "_SHUTDOWN_SECONDS", 0.2)
    ends: list[str] = []

    async def works(asked: Asked) -> Answer:
        try:
            if asked.target == "/never":
                await asyncio.Event().wait()
            await read(asked)
        except (ConnectionError, asyncio.CancelledError) as error:
            ends.append(f"{asked.target} {type(error).__name__}")
            raise
        return Answer(200, b"")

    async with fronting(works) as site:
        half, never = await Caller.of(site), await Caller.of(site)
        await half.say(post(b"abc", "/half")[:-1])
        await never.say(post(b"abc", "/never"))
        await asyncio.sleep(0.05)
    assert ends == ["/half ConnectionAbortedError", "/never CancelledError"]
    assert await half.ended() and await never.ended()


async def test_a_body_that_still_comes_when_the_site_ends_is_taken() -> None:
    async with fronting() as site:
        caller = await Caller.of(site)
        said = post(b"abc")
        await caller.say(said[:-1])
        await asyncio.sleep(0.05)
        site_ends = asyncio.get_running_loop().call_later(0.1, caller.writer.write, said[-1:])
    assert await caller.status() == 200 and caller.body == b"POST /as4 3"
    assert b"connection: close" in caller.head.lower()
    assert await caller.ended() and site_ends.when()


async def test_callers_who_have_left_need_no_garbage_collector() -> None:
    """A collection under a flood of them stopped every message for 15 ms."""

    async def waits(asked: Asked) -> Answer:
        await read(asked)
        return Answer(200, b"")

    async def come(site: Site, said: bytes, *, answered: bool, leaves: bool) -> None:
        caller = await Caller.of(site)
        await caller.say(said)
        if answered:
            assert await caller.status() == 200
        if leaves:
            caller.writer.transport.abort()
        else:
            assert await caller.ended()
            caller.close()

    def connections() -> list[object]:
        return [held for held in gc.get_objects() if isinstance(held, fronts.Front | fronts.Request)]

    ways = [
        (b"", False, True),
        (GET[:20], False, True),
        (post(b"x" * 1000)[:-10], False, True),
        (GET, True, True),
        (post(b"x", "/as4", "Connection: close"), True, False),
    ]
    gc.collect()
    earlier = connections()  # of other tests, in the tracebacks that they have logged
    gc.disable()
    try:
        async with fronting(waits) as site:
            for said, answered, leaves in ways:
                await come(site, said, answered=answered, leaves=leaves)
            async with asyncio.timeout(5):
                while site.connections:
                    await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            assert not [one for one in connections() if not any(one is other for other in earlier)]
    finally:
        gc.enable()
