"""A mail that came back, and one that did not: what becomes of its invoice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import ChannelRefused, ChannelUnavailable, Overloaded
from gateway.exchange.bounces import Bounces
from gateway.model.addresses import Cause, FailedAddress
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import State
from gateway.model.mail import Kind, Returned
from gateway.model.message import Message, Route
from gateway.ubl import invoice
from tests.exchange.conftest import ACCOUNT, Exchange, sample

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)

EMAIL = sample("email")
ADDRESS = invoice.read(EMAIL).buyer.email


@pytest.fixture
def bounces(exchange: Exchange) -> Bounces:
    return Bounces(store=exchange.store, outbound=exchange.outbound, clock=exchange.clock)


def returned(message: Message, kind: Kind = "hard", octets: bytes = b"the report") -> Returned:
    return Returned(
        document=message.id,
        kind=kind,
        address="other@further.test",
        status="5.1.1",
        words="550 5.1.1 No such user",
        reporter="mx.test",
        octets=octets,
    )


async def marks(exchange: Exchange) -> list[FailedAddress]:
    found, _ = await exchange.store.addresses.listed(ACCOUNT, 50, "")
    return list(found)


async def mailed(exchange: Exchange, **more: object) -> Message:
    message = await exchange.submit(EMAIL, **more)
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.state, now.channel) == (State.DISPATCHED, "email")
    return now


async def test_a_hard_bounce_becomes_a_letter_with_its_reasons_and_proof(exchange: Exchange, bounces: Bounces) -> None:
    message = await mailed(exchange)
    await bounces.note(returned(message))
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.state, now.channel) == (State.DISPATCHED, "print")
    assert len(exchange.print.parcels) == 1
    row = next(e for e in await exchange.events(message) if e.detail.get("mail"))
    assert row.event == "Diverted" and row.evidence
    for words in ("Letter because", "not on the network", "e-mail came back", "550 5.1.1 No such user", "mx.test"):
        assert words in now.reason
    assert b"the report" in [proof.octets for _, _, proof in await exchange.store.evidence(ACCOUNT, message.id)]


async def test_the_same_report_twice_is_one_letter(exchange: Exchange, bounces: Bounces) -> None:
    message = await mailed(exchange)
    await bounces.note(returned(message))
    before = await exchange.events(message)
    assert "noted before" in await bounces.note(returned(message))
    await exchange.settle()
    assert "noted before" in await bounces.note(returned(message))
    await bounces.note(returned(message, octets=b"another report"))
    await exchange.settle()
    events = [e.event for e in await exchange.events(message)]
    assert events == [e.event for e in before] + ["Dispatched", "Noted"]
    assert len(exchange.print.parcels) == 1


async def test_the_address_gets_no_more_mail_until_it_is_released(exchange: Exchange, bounces: Bounces) -> None:
    await bounces.note(returned(await mailed(exchange)))
    message = await exchange.submit(EMAIL)
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.channel, len(exchange.email.parcels)) == ("print", 1)
    assert "no e-mail: " in now.reason and "550 5.1.1 No such user" in now.reason
    (mark,) = await marks(exchange)
    await exchange.outbound.addresses.lift(ACCOUNT, mark.id, "a clerk")
    await mailed(exchange)


async def test_a_quarantine_ends_by_itself(exchange: Exchange, bounces: Bounces) -> None:
    await bounces.note(returned(await mailed(exchange)))
    exchange.clock.forward(days=91)
    await mailed(exchange)


async def test_an_address_refused_at_once_gets_no_more_mail_either(exchange: Exchange, bounces: Bounces) -> None:
    exchange.email.errors = [ChannelRefused("550 5.1.1 nobody", address=ADDRESS)]
    for _ in range(2):
        message = await exchange.submit(EMAIL)
        await exchange.settle()
        assert (await exchange.now(message)).channel == "print"
    assert not exchange.email.parcels and not exchange.email.errors


async def test_what_was_given_up_without_blame_for_the_address_leaves_it_usable(
    exchange: Exchange, bounces: Bounces
) -> None:
    message = await mailed(exchange)
    await bounces.note(returned(message, "soft"))
    assert (await exchange.now(message)).channel == "print"
    await mailed(exchange)


@pytest.mark.parametrize("kind", ["delay", "auto-reply", "reply", "unclear", "complaint"])
async def test_what_is_no_bounce_moves_nothing_and_is_seen(exchange: Exchange, bounces: Bounces, kind: Kind) -> None:
    message = await mailed(exchange)
    await bounces.note(returned(message, kind))
    now = await exchange.now(message)
    assert (now.state, now.channel) == (State.DISPATCHED, "email")
    assert (await exchange.events(message))[-1].event == "Noted"
    assert [mark.cause for mark in await marks(exchange)] == [Cause.COMPLAINED] * (kind == "complaint")


async def test_after_the_window_without_a_bounce_it_is_delivered(exchange: Exchange, bounces: Bounces) -> None:
    message = await mailed(exchange)
    exchange.clock.forward(hours=71)
    assert await bounces.settle() == 0
    exchange.clock.forward(hours=1)
    assert await bounces.settle() == 1
    assert (await exchange.now(message)).state is State.DELIVERED
    assert "72 hours" in (await exchange.events(message))[-1].reason
    assert await bounces.settle() == 0


async def test_a_delay_makes_the_window_longer_and_letters_have_none(exchange: Exchange, bounces: Bounces) -> None:
    message = await mailed(exchange)
    exchange.email.refusal = "no address"
    letter = await exchange.submit(sample("letter"))
    await exchange.settle()
    exchange.clock.forward(hours=70)
    await bounces.note(returned(message, "delay"))
    exchange.clock.forward(hours=70)
    assert await bounces.settle() == 0
    exchange.clock.forward(hours=3)
    assert await bounces.settle() == 1
    assert (await exchange.now(letter)).state is State.DISPATCHED


async def test_a_bounce_after_the_window_still_becomes_a_letter(exchange: Exchange, bounces: Bounces) -> None:
    message = await mailed(exchange)
    exchange.clock.forward(days=4)
    await bounces.settle()
    await bounces.note(returned(message))
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.state, now.channel) == (State.DISPATCHED, "print")
    assert "after it counted as delivered" in now.reason


async def test_the_receivers_mail_server_may_say_that_it_arrived(exchange: Exchange, bounces: Bounces) -> None:
    message = await mailed(exchange)
    await bounces.note(returned(message, "delivered"))
    assert (await exchange.now(message)).state is State.DELIVERED


@pytest.mark.parametrize("left", ["route", "channels"])
async def test_with_no_way_left_a_person_sees_it(exchange: Exchange, bounces: Bounces, left: str) -> None:
    if left == "channels":
        exchange.print.refusal = "no postal address"
    message = await mailed(exchange, route=Route.EMAIL if left == "route" else Route.AUTO)
    await bounces.note(returned(message))
    now = await exchange.now(message)
    assert now.state is State.REJECTED and "550 5.1.1 No such user" in now.reason
    assert not exchange.print.parcels


async def test_while_it_is_in_work_the_report_waits(exchange: Exchange, bounces: Bounces) -> None:
    exchange.email.errors = [ChannelUnavailable("lost after DATA", sent=True)]
    message = await exchange.submit(EMAIL)
    await exchange.settle()
    with pytest.raises(Overloaded):
        await bounces.note(returned(message))
    exchange.clock.forward(minutes=3)
    await exchange.settle()
    await bounces.note(returned(message))
    await exchange.settle()
    assert (await exchange.now(message)).channel == "print"


async def test_a_mail_of_unknown_outcome_that_came_back_may_be_sent_anew(exchange: Exchange, bounces: Bounces) -> None:
    exchange.email.errors = [ChannelUnavailable("lost after DATA", sent=True), ChannelRefused("550 now")]
    message = await exchange.submit(EMAIL)
    await exchange.settle()
    exchange.clock.forward(minutes=3)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.UNKNOWN
    await bounces.note(returned(message))
    now = await exchange.now(message)
    assert (now.state, now.sent_octets) == (State.REJECTED, False)


async def test_a_report_about_nothing_that_is_here_is_no_failure(exchange: Exchange, bounces: Bounces) -> None:
    message = await mailed(exchange)
    gone = replace(returned(message), document=DocumentId("0" * 32))
    assert "no longer here" in await bounces.note(gone)


async def test_the_window_may_be_short(exchange: Exchange) -> None:
    message = await mailed(exchange)
    short = Bounces(store=exchange.store, outbound=exchange.outbound, clock=exchange.clock, window=timedelta(seconds=2))
    exchange.clock.forward(seconds=3)
    assert await short.settle() == 1
    assert (await exchange.now(message)).state is State.DELIVERED


async def test_one_mail_brings_only_so_many_reports(exchange: Exchange, bounces: Bounces) -> None:
    message = await mailed(exchange)
    for number in range(25):
        await bounces.note(returned(message, "reply", octets=b"answer %d" % number))
    assert len([e for e in await exchange.events(message) if e.event == "Noted"]) == 20
    assert len(await exchange.store.evidence(ACCOUNT, message.id)) < 25
    await bounces.note(returned(message))
    assert (await exchange.now(message)).channel == "print", "what moves the invoice is heard all the same"


async def test_a_bounce_of_a_mail_that_counted_as_delivered_long_ago_prints_no_letter(
    exchange: Exchange, bounces: Bounces
) -> None:
    message = await mailed(exchange)
    exchange.clock.forward(days=4)
    assert await bounces.settle() == 1
    exchange.clock.forward(days=31)
    await bounces.note(returned(message))
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.state, now.channel, len(exchange.print.parcels)) == (State.DELIVERED, "email", 0)
    assert (await exchange.events(message))[-1].event == "Noted"
