"""The duplicate decision table, row by row: what is answered to a message that came before, and what it changes."""

from __future__ import annotations

import asyncio
import gzip
import logging
from dataclasses import replace

import pytest

from gateway.errors import InvalidMessage, Overloaded, StoreUnavailable
from gateway.exchange.in_work import InWork
from gateway.model.document import Envelope
from gateway.model.identifiers import InstanceId, MessageId, ParticipantId
from gateway.model.lifecycle import State
from gateway.model.message import Message, Participant, Received, Verification
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.ports import Added, Arrival, Filter
from tests.exchange.conftest import ACCOUNT, Exchange, sample

OURS = ParticipantId("0007:5567212047")

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def came(
    exchange: Exchange, id: str = "one@x", *, seat: str = "POP000009", part: bytes = b"part", instance: str = "i-1"
) -> Received:
    """A message as ``Receiving.read`` gives it."""
    return Received(
        message_id=MessageId(id),
        conversation_id="c",
        timestamp="2026-11-25T12:00:00Z",
        from_party=seat,
        to_party="POP000001",
        is_test=False,
        envelope=Envelope(
            sender=ParticipantId("0007:5561043539"),
            receiver=OURS,
            document_type=BILLING_INVOICE,
            process=BILLING_PROCESS,
            country_c1="SE",
            instance_id=InstanceId(instance),
            created="2026-11-25T12:00:00Z",
        ),
        document=sample("network"),
        summary=None,
        part=gzip.compress(part, mtime=0),
        compressed=True,
        soap=b"<soap/>",
        verification=Verification(
            signer=b"der",
            seat=seat,
            chain=("CN=x",),
            covered=(("cid:p", "digest"),),
            checked_at=exchange.clock.now(),
            revocation="off",
        ),
    )


def receipt(number: int) -> bytes:
    return f"<receipt {number}: digest>".encode()


@pytest.fixture
async def ours(exchange: Exchange) -> Exchange:
    await exchange.store.save_participant(Participant(id=OURS, account=ACCOUNT))
    return exchange


async def stored(exchange: Exchange) -> list[Message]:
    return sorted((await exchange.store.find(ACCOUNT, Filter()))[0], key=lambda m: m.message_id)


class Gate:
    """Stands before the store's commit, counts, and holds what comes until it is opened."""

    def __init__(self, exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = asyncio.Event()
        self.commits = 0
        self.failures: list[Exception] = []
        real = type(exchange.store).add_once

        async def add_once(store: object, arrival: Arrival) -> Added:
            self.commits += 1
            await self.open.wait()
            if self.failures:
                raise self.failures.pop(0)
            return await real(exchange.store, arrival)

        monkeypatch.setattr(type(exchange.store), "add_once", add_once)


async def until_held(gate: Gate, count: int = 1) -> None:
    async with asyncio.timeout(5):
        while gate.commits < count:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)


async def test_row_1_new(ours: Exchange) -> None:
    assert await ours.inbound.receive(came(ours), receipt(1)) == receipt(1)
    assert [m.state for m in await stored(ours)] == [State.RECEIVED]


async def test_row_2_new_id_but_a_known_envelope_with_the_same_document(ours: Exchange) -> None:
    await ours.inbound.receive(came(ours), receipt(1))
    assert await ours.inbound.receive(came(ours, "two@x", part=b"other octets"), receipt(2)) == receipt(2)
    first, again = await stored(ours)
    assert (again.state, again.links) == (State.DELIVERED, {"repeat_of": first.id})
    assert again.next_attempt is None  # nobody hands it over a second time


async def test_row_3_new_id_but_a_known_envelope_with_another_document(ours: Exchange) -> None:
    await ours.inbound.receive(came(ours), receipt(1))
    other = replace(came(ours, "two@x", part=b"other octets"), document=sample("email"))
    assert await ours.inbound.receive(other, receipt(2)) == receipt(2)
    first, second = await stored(ours)
    assert (second.state, second.links) == (State.RECEIVED, {"same_envelope_as": first.id})


