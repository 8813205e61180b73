"""The way of an invoice over a real store: what is learned, waited for, proposed, left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import ChannelRefused, Conflict, LookupUnavailable, NotFound, PeerRefused
from gateway.exchange.meeting import counterpart_of
from gateway.model.counterpart import AutoAccept, Counterpart, CounterpartFilter, PartyKind, RelationPolicy, Role
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Message, Route
from gateway.model.proposal import Proposal, ProposalState
from gateway.model.relating import Relation, RelationState, Verdict
from gateway.ports import Changes
from gateway.ubl import invoice
from tests.exchange.conftest import ACCOUNT, ENDPOINT, OTHER, Exchange, sample

NETWORK = sample("network")
BUYER = invoice.read(NETWORK).buyer.endpoint
NAME = invoice.read(NETWORK).buyer.shown_name
assert BUYER
both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


async def enter(exchange: Exchange, **more: Any) -> Counterpart:
    """The buyer of the sample in the account's own register."""
    buyer, now = invoice.read(NETWORK).buyer, exchange.clock.now()
    new = counterpart_of(ACCOUNT, buyer, Role.CUSTOMER, (BUYER.value,), now)
    new = replace(new, number="1001", origin="master_data", **more)
    await exchange.store.relations.commit(Changes(counterparts=((new, None),)))
    return new


async def policy(exchange: Exchange, mode: AutoAccept) -> None:
    await exchange.store.relations.save_policy(ACCOUNT, RelationPolicy(auto_accept=mode), "test")


async def sent(exchange: Exchange, **more: Any) -> Message:
    message = await exchange.submit(NETWORK, **more)
    await exchange.settle()
    return await exchange.now(message)


async def known(exchange: Exchange) -> Counterpart:
    found, _ = await exchange.store.relations.counterparts(ACCOUNT, CounterpartFilter())
    assert len(found) == 1
    return found[0]


async def relation(exchange: Exchange) -> Relation:
    (way,) = await exchange.store.relations.relations(ACCOUNT, (await known(exchange)).id)
    return way


async def proposal(exchange: Exchange) -> Proposal:
    (one,), _ = await exchange.store.relations.proposals(ACCOUNT)
    return one


async def way_of(exchange: Exchange, message: Message) -> list[dict[str, str]]:
    """The reasons of the last decision, as the timeline keeps them."""
    rows = [entry.detail["way"] for entry in await exchange.events(message) if "way" in entry.detail]
    return rows[-1]  # type: ignore[return-value]


@both
async def test_the_first_invoice_brings_its_buyer_into_the_register_and_the_next_writes_nothing(
    exchange: Exchange,
) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    first = await sent(exchange)
    assert first.state is State.SENT
    one, way = await known(exchange), await relation(exchange)
    assert (one.name, one.origin, one.addresses[0].key) == (NAME, "invoice", BUYER.value)
    assert (way.state, way.participant, way.seat) == (RelationState.ACTIVE, BUYER.value, "POP000002")
    (evidence,) = await exchange.store.relations.evidence(ACCOUNT, one.id)
    assert (evidence.verdict, evidence.message) == (Verdict.POSITIVE, first.id) and len(evidence.digest) == 64
    assert (await exchange.store.relations.capabilities(ACCOUNT, one.id))[0].quality == "structured"
    exchange.clock.forward(minutes=5)
    await sent(exchange)
    assert await relation(exchange) == way
    exchange.clock.forward(hours=13)
    await sent(exchange)
    assert (await relation(exchange)).confirmed == exchange.clock.now()
    assert [said["step"] for said in await way_of(exchange, first)] == ["search", "policy"]
    assert all(said["sv"] and said["en"] for said in await way_of(exchange, first))


async def test_a_receiver_that_vanishes_is_waited_for_and_gets_its_invoice_when_it_is_there_again(
    exchange: Exchange,
) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    await sent(exchange)
    del exchange.lookup.answers[BUYER.value]
    message = await sent(exchange)
    assert (message.state, (await relation(exchange)).state) == (State.ACCEPTED, RelationState.SUSPECT)
    assert "maybe it changes operator" in (await exchange.events(message))[-1].reason
    for minutes in (4, 1, 10, 45):
        exchange.clock.forward(minutes=minutes)
        await exchange.settle()
    assert (await exchange.now(message)).state is State.ACCEPTED
    exchange.lookup.answers[BUYER.value] = replace(ENDPOINT, seat="POP000077")
    exchange.clock.forward(minutes=120)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.SENT
    way = await relation(exchange)
    assert (way.state, way.seat, way.denied) == (RelationState.ACTIVE, "POP000077", None)
    assert exchange.email.parcels == [] == exchange.print.parcels


