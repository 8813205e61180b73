"""What stands around a look-up has no say in it: other senders of datagrams, and a hostile environment (G02, G23)."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import dns.message
import pytest
from aiohttp import web

from gateway.security.weburl import WebRules
from gateway.smp.fetch import open_fetcher
from gateway.smp.resolver import Resolver
from tests.smp.smp_parts import Pki, open_smp
from tests.smp.test_resolver import GOOD, NAME, RECORD, code, records, say

FORGED = '1 1 "U" "Meta:SMP" "!.*!https://forged.example.org/!" .'


class _RacedByAnother(asyncio.DatagramProtocol):
    """Answers rightly, after another port has sent a forged answer with the right number to the same asker."""

    def __init__(self, forger: socket.socket, forged: list[bytes]) -> None:
        self._forger, self._forged = forger, forged

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, asker: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        for fill in (records(FORGED), code("NXDOMAIN")):
            (packet,) = say(fill)(query, False)
            self._forger.sendto(packet, asker)
            self._forged.append(packet)
        (good,) = say(records(RECORD))(query, False)
        self._transport.sendto(good, asker)


async def test_an_answer_from_another_port_is_not_even_read() -> None:
    forged: list[bytes] = []
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        forger.bind(("127.0.0.1", 0))
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _RacedByAnother(forger, forged), local_addr=("127.0.0.1", 0)
        )
        try:
            address = transport.get_extra_info("sockname")
            for _ in range(20):
                found = await Resolver([address]).naptr(NAME)
                assert found.records == (GOOD,)
                assert len(found.steps) == 1
        finally:
            transport.close()
    assert len(forged) == 40


async def test_proxies_passwords_and_resolver_options_of_the_environment_are_ignored(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\ndefault login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("RES_OPTIONS", "ndots:15 timeout:1 attempts:1")
    monkeypatch.setenv("LOCALDOMAIN", "hostile.example.org")
    heads: list[dict[str, str]] = []
    asked: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        heads.append(dict(request.headers))
        return web.Response(text="x")

    class Zone(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
            self.transport = transport

        def datagram_received(self, data: bytes, asker: tuple[str, int]) -> None:
            query = dns.message.from_wire(data)
            asked.append(str(query.question[0].name))
            (packet,) = say(records(RECORD))(query, False)
            self.transport.sendto(packet, asker)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Zone, local_addr=("127.0.0.1", 0))
    try:
        found = await Resolver([transport.get_extra_info("sockname")]).naptr(NAME)
    finally:
        transport.close()
    async with open_smp(pki) as smp, open_fetcher(WebRules(allow_http=True, allow_loopback=True)) as fetcher:
        smp.answers["/x"] = note
        fetched = await fetcher.get(smp.url + "/x")
    assert (found.records, asked) == ((GOOD,), [f"{NAME}."])
    assert fetched.status == 200
    assert len(heads) == 1
    assert "Authorization" not in heads[0]