async def test_row_4_known_and_accepted(ours: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    await ours.inbound.receive(came(ours), receipt(1))
    with caplog.at_level(logging.INFO):
        for number in range(2, 5):
            assert await ours.inbound.receive(came(ours), receipt(number)) == receipt(1)
    assert [r.message for r in caplog.records].count("repeated") == 3
    (message,) = await stored(ours)
    assert len(await ours.events(message)) == 1


async def test_row_5_known_and_in_work_now_waits_and_gets_the_first_receipt(
    ours: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(ours, monkeypatch)
    calls = [asyncio.ensure_future(ours.inbound.receive(came(ours), receipt(n))) for n in range(20)]
    await until_held(gate)
    assert not any(call.done() for call in calls)  # no receipt before the commit, neither first nor repeat
    assert len(ours.inbound.in_work) == 1
    gate.open.set()
    assert set(await asyncio.gather(*calls)) == {receipt(0)}
    assert gate.commits == 1
    assert len(await stored(ours)) == 1
    assert len(ours.inbound.in_work) == 0


async def test_row_5_known_and_in_work_for_too_long_is_503(ours: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.inbound = replace(ours.inbound, in_work=InWork(seconds=0.05))
    gate = Gate(ours, monkeypatch)
    first = asyncio.ensure_future(ours.inbound.receive(came(ours), receipt(1)))
    await until_held(gate)
    with pytest.raises(Overloaded) as raised:
        await ours.inbound.receive(came(ours), receipt(2))
    assert raised.value.temporary
    gate.open.set()
    assert await first == receipt(1)
    assert await ours.inbound.receive(came(ours), receipt(3)) == receipt(1)


async def test_row_5_another_message_under_an_id_in_work_is_refused(
    ours: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(ours, monkeypatch)
    first = asyncio.ensure_future(ours.inbound.receive(came(ours), receipt(1)))
    await until_held(gate)
    other = asyncio.ensure_future(ours.inbound.receive(came(ours, part=b"other"), receipt(2)))
    await asyncio.sleep(0.02)
    gate.open.set()
    assert await first == receipt(1)
    with pytest.raises(InvalidMessage, match="other content"):
        await other
    assert gate.commits == 1


async def test_row_5_a_repeat_signed_anew_while_in_work_gets_a_receipt_that_fits(
    ours: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(ours, monkeypatch)
    first = asyncio.ensure_future(ours.inbound.receive(came(ours), receipt(1)))
    await until_held(gate)
    plain = came(ours)
    anew = replace(plain, verification=replace(plain.verification, covered=(("cid:p", "digest"), ("#h", "other"))))
    second = asyncio.ensure_future(ours.inbound.receive(anew, b"<receipt 2: digest, other>"))
    await asyncio.sleep(0.02)
    gate.open.set()
    assert (await first, await second) == (receipt(1), b"<receipt 2: digest, other>")
    assert len(await stored(ours)) == 1


async def test_row_6_known_but_the_earlier_try_failed_is_new(ours: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(ours, monkeypatch)
    gate.open.set()
    gate.failures = [StoreUnavailable("disk full")]
    with pytest.raises(StoreUnavailable):
        await ours.inbound.receive(came(ours), receipt(1))
    assert await ours.inbound.receive(came(ours), receipt(2)) == receipt(2)
    assert len(await stored(ours)) == 1


async def test_row_6_a_repeat_takes_over_when_the_first_fails_meanwhile(
    ours: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(ours, monkeypatch)
    gate.failures = [StoreUnavailable("disk full")]
    calls = [asyncio.ensure_future(ours.inbound.receive(came(ours), receipt(n))) for n in range(5)]
    await until_held(gate)
    gate.open.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers[0], StoreUnavailable)
    assert len(set(answers[1:])) == 1 and answers[1] in [receipt(n) for n in range(1, 5)]
    assert len(await stored(ours)) == 1


async def test_row_7_refused_for_a_fact_is_refused_again_in_the_same_words(exchange: Exchange) -> None:
    """Nothing is kept of a refusal (tests/attacks/test_again.py has the refusals before this one)."""
    errors = []
    for _ in range(3):
        with pytest.raises(InvalidMessage) as raised:
            await exchange.inbound.receive(came(exchange), receipt(1))
        errors.append((raised.value.code, raised.value.detail))
    assert errors == [("EBMS:0004", "PEPPOL:NOT_SERVICED")] * 3
    assert await stored(exchange) == []
    # The fact changed: it is no longer so. The sender's next try is as good as a first one.
    await exchange.store.save_participant(Participant(id=OURS, account=ACCOUNT))
    assert await exchange.inbound.receive(came(exchange), receipt(2)) == receipt(2)


async def test_row_7_two_at_once_that_are_refused_are_refused_alike(exchange: Exchange) -> None:
    answers = await asyncio.gather(
        *(exchange.inbound.receive(came(exchange), receipt(n)) for n in range(10)), return_exceptions=True
    )
    assert {(a.code, a.detail) for a in answers if isinstance(a, InvalidMessage)} == {
        ("EBMS:0004", "PEPPOL:NOT_SERVICED")
    }
    assert all(isinstance(a, InvalidMessage) for a in answers)


async def test_row_8_known_with_other_digests_is_refused_and_somebody_is_told(
    ours: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    await ours.inbound.receive(came(ours), receipt(1))
    before = await stored(ours)
    for _ in range(2):
        with pytest.raises(InvalidMessage) as raised:
            await ours.inbound.receive(came(ours, part=b"other"), receipt(2))
        assert raised.value.code == "EBMS:0004" and "needs a new id" in raised.value.detail
    alarms = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [r.__dict__["message_id"] for r in alarms] == ["one@x", "one@x"]
    assert await stored(ours) == before


async def test_row_9_the_same_id_of_another_owner_is_another_message(ours: Exchange) -> None:
    await ours.inbound.receive(came(ours), receipt(1))
    for part in (b"part", b"other"):
        seat = f"POP00000{len(part)}"
        answer = await ours.inbound.receive(came(ours, seat=seat, part=part, instance=f"i-{seat}"), receipt(2))
        assert answer == receipt(2)
    assert len(await stored(ours)) == 3


async def test_row_10_without_the_store_nothing_is_promised(ours: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    await ours.inbound.receive(came(ours), receipt(1))
    gate = Gate(ours, monkeypatch)
    gate.open.set()
    for message in ("one@x", "two@x"):
        gate.failures = [StoreUnavailable("gone")]
        with pytest.raises(StoreUnavailable) as raised:
            await ours.inbound.receive(came(ours, message), receipt(2))
        assert raised.value.temporary
    assert len(await stored(ours)) == 1


async def test_row_10_a_receiver_that_cannot_be_looked_up_is_not_called_unserviced(
    ours: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object, id: ParticipantId) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(ours.store), "participant", fail)
        with pytest.raises(StoreUnavailable):
            await ours.inbound.receive(came(ours), receipt(1))
    assert await ours.inbound.receive(came(ours), receipt(2)) == receipt(2)
