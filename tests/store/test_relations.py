"""Counterparts, relations and proposals in the store: whole commits, one of each, nothing of another account."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from store_parts import EXEMPEL, NORDISK, START, StillClock, outgoing

from gateway.errors import Conflict, LostLease, NotFound
from gateway.model.counterpart import (
    AutoAccept,
    Counterpart,
    CounterpartFilter,
    CounterpartId,
    Identifier,
    Origin,
    PartyKind,
    Profile,
    Quality,
    RelationPolicy,
    Role,
)
from gateway.model.document import PostalAddress
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import Event
from gateway.model.message import Direction, Route
from gateway.model.proposal import Decision, Proposal, ProposalId, ProposalState, Volume
from gateway.model.relating import Capability, EvidenceId, LookupEvidence, Relation, RelationState, Verdict
from gateway.ports import Changes
from gateway.store import SqlStore, remembered
from gateway.store.accounts import run_errands

ORG = Identifier(scheme="0007", value="5567212047", origin=Origin.MASTER_DATA)
GLN = Identifier(scheme="0088", value="7365567212048", origin=Origin.DERIVED, verified=START)


def customer(id_: str = "c1", **more: Any) -> Counterpart:
    values: dict[str, Any] = {
        "id": CounterpartId(id_),
        "account": EXEMPEL,
        "role": Role.CUSTOMER,
        "number": f"N-{id_}",
        "name": f"Kund {id_} AB",
        "names": ("Kunden",),
        "country": "SE",
        "kind": PartyKind.BUSINESS,
        "identifiers": (ORG, GLN),
        "address": PostalAddress(name="Kund AB", street="Storgatan 1", postal_code="392 32", city="Kalmar"),
        "email": "faktura@kund.example",
        "email_quality": Quality.BAD,
        "route": Route.AUTO,
        "preferred": "print",
        "opt_out": ("email",),
        "created": START,
        "updated": START,
    }
    return Counterpart(**(values | more))


def way(id_: str = "c1", **more: Any) -> Relation:
    values: dict[str, Any] = {
        "account": EXEMPEL,
        "counterpart": CounterpartId(id_),
        "direction": Direction.OUT,
        "state": RelationState.ACTIVE,
        "participant": "0007:5567212047",
        "reason_sv": "hittad",
        "reason_en": "found",
        "since": START,
        "created": START,
        "updated": START,
    }
    return Relation(**(values | more))


def proposed(id_: str, of: str, saving: str = "10", **more: Any) -> Proposal:
    values: dict[str, Any] = {
        "id": ProposalId(id_),
        "account": EXEMPEL,
        "counterpart": CounterpartId(of),
        "direction": Direction.OUT,
        "from_channel": "print",
        "saving": Decimal(saving),
        "evidence": ("e1",),
        "risks": ("sink",),
        "created": START,
        "updated": START,
    }
    return Proposal(**(values | more))


async def add(store: SqlStore, *of: Counterpart) -> None:
    await store.relations.commit(Changes(counterparts=tuple((one, None) for one in of)))


async def test_what_is_saved_is_read_as_it_was(store: SqlStore) -> None:
    await add(store, customer())
    assert await store.relations.counterpart(EXEMPEL, CounterpartId("c1")) == customer()
    assert list(await store.relations.known_by(EXEMPEL, Role.CUSTOMER, [ORG.key])) == [customer()]
    assert list(await store.relations.numbered(EXEMPEL, Role.CUSTOMER, ["N-c1", "none"])) == [customer()]
    assert list(await store.relations.named(EXEMPEL, Role.CUSTOMER, "KUND C1 ab")) == [customer()]
    capability = Capability(
        account=EXEMPEL,
        counterpart=CounterpartId("c1"),
        direction=Direction.OUT,
        channel="peppol",
        source="smp",
        valid_from=START,
        seen=START,
    )
    evidence = LookupEvidence(
        id=EvidenceId("e1"), account=EXEMPEL, counterpart="c1", asked="NAPTR", verdict=Verdict.INDETERMINATE, time=START
    )
    await store.relations.commit(Changes(relations=((way(), None),), capabilities=(capability,), evidence=(evidence,)))
    later = replace(capability, seen=START + timedelta(days=1), quality="sink")
    await store.relations.commit(Changes(capabilities=(later,)))
    assert list(await store.relations.relations(EXEMPEL, CounterpartId("c1"))) == [way()]
    assert list(await store.relations.capabilities(EXEMPEL, CounterpartId("c1"))) == [later]
    assert list(await store.relations.evidence(EXEMPEL, CounterpartId("c1"))) == [evidence]


async def test_a_change_that_somebody_else_was_quicker_with_writes_nothing_at_all(store: SqlStore) -> None:
    await add(store, customer())
    newer = replace(customer(), name="Nytt namn", updated=START + timedelta(seconds=1))
    await store.relations.commit(Changes(counterparts=((newer, START),)))
    changes = Changes(counterparts=((customer("c2"), None), (replace(newer, name="Annat"), START)))
    with pytest.raises(LostLease):
        await store.relations.commit(changes)
    with pytest.raises(NotFound):
        await store.relations.counterpart(EXEMPEL, CounterpartId("c2"))
    assert (await store.relations.counterpart(EXEMPEL, CounterpartId("c1"))).name == "Nytt namn"
    await store.relations.commit(Changes(relations=((way(), None),)))
    for again in ((way(), None), (way(reason_en="other"), START - timedelta(seconds=1))):
        with pytest.raises(LostLease):
            await store.relations.commit(Changes(relations=(again,)))


async def test_a_number_is_there_once_in_a_role(store: SqlStore) -> None:
    await add(store, customer(), customer("s1", role=Role.SUPPLIER, number="N-c1"), customer("x", number=""))
    await add(store, customer("y", number=""))
    with pytest.raises(Conflict, match="customer number N-c1 belongs to another"):
        await add(store, customer("c2", number="N-c1"))
    with pytest.raises(NotFound, match="no account nobody"):
        await add(store, customer("c3", account="nobody"))


async def test_another_account_sees_and_changes_nothing(store: SqlStore) -> None:
    await add(store, customer())
    await store.relations.commit(Changes(relations=((way(), None),), proposals=((proposed("p1", "c1"), None),)))
    id_ = CounterpartId("c1")
    for call in (
        store.relations.counterpart(NORDISK, id_),
        store.relations.remove(NORDISK, id_, "test"),
        store.relations.proposal(NORDISK, ProposalId("p1")),
    ):
        with pytest.raises(NotFound):
            await call
    assert list(await store.relations.known_by(NORDISK, Role.CUSTOMER, [ORG.key])) == []
    assert list(await store.relations.relations(NORDISK, id_)) == []
    assert (await store.relations.counterparts(NORDISK, CounterpartFilter()))[0] == []
    assert (await store.relations.proposals(NORDISK))[0] == []
    stolen = replace(customer(), account=NORDISK, name="Stulen")
    with pytest.raises(LostLease):
        await store.relations.commit(Changes(counterparts=((stolen, START),)))
    with pytest.raises(LostLease):
        await store.relations.commit(Changes(proposals=((proposed("p1", "c1", account=NORDISK), START),)))
    assert (await store.relations.counterpart(EXEMPEL, id_)) == customer()


async def test_lists_go_page_by_page_and_search_in_names_and_numbers(store: SqlStore) -> None:
    await add(store, *(customer(f"c{n}", name=f"Kund {n % 3}", identifiers=()) for n in range(7)))
    seen: list[str] = []
    cursor = ""
    while True:
        page, cursor = await store.relations.counterparts(EXEMPEL, CounterpartFilter(limit=2, cursor=cursor))
        seen += [one.id for one in page]
        if not cursor:
            break
    assert seen == ["c0", "c3", "c6", "c1", "c4", "c2", "c5"]
    found, _ = await store.relations.counterparts(EXEMPEL, CounterpartFilter(query="kund N-C4"))
    assert [one.id for one in found] == ["c4"]
    assert (await store.relations.counterparts(EXEMPEL, CounterpartFilter(query="%")))[0] == []
    with pytest.raises(NotFound):
        await store.relations.counterparts(EXEMPEL, CounterpartFilter(cursor="nobody"))


async def test_proposals_come_by_what_they_save_with_every_decision(store: SqlStore) -> None:
    await add(store, *(customer(f"c{n}") for n in range(3)))
    rows = [proposed("p0", "c0", "9.50"), proposed("p1", "c1", "100"), proposed("p2", "c2", "-1")]
    await store.relations.commit(Changes(proposals=tuple((one, None) for one in rows)))
    first, cursor = await store.relations.proposals(EXEMPEL, limit=2)
    rest, end = await store.relations.proposals(EXEMPEL, limit=2, cursor=cursor)
    assert ([one.id for one in (*first, *rest)], end) == (["p1", "p0", "p2"], "")
    with pytest.raises(LostLease):
        await store.relations.commit(Changes(proposals=((proposed("p9", "c1"), None),)))
    decision = Decision(
        account=EXEMPEL,
        proposal=ProposalId("p1"),
        counterpart=CounterpartId("c1"),
        event="Accepted",
        actor="clerk",
        text_sv="Flytta",
        text_en="Move",
        time=START,
    )
    accepted = replace(rows[1], state=ProposalState.ACCEPTED, updated=START + timedelta(seconds=1))
    await store.relations.commit(Changes(proposals=((accepted, START),), decisions=(decision,)))
    assert await store.relations.proposal(EXEMPEL, ProposalId("p1")) == accepted
    assert list(await store.relations.decisions(EXEMPEL, ProposalId("p1"))) == [decision]
    open_ones, _ = await store.relations.proposals(EXEMPEL, states=[ProposalState.OPEN])
    assert [one.id for one in open_ones] == ["p0", "p2"]


async def test_a_removed_counterpart_is_gone_but_not_what_was_decided(store: SqlStore) -> None:
    await add(store, customer())
    decision = Decision(
        account=EXEMPEL,
        proposal=ProposalId("p1"),
        counterpart=CounterpartId("c1"),
        event="Declined",
        actor="clerk",
        time=START,
    )
    await store.relations.commit(
        Changes(relations=((way(), None),), proposals=((proposed("p1", "c1"), None),), decisions=(decision,))
    )
    assert (await store.relations.profile(EXEMPEL)).customers
    await store.relations.remove(EXEMPEL, CounterpartId("c1"), "clerk")
    assert list(await store.relations.relations(EXEMPEL, CounterpartId("c1"))) == []
    assert list(await store.relations.decisions(EXEMPEL, ProposalId("p1"))) == [decision]
    assert not (await store.relations.profile(EXEMPEL)).customers


async def test_what_was_read_a_moment_ago_is_read_anew_after_a_change(store: SqlStore, clock: StillClock) -> None:
    await add(store, customer())
    (first,) = await store.relations.known_by(EXEMPEL, Role.CUSTOMER, [ORG.key])
    assert await store.relations.relations(EXEMPEL, first.id) == []
    later = replace(first, preferred="email", updated=START + timedelta(seconds=1))
    await store.relations.commit(Changes(counterparts=((later, first.updated),), relations=((way(), None),)))
    assert await store.relations.known_by(EXEMPEL, Role.CUSTOMER, [ORG.key]) == [later]
    assert [one.state for one in await store.relations.relations(EXEMPEL, first.id)] == [way().state]
    assert await store.relations.known_by(NORDISK, Role.CUSTOMER, [ORG.key]) == []


async def test_what_another_process_changes_is_seen_soon(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await add(store, customer())
    assert len(await store.relations.known_by(EXEMPEL, Role.CUSTOMER, [ORG.key])) == 1
    monkeypatch.setattr(store.relations, "write", partial(store._writer.do, run_errands))  # as if another had written
    await store.relations.remove(EXEMPEL, CounterpartId("c1"), "clerk")
    monkeypatch.setattr(remembered, "UNNOTICED_SECONDS", 0.0)
    async with asyncio.timeout(20):
        while await store.relations.known_by(EXEMPEL, Role.CUSTOMER, [ORG.key]):
            await asyncio.sleep(0.05)


async def test_the_policy_is_the_accounts_own(store: SqlStore) -> None:
    assert await store.relations.profile(EXEMPEL) == Profile()
    policy = RelationPolicy(auto_accept=AutoAccept.NEVER, kinds=(PartyKind.PUBLIC,), sinks=("POP000009",), share=True)
    await store.relations.save_policy(EXEMPEL, RelationPolicy(largest="100"), "clerk")
    await store.relations.save_policy(EXEMPEL, policy, "clerk")
    assert (await store.relations.profile(EXEMPEL)).policy == policy
    assert (await store.relations.profile(NORDISK)).policy == RelationPolicy()


async def test_relations_are_due_when_their_time_has_come(store: SqlStore, clock: StillClock) -> None:
    await add(store, customer("c1"), customer("c2"), customer("c3"))
    times = {"c1": START + timedelta(minutes=5), "c2": None, "c3": START - timedelta(minutes=5)}
    await store.relations.commit(Changes(relations=tuple((way(c, next_check=t), None) for c, t in times.items())))
    assert [one.counterpart for one in await store.relations.due(START, 10)] == ["c3"]
    assert [one.counterpart for one in await store.relations.due(START + timedelta(hours=1), 10)] == ["c3", "c1"]


async def test_rejections_are_counted_by_participant_and_document(store: SqlStore, clock: StillClock) -> None:
    day = timedelta(days=1)
    for message in ("d1", "d1", "d2"):
        clock.pass_seconds(60)
        seen = await store.relations.note_rejection(EXEMPEL, "0007:1", DocumentId(message), "X", clock.now() - day)
    assert (seen.times, seen.documents) == (3, 2)
    clock.pass_seconds(86_401)
    seen = await store.relations.note_rejection(EXEMPEL, "0007:1", DocumentId("d3"), "X", clock.now() - day)
    assert (seen.times, seen.documents) == (1, 1)


async def test_volumes_count_what_went_by_address_name_and_channel(store: SqlStore, clock: StillClock) -> None:
    for place in range(3):
        await store.add_once(outgoing(f"d{place}", key=f"k{place}", next_attempt=clock.now()))
    for message in await store.claim("worker", 10, 60):
        channel = "print" if message.id != "d2" else "email"
        await store.record(message, Event(name="Diverted", reason="no", channel=channel))
    found = await store.relations.volumes(EXEMPEL, Direction.OUT, START - timedelta(days=1))
    one = await store.get(EXEMPEL, DocumentId("d0"))
    expected = [
        Volume(receiver=one.receiver, name=one.buyer_name, channel=c, documents=n, last=one.created)
        for c, n in (("email", 1), ("print", 2))
    ]
    assert sorted(found, key=lambda v: v.channel) == expected
    assert await store.relations.volumes(NORDISK, Direction.OUT, START - timedelta(days=1)) == []
    assert await store.relations.volumes(EXEMPEL, Direction.OUT, START + timedelta(days=1)) == []
