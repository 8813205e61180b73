"""gateway.smp.server: odd paths, odd cases, and never anything but 200, 304, 404 and 503."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, web
from yarl import URL

from gateway.errors import StoreUnavailable
from gateway.model.identifiers import AccountId, DocumentTypeId, ParticipantId
from gateway.model.message import Participant
from gateway.model.services import BILLING_INVOICE
from gateway.security.dsig import verify_enveloped
from gateway.security.trust import Role
from gateway.smp.metadata import path, read_group
from gateway.smp.publisher import Publisher
from gateway.smp.server import SmpServer, read_path
from tests.smp.smp_parts import AP_URL, BUYER, NOW, OTHER, Pki

ODD = ParticipantId.parse("0204:a-b_c.d~e")
PLUS = DocumentTypeId.parse("urn:x:pdf+xml::a/b##urn:ö#c:1.0::D22B")


class Ours:
    def __init__(self) -> None:
        account = AccountId("main")
        kinds = ((str(PLUS), "urn:p"), (str(BILLING_INVOICE), "urn:p"))
        self.known = {
            BUYER: Participant(id=BUYER, account=account),
            ODD: Participant(id=ODD, account=account, document_types=kinds),
        }
        self.down = False

    async def find(self, id: ParticipantId) -> Participant | None:
        if self.down:
            raise StoreUnavailable("the disk is full")
        return self.known.get(id)


class Client:
    def __init__(self, http: ClientSession, base: str, ours: Ours, server: SmpServer) -> None:
        self.http, self.base, self.ours, self.server = http, base, ours, server

    async def get(self, raw: str, method: str = "GET", **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        url = URL(self.base + raw, encoded=True)
        async with self.http.request(method, url, headers=headers) as response:
            return response.status, await response.read(), response.headers


@pytest.fixture
async def client(pki: Pki) -> AsyncIterator[Client]:
    ours = Ours()
    publisher = Publisher(identity=pki.smp, smp_url="http://x", endpoint_url=AP_URL, certificate=pki.ap.der)
    server = SmpServer(publisher, ours.find)
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with ClientSession() as http:
            yield Client(http, f"http://127.0.0.1:{runner.addresses[0][1]}", ours, server)
    finally:
        await runner.cleanup()


async def test_the_group_and_the_signed_answer_are_served_as_xml(client: Client, pki: Pki) -> None:
    status, body, headers = await client.get(path(BUYER))
    assert (status, headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert len(read_group(body, BUYER).document_types) == 2
    status, body, headers = await client.get(path(BUYER, str(BILLING_INVOICE)))
    assert (status, headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert verify_enveloped(body, pki.trust, Role.SMP, NOW).signer.common_name == "PSP000201"


@pytest.mark.parametrize(
    "raw",
    [
        "/ISO6523-ACTORID-UPIS%3A%3A0007%3A5567212047",
        "/iso6523-actorid-upis%3a%3a0007%3a5567212047",
        "/iso6523-actorid-upis::0007:5567212047",
        "/iso6523-actorid-upis%3A%3A0007%3A5567212047/",
        "/iso6523-actorid-upis%3A%3A0007%3A5567212047?x=y",
        path(ODD).upper().replace("%3A", "%3a"),
        path(ODD, str(PLUS)),
        f"{path(ODD)}/services/{quote(str(PLUS), safe='+')}",
    ],
)
async def test_participants_are_found_however_the_path_is_written(client: Client, raw: str) -> None:
    assert (await client.get(raw))[0] == 200


@pytest.mark.parametrize(
    "raw",
    [
        *(
            "",
            "/",
            "/x",
            "//",
            "/favicon.ico",
            "/..%2F..%2Fetc%2Fpasswd",
            "/%2E%2E/%2E%2E/etc/passwd",
            "/%00",
            "/%FF%FE",
        ),
        *(path(OTHER), path(OTHER, str(BILLING_INVOICE)), "/iso6523-actorid-upis%3A%3A", "/0007%3A5567212047"),
        "/other-actorid-upis%3A%3A0007%3A5567212047",
        "/iso6523-actorid-upis%253A%253A0007%253A5567212047",
        path(BUYER, str(BILLING_INVOICE).lower()),
        path(BUYER, BILLING_INVOICE.value),
        path(BUYER, str(BILLING_INVOICE)) + "/",
        path(BUYER, str(BILLING_INVOICE)) + "/more",
        path(BUYER, str(BILLING_INVOICE)).replace("/services/", "/Services/"),
        path(BUYER, str(PLUS)),
        path(BUYER) + "/services",
        path(BUYER) + "/services/",
        path(BUYER, "x" * 3_000),
        path(ODD, str(PLUS)).replace("%2F", "/"),
        path(ODD, str(PLUS)).replace("%2B", "%20"),
        f"/businesscard{path(BUYER)}",
    ],
)
async def test_everything_else_is_a_plain_404(client: Client, raw: str) -> None:
    status, body, headers = await client.get(raw)
    assert (status, headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert body.strip()


async def test_an_answer_that_is_known_already_is_not_sent_again(client: Client) -> None:
    status, body, headers = await client.get(path(BUYER, str(BILLING_INVOICE)))
    tag = headers["ETag"]
    status, body, headers = await client.get(path(BUYER, str(BILLING_INVOICE)), **{"If-None-Match": tag})
    assert (status, body, headers["ETag"]) == (304, b"", tag)
    assert (await client.get(path(BUYER), **{"If-None-Match": tag}))[0] == 200
    assert (await client.get(path(BUYER), **{"If-None-Match": "nonsense"}))[0] == 200


async def test_head_is_answered_and_writing_is_not(client: Client) -> None:
    status, body, _ = await client.get(path(BUYER), "HEAD")
    assert (status, body) == (200, b"")
    for method in ("PUT", "POST", "DELETE"):
        assert (await client.get(path(BUYER), method))[0] == 405


async def test_a_store_that_is_down_is_not_a_404(client: Client) -> None:
    client.ours.down = True
    status, body, headers = await client.get(path(BUYER))
    assert (status, headers["Retry-After"]) == (503, "30")
    assert b"disk" not in body


async def test_it_is_quick(client: Client) -> None:
    raw = path(BUYER, str(BILLING_INVOICE))
    await client.get(raw)
    started = time.perf_counter()
    for _ in range(200):
        await client.get(raw)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/a", ("a", "")),
        ("/a/", ("a", "")),
        ("/a%2Fb", ("a/b", "")),
        ("/a/services/b%2Fservices%2Fc", ("a", "b/services/c")),
        ("/a+b", ("a+b", "")),
        ("/a?b", ("a", "")),
        ("/", None),
        ("//services/x", None),
        ("/a/b", None),
        ("a", None),
        ("/%C3", None),
        ("/" + "a" * 5_000, None),
    ],
)
def test_paths_are_cut_before_they_are_decoded(raw: str, expected: tuple[str, str] | None) -> None:
    assert read_path(raw) == expected


async def test_many_that_ask_while_a_participant_changes_all_get_an_answer(client: Client) -> None:
    raw = path(BUYER, str(BILLING_INVOICE))
    assert (await client.get(raw))[0] == 200
    go, find, waiting = asyncio.Event(), client.ours.find, 0

    async def slow(id: ParticipantId) -> Participant | None:
        nonlocal waiting
        waiting += 1
        if waiting == 4:
            go.set()
        await go.wait()  # all of them have seen the answer that is kept, and none has been told of the change
        return await find(id)

    client.server._find = slow
    client.ours.known[BUYER] = replace(client.ours.known[BUYER], name="Exempel Syd AB")
    assert [status for status, *_ in await asyncio.gather(*(client.get(raw) for _ in range(4)))] == [200] * 4
