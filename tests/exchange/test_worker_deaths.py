"""Documents that kill their worker (A32): quarantined after three deaths, while the others go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import create_engine

from gateway.errors import PeerUnavailable
from gateway.model.lifecycle import Event, State
from gateway.model.message import Message, Outgoing
from gateway.model.relation import Endpoint
from gateway.ports import Delivery
from gateway.store.database import free_leases
from tests.exchange.conftest import ACCOUNT, ENDPOINT, Exchange, ScriptedTransport, sample

NETWORK = sample("network")


class Killed(BaseException):
    """The process is gone: nothing after it runs."""


class Poisoned(ScriptedTransport):
    """Kills the process when it sends the poison."""

    poison = ""

    async def send(self, outgoing: Outgoing, endpoint: Endpoint) -> Delivery:
        if outgoing.message_id == self.poison:
            raise Killed
        return await ScriptedTransport.send(self, outgoing, endpoint)


async def _live(exchange: Exchange) -> bool:
    """Work until nothing is due; False when the process died, which leaves its leases behind."""
    try:
        while await exchange.worker.run_once():
            pass
    except Killed:
        return False
    return True


def _expired(exchange: Exchange) -> None:
    """The dead process's leases have run out: what another process, or the next one, sees."""
    exchange.clock.forward(seconds=61)
    exchange.worker = replace(exchange.worker, owner=exchange.worker.owner + "+")


async def test_what_kills_three_times_is_quarantined_and_the_others_arrive(exchange: Exchange) -> None:
    transport = Poisoned()
    exchange.worker.outbound = replace(exchange.outbound, transport=transport)
    exchange.lookup.answers["0007:5567987606"] = ENDPOINT
    messages = [await exchange.submit(NETWORK) for _ in range(12)]
    poison = messages[3]
    transport.poison = poison.message_id
    deaths = 0
    while deaths < 6 and not await _live(exchange):
        deaths += 1
        _expired(exchange)
    for _ in range(40):  # those that were put aside
        exchange.clock.forward(seconds=2)
        assert await _live(exchange)
    assert deaths == 3
    now = await exchange.now(poison)
    assert now.state is State.UNKNOWN  # its octets may have left
    assert "3 times the gateway died while it had this document in hand" in now.reason
    last = (await exchange.events(poison))[-1]
    assert last.detail["quarantined"] is True and "requeue" in str(last.detail["remedy"])
    for message in messages:
        if message is not poison:
            assert (await exchange.now(message)).state is State.SENT, await exchange.events(message)


async def test_what_dies_before_a_step_is_begun_ends_as_failed_and_requeued_begins_anew(exchange: Exchange) -> None:
    message = await exchange.submit(NETWORK)
    for _ in range(3):
        assert await exchange.store.claim("a worker that dies", 10, 60.0)
        exchange.clock.forward(seconds=61)
    await exchange.settle()
    failed = await exchange.now(message)
    assert failed.state is State.FAILED and failed.reason.startswith("Quarantined")
    assert exchange.transport.sent == []
    exchange.lookup.answers["0007:5567987606"] = ENDPOINT
    await exchange.store.record(failed, Event(name="Requeued", reason="mended"))
    await exchange.settle()
    assert (await exchange.now(message)).state is State.SENT


async def test_a_new_start_counts_what_the_dead_one_had_in_hand(exchange: Exchange, tmp_path: Path) -> None:
    """Also where the lease is freed at the start instead of running out."""
    message = await exchange.submit(NETWORK)
    assert await exchange.store.claim("a", 10, 60.0)
    engine = create_engine(f"sqlite:///{tmp_path / 'gateway.db'}")
    free_leases(engine)
    engine.dispose()
    (again,) = await exchange.store.claim("b", 10, 60.0)
    assert again.id == message.id and await exchange.store.deaths(again) == 1


async def test_failures_that_were_told_are_no_deaths(exchange: Exchange) -> None:
    exchange.lookup.answers["0007:5567987606"] = ENDPOINT
    exchange.transport.errors = [PeerUnavailable("busy", sent=False) for _ in range(2)]
    message = await exchange.submit(NETWORK)
    for _ in range(6):
        await exchange.settle()
        exchange.clock.forward(minutes=10)
    assert (await exchange.now(message)).state is State.SENT
    assert "Quarantined" not in str(await exchange.events(message))


async def test_switched_off_it_is_tried_for_ever(exchange: Exchange) -> None:
    exchange.worker.quarantine_after = 0
    exchange.lookup.answers["0007:5567987606"] = ENDPOINT
    message = await exchange.submit(NETWORK)
    for _ in range(5):
        assert await exchange.store.claim("a worker that dies", 10, 60.0)
        exchange.clock.forward(seconds=61)
    await exchange.settle()
    assert (await exchange.now(message)).state is State.SENT


async def test_suspects_are_worked_on_one_at_a_time(exchange: Exchange) -> None:
    exchange.lookup.answers["0007:5567987606"] = ENDPOINT
    messages: list[Message] = [await exchange.submit(NETWORK) for _ in range(5)]
    assert len(await exchange.store.claim("a worker that dies", 10, 60.0)) == 5
    exchange.clock.forward(seconds=61)
    claimed = await exchange.store.claim(exchange.worker.owner, 10, 60.0)
    assert [await exchange.worker._may_begin(m) for m in claimed] == [True, False, False, False, False]
    for message in claimed[1:]:
        now = await exchange.now(message)
        assert now.next_attempt is not None and now.next_attempt > exchange.clock.now()
        assert (await exchange.events(message))[-1].detail == {"deaths": 1}
    assert {m.account for m in messages} == {ACCOUNT}
