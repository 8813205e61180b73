"""The document rules in the chain: what they say refuses, is noted, or is not asked, as the policy says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import InvalidDocument
from gateway.exchange.rules import DocumentRules
from gateway.model.lifecycle import Event, State
from gateway.model.message import Participant
from tests.exchange.conftest import ACCOUNT, Exchange, sample
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


async def test_off_does_not_look(exchange: Exchange) -> None:
    outbound = replace(exchange.outbound, rules=DocumentRules(outgoing="off"))
    entry = (await exchange.events((await outbound.submit(ACCOUNT, WRONG)).message))[0]
    assert "switched off" in entry.reason and entry.detail == {}


@pytest.fixture
async def ours(exchange: Exchange) -> Exchange:
    await exchange.store.save_participant(Participant(id=OURS, account=ACCOUNT))
    return exchange


async def _receive(ours: Exchange, rules: DocumentRules) -> tuple[bytes, object]:
    inbound = replace(ours.inbound, rules=rules)
    received = replace(_received(ours.clock), document=WRONG)
    receipt = await inbound.receive(received, b"receipt")
    found = await ours.store.find_received("POP000009", received.message_id)
    return receipt, found


async def test_what_comes_in_gets_its_receipt_and_a_flag(ours: Exchange) -> None:
    receipt, message = await _receive(ours, DocumentRules(incoming="flag"))
    assert receipt == b"receipt"
    assert message.state is State.RECEIVED  # type: ignore[attr-defined]
    entry = (await ours.events(message))[0]  # type: ignore[arg-type]
    assert "BR-CO-15" in entry.reason
    assert entry.detail["rules"]["valid"] is False  # type: ignore[index]
    assert entry.detail["chain"] == ["CN=x"]


async def test_reject_gives_the_receipt_too_but_keeps_it_from_c4_until_a_person_says_so(ours: Exchange) -> None:
    receipt, message = await _receive(ours, DocumentRules(incoming="reject"))
    assert receipt == b"receipt"
    assert message.state is State.REJECTED  # type: ignore[attr-defined]
    assert "BR-CO-15" in message.reason  # type: ignore[attr-defined]
    event = Event(name="Requeued", reason="by hand", next_attempt=ours.clock.now())
    after = await ours.store.record(message, event)  # type: ignore[arg-type]
    assert after.state is State.RECEIVED


async def test_an_account_may_want_it_otherwise(ours: Exchange) -> None:
    _, message = await _receive(ours, DocumentRules(incoming="reject", accounts={ACCOUNT: "off"}))
    assert message.state is State.RECEIVED  # type: ignore[attr-defined]
    assert "rules" not in (await ours.events(message))[0].detail  # type: ignore[arg-type]


async def test_a_fault_of_the_rules_costs_no_document(ours: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.ubl.rules.judge import Rulebook

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Rulebook, "verdict", broken)
    receipt, message = await _receive(ours, DocumentRules(incoming="reject"))
    assert receipt == b"receipt"
    assert message.state is State.RECEIVED  # type: ignore[attr-defined]
