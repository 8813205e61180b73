"""What the writer of SQLite knows of documents in hand is exact, or it asks: nothing that changed a row goes unseen."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from store_parts import EXEMPEL, StillClock, only_sqlite, opened, outgoing, plain

import gateway.store
from gateway.errors import LostLease
from gateway.model.lifecycle import Event, State
from gateway.model.message import Message
from gateway.store import SqlStore, claiming, documents, hastening, hold_store, tables
from gateway.store.documents import Step, Stepped
from gateway.store.in_hand import InHand
from gateway.store.session import Session, Statement
from gateway.store.steps import Current, record

TO: dict[str, Any] = {"peer": "POP000102", "receiver": "0088:7300010000001", "part": b"part"}
LATER = Event(name="Postponed", reason="no answer")


async def claimed(store: SqlStore) -> Message:
    await store.add_once(outgoing("d1"))
    (message,) = await store.claim("w", 1, 30)
    return message


async def reads_of(store: SqlStore, *steps: Any) -> list[str]:
    """The statements on documents that ask for rows, while these steps are done one after another."""
    asked: list[str] = []
    driver = store._writer._transactions._driver  # type: ignore[attr-defined]
    driver.set_trace_callback(asked.append)
    try:
        for step in steps:
            await step()
    finally:
        driver.set_trace_callback(None)
    return [text for text in asked if text.startswith("SELECT") and "FROM message" in text]


@only_sqlite
async def test_the_steps_of_a_claimed_document_do_not_read_its_row(store: SqlStore) -> None:
    message = await claimed(store)
    assert not await reads_of(store, lambda: store.mark_sending(message, **TO), lambda: store.record(message, LATER))
    after = await store.get(EXEMPEL, message.id)
    assert (after.sent_octets, after.peer, after.receiver) == (True, TO["peer"], TO["receiver"])


@only_sqlite
async def test_what_has_no_lease_any_more_is_read(store: SqlStore) -> None:
    message = await claimed(store)
    failed = await store.record(message, Event(name="GaveUp", reason="five days without an answer"))
    assert await reads_of(store, lambda: store.record(failed, Event(name="Requeued", reason="by the operator")))


@only_sqlite
async def test_what_another_program_did_to_the_row_is_seen(store: SqlStore, tmp_path: Path) -> None:
    message = await claimed(store)
    plain(tmp_path, "UPDATE message SET attempts = attempts + 1, lease_owner = 'another'")
    with pytest.raises(LostLease):
        await store.mark_sending(message, **TO)
    assert plain(tmp_path, "SELECT attempts, lease_owner, sent_octets FROM message") == [(2, "another", 0)]


@only_sqlite
async def test_what_another_process_on_the_same_file_did_is_seen(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    with hold_store(database, base=tmp_path) as held:
        async with opened(tmp_path, clock, held=held) as one, opened(tmp_path, clock, held=held) as other:
            await one.add_account(EXEMPEL, "Exempel AB", "hash-1")
            message = await claimed(one)
            clock.pass_seconds(30)
            (taken,) = await other.claim("v", 1, 30)
            with pytest.raises(LostLease):
                await one.record(message, Event(name="Sent", reason="too late", channel="peppol"))
            assert (await other.record(taken, LATER)).attempts == 2


@only_sqlite
async def test_a_lease_that_was_renewed_is_the_lease(store: SqlStore, clock: StillClock) -> None:
    message = await claimed(store)
    clock.pass_seconds(20)
    await store.renew("w", [message.id], 30)
    clock.pass_seconds(20)
    assert (await store.mark_sending(message, **TO)).sent_octets


@only_sqlite
async def test_what_an_errand_does_through_the_connection_is_seen(store: SqlStore) -> None:
    message = await claimed(store)

    def take_away(session: Session, jobs: Sequence[object]) -> list[None]:
        assert session.connection is not None
        session.connection.execute(update(tables.message).values(attempts=7))
        return [None] * len(jobs)

    await store._writer.do(take_away, None)
    with pytest.raises(LostLease, match="attempt 7"):
        await store.record(message, LATER)


@only_sqlite
async def test_a_step_that_was_undone_was_not_done(store: SqlStore, clock: StillClock) -> None:
    message = await claimed(store)
    sent = Event(name="Sent", reason="undone", channel="peppol")

    def step_and_fail(session: Session, jobs: Sequence[object]) -> list[object]:
        step = Step(
            id=message.id,
            change=lambda now: replace(record(now, message, sent, clock.now(), keep_lease=True), keep_lease=True),
        )
        (done,) = documents.apply(session, [step])
        assert isinstance(done, Stepped) and done.message.state is State.SENT
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store._writer.do(step_and_fail, None)
    assert (await store.record(message, LATER)).state is State.ACCEPTED


def statements() -> Iterator[tuple[str, Statement]]:
    for module in pkgutil.iter_modules(gateway.store.__path__, "gateway.store."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Statement):
                yield f"{module.name}.{name}", value


def test_of_all_statements_on_documents_only_those_that_tell_are_trusted() -> None:
    trusted = {documents._UPDATE, documents._SLIGHT_UPDATE, documents._READDRESS, claiming._CLAIM}
    found = dict(statements())
    assert {statement for statement in found.values() if statement.noted} == trusted
    hidden = {name.removeprefix("gateway.store.") for name, statement in found.items() if statement.hides_change}
    assert hidden == {"claiming._RENEW", "hastening._HASTEN"}
    assert hastening._HASTEN.hides_change and not documents._INSERT_MESSAGE.hides_change


def test_it_holds_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch, clock: StillClock) -> None:
    monkeypatch.setattr("gateway.store.in_hand._MOST", 3)
    in_hand = InHand()
    for number in range(10):
        message = outgoing(f"d{number}").message
        in_hand.note(Current(message=message, lease_until=clock.now(), lease_owner="w"))
        assert in_hand.get(message.id) is not None and len(in_hand._known) <= 3
