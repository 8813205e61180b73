"""What the worker asks of both databases beside claim and record: deaths, hastening, and what happened by cursor."""

from __future__ import annotations

from datetime import timedelta

import pytest
from store_parts import EXEMPEL, NORDISK, START, StillClock, incoming, outgoing

from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import Event
from gateway.store import SqlStore, hastening
from gateway.store import store as store_module

LATER = START + timedelta(hours=5)


async def test_a_claim_that_ended_without_a_word_is_a_death(store: SqlStore, clock: StillClock) -> None:
    await store.add_once(outgoing("d1"))
    for deaths in range(3):
        (message,) = await store.claim("w", 10, 60.0)
        assert await store.deaths(message) == deaths
        clock.pass_seconds(61)
    (message,) = await store.claim("w", 10, 60.0)
    aside = Event(name="Postponed", reason="aside", next_attempt=clock.now(), detail={"deaths": 3})
    await store.record(message, aside)
    (message,) = await store.claim("w", 10, 60.0)
    assert await store.deaths(message) == 3
    await store.record(message, Event(name="Postponed", reason="no answer", next_attempt=clock.now()))
    (message,) = await store.claim("w", 10, 60.0)
    assert await store.deaths(message) == 0


async def _postponed(store: SqlStore, *arrivals: object, peer: str = "", channel: str = "") -> None:
    for arrival in arrivals:
        await store.add_once(arrival)  # type: ignore[arg-type]
    for message in await store.claim("w", 100, 60.0):
        if channel:
            message = await store.record(message, Event(name="Diverted", reason="x", channel=channel), keep_lease=True)
        await store.record(message, Event(name="Postponed", reason="dead", next_attempt=LATER, peer=peer))


async def _due(store: SqlStore) -> list[str]:
    return [message.id for message in await store.claim("other", 100, 60.0)]


async def test_what_waits_for_an_access_point_is_due_oldest_first_and_nothing_else(
    store: SqlStore, clock: StillClock
) -> None:
    for name in ("d1", "d2", "d3"):
        clock.pass_seconds(1)
        await _postponed(store, outgoing(name, created=clock.now()), peer="POP000009")
    await _postponed(store, outgoing("other"), peer="POP000008")
    await _postponed(store, outgoing("letter"), channel="print")
    await _postponed(store, incoming("came", receiver="0007:1"))
    assert await _due(store) == []
    await store.hasten(peer="POP000009")
    assert await _due(store) == ["d1", "d2", "d3"]
    await store.hasten(channel="print")
    assert await _due(store) == ["letter"]
    await store.hasten(receivers=["0007:2"])
    assert await _due(store) == []
    await store.hasten(receivers=["0007:2", "0007:1"])
    assert await _due(store) == ["came"]


async def test_many_are_hastened_in_several_goes(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hastening, "MOST", 2)
    monkeypatch.setattr(store_module, "MOST", 2)
    await _postponed(store, *(outgoing(f"d{n}") for n in range(7)), peer="POP000009")
    await store.hasten(peer="POP000009")
    assert len(await _due(store)) == 7


async def test_what_happened_is_told_in_order_to_its_account_only(store: SqlStore, clock: StillClock) -> None:
    await store.add_once(outgoing("d1"))
    await store.add_once(outgoing("d2", account=NORDISK))
    clock.pass_seconds(60)  # by now every writer has written what it had
    rows, last = await store.happened(EXEMPEL, 0, 10)
    assert [(message.id, entry.event) for _, message, entry in rows] == [("d1", "Accepted")]
    assert await store.happened(EXEMPEL, last, 10) == ([], last)
    assert last == await store.latest()
    rows, _ = await store.happened(NORDISK, 0, 10)
    assert [message.id for _, message, _ in rows] == [DocumentId("d2")]
