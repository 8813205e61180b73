"""Printers that run out of paper or drop a job, a line that is tampered with, cells that a spreadsheet would run."""

from __future__ import annotations

import asyncio
import csv
import io
import struct
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from channel_parts import make_context, make_page, make_parcel

from gateway.errors import ChannelUnavailable
from gateway.fallback import mailing, printing
from gateway.fallback._batch import Batch, Printed, write_batch

PRINT_JOB: Final = 0x0002
STOPPED, CANCELED, ABORTED, COMPLETED = 6, 7, 8, 9


def _attribute(tag: int, name: str, value: bytes) -> bytes:
    return struct.pack(">BH", tag, len(name)) + name.encode() + struct.pack(">H", len(value)) + value


class Printer:
    """An IPP printer whose jobs all stand in one state (RFC 8011, 5.3.7)."""

    def __init__(self, state: int, reason: str) -> None:
        self.state, self.reason, self.names = state, reason, list[bytes]()

    async def answer(self, request: web.Request) -> web.Response:
        octets = await request.read()
        operation, number = struct.unpack(">HI", octets[2:8])
        if operation == PRINT_JOB:
            at = octets.index(b"job-name") + len(b"job-name")
            self.names.append(octets[at + 2 : at + 2 + int.from_bytes(octets[at : at + 2], "big")])
        charset = _attribute(0x47, "attributes-charset", b"utf-8")
        parts = [struct.pack(">BBHI", 2, 0, 0, number), b"\x01", charset]
        for place, name in enumerate(self.names):
            parts += [
                b"\x02",
                _attribute(0x21, "job-id", struct.pack(">i", place + 1)),
                _attribute(0x42, "job-name", name),
                _attribute(0x23, "job-state", struct.pack(">i", self.state)),
                _attribute(0x44, "job-state-reasons", self.reason.encode()),
            ]
        return web.Response(body=b"".join((*parts, b"\x03")), content_type="application/ipp")


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        (STOPPED, "media-empty", "not completed .*media-empty"),
        (CANCELED, "job-canceled-by-operator", "without being completed .*canceled-by-operator"),
        (ABORTED, "aborted-by-system", "without being completed .*aborted-by-system"),
    ],
)
async def test_a_printer_without_paper_or_with_a_dropped_job_is_in_doubt_and_prints_no_second_time(
    state: int, reason: str, said: str, tmp_path: Path
) -> None:
    printer = Printer(state, reason)
    app = web.Application()
    app.router.add_post("/ipp/print", printer.answer)
    async with TestServer(app) as server:
        table = {"kind": "ipp", "url": f"ipp://127.0.0.1:{server.port}/ipp/print", "timeout": "5 seconds"}
        for _ in range(1 if state == STOPPED else 2):  # (it waits for paper as long as it may)
            channel = printing.open_channel(table, make_context(tmp_path, section="print"))
            with pytest.raises(ChannelUnavailable, match=said) as caught:
                await channel.dispatch(make_parcel())
            assert caught.value.sent and caught.value.remedy
        assert printer.names == [b"letter-doc-0001"], "asked again, printed once"
        printer.state, printer.reason = COMPLETED, "job-completed-successfully"
        channel = printing.open_channel(table, make_context(tmp_path, section="print"))
        assert "Printed on" in (await channel.dispatch(make_parcel())).text
    assert len(printer.names) == 1


async def test_what_somebody_slips_in_behind_starttls_is_not_taken_for_the_servers_word(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example.org ESMTP\r\n")
        async for line in reader:
            heard.append(line)
            if line.startswith(b"EHLO"):
                writer.write(b"250-mx.example.org\r\n250 STARTTLS\r\n")
            elif line.startswith(b"STARTTLS"):  # (CVE-2011-0411: the rest came in the clear)
                writer.write(b"220 go\r\n250 mx.example.org\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")
                await writer.drain()
                break
        heard.append(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        settings: dict[str, Any] = {"smtp": f"127.0.0.1:{port}", "sender": "faktura@example.org", "tls": "starttls"}
        channel = mailing.open_channel(settings, make_context(tmp_path, section="email"))
        with pytest.raises(ChannelUnavailable, match="nothing was sent") as caught:
            await channel.dispatch(make_parcel())
    assert not caught.value.sent
    assert not any(line.upper().startswith((b"MAIL", b"RCPT", b"DATA")) for line in heard)


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1+1", "-2", "@SUM(A1)", "\tx", "\r=1"])
def test_the_manifest_for_a_spreadsheet_runs_nothing(name: str, tmp_path: Path) -> None:
    letter = Printed(document="doc-1", pdf=make_page(), pages=1, duplex=True, address=(name, "Gatan 1"), number=name)
    write_batch(tmp_path, Batch(name="one", letters=(letter,)))
    [manifest] = tmp_path.rglob("manifest.csv")
    text = manifest.read_bytes().decode("utf-8-sig")
    [_, row] = csv.reader(io.StringIO(text), delimiter=";")
    assert [cell for cell in row if cell.lstrip("'").startswith(name[0])], "the name is in it"
    assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
