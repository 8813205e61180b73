"""What HTTP alone can do to the endpoint: slow and broken bodies, floods of headers, odd methods, faults of ours."""

from __future__ import annotations

import asyncio
import gzip
import io
import logging
import time
from pathlib import Path

import pytest

from gateway.as4.limits import Limits
from gateway.errors import Conflict, InvalidMessage, LookupUnavailable, Overloaded, StoreUnavailable
from gateway.model.signals import NOT_SERVICED
from gateway.server import JsonFormatter
from tests.as4.as4_parts import outgoing
from tests.attacks.parts import Kit
from tests.attacks.wire import Wire, lines, open_site

HERE = Path(__file__).parents[2]
TYPE = 'Content-Type: multipart/related; boundary="b"'


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (InvalidMessage("EBMS:0004", NOT_SERVICED), "EBMS:0004"),
        (Conflict("blocked"), "EBMS:0004"),
        (LookupUnavailable("directory"), "HTTP 503"),
        (StoreUnavailable("disk"), "HTTP 503"),
        (Overloaded("busy"), "HTTP 503"),
        (ZeroDivisionError("bug"), "HTTP 503"),
    ],
)
async def test_C24_receiver_unknown_blocked_or_store_down(kit: Kit, failure: Exception, outcome: str) -> None:
    async with open_site(kit) as site, Wire(site) as wire:
        site.failure = failure
        answer = await wire.post(kit.good.content_type, kit.good.body)
        assert answer.outcome == outcome
        assert b"disk" not in answer.body and b"bug" not in answer.body
        assert (b"PEPPOL:NOT_SERVICED" in answer.body) == isinstance(failure, InvalidMessage)
        assert ("retry-after" in answer.headers) == (outcome == "HTTP 503")
        site.failure = None
        assert (await wire.post(kit.good.content_type, kit.good.body)).outcome == "taken"


@pytest.mark.parametrize(
    "encoding", ["gzip", "deflate", "br", "zstd", "x-gzip", "gzip, gzip", "identity, gzip", "nonsense"]
)
async def test_C25_a_packed_request_is_refused(kit: Kit, encoding: str) -> None:
    async with open_site(kit) as site, Wire(site) as wire:
        bomb = gzip.compress(b"\0" * (20 << 20))
        started = time.process_time()
        for body in (gzip.compress(kit.good.body), bomb):
            answer = await wire.post(kit.good.content_type, body, f"Content-Encoding: {encoding}")
            assert answer.outcome in ("HTTP 415", "HTTP 400")
        assert time.process_time() - started < 0.25
        assert not site.stored


