"""Message Level Status: one for each document that wants one, none for a status, and what others say of ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import ChannelRefused, StoreUnavailable
from gateway.exchange.rules import DocumentRules
from gateway.exchange.status import Statuses
from gateway.model.document import Envelope
from gateway.model.identifiers import MessageId, ParticipantId
from gateway.model.lifecycle import Event, State
from gateway.model.message import Direction, Message, Participant, PayloadKind, Route
from gateway.model.services import MLS, MLS_PROCESS
from gateway.model.status import Issue, IssueCode, MessageStatus, StatusCode
from gateway.ports import Filter
from gateway.ubl import sbdh
from gateway.ubl import status as codec
from tests.exchange.conftest import ACCOUNT, ENDPOINT, Exchange, ScriptedChannel
from tests.exchange.test_inbound import OURS, _received
from tests.exchange.test_rules import GOOD, WRONG

WE, THEY = ParticipantId("0242:000001"), ParticipantId("0242:000009")


@pytest.fixture
async def ours(exchange: Exchange) -> Exchange:
    """A gateway that judges strictly and pushes; the access point POP000009 can be told."""
    await exchange.store.save_participant(Participant(id=OURS, account=ACCOUNT))
    taken = ((str(MLS), str(MLS_PROCESS)),)
    await exchange.store.save_participant(Participant(id=WE, account=ACCOUNT, document_types=taken))
    numbers = iter(range(1, 1000))
    statuses = Statuses(
        store=exchange.store,
        clock=exchange.clock,
        retry=exchange.inbound.retry,
        own=WE,
        country="SE",
        message_id=lambda: MessageId(f"s{next(numbers)}@test"),
    )
    exchange.inbound = replace(
        exchange.inbound,
        statuses=statuses,
        rules=DocumentRules(incoming="reject"),
        deliveries={"default": ScriptedChannel("folder")},
    )
    exchange.worker.inbound = exchange.inbound
    exchange.lookup.answers[THEY.value] = replace(ENDPOINT, seat="POP000009")
    return exchange


async def _receive(ours: Exchange, document: bytes, **asked: str) -> Message:
    received = _received(ours.clock)
    received = replace(received, document=document, envelope=replace(received.envelope, **asked))
    await ours.inbound.receive(received, b"receipt")
    await ours.settle()
    message = await ours.store.find_received("POP000009", received.message_id)
    assert message is not None
    return message


async def _statuses(ours: Exchange) -> list[Message]:
    found = (await ours.store.find(ACCOUNT, Filter(direction=Direction.OUT)))[0]
    return [message for message in found if message.document_type == str(MLS)]


async def _said(ours: Exchange, message: Message) -> MessageStatus:
    octets = await ours.store.payload(message.id, PayloadKind.DOCUMENT)
    opened = sbdh.unwrap(octets)
    assert (opened.envelope.mls_to, opened.envelope.mls_type) == ("", "")
    assert isinstance(opened.document, bytes)
    assert codec.verdict(opened.document).words == "valid by peppol-mls 1.0.1"
    return codec.read(opened.document)


async def test_what_our_rules_refuse_is_told_to_its_access_point_with_the_findings(ours: Exchange) -> None:
    message = await _receive(ours, WRONG)
    assert message.state is State.REJECTED
    (told,) = await _statuses(ours)
    assert (told.state, told.route, told.receiver, told.peer) == (State.SENT, Route.PEPPOL, THEY.value, "POP000009")
    said = await _said(ours, told)
    assert (said.code, said.reference, said.sender, said.receiver) == ("RE", message.instance_id, WE, THEY)
    assert [(issue.code, issue.text[:12]) for issue in said.issues] == [("BV", "[BR-CO-15] 1")] or said.issues
    assert said.issues[0].code == "BV" and said.issues[0].text.startswith("[BR-CO-15]")
    assert (await ours.events(message))[-1].detail["status_sent"]["id"] == told.id  # type: ignore[index]
    assert told.links == {"status_of": message.id}


async def test_success_is_told_only_where_it_was_asked_for(ours: Exchange) -> None:
    assert (await _receive(ours, GOOD)).state is State.DELIVERED
    assert await _statuses(ours) == []


@pytest.mark.parametrize(("confirms", "code"), [(False, "AB"), (True, "AP")])
async def test_success_is_told_with_or_without_confirmation(ours: Exchange, confirms: bool, code: str) -> None:
    folder = ScriptedChannel("folder", confirms=confirms)
    ours.inbound = ours.worker.inbound = replace(ours.inbound, deliveries={"default": folder})
    await _receive(ours, GOOD, mls_type="ALWAYS_SEND", mls_to="0242:000009-MLS".lower())
    ours.lookup.answers["0242:000009-mls"] = ours.lookup.answers[THEY.value]
    (told,) = await _statuses(ours)
    said = await _said(ours, told)
    assert (said.code, said.receiver.value) == (code, "0242:000009-mls")


async def test_waiting_in_the_inbox_is_told_as_taken_without_confirmation(ours: Exchange) -> None:
    ours.inbound = ours.worker.inbound = replace(ours.inbound, deliveries={"default": ScriptedChannel("inbox")})
    for policy in ("reject", "off"):
        ours.inbound = ours.worker.inbound = replace(ours.inbound, rules=DocumentRules(incoming=policy))  # type: ignore[arg-type]
        message = await _receive(ours, GOOD, mls_type="ALWAYS_SEND")
        assert (message.state, message.next_attempt) == (State.RECEIVED, None)
        (told,) = await _statuses(ours)
        assert (await _said(ours, told)).code == "AB"


async def test_a_delivery_that_is_given_up_is_told_without_the_reason(ours: Exchange) -> None:
    folder = ScriptedChannel("folder", errors=[ChannelRefused("the secret path /srv/x is gone")])
    ours.inbound = ours.worker.inbound = replace(ours.inbound, deliveries={"default": folder})
    assert (await _receive(ours, GOOD)).state is State.FAILED
    said = await _said(ours, (await _statuses(ours))[0])
    assert (said.code, said.issues[0].code) == ("RE", "FD")
    assert "secret" not in said.text + said.issues[0].text


async def test_findings_are_told_in_english_whatever_our_clerks_read(ours: Exchange) -> None:
    from gateway.exchange.judges import Judges
    from gateway.ubl.rules.judge import Rulebook

    book = Rulebook(language="sv")
    rules = DocumentRules(incoming="reject", book=book, judges=Judges(book=book))
    ours.inbound = ours.worker.inbound = replace(ours.inbound, rules=rules)
    message = await _receive(ours, WRONG)
    assert "moms" in str((await ours.events(message))[-1].detail["rules"])
    said = await _said(ours, (await _statuses(ours))[0])
    assert "moms" not in said.issues[0].text


@pytest.mark.parametrize(("send", "wanted"), [("failures", 1), ("off", 0)])
async def test_the_operator_may_send_less(ours: Exchange, send: str, wanted: int) -> None:
    assert ours.inbound.statuses
    statuses = replace(ours.inbound.statuses, send=send)  # type: ignore[arg-type]
    ours.inbound = ours.worker.inbound = replace(ours.inbound, statuses=statuses)
    await _receive(ours, WRONG, mls_type="ALWAYS_SEND")
    assert len(await _statuses(ours)) == wanted


async def test_a_kill_before_or_after_the_commit_leaves_exactly_one(
    ours: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status is in the commit of the step: without it there is none, and the step that is done again makes it."""
    record = type(ours.store).record
    killed: list[str] = []

    async def dies(self: object, message: Message, *arguments: object, **more: object) -> Message:
        where = "before" if not killed else "after"
        killed.append(where)
        if where == "after":
            await record(self, message, *arguments, **more)  # type: ignore[arg-type]
        raise StoreUnavailable("killed")

    monkeypatch.setattr(type(ours.store), "record", dies)
    monkeypatch.setattr("gateway.exchange.worker._RECORD_PAUSES", ())
    received = _received(ours.clock)
    await ours.inbound.receive(replace(received, document=WRONG), b"receipt")
    counts = []
    for _ in range(2):
        await ours.worker.run_once()
        counts.append(len(await _statuses(ours)))
        ours.clock.forward(minutes=2)  # the lease of the killed one has run out
    monkeypatch.setattr(type(ours.store), "record", record)
    await ours.settle()
    assert (killed, counts) == (["before", "after"], [0, 1])
    (told,) = await _statuses(ours)
    assert told.state is State.SENT
    assert len(ours.transport.sent) == 1


