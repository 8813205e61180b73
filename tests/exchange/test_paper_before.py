"""An e-invoice whose invoice came as PDF before: linked, not handed over twice; another account is for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.exchange.paper import Paper
from gateway.exchange.paper_before import PaperBefore
from gateway.exchange.scans import Scans
from gateway.model.identifiers import MessageId
from gateway.model.lifecycle import State
from gateway.model.message import Message, Participant
from gateway.ports import Incoming, Taken
from gateway.scanning.reader import FileReader
from gateway.ubl import invoice
from tests.exchange.conftest import ACCOUNT, Exchange, ScriptedChannel
from tests.exchange.test_antivirus import parcels, requeue
from tests.exchange.test_inbound import OURS, _received
from tests.exchange.test_scans import pdf
from tests.scanning import generator, pairs

ONE = generator.invoice(3, code=True)
OTHER = replace(ONE, account=generator.invoice(4, code=True).account)


@pytest.fixture
async def ours(exchange: Exchange) -> Exchange:
    await exchange.store.save_participant(Participant(id=OURS, account=ACCOUNT))
    exchange.inbound = replace(
        exchange.inbound,
        paper=PaperBefore(store=exchange.store),
        deliveries={"default": ScriptedChannel("folder")},
    )
    exchange.worker.inbound = exchange.inbound
    return exchange


async def on_paper(ours: Exchange, one: generator.Invoice = ONE) -> Taken:
    paper = Paper(store=ours.store, clock=ours.clock, pulled={"default": True})
    scans = Scans(store=ours.store, reader=FileReader(program=""), paper=paper, clock=ours.clock)
    mail = {"file_name": "faktura.pdf", "source": "mail", "sender": "a@b.test"}
    return await scans.hand_in(Incoming(account=ACCOUNT, octets=pdf(one), key=one.number, **mail))  # type: ignore[arg-type]


async def receive(ours: Exchange, one: generator.Invoice) -> Message:
    document = pairs.ubl(one)
    id_ = MessageId(f"{one.supplier}-{one.number}@b")
    received = _received(ours.clock, id=id_, part=document)
    envelope = replace(received.envelope, instance_id=id_)
    received = replace(received, envelope=envelope, document=document, summary=invoice.read(document).summary)
    await ours.inbound.receive(received, b"receipt")
    message = await ours.store.find_received("POP000009", id_)
    assert message is not None
    return message


async def by_network(ours: Exchange, *invoices: generator.Invoice) -> Sequence[Message]:
    came = [await receive(ours, one) for one in invoices]
    await ours.settle()
    return [await ours.now(message) for message in came]


async def test_the_same_invoice_is_linked_and_c4_gets_no_second_one(ours: Exchange) -> None:
    taken = await on_paper(ours)
    assert taken.verdict == "accepted"
    (message,) = await by_network(ours, ONE)
    assert (message.state, message.links["duplicate_of"], parcels(ours)) == (State.DELIVERED, taken.document, 0)
    assert "not handed over twice" in (await ours.events(message))[-1].reason
    assert (await on_paper(ours)).document == taken.document, "the paper once more is the paper of before"


async def test_another_bank_account_than_the_paper_named_is_for_a_person(ours: Exchange) -> None:
    taken = await on_paper(ours, OTHER)
    assert taken.verdict == "accepted"
    (message,) = await by_network(ours, ONE)
    assert (message.state, message.links["duplicate_of"], parcels(ours)) == (State.REJECTED, taken.document, 0)
    last = (await ours.events(message))[-1]
    assert "another bank account" in last.reason and "requeue" in str(last.detail["remedy"])
    again = await requeue(ours, message)
    assert (again.state, parcels(ours)) == (State.DELIVERED, 1), "the person has said that this one is right"


async def test_other_invoices_go_on_and_paper_after_an_e_invoice_is_the_duplicate(ours: Exchange) -> None:
    await on_paper(ours)
    stranger = replace(ONE, supplier=generator.invoice(5, code=True).supplier)
    next_one = replace(ONE, number=f"{ONE.number}7")
    messages = await by_network(ours, stranger, next_one)
    assert [(one.state, "duplicate_of" in one.links) for one in messages] == [(State.DELIVERED, False)] * 2
    assert parcels(ours) == 2
    assert (await on_paper(ours, next_one)).document == messages[1].id


async def test_without_any_paper_nothing_waits_for_a_worker(ours: Exchange) -> None:
    ours.inbound = replace(ours.inbound, deliveries={})
    first = await receive(ours, ONE)
    assert first.next_attempt is None
    await on_paper(ours, replace(ONE, number="4711"))
    ours.inbound = replace(ours.inbound, paper=PaperBefore(store=ours.store))
    second = await receive(ours, replace(ONE, number="4712"))
    assert second.next_attempt is not None
