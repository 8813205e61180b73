"""Trips over the network: from C1 to C4, and what a failure on the way leads to."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest
from lxml import etree

from gateway.app import FIRST_ACCOUNT
from gateway.errors import StoreUnavailable
from gateway.model.lifecycle import State
from gateway.model.message import Message, PayloadKind
from gateway.ports import Filter
from gateway.security import safexml
from gateway.ubl import sbdh
from tests.trips.conftest import FACTS, NETWORK, Corner, Town


def _canonical(octets: bytes) -> bytes:
    return etree.tostring(safexml.parse(octets), method="c14n")


async def _inbox(corner: Corner) -> list[Message]:
    return list((await corner.gateway.store.find(FIRST_ACCOUNT, Filter(unacknowledged=True)))[0])


async def test_an_invoice_crosses_four_corners(town: Town) -> None:
    sent = await town.sender.submit(NETWORK)
    await town.sender.work()
    now = await town.sender.now(sent)
    assert (now.state, now.peer) == (State.SENT, "POP000002")
    (arrived,) = await _inbox(town.receiver)
    assert (arrived.message_id, arrived.instance_id) == (sent.message_id, sent.instance_id)
    assert (arrived.number, arrived.sender, arrived.receiver) == (FACTS.number, sent.sender, now.receiver)
    octets = await town.receiver.gateway.store.payload(arrived.id, PayloadKind.DOCUMENT)
    assert _canonical(octets) == _canonical(NETWORK)


async def test_the_receipt_that_was_stored_is_the_one_that_the_sender_holds(town: Town) -> None:
    sent = await town.sender.submit(NETWORK)
    await town.sender.work()
    (arrived,) = await _inbox(town.receiver)
    ours = [
        e.octets for _, _, e in await town.sender.gateway.store.evidence(FIRST_ACCOUNT, sent.id) if e.kind == "receipt"
    ]
    theirs = [
        e.octets
        for _, _, e in await town.receiver.gateway.store.evidence(FIRST_ACCOUNT, arrived.id)
        if e.kind == "receipt"
    ]
    assert ours == theirs and len(ours) == 1


async def test_a_lost_receipt_is_not_a_second_invoice(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender crashes between the receipt and its record: the step is done again, C4 gets one invoice."""
    store = town.sender.gateway.store
    record = type(store).record

    async def crash(*_: object, **__: object) -> Message:
        raise StoreUnavailable("the power went")

    monkeypatch.setattr(type(store), "record", crash)
    sent = await town.sender.submit(NETWORK)
    await town.sender.gateway.worker.run_once()
    assert (await town.sender.now(sent)).state is State.ACCEPTED
    assert (await town.sender.now(sent)).sent_octets
    monkeypatch.setattr(type(store), "record", record)
    later = await store.get(FIRST_ACCOUNT, sent.id)
    await town.sender.gateway.worker.work(later)  # as the next worker would after the lease
    assert (await town.sender.now(sent)).state is State.SENT
    assert len(await _inbox(town.receiver)) == 1


async def test_a_receiver_that_is_down_makes_the_invoice_wait_and_nothing_is_printed(town: Town) -> None:
    await town.receiver.sites.aclose()
    sent = await town.sender.submit(NETWORK)
    await town.sender.work()
    now = await town.sender.now(sent)
    assert now.state is State.ACCEPTED and now.next_attempt
    assert not (town.market.members[0].directory / "var" / "letters").exists()


async def test_dns_that_is_down_never_makes_a_letter(town: Town) -> None:
    await town.stop_dns()
    sent = await town.sender.submit(NETWORK)
    await town.sender.work()
    now = await town.sender.now(sent)
    assert now.state is State.ACCEPTED and now.next_attempt
    assert "no answer" in (now.reason or "").lower()
    assert await town.sender.events(sent) == ["Accepted", "Postponed"]


async def test_a_receiver_that_left_the_network_gets_a_letter_with_the_reason(town: Town) -> None:
    assert FACTS.buyer.endpoint
    await town.receiver.gateway.unpublish(FIRST_ACCOUNT, FACTS.buyer.endpoint)
    sent = await town.sender.submit(NETWORK)
    await town.sender.work()
    now = await town.sender.now(sent)
    assert (now.state, now.channel) == (State.DISPATCHED, "print")
    assert "NXDOMAIN" in now.reason
    batches = list((town.market.members[0].directory / "var" / "letters").glob("*/manifest.jsonl"))
    assert len(batches) == 1


async def test_a_receiver_that_its_access_point_does_not_know_is_asked_for_once_more(town: Town) -> None:
    """The sender remembers the answer of the first search; meanwhile the access point no longer serves the buyer.

    DNS still names its SMP, which does not know it: no answer that counts, so it is tried again and nothing is printed.
    """
    assert FACTS.buyer.endpoint
    gateway = town.receiver.gateway
    first = await town.sender.submit(NETWORK)
    await town.sender.work()
    assert (await town.sender.now(first)).state is State.SENT
    await gateway.store.remove_participant(FIRST_ACCOUNT, FACTS.buyer.endpoint)
    second = await town.sender.submit(NETWORK)
    await town.sender.work()
    now = await town.sender.now(second)
    assert now.state is State.ACCEPTED and "does not serve" in now.reason and now.next_attempt


async def test_a_key_gives_one_invoice_however_often_it_is_handed_in(town: Town) -> None:
    for _ in range(3):
        await town.sender.submit(NETWORK, idempotency_key="k")
    await town.sender.work()
    assert len(await _inbox(town.receiver)) == 1


async def test_a_whole_envelope_keeps_its_identity(town: Town) -> None:
    sent = await town.sender.submit(NETWORK)
    await town.sender.work()
    sbd = gzip.decompress(await town.sender.gateway.store.payload(sent.id, PayloadKind.PART))
    opened = sbdh.unwrap(sbd)
    envelope, document = opened.envelope, opened.document
    again = sbdh.wrap(document, replace(envelope, instance_id="another-instance-1"))
    second = await town.sender.submit(again)
    await town.sender.work()
    assert (await town.sender.now(second)).state is State.SENT
    assert {m.instance_id for m in await _inbox(town.receiver)} == {sent.instance_id, "another-instance-1"}