SMUGGLED = {
    "two lengths": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Content-Length: 4", "Content-Length: 5") + b"xxxxx",
    "length and chunked": lines(
        "POST /as4 HTTP/1.1", "Host: a", TYPE, "Content-Length: 4", "Transfer-Encoding: chunked"
    )
    + b"0\r\n\r\n",
    "length +4": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Content-Length: +4") + b"xxxx",
    "length -1": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Content-Length: -1"),
    "length 0x4": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Content-Length: 0x4") + b"xxxx",
    "length 4,4": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Content-Length: 4, 4") + b"xxxx",
    "length of 30 digits": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Content-Length: " + "9" * 30),
    "length in other digits": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Content-Length: \xb2") + b"xx",
    "chunked twice": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
    "chunked with a tab": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n",
    "unknown coding": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "chunk size -1": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Transfer-Encoding: chunked") + b"-1\r\n\r\n",
    "chunk size +1": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Transfer-Encoding: chunked")
    + b"+1\r\nx\r\n0\r\n\r\n",
    "chunk size 0x1": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Transfer-Encoding: chunked")
    + b"0x1\r\nx\r\n0\r\n\r\n",
    "chunk size of 20 digits": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Transfer-Encoding: chunked")
    + b"f" * 20
    + b"\r\n",
    "chunk without line end": lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Transfer-Encoding: chunked")
    + b"1\r\nxx0\r\n\r\n",
    "blank before the colon": lines("POST /as4 HTTP/1.1", "Host: a", "Content-Length : 4", TYPE) + b"xxxx",
    "folded header": lines("POST /as4 HTTP/1.1", "Host: a", "X: y", " z", TYPE, "Content-Length: 4") + b"xxxx",
    "NUL in a header": lines("POST /as4 HTTP/1.1", "Host: a", "X: \0", TYPE, "Content-Length: 4") + b"xxxx",
    "bare CR in a header": lines("POST /as4 HTTP/1.1", "Host: a", "X: a\rContent-Length: 9", TYPE, "Content-Length: 4")
    + b"xxxx",
    "no colon": lines("POST /as4 HTTP/1.1", "Host: a", "nonsense", TYPE, "Content-Length: 4") + b"xxxx",
    "no version": lines("POST /as4", "Host: a"),
    "version 9.9": lines("POST /as4 HTTP/9.9", "Host: a", TYPE, "Content-Length: 4") + b"xxxx",
    "two blanks": lines("POST  /as4  HTTP/1.1", "Host: a"),
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200 + b"\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "noise": bytes(range(256)) * 4 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_P01_an_ambiguous_request_is_refused_and_the_connection_closed(kit: Kit, name: str) -> None:
    """What follows in the same octets is never taken for a second request."""
    second = (
        lines(
            "POST /as4 HTTP/1.1",
            "Host: a",
            f"Content-Type: {kit.good.content_type}",
            f"Content-Length: {len(kit.good.body)}",
        )
        + kit.good.body
    )
    async with open_site(kit, Limits(idle=0.3, grace=0.3)) as site, Wire(site) as wire:
        answer = await wire.raw([SMUGGLED[name] + second])
        assert answer.status in (0, 400, 405, 408, 411, 413, 414, 415, 431, 505)
        await asyncio.sleep(0.05)
        assert not site.stored


async def test_P02_pipelined_requests_are_read_one_after_the_other(kit: Kit) -> None:
    one = (
        lines(
            "POST /as4 HTTP/1.1",
            "Host: a",
            f"Content-Type: {kit.good.content_type}",
            f"Content-Length: {len(kit.good.body)}",
        )
        + kit.good.body
    )
    async with open_site(kit) as site, Wire(site) as wire:
        for _ in range(3):
            assert (await wire.raw([one * 3])).outcome == "taken"
            wire.close()
        await asyncio.sleep(0.1)
        assert all(received.message_id == outgoing().message_id for received in site.stored)


@pytest.mark.parametrize(
    "head",
    [
        lines("POST /as4 HTTP/1.1", "Host: a", "X: " + "y" * 10_000),
        lines("POST /as4 HTTP/1.1", "Host: a", *[f"X{n}: y" for n in range(1000)]),
        lines("POST /as4 HTTP/1.1", "Host: a", *["X: y"] * 100_000),
        lines("POST /" + "a" * 100_000 + " HTTP/1.1", "Host: a"),
        lines("A" * 100_000 + " /as4 HTTP/1.1", "Host: a"),
        lines("POST /as4 HTTP/1.1", "Host: a", "y" * 10_000 + ": x"),
        b"POST /as4 HTTP/1.1\r\n" + b"x" * (2 << 20),
    ],
    ids=[
        "long header",
        "1,000 headers",
        "100,000 headers",
        "long path",
        "long method",
        "long name",
        "2 MB without end",
    ],
)
async def test_P04_floods_of_headers_are_refused(kit: Kit, head: bytes) -> None:
    async with open_site(kit) as site, Wire(site) as wire:
        started = time.process_time()
        answer = await wire.raw([head])
        assert answer.status in (0, 400, 414, 431)
        assert time.process_time() - started < 0.25 * max(1, len(head) / 1e6)
        wire.close()
        assert (await wire.post(kit.good.content_type, kit.good.body)).outcome == "taken"


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
async def test_P05_chunks_of_any_size_are_the_same_message(kit: Kit, size: int) -> None:
    body = kit.good.body
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(body[n : n + size]), body[n : n + size]) for n in range(0, len(body), size)
    )
    async with open_site(kit) as site, Wire(site) as wire:
        head = lines(
            "POST /as4 HTTP/1.1", "Host: a", f"Content-Type: {kit.good.content_type}", "Transfer-Encoding: chunked"
        )
        assert (await wire.raw([head, chunks, b"0\r\n\r\n"])).outcome == "taken"
        assert len(site.stored) == 1


