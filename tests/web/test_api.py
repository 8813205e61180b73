"""What holds for every call: keys, isolation of accounts, problems, headers, health, the pages."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import ChannelUnavailable
from gateway.web.auth import Keys
from gateway.web.frame import SECURITY_HEADERS
from gateway.web.home import read_description
from gateway.web.problem import KINDS, Problem
from tests.web.conftest import KEYS, THEIRS, Network, Site, invoice

ON_A_DOCUMENT = [
    ("GET", ""),
    ("GET", "/timeline"),
    ("GET", "/content"),
    ("GET", "/content?form=sbd"),
    ("GET", "/page.pdf"),
    ("GET", "/evidence.zip"),
    ("POST", "/requeue"),
    ("POST", "/resend"),
]


def routes(site: Site) -> list[tuple[str, str]]:
    """Every call under /v1 as (method, path with example values)."""
    found = []
    for route in site.client.app.router.routes():  # type: ignore[union-attr]
        path = route.resource.canonical if route.resource else ""
        if path.startswith("/v1") and route.method != "HEAD":
            found.append((route.method, path.replace("{id}", "0" * 32).replace("{participant}", THEIRS)))
    return found


async def test_no_call_answers_without_a_good_key(site: Site) -> None:
    bad = [
        "",
        "Bearer",
        f"Basic {KEYS['alpha']}",
        "Bearer gwk_" + "c" * 43,
        f"Bearer {KEYS['alpha']}x",
        "Bearer ' OR 1=1",
    ]
    calls = [
        *routes(site),
        ("GET", "/v1"),
        ("GET", "/v1/nothing"),
        ("DELETE", "/v1/documents"),
        ("GET", "/%76%31/documents"),
    ]
    assert len(calls) > 15
    for method, path in calls:
        for header in bad if path == "/v1/documents" else bad[:1]:
            async with site.client.request(method, path, headers={"Authorization": header} if header else {}) as answer:
                problem = await answer.json(content_type=None)
            assert (answer.status, problem["type"]) == (401, "/problems/key-needed"), (method, path, header)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_key_that_is_not_known_always_reads_the_same(site: Site) -> None:
    answers = [
        await site.get(f"/v1/{p}", headers={"Authorization": "Bearer gwk_" + c * 43})
        for p, c in (("inbox", "x"), ("y", "z"))
    ]
    texts = [{k: v for k, v in a.json.items() if k != "instance"} for a in answers]
    assert texts[0] == texts[1]


async def test_a_good_key_is_believed_for_a_second_and_a_bad_one_never() -> None:
    asked: list[str] = []
    now = [0.0]

    class Store:
        async def account_of_key(self, key_hash: str) -> str | None:
            asked.append(key_hash)
            return "alpha" if good else None

    good = True
    keys = Keys(Store(), time=lambda: now[0])  # type: ignore[arg-type]
    header = [f"Bearer {KEYS['alpha']}"]
    assert [await keys.account(header) for _ in range(3)] == ["alpha"] * 3
    assert len(asked) == 1
    assert KEYS["alpha"] not in asked
    now[0], good = 0.9, False
    assert await keys.account(header) == "alpha"
    now[0] = 1.1
    for _ in range(2):
        with pytest.raises(Problem):
            await keys.account(header)
    assert len(asked) == 3


@pytest.mark.parametrize(("method", "path"), ON_A_DOCUMENT)
async def test_what_belongs_to_another_account_does_not_exist(
    site: Site, network: Network, method: str, path: str
) -> None:
    network.answer = "no"
    sent = (await site.submit(invoice(), query="?route=peppol")).json["id"]
    await site.gateway.worker.run_once()
    for document in (sent, await site.receive()):
        theirs = await site.call(method, f"/v1/documents/{document}{path}", who="beta")
        absent = await site.call(method, f"/v1/documents/{'0' * 32}{path}", who="beta")
        assert theirs.status == absent.status == 404
        assert theirs.json["detail"].replace(document, "") == absent.json["detail"].replace("0" * 32, "")
        before = (await site.get(f"/v1/documents/{document}")).json
        assert before["state"] in ("REJECTED", "RECEIVED")


async def test_lists_inbox_and_participants_of_another_account_are_empty(site: Site) -> None:
    await site.submit(invoice())
    document = await site.receive()
    for path in ("/v1/documents", "/v1/documents?q=1001", "/v1/inbox?state=all", "/v1/participants"):
        assert (await site.get(path)).json["items"]
        assert (await site.get(path, who="beta")).json["items"] == []
    assert (await site.call("POST", f"/v1/inbox/{document}/ack", who="beta")).status == 404
    assert (await site.get(f"/v1/participants/{THEIRS}", who="beta")).status == 404
    assert (await site.call("DELETE", f"/v1/participants/{THEIRS}", who="beta")).status == 404
    assert (await site.get("/v1/inbox")).json["items"][0]["acknowledged"] is None
    assert len((await site.get("/v1/participants")).json["items"]) == 1


async def test_a_cursor_of_another_account_shows_only_our_own(site: Site) -> None:
    for number in ("1", "2"):
        await site.submit(invoice(number))
    cursor = (await site.get("/v1/documents?limit=1")).json["next"]
    assert (await site.get("/v1/documents", params={"cursor": cursor}, who="beta")).json["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/documents/..%2f..%2fetc", 404),
        ("GET", "/v1/documents/" + "x" * 65, 404),
        ("DELETE", "/v1/documents", 405),
        ("TRACE", "/livez", 405),
        ("POST", "/", 405),
        ("GET", "/problems/nothing", 404),
        ("GET", "/?x=1", 400),
        ("GET", "/v1/inbox?limit=x", 400),
    ],
)
async def test_every_refusal_is_a_problem(site: Site, method: str, path: str, status: int) -> None:
    answer = await site.call(method, path)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert set(answer.json) == {"type", "title", "status", "detail", "remedy", "instance", "errors"}
    assert answer.json["status"] == status
    assert answer.json["title"] and answer.json["detail"] and answer.json["remedy"]
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", answer.json["instance"])
    assert (status == 405) == ("Allow" in answer.headers)
    assert (await site.get(answer.json["type"])).status == 200


async def test_a_fault_of_ours_is_500_without_internals_and_can_be_found_in_the_log(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret /path/to/thing")

    monkeypatch.setattr(site.gateway.store, "find", broken)
    with caplog.at_level(logging.ERROR):
        answer = await site.get("/v1/documents")
    assert (answer.status, answer.json["type"]) == (500, "/problems/internal")
    assert b"secret" not in answer.body and b"RuntimeError" not in answer.body and b"aiohttp" not in answer.body
    logged = [record for record in caplog.records if record.exc_info]
    assert logged[0].request in answer.json["instance"].replace("-", "")  # type: ignore[attr-defined]


async def test_every_answer_has_the_security_headers_and_names_no_software(site: Site) -> None:
    document = (await site.submit(invoice())).json["id"]
    paths = [
        "/",
        "/api",
        "/livez",
        "/metrics",
        "/nothing",
        "/v1/documents",
        f"/v1/documents/{document}/content",
        "/problems/internal",
    ]
    for path in paths:
        answer = await site.get(path)
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value, (path, name)
        assert "Server" not in answer.headers
        assert answer.headers["X-Request-Id"]


async def test_the_log_names_neither_key_nor_query_nor_control_characters(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="gateway"):
        await site.get("/v1/documents?q=hemligt")
        await site.get("/a%0Ab%1b[31m")
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "GET /v1/documents 200" in text
    assert "hemligt" not in text and KEYS["alpha"] not in text and "\x1b" not in text
    assert len(text.splitlines()) == len(caplog.records)


async def test_a_body_that_stands_still_is_408(site: Site, gateway: Any) -> None:
    from aiohttp.test_utils import make_mocked_request

    from gateway.web.body import Intake

    class Still:
        async def readany(self) -> bytes:
            await asyncio.sleep(10)
            return b""

    request = make_mocked_request("POST", "/v1/documents", headers={"Content-Type": "application/xml"})
    request._payload = Still()  # type: ignore[assignment]
    intake = Intake(limit=1000, pause_seconds=0.05)
    with pytest.raises(Problem) as caught:
        async with intake.take(request):
            pass
    assert (caught.value.kind.status, intake.held) == (408, 0)


async def test_bodies_together_may_hold_only_so_much(site: Site) -> None:
    from aiohttp.test_utils import make_mocked_request

    from gateway.web.body import Intake

    class Pieces:
        def __init__(self) -> None:
            self.left = [b"x" * 500]

        async def readany(self) -> bytes:
            return self.left.pop() if self.left else b""

    def request() -> web.Request:
        made = make_mocked_request("POST", "/v1/documents")
        made._payload = Pieces()  # type: ignore[assignment]
        return made

    intake = Intake(limit=500)
    async with intake.take(request()), intake.take(request()), intake.take(request()), intake.take(request()):
        with pytest.raises(Problem) as caught:
            async with intake.take(request()):
                pass
        assert (caught.value.kind.status, caught.value.headers) == (503, {"Retry-After": "5"})
    assert intake.held == 0
    async with intake.take(request()) as octets:
        assert octets == b"x" * 500


async def test_the_first_page_says_what_this_is_and_links_to_the_api(site: Site) -> None:
    async with site.client.get("/") as answer:
        text = await answer.text()
    assert answer.status == 200
    assert 'href="/api"' in text and "access point" in text.lower()
    async with site.client.get("/api") as answer:
        assert answer.headers["Content-Type"].startswith("text/markdown")
        assert await answer.text() == read_description()


async def test_the_description_names_every_call_and_every_kind_of_refusal(site: Site) -> None:
    text = read_description()
    for method, path in {
        (r.method, r.resource.canonical) for r in site.client.app.router.routes() if r.method != "HEAD"
    }:  # type: ignore[union-attr]
        assert re.search(rf"`{method} {re.escape(re.sub(r':[^}]*', '', path))}[`?]", text), (method, path)
    for kind in KINDS.values():
        assert f"`{kind.name}` | {kind.status} |" in text, kind.name


async def test_the_description_shows_the_document_object_and_a_problem_as_they_are(site: Site) -> None:
    document, _, problem = (
        json.loads(block) for block in re.findall(r"```json\n(.*?)```", read_description(), re.DOTALL)
    )
    made = (await site.submit(invoice())).json
    refused = (await site.submit(b"<a/>")).json
    assert list(document) == list(made)
    assert list(problem) == list(refused)
    assert list(problem["errors"][0]) == list(refused["errors"][0])


async def test_who_could_not_be_reached_lately_is_shown(site: Site) -> None:
    await site.receive()
    breakers = site.gateway.outbound.breakers
    for destination in ("POP000009", "delivery.of-others", "delivery.default"):
        for _ in range(3):
            with pytest.raises(ChannelUnavailable), breakers.trying(destination):
                raise ChannelUnavailable("connection refused")
    items = (await site.get("/v1/destinations")).json["items"]
    assert [(i["destination"], i["state"], i["failures"], i["reason"]) for i in items] == [
        ("POP000009", "open", 3, "connection refused"),
        ("delivery.default", "open", 3, "connection refused"),
    ]
    metrics = (await site.get("/metrics")).body.decode()
    assert "gateway_destinations_left_alone 3\n" in metrics
    assert 'gateway_destination_failures{destination="POP000009"} 3\n' in metrics
