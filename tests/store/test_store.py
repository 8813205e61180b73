"""The port's promises on real SQLite files: once, claimed once, stepped once, and nobody else's."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from store_parts import EXEMPEL, NORDISK, START, StillClock, incoming, opened, outgoing, plain

from gateway.errors import LostLease, NotFound, StateError
from gateway.model.identifiers import DocumentId, MessageId
from gateway.model.lifecycle import Event, State
from gateway.model.message import Evidence, Message, PayloadKind
from gateway.ports import Filter
from gateway.store import SqlStore

SENT = Event(name="Sent", reason="POP000102 gave its receipt", channel="peppol", peer="POP000102", sent_octets=True)
PROOF = Evidence(kind="receipt", media_type="application/soap+xml", octets=b"<Receipt/>")
D1 = DocumentId("d1")
TO: Any = {"peer": "POP000102", "receiver": "0007:5590001234", "part": b"\x1f\x8b the part"}


class TestAddOnce:
    async def test_everything_of_a_document_comes_back_as_it_was(self, store: SqlStore) -> None:
        arrival = outgoing("d1", key="k", due_date=None, conversation_id="c1")
        added = await store.add_once(arrival)
        assert (added.new, added.same) == (True, True)
        got = await store.get(EXEMPEL, D1)
        assert got == added.message
        assert got == replace(arrival.message, next_attempt=START, queued_since=START)
        assert {type(getattr(got, f.name)) for f in fields(Message)} >= {State, type(START), type(got.amount)}
        assert await store.payload(D1, PayloadKind.DOCUMENT) == arrival.payloads[PayloadKind.DOCUMENT]

    async def test_the_same_key_again_gives_the_first_document(self, store: SqlStore) -> None:
        await store.add_once(outgoing("d1", key="k"))
        again = await store.add_once(outgoing("d2", key="k"))
        assert (again.message.id, again.new, again.same) == ("d1", False, True)
        with pytest.raises(NotFound):
            await store.get(EXEMPEL, DocumentId("d2"))

    async def test_fifty_at_once_with_one_key_are_one_document(self, store: SqlStore, tmp_path: Path) -> None:
        added = await asyncio.gather(*(store.add_once(outgoing(f"d{n}", key="k")) for n in range(50)))
        assert sum(a.new for a in added) == 1
        assert len({a.message.id for a in added}) == 1
        for table, count in (("message", 1), ("event", 1), ("payload", 1)):
            assert plain(tmp_path, f"SELECT count(*) FROM {table}") == [(count,)]

    async def test_the_same_key_with_other_content_is_not_the_same(self, store: SqlStore) -> None:
        await store.add_once(outgoing("d1", key="k"))
        other = await store.add_once(outgoing("d2", key="k", octets=b"<Invoice>2</Invoice>"))
        assert (other.message.id, other.new, other.same) == ("d1", False, False)
        assert await store.payload(D1, PayloadKind.DOCUMENT) == b"<Invoice>1</Invoice>"

    async def test_a_key_is_the_accounts_own(self, store: SqlStore) -> None:
        await store.add_once(outgoing("d1", key="k"))
        assert (await store.add_once(outgoing("d2", key="k", account=NORDISK))).new

    async def test_without_a_key_every_document_is_new(self, store: SqlStore) -> None:
        added = await asyncio.gather(store.add_once(outgoing("d1")), store.add_once(outgoing("d2")))
        assert all(a.new for a in added)

    async def test_a_received_message_twice_gives_the_stored_receipt(self, store: SqlStore) -> None:
        first = await store.add_once(incoming("d1"))
        again = await store.add_once(incoming("d2"))
        assert (again.new, again.same, again.message.id) == (False, True, "d1")
        assert first.receipt == again.receipt == b"<Receipt for='d1'/>"

    async def test_a_message_id_is_the_seats_own(self, store: SqlStore) -> None:
        await store.add_once(incoming("d1", seat="POP000102"))
        assert (await store.add_once(incoming("d2", seat="POP000103"))).new
        found = await store.find_received("POP000103", MessageId("m1@example.org"))
        assert found is not None
        assert found.id == "d2"
        assert await store.find_received("POP000104", MessageId("m1@example.org")) is None

    async def test_octets_with_another_digest_than_fixed_are_not_taken(self, store: SqlStore) -> None:
        arrival = outgoing("d1")
        with pytest.raises(StateError, match="digest"):
            await store.add_once(replace(arrival, payloads={PayloadKind.DOCUMENT: b"<Other/>"}))

    async def test_a_document_without_account_spoils_only_itself(self, store: SqlStore) -> None:
        adds = [store.add_once(outgoing(f"d{n}", key=f"k{n}")) for n in range(10)]
        adds.insert(5, store.add_once(outgoing("bad", account=NORDISK.__class__("nobody"))))
        results = await asyncio.gather(*adds, return_exceptions=True)
        assert isinstance(results.pop(5), StateError)
        assert [r.new for r in results if not isinstance(r, BaseException)] == [True] * 10


class TestClaim:
    async def test_eight_claimers_get_forty_documents_once_each(self, store: SqlStore) -> None:
        await asyncio.gather(*(store.add_once(outgoing(f"d{n}")) for n in range(40)))

        async def work(owner: str) -> list[str]:
            mine = []
            while batch := await store.claim(owner, 3, 60):
                mine += [message.id for message in batch]
            return mine

        async with asyncio.timeout(20):
            taken = await asyncio.gather(*(work(f"worker-{n}") for n in range(8)))
        everything = [one for mine in taken for one in mine]
        assert sorted(everything) == sorted(f"d{n}" for n in range(40))
        assert sum(bool(mine) for mine in taken) > 1

    async def test_the_longest_due_comes_first(self, store: SqlStore) -> None:
        for n in (2, 1, 3):
            await store.add_once(outgoing(f"d{n}", next_attempt=START - timedelta(minutes=n)))
        assert [m.id for m in await store.claim("w", 2, 60)] == ["d3", "d2"]
        assert [m.id for m in await store.claim("w", 2, 60)] == ["d1"]

    async def test_what_is_not_due_is_left(self, store: SqlStore, clock: StillClock) -> None:
        await store.add_once(outgoing("d1", next_attempt=START + timedelta(seconds=10)))
        assert not await store.claim("w", 9, 60)
        clock.pass_seconds(10)
        assert len(await store.claim("w", 9, 60)) == 1

    async def test_a_lease_that_ran_out_is_claimed_again_and_the_late_holder_has_lost(
        self, store: SqlStore, clock: StillClock
    ) -> None:
        await store.add_once(outgoing("d1"))
        (first,) = await store.claim("slow", 1, 30)
        clock.pass_seconds(29)
        assert not await store.claim("quick", 1, 30)
        clock.pass_seconds(1)
        (second,) = await store.claim("quick", 1, 30)
        assert (first.attempts, second.attempts) == (1, 2)
        with pytest.raises(LostLease):
            await store.record(first, SENT)
        with pytest.raises(LostLease):
            await store.mark_sending(first, **TO)
        assert (await store.get(EXEMPEL, D1)).state is State.ACCEPTED
        assert (await store.record(second, SENT)).state is State.SENT

    async def test_final_documents_are_never_claimed(self, store: SqlStore, clock: StillClock) -> None:
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 30)
        assert (await store.record(message, SENT)).next_attempt is None
        clock.pass_seconds(1000)
        assert not await store.claim("w", 1, 30)


class TestRecord:
    async def test_a_step_is_state_timeline_and_evidence_together(self, store: SqlStore, clock: StillClock) -> None:
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 30)
        clock.pass_seconds(5)
        after = await store.record(message, SENT, [PROOF, replace(PROOF, kind="smp")])
        assert after == await store.get(EXEMPEL, D1)
        assert (after.state, after.channel, after.peer, after.sent_octets) == (
            State.SENT,
            "peppol",
            "POP000102",
            True,
        )
        assert after.updated == clock.now()
        accepted, sent = await store.timeline(EXEMPEL, D1)
        assert (accepted.event, accepted.reason) == ("Accepted", "Handed in")
        assert (sent.event, sent.reason, sent.attempt, sent.time) == ("Sent", SENT.reason, 1, clock.now())
        stored = await store.evidence(EXEMPEL, D1)
        assert [name for name, _, _ in stored] == ["01-receipt", "02-smp"] == list(sent.evidence)
        assert stored[0] == ("01-receipt", clock.now(), PROOF)

    async def test_an_illegal_step_changes_nothing(self, store: SqlStore) -> None:
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 30)
        with pytest.raises(StateError, match="Dispatched cannot happen"):
            await store.record(message, Event(name="Dispatched", reason="no"), [PROOF])
        assert await store.get(EXEMPEL, D1) == message
        assert len(await store.timeline(EXEMPEL, D1)) == 1
        assert not await store.evidence(EXEMPEL, D1)

    async def test_two_records_of_one_claim_at_once_are_one_step(self, store: SqlStore) -> None:
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 30)
        results = await asyncio.gather(*(store.record(message, SENT) for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(r, Message) for r in results) == 1
        assert sum(isinstance(r, LostLease) for r in results) == 4
        assert [e.event for e in await store.timeline(EXEMPEL, D1)] == ["Accepted", "Sent"]

    async def test_a_postponed_document_is_due_when_it_says(self, store: SqlStore, clock: StillClock) -> None:
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 3600)
        later = START + timedelta(minutes=1)
        after = await store.record(message, Event(name="Postponed", reason="DNS is silent", next_attempt=later))
        assert (after.state, after.next_attempt, after.reason) == (State.ACCEPTED, later, "DNS is silent")
        assert not await store.claim("w", 1, 30)
        clock.pass_seconds(60)
        assert [m.attempts for m in await store.claim("w", 1, 30)] == [2]

    async def test_a_kept_lease_goes_on_and_the_next_step_uses_the_new_value(self, store: SqlStore) -> None:
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 30)
        diverted = Event(name="Diverted", reason="not registered", channel="email")
        message = await store.record(message, diverted, keep_lease=True)
        assert not await store.claim("other", 1, 30)
        after = await store.record(message, Event(name="Dispatched", reason="250 queued"))
        assert (after.state, after.channel, after.reason) == (State.DISPATCHED, "email", "not registered")

    async def test_octets_once_sent_stay_sent(self, store: SqlStore) -> None:
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 30)
        message = await store.mark_sending(message, **TO)
        assert (message.sent_octets, message.peer) == (True, "POP000102")
        assert (await store.get(EXEMPEL, D1)).sent_octets
        after = await store.record(message, Event(name="Postponed", reason="no answer"))
        assert after.sent_octets
        assert [e.event for e in await store.timeline(EXEMPEL, D1)] == ["Accepted", "Sending", "Postponed"]

    async def test_octets_that_surely_did_not_arrive_are_not_sent(self, store: SqlStore) -> None:
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 30)
        message = await store.mark_sending(message, **TO)
        refused = Event(name="Postponed", reason="connection refused", sent_octets=False, next_attempt=START)
        assert not (await store.record(message, refused)).sent_octets

    async def test_a_step_knows_the_row_even_where_its_caller_holds_an_older_view(self, store: SqlStore) -> None:
        await store.add_once(outgoing("d1"))
        (claimed,) = await store.claim("w", 1, 60)
        marked = await store.mark_sending(claimed, **TO)
        postponed = Event(name="Postponed", reason="later", next_attempt=START)
        after = await store.record(claimed, postponed, [PROOF], keep_lease=True)  # as it was before it was marked
        assert (after.sent_octets, after.peer, after.receiver) == (True, TO["peer"], TO["receiver"])
        assert marked.sent_octets and after == await store.get(EXEMPEL, D1)
        found, _ = await store.find(EXEMPEL, Filter(query=TO["receiver"]))  # and it is found under its new address
        assert [message.id for message in found] == [D1]

    async def test_the_part_of_the_first_sending_is_the_part_of_every_retry(
        self, store: SqlStore, clock: StillClock
    ) -> None:
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 30)
        await store.mark_sending(message, **TO)
        assert await store.payload(D1, PayloadKind.PART) == TO["part"]
        clock.pass_seconds(30)
        (again,) = await store.claim("w", 1, 30)
        again = await store.mark_sending(again, peer="POP000103", receiver="0088:7300010000001", part=b"another")
        assert (again.peer, again.receiver) == ("POP000103", "0088:7300010000001")
        assert await store.payload(D1, PayloadKind.PART) == TO["part"]
        found, _ = await store.find(EXEMPEL, Filter(query="7300010000001"))
        assert [m.id for m in found] == ["d1"]

    async def test_nothing_is_sent_after_the_lease_has_run_out(self, store: SqlStore, clock: StillClock) -> None:
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 30)
        clock.pass_seconds(30)
        with pytest.raises(LostLease, match="run out"):
            await store.mark_sending(message, **TO)
        assert not (await store.get(EXEMPEL, D1)).sent_octets

    async def test_requeued_counts_the_retry_window_anew(self, store: SqlStore, clock: StillClock) -> None:
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 30)
        failed = await store.record(message, Event(name="GaveUp", reason="five days without an answer"))
        assert (failed.state, failed.queued_since) == (State.FAILED, START)
        clock.pass_seconds(1000)
        requeued = await store.record(failed, Event(name="Requeued", reason="by the operator"))
        assert (requeued.queued_since, requeued.next_attempt, requeued.attempts) == (clock.now(), clock.now(), 1)
        assert [m.attempts for m in await store.claim("w", 1, 30)] == [2]


class TestWork:
    async def test_the_worker_is_woken_by_new_work_only(self, store: SqlStore, clock: StillClock) -> None:
        assert not store.work.is_set()
        await store.add_once(outgoing("d1", key="k"))
        assert store.work.is_set()
        store.work.clear()
        await store.add_once(outgoing("d2", key="k"))
        (message,) = await store.claim("w", 1, 30)
        message = await store.mark_sending(message, **TO)
        later = START + timedelta(minutes=1)
        await store.record(message, Event(name="Postponed", reason="later", next_attempt=later))
        assert not store.work.is_set()
        clock.pass_seconds(60)
        (message,) = await store.claim("w", 1, 30)
        await store.record(message, Event(name="Diverted", reason="not registered", channel="email"))
        assert store.work.is_set()

    async def test_what_waits_for_somebody_else_is_not_claimed(self, store: SqlStore, clock: StillClock) -> None:
        await store.add_once(incoming("d1"))
        (message,) = await store.claim("w", 1, 30)
        store.work.clear()
        await store.record(message, Event(name="Postponed", reason="in the inbox", next_attempt=None))
        clock.pass_seconds(10_000)
        assert not await store.claim("w", 1, 30)
        assert not store.work.is_set()


class TestAcknowledge:
    async def test_twice_is_once(self, store: SqlStore, clock: StillClock) -> None:
        await store.add_once(incoming("d1"))
        first = await store.acknowledge(EXEMPEL, D1)
        clock.pass_seconds(5)
        assert await store.acknowledge(EXEMPEL, D1) == first
        assert first.acknowledged == START
        assert first.state is State.DELIVERED
        assert [e.event for e in await store.timeline(EXEMPEL, D1)] == ["Accepted", "Delivered"]

    async def test_what_was_delivered_already_is_noted_only(self, store: SqlStore) -> None:
        await store.add_once(incoming("d1"))
        (message,) = await store.claim("w", 1, 30)
        await store.record(message, Event(name="Delivered", reason="handed over"))
        assert (await store.acknowledge(EXEMPEL, D1)).state is State.DELIVERED
        assert [e.event for e in await store.timeline(EXEMPEL, D1)] == ["Accepted", "Delivered", "Acknowledged"]

    async def test_what_was_sent_is_not_in_the_inbox(self, store: SqlStore) -> None:
        await store.add_once(outgoing("d1"))
        with pytest.raises(NotFound):
            await store.acknowledge(EXEMPEL, D1)

    async def test_a_worker_that_was_just_delivering_it_has_lost_it(self, store: SqlStore) -> None:
        await store.add_once(incoming("d1"))
        (message,) = await store.claim("w", 1, 30)
        await store.acknowledge(EXEMPEL, D1)
        with pytest.raises(LostLease):
            await store.record(message, Event(name="Delivered", reason="fetched"))


async def test_another_accounts_document_does_not_exist(store: SqlStore) -> None:
    await store.add_once(incoming("d1"))
    for account in (NORDISK, NORDISK.__class__("")):
        for read in (store.get, store.timeline, store.evidence, store.acknowledge):
            with pytest.raises(NotFound):
                await read(account, D1)
    assert (await store.get(EXEMPEL, D1)).acknowledged is None


async def test_a_closed_store_is_found_again_as_it_was(tmp_path: Path, clock: StillClock, database: str) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        added = await store.add_once(outgoing("d1"))
    async with opened(tmp_path, clock) as store:
        assert await store.get(EXEMPEL, D1) == added.message


async def test_the_blocks_own_error_leaves_as_it_is(tmp_path: Path, clock: StillClock, database: str) -> None:
    with pytest.raises(KeyError):
        async with opened(tmp_path, clock):
            raise KeyError("mine")
