"""A letter that came back: its address gets no other, its receiver is searched for, and people hear what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import LookupUnavailable
from gateway.exchange.letters import Lettered, PostRoom
from gateway.exchange.returns import Returns
from gateway.model.addresses import Cause, post_key
from gateway.model.counterpart import AutoAccept, CounterpartFilter, Quality, RelationPolicy
from gateway.model.document import PostalAddress
from gateway.model.letter import ReturnReason, letter_id
from gateway.model.lifecycle import State
from gateway.model.message import Message, Route
from gateway.model.proposal import ProposalState
from gateway.ubl import invoice
from tests.exchange.conftest import ACCOUNT, ENDPOINT, OTHER, Exchange, sample

both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
PAPER = sample("letter")
BUYER = invoice.read(PAPER).buyer
STREET = BUYER.address.street.encode()


@pytest.fixture
def room(exchange: Exchange) -> PostRoom:
    """The post room over this exchange, whose letters are written down."""
    store, clock = exchange.store, exchange.clock
    exchange.email.refusal = "no e-mail address"
    channels = exchange.outbound.channels
    channels["print"] = Lettered(channel=exchange.print, store=store, clock=clock)  # type: ignore[index]
    returns = Returns(store=store, clock=clock, routing=exchange.outbound.routing, lookup=exchange.lookup)
    return PostRoom(store=store, clock=clock, returns=returns)


async def sent(exchange: Exchange, octets: bytes = PAPER, **more: object) -> Message:
    message = await exchange.submit(octets, **more)
    await exchange.settle()
    return await exchange.now(message)


async def back(room: PostRoom, message: Message, reason: ReturnReason = ReturnReason.MOVED) -> None:
    await room.returned(ACCOUNT, letter_id(message.id), reason, "", "a clerk", None)


async def named(exchange: Exchange) -> str:
    """An address on the network for the buyer, from the register."""
    found, _ = await exchange.store.relations.counterparts(ACCOUNT, CounterpartFilter())
    return found[0].addresses[0].key


@both
async def test_the_next_invoice_is_not_printed_to_an_address_from_which_one_came_back(
    exchange: Exchange, room: PostRoom
) -> None:
    await back(room, await sent(exchange))
    (mark,), _ = await exchange.store.addresses.listed(ACCOUNT, 50, "")
    assert (mark.channel, mark.cause) == ("print", Cause.MOVED) and BUYER.address.city in mark.address
    message = await sent(exchange)
    assert (message.state, len(exchange.print.parcels)) == (State.FAILED, 1)
    row = (await exchange.events(message))[-1]
    assert "the receiver has moved" in row.reason and "Correct the postal address" in row.detail["remedy"]
    last = row.detail["way"][-1]
    assert "har flyttat" in last["sv"] and "has moved" in last["en"]
    explicit = await sent(exchange, route=Route.PRINT)
    assert (explicit.state, len(exchange.print.parcels)) == (State.FAILED, 1)
    corrected = await sent(exchange, PAPER.replace(STREET, b"Nygatan 7"))
    assert (corrected.state, len(exchange.print.parcels)) == (State.DISPATCHED, 2)
    assert await exchange.store.addresses.listed(OTHER, 50, "") == ([], "")


@both
async def test_a_clerk_says_that_the_address_is_good(exchange: Exchange, room: PostRoom) -> None:
    await back(room, await sent(exchange), ReturnReason.UNDELIVERABLE)
    (one,), _ = await exchange.store.relations.counterparts(ACCOUNT, CounterpartFilter())
    assert one.address_quality is Quality.BAD
    (mark,), _ = await exchange.store.addresses.listed(ACCOUNT, 50, "")
    await exchange.outbound.addresses.lift(ACCOUNT, mark.id, "a clerk")
    (one,), _ = await exchange.store.relations.counterparts(ACCOUNT, CounterpartFilter())
    assert one.address_quality is Quality.UNKNOWN
    assert (await sent(exchange)).state is State.DISPATCHED


@both
async def test_a_return_starts_a_search_that_becomes_a_proposal(exchange: Exchange, room: PostRoom) -> None:
    await exchange.store.relations.save_policy(ACCOUNT, RelationPolicy(auto_accept=AutoAccept.NEVER), "test")
    message = await sent(exchange)
    key = await named(exchange)
    exchange.lookup.answers[key] = LookupUnavailable("SERVFAIL")
    await back(room, message)
    await room.turn()
    assert (await exchange.store.relations.proposals(ACCOUNT))[0] == []
    exchange.lookup.answers[key] = ENDPOINT
    await room.turn()
    assert (await exchange.store.relations.proposals(ACCOUNT))[0] == [], "it is asked again after a while"
    exchange.clock.forward(minutes=16)
    await room.turn()
    (proposal,), _ = await exchange.store.relations.proposals(ACCOUNT)
    assert (proposal.state, proposal.participant, proposal.from_channel) == (ProposalState.OPEN, key, "print")
    row = (await exchange.events(message))[-1]
    assert "searched for anew" in row.reason and "söktes på nytt" in row.detail["way"][-1]["sv"]
    asked = len(exchange.lookup.asked)
    exchange.clock.forward(days=2)
    await room.turn()
    assert len(exchange.lookup.asked) == asked, "it is owed once"


async def test_what_is_found_after_a_return_carries_the_next_invoice(exchange: Exchange, room: PostRoom) -> None:
    message = await sent(exchange)
    exchange.lookup.answers[await named(exchange)] = ENDPOINT
    await back(room, message)
    await room.turn()
    assert (await sent(exchange)).state is State.SENT
    assert len(exchange.print.parcels) == 1


async def test_a_return_is_known_by_the_address_however_it_is_written() -> None:
    one = PostalAddress(street="Storgatan 1", postal_code="111 22", city="Stockholm")
    other = PostalAddress(street="STORGATAN  1", postal_code="11122", city="Stockholm")
    assert post_key("Exempel AB", one) == post_key("exempel ab", other)
    assert post_key("Exempel AB", one) != post_key("Exempel 2 AB", one)
    assert post_key("Exempel AB", one) != post_key("Exempel AB", replace(one, street="Storgatan 11"))
    assert post_key("Exempel AB", PostalAddress()) == ""
