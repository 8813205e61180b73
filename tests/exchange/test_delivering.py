"""From us to C4 by a real webhook, with the store and the worker (A26, B19): tried under one id until it is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.delivery.webhook import Webhook, open_channel
from gateway.discovery import ChannelContext
from gateway.errors import Conflict, StateError
from gateway.exchange.retry import RetryPolicy
from gateway.model.lifecycle import State
from gateway.model.message import Message, Participant
from gateway.model.view import describe
from gateway.ports import Filter
from tests.exchange.conftest import ACCOUNT, Exchange
from tests.exchange.test_inbound import OURS, _received
from tests.webhook_receiver import SECRET, Receiver, webhook_receiver

THREE_DAYS = RetryPolicy(first=timedelta(seconds=10), longest=timedelta(hours=1), window=timedelta(days=3))


@dataclass
class Corner:
    """The gateway, and C4 behind a webhook."""

    exchange: Exchange
    c4: Receiver

    async def receive(self) -> Message:
        await self.exchange.inbound.receive(_received(self.exchange.clock), b"<receipt: digest>")
        ((message,), _) = await self.exchange.store.find(ACCOUNT, Filter())
        return message

    async def settle(self, days: float = 0.0) -> None:
        """Do what is due, and what becomes due within so long."""
        until = self.exchange.clock.now() + timedelta(days=days)
        await self.exchange.settle()
        while self.exchange.clock.now() < until:
            self.exchange.clock.forward(minutes=20)
            await self.exchange.settle()


@pytest.fixture
async def corner(exchange: Exchange, tmp_path: Path) -> AsyncIterator[Corner]:
    await exchange.store.save_participant(Participant(id=OURS, account=ACCOUNT, delivery="erp"))
    async with webhook_receiver() as c4:
        context = ChannelContext(base=tmp_path, clock=exchange.clock, describe=describe, section="delivery.erp")
        table = {"kind": "webhook", "url": c4.url, "secret": SECRET, "allow_http": True, "allow_private": True}
        channel = open_channel(table, context)
        assert isinstance(channel, Webhook)
        exchange.inbound = replace(exchange.inbound, deliveries={"erp": channel}, retries={"erp": THREE_DAYS})
        exchange.worker.inbound = exchange.inbound
        yield Corner(exchange, c4)
        await channel.aclose()


def _delivery_ids(c4: Receiver) -> set[str]:
    return {headers["webhook-id"] for headers, _ in c4.got}


async def test_c4_gets_it_once_and_the_timeline_says_so(corner: Corner) -> None:
    message = await corner.receive()
    await corner.settle(days=1)
    assert (await corner.exchange.now(message)).state is State.DELIVERED
    assert len(corner.c4.got) == 1
    last = (await corner.exchange.events(message))[-1]
    assert last.detail == {"delivery": "erp", "reference": f"{message.id}_received"}


@pytest.mark.parametrize(
    "answer", ["500 Oops", "503 Busy", "404 Not Found", "302 Found\r\nLocation: /", "hang up", "cut"]
)
async def test_whatever_c4_does_it_is_tried_again_under_the_same_delivery_id(corner: Corner, answer: str) -> None:
    corner.c4.script = [answer] * 3
    message = await corner.receive()
    await corner.settle()
    waiting = await corner.exchange.now(message)
    assert waiting.state is State.RECEIVED and waiting.next_attempt is not None
    await corner.settle(days=1)
    assert (await corner.exchange.now(message)).state is State.DELIVERED
    assert _delivery_ids(corner.c4) == {f"{message.id}_received"}
    events = await corner.exchange.events(message)
    assert [e.event for e in events] == ["Received", "Postponed", "Postponed", "Postponed", "Delivered"]
    assert all(e.detail["delivery"] == "erp" and e.detail["remedy"] for e in events[1:4])


async def test_after_three_days_a_person_must_look_and_may_have_it_delivered_again(corner: Corner) -> None:
    corner.c4.script = ["500 Oops"] * 10_000
    message = await corner.receive()
    await corner.settle(days=2.8)
    assert (await corner.exchange.now(message)).state is State.RECEIVED
    await corner.settle(days=0.3)
    failed = await corner.exchange.now(message)
    assert failed.state is State.FAILED and "within 3 days" in failed.reason and "answered 500" in failed.reason
    corner.c4.script = []
    await corner.exchange.inbound.redeliver(failed)
    await corner.settle()
    assert (await corner.exchange.now(message)).state is State.DELIVERED
    assert _delivery_ids(corner.c4) == {f"{message.id}_received"}


async def test_a_no_for_good_waits_for_a_person_at_once(corner: Corner) -> None:
    corner.c4.script = ["422 No"]
    message = await corner.receive()
    await corner.settle(days=1)
    failed = await corner.exchange.now(message)
    assert failed.state is State.FAILED and "not acceptable" in failed.reason
    assert len(corner.c4.got) == 1


async def test_c4_may_ask_us_to_wait(corner: Corner) -> None:
    corner.c4.script = ["429 Slow down\r\nRetry-After: 7200"]
    message = await corner.receive()
    await corner.settle()
    now = await corner.exchange.now(message)
    assert now.next_attempt == corner.exchange.clock.now() + timedelta(hours=2)


async def test_what_has_arrived_is_sent_once_more_only_when_somebody_asks(corner: Corner) -> None:
    message = await corner.receive()
    await corner.settle(days=1)
    delivered = await corner.exchange.now(message)
    after = await corner.exchange.inbound.redeliver(delivered)
    assert after.state is State.RECEIVED
    with pytest.raises(StateError):
        await corner.exchange.inbound.redeliver(after)
    await corner.settle()
    assert (await corner.exchange.now(message)).state is State.DELIVERED
    assert len(corner.c4.got) == 2 and len(_delivery_ids(corner.c4)) == 1


async def test_what_lies_in_the_inbox_is_not_sent(corner: Corner) -> None:
    message = await corner.receive()
    await corner.exchange.store.save_participant(Participant(id=OURS, account=ACCOUNT, delivery="default"))
    with pytest.raises(Conflict, match="inbox"):
        await corner.exchange.inbound.redeliver(message)


async def test_when_c4_answers_again_all_that_waits_for_it_is_delivered(corner: Corner) -> None:
    exchange = corner.exchange
    slow = replace(THREE_DAYS, first=timedelta(hours=1))
    exchange.inbound = exchange.worker.inbound = replace(exchange.inbound, retries={"erp": slow})
    corner.c4.script = ["500 Oops"] * 3

    async def receive(number: int) -> None:
        received = _received(exchange.clock, id=f"{number}@b", part=str(number).encode())
        received = replace(received, envelope=replace(received.envelope, instance_id=f"i-{number}"))
        await exchange.inbound.receive(received, b"<receipt: digest>")
        await exchange.settle()

    for number in range(7):
        await receive(number)
    assert len(corner.c4.got) == 3  # then it was left alone
    exchange.clock.forward(seconds=45)
    await receive(7)  # finds it alive, and the others need not wait for their hour
    messages, _ = await exchange.store.find(ACCOUNT, Filter())
    assert [m.state for m in messages] == [State.DELIVERED] * 8
    assert len(_delivery_ids(corner.c4)) == 8
