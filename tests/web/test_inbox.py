"""Pull delivery: what came, and the word that C4 has it."""

from __future__ import annotations

from tests.web.conftest import Site, invoice


async def test_what_came_is_new_until_it_is_acknowledged(site: Site) -> None:
    document = await site.receive()
    for path in ("/v1/inbox", "/v1/inbox?state=new", "/v1/inbox?state=all"):
        items = (await site.get(path)).json["items"]
        assert [(item["id"], item["direction"], item["state"]) for item in items] == [(document, "in", "RECEIVED")]
    answer = await site.call("POST", f"/v1/inbox/{document}/ack")
    assert (answer.status, answer.json["state"], answer.json["status"]) == (200, "DELIVERED", "delivered")
    assert answer.json["acknowledged"]
    assert (await site.get("/v1/inbox")).json == {"items": [], "next": None}
    assert len((await site.get("/v1/inbox?state=all")).json["items"]) == 1


async def test_acknowledging_twice_is_once(site: Site) -> None:
    document = await site.receive()
    first = await site.call("POST", f"/v1/inbox/{document}/ack")
    second = await site.call("POST", f"/v1/inbox/{document}/ack")
    assert (second.status, second.json) == (200, first.json)
    events = [row["event"] for row in (await site.get(f"/v1/documents/{document}/timeline")).json["items"]]
    assert len(events) == 2


async def test_what_was_sent_from_here_is_not_in_the_inbox(site: Site) -> None:
    document = (await site.submit(invoice())).json["id"]
    assert (await site.get("/v1/inbox?state=all")).json["items"] == []
    assert (await site.call("POST", f"/v1/inbox/{document}/ack")).status == 404


async def test_an_unknown_state_is_refused(site: Site) -> None:
    assert (await site.get("/v1/inbox?state=old")).status == 400


async def test_what_lies_in_the_inbox_or_was_sent_from_here_is_not_delivered_again(site: Site) -> None:
    for document in (await site.receive(), (await site.submit(invoice())).json["id"]):
        answer = await site.call("POST", f"/v1/documents/{document}/redeliver")
        assert (answer.status, answer.json["type"]) == (409, "/problems/conflict")


async def test_what_c4_has_acknowledged_is_not_requeued_by_mistake(site: Site) -> None:
    document = await site.receive()
    await site.call("POST", f"/v1/inbox/{document}/ack")
    assert (await site.call("POST", f"/v1/documents/{document}/requeue")).status == 409
