"""Status messages between two whole gateways: told, shown, and never a loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.app import FIRST_ACCOUNT
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Message, PayloadKind
from gateway.model.services import MLS
from gateway.ports import Filter
from gateway.ubl import sbdh
from tests.trips.conftest import NETWORK, Corner, Town, open_town

WRONG = NETWORK.replace(b">24650.84<", b">24651.84<").replace(b">24651.00<", b">24652.00<")

CARELESS = '\n[rules]\noutgoing = "flag"\n'
"""What is wrong leaves here all the same: these tests are about what the other side says of it."""


@pytest.fixture
async def strict(tmp_path: Path, blueprint: Path) -> AsyncIterator[Town]:
    """Both gateways judge strictly what comes in, send what they are given, and ask for every status."""
    more = f'{CARELESS}incoming = "reject"\n\n[mls]\nask = "always"\n'
    async with open_town(tmp_path, blueprint, more) as town:
        yield town


@pytest.fixture
async def careless(tmp_path: Path, blueprint: Path) -> AsyncIterator[Town]:
    """Both gateways send what they are given, and are otherwise as by default."""
    async with open_town(tmp_path, blueprint, CARELESS) as town:
        yield town


async def _settle(town: Town) -> int:
    """Let both work until neither has anything to do; gives the number of steps."""
    steps = 0
    while done := await town.sender.gateway.worker.run_once() + await town.receiver.gateway.worker.run_once():
        steps += done
        assert steps < 50, "a loop"
    return steps


async def _statuses(corner: Corner, direction: Direction) -> list[Message]:
    found = (await corner.gateway.store.find(FIRST_ACCOUNT, Filter(direction=direction)))[0]
    return [message for message in found if message.document_type == str(MLS)]


async def test_a_refused_invoice_comes_back_as_rejected_with_the_findings(strict: Town) -> None:
    sent = await strict.sender.submit(WRONG)
    await _settle(strict)
    now = await strict.sender.now(sent)
    assert now.state is State.REJECTED and "BR-CO-15" in now.reason
    assert await strict.sender.events(sent) == ["Accepted", "Sending", "Sent", "Rejected"]
    (told,) = await _statuses(strict.receiver, Direction.OUT)
    (heard,) = await _statuses(strict.sender, Direction.IN)
    assert (told.state, heard.state) == (State.SENT, State.DELIVERED)
    assert (told.sender, told.receiver, heard.peer) == ("0242:000002", "0242:000001", "POP000002")
    assert now.links["status"] == heard.id


async def test_a_good_invoice_comes_back_as_handed_on(strict: Town) -> None:
    sent = await strict.sender.submit(NETWORK)
    await _settle(strict)
    assert (await strict.sender.now(sent)).state is State.DELIVERED
    entry = (await strict.sender.gateway.store.timeline(FIRST_ACCOUNT, sent.id))[-1]
    assert entry.detail["code"] == "AB" and "without a confirmation" in entry.reason


async def test_two_gateways_that_ask_for_everything_do_not_talk_for_ever(strict: Town) -> None:
    """Also when a status itself asks for a status, as a faulty or hostile one may."""
    await strict.sender.submit(NETWORK)
    await strict.sender.submit(WRONG)
    assert await _settle(strict) < 12
    (first, *_) = await _statuses(strict.receiver, Direction.OUT)
    octets = await strict.receiver.gateway.store.payload(first.id, PayloadKind.DOCUMENT)
    opened = sbdh.unwrap(octets)
    assert isinstance(opened.document, bytes)
    greedy = replace(opened.envelope, mls_to="0242:000002", mls_type="ALWAYS_SEND", instance_id="greedy")
    await strict.receiver.submit(sbdh.wrap(opened.document, greedy))
    await _settle(strict)
    assert len(await _statuses(strict.receiver, Direction.OUT)) == 3
    assert len(await _statuses(strict.sender, Direction.IN)) == 3
    assert await _statuses(strict.sender, Direction.OUT) == []
    assert await _statuses(strict.receiver, Direction.IN) == []


async def test_without_anybody_to_tell_the_invoice_is_refused_all_the_same(strict: Town) -> None:
    await strict.sender.gateway.store.remove_participant(
        FIRST_ACCOUNT,
        strict.sender.gateway.inbound.statuses.own,  # type: ignore[union-attr, arg-type]
    )
    sent = await strict.sender.submit(WRONG)
    await _settle(strict)
    assert (await strict.sender.now(sent)).state is State.SENT
    (told,) = await _statuses(strict.receiver, Direction.OUT)
    assert told.state in (State.REJECTED, State.ACCEPTED)


async def test_by_default_nothing_is_asked_and_nothing_is_told(careless: Town) -> None:
    sent = await careless.sender.submit(WRONG)
    await _settle(careless)
    assert (await careless.sender.now(sent)).state is State.SENT
    assert await _statuses(careless.receiver, Direction.OUT) == []
