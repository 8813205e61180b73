"""Inbound: nothing is promised before it is stored, nothing is stored twice, nothing of strangers is taken."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace

import pytest

from gateway.errors import ChannelRefused, ChannelUnavailable, InvalidMessage, StoreUnavailable
from gateway.model.document import Envelope
from gateway.model.identifiers import MessageId, ParticipantId
from gateway.model.lifecycle import State
from gateway.model.message import Message, Participant, Received, Verification
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.ports import Filter
from gateway.ubl import invoice
from tests.exchange.conftest import ACCOUNT, OTHER, Exchange, ScriptedChannel, sample

OURS = ParticipantId("0007:5567212047")
DOCUMENT = sample("network")


def _received(clock: object, *, id: str = "a@b", part: bytes = b"one", seat: str = "POP000009") -> Received:
    envelope = Envelope(
        sender=ParticipantId("0007:5561043539"),
        receiver=OURS,
        document_type=BILLING_INVOICE,
        process=BILLING_PROCESS,
        country_c1="SE",
        instance_id="i-1",
        created="2026-11-25T12:00:00Z",
    )
    verification = Verification(
        signer=b"der",
        seat=seat,
        chain=("CN=x",),
        covered=(("cid:p", "digest"),),
        checked_at=clock.now(),  # type: ignore[attr-defined]
        revocation="off",
    )
    return Received(
        message_id=MessageId(id),
        conversation_id="c",
        timestamp="2026-11-25T12:00:00Z",
        from_party=seat,
        to_party="POP000001",
        is_test=False,
        envelope=envelope,
        document=DOCUMENT,
        summary=invoice.read(DOCUMENT).summary,
        part=gzip.compress(part, mtime=0),
        compressed=True,
        soap=b"<soap/>",
        verification=verification,
    )


@pytest.fixture
async def ours(exchange: Exchange) -> Exchange:
    await exchange.store.save_participant(Participant(id=OURS, account=ACCOUNT))
    return exchange


async def _all(exchange: Exchange) -> list[Message]:
    return list((await exchange.store.find(ACCOUNT, Filter()))[0])


async def test_a_message_is_stored_with_its_receipt_before_the_receipt_is_given(ours: Exchange) -> None:
    assert await ours.inbound.receive(_received(ours.clock), b"<receipt 1: digest>") == b"<receipt 1: digest>"
    (message,) = await _all(ours)
    assert (message.state, message.peer, message.sender) == (State.RECEIVED, "POP000009", "0007:5561043539")
    assert message.number and message.amount
    kept = {e.kind: e.octets for _, _, e in await ours.store.evidence(ACCOUNT, message.id)}
    assert kept == {"request-envelope": b"<soap/>", "receipt": b"<receipt 1: digest>"}


async def test_when_the_store_fails_no_receipt_is_given(ours: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(type(ours.store), "add_once", broken)
    with pytest.raises(StoreUnavailable):
        await ours.inbound.receive(_received(ours.clock), b"<receipt: digest>")


async def test_a_repeat_gets_the_first_receipt_octet_for_octet_and_is_stored_once(ours: Exchange) -> None:
    await ours.inbound.receive(_received(ours.clock), b"<receipt 1: digest>")
    assert await ours.inbound.receive(_received(ours.clock), b"<receipt 2: digest>") == b"<receipt 1: digest>"
    assert len(await _all(ours)) == 1


async def test_fifty_repeats_at_once_get_one_receipt_and_are_one_document(ours: Exchange) -> None:
    receipts = [f"<receipt {i}: digest>".encode() for i in range(50)]
    answers = await asyncio.gather(*(ours.inbound.receive(_received(ours.clock), r) for r in receipts))
    assert len(set(answers)) == 1
    assert len(await _all(ours)) == 1


async def test_an_acceptance_that_is_cancelled_at_any_step_is_whole_or_not_there_and_the_repeat_is_answered(
    ours: Exchange,
) -> None:
    for steps in range(200):  # of the event loop
        async with asyncio.TaskGroup() as tasks:
            received = _received(ours.clock, id=f"{steps}@b")
            received = replace(received, envelope=replace(received.envelope, instance_id=f"i-{steps}"))
            first = tasks.create_task(ours.inbound.receive(received, b"<receipt 1: digest>"))
            for _ in range(steps):
                await asyncio.sleep(0)
            first.cancel()
        again = await ours.inbound.receive(received, b"<receipt 2: digest>")
        assert await ours.inbound.receive(received, b"<receipt 3: digest>") == again
        stored = await ours.store.find_received("POP000009", received.message_id)
        assert stored is not None and len(await _all(ours)) == min(steps + 1, 50)
        if not first.cancelled():
            assert again == b"<receipt 1: digest>"
            break
    assert steps > 5 and not first.cancelled()


async def test_the_same_id_with_other_content_is_refused_and_nothing_is_stored_over(ours: Exchange) -> None:
    await ours.inbound.receive(_received(ours.clock), b"<receipt: digest>")
    with pytest.raises(InvalidMessage, match="other content"):
        await ours.inbound.receive(_received(ours.clock, part=b"two"), b"<receipt: digest>")
    assert len(await _all(ours)) == 1


async def test_the_same_id_of_another_access_point_is_another_message(ours: Exchange) -> None:
    await ours.inbound.receive(_received(ours.clock), b"<receipt 1: digest>")
    assert (
        await ours.inbound.receive(_received(ours.clock, seat="POP000008"), b"<receipt 2: digest>")
        == b"<receipt 2: digest>"
    )
    assert len(await _all(ours)) == 2


async def test_an_unknown_receiver_is_not_serviced_in_the_prescribed_form(exchange: Exchange) -> None:
    with pytest.raises(InvalidMessage) as caught:
        await exchange.inbound.receive(_received(exchange.clock), b"<receipt: digest>")
    assert (caught.value.code, caught.value.detail) == ("EBMS:0004", "PEPPOL:NOT_SERVICED")
    assert await _all(exchange) == []


async def test_a_document_type_that_the_receiver_does_not_take_is_not_serviced(ours: Exchange) -> None:
    received = _received(ours.clock)
    other = replace(received.envelope, document_type=replace(BILLING_INVOICE, value=BILLING_INVOICE.value + "x"))
    with pytest.raises(InvalidMessage, match="document type"):
        await ours.inbound.receive(replace(received, envelope=other), b"<receipt: digest>")


async def test_the_test_service_is_answered_and_not_stored(exchange: Exchange) -> None:
    assert await exchange.inbound.receive(replace(_received(exchange.clock), is_test=True), b"<r>") == b"<r>"
    assert await _all(exchange) == []


async def test_a_message_belongs_to_the_receivers_account_only(ours: Exchange) -> None:
    await ours.store.add_account(OTHER, "Other", "hash2")
    await ours.inbound.receive(_received(ours.clock), b"<receipt: digest>")
    assert len(await _all(ours)) == 1
    assert (await ours.store.find(OTHER, Filter()))[0] == []


async def test_the_inbox_is_delivered_by_its_acknowledgement(ours: Exchange) -> None:
    await ours.inbound.receive(_received(ours.clock), b"<receipt: digest>")
    await ours.settle()
    (message,) = await _all(ours)
    assert message.state is State.RECEIVED
    for _ in range(2):
        acknowledged = await ours.store.acknowledge(ACCOUNT, message.id)
        assert acknowledged.state is State.DELIVERED and acknowledged.acknowledged
    assert [e.event for e in await ours.events(message)].count("Delivered") == 1


async def test_a_delivery_that_cannot_now_is_tried_again_and_happens_once(ours: Exchange) -> None:
    erp = ScriptedChannel("folder", errors=[ChannelUnavailable("disk full")], confirms=True)
    inbound = replace(ours.inbound, deliveries={"default": erp})
    ours.worker.inbound = inbound
    await inbound.receive(_received(ours.clock), b"<receipt: digest>")
    await ours.settle()
    (message,) = await _all(ours)
    assert message.state is State.RECEIVED and message.next_attempt
    ours.clock.forward(minutes=5)
    await ours.settle()
    assert (await ours.now(message)).state is State.DELIVERED
    assert [p.document for p in erp.parcels] == [DOCUMENT]


async def test_a_delivery_that_refuses_for_good_waits_for_a_person(ours: Exchange) -> None:
    erp = ScriptedChannel("folder", errors=[ChannelRefused("no such folder")], confirms=True)
    inbound = replace(ours.inbound, deliveries={"default": erp})
    ours.worker.inbound = inbound
    await inbound.receive(_received(ours.clock), b"<receipt: digest>")
    await ours.settle()
    (message,) = await _all(ours)
    assert message.state is State.FAILED and "no such folder" in message.reason


async def test_a_repeat_gets_the_stored_receipt_although_the_receiver_has_left_meanwhile(ours: Exchange) -> None:
    assert await ours.inbound.receive(_received(ours.clock), b"<receipt 1: digest>") == b"<receipt 1: digest>"
    await ours.store.remove_participant(ACCOUNT, OURS)
    assert await ours.inbound.receive(_received(ours.clock), b"<receipt 2: digest>") == b"<receipt 1: digest>"
    with pytest.raises(InvalidMessage, match="other content"):
        await ours.inbound.receive(_received(ours.clock, part=b"two"), b"<receipt 3>")
    with pytest.raises(InvalidMessage, match="not serviced"):
        await ours.inbound.receive(_received(ours.clock, id="new@b"), b"<receipt 4>")
    assert len(await _all(ours)) == 1


async def test_a_document_never_takes_the_delivery_of_the_participants_next_account(ours: Exchange) -> None:
    theirs, nobody = ScriptedChannel("folder", confirms=True), ScriptedChannel("folder", errors=[])
    deliveries = {"default": nobody, "theirs": theirs}
    ours.worker.inbound = replace(ours.inbound, deliveries=deliveries)
    await ours.worker.inbound.receive(_received(ours.clock), b"<receipt: digest>")
    await ours.store.add_account(OTHER, "Other", "hash2")
    await ours.store.remove_participant(ACCOUNT, OURS)
    await ours.store.save_participant(Participant(id=OURS, account=OTHER, delivery="theirs"))
    await ours.settle()
    assert theirs.parcels == [] and nobody.parcels == []
    (message,) = await _all(ours)
    assert (message.state, message.channel, message.next_attempt) == (State.RECEIVED, "inbox", None)


async def test_a_repeat_whose_header_was_signed_anew_gets_a_receipt_that_fits_it(ours: Exchange) -> None:
    """Some senders make a new header for the same MessageId: the stored receipt would not name its digests."""
    await ours.inbound.receive(_received(ours.clock), b"<receipt 1: digest>")
    again = _received(ours.clock)
    anew = replace(again, verification=replace(again.verification, covered=(("#header", "other"), ("cid:p", "digest"))))
    assert await ours.inbound.receive(anew, b"<receipt 2: other, digest>") == b"<receipt 2: other, digest>"
    assert len(await _all(ours)) == 1


async def test_the_same_envelope_under_another_message_id_is_one_invoice_for_the_receiver(ours: Exchange) -> None:
    """Some access points make a new MessageId for each try; the envelope's id and document stay."""
    for number in range(3):
        receipt = f"<receipt {number}: digest>".encode()
        assert (
            await ours.inbound.receive(_received(ours.clock, id=f"{number}@b", part=b"%d" % number), receipt) == receipt
        )
    await ours.settle()
    first, *repeats = sorted(await _all(ours), key=lambda m: m.message_id)
    assert (first.state, len(repeats)) == (State.RECEIVED, 2)
    assert {(m.state, m.links.get("repeat_of")) for m in repeats} == {(State.DELIVERED, first.id)}
    waiting, _ = await ours.store.find(ACCOUNT, Filter(states=(State.RECEIVED,)))
    assert [m.id for m in waiting] == [first.id]


