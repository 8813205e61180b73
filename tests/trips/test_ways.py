"""As little paper as possible, through running gateways: what is proposed, accepted, returned, refused, not known."""

from __future__ import annotations

from pathlib import Path

from gateway.app import FIRST_ACCOUNT
from gateway.model.counterpart import AutoAccept, RelationPolicy
from gateway.model.identifiers import ParticipantId
from gateway.model.letter import ReturnReason, letter_id
from gateway.model.lifecycle import State
from gateway.model.message import Message, Route
from gateway.model.proposal import Proposal, ProposalState
from tests.trips.conftest import FACTS, NETWORK, Corner, Town

assert FACTS.buyer.endpoint
PAPER = NETWORK.replace(FACTS.buyer.endpoint.number.encode(), b"5567121388")
"""To somebody who is not on the network."""


async def ask_first(corner: Corner) -> None:
    """The account wants to be asked about every new way."""
    await corner.gateway.store.relations.save_policy(
        FIRST_ACCOUNT, RelationPolicy(auto_accept=AutoAccept.NEVER), "test"
    )


async def sent(corner: Corner, octets: bytes, **more: object) -> Message:
    message = await corner.submit(octets, **more)
    await corner.work()
    return await corner.now(message)


async def proposals(corner: Corner) -> list[Proposal]:
    return list((await corner.gateway.store.relations.proposals(FIRST_ACCOUNT))[0])


async def said(corner: Corner, message: Message) -> list[dict[str, str]]:
    """The reasons of every step, in both languages."""
    rows = await corner.gateway.store.timeline(FIRST_ACCOUNT, message.id)
    return [one for row in rows for one in row.detail.get("way", [])]


def letters(tmp_path: Path) -> int:
    return len(list((tmp_path / "market").rglob("manifest.jsonl")))


async def test_a_proposal_that_is_accepted_sends_the_next_invoice_over_the_network(town: Town, tmp_path: Path) -> None:
    await ask_first(town.sender)
    first = await sent(town.sender, NETWORK)
    assert (first.channel, letters(tmp_path)) == ("print", 1)
    (one,) = await proposals(town.sender)
    assert FACTS.buyer.endpoint and one.participant == FACTS.buyer.endpoint.value
    routing = town.sender.gateway.outbound.routing
    assert routing is not None
    await routing.proposing.decide(FIRST_ACCOUNT, one.id, "Accepted", actor="a clerk")
    second = await sent(town.sender, NETWORK)
    assert (second.channel, second.state) == ("peppol", State.SENT)
    reasons = await said(town.sender, second)
    assert any("i bruk" in one["sv"] and "in use" in one["en"] for one in reasons)
    assert [one.state for one in await proposals(town.sender)] == [ProposalState.CONVERTED] and letters(tmp_path) == 1


async def test_a_letter_that_comes_back_starts_a_search_that_becomes_a_proposal(town: Town, tmp_path: Path) -> None:
    await ask_first(town.sender)
    first = await sent(town.sender, PAPER)
    assert (first.channel, await proposals(town.sender)) == ("print", [])
    buyer = ParticipantId("0007:5567121388")
    await town.receiver.publish(buyer)
    town.sender.gateway.lookup.forget()
    room = town.sender.gateway.post_room
    await room.returned(FIRST_ACCOUNT, letter_id(first.id), ReturnReason.MOVED, "", "a clerk", None)
    await room.turn()
    (one,) = await proposals(town.sender)
    assert (one.state, one.participant) == (ProposalState.OPEN, buyer.value)
    assert any("söktes på nytt" in one["sv"] for one in await said(town.sender, first))
    second = await sent(town.sender, PAPER)
    assert (second.state, letters(tmp_path)) == (State.FAILED, 1)
    assert any("har flyttat" in one["sv"] and "has moved" in one["en"] for one in await said(town.sender, second))


async def test_a_way_that_was_asked_for_fails_alone(town: Town, tmp_path: Path) -> None:
    message = await sent(town.sender, PAPER, route=Route.PEPPOL)
    assert (message.state, letters(tmp_path)) == (State.REJECTED, 0)


async def test_no_answer_is_no_reason_for_paper(town: Town, tmp_path: Path) -> None:
    await town.stop_dns()
    message = await sent(town.sender, PAPER)
    assert (message.state, letters(tmp_path)) == (State.ACCEPTED, 0)
    assert any("inget nej" in one["sv"] and "no no" in one["en"] for one in await said(town.sender, message))
