"""Documents over the API: handed in once, found again, put back to work."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.model.identifiers import AccountId
from gateway.ports import Filter
from gateway.store import SqlStore
from gateway.ubl import sbdh
from tests.conftest import FakeClock
from tests.web.conftest import LIMIT, OURS, THEIRS, Network, Site, envelope, invoice

DOCS = Path(__file__).parents[2] / "docs"
OBJECT = {
    "id", "direction", "state", "status", "channel", "reason", "route", "sender", "receiver", "sender_name",
    "receiver_name", "document_type", "process", "number", "issue_date", "due_date", "amount", "message_id",
    "instance_id", "peer", "attempts", "next_attempt", "created", "updated", "acknowledged", "sha256", "size", "links",
    "warnings",
}  # fmt: skip


async def count(store: SqlStore, account: str = "alpha") -> int:
    found, _ = await store.find(AccountId(account), Filter(limit=200))
    return len(found)


async def test_an_invoice_is_stored_before_202_names_where_it_is(site: Site, store: SqlStore) -> None:
    answer = await site.submit(invoice())
    assert answer.status == 202
    assert answer.headers["Location"] == f"/v1/documents/{answer.json['id']}"
    assert set(answer.json) == OBJECT
    shown = {
        name: answer.json[name] for name in ("direction", "state", "status", "sender", "receiver", "number", "amount")
    }
    assert shown == {
        "direction": "out",
        "state": "ACCEPTED",
        "status": "queued",
        "sender": OURS,
        "receiver": THEIRS,
        "number": "1001",
        "amount": {"value": "1250.00", "currency": "SEK"},
    }
    assert await count(store) == 1
    assert (await site.get(answer.headers["Location"])).json == answer.json


async def test_a_whole_envelope_is_taken_with_its_identity(site: Site) -> None:
    answer = await site.submit(sbdh.wrap(invoice(), envelope("envelope-1")))
    assert (answer.status, answer.json["instance_id"], answer.json["number"]) == (202, "envelope-1", "1001")


async def test_text_xml_with_a_charset_is_taken(site: Site) -> None:
    assert (await site.submit(invoice(), headers={"Content-Type": "text/xml; charset=utf-8"})).status == 202


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "XML"),
        (b"not xml at all", "XML"),
        (b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><a>&e;</a>', "XML"),
        (b"<Order xmlns='urn:oasis:names:specification:ubl:schema:xsd:Order-2'/>", ""),
        (invoice().replace(b"2026-12-25", b"25.12.2026"), "XSD"),
        (invoice().replace(b"<cbc:IssueDate>2026-11-25</cbc:IssueDate>", b""), "XSD"),
        (invoice().replace(b">1250.00</cbc:TaxInclusiveAmount", b">1251.00</cbc:TaxInclusiveAmount"), "BR-CO-15"),
        (sbdh.wrap(invoice(), envelope()).replace(b"billing:01:1.0</Instance", b"billing:02:1.0</Instance"), "SBDH"),
    ],
    ids=["empty", "text", "doctype", "order", "bad date", "no date", "wrong total", "header and document differ"],
)
async def test_what_cannot_be_sent_is_422_with_place_and_nothing_stored(
    site: Site, store: SqlStore, body: bytes, rule: str
) -> None:
    answer = await site.submit(body)
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.json["type"] == "/problems/invalid-document"
    assert answer.json["errors"], answer.json
    for row in answer.json["errors"]:
        assert set(row) == {"pointer", "rule", "severity", "message", "value"}
        assert row["message"]
    assert rule in {row["rule"] for row in answer.json["errors"]} or not rule
    assert b"hostname" not in answer.body
    assert await count(store) == 0


async def test_a_schema_finding_says_where_and_what(site: Site) -> None:
    answer = await site.submit(invoice().replace(b"2026-12-25", b"25.12.2026"))
    row = answer.json["errors"][0]
    assert "DueDate" in row["pointer"]
    assert row["value"] == "25.12.2026"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "application/pdf"}, "application/xml"),
        ({"Content-Type": ""}, "application/xml"),
        ({"Content-Encoding": "gzip"}, "packed"),
    ],
)
async def test_other_bodies_are_415_with_what_is_taken(site: Site, headers: dict[str, str], words: str) -> None:
    answer = await site.submit(invoice(), headers=headers)
    assert answer.status == 415
    assert words in answer.json["detail"]


async def test_a_body_over_the_limit_is_413_whether_its_length_is_known_or_not(site: Site, store: SqlStore) -> None:
    large = invoice() + b" " * LIMIT

    async def chunks():  # type: ignore[no-untyped-def]
        for start in range(0, len(large), 50_000):
            yield large[start : start + 50_000]

    assert (await site.submit(large)).status == 413
    answer = await site.submit(chunks())  # type: ignore[arg-type]
    assert (answer.status, answer.json["type"]) == (413, "/problems/too-large")
    assert await count(store) == 0


async def test_a_chunked_body_under_the_limit_is_taken(site: Site) -> None:
    async def chunks():  # type: ignore[no-untyped-def]
        yield invoice()[:700]
        yield invoice()[700:]

    assert (await site.submit(chunks())).status == 202  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("?route=fax", "query:route"),
        ("?wait=61", "query:wait"),
        ("?wait=-1", "query:wait"),
        ("?wait=1&wait=2", "query:wait"),
        ("?rout=peppol", "query:rout"),
    ],
)
async def test_a_parameter_that_is_not_known_is_refused_and_not_ignored(
    site: Site, store: SqlStore, query: str, pointer: str
) -> None:
    answer = await site.submit(invoice(), query=query)
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, pointer)
    assert await count(store) == 0


async def test_the_same_key_with_the_same_body_is_the_same_document(site: Site, store: SqlStore) -> None:
    first = await site.submit(invoice(), key="order 4711")
    again = await site.submit(invoice(), key="order 4711")
    assert "Idempotent-Replay" not in first.headers
    assert (again.status, again.headers["Idempotent-Replay"]) == (202, "true")
    assert again.json["id"] == first.json["id"]
    assert await count(store) == 1


async def test_the_same_key_with_another_body_or_route_is_422(site: Site, store: SqlStore) -> None:
    await site.submit(invoice(), key="k")
    for answer in (
        await site.submit(invoice("1002"), key="k"),
        await site.submit(invoice(), query="?route=print", key="k"),
    ):
        assert (answer.status, answer.json["type"]) == (422, "/problems/contradiction")
    assert await count(store) == 1


async def test_two_accounts_may_use_the_same_key(site: Site, store: SqlStore) -> None:
    first = await site.submit(invoice(), key="k")
    second = await site.submit(invoice(), key="k", who="beta")
    assert (second.status, second.json["id"] != first.json["id"]) == (202, True)


async def test_fifty_requests_with_one_key_at_once_make_one_document(site: Site, store: SqlStore) -> None:
    answers = await asyncio.gather(*(site.submit(invoice(), key="once") for _ in range(50)))
    assert {a.status for a in answers} <= {202, 409}
    assert {a.json["type"] for a in answers if a.status == 409} <= {"/problems/still-running"}
    assert len({a.json["id"] for a in answers if a.status == 202}) == 1
    assert await count(store) == 1


async def test_a_key_still_in_work_is_409(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    add_once = site.gateway.store.add_once

    async def slow(arrival):  # type: ignore[no-untyped-def]
        begun.set()
        await may_end.wait()
        return await add_once(arrival)

    monkeypatch.setattr(site.gateway.store, "add_once", slow)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(site.submit(invoice(), key="k"))
        await begun.wait()
        second = await site.submit(invoice(), key="k")
        may_end.set()
    assert (second.status, second.json["type"]) == (409, "/problems/still-running")
    assert second.headers["Retry-After"] == "1"
    assert first.result().status == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "r\u00e4ksm\u00f6rg\u00e5s"])
async def test_a_bad_idempotency_key_is_refused(site: Site, store: SqlStore, key: str) -> None:
    answer = await site.submit(invoice(), headers={"Idempotency-Key": key})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "header:Idempotency-Key")
    assert await count(store) == 0


async def test_a_store_that_fails_is_503_with_retry_after_and_no_internals(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(arrival: object) -> None:
        raise StoreUnavailable("The database cannot be used: /secret/path is full")

    monkeypatch.setattr(site.gateway.store, "add_once", broken)
    answer = await site.submit(invoice())
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert b"secret" not in answer.body


async def test_wait_answers_as_soon_as_the_document_has_left_the_queue(site: Site, network: Network) -> None:
    network.answer = "yes"
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(site.submit(invoice(), query="?wait=20"))
        async with asyncio.timeout(5):
            while not network.sent:
                await asyncio.sleep(0.02)
                await site.gateway.worker.run_once()
    answer = waiting.result()
    assert (answer.status, answer.json["state"], answer.json["channel"]) == (202, "SENT", "peppol")


async def test_wait_ends_when_its_seconds_are_over(site: Site) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    answer = await site.submit(invoice(), query="?wait=1")
    assert 0.9 <= loop.time() - begun < 3
    assert (answer.status, answer.json["status"]) == (202, "queued")


async def test_the_timeline_tells_what_happened_and_why(site: Site, network: Network) -> None:
    network.answer = "yes"
    document = (await site.submit(invoice())).json["id"]
    await site.gateway.worker.run_once()
    answer = await site.get(f"/v1/documents/{document}/timeline")
    events = [row["event"] for row in answer.json["items"]]
    assert (events[0], events[-1]) == ("Accepted", "Sent")
    assert answer.json["items"][-1]["evidence"]
    assert set(answer.json["items"][0]) == {"time", "event", "reason", "detail", "attempt", "next_attempt", "evidence"}


async def test_lists_are_narrowed_and_paged(site: Site, clock: FakeClock) -> None:
    for number in range(5):
        await site.submit(invoice(f"N-{number}"))
        clock.forward(seconds=1)
    first = (await site.get("/v1/documents?limit=2")).json
    assert [item["number"] for item in first["items"]] == ["N-4", "N-3"]
    second = (await site.get(f"/v1/documents?limit=3&cursor={first['next']}")).json
    assert [item["number"] for item in second["items"]] == ["N-2", "N-1", "N-0"]
    assert second["next"] is None
    assert len((await site.get("/v1/documents?q=N-3")).json["items"]) == 1
    assert len((await site.get("/v1/documents?state=accepted,SENT&state=FAILED&direction=out")).json["items"]) == 5
    assert (await site.get("/v1/documents?state=SENT")).json == {"items": [], "next": None}
    assert (await site.get("/v1/documents?direction=in")).json == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "query:limit"),
        ("limit=201", "query:limit"),
        ("limit=1000000000000", "query:limit"),
        ("limit=٣", "query:limit"),
        ("state=LOST", "query:state"),
        ("direction=up", "query:direction"),
        ("q=" + "x" * 201, "query:q"),
        ("q=%00", "query:q"),
        ("color=red", "query:color"),
    ],
)
async def test_a_bad_list_parameter_is_400_with_its_name(site: Site, query: str, pointer: str) -> None:
    answer = await site.get(f"/v1/documents?{query}")
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, pointer)


@pytest.mark.parametrize("cursor", ["x", "%C3%A5", "MjAyNg==", "'; DROP TABLE message; --"])
async def test_a_cursor_that_is_not_ours_is_404(site: Site, cursor: str) -> None:
    assert (await site.get("/v1/documents", params={"cursor": cursor})).status == 404


async def failed(site: Site, network: Network) -> str:
    network.answer = "no"
    answer = await site.submit(invoice(), query="?route=peppol")
    await site.gateway.worker.run_once()
    return str(answer.json["id"])


async def test_requeue_brings_a_document_back_under_the_same_ids(site: Site, network: Network) -> None:
    document = await failed(site, network)
    before = (await site.get(f"/v1/documents/{document}")).json
    assert before["status"] == "failed"
    answer = await site.call("POST", f"/v1/documents/{document}/requeue")
    assert (answer.status, answer.json["state"], answer.json["message_id"]) == (202, "ACCEPTED", before["message_id"])
    network.answer = "yes"
    await site.gateway.worker.run_once()
    assert (await site.get(f"/v1/documents/{document}")).json["state"] == "SENT"


async def test_requeue_of_a_document_on_its_way_is_409_with_the_reason(site: Site) -> None:
    document = (await site.submit(invoice())).json["id"]
    answer = await site.call("POST", f"/v1/documents/{document}/requeue")
    assert (answer.status, answer.json["type"]) == (409, "/problems/conflict")
    assert "ACCEPTED" in answer.json["detail"]


async def test_resend_makes_a_new_message_that_links_to_the_old_one(site: Site, network: Network) -> None:
    document = await failed(site, network)
    old = (await site.get(f"/v1/documents/{document}")).json
    answer = await site.call("POST", f"/v1/documents/{document}/resend")
    assert answer.status == 202
    assert answer.json["links"] == {"resend_of": document}
    assert answer.json["sha256"] == old["sha256"]
    assert answer.json["route"] == old["route"]
    assert not {answer.json[name] for name in ("id", "message_id", "instance_id")} & set(map(str, old.values()))
    again = await site.call("POST", f"/v1/documents/{document}/resend")
    assert (again.json["id"], again.headers["Idempotent-Replay"]) == (answer.json["id"], "true")
    other = await site.call("POST", f"/v1/documents/{document}/resend", headers={"Idempotency-Key": "second time"})
    assert other.json["id"] != answer.json["id"]


async def test_resend_of_a_document_on_its_way_or_received_is_409(site: Site) -> None:
    queued = (await site.submit(invoice())).json["id"]
    received = await site.receive()
    for document in (queued, received):
        assert (await site.call("POST", f"/v1/documents/{document}/resend")).status == 409


async def test_an_invoice_as_json_becomes_ubl_and_the_same_words_are_the_same_invoice(site: Site) -> None:
    text = re.findall(r"```json\n(.*?)```", (DOCS / "json-invoice.md").read_text(encoding="utf-8"), re.S)[0]
    table = json.loads(text)
    headers = {"Content-Type": "application/json", "Idempotency-Key": "json-1"}
    answer = await site.call("POST", "/v1/documents", data=text.encode(), headers=headers)
    assert answer.status == 202, answer.json
    assert (answer.json["number"], answer.json["amount"]["value"]) == (table["number"], "1502.05")
    content = await site.get(f"/v1/documents/{answer.json['id']}/content")
    assert content.body.startswith(b"<?xml") and b"Kopieringspapper" in content.body
    again = await site.call("POST", "/v1/documents", data=json.dumps(table).encode(), headers=headers)
    assert (again.json["id"], again.headers["Idempotent-Replay"]) == (answer.json["id"], "true")
    table["lines"][0]["quantity"], table["payable"] = 11, "1627.05"
    other = await site.call("POST", "/v1/documents", data=json.dumps(table).encode(), headers=headers)
    assert (other.status, other.json["type"]) == (422, "/problems/contradiction")


async def test_faults_of_an_invoice_as_json_have_their_json_pointer_and_nothing_is_stored(
    site: Site, store: SqlStore
) -> None:
    headers = {"Content-Type": "application/json"}
    body = b'{"number": "1", "issue_date": "2026-11-25", "currency": "SEK", "lines": [{"name": "x", "prize": 1}]}'
    answer = await site.call("POST", "/v1/documents", data=body, headers=headers)
    assert (answer.status, answer.json["type"]) == (422, "/problems/invalid-document")
    assert {"/lines/0/price", "/lines/0/prize", "/lines/0/vat", "/seller", "/buyer"} == {
        row["pointer"] for row in answer.json["errors"]
    }
    large = await site.call("POST", "/v1/documents", data=b"{" + b" " * LIMIT, headers=headers)
    assert large.status == 413
    assert await count(store) == 0


async def test_what_is_written_from_json_is_held_to_the_limit_of_documents(site: Site, store: SqlStore) -> None:
    text = re.findall(r"```json\n(.*?)```", (DOCS / "json-invoice.md").read_text(encoding="utf-8"), re.S)[0]
    table = json.loads(text)
    table["lines"] = [{"name": "x", "price": 1, "vat": {"rate": 25}}] * 1_000
    del table["payable"]
    body = json.dumps(table).encode()
    assert len(body) < LIMIT // 3
    headers = {"Content-Type": "application/json"}
    answer = await site.call("POST", "/v1/documents", data=body, headers=headers)
    assert answer.status == 413
    table["lines"] = table["lines"][:100]
    answer = await site.call("POST", "/v1/documents", data=json.dumps(table).encode(), headers=headers)
    assert answer.status == 202 and await count(store) == 1
