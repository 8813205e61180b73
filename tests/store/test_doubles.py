"""Documents that may be earlier ones again: what counts as earlier, and that two at once are told apart."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from store_parts import EXEMPEL, NORDISK, START, StillClock, opened, outgoing

from gateway.model.double import DOUBLE_OF, LIKENESS, DoubleWatch, Likeness
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import Event, State
from gateway.model.message import Message, TimelineEntry
from gateway.ports import Added, Arrival
from gateway.store import SqlStore


def watched(arrival: Arrival) -> Arrival:
    """The same, compared with those of 400 days."""

    def told(new: Message, earlier: DocumentId, alike: Likeness) -> tuple[Message, TimelineEntry]:
        links = {**new.links, DOUBLE_OF: earlier, LIKENESS: str(alike)}
        return replace(new, links=links), replace(arrival.entry, reason=f"as {earlier}")

    since = arrival.message.created - timedelta(days=400)
    return replace(arrival, doubles=DoubleWatch(since=since, told=told))


def said(added: Added) -> tuple[str, str]:
    return added.message.links.get(DOUBLE_OF, ""), added.message.links.get(LIKENESS, "")


async def test_the_second_is_told_the_first_and_keeps_it(store: SqlStore) -> None:
    assert said(await store.add_once(watched(outgoing("d1")))) == ("", "")
    assert said(await store.add_once(watched(outgoing("d2")))) == ("d1", "same")
    assert said(await store.add_once(watched(outgoing("d3", octets=b"<Invoice>corrected</Invoice>")))) == (
        "d1",
        "likely",
    )
    stored = await store.get(EXEMPEL, DocumentId("d2"))
    assert stored.links[DOUBLE_OF] == "d1"
    assert [entry.reason for entry in await store.timeline(EXEMPEL, DocumentId("d2"))] == ["as d1"]


@pytest.mark.parametrize(
    "other",
    [
        {"number": "1002"},
        {"issue_date": date(2026, 11, 26)},
        {"document_type": "CreditNote"},
        {"sender": "0007:5567212048"},
        {"receiver": "0007:5590001235", "buyer_name": "Annan AB"},
        {"account": NORDISK},
        {"created": START + timedelta(days=401)},
    ],
    ids=["number", "day", "kind", "seller", "buyer", "account", "long ago"],
)
async def test_another_document_is_no_double(store: SqlStore, other: dict[str, object]) -> None:
    await store.add_once(watched(outgoing("d1")))
    changed = {"octets": b"<Invoice>2</Invoice>"} | other
    assert said(await store.add_once(watched(outgoing("d2", **changed)))) == ("", "")  # type: ignore[arg-type]


async def test_a_buyer_that_was_found_at_another_address_is_the_same_buyer(store: SqlStore) -> None:
    await store.add_once(watched(outgoing("d1", receiver="0088:7300010000001")))
    again = outgoing("d2", octets=b"<Invoice>2</Invoice>", receiver="")
    assert said(await store.add_once(watched(again))) == ("d1", "likely")


@pytest.mark.parametrize("event", ["GaveUp", "Rejected"])
async def test_one_that_reached_nobody_is_no_reason(store: SqlStore, event: str) -> None:
    await store.add_once(watched(outgoing("d1")))
    (first,) = await store.claim("worker", 1, 60)
    await store.record(first, Event(name=event, reason="no"))  # type: ignore[arg-type]
    assert said(await store.add_once(watched(outgoing("d2")))) == ("", "")


async def test_of_many_in_one_commit_one_is_the_first(store: SqlStore) -> None:
    added = await asyncio.gather(*(store.add_once(watched(outgoing(f"d{n}"))) for n in range(20)))
    firsts = [one.message.id for one in added if said(one) == ("", "")]
    assert len(firsts) == 1
    assert {said(one) for one in added if one.message.id != firsts[0]} == {(firsts[0], "same")}


async def test_what_only_repeats_its_key_is_nobodys_first(store: SqlStore) -> None:
    await store.add_once(watched(outgoing("d1", key="k")))
    (first,) = await store.claim("worker", 1, 60)
    await store.record(first, Event(name="GaveUp", reason="no"))
    repeat, other = await asyncio.gather(
        store.add_once(watched(outgoing("d2", key="k"))), store.add_once(watched(outgoing("d3")))
    )
    assert (repeat.new, repeat.message.id, repeat.message.state) == (False, "d1", State.FAILED)
    assert (other.new, said(other)) == (True, ("", ""))  # d2 was never there


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_two_nodes_at_the_same_moment_have_one_first(tmp_path: Path, clock: StillClock, database: str) -> None:
    async with opened(tmp_path, clock, owner="a") as one, opened(tmp_path, clock, owner="b") as two:
        await one.add_account(EXEMPEL, "Exempel AB", "hash")
        for number in range(40):
            both = await asyncio.gather(
                *(
                    node.add_once(watched(outgoing(f"{at}{number}", number=f"n{number}", octets=b"<I>%d</I>" % number)))
                    for at, node in (("a", one), ("b", two))
                )
            )
            first, second = sorted(both, key=lambda added: bool(added.message.links.get(DOUBLE_OF)))
            assert (said(first), said(second)) == (("", ""), (first.message.id, "same"))
