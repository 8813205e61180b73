"""An invoice of the network with a PDF of itself that shows something else: a person sees both, and nothing is lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Conflict, NotFound, Overloaded, StoreUnavailable
from gateway.exchange.attachments import Attachments
from gateway.exchange.pictures import PictureReview, Pictures
from gateway.exchange.reviewing import Reviewing
from gateway.exchange.scans import Scans
from gateway.exchange.splitting import Splitting
from gateway.files.spool import Writing
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Message, Participant, PayloadKind
from gateway.model.person import Deed
from gateway.model.scan import Scan, ScanState
from gateway.ports import Filter
from gateway.scanning.comparing import Stated
from gateway.scanning.pictures import PictureReader
from tests.exchange.conftest import ACCOUNT, Exchange, ScriptedChannel
from tests.exchange.test_antivirus import parcels, receive, requeue
from tests.exchange.test_inbound import OURS
from tests.scanning import generator, pairs

ONE = generator.invoice(3, code=False)
_, OTHER_ACCOUNT = pairs.altered(ONE, 3)["account"]
_, OTHER_TOTAL = pairs.altered(ONE, 3)["lines"]
_READ: dict[tuple[bytes, str], Any] = {}


class Remembering:
    """The real reader; what it has read it does not read again, so that not every test waits for it."""

    async def compare(self, octets: bytes, stated: Stated) -> Any:
        key = octets, stated.values["number"]
        if key not in _READ:
            _READ[key] = await PictureReader().compare(octets, stated)
        return _READ[key]


@pytest.fixture
async def ours(exchange: Exchange) -> Exchange:
    await exchange.store.save_participant(Participant(id=OURS, account=ACCOUNT))
    pictures = Pictures(store=exchange.store, clock=exchange.clock, reader=Remembering())
    exchange.inbound = replace(
        exchange.inbound,
        attachments=Attachments(pictures=pictures),
        deliveries={"default": ScriptedChannel("folder")},
    )
    exchange.worker.inbound = exchange.inbound
    return exchange


def looking(ours: Exchange, **changed: Any) -> None:
    """From now on it looks so."""
    assert ours.inbound.attachments.pictures is not None
    pictures = replace(ours.inbound.attachments.pictures, **changed)
    ours.inbound = ours.worker.inbound = replace(ours.inbound, attachments=Attachments(pictures=pictures))


async def reviews(ours: Exchange) -> list[Scan]:
    return list((await ours.store.reviews.find(ACCOUNT, (ScanState.REVIEW,), 10))[0])


async def held(ours: Exchange, pdf: bytes = OTHER_ACCOUNT) -> tuple[Message, Scan]:
    message = await receive(ours, pairs.ubl(ONE, pdf))
    await ours.settle()
    (scan,) = await reviews(ours)
    return await ours.now(message), scan


def deciding(ours: Exchange) -> PictureReview:
    return PictureReview(store=ours.store, clock=ours.clock)


async def test_another_account_on_the_pdf_keeps_the_invoice_for_a_person_who_sees_both(ours: Exchange) -> None:
    message, scan = await held(ours)
    assert (message.state, parcels(ours)) == (State.REJECTED, 0)
    assert message.links == {"held": "picture", "differs": "account"}
    assert await ours.store.payload(message.id, PayloadKind.DOCUMENT) == pairs.ubl(ONE, OTHER_ACCOUNT)
    last = (await ours.events(message))[-1]
    assert last.detail["attachment"] == "faktura.pdf"
    ((row),) = last.detail["picture"]  # type: ignore[misc]
    said, shown = row["said"], row["shown"]  # type: ignore[index]
    assert said == f"BG:{ONE.account}" and shown != said and said in last.reason and shown in last.reason

    assert (scan.hold, scan.source, scan.document, scan.pages) == ("picture", "network", message.id, 1)
    field = scan.fields["account"]
    assert [one.value for one in field.candidates] == [said, shown] and not field.accepted
    assert shown in scan.reason and shown in scan.reason_sv and "fakturan säger" in scan.reason_sv
    assert scan.fields["total"].accepted and scan.fields["total"].value == ONE.truth["total"]
    assert await ours.store.reviews.octets(ACCOUNT, scan.id) == OTHER_ACCOUNT
    assert (await ours.store.reviews.crop(ACCOUNT, scan.id, "account")).startswith(b"\x89PNG")
    assert not (await ours.store.find(ACCOUNT, Filter(direction=Direction.OUT)))[0], (
        "nobody is told before it is decided"
    )


async def test_an_honest_pdf_and_one_that_cannot_be_read_hold_nothing_up(ours: Exchange) -> None:
    message = await receive(ours, pairs.ubl(ONE, pairs.pdf(ONE)))
    await ours.settle()
    assert ((await ours.now(message)).state, (await ours.now(message)).links) == (State.DELIVERED, {})
    for number, pdf in enumerate((b"%PDF-1.7 broken", b"", generator.text_pdf([]))):
        looked = await ours.inbound.attachments.look(message, pairs.ubl(ONE, pdf))
        assert looked.held is None and not looked.links, number
    assert parcels(ours) == 1 and not await reviews(ours)


async def test_a_person_lets_it_go_on_and_says_why(ours: Exchange) -> None:
    message, scan = await held(ours)
    with pytest.raises(Conflict, match="Say how you know"):
        await deciding(ours).release(scan, "clerk", " ")
    done = await deciding(ours).release(scan, "clerk", "Called them")
    assert (done.state, done.decided_by, done.hold) == (ScanState.ACCEPTED, "clerk", "")
    await ours.settle()
    after = await ours.now(message)
    assert (after.state, after.links["held"], parcels(ours)) == (State.DELIVERED, "released", 1)
    assert any("clerk lets it go on" in entry.reason for entry in await ours.events(message))
    with pytest.raises(Conflict):
        await deciding(ours).refuse(done, "clerk", "too late")


async def test_a_person_refuses_it(ours: Exchange) -> None:
    message, scan = await held(ours)
    done = await deciding(ours).refuse(scan, "clerk", "They did not send it")
    assert done.state is ScanState.REFUSED and not await reviews(ours)
    await ours.settle()
    after = await ours.now(message)
    assert (after.state, after.links["held"], parcels(ours)) == (State.REJECTED, "refused", 0)
    again = await requeue(ours, await ours.now(message))
    assert again.state is State.REJECTED and len(await reviews(ours)) == 1, "put back to work it asks anew"


async def test_putting_it_back_to_work_is_no_way_around_the_review(ours: Exchange) -> None:
    message, scan = await held(ours)
    assert (await requeue(ours, message)).state is State.REJECTED and parcels(ours) == 0
    (still,) = await reviews(ours)
    assert (still.id, still.version) == (scan.id, scan.version)


async def test_another_account_is_released_by_two_where_the_account_wants_that(ours: Exchange) -> None:
    deed = Deed(account=ACCOUNT, actor="admin", action="four-eyes-on")
    await ours.store.reviews.want_four_eyes(True, deed)
    message, scan = await held(ours)
    with pytest.raises(Conflict, match="two people"):
        await deciding(ours).release(scan, "account main", "I say so")
    first = await deciding(ours).release(scan, "ann", "Called them", person=True)
    assert (first.state, first.decided_by) == (ScanState.REVIEW, "ann")
    same = await deciding(ours).release(first, "ann", "Called again", person=True)
    assert same.state is ScanState.REVIEW and parcels(ours) == 0
    done = await deciding(ours).release(same, "bo", "I called too", person=True)
    assert done.state is ScanState.ACCEPTED and "ann: Called again / bo: I called too" in done.reason
    await ours.settle()
    assert ((await ours.now(message)).state, parcels(ours)) == (State.DELIVERED, 1)


async def test_where_only_the_total_differs_one_person_is_enough(ours: Exchange) -> None:
    await ours.store.reviews.want_four_eyes(True, Deed(account=ACCOUNT, actor="admin", action="four-eyes-on"))
    message, scan = await held(ours, OTHER_TOTAL)
    assert message.links["differs"] == "total"
    assert (await deciding(ours).release(scan, "ann", "Credit follows")).state is ScanState.ACCEPTED


async def test_it_is_handed_on_with_a_warning_where_that_is_wanted(ours: Exchange) -> None:
    looking(ours, policy="flag")
    message = await receive(ours, pairs.ubl(ONE, OTHER_ACCOUNT))
    await ours.settle()
    done, last = await ours.now(message), (await ours.events(message))[-1]
    assert (done.state, done.links) == (State.DELIVERED, {"differs": "account"})
    assert "please look: The PDF faktura.pdf shows account BG:" in last.reason and last.detail["picture"]
    channel = ours.inbound.deliveries["default"]
    assert isinstance(channel, ScriptedChannel) and channel.parcels[0].message.links == {"differs": "account"}
    assert not await reviews(ours)


async def test_the_receipt_does_not_wait_for_it(ours: Exchange) -> None:
    class Never:
        async def compare(self, octets: bytes, stated: Stated) -> Any:
            await asyncio.Event().wait()

    looking(ours, reader=Never())
    message = await receive(ours, pairs.ubl(ONE, OTHER_ACCOUNT))
    assert message.state is State.RECEIVED and message.next_attempt is not None


@pytest.mark.parametrize("call", ["begin", "settle", "record"])
async def test_killed_at_each_durable_call_it_is_asked_once_and_delivered_to_nobody(
    ours: Exchange, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await receive(ours, pairs.ubl(ONE, OTHER_ACCOUNT))
    where: Any = ours.store if call == "record" else type(ours.store.reviews)
    real, failed = getattr(where, call), []

    async def dies(*arguments: Any, **more: Any) -> Any:
        if not failed:
            failed.append(True)
            raise asyncio.CancelledError
        return await real(*arguments, **more)

    monkeypatch.setattr(where, call, dies)
    with pytest.raises(asyncio.CancelledError):
        await ours.settle()
    assert failed and parcels(ours) == 0
    ours.clock.forward(minutes=5)  # the lease runs out
    await ours.settle()
    assert ((await ours.now(message)).state, parcels(ours)) == (State.REJECTED, 0)
    (scan,) = await reviews(ours)
    assert (await ours.store.reviews.crop(ACCOUNT, scan.id, "account")).startswith(b"\x89PNG")


async def test_a_decision_that_was_cut_off_is_made_a_second_time(
    ours: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, scan = await held(ours)

    async def away(*arguments: Any, **more: Any) -> Any:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as broken:
        broken.setattr(type(ours.store.reviews), "settle", away)
        with pytest.raises(StoreUnavailable):
            await deciding(ours).release(scan, "clerk", "Called them")
    await ours.settle()
    assert parcels(ours) == 1
    assert (await deciding(ours).release(scan, "clerk", "Called them")).state is ScanState.ACCEPTED
    await ours.settle()
    assert (parcels(ours), (await ours.now(message)).state) == (1, State.DELIVERED)


async def test_a_process_that_cannot_be_started_is_tried_again(ours: Exchange) -> None:
    class Busy:
        async def compare(self, octets: bytes, stated: Stated) -> Any:
            raise Overloaded("No process can be started")

    looking(ours, reader=Busy())
    message = await receive(ours, pairs.ubl(ONE, OTHER_ACCOUNT))
    await ours.settle()
    waiting = await ours.now(message)
    assert waiting.state is State.RECEIVED and waiting.next_attempt is not None and parcels(ours) == 0


async def test_many_that_wait_for_their_pdf_leave_the_workers_places_to_others(ours: Exchange) -> None:
    class Slow:
        async def compare(self, octets: bytes, stated: Stated) -> Any:
            await asyncio.sleep(3600)

    looking(ours, reader=Slow())
    message = await receive(ours, pairs.ubl(ONE, OTHER_ACCOUNT))
    octets = pairs.ubl(ONE, OTHER_ACCOUNT)
    tasks = [asyncio.ensure_future(ours.inbound.attachments.look(message, octets)) for _ in range(12)]
    done, waiting = await asyncio.wait(tasks, timeout=1.0)
    for task in waiting:
        task.cancel()
    assert len(waiting) == 8
    events = [task.result().held for task in done]
    assert {event.name for event in events if event} == {"Postponed"} and len(events) == 4


async def test_a_large_invoice_is_read_from_its_file(ours: Exchange, tmp_path: Any) -> None:
    with Writing(tmp_path / "large") as writing:
        writing.write(pairs.ubl(ONE, OTHER_ACCOUNT))
        message = await receive(ours, writing.done())
    await ours.settle()
    assert (await ours.now(message)).links["held"] == "picture"


async def test_the_calls_for_paper_do_not_make_a_second_invoice_of_it(ours: Exchange) -> None:
    _, scan = await held(ours)
    scans: Any = Scans(store=ours.store, reader=None, paper=None, clock=ours.clock)  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        await Reviewing(scans=scans).confirm(scan, "clerk", {}, all_fields=True)
    with pytest.raises(Conflict):
        await Splitting(scans=scans, cuts=None).split(scan, "clerk", ((1, 1), (2, 2)))  # type: ignore[arg-type]
    assert await Scans.finish_what_was_left(scans) == 0


async def test_it_is_erased_with_its_document(ours: Exchange) -> None:
    message, scan = await held(ours)
    await ours.store.retention.erase(message.id, "account main", "asked by the person")
    after = await ours.store.reviews.get(ACCOUNT, scan.id)
    assert (after.state, after.hold, dict(after.fields), after.file_name) == (ScanState.REFUSED, "", {}, "")
    for gone in (ours.store.reviews.octets(ACCOUNT, scan.id), ours.store.reviews.crop(ACCOUNT, scan.id, "account")):
        with pytest.raises(NotFound):
            await gone