async def test_a_repeat_of_what_nobody_got_is_handed_over_and_the_next_one_is_not(ours: Exchange) -> None:
    erp = ScriptedChannel("folder", errors=[ChannelRefused("no such folder")], confirms=True)
    ours.worker.inbound = inbound = replace(ours.inbound, deliveries={"default": erp})
    for number in range(3):
        await inbound.receive(_received(ours.clock, id=f"{number}@b", part=b"%d" % number), b"<receipt: digest>")
        await ours.settle()
    states = [m.state for m in sorted(await _all(ours), key=lambda m: m.message_id)]
    assert states == [State.FAILED, State.DELIVERED, State.DELIVERED]
    assert len(erp.parcels) == 1


async def test_a_participant_that_moved_to_another_account_gets_its_document_there(ours: Exchange) -> None:
    await ours.inbound.receive(_received(ours.clock, id="1@b"), b"<receipt: digest>")
    await ours.store.add_account(OTHER, "Other", "hash2")
    await ours.store.remove_participant(ACCOUNT, OURS)
    await ours.store.save_participant(Participant(id=OURS, account=OTHER))
    await ours.inbound.receive(_received(ours.clock, id="2@b", part=b"two"), b"<receipt: digest>")
    (moved,) = (await ours.store.find(OTHER, Filter()))[0]
    assert moved.state is State.RECEIVED and moved.links == {}


