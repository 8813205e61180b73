"""The generator sends each request once over kept connections and stops at the first that is not accepted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.load import NotAccepted, Round, has_receipt, play, request, was_sent


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[tuple[str, list[bytes], list[int]]]:
    """Gives the URL, the bodies that came, and the number of connections."""
    bodies: list[bytes] = []
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                bodies.append(await reader.readexactly(int(head.rpartition(b"Content-Length: ")[2])))
                writer.write(answer)
        except asyncio.IncompleteReadError:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/as4", bodies, connections


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\nNonRepudiationInformation",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;x=y\r\nNon\r\n16\r\nRepudiationInformation\r\n0\r\n\r\n",
    ],
)
async def test_each_request_goes_once_over_a_few_kept_connections(answer: bytes) -> None:
    async with server(answer) as (url, bodies, connections):
        await play(url, [request(url, "text/plain", b"%d" % n) for n in range(50)], 4, has_receipt)
    assert sorted(bodies, key=int) == [b"%d" % n for n in range(50)]
    assert len(connections) == 4


async def test_a_message_that_is_not_accepted_ends_the_run() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nError") as (url, _, _):
        with pytest.raises(ExceptionGroup) as raised:
            await play(url, [request(url, "text/plain", b"x")], 1, has_receipt)
    assert raised.group_contains(NotAccepted, match="answered 200")


def test_only_a_receipt_and_only_a_sent_document_count() -> None:
    assert not has_receipt(500, b"NonRepudiationInformation") and not has_receipt(200, b"")
    assert was_sent(202, b'{"state": "SENT"}') and not was_sent(202, b'{"state": "ACCEPTED"}')


def test_a_round_tells_cost_in_private_operations() -> None:
    found = Round(seconds=2.0, cpu=1.0, messages=1000, rsa=250.0)
    assert (found.rate, found.milliseconds, found.operations) == (500, 1, 4)
