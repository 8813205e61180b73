"""The AS4 site as `gateway serve` opens it: what HTTP allows is understood, everything else refused in plain words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from gateway.as4.http import As4Endpoint
from gateway.as4.limits import Limits
from gateway.config.values import Address
from gateway.model.message import Received
from gateway.serving.site import direct, listen, open_site
from gateway.ubl.sbdh import unwrap
from tests.as4.as4_parts import StillClock, World, outgoing


@dataclass
class Front:
    port: int = 0
    received: list[Received] = field(default_factory=list)

    async def accept(self, received: Received, receipt: bytes) -> bytes:
        self.received.append(received)
        return receipt


@asynccontextmanager
async def fronting(world: World, **limits: Any) -> AsyncIterator[Front]:
    front = Front()
    endpoint = As4Endpoint(
        identity=world.c3,
        trust=world.trust,
        clock=StillClock(),
        unwrap=unwrap,
        accept=front.accept,
        limits=Limits(**limits),
    )
    runner = direct(partial(endpoint.answer, "/as4"))
    async with open_site(runner, listen(Address("127.0.0.1", 0)), limits=Limits(**limits)) as site:
        front.port = site.address.port
        yield front


@dataclass
class Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def to(cls, front: Front) -> Line:
        return cls(*await asyncio.open_connection("127.0.0.1", front.port))

    async def say(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def hear(self, *, headless: bool = False) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *rest = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
            length = 0 if headless else int(headers.get("content-length", 0))
            return int(first.split()[1]), headers, await self.reader.readexactly(length)

    async def ends(self) -> bool:
        async with asyncio.timeout(5):
            return await self.reader.read() == b""


def message(world: World) -> tuple[str, bytes]:
    made = world.sending(outgoing()).request()
    return made.content_type, made.body


def post(content_type: str, body: bytes, target: str = "/as4", version: str = "1.1", *more: str) -> bytes:
    lines = [f"POST {target} HTTP/{version}", "Host: a", f"Content-Type: {content_type}", *more]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def is_receipt(body: bytes) -> bool:
    return b"NonRepudiationInformation" in body


async def test_a_caller_that_asks_first_is_told_to_go_on(world: World) -> None:
    content_type, body = message(world)
    async with fronting(world) as front:
        line = await Line.to(front)
        await line.say(post(content_type, body, "/as4", "1.1", "Expect: 100-continue")[: -len(body)])
        assert (await line.hear())[0] == 100
        await line.say(body)
        status, _, answer = await line.hear()
        assert status == 200 and is_receipt(answer)


async def test_a_caller_that_asks_first_is_refused_before_it_sends(world: World) -> None:
    async with fronting(world, message=1000) as front:
        for extra, length, status in (("Expect: 100-continue", 5000, 413), ("Expect: the-unexpected", 10, 417)):
            line = await Line.to(front)
            kind = "Content-Type: multipart/related; boundary=b"
            head = f"POST /as4 HTTP/1.1\r\nHost: a\r\n{kind}\r\n{extra}\r\nContent-Length: {length}\r\n\r\n"
            await line.say(head.encode())
            assert (await line.hear())[0] == status
            assert await line.ends()


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_a_body_in_chunks_is_the_same_message(world: World, size: int) -> None:
    content_type, body = message(world)
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[at : at + size] for at in range(0, len(body), size))
    )
    head = f"POST /as4 HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with fronting(world) as front:
        line = await Line.to(front)
        await line.say(head.encode() + chunks + b"0\r\n\r\n")
        status, _, answer = await line.hear()
        assert status == 200 and is_receipt(answer)


async def test_http_1_0_is_answered_and_not_kept(world: World) -> None:
    async with fronting(world) as front:
        line = await Line.to(front)
        await line.say(post(*message(world), "/as4", "1.0"))
        status, _, answer = await line.hear()
        assert status == 200 and is_receipt(answer)
        assert await line.ends()


async def test_requests_in_a_row_are_answered_in_their_order(world: World) -> None:
    async with fronting(world) as front:
        line = await Line.to(front)
        await line.say(post(*message(world)) + b"GET /as4 HTTP/1.1\r\nHost: a\r\n\r\n" + post(*message(world)))
        first, second, third = [await line.hear() for _ in range(3)]
        assert is_receipt(first[2]) and b"messages come by POST" in second[2] and is_receipt(third[2])
        assert len(front.received) == 2


async def test_head_is_get_without_its_body(world: World) -> None:
    async with fronting(world) as front:
        line = await Line.to(front)
        await line.say(b"GET /as4 HTTP/1.1\r\nHost: a\r\n\r\n")
        _, shown, body = await line.hear()
        await line.say(b"HEAD /as4 HTTP/1.1\r\nHost: a\r\n\r\nGET /as4 HTTP/1.1\r\nHost: a\r\n\r\n")
        status, headers, _ = await line.hear(headless=True)
        assert status == 200 and headers["content-length"] == shown["content-length"] == str(len(body))
        assert (await line.hear())[2] == body


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "TRACE"])
async def test_other_methods_hear_which_ones_there_are(world: World, method: str) -> None:
    async with fronting(world) as front:
        line = await Line.to(front)
        await line.say(f"{method} /as4 HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        status, headers, _ = await line.hear()
        assert (status, headers["allow"]) == (405, "POST, GET, HEAD")


@pytest.mark.parametrize("target", ["http://a/as4", "http://ap.example.org:8080/as4", "/as4?x=1", "/%61s4"])
async def test_the_path_is_found_however_it_is_written(world: World, target: str) -> None:
    async with fronting(world) as front:
        line = await Line.to(front)
        await line.say(post(*message(world), target))
        status, _, answer = await line.hear()
        assert status == 200 and is_receipt(answer)


@pytest.mark.parametrize("target", ["/", "/as4/", "/AS4", "/as4/../as4x", "//as4", "http://a/other"])
async def test_other_paths_are_not_there_and_take_no_body(world: World, target: str) -> None:
    async with fronting(world) as front:
        line = await Line.to(front)
        await line.say(post("text/plain", b"x" * 50, target))
        assert (await line.hear())[0] == 404
        assert front.received == []


@pytest.mark.parametrize(
    "spell",
    [
        lambda given: given.replace("multipart/related", "Multipart/Related"),
        lambda given: given.replace("boundary=", "BOUNDARY="),
        lambda given: given.replace("; ", ";"),
        lambda given: given.replace("; ", " ;  "),
        lambda given: given + "; charset=UTF-8",
        lambda given: given + '; x-tool="a;b"',
    ],
)
async def test_a_content_type_is_understood_however_it_is_spelled(world: World, spell: Any) -> None:
    content_type, body = message(world)
    spelled = spell(content_type)
    assert spelled != content_type
    async with fronting(world) as front:
        line = await Line.to(front)
        await line.say(post(spelled, body))
        status, _, answer = await line.hear()
        assert status == 200 and is_receipt(answer)


async def test_no_answer_names_our_software(world: World) -> None:
    async with fronting(world) as front:
        for request in (
            b"GET /as4 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\x16\x03\x01\r\n\r\n",
        ):
            line = await Line.to(front)
            await line.say(request)
            _, headers, body = await line.hear()
            assert "server" not in headers
            assert b"aiohttp" not in body.lower() and b"python" not in body.lower()