async def test_a_repeat_keeps_the_proof_of_who_signed_it(ours: Exchange) -> None:
    for number in range(2):
        await ours.inbound.receive(_received(ours.clock, id=f"{number}@b", part=b"%d" % number), b"<receipt: digest>")
    for message in await _all(ours):
        (entry,) = await ours.events(message)
        assert entry.detail["chain"] == ["CN=x"]


async def test_two_tries_at_once_are_one_invoice_too(ours: Exchange) -> None:
    tries = [_received(ours.clock, id=f"{n}@b", part=b"%d" % n) for n in range(20)]
    await asyncio.gather(*(ours.inbound.receive(t, b"<receipt: digest>") for t in tries))
    states = [m.state for m in await _all(ours)]
    assert (states.count(State.RECEIVED), states.count(State.DELIVERED)) == (1, 19)


async def test_another_document_under_a_used_envelope_id_is_handed_over_and_flagged(ours: Exchange) -> None:
    await ours.inbound.receive(_received(ours.clock, id="1@b"), b"<receipt: digest>")
    other = replace(_received(ours.clock, id="2@b", part=b"two"), document=sample("email"))
    await ours.inbound.receive(other, b"<receipt: digest>")
    first, second = sorted(await _all(ours), key=lambda m: m.message_id)
    assert second.state is State.RECEIVED and second.links == {"same_envelope_as": first.id}


async def test_the_same_envelope_id_of_another_access_point_is_its_own(ours: Exchange) -> None:
    await ours.inbound.receive(_received(ours.clock, id="1@b"), b"<receipt: digest>")
    await ours.inbound.receive(_received(ours.clock, id="2@b", seat="POP000008", part=b"x"), b"<receipt: digest>")
    assert {m.state for m in await _all(ours)} == {State.RECEIVED}


async def test_what_waits_in_the_inbox_gives_the_worker_nothing_to_do(ours: Exchange) -> None:
    await ours.inbound.receive(_received(ours.clock), b"<receipt: digest>")
    assert await ours.worker.run_once() == 0
    (message,) = await _all(ours)
    assert [e.event for e in await ours.events(message)] == ["Received"]
