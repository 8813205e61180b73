"""The ledger of costs: each event priced once, sums equal to rows, prices of the day, nothing of another account."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from store_parts import EXEMPEL, NORDISK, StillClock, incoming, opened, outgoing, plain

from gateway.model.costs import MonthlyCost
from gateway.model.lifecycle import Event
from gateway.model.message import Direction
from gateway.model.prices import Price
from gateway.model.services import INVOICE_RESPONSE, MLR, MLS
from gateway.store import SqlStore


async def _carry(store: SqlStore, id: str, *events: Event, **more: object) -> None:
    """A document on its way out, and what happened to it."""
    message = (await store.add_once(outgoing(id, **more))).message  # type: ignore[arg-type]
    for event in events:
        (message,) = await store.claim("worker", 1, 60)
        message = await store.record(message, event)


async def _priced(store: SqlStore, clock: StillClock, limit: int = 100) -> int:
    clock.pass_seconds(11)  # on PostgreSQL the newest rows are left for later
    together = 0
    while count := await store.money.advance(limit):
        together += count
    return together


def _sent() -> Event:
    return Event(name="Sent", reason="taken", channel="peppol", sent_octets=True)


def _by_mail() -> list[Event]:
    return [
        Event(name="Diverted", reason="not found", channel="email"),
        Event(name="Dispatched", reason="handed over", detail={"channel": "email"}),
    ]


def _month(months: list[MonthlyCost], channel: str) -> MonthlyCost:
    (found,) = [one for one in months if one.channel == channel]
    return found


async def test_each_document_is_priced_once_and_the_months_are_the_sums(store: SqlStore, clock: StillClock) -> None:
    await _carry(store, "d1", _sent())
    await _carry(store, "d2", *_by_mail())
    arrival = incoming("d3", sender="0192:991825827", channel="peppol")
    await store.add_once(replace(arrival, entry=replace(arrival.entry, event="Received")))
    assert await _priced(store, clock, limit=2) == 6
    assert await _priced(store, clock) == 0
    months = list(await store.money.months(EXEMPEL, "2026-11", "2026-11"))
    assert [(one.direction, one.channel, one.documents) for one in months] == [
        (Direction.IN, "peppol", 1),
        (Direction.OUT, "email", 1),
        (Direction.OUT, "peppol", 1),
    ]
    mail = _month(months, "email")
    assert (mail.amount, mail.paper, mail.saved) == (Decimal("2.00"), Decimal("16.50"), Decimal("14.50"))
    lines = await store.money.basis(EXEMPEL, "2026-11")
    assert sum(one.amount for one in lines) == sum(one.amount for one in months)
    assert {(one.channel, one.country) for one in lines} == {("peppol", "NO"), ("email", "SE"), ("peppol", "SE")}


async def test_a_mail_that_became_a_letter_has_cost_both_and_a_repeat_costs_nothing_more(
    store: SqlStore, clock: StillClock
) -> None:
    letter = [
        Event(name="Diverted", reason="it came back", channel="print"),
        Event(name="Dispatched", reason="posted", detail={"channel": "print", "country": "FI"}),
    ]
    message = (await store.add_once(outgoing("d1"))).message
    for event in [*_by_mail(), *letter]:
        claimed = await store.claim("worker", 1, 60)
        message = await store.record(claimed[0] if claimed else message, event)
    await _priced(store, clock)
    lines = {(one.channel, one.country): one.amount for one in await store.money.basis(EXEMPEL, "2026-11")}
    assert lines == {("email", "SE"): Decimal("2.00"), ("print", "FI"): Decimal("22.00")}


async def test_what_is_only_said_about_an_invoice_costs_nothing(store: SqlStore, clock: StillClock) -> None:
    """Status messages (MLS) and invoice responses are documents on their way like any other, but no invoices."""
    for number, told in enumerate((MLS, MLR, INVOICE_RESPONSE)):
        await _carry(store, f"d{number}", _sent(), document_type=str(told))
    assert await _priced(store, clock) == 6
    assert list(await store.money.months(EXEMPEL, "2026-01", "2026-12")) == []


async def test_several_at_once_price_nothing_twice(store: SqlStore, clock: StillClock) -> None:
    for number in range(12):
        await _carry(store, f"d{number}", _sent())
    clock.pass_seconds(11)
    while any(await asyncio.gather(*(store.money.advance(5) for _ in range(4)))):
        pass
    (month,) = await store.money.months(EXEMPEL, "2026-11", "2026-11")
    assert (month.documents, month.amount) == (12, Decimal("18.00"))


async def test_after_a_restart_it_goes_on_where_it_was(tmp_path: Path, clock: StillClock, database: str) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash-1")
        await _carry(store, "d1", _sent())
        assert await _priced(store, clock) == 2
        await _carry(store, "d2", _sent())
    async with opened(tmp_path, clock) as store:
        assert await _priced(store, clock) == 2
    assert plain(tmp_path, "SELECT documents FROM cost_month") == [(2,)]


async def test_an_own_price_list_counts_from_its_day_and_falls_with_the_share(
    store: SqlStore, clock: StillClock
) -> None:
    own = [
        Price(channel="peppol", since=date(2026, 1, 1), amount=Decimal("3.00")),
        Price(channel="peppol", since=date(2026, 1, 1), share=80, amount=Decimal("1.00")),
        Price(channel="print", since=date(2026, 1, 1), amount=Decimal("20.00")),
    ]
    await store.money.save_prices(EXEMPEL, own, "account exempel-ab")
    assert list(await store.money.prices(EXEMPEL)) == own
    assert list(await store.money.prices(NORDISK)) == []
    await _carry(store, "d1", _sent())
    await _priced(store, clock)
    clock.pass_seconds(20 * 86_400)  # December: all of November went electronically
    await _carry(store, "d2", _sent(), next_attempt=clock.now(), created=clock.now(), updated=clock.now())
    await _priced(store, clock)
    months = await store.money.months(EXEMPEL, "2026-01", "2026-12")
    assert [(one.month, one.amount, one.paper) for one in months] == [
        ("2026-11", Decimal("3.00"), Decimal("20.00")),
        ("2026-12", Decimal("1.00"), Decimal("20.00")),
    ]


async def test_nothing_of_another_account_is_seen(store: SqlStore, clock: StillClock) -> None:
    await _carry(store, "d1", _sent())
    await _priced(store, clock)
    assert list(await store.money.months(NORDISK, "2026-01", "2026-12")) == []
    assert list(await store.money.basis(NORDISK, "2026-11")) == []
