"""Events by cursor: all of them, in order, once, and nobody else's."""

from __future__ import annotations

import pytest

from gateway.store import happened
from tests.web.conftest import Site, invoice


async def _all(site: Site, limit: int = 50, who: str = "alpha") -> list[dict[str, object]]:
    after, found = "", []
    for _ in range(500):
        answer = (
            await site.call("GET", f"/v1/events?limit={limit}" + (f"&after={after}" if after else ""), who=who)
        ).json
        found += answer["items"]
        if not answer["items"] and answer["next"] == after:
            return found
        after = answer["next"]
    raise AssertionError("it never ends")


async def test_what_came_is_the_event_that_a_webhook_sends(site: Site) -> None:
    document = await site.receive()
    (event,) = await _all(site)
    assert (event["id"], event["type"]) == (f"{document}_received", "document.received")
    assert event["data"]["document"] == (await site.get(f"/v1/documents/{document}")).json  # type: ignore[index]
    assert event["data"]["event"]["event"] == "Received"  # type: ignore[index]


async def test_page_by_page_nothing_is_missing_and_nothing_comes_twice(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(happened, "LOOKED_AT", 3)
    documents = [(await site.submit(invoice(str(n)), key=str(n))).json["id"] for n in range(7)]
    await site.gateway.worker.run_once()
    expected = []
    for document in documents:
        rows = (await site.get(f"/v1/documents/{document}/timeline")).json["items"]
        expected += [(document, row["event"]) for row in rows]
    for limit in (1, 2, 50):
        events = await _all(site, limit)
        seen = [(e["data"]["document"]["id"], e["data"]["event"]["event"]) for e in events]  # type: ignore[index]
        assert sorted(seen) == sorted(expected)
        assert len({e["id"] for e in events}) == len(events)
        assert [e["timestamp"] for e in events] == sorted(e["timestamp"] for e in events)  # type: ignore[type-var]


async def test_nothing_of_another_account_is_seen_and_his_cursor_moves_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(happened, "LOOKED_AT", 2)
    for n in range(5):
        await site.submit(invoice(str(n)), key=str(n))
    assert await _all(site, who="beta") == []
    first = (await site.call("GET", "/v1/events", who="beta")).json
    assert first["next"] == "2"  # what was looked at is not looked at again


async def test_from_now_on(site: Site) -> None:
    await site.submit(invoice())
    now = (await site.get("/v1/events?after=now")).json
    assert now["items"] == [] and int(now["next"]) > 0
    document = await site.receive()
    items = (await site.get(f"/v1/events?after={now['next']}")).json["items"]
    assert [item["id"] for item in items] == [f"{document}_received"]


@pytest.mark.parametrize("after", ["-1", "x", "1" * 19, "%C2%B2", "1.0"])
async def test_a_cursor_that_is_none_is_refused(site: Site, after: str) -> None:
    assert (await site.get(f"/v1/events?after={after}")).status == 400
