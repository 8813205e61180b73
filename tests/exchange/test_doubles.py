"""The same invoice again without a key: told, held where that is set, and never lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.exchange.doubles import Doubles, Policy
from gateway.model.double import DOUBLE_OF, LIKENESS, warnings
from gateway.model.lifecycle import Event, State
from gateway.model.message import Direction, Filter, Message
from gateway.store import open_store
from gateway.ubl import invoice
from tests.exchange.conftest import ACCOUNT, ENDPOINT, OTHER, Exchange, sample

NETWORK = sample("network")
BUYER = invoice.read(NETWORK).buyer.endpoint
assert BUYER
CORRECTED = NETWORK.replace(b"</cbc:Note>", b" (rev)</cbc:Note>", 1)

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def under(exchange: Exchange, policy: Policy, **accounts: Policy) -> Exchange:
    """The same gateway with this policy."""
    outbound = replace(exchange.outbound, doubles=Doubles(policy=policy, accounts=accounts))
    worker = replace(exchange.worker, outbound=outbound)
    exchange.lookup.answers[BUYER.value] = ENDPOINT  # type: ignore[union-attr]
    return replace(exchange, outbound=outbound, worker=worker)


def known(message: Message) -> tuple[str, str]:
    return message.links.get(DOUBLE_OF, ""), message.links.get(LIKENESS, "")


async def test_by_default_it_goes_out_and_its_answer_and_timeline_say_so(exchange: Exchange) -> None:
    ours = under(exchange, "warn")
    ours = replace(ours, outbound=replace(ours.outbound, doubles=Doubles()))
    first, second = await ours.submit(NETWORK), await ours.submit(NETWORK)
    assert (known(first), known(second)) == (("", ""), (first.id, "same"))
    assert warnings(first) == [] and f"as {first.id}" in warnings(second)[0]
    await ours.settle()
    assert [(await ours.now(one)).state for one in (first, second)] == [State.SENT] * 2
    (accepted, *_) = await ours.events(second)
    assert accepted.reason.endswith(f"; exactly the same document was handed in before, as {first.id}")
    assert accepted.detail[DOUBLE_OF] == first.id and accepted.detail["rules"]


async def test_a_corrected_copy_is_likely_a_double(exchange: Exchange) -> None:
    assert CORRECTED != NETWORK
    ours = under(exchange, "warn")
    first, second = await ours.submit(NETWORK), await ours.submit(CORRECTED)
    assert known(second) == (first.id, "likely")
    assert "another document with its number" in (await ours.events(second))[0].reason


async def test_one_that_is_held_does_not_leave_until_a_person_says_so(exchange: Exchange) -> None:
    ours = under(exchange, "hold")
    first, second = await ours.submit(NETWORK), await ours.submit(NETWORK)
    assert "held until a person decides" in warnings(second)[0]
    await ours.settle()
    now = await ours.now(second)
    assert ((await ours.now(first)).state, now.state, len(ours.transport.sent)) == (State.SENT, State.FAILED, 1)
    assert now.reason == f"Held for a person: exactly the same document was handed in before, as {first.id}"
    assert [one.id for one in await ours.store.overview.waiting(ACCOUNT, 5)] == [second.id]
    ours.clock.forward(days=6)
    await ours.settle()
    assert len(ours.transport.sent) == 1
    await ours.store.record(now, Event(name="Requeued", reason="yes", next_attempt=ours.clock.now()))
    await ours.settle()
    assert ((await ours.now(second)).state, len(ours.transport.sent)) == (State.SENT, 2)
    assert ours.transport.sent[1].message_id == second.message_id


async def test_what_is_held_is_not_sent_after_a_restart_either(
    exchange: Exchange, database: str, tmp_path: Path
) -> None:
    ours, place = under(exchange, "hold"), database.replace("gateway.db", "other.db")
    opening = partial(open_store, place, tmp_path / "payloads", clock=ours.clock, base=tmp_path)
    async with opening() as store:
        await store.first_account(ACCOUNT, "hash")
        outbound = replace(ours.outbound, store=store)
        made = [(await outbound.submit(ACCOUNT, NETWORK)).message for _ in range(2)]
    async with opening() as store:
        # The second life has another policy: what was said at acceptance holds.
        outbound = replace(ours.outbound, store=store, doubles=Doubles(policy="off"))
        worker = replace(ours.worker, store=store, outbound=outbound)
        while await worker.run_once():
            pass
        states = [(await store.get(ACCOUNT, one.id)).state for one in made]
    assert (states, len(ours.transport.sent)) == ([State.SENT, State.FAILED], 1)


async def test_accounts_have_policies_of_their_own_and_off_compares_nothing(exchange: Exchange) -> None:
    ours = under(exchange, "hold", main="off")
    assert [known(await ours.submit(NETWORK)) for _ in range(2)] == [("", "")] * 2
    await ours.store.add_account(OTHER, "Other", "hash-2")
    added = [(await ours.outbound.submit(OTHER, NETWORK)).message for _ in range(2)]
    assert [one.links.get("held") for one in added] == [None, "double"]


async def test_of_many_at_the_same_moment_exactly_one_is_the_first(exchange: Exchange) -> None:
    ours = under(exchange, "hold")
    made = await asyncio.gather(*(ours.submit(NETWORK) for _ in range(12)))
    assert sorted(bool(one.links) for one in made) == [False] + [True] * 11
    await ours.settle()
    found, _ = await ours.store.find(ACCOUNT, Filter(direction=Direction.OUT))
    assert sorted(one.state for one in found) == [State.FAILED] * 11 + [State.SENT]
    assert len(ours.transport.sent) == 1


async def test_the_same_key_is_the_same_document_and_no_double(exchange: Exchange) -> None:
    ours = under(exchange, "hold")
    first, second = [await ours.submit(NETWORK, idempotency_key="k") for _ in range(2)]
    assert (first.id, known(second)) == (second.id, ("", ""))
    other = await ours.submit(NETWORK, idempotency_key="another")
    assert known(other) == (first.id, "same")


async def test_to_send_anew_is_meant(exchange: Exchange) -> None:
    ours = under(exchange, "hold")
    first = await ours.submit(NETWORK)
    await ours.settle()
    again = (await ours.outbound.resend(await ours.now(first))).message
    assert known(again) == ("", "")
    await ours.settle()
    assert len(ours.transport.sent) == 2


async def test_an_invoice_of_long_ago_is_another_one(exchange: Exchange) -> None:
    ours = under(exchange, "hold")
    await ours.submit(NETWORK)
    ours.clock.forward(days=400, seconds=1)
    assert known(await ours.submit(NETWORK)) == ("", "")
    assert timedelta(days=400) == ours.outbound.doubles.within