async def test_what_a_person_puts_back_to_work_gets_no_second_status(ours: Exchange) -> None:
    message = await _receive(ours, WRONG, mls_type="ALWAYS_SEND")
    ours.clock.forward(minutes=1)
    await ours.store.record(message, Event(name="Requeued", reason="by hand"))
    await ours.settle()
    assert (await ours.now(message)).state is State.DELIVERED
    (told,) = await _statuses(ours)
    assert (await _said(ours, told)).code == "RE"


# --- what others say of ours ---------------------------------------------------------------------------------------


async def _sent(ours: Exchange) -> Message:
    ours.lookup.answers["0007:5567987606"] = replace(ENDPOINT, seat="POP000009")
    message = await ours.submit(GOOD)
    await ours.settle()
    message = await ours.now(message)
    assert (message.state, message.peer) == (State.SENT, "POP000009")
    return message


def _mls(about: str, code: StatusCode = StatusCode.RE) -> bytes:
    issues = (Issue(code=IssueCode.BV, location="/Invoice", text="[BR-02] no number"),) if code == "RE" else ()
    return codec.write(
        MessageStatus(
            id="m-1",
            issued="2026-11-25T12:00:00Z",
            sender=THEY,
            receiver=WE,
            code=code,
            text="refused" if issues else "",
            reference=about,
            issues=issues,
        )
    )


