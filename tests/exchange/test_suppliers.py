"""Suppliers that send paper: proposed with what speaks for it, measured by documents, opened again after paper."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal

import pytest

from gateway.errors import LookupUnavailable
from gateway.exchange.proposing import Proposing
from gateway.exchange.suppliers import Suppliers
from gateway.model.counterpart import CounterpartFilter, RelationPolicy, Role
from gateway.model.identifiers import AccountId, DocumentId, MessageId, ParticipantId
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Message, Participant, PayloadKind, TimelineEntry
from gateway.model.prices import Price
from gateway.model.proposal import Proposal, ProposalState
from gateway.ports import Arrival
from tests.exchange.conftest import ACCOUNT, ENDPOINT, OTHER, Exchange

both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
SUPPLIER = "0007:5567212047"
NUMBERS = itertools.count(1)


@pytest.fixture
async def suppliers(exchange: Exchange) -> Suppliers:
    store, clock = exchange.store, exchange.clock
    await store.save_participant(Participant(id=ParticipantId("0007:5567121388"), account=ACCOUNT, name="Exempel AB"))
    return Suppliers(store=store, lookup=exchange.lookup, clock=clock, proposing=Proposing(store=store, clock=clock))


async def came(exchange: Exchange, channel: str, times: int = 1, account: AccountId = ACCOUNT) -> None:
    for _ in range(times):
        now, number = exchange.clock.forward(seconds=1) or exchange.clock.now(), next(NUMBERS)
        message = Message(
            id=DocumentId(f"{number:032}"),
            account=account,
            direction=Direction.IN,
            state=State.DELIVERED,
            channel=channel,
            reason="",
            sender=SUPPLIER,
            receiver="0007:5567121388",
            document_type="",
            process="",
            seller_name="Exempelleverantören AB",
            message_id=MessageId(f"m{number}"),
            created=now,
            updated=now,
        )
        entry = TimelineEntry(time=now, event="Received", reason="")
        await exchange.store.add_once(
            Arrival(message=message, payloads={PayloadKind.DOCUMENT: b"<x/>"}, evidence=(), entry=entry)
        )


async def proposal(exchange: Exchange) -> Proposal | None:
    found, _ = await exchange.store.relations.proposals(ACCOUNT, direction=Direction.IN)
    return found[0] if found else None


@both
async def test_one_that_has_an_operator_is_proposed_with_money_and_evidence(
    exchange: Exchange, suppliers: Suppliers
) -> None:
    day = exchange.clock.now().date() - timedelta(days=10)
    own = [Price(channel="scan", since=day, amount=Decimal(20)), Price(channel="peppol", since=day, amount=Decimal(3))]
    await exchange.store.money.save_prices(ACCOUNT, own, "test")
    await came(exchange, "scan", 2)
    assert await suppliers.turn() == 0 and await proposal(exchange) is None, "twice a year, and nothing speaks for it"
    exchange.lookup.answers[SUPPLIER] = ENDPOINT
    exchange.clock.forward(days=1)
    assert await suppliers.turn() == 1
    one = await proposal(exchange)
    assert one is not None and (one.state, one.volume, one.saving) == (ProposalState.OPEN, 2, Decimal(34))
    assert "Be Exempelleverantören AB skicka e-faktura" in one.text_sv and "Ask Exempelleverantören AB" in one.text_en
    (supplier,), _ = await exchange.store.relations.counterparts(ACCOUNT, CounterpartFilter(role=Role.SUPPLIER))
    (evidence,) = await exchange.store.relations.evidence(ACCOUNT, supplier.id)
    assert evidence.id in one.evidence and "has an operator" in evidence.text
    assert await suppliers.turn() == 0, "and once"


async def test_one_that_writes_often_is_proposed_and_the_doubt_is_said(
    exchange: Exchange, suppliers: Suppliers
) -> None:
    await came(exchange, "pdf", 3)
    await suppliers.turn()
    one = await proposal(exchange)
    assert one is not None and one.risks == ("cannot-send",) and "Inget säger ännu" in one.text_sv


async def test_that_it_sends_to_another_account_is_told_only_where_that_one_shares(
    exchange: Exchange, suppliers: Suppliers
) -> None:
    await exchange.store.add_account(OTHER, "Annat AB", "hash2")
    await came(exchange, "peppol", account=OTHER)
    await came(exchange, "scan")
    await suppliers.turn()
    assert await proposal(exchange) is None
    await exchange.store.relations.save_policy(OTHER, RelationPolicy(share=True), "test")
    await suppliers.turn()
    one = await proposal(exchange)
    assert one is not None and not one.risks and "other" not in one.text_en


@both
async def test_the_first_e_invoice_converts_and_paper_afterwards_opens_it_again(
    exchange: Exchange, suppliers: Suppliers
) -> None:
    await came(exchange, "scan", 3)
    await suppliers.turn()
    one = await proposal(exchange)
    assert one is not None
    await suppliers.proposing.decide(ACCOUNT, one.id, "Accepted", actor="a clerk")
    await came(exchange, "scan")
    assert await suppliers.turn() == 0, "what was on its way when it was asked is no relapse"
    await came(exchange, "peppol")
    await suppliers.turn()
    now = await proposal(exchange)
    assert now is not None and now.state is ProposalState.CONVERTED and now.converted
    exchange.clock.forward(days=1)
    await came(exchange, "scan")
    await suppliers.turn()
    again = await proposal(exchange)
    assert again is not None and again.state is ProposalState.RELAPSED
    await suppliers.turn()
    again = await proposal(exchange)
    assert again is not None and again.state is ProposalState.OPEN
    assert [row.event for row in await exchange.store.relations.decisions(ACCOUNT, one.id)] == [
        "Accepted",
        "Converted",
        "Relapsed",
    ]


async def test_a_declined_one_is_left_alone_and_one_that_sends_by_itself_is_withdrawn(
    exchange: Exchange, suppliers: Suppliers
) -> None:
    await came(exchange, "scan", 3)
    await suppliers.turn()
    await came(exchange, "peppol")
    await suppliers.turn()
    one = await proposal(exchange)
    assert one is not None and one.state is ProposalState.WITHDRAWN
    await came(exchange, "scan")
    await suppliers.turn()
    one = await proposal(exchange)
    assert one is not None and one.state is ProposalState.OPEN
    await suppliers.proposing.decide(ACCOUNT, one.id, "Declined", actor="a clerk", reason="no")
    await came(exchange, "scan")
    assert await suppliers.turn() == 0


async def test_the_network_is_asked_once_a_day_and_not_at_all_about_one_that_is_decided(
    exchange: Exchange, suppliers: Suppliers
) -> None:
    await came(exchange, "scan", 2)
    for _ in range(24):
        await suppliers.turn()
        exchange.clock.forward(hours=1)
    assert 1 <= exchange.lookup.asked.count(SUPPLIER) <= 2, "nothing speaks for it"
    exchange.lookup.answers[SUPPLIER] = LookupUnavailable("SERVFAIL")
    exchange.clock.forward(days=1)
    asked = exchange.lookup.asked.count(SUPPLIER)
    for _ in range(3):
        await suppliers.turn()
    assert exchange.lookup.asked.count(SUPPLIER) == asked + 3, "no answer is not remembered"
    await came(exchange, "scan")
    await suppliers.turn()
    one = await proposal(exchange)
    assert one is not None and one.state is ProposalState.OPEN
    await suppliers.proposing.decide(ACCOUNT, one.id, "Declined", actor="a clerk", reason="no")
    asked = exchange.lookup.asked.count(SUPPLIER)
    for _ in range(48):
        await suppliers.turn()
        exchange.clock.forward(hours=1)
    assert exchange.lookup.asked.count(SUPPLIER) == asked
