"""Outbound: the promise, the way, and what each kind of failure may lead to."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace

import pytest

from gateway.errors import (
    ChannelRefused,
    ChannelUnavailable,
    Conflict,
    InvalidAnswer,
    InvalidDocument,
    LookupUnavailable,
    PeerRefused,
    PeerUnavailable,
)
from gateway.model.identifiers import ParticipantId
from gateway.model.lifecycle import Event, State
from gateway.model.message import Participant, PayloadKind, Route
from gateway.ubl import invoice
from tests.exchange.conftest import ACCOUNT, ENDPOINT, OTHER, Exchange, sample

NETWORK = sample("network")
BUYER = invoice.read(NETWORK).buyer.endpoint
SELLER = invoice.read(NETWORK).seller.endpoint
assert BUYER and SELLER


async def test_an_accepted_invoice_is_on_disk_with_its_identity(exchange: Exchange) -> None:
    message = await exchange.submit(NETWORK)
    assert message.state is State.ACCEPTED
    assert message.message_id and message.instance_id and message.sha256
    assert await exchange.store.payload(message.id, PayloadKind.DOCUMENT) == NETWORK
    assert [e.event for e in await exchange.events(message)] == ["Accepted"]


async def test_an_invoice_for_a_registered_buyer_is_sent_and_its_receipt_kept(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.state, now.channel, now.peer) == (State.SENT, "peppol", "POP000002")
    assert "signed receipt" in now.reason
    kinds = [e.kind for _, _, e in await exchange.store.evidence(ACCOUNT, message.id)]
    assert {"lookup", "request-envelope", "receipt"} <= set(kinds)
    envelope = exchange.transport.sent[0].envelope
    assert (envelope.sender, envelope.receiver, envelope.country_c1) == (SELLER, BUYER, "SE")
    assert invoice.read(NETWORK).number.encode() in gzip.decompress(exchange.transport.sent[0].part)


async def test_a_buyer_that_is_not_registered_gets_mail_with_every_reason_in_words(exchange: Exchange) -> None:
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.state, now.channel) == (State.DISPATCHED, "email")
    diverted = next(e for e in await exchange.events(message) if e.event == "Diverted")
    assert f"{BUYER.value} is not registered" in diverted.reason
    assert diverted.detail["steps"]
    assert exchange.email.parcels[0].page.startswith(b"%PDF-")
    assert exchange.transport.sent == []


async def test_without_an_e_mail_address_it_becomes_a_letter(exchange: Exchange) -> None:
    exchange.email.refusal = "no e-mail address"
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.state, now.channel) == (State.DISPATCHED, "print")
    assert len(exchange.print.parcels) == 1 and exchange.email.parcels == []
    assert any("no e-mail: no e-mail address" in e.reason for e in await exchange.events(message))


async def test_no_way_left_fails_and_says_why_for_each(exchange: Exchange) -> None:
    exchange.email.refusal, exchange.print.refusal = "no e-mail address", "no postal address"
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    now = await exchange.now(message)
    assert now.state is State.FAILED
    assert "no e-mail address" in now.reason and "no postal address" in now.reason


async def test_no_answer_never_prints_however_long_it_lasts(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER.value] = LookupUnavailable("SERVFAIL from 127.0.0.1:53")
    message = await exchange.submit(NETWORK)
    for _ in range(400):
        await exchange.settle()
        now = await exchange.now(message)
        if now.next_attempt is None:
            break
        exchange.clock.time = now.next_attempt
    assert now.state is State.FAILED
    assert exchange.email.parcels == exchange.print.parcels == exchange.transport.sent == []
    assert "SERVFAIL" in now.reason
    states = {e.event for e in await exchange.events(message)}
    assert "Diverted" not in states and "Postponed" in states


async def test_one_candidate_without_an_answer_outweighs_the_no_of_the_others(exchange: Exchange) -> None:
    facts = invoice.read(NETWORK)
    assert facts.buyer.endpoint
    exchange.lookup.answers[facts.buyer.endpoint.value] = LookupUnavailable("time-out")
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.ACCEPTED


async def test_a_waiting_invoice_goes_out_when_the_network_answers_again(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER.value] = LookupUnavailable("time-out")
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    await exchange.settle()
    assert (await exchange.now(message)).state is State.ACCEPTED  # not due yet
    exchange.clock.forward(minutes=2)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.SENT


async def test_a_retry_sends_the_same_octets_under_the_same_ids(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    exchange.transport.errors = [
        PeerUnavailable("connection refused", sent=False),
        PeerUnavailable("no answer in time", sent=True),
        InvalidAnswer("the receipt is of another message"),
    ]
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    while due := (await exchange.now(message)).next_attempt:
        exchange.clock.time = due
        await exchange.settle()
    assert (await exchange.now(message)).state is State.SENT
    first, *others = exchange.transport.sent
    assert len(others) == 3
    for other in others:
        assert (other.message_id, other.conversation_id, other.timestamp, other.part) == (
            first.message_id,
            first.conversation_id,
            first.timestamp,
            first.part,
        )


async def test_octets_that_may_have_arrived_never_take_another_channel(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    exchange.transport.errors = [PeerUnavailable("no answer in time", sent=True)] * 1000
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    del exchange.lookup.answers[BUYER.value]  # now the network says: not registered
    while (now := await exchange.now(message)).next_attempt:
        exchange.clock.time = now.next_attempt
        await exchange.settle()
    assert now.state is State.UNKNOWN
    assert exchange.email.parcels == exchange.print.parcels == []


async def test_a_connection_that_never_was_ends_as_failed_not_unknown(exchange: Exchange) -> None:
    """Only octets that may have left make a document UNKNOWN; the mark before sending errs on the safe side."""
    exchange.lookup.answers[BUYER.value] = LookupUnavailable("time-out")
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    assert not (await exchange.now(message)).sent_octets


async def test_a_refusal_by_the_receiver_is_final_and_prints_nothing(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    exchange.transport.errors = [PeerRefused("EBMS:0004", "PEPPOL:NOT_SERVICED", octets=b"<error/>")]
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    now = await exchange.now(message)
    assert now.state is State.REJECTED and "PEPPOL:NOT_SERVICED" in now.reason
    assert exchange.lookup.afresh == [BUYER.value], "the network was asked once more, and names the same place"
    assert exchange.email.parcels == exchange.print.parcels == []
    assert [e.octets for _, _, e in await exchange.store.evidence(ACCOUNT, message.id) if e.kind == "error"] == [
        b"<error/>"
    ]


async def test_one_that_has_moved_meanwhile_is_reached_where_it_is_now(exchange: Exchange) -> None:
    """B07: what is remembered of a receiver may be older than its move to another operator."""
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    exchange.transport.errors = [PeerRefused("EBMS:0004", "PEPPOL:NOT_SERVICED")]
    message = await exchange.submit(NETWORK)
    exchange.lookup.found_afresh = replace(ENDPOINT, url="https://new.example/as4", seat="POP000077")
    await exchange.settle()
    now = await exchange.now(message)
    assert now.state is State.ACCEPTED and not now.sent_octets and now.next_attempt
    assert "has moved" in now.reason and "POP000077" in now.reason
    exchange.lookup.answers[BUYER.value] = exchange.lookup.found_afresh
    exchange.clock.forward(minutes=5)
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.state, now.peer) == (State.SENT, "POP000077")
    assert len({outgoing.message_id for outgoing in exchange.transport.sent}) == 1


@pytest.mark.parametrize(
    ("afresh", "state"), [(LookupUnavailable("SERVFAIL"), State.ACCEPTED), (None, State.REJECTED)], ids=["?", "no"]
)
async def test_one_that_is_not_served_and_not_found_becomes_no_paper(
    exchange: Exchange, afresh: LookupUnavailable | None, state: State
) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    exchange.transport.errors = [PeerRefused("EBMS:0004", "PEPPOL:NOT_SERVICED")]
    message = await exchange.submit(NETWORK)
    exchange.lookup.found_afresh = afresh
    await exchange.settle()
    assert (await exchange.now(message)).state is state
    exchange.transport.errors = [PeerRefused("EBMS:0004", "PEPPOL:NOT_SERVICED") for _ in range(9)]
    for _ in range(5):
        exchange.clock.forward(hours=5)
        await exchange.settle()
    now = await exchange.now(message)
    assert now.state is State.REJECTED and now.attempts <= 4, "the sender is told, and not after days"
    assert exchange.email.parcels == exchange.print.parcels == []


async def test_a_duplicate_error_on_a_retry_is_no_rejection(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    exchange.transport.errors = [PeerUnavailable("cut", sent=True), PeerRefused("EBMS:4001", "DuplicateDetected")]
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    exchange.clock.forward(minutes=5)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.UNKNOWN


async def test_a_temporary_error_of_the_receiver_is_tried_again(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    exchange.transport.errors = [PeerRefused("EBMS:0202", "DeliveryFailure")]
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.ACCEPTED
    exchange.clock.forward(minutes=5)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.SENT


async def test_a_document_of_which_no_page_can_be_made_waits_for_a_person_at_once(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ubl.page_data.MAX_LINES", 1)
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.state, now.next_attempt) == (State.FAILED, None)
    assert "lines" in now.reason


async def test_mail_that_is_refused_goes_on_as_a_letter_and_says_so(exchange: Exchange) -> None:
    exchange.email.errors = [ChannelRefused("550 no such mailbox")]
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.state, now.channel) == (State.DISPATCHED, "print")
    assert any("550 no such mailbox" in e.reason for e in await exchange.events(message))


async def test_a_mail_server_that_is_down_makes_the_invoice_wait(exchange: Exchange) -> None:
    exchange.email.errors = [ChannelUnavailable("connection refused")]
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    now = await exchange.now(message)
    assert now.state is State.DIVERTED and now.next_attempt
    exchange.clock.forward(minutes=5)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.DISPATCHED
    assert len(exchange.email.parcels) == 1 and exchange.print.parcels == []


async def test_an_explicit_route_never_falls_back(exchange: Exchange) -> None:
    network = await exchange.submit(NETWORK, route=Route.PEPPOL)
    exchange.email.errors = [ChannelRefused("550 no such mailbox")]
    mail = await exchange.submit(NETWORK, route=Route.EMAIL)
    letter = await exchange.submit(NETWORK, route=Route.PRINT)
    await exchange.settle()
    assert (await exchange.now(network)).state is State.REJECTED
    assert (await exchange.now(mail)).state is State.REJECTED
    assert (await exchange.now(letter)).channel == "print"
    assert len(exchange.print.parcels) == 1


async def test_the_same_key_gives_the_same_document_even_at_once(exchange: Exchange) -> None:
    added = await asyncio.gather(*(exchange.outbound.submit(ACCOUNT, NETWORK, idempotency_key="k") for _ in range(20)))
    assert len({a.message.id for a in added}) == 1
    assert sum(a.new for a in added) == 1


async def test_the_same_key_with_another_body_or_route_is_a_conflict(exchange: Exchange) -> None:
    await exchange.submit(NETWORK, idempotency_key="k")
    with pytest.raises(Conflict):
        await exchange.submit(sample("email"), idempotency_key="k")
    with pytest.raises(Conflict):
        await exchange.submit(NETWORK, idempotency_key="k", route=Route.PRINT)


async def test_another_accounts_participant_cannot_be_the_sender(exchange: Exchange) -> None:
    await exchange.store.add_account(OTHER, "Other", "hash2")
    await exchange.store.save_participant(Participant(id=SELLER, account=OTHER))
    with pytest.raises(Conflict, match="another account"):
        await exchange.submit(NETWORK)


async def test_what_is_not_valid_is_refused_and_not_stored(exchange: Exchange) -> None:
    from gateway.ports import Filter

    for octets in (b"", b"hello", b"<a/>", NETWORK.replace(b"<cbc:IssueDate>", b"<cbc:Nonsense/><cbc:IssueDate>", 1)):
        with pytest.raises(InvalidDocument) as caught:
            await exchange.submit(octets)
        assert caught.value.findings
    assert (await exchange.store.find(ACCOUNT, Filter()))[0] == []


async def test_an_unexpected_failure_of_a_step_postpones_and_loses_nothing(exchange: Exchange) -> None:
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    exchange.transport.errors = [ZeroDivisionError("bug")]  # type: ignore[list-item]
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    now = await exchange.now(message)
    assert now.state is State.ACCEPTED and now.next_attempt
    assert any("ZeroDivisionError" in e.reason for e in await exchange.events(message))


async def test_derived_addresses_are_asked_too(exchange: Exchange) -> None:
    octets = NETWORK.replace(
        b'<cbc:EndpointID schemeID="0007">' + BUYER.number.encode(), b'<cbc:EndpointID schemeID="0088">7300010000001', 1
    )
    if octets == NETWORK:
        pytest.fail("the sample no longer holds the buyer's endpoint as expected")
    await exchange.submit(octets)
    await exchange.settle()
    assert "0088:7300010000001" in exchange.lookup.asked
    assert len(set(exchange.lookup.asked)) >= 2
    assert ParticipantId.parse("0088:7300010000001")


async def test_a_mail_in_doubt_never_becomes_a_letter(exchange: Exchange) -> None:
    exchange.email.errors = [
        ChannelUnavailable("no answer after the mail", sent=True),
        ChannelUnavailable("connection refused"),
        ChannelRefused("550 no such mailbox"),
    ]
    message = await exchange.submit(NETWORK)
    for _ in range(3):
        await exchange.settle()
        exchange.clock.forward(hours=2)
    now = await exchange.now(message)
    assert (now.state, now.channel, exchange.print.parcels) == (State.UNKNOWN, "email", [])
    await exchange.store.record(now, Event(name="Requeued", reason="again"))
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    await exchange.settle()
    now = await exchange.now(message)
    assert (now.state, now.channel, exchange.transport.sent) == (State.DISPATCHED, "email", [])


async def test_a_mail_in_doubt_to_the_end_of_the_window_is_unknown(exchange: Exchange) -> None:
    exchange.email.errors = [ChannelUnavailable("no answer after the mail", sent=True)] * 20
    message = await exchange.submit(NETWORK)
    for _ in range(5):
        await exchange.settle()
        exchange.clock.forward(days=2)
    assert (await exchange.now(message)).state is State.UNKNOWN


async def test_a_requeued_document_that_no_channel_got_chooses_its_way_anew(exchange: Exchange) -> None:
    exchange.email.errors = [ChannelRefused("550")]
    exchange.print.errors = [ChannelRefused("too many pages")]
    message = await exchange.submit(NETWORK)
    await exchange.settle()
    failed = await exchange.now(message)
    assert failed.state is State.FAILED
    await exchange.store.record(failed, Event(name="Requeued", reason="again"))
    exchange.lookup.answers[BUYER.value] = ENDPOINT
    exchange.transport.errors = [PeerUnavailable("time-out", sent=True)]
    await exchange.settle()
    assert (await exchange.now(message)).state is State.ACCEPTED
    exchange.clock.forward(hours=2)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.SENT
    assert exchange.email.parcels == [] and exchange.print.parcels == []


async def test_an_asked_for_mail_does_not_become_a_letter_when_mail_is_switched_off(exchange: Exchange) -> None:
    exchange.email.errors = [ChannelUnavailable("down")]
    message = await exchange.submit(NETWORK, route=Route.EMAIL)
    await exchange.settle()
    exchange.worker.outbound = replace(exchange.outbound, channels={"print": exchange.print})
    exchange.clock.forward(hours=2)
    await exchange.settle()
    assert exchange.print.parcels == []
    assert (await exchange.now(message)).state is State.FAILED