async def test_one_that_stays_away_takes_another_way_after_four_hours_and_is_lost_after_a_day(
    exchange: Exchange,
) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    await sent(exchange)
    del exchange.lookup.answers[BUYER.value]
    message = await sent(exchange)
    for _ in range(23):
        exchange.clock.forward(minutes=10)
        await exchange.settle()
    assert (await exchange.now(message)).state is State.ACCEPTED
    exchange.clock.forward(minutes=11)
    await exchange.settle()
    assert (await exchange.now(message)).channel == "email"
    assert (await relation(exchange)).state is RelationState.SUSPECT
    exchange.clock.forward(hours=20)
    later = await sent(exchange)
    assert (later.channel, (await relation(exchange)).state) == ("email", RelationState.LOST)
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    assert (await sent(exchange)).state is State.SENT
    assert (await relation(exchange)).state is RelationState.ACTIVE


async def test_no_answer_is_never_a_reason_for_paper_however_long_it_lasts(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    await sent(exchange)
    exchange.lookup.answers[BUYER.value] = LookupUnavailable("SERVFAIL")
    message = await sent(exchange)
    for _ in range(130):
        exchange.clock.forward(hours=1)
        await exchange.settle()
    assert (await exchange.now(message)).state is State.FAILED
    assert (await relation(exchange)).state is RelationState.ACTIVE
    assert exchange.email.parcels == [] == exchange.print.parcels


@both
async def test_a_proposal_that_is_accepted_makes_the_next_invoice_electronic_and_is_measured(
    exchange: Exchange,
) -> None:
    await enter(exchange, preferred="print")
    for _ in range(3):
        assert (await sent(exchange)).channel == "print"
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    message = await sent(exchange)
    assert (message.state, message.channel) == (State.DISPATCHED, "print")
    assert "Set to letter, and can now get e-invoices" in message.reason
    one = await proposal(exchange)
    assert (one.state, one.from_channel, one.volume) == (ProposalState.OPEN, "print", 3)
    assert str(one.saving) == "45.00" and "45 SEK a year" in one.text_en and "45\u00a0kr per år" in one.text_sv
    assert one.evidence and "new-registration" in one.risks
    evidence = await exchange.store.relations.evidence(ACCOUNT, one.counterpart)
    assert set(one.evidence) <= {row.id for row in evidence}

    proposing = exchange.outbound.routing.proposing  # type: ignore[union-attr]
    with pytest.raises(NotFound):
        await proposing.decide(OTHER, one.id, "Accepted", actor="thief")
    await proposing.decide(ACCOUNT, one.id, "Accepted", actor="clerk")
    with pytest.raises(Conflict):
        await proposing.decide(ACCOUNT, one.id, "Accepted", actor="clerk")
    assert (await relation(exchange)).state is RelationState.ACTIVE
    assert (await sent(exchange)).channel == "peppol"
    assert (await proposal(exchange)).state is ProposalState.CONVERTED
    decisions = await exchange.store.relations.decisions(ACCOUNT, one.id)
    assert [d.event for d in decisions] == ["Accepted", "Converted"]
    assert decisions[0].actor == "clerk" and decisions[0].text_en == one.text_en


async def test_a_declined_proposal_keeps_the_old_way_and_does_not_come_again(exchange: Exchange) -> None:
    await policy(exchange, AutoAccept.NEVER)
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    assert (await sent(exchange)).channel == "email"
    one = await proposal(exchange)
    proposing = exchange.outbound.routing.proposing  # type: ignore[union-attr]
    await proposing.decide(ACCOUNT, one.id, "Declined", actor="clerk", reason="they want mail")
    exchange.clock.forward(hours=48)
    assert (await sent(exchange)).channel == "email"
    assert (await proposal(exchange)).state is ProposalState.DECLINED
    await proposing.decide(ACCOUNT, one.id, "Accepted", actor="clerk")
    assert (await sent(exchange)).channel == "peppol"


async def test_a_relapse_is_seen_and_opens_the_proposal_again(exchange: Exchange) -> None:
    await enter(exchange, preferred="print")
    await policy(exchange, AutoAccept.NEVER)
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    await sent(exchange)
    proposing = exchange.outbound.routing.proposing  # type: ignore[union-attr]
    await proposing.decide(ACCOUNT, (await proposal(exchange)).id, "Accepted", actor="clerk")
    assert (await sent(exchange)).channel == "peppol"
    del exchange.lookup.answers[BUYER.value]
    await sent(exchange)
    exchange.clock.forward(hours=25)
    assert (await sent(exchange)).channel == "email"
    assert (await proposal(exchange)).state is ProposalState.RELAPSED
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    assert (await sent(exchange)).channel == "email"
    assert (await proposal(exchange)).state is ProposalState.OPEN


async def test_a_receiver_that_refuses_again_and_again_is_left_alone_and_tried_with_one(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    assert (await sent(exchange)).state is State.SENT
    exchange.transport.errors = [PeerRefused("EBMS:0004", "no such mailbox") for _ in range(4)]
    for _ in range(3):
        assert (await sent(exchange)).state is State.REJECTED
    assert (await relation(exchange)).state is RelationState.QUARANTINED
    waiting = [await sent(exchange), await sent(exchange)]
    assert {one.state for one in waiting} == {State.ACCEPTED} and len(exchange.transport.sent) == 4
    assert "refused several invoices" in (await exchange.events(waiting[0]))[-1].reason
    exchange.clock.forward(minutes=61)
    await exchange.settle()
    assert len(exchange.transport.sent) == 5, "one is tried, the other waits for its word"
    exchange.clock.forward(minutes=241)
    await exchange.settle()
    exchange.clock.forward(minutes=241)
    await exchange.settle()
    assert (await relation(exchange)).state is RelationState.ACTIVE
    states = sorted([(await exchange.now(one)).state for one in waiting])
    assert states == [State.REJECTED, State.SENT]
    assert exchange.email.parcels == [] == exchange.print.parcels


async def test_what_is_not_wanted_is_not_tried_even_after_a_refusal(exchange: Exchange) -> None:
    await enter(exchange, opt_out=("print",))
    exchange.email.errors = [ChannelRefused("550 no such mailbox")]
    message = await sent(exchange)
    assert (message.state, exchange.print.parcels) == (State.REJECTED, [])


async def test_a_counterparts_explicit_way_never_falls_back(exchange: Exchange) -> None:
    await enter(exchange, route=Route.EMAIL)
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    exchange.email.errors = [ChannelRefused("550 no such mailbox")]
    message = await sent(exchange)
    assert (message.state, message.route, message.channel) == (State.REJECTED, Route.AUTO, "email")
    assert exchange.lookup.asked == [] and exchange.print.parcels == []
    assert (await way_of(exchange, message))[0]["step"] == "explicit"


async def test_where_the_law_wants_an_e_invoice_a_person_decides_and_nothing_is_printed(exchange: Exchange) -> None:
    one = await enter(exchange, kind=PartyKind.PUBLIC)
    message = await sent(exchange)
    assert message.state is State.FAILED and "act 2018:1277" in message.reason
    assert exchange.email.parcels == [] == exchange.print.parcels
    (said, *_), last = await way_of(exchange, message), (await exchange.events(message))[-1]
    assert "lag 2018:1277" in said["sv"] and "requeue" in str(last.detail["remedy"])
    free = replace(one, mandate="free", updated=exchange.clock.now())
    await exchange.store.relations.commit(Changes(counterparts=((free, one.updated),)))
    assert (await sent(exchange)).channel == "email"


async def test_an_invoice_with_an_envelope_or_an_explicit_route_asks_nobody_for_a_policy(exchange: Exchange) -> None:
    await policy(exchange, AutoAccept.NEVER)
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    assert (await sent(exchange, route=Route.PEPPOL)).state is State.SENT
    assert (await exchange.store.relations.proposals(ACCOUNT, direction=Direction.OUT))[0] == []


OFFICES = ("7300010000100", "7350000000009")
"""Two addresses of the same company, as their invoices name them."""


def of_office(octets: bytes, office: str) -> bytes:
    """The sample with this address of the buyer: company number and name stay."""
    assert BUYER
    old = f'<cbc:EndpointID schemeID="{BUYER.icd}">{BUYER.number}<'.encode()
    assert octets.count(old) == 1
    return octets.replace(old, f'<cbc:EndpointID schemeID="0088">{office}<'.encode())


@both
async def test_each_office_of_a_company_is_its_own_address(exchange: Exchange) -> None:
    """What happens at one office says nothing of another, and an invoice goes to none that it does not name."""
    first, second = (f"0088:{office}" for office in OFFICES)

    async def invoiced(office: str) -> Message:
        message = await exchange.submit(of_office(NETWORK, office))
        await exchange.settle()
        return await exchange.now(message)

    exchange.lookup.answers[first] = ENDPOINT
    assert (await invoiced(OFFICES[0])).state is State.SENT
    before = await relation(exchange)
    assert before.participant == first
    # The second is not there: its invoice goes by mail at once, never to the first, and the first stays as it is.
    other = await invoiced(OFFICES[1])
    assert (other.channel, len(exchange.transport.sent)) == ("email", 1)
    assert await relation(exchange) == before
    # It comes: the customer is known to want e-invoices, so even a careful account is not asked again.
    await policy(exchange, AutoAccept.NEVER)
    exchange.lookup.answers[second] = ENDPOINT
    exchange.clock.forward(minutes=1)
    there = await invoiced(OFFICES[1])
    assert (there.state, there.receiver) == (State.SENT, second)
    assert await relation(exchange) == before
    # The first vanishes: waited for, as ever.
    del exchange.lookup.answers[first]
    assert (await invoiced(OFFICES[0])).state is State.ACCEPTED
    assert (await relation(exchange)).state is RelationState.SUSPECT
