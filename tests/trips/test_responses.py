"""An Invoice Response between two whole gateways: the buyer answers, and the seller sees it at its invoice."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.app import FIRST_ACCOUNT
from gateway.exchange.responses import Responses
from gateway.model.identifiers import ParticipantId
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Message, Participant, PayloadKind
from gateway.model.services import DEFAULT_SERVICES, INVOICE_RESPONSE, INVOICE_RESPONSE_PROCESS
from gateway.model.status import Clarification, Correspondent, InvoiceResponse, ResponseCode
from gateway.ports import Filter
from gateway.ubl import invoice_response
from tests.trips.conftest import FACTS, NETWORK, Corner, Town


@pytest.fixture
async def talking(town: Town) -> Town:
    """The seller is registered for responses too; without that nobody can send it one."""
    assert FACTS.seller.endpoint
    services = (*DEFAULT_SERVICES, (INVOICE_RESPONSE, INVOICE_RESPONSE_PROCESS))
    taken = tuple((str(kind), str(process)) for kind, process in services)
    seller = Participant(id=FACTS.seller.endpoint, account=FIRST_ACCOUNT, country="SE", document_types=taken)
    await town.sender.gateway.publish(seller)
    return town


def _wish(code: ResponseCode, *rows: Clarification) -> InvoiceResponse:
    nobody = Correspondent(endpoint=ParticipantId("0000:0"), name="")
    return InvoiceResponse(
        id="", issued="", sender=nobody, receiver=nobody, code=code, note="", clarifications=rows, number=""
    )


async def _say(corner: Corner, invoice: Message, wish: InvoiceResponse) -> Message:
    gateway = corner.gateway
    responses = Responses(store=gateway.store, clock=gateway.clock, country="SE")
    return (await responses.send(gateway.outbound, invoice, wish)).message


async def _came_in(corner: Corner) -> Sequence[Message]:
    """What came in, the newest first."""
    return (await corner.gateway.store.find(FIRST_ACCOUNT, Filter(direction=Direction.IN)))[0]


async def _heard(corner: Corner, invoice: Message) -> list[dict[str, object]]:
    """What others are noted to have said of an invoice, in order."""
    timeline = await corner.gateway.store.timeline(FIRST_ACCOUNT, invoice.id)
    return [said for entry in timeline if isinstance(said := entry.detail.get("response"), dict)]


async def test_the_buyer_answers_over_the_network_and_the_seller_sees_it_at_the_invoice(talking: Town) -> None:
    sent = await talking.sender.submit(NETWORK)
    await talking.sender.work()
    await talking.receiver.work()
    (arrived,) = await _came_in(talking.receiver)

    refusal = Clarification(list="OPStatusReason", code="QTY", text="12 are billed, 10 came")
    asked = await _say(talking.receiver, arrived, _wish(ResponseCode.UQ, refusal))
    answered = await _say(talking.receiver, arrived, _wish(ResponseCode.RE, refusal))
    await talking.receiver.work()
    for response in (asked, answered):
        now = await talking.receiver.now(response)
        assert (now.state, now.document_type) == (State.SENT, str(INVOICE_RESPONSE)), now.reason
    await talking.sender.work()

    heard = await _heard(talking.sender, sent)
    assert sorted((one["direction"], one["code"]) for one in heard) == [("in", "RE"), ("in", "UQ")]
    assert (
        await talking.sender.now(sent)
    ).state is State.SENT  # whether it is accepted is the business of the companies
    arrivals = await _came_in(talking.sender)
    assert {one.id for one in arrivals} == {one["document"] for one in heard} and len(arrivals) == 2
    codes = {}
    for one in arrivals:
        assert one.state is State.RECEIVED  # in the inbox, from which the seller fetches it
        octets = await talking.sender.gateway.store.payload(one.id, PayloadKind.DOCUMENT)
        assert invoice_response.verdict(octets).valid
        said = invoice_response.read(octets)
        assert (said.number, said.receiver.endpoint) == (FACTS.number, FACTS.seller.endpoint)
        assert said.clarifications[0].text == "12 are billed, 10 came"
        codes[said.code] = one.id
    assert set(codes) == {ResponseCode.UQ, ResponseCode.RE}


async def test_an_answer_whose_words_come_twice_is_sent_and_noted_once(talking: Town) -> None:
    sent = await talking.sender.submit(NETWORK)
    await talking.sender.work()
    await talking.receiver.work()
    (arrived,) = await _came_in(talking.receiver)
    first, second = [await _say(talking.receiver, arrived, _wish(ResponseCode.AP)) for _ in range(2)]
    assert first.id == second.id
    await talking.receiver.work()
    await talking.sender.work()
    assert [one["code"] for one in await _heard(talking.sender, sent)] == ["AP"]
    assert len(await _came_in(talking.sender)) == 1