async def test_P05_a_body_of_tiny_chunks_costs_little(kit: Kit) -> None:
    async with open_site(kit) as site, Wire(site) as wire:
        started = time.process_time()
        answer = await wire.raw(
            [
                lines("POST /as4 HTTP/1.1", "Host: a", TYPE, "Transfer-Encoding: chunked"),
                b"1\r\nx\r\n" * 500_000,
                b"0\r\n\r\n",
            ],
            seconds=60,
        )
        assert answer.status in (400, 413)
        assert time.process_time() - started < 2
        assert not site.stored


async def test_P07_clients_that_leave_take_nothing_with_them(kit: Kit) -> None:
    head = lines(
        "POST /as4 HTTP/1.1",
        "Host: a",
        f"Content-Type: {kit.good.content_type}",
        f"Content-Length: {len(kit.good.body)}",
    )
    whole = head + kit.good.body
    async with open_site(kit) as site, Wire(site) as wire:
        tasks = len(asyncio.all_tasks())
        for length in range(0, len(whole) - 1, max(1, len(whole) // 100)):
            _, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(whole[:length])
            await writer.drain()
            writer.transport.abort()
        await asyncio.sleep(0.2)
        assert not site.stored
        assert len(asyncio.all_tasks()) <= tasks + 2
        assert (await wire.post(kit.good.content_type, kit.good.body)).outcome == "taken"


@pytest.mark.parametrize(
    ("line", "headers", "outcome"),
    [
        ("POST http://elsewhere.example/as4 HTTP/1.1", ["Host: a"], "taken"),
        ("POST /as4 HTTP/1.1", ["Host: evil.example:99999/x?y"], "taken"),
        ("POST /as4 HTTP/1.1", ["Host: a", "X-Forwarded-Proto: https", "X-Forwarded-For: 10.0.0.1"], "taken"),
        ("POST /as4 HTTP/1.1", ["Host: a", "Forwarded: for=10.0.0.1;host=evil;proto=https"], "taken"),
        ("POST /as4 HTTP/1.1", ["Host: a", "X-Original-URL: /else", "X-Rewrite-URL: /else"], "taken"),
        ("POST /as4 HTTP/1.1", ["Host: a", "X-HTTP-Method-Override: DELETE"], "taken"),
        ("POST http://a/elsewhere HTTP/1.1", ["Host: a"], "HTTP 404"),
        ("POST /as4 HTTP/1.1", ["Host: a", "Host: b"], "HTTP 400"),
    ],
)
async def test_P06_who_is_addressed_is_not_for_the_caller_to_say(
    kit: Kit, line: str, headers: list[str], outcome: str
) -> None:
    """Only the path counts; whoever claims to be a proxy changes nothing, and no answer repeats the claim."""
    length = f"Content-Length: {len(kit.good.body)}"
    head = lines(line, *headers, f"Content-Type: {kit.good.content_type}", length)
    async with open_site(kit) as site, Wire(site) as wire:
        answer = await wire.raw([head + kit.good.body])
        assert answer.outcome == outcome
        assert len(site.stored) == (outcome == "taken")
        assert all(shown not in answer.body for shown in (b"evil", b"elsewhere", b"10.0.0.1"))


async def test_P09_nothing_that_a_caller_writes_moves_the_cursor_of_who_reads_the_log(kit: Kit) -> None:
    """Escape sequences, C1 controls and turned lines reach the log as text."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    evil = 'x\x1b[2J\x9b2J\u202ereversed\x07\r\n{"level":"forged"}\x7f'
    body = kit.good.body.replace(outgoing().message_id.encode(), f"{evil}@x".encode())
    try:
        async with open_site(kit) as site, Wire(site) as wire:
            await wire.post(kit.good.content_type, body)
            wire.close()
            plain = evil.replace("\r\n", "").encode()
            for head in (
                b"POST /as4 HTTP/1.1\r\nHost: a\r\nContent-Type: " + plain + b"\r\nContent-Length: 4\r\n\r\nxxxx",
                b"POST /" + plain + b" HTTP/1.1\r\nHost: a\r\n\r\n",
                plain + b" /as4 HTTP/1.1\r\nHost: a\r\n\r\n",
                b"POST /as4 HTTP/1.1\r\nHost: a\r\n" + plain + b"\r\nUser-Agent: " + plain + b"\r\n\r\n",
            ):
                await wire.raw([head], seconds=5)
                wire.close()
            logging.getLogger("gateway").warning("refused: %s", evil, extra={"agent": evil})
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    text = written.getvalue()
    assert "\\u202ereversed" in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert '{"level":"forged"}' not in text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "FOO"])
async def test_P08_other_methods_are_refused(kit: Kit, method: str) -> None:
    async with open_site(kit) as site, Wire(site) as wire:
        answer = await wire.raw(
            [lines(f"{method} /as4 HTTP/1.1", "Host: a", "Content-Length: 0", "X-Secret: s3cret")], seconds=5
        )
        assert answer.status in (0, 400, 404, 405)
        assert b"s3cret" not in answer.body
        assert not site.stored


async def test_P10_error_pages_show_nothing_of_us(kit: Kit) -> None:
    async with open_site(kit) as site, Wire(site) as wire:
        for pieces in (
            [lines("GET /nothing HTTP/1.1", "Host: a")],
            [lines("GET /../../etc/passwd HTTP/1.1", "Host: a")],
            [lines("GET /as4?x=<script> HTTP/1.1", "Host: a")],
            [lines("POST /as4 HTTP/1.1", "Host: a", "Content-Length: 4", "Content-Type: text/<script>"), b"xxxx"],
            [lines("GET /%00 HTTP/1.1", "Host: a")],
        ):
            answer = await wire.raw(pieces, seconds=5)
            assert answer.status < 500
            for shown in (b"Traceback", b".py", b"<script>", str(HERE).encode(), b"aiohttp"):
                assert shown not in answer.body


@pytest.mark.parametrize("length", [0, 1, 100, -100])
async def test_wrong_lengths_are_never_a_message(kit: Kit, length: int) -> None:
    """Shorter than said, longer than said: nothing is stored, and what follows is not believed."""
    body = kit.good.body
    said = length if length >= 0 else len(body) + 100
    async with open_site(kit, Limits(idle=0.2, grace=0.2)) as site, Wire(site) as wire:
        answer = await wire.raw(
            [
                lines(
                    "POST /as4 HTTP/1.1", "Host: a", f"Content-Type: {kit.good.content_type}", f"Content-Length: {said}"
                ),
                body,
            ]
        )
        assert answer.status in (0, 400, 408)
        await asyncio.sleep(0.05)
        assert not site.stored


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_cut_where_the_limit_is(kit: Kit, chunked: bool) -> None:
    """An honest message, were it not for its size."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(kit.good.body)}"
    head = lines("POST /as4 HTTP/1.1", "Host: a", f"Content-Type: {kit.good.content_type}", length)
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(kit.good.body), kit.good.body) if chunked else kit.good.body
    for limit, outcome in ((len(kit.good.body), "taken"), (len(kit.good.body) - 1, "HTTP 413")):
        async with open_site(kit, Limits(message=limit)) as site, Wire(site) as wire:
            assert (await wire.raw([head, body])).outcome == outcome
            assert len(site.stored) == (outcome == "taken")


async def test_slow_bodies_are_cut_and_honest_ones_served_meanwhile(kit: Kit) -> None:
    head = lines(
        "POST /as4 HTTP/1.1",
        "Host: a",
        f"Content-Type: {kit.good.content_type}",
        f"Content-Length: {len(kit.good.body)}",
    )
    async with open_site(kit, Limits(idle=0.4, grace=0.4, rate=10_000)) as site:

        async def slow() -> int:
            async with Wire(site) as wire:
                return (
                    await wire.raw([head, *[kit.good.body[n : n + 1] for n in range(100)]], pause=0.02, seconds=5)
                ).status

        async def silent() -> int:
            async with Wire(site) as wire:
                return (await wire.raw([head, kit.good.body[:500]], seconds=5)).status

        started = time.monotonic()
        crowd = asyncio.gather(*(slow() for _ in range(40)), *(silent() for _ in range(40)))
        async with Wire(site) as honest:
            for _ in range(10):
                assert (await honest.post(kit.good.content_type, kit.good.body)).outcome == "taken"
        statuses = await crowd
        assert set(statuses) <= {0, 408}
        assert time.monotonic() - started < 4
        assert len(site.stored) == 10


async def test_F10_bombs_do_not_stop_honest_messages(kit: Kit) -> None:
    noise = bytes(range(256)) * 300
    bomb = kit.message(gzip.compress(b"\0" * (30 << 20) + noise, 9))
    async with open_site(kit) as site:

        async def honest() -> float:
            async with Wire(site) as wire:
                started = time.monotonic()
                assert (await wire.post(kit.good.content_type, kit.good.body)).outcome == "taken"
                return time.monotonic() - started

        async def hostile() -> str:
            async with Wire(site) as wire:
                return (await wire.post(bomb.content_type, bomb.body)).outcome

        calm = sorted([await honest() for _ in range(50)])
        crowd = asyncio.gather(*(hostile() for _ in range(50)))
        flood = sorted([await honest() for _ in range(50)])
        assert set(await crowd) == {"EBMS:0303"}
        assert len(site.stored) == 100
        for name, times in (("calm", calm), ("flood", flood)):
            print(f"honest messages, {name}: median {times[25] * 1000:.1f} ms, slowest {times[-1] * 1000:.1f} ms")
        assert flood[-1] < 5


async def test_a_body_that_cannot_become_a_message_is_not_read_to_its_end(kit: Kit) -> None:
    """Garbage is refused at 64 KiB, a bare envelope when it says that it is too large; a long preamble is let be."""
    limits = Limits()
    head = lines("POST /as4 HTTP/1.1", "Host: a", TYPE, f"Content-Length: {50_000_000}")
    async with open_site(kit) as site:
        async with Wire(site) as wire:
            answer = await wire.raw([head, b"x" * (limits.preamble + 1)], seconds=5)
            assert answer.status == 400
            assert b"no boundary line" in answer.body
        async with Wire(site) as wire:
            bare = lines(
                "POST /as4 HTTP/1.1", "Host: a", "Content-Type: application/soap+xml", "Content-Length: 300000"
            )
            assert (await wire.raw([bare], seconds=5)).status == 413
        async with Wire(site) as wire:
            mark = kit.good.body[: kit.good.body.index(b"\r\n")]
            preamble = b"p" * (limits.preamble - len(mark) - 10) + b"\r\n"
            padded = preamble + kit.good.body + b"e" * limits.preamble
            assert (await wire.post(kit.good.content_type, padded)).outcome == "taken"