async def _told(ours: Exchange, octets: bytes, *, id: str = "t@b", seat: str = "POP000009", **asked: str) -> Message:
    received = _received(ours.clock, id=id, seat=seat, part=id.encode())
    envelope = Envelope(
        sender=THEY,
        receiver=WE,
        document_type=MLS,
        process=MLS_PROCESS,
        country_c1="SE",
        instance_id=id,
        created="2026-11-25T12:00:00Z",
        **asked,
    )
    await ours.inbound.receive(replace(received, document=octets, envelope=envelope, summary=None), b"receipt")
    await ours.settle()
    message = await ours.store.find_received(seat, received.message_id)
    assert message is not None
    return message


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        ("AP", State.DELIVERED, "the receiver has it"),
        ("AB", State.DELIVERED, "handed it on"),
        ("RE", State.REJECTED, "no number"),
    ],
)
async def test_a_status_closes_the_document_that_it_tells_of(
    ours: Exchange, code: str, state: State, words: str
) -> None:
    sent = await _sent(ours)
    status = await _told(ours, _mls(sent.instance_id, StatusCode(code)))
    now = await ours.now(sent)
    last = (await ours.events(sent))[-1]
    assert now.state is state and now.links == {"status": status.id}
    assert words in last.reason and last.detail["code"] == code and last.evidence
    assert (status.state, status.links) == (State.DELIVERED, {"status_of": sent.id})
    assert {e.kind for _, _, e in await ours.store.evidence(ACCOUNT, sent.id)} >= {"status"}


async def test_nobody_answers_a_status_and_c4_does_not_get_it(ours: Exchange) -> None:
    sent = await _sent(ours)
    folder = ours.inbound.deliveries["default"]
    await _told(ours, _mls(sent.instance_id), mls_type="ALWAYS_SEND", mls_to=THEY.value)
    await _told(ours, b"<no status/>", id="u@b", mls_type="ALWAYS_SEND")
    await _told(ours, _mls("of nobody"), id="v@b", mls_type="ALWAYS_SEND")
    assert await _statuses(ours) == []
    assert folder.parcels == []  # type: ignore[attr-defined]


async def test_a_stranger_has_no_say(ours: Exchange) -> None:
    sent = await _sent(ours)
    status = await _told(ours, _mls(sent.instance_id), seat="POP000008")
    assert (await ours.now(sent)).state is State.SENT
    assert status.state is State.DELIVERED
    assert "POP000008 has no say" in (await ours.events(status))[-1].reason


async def test_a_second_status_is_noted_and_moves_nothing(ours: Exchange) -> None:
    sent = await _sent(ours)
    await _told(ours, _mls(sent.instance_id, StatusCode.AB))
    await _told(ours, _mls(sent.instance_id, StatusCode.RE), id="second@b")
    assert (await ours.now(sent)).state is State.DELIVERED
    last = (await ours.events(sent))[-1]
    assert (last.event, last.detail["code"]) == ("Noted", "RE")


