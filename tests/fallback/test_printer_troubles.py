"""A printer that cannot: paper out, a job that somebody cancels, one that ends half way. Nothing is printed again."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from channel_parts import make_context, make_parcel

from gateway.errors import ChannelUnavailable
from gateway.fallback import _ipp
from gateway.fallback.printing import open_channel

STOPPED, CANCELED, ABORTED = 6, 7, 8


def _attribute(tag: int, name: str, value: bytes) -> bytes:
    return struct.pack(">BH", tag, len(name)) + name.encode() + struct.pack(">H", len(value)) + value


@asynccontextmanager
async def printer(state: int, why: str) -> AsyncIterator[tuple[str, list[int]]]:
    """Takes every job, knows none by its name, and says that of each (RFC 8011); its URL and what it was asked."""
    asked: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        octets = await request.read()
        operation, number = struct.unpack(">HI", octets[2:8])
        asked.append(operation)
        head = struct.pack(">BBHIB", 2, 0, 0, number, 1)
        charset = _attribute(0x47, "attributes-charset", b"utf-8") + _attribute(
            0x48, "attributes-natural-language", b"en"
        )
        job = b""
        if operation != _ipp.GET_JOBS:
            job = b"\x02" + _attribute(0x21, "job-id", struct.pack(">i", 7))
            job += _attribute(0x23, "job-state", struct.pack(">i", state))
            job += _attribute(0x44, "job-state-reasons", why.encode())
        return web.Response(body=head + charset + job + b"\x03", content_type="application/ipp")

    app = web.Application()
    app.router.add_post("/ipp/print", answer)
    async with TestServer(app) as server:
        yield f"ipp://127.0.0.1:{server.port}/ipp/print", asked


@pytest.mark.parametrize(
    ("state", "why"),
    [(STOPPED, "media-empty-error"), (CANCELED, "job-canceled-by-user"), (ABORTED, "aborted-by-system")],
)
async def test_a_job_that_is_not_completed_is_in_doubt_and_never_printed_by_itself(
    tmp_path: Path, state: int, why: str
) -> None:
    async with printer(state, why) as (url, asked):
        table = {"kind": "ipp", "url": url, "timeout": "5 seconds"}
        for _ in range(2):
            channel = open_channel(table, make_context(tmp_path, section="print"))
            with pytest.raises(ChannelUnavailable) as caught:
                await channel.dispatch(make_parcel())
            assert caught.value.sent and "printer" in str(caught.value.remedy)
            assert why in str(caught.value) or "in doubt whether it was printed" in str(caught.value)
    assert asked.count(_ipp.PRINT_JOB) == 1
