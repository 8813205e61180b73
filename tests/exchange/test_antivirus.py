"""What carries a virus goes to nobody, what no scanner has seen waits, and nothing of either is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.exchange.antivirus import Antivirus
from gateway.exchange.attachments import Attachments
from gateway.exchange.inbound import Inbound
from gateway.exchange.status import Statuses
from gateway.files.spool import Writing
from gateway.model.identifiers import MessageId, ParticipantId
from gateway.model.lifecycle import Event, State
from gateway.model.message import Direction, Message, Participant, PayloadKind
from gateway.model.octets import Octets
from gateway.ports import Filter
from gateway.ports.antivirus import Inspected
from gateway.scanning.clamd import Clamd
from gateway.ubl import sbdh
from gateway.ubl import status as codec
from tests import clamav
from tests.clamav import EICAR, Scripted, with_files
from tests.exchange.conftest import ACCOUNT, ENDPOINT, Exchange, ScriptedChannel
from tests.exchange.test_inbound import OURS, _received
from tests.exchange.test_rules import GOOD

WE, THEY = ParticipantId("0242:000001"), ParticipantId("0242:000009")


@pytest.fixture
def scanner() -> Scripted:
    return Scripted()


@pytest.fixture
async def ours(exchange: Exchange, scanner: Scripted) -> Exchange:
    """A gateway with a scanner, whose senders can be told by MLS; C4 takes what is pushed."""
    await exchange.store.save_participant(Participant(id=OURS, account=ACCOUNT))
    numbers = iter(range(1, 1000))
    statuses = Statuses(
        store=exchange.store,
        clock=exchange.clock,
        retry=exchange.inbound.retry,
        own=WE,
        country="SE",
        message_id=lambda: MessageId(f"s{next(numbers)}@test"),
    )
    antivirus = Antivirus(scanner=scanner, breakers=exchange.inbound.breakers)
    channel = ScriptedChannel("folder")
    exchange.inbound = replace(
        exchange.inbound,
        statuses=statuses,
        attachments=Attachments(antivirus=antivirus),
        deliveries={"default": channel},
    )
    exchange.worker.inbound = exchange.inbound
    exchange.lookup.answers[THEY.value] = replace(ENDPOINT, seat="POP000009")
    return exchange


async def receive(ours: Exchange, document: Octets) -> Message:
    received = replace(_received(ours.clock), document=document)
    await ours.inbound.receive(received, b"receipt")
    message = await ours.store.find_received("POP000009", received.message_id)
    assert message is not None
    return message


async def requeue(ours: Exchange, message: Message) -> Message:
    ours.clock.forward(seconds=1)
    event = Event(name="Requeued", reason="A person wants it", next_attempt=ours.clock.now())
    await ours.store.record(message, event)
    await ours.settle()
    return await ours.now(message)


def parcels(ours: Exchange) -> int:
    channel = ours.inbound.deliveries["default"]
    assert isinstance(channel, ScriptedChannel)
    return len(channel.parcels)


async def test_an_infected_attachment_keeps_the_document_from_c4_and_its_sender_is_told(
    ours: Exchange, scanner: Scripted
) -> None:
    octets = with_files(b"%PDF-1.7 harmless", b"%PDF-1.7 " + EICAR)
    message = await receive(ours, octets)
    await ours.settle()
    held = await ours.now(message)
    assert (held.state, held.links["held"], parcels(ours)) == (State.REJECTED, "virus", 0)
    assert "found Eicar.Test in 2.pdf" in held.reason
    last = (await ours.events(message))[-1]
    assert last.detail["found"] == "Eicar.Test" and "clean one" in str(last.detail["remedy"])
    told = [one for one in (await ours.store.find(ACCOUNT, Filter(direction=Direction.OUT)))[0] if one.links]
    status = codec.read(sbdh.unwrap(await ours.store.payload(told[0].id, PayloadKind.DOCUMENT)).document)
    assert (status.code, status.reference) == ("RE", "i-1") and "Eicar" not in status.text
    assert await ours.store.payload(message.id, PayloadKind.DOCUMENT) == octets, "nothing is lost"

    again = await requeue(ours, held)
    assert (again.state, parcels(ours)) == (State.REJECTED, 0), "each try is looked at anew"
    scanner.inspect = lambda octets: asyncio.sleep(0, Inspected())  # type: ignore[method-assign]  # it was mended
    done = await requeue(ours, again)
    assert (done.state, done.links["held"], done.links["scanned"]) == (State.DELIVERED, "released", "clean")
    assert parcels(ours) == 1


async def test_clean_attachments_are_shown_once_each_and_the_document_goes_on(
    ours: Exchange, scanner: Scripted
) -> None:
    message = await receive(ours, with_files(b"one", b"two"))
    await ours.settle()
    done = await ours.now(message)
    assert (done.state, done.links, scanner.asked) == (State.DELIVERED, {"scanned": "clean"}, [b"one", b"two"])


async def test_while_the_scanner_is_away_documents_wait_and_then_go_on_at_once(
    ours: Exchange, scanner: Scripted
) -> None:
    scanner.away = 3
    first = await receive(ours, with_files(b"one"))
    for seconds in (0, 200, 900):  # the pauses double
        ours.clock.forward(seconds=seconds)
        await ours.settle()
    ours.clock.forward(seconds=60)  # the breaker's pause is over, the document's is not
    waiting = await ours.now(first)
    assert (waiting.state, parcels(ours)) == (State.RECEIVED, 0)
    assert "cannot be asked" in (await ours.events(first))[-1].reason
    (row,) = ours.inbound.breakers.standing()
    assert (row.destination, row.state, row.failures) == ("virus scanner", "half-open", 3)
    await ours.worker._hasten("virus scanner")  # it answers somebody else: nobody waits for the next try any longer
    await ours.settle()
    assert ((await ours.now(first)).state, parcels(ours)) == (State.DELIVERED, 1)
    assert ours.inbound.breakers.standing() == []


async def test_a_scanner_that_stays_away_loses_nothing(ours: Exchange, scanner: Scripted) -> None:
    scanner.away = 10_000
    message = await receive(ours, with_files(b"one"))
    for _ in range(25):
        await ours.settle()
        ours.clock.forward(hours=6)
    failed = await ours.now(message)
    assert (failed.state, parcels(ours)) == (State.FAILED, 0)
    scanner.away = 0
    ours.clock.forward(hours=1)
    assert (await requeue(ours, failed)).state is State.DELIVERED


async def test_what_is_larger_than_the_scanner_takes_is_for_a_person(ours: Exchange) -> None:
    message = await receive(ours, with_files(b" " * 1_000_001))
    await ours.settle()
    held = await ours.now(message)
    assert (held.state, held.links["held"]) == (State.REJECTED, "unscanned")
    assert "larger than the virus scanner looks at" in held.reason
    assert (await requeue(ours, held)).state is State.REJECTED, "a person's word makes it no smaller"


async def test_a_document_for_the_inbox_is_not_in_it_before_the_scanner_has_seen_it(
    ours: Exchange, scanner: Scripted
) -> None:
    ours.inbound = ours.worker.inbound = replace(ours.inbound, deliveries={"default": ScriptedChannel("inbox")})
    inbox = Filter(direction=Direction.IN, states=(State.RECEIVED,), unacknowledged=True, idle=True)
    message = await receive(ours, with_files(b"one"))
    assert message.next_attempt is not None and not (await ours.store.find(ACCOUNT, inbox))[0]
    await ours.settle()
    ((shown,), _) = await ours.store.find(ACCOUNT, inbox)
    assert shown.links == {"scanned": "clean"} and len(scanner.asked) == 1


async def test_a_document_without_attachments_asks_no_worker(ours: Exchange, scanner: Scripted) -> None:
    ours.inbound = ours.worker.inbound = replace(
        ours.inbound, deliveries={"default": ScriptedChannel("inbox")}, statuses=None
    )
    message = await receive(ours, GOOD)
    assert message.next_attempt is None and scanner.asked == []


async def test_a_large_document_is_read_from_its_file(ours: Exchange, scanner: Scripted, tmp_path: Path) -> None:
    with Writing(tmp_path / "large") as writing:
        writing.write(with_files(b"x" * 900_000, b"y" * 900_000, EICAR))
        message = await receive(ours, writing.done())
    await ours.settle()
    assert (await ours.now(message)).links["held"] == "virus"
    assert [len(octets) for octets in scanner.asked] == [900_000, 900_000, len(EICAR)]


@pytest.fixture
async def real(ours: Exchange) -> AsyncIterator[Inbound]:
    if why := clamav.why_not():
        pytest.skip(why)
    async with clamav.real() as path:
        antivirus = Antivirus(scanner=Clamd(path=path), breakers=ours.inbound.breakers)
        ours.inbound = ours.worker.inbound = replace(ours.inbound, attachments=Attachments(antivirus=antivirus))
        yield ours.inbound


async def test_the_real_clamd_keeps_the_test_virus_from_c4(ours: Exchange, real: Inbound) -> None:
    message = await receive(ours, with_files(b"%PDF-1.7 harmless", EICAR))
    await ours.settle()
    assert (await ours.now(message)).links["held"] == "virus" and parcels(ours) == 0
