"""The document rules in the chain: what they say refuses, is noted, or is not asked, as the policy says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.config.sections import Rules
from gateway.errors import InvalidDocument
from gateway.exchange.rules import DocumentRules, open_rules
from gateway.model.lifecycle import Event, State
from gateway.model.message import Message, Participant
from gateway.ports import Filter
from tests.exchange.conftest import ACCOUNT, Exchange, ScriptedChannel, sample
from tests.exchange.test_inbound import OURS, _received

GOOD = sample("network")
WRONG = GOOD.replace(b">24650.84<", b">24651.84<").replace(b">24651.00<", b">24652.00<")


async def test_a_document_that_breaks_a_rule_is_refused_with_its_findings_and_not_stored(exchange: Exchange) -> None:
    outbound = replace(exchange.outbound, rules=DocumentRules(outgoing="reject"))
    with pytest.raises(InvalidDocument) as caught:
        await outbound.submit(ACCOUNT, WRONG)
    assert [finding.rule for finding in caught.value.findings] == ["BR-CO-15"]
    assert "24,650.84" in str(caught.value)
    assert await exchange.worker.run_once() == 0


async def test_the_timeline_says_by_which_rules_a_document_is_valid(exchange: Exchange) -> None:
    entry = (await exchange.events(await exchange.submit(GOOD)))[0]
    assert entry.reason.endswith("valid by en16931 1.3.16 and peppol-billing 3.0.21")
    assert entry.detail["rules"]["valid"] is True  # type: ignore[index]


async def test_a_type_without_rules_is_taken_and_called_not_validated(exchange: Exchange) -> None:
    foreign = GOOD.replace(b"urn:cen.eu:en16931:2017#compliant#urn:fdc", b"urn:example:fdc")
    entry = (await exchange.events(await exchange.submit(foreign)))[0]
    assert "not validated, because there are no rules here for this document type" in entry.reason


async def test_flag_takes_it_and_notes_the_findings(exchange: Exchange) -> None:
    outbound = replace(exchange.outbound, rules=DocumentRules(outgoing="flag"))
    added = await outbound.submit(ACCOUNT, WRONG)
    entry = (await exchange.events(added.message))[0]
    assert "not valid: 1 fatal of 1 findings, first BR-CO-15" in entry.reason
    assert entry.detail["rules"]["findings"][0]["rule"] == "BR-CO-15"  # type: ignore[index]


_ADDRESS, _NONE = b">5567987606</cbc:EndpointID>", b">5567987607</cbc:EndpointID>"
MADE_UP = GOOD.replace(_ADDRESS, _NONE)


async def test_a_made_up_address_is_told_in_a_network_of_made_up_participants(exchange: Exchange) -> None:
    outbound = replace(exchange.outbound, rules=DocumentRules(made_up=True))
    entry = (await exchange.events((await outbound.submit(ACCOUNT, MADE_UP)).message))[0]
    assert "first PEPPOL-COMMON-R049; taken, as participants of this network are made up" in entry.reason
    assert entry.detail["rules"]["findings"][0]["severity"] == "fatal"  # type: ignore[index]


@pytest.mark.parametrize(
    ("made_up", "document"),
    [
        (False, MADE_UP),
        (True, WRONG),
        (True, WRONG.replace(_ADDRESS, _NONE)),
        (True, GOOD.replace(b">5567987606</cbc:CompanyID>", b">5567987607</cbc:CompanyID>")),
    ],
    ids=["production", "another rule", "both", "another identifier"],
)
async def test_any_other_fatal_finding_refuses_everywhere(exchange: Exchange, made_up: bool, document: bytes) -> None:
    outbound = replace(exchange.outbound, rules=DocumentRules(made_up=made_up))
    with pytest.raises(InvalidDocument):
        await outbound.submit(ACCOUNT, document)


async def test_who_is_made_up_is_said_by_the_kind_of_network() -> None:
    for kind, made_up in (("private", True), ("peppol-test", True), ("peppol-production", False)):
        async with open_rules(Rules(), kind) as rules:  # type: ignore[arg-type]
            assert (rules.made_up, rules.outgoing) == (made_up, "reject")


async def test_off_does_not_look(exchange: Exchange) -> None:
    outbound = replace(exchange.outbound, rules=DocumentRules(outgoing="off"))
    entry = (await exchange.events((await outbound.submit(ACCOUNT, WRONG)).message))[0]
    assert "switched off" in entry.reason and entry.detail == {}


@pytest.fixture
async def ours(exchange: Exchange) -> Exchange:
    await exchange.store.save_participant(Participant(id=OURS, account=ACCOUNT))
    return exchange


async def _receive(ours: Exchange, rules: DocumentRules, document: bytes = WRONG) -> Message:
    """Received, its receipt given, and everything done that is due then."""
    inbound = replace(ours.inbound, rules=rules)
    ours.worker.inbound = inbound
    received = replace(_received(ours.clock), document=document)
    assert await inbound.receive(received, b"receipt") == b"receipt"
    message = await ours.store.find_received("POP000009", received.message_id)
    assert message is not None and message.state is State.RECEIVED
    assert len(await ours.events(message)) == 1
    await ours.settle()
    return await ours.now(message)


async def _fresh(ours: Exchange) -> list[Message]:
    return list((await ours.store.find(ACCOUNT, Filter(states=(State.RECEIVED,), unacknowledged=True, idle=True)))[0])


async def test_what_comes_in_is_judged_after_its_receipt_and_flagged(ours: Exchange) -> None:
    message = await _receive(ours, DocumentRules(incoming="flag"))
    first, judged = await ours.events(message)
    assert "rules are asked next" in first.reason and first.detail["chain"] == ["CN=x"]
    assert "Waits in the inbox" in judged.reason and "BR-CO-15" in judged.reason
    assert judged.detail["rules"]["valid"] is False  # type: ignore[index]
    assert await _fresh(ours) == [message]


async def test_before_it_is_judged_nothing_is_in_the_inbox(ours: Exchange) -> None:
    inbound = replace(ours.inbound, rules=DocumentRules(incoming="reject"))
    await inbound.receive(_received(ours.clock), b"receipt")
    assert await _fresh(ours) == []
    ours.worker.inbound = inbound
    await ours.settle()
    assert len(await _fresh(ours)) == 1


async def test_reject_keeps_it_from_c4_until_a_person_says_so(ours: Exchange) -> None:
    message = await _receive(ours, DocumentRules(incoming="reject"))
    assert message.state is State.REJECTED and "BR-CO-15" in message.reason
    assert await _fresh(ours) == []
    ours.clock.time += timedelta(minutes=5)
    event = Event(name="Requeued", reason="by hand", next_attempt=ours.clock.now())
    await ours.store.record(message, event)
    await ours.settle()
    again = await ours.now(message)
    assert again.state is State.RECEIVED and again.next_attempt is None
    assert "BR-CO-15" in (await ours.events(again))[-1].reason


async def test_what_is_pushed_is_judged_too(ours: Exchange) -> None:
    folder = ScriptedChannel("folder")
    ours.inbound = replace(ours.inbound, deliveries={"default": folder})
    assert (await _receive(ours, DocumentRules(incoming="reject"))).state is State.REJECTED
    assert folder.parcels == []


async def test_what_is_valid_is_pushed_and_the_timeline_says_by_which_rules(ours: Exchange) -> None:
    folder = ScriptedChannel("folder")
    ours.inbound = replace(ours.inbound, deliveries={"default": folder})
    message = await _receive(ours, DocumentRules(incoming="reject"), GOOD)
    assert (message.state, len(folder.parcels)) == (State.DELIVERED, 1)
    assert "valid by en16931" in (await ours.events(message))[-1].reason


async def test_an_unknown_document_type_is_passed_and_called_not_validated(ours: Exchange) -> None:
    order = b'<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2"/>'
    message = await _receive(ours, DocumentRules(incoming="reject"), order)
    last = (await ours.events(message))[-1]
    assert "not validated, because there are no rules here for this document type" in last.reason
    assert last.detail["rules"]["validated"] is False  # type: ignore[index]


async def test_an_account_may_want_it_otherwise(ours: Exchange) -> None:
    message = await _receive(ours, DocumentRules(incoming="reject", accounts={ACCOUNT: "off"}))
    assert message.state is State.RECEIVED
    (entry,) = await ours.events(message)
    assert "switched off" in entry.reason and "rules" not in entry.detail


async def test_a_fault_of_the_rules_costs_no_document(ours: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.ubl.rules.judge import Rulebook

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Rulebook, "verdict", broken)
    message = await _receive(ours, DocumentRules(incoming="reject"))
    assert message.state is State.RECEIVED
    assert "not validated, because the rules came to no verdict" in (await ours.events(message))[-1].reason
