"""gateway.smp.fetch: we connect only where we may, and to the address that was judged."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from aiohttp import web
from aiohttp.resolver import ThreadedResolver

from gateway.errors import LookupUnavailable
from gateway.security.weburl import WebRules
from gateway.smp.fetch import Timeouts, open_fetcher
from tests.smp.smp_parts import Pki, open_smp, xml

HTTP_ONLY = WebRules(allow_http=True)
PRIVATE = WebRules(allow_http=True, allow_loopback=True)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Names resolve to these addresses; nothing is asked."""

    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [
            {"hostname": host, "host": a, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for a in addresses
        ]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"], ["93.184.216.34", "127.0.0.1"]],
)
async def test_a_name_that_leads_inside_is_never_connected_to(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    async with open_smp(pki) as smp, open_fetcher(HTTP_ONLY) as fetcher:
        smp.answers["/x"] = xml(b"<a/>")
        resolve_to(monkeypatch, *addresses)
        with pytest.raises(LookupUnavailable, match="not on the public internet") as caught:
            await fetcher.get(f"http://smp.example.org:{smp.url.rpartition(':')[2]}/x")
    assert smp.asked == []
    assert caught.value.steps[0].where.startswith("smp.example.org:")


async def test_the_connection_goes_to_the_address_that_was_judged(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_smp(pki) as smp, open_fetcher(PRIVATE) as fetcher:
        smp.answers["/x"] = xml(b"<a/>")
        resolve_to(monkeypatch, "127.0.0.1")
        fetched = await fetcher.get(f"http://smp.example.org:{smp.url.rpartition(':')[2]}/x")
    assert (fetched.status, fetched.body) == (200, b"<a/>")


async def test_a_url_that_is_refused_is_not_even_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThreadedResolver, "resolve", lambda *a: pytest.fail("a name was resolved"))
    async with open_fetcher(WebRules()) as fetcher:
        for url in ("http://smp.example.org/", "https://smp.example.org:8443/", "https://127.0.0.1/", "https://x/"):
            with pytest.raises(LookupUnavailable) as caught:
                await fetcher.get(url)
            assert caught.value.steps[0].asked == f"GET {url}"


async def test_the_path_goes_out_as_it_was_written(pki: Pki) -> None:
    async with open_smp(pki) as smp, open_fetcher(PRIVATE) as fetcher:
        for path in ("/a%3A%3Ab%23%2F%2B%7E", "/%C3%A5/services/x%25y"):
            await fetcher.get(smp.url + path)
            assert smp.asked[-1] == path


async def test_what_is_asked_for_is_xml_without_compression_or_cookies(
    pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    heads: list[dict[str, str]] = []

    async def note(request: web.Request) -> web.StreamResponse:
        heads.append(dict(request.headers))
        return web.Response(text="x", headers={"Set-Cookie": "a=b"})

    async with open_smp(pki) as smp, open_fetcher(PRIVATE) as fetcher:
        smp.answers["/x"] = note
        for _ in range(2):
            await fetcher.get(f"{smp.url}/x")
    assert heads[1]["Accept-Encoding"] == "identity"
    assert "xml" in heads[1]["Accept"]
    assert "Cookie" not in heads[1]


async def test_an_answer_of_exactly_the_limit_is_read(pki: Pki) -> None:
    async with open_smp(pki) as smp, open_fetcher(PRIVATE, Timeouts(total=3)) as fetcher:
        smp.answers["/x"] = xml(b"x" * 256 * 1024)
        assert len((await fetcher.get(f"{smp.url}/x")).body) == 256 * 1024
        smp.answers["/x"] = xml(b"x" * (256 * 1024 + 1))
        with pytest.raises(LookupUnavailable, match="larger than 256 KiB"):
            await fetcher.get(f"{smp.url}/x")


async def test_plain_http_on_a_tls_port_is_no_answer(pki: Pki) -> None:
    async with open_smp(pki) as smp, open_fetcher(PRIVATE) as fetcher:
        with pytest.raises(LookupUnavailable, match=r"no (trustworthy TLS|connection)"):
            await fetcher.get(smp.url.replace("http:", "https:") + "/x")