async def test_a_status_about_our_status_moves_nothing(ours: Exchange) -> None:
    await _receive(ours, WRONG)
    (told,) = await _statuses(ours)
    again = await _told(ours, _mls(told.instance_id))
    assert (await ours.now(told)).state is State.SENT
    assert "nobody answers a status" in (await ours.events(again))[-1].reason
    assert len(await _statuses(ours)) == 1


async def test_a_status_that_overtakes_our_record_waits_for_it(ours: Exchange) -> None:
    ours.lookup.answers["0007:5567987606"] = replace(ENDPOINT, seat="POP000009")
    sent = await ours.submit(GOOD)
    (claimed,) = await ours.store.claim("another worker", 1, 60)
    sending = await ours.store.mark_sending(claimed, peer="POP000009", receiver="0007:5567987606", part=b"part")
    status = await _told(ours, _mls(sent.instance_id, StatusCode.AB))
    assert status.state is State.RECEIVED and status.next_attempt == ours.clock.now() + timedelta(seconds=2)
    await ours.store.record(sending, Event(name="Sent", reason="receipt", channel="peppol", peer="POP000009"))
    ours.clock.forward(seconds=3)
    await ours.settle()
    assert (await ours.now(sent)).state is State.DELIVERED
    assert (await ours.now(status)).state is State.DELIVERED


async def test_a_kill_between_the_two_records_notes_the_status_once(
    ours: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await _sent(ours)
    record = type(ours.store).record

    async def dies(self: object, message: Message, *arguments: object, **more: object) -> Message:
        if message.direction is Direction.IN:
            raise StoreUnavailable("killed")
        return await record(self, message, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(type(ours.store), "record", dies)
    monkeypatch.setattr("gateway.exchange.worker._RECORD_PAUSES", ())
    status = await _told(ours, _mls(sent.instance_id))
    assert status.state is State.RECEIVED
    monkeypatch.setattr(type(ours.store), "record", record)
    ours.clock.forward(minutes=2)
    await ours.settle()
    assert (await ours.now(status)).state is State.DELIVERED
    assert [entry.event for entry in await ours.events(sent)].count("Rejected") == 1


async def test_a_response_to_our_invoice_is_noted_there_judged_by_its_own_rules_and_handed_on(ours: Exchange) -> None:
    from gateway.exchange.responses import Responses
    from gateway.model.services import INVOICE_RESPONSE, INVOICE_RESPONSE_PROCESS
    from gateway.model.status import Correspondent, InvoiceResponse, ResponseCode
    from gateway.ubl import invoice_response

    responses = Responses(store=ours.store, clock=ours.clock, country="SE")
    ours.inbound = ours.worker.inbound = replace(ours.inbound, responses=responses)
    sent = await _sent(ours)
    buyer, seller = ParticipantId(sent.receiver), ParticipantId(sent.sender)
    taken = ((str(INVOICE_RESPONSE), str(INVOICE_RESPONSE_PROCESS)),)
    await ours.store.save_participant(Participant(id=seller, account=ACCOUNT, document_types=taken))
    octets = invoice_response.write(
        InvoiceResponse(
            id="r",
            issued="2026-11-25",
            sender=Correspondent(endpoint=buyer, name="B"),
            receiver=Correspondent(endpoint=seller, name="S"),
            code=ResponseCode.AP,
            number=sent.number,
        )
    )
    envelope = replace(
        _received(ours.clock).envelope,
        sender=buyer,
        receiver=seller,
        document_type=INVOICE_RESPONSE,
        process=INVOICE_RESPONSE_PROCESS,
    )
    received = replace(_received(ours.clock, id="ir@b"), document=octets, envelope=envelope, summary=None)
    await ours.inbound.receive(received, b"receipt")
    await ours.settle()
    last = (await ours.events(sent))[-1]
    assert (last.event, last.detail["response"]["code"]) == ("Noted", "AP")  # type: ignore[index]
    message = await ours.store.find_received("POP000009", MessageId("ir@b"))
    assert message is not None and message.state is State.DELIVERED
    assert "valid by peppol-invoice-response 3" in (await ours.events(message))[-1].reason
    assert (await ours.now(sent)).state is State.SENT
