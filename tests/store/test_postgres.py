"""PostgreSQL: what it must promise, several nodes on one database, and a connection that breaks anywhere."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from postgres_faults import Wire, wire
from store_parts import EXEMPEL, StillClock, incoming, opened, outgoing, place_database, plain

from gateway.errors import ConfigurationError, StoreUnavailable
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import Event, State
from gateway.model.message import Evidence
from gateway.store import SqlStore, open_store, opening
from gateway.store.shared_clock import SharedClock
from tests import postgres_server
from tests.postgres_server import Server, ask


@pytest.fixture
def database(tmp_path: Path, postgres: Server) -> str:
    url = postgres.new_database()
    place_database(tmp_path, url)
    return url


def through(laid: Wire, folder: Path, clock: StillClock) -> Any:
    return open_store(laid.through, Path("var/payloads"), clock, base=folder)


async def acceptance(store: SqlStore, name: str) -> None:
    """A document comes, is claimed and sent."""
    await store.add_once(incoming(name, message_id=name))
    await store.add_once(outgoing(f"{name}-out", key=name))
    for message in await store.claim("worker", 10, 60):
        if message.id == f"{name}-out":
            sending = await store.mark_sending(message, peer="POP000102", receiver="0007:1", part=b"part")
            proof = Evidence(kind="receipt", media_type="text/xml", octets=b"<Receipt/>")
            await store.record(sending, Event(name="Sent", reason="receipt", channel="peppol"), [proof])


async def test_a_connection_cut_at_any_question_loses_and_doubles_nothing(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    async with wire(database) as laid, through(laid, tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        await acceptance(store, "first")  # every statement is prepared now
        laid.count_from_now()
        await acceptance(store, "counted")
        questions = laid.asked
        assert questions > 12
        for number in range(1, questions + 1):
            laid.count_from_now(cut_at=number)
            told = False
            try:
                await acceptance(store, f"n{number}")
            except StoreUnavailable:
                told = True
            laid.count_from_now()
            answer = await store.add_once(incoming(f"again{number}", message_id=f"n{number}"))
            assert answer.message.id in (f"n{number}", f"again{number}")
            assert told or answer.message.id == f"n{number}", "what was answered is there"
            assert not answer.new or told
            clock.pass_seconds(61)
    half = "SELECT count(*) FROM message WHERE id NOT IN (SELECT message FROM {})"
    assert plain(tmp_path, half.format("payload")) == [(0,)]
    assert plain(tmp_path, half.format("event")) == [(0,)]
    assert plain(
        tmp_path,
        "SELECT count(*) FROM (SELECT message FROM event WHERE event = 'Sent' GROUP BY 1 HAVING count(*) > 1) x",
    ) == [(0,)]


async def test_the_lost_answer_to_a_commit_is_looked_up_and_the_receipt_is_given(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    async with wire(database) as laid, through(laid, tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        for number in range(10):
            laid.swallow_commit = True
            added = await asyncio.gather(
                *(store.add_once(incoming(f"d{number}-{n}", message_id=f"m{number}")) for n in range(3))
            )
            assert [one.new for one in added] == [True, False, False]
            assert len({one.receipt for one in added}) == 1 and added[0].receipt
            assert not laid.swallow_commit, "an answer was lost"
    assert plain(tmp_path, "SELECT count(*) FROM message") == [(10,)]


async def test_when_a_lost_commit_cannot_be_looked_up_the_caller_hears_that_it_is_not_known(
    tmp_path: Path, clock: StillClock, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.store.postgres import transactions

    monkeypatch.setattr(transactions, "_LOOK_UP_SECONDS", 0.3)
    async with wire(database) as laid, through(laid, tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        laid.swallow_commit = laid.closed = True
        with pytest.raises(StoreUnavailable, match="not known"):
            await store.add_once(incoming("d1"))
        laid.closed = False
        again = await store.add_once(incoming("d2"))
        assert (again.message.id, again.new) == ("d1", False)
        assert b"d1" in again.receipt


async def test_it_is_away_for_a_while_and_comes_back_by_itself(
    tmp_path: Path, clock: StillClock, database: str, postgres: Server
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        await store.add_once(outgoing("before"))
        await asyncio.to_thread(postgres.stop)
        try:
            for ask_it in (
                store.add_once(outgoing("away")),
                store.get(EXEMPEL, DocumentId("before")),
                store.claim("w", 1, 60),
            ):
                with pytest.raises(StoreUnavailable):
                    await ask_it
        finally:
            await asyncio.to_thread(postgres.start)
        assert (await store.add_once(outgoing("after"))).new
        assert (await store.get(EXEMPEL, DocumentId("before"))).id == "before"
        assert {m.id for m in await store.claim("w", 9, 60)} == {"before", "after"}


async def test_one_message_at_two_nodes_at_once_is_stored_once_and_both_give_its_receipt(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as two:
        await one.add_account(EXEMPEL, "Exempel AB", "hash")
        for number in range(50):
            both = await asyncio.gather(
                *(
                    node.add_once(incoming(f"{at}-{number}", message_id=f"m{number}"))
                    for at, node in (("a", one), ("b", two))
                )
            )
            assert sorted(added.new for added in both) == [False, True]
            assert both[0].receipt == both[1].receipt != b""
    assert plain(tmp_path, "SELECT count(*) FROM message") == [(50,)]


async def test_two_nodes_claim_nothing_twice_and_wake_each_other(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    async with opened(tmp_path, clock, owner="a") as one, opened(tmp_path, clock, owner="b") as two:
        await one.add_account(EXEMPEL, "Exempel AB", "hash")
        two.work.clear()
        await asyncio.gather(*(one.add_once(outgoing(f"d{n}")) for n in range(100)))
        async with asyncio.timeout(10):
            await two.work.wait()
        claims = await asyncio.gather(
            *(node.claim(name, 10, 60) for _ in range(5) for name, node in (("a", one), ("b", two)))
        )
        claimed = [message.id for claim in claims for message in claim]
        assert len(claimed) == len(set(claimed)) == 100


@dataclass
class Apart:
    """The clock of another machine."""

    clock: StillClock
    by: timedelta

    def now(self) -> datetime:
        return self.clock.now() + self.by


@pytest.mark.parametrize("minutes", [10, -10])
async def test_nodes_whose_clocks_are_ten_minutes_apart_take_nothing_from_each_other(
    tmp_path: Path, clock: StillClock, database: str, minutes: int
) -> None:
    apart = timedelta(minutes=minutes)
    wrong = SharedClock(Apart(clock, apart), wall=lambda: time.time() + apart.total_seconds())
    with pytest.MonkeyPatch.context() as other:
        other.setattr(opening, "SharedClock", lambda _: wrong)
        theirs = opened(tmp_path, clock, owner="b")
        two = await theirs.__aenter__()
    try:
        async with opened(tmp_path, clock, owner="a") as one:
            await one.add_account(EXEMPEL, "Exempel AB", "hash")
            for name in ("d1", "d2"):
                await one.add_once(outgoing(name, next_attempt=clock.now() - timedelta(seconds=1)))
            (first,) = await one.claim("a", 1, 60)
            (second,) = await two.claim("b", 5, 60)  # the one that is free, and not the other
            assert {first.id, second.id} == {"d1", "d2"}
            assert await one.claim("a", 5, 60) == [] == await two.claim("b", 5, 60)
            for node, message in ((one, first), (two, second)):
                await node.mark_sending(message, peer="POP000009", receiver="0007:5590001234", part=b"part")
            clock.pass_seconds(120)  # leases end for both alike
            assert len(await one.claim("a", 5, 60)) == 2
    finally:
        await theirs.__aexit__(None, None, None)


async def test_a_node_that_starts_leaves_what_another_has_in_hand(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    async with opened(tmp_path, clock, owner="a") as one:
        await one.add_account(EXEMPEL, "Exempel AB", "hash")
        await one.add_once(outgoing("d1"))
        assert len(await one.claim("a", 1, 60)) == 1
        for name in ("a", "b"):  # also one that was given the same name by mistake
            async with opened(tmp_path, clock, owner=name) as other:
                assert await other.claim(name, 1, 60) == []


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03"])
@pytest.mark.parametrize("times", [2, 99])
async def test_what_can_be_repeated_is_repeated_a_few_times(
    tmp_path: Path, clock: StillClock, database: str, state: str, times: int
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        ask(database, "CREATE SEQUENCE tries MAXVALUE 1000")
        ask(
            database,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'in the way' USING ERRCODE = '{state}'; END IF; "
            "RETURN NEW; END $$",
        )
        ask(database, "CREATE TRIGGER refuse BEFORE INSERT ON payload FOR EACH ROW EXECUTE FUNCTION refuse()")
        if times == 2:
            assert (await store.add_once(outgoing("d1", key="k"))).new
        else:
            with pytest.raises(StoreUnavailable):
                await store.add_once(outgoing("d1", key="k"))
        ask(database, "DROP TRIGGER refuse ON payload")
        assert (await store.add_once(outgoing("d2", key="k"))).new is (times != 2)


async def test_a_text_with_a_zero_in_it_is_kept_without(tmp_path: Path, clock: StillClock, database: str) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        await store.add_once(outgoing("d1"))
        (message,) = await store.claim("w", 1, 60)
        await store.record(message, Event(name="Rejected", reason="their text: \0 bad"))
        assert (await store.get(EXEMPEL, DocumentId("d1"))).state is State.REJECTED
        assert (await store.timeline(EXEMPEL, DocumentId("d1")))[-1].reason == "their text: \ufffd bad"


async def refusal(url: str, folder: Path) -> str:
    with pytest.raises((ConfigurationError, StoreUnavailable)) as caught:
        async with open_store(url, Path("payloads"), StillClock(), base=folder):
            pass
    error = caught.value
    assert postgres_server.PASSWORD not in str(error)
    return str(error)


async def test_what_cannot_be_used_is_refused_at_the_start_with_the_remedy(
    tmp_path: Path, database: str, postgres: Server
) -> None:
    for url, words in (
        (postgres.url("store", password="wrong"), "check user, password"),
        (postgres.url("nothing"), "createdb"),
        (database.replace(f":{postgres.port}", ":1"), "cannot be reached"),
        ("postgresql://user:secret@[/x", "cannot be used"),
    ):
        assert words in await refusal(url, tmp_path)
    for setting, remedy in (("off", "ALTER DATABASE"), ("local", "ALTER DATABASE"), ("remote_write", "ALTER DATABASE")):
        ask(database, f"ALTER DATABASE store SET synchronous_commit = {setting}")
        try:
            assert remedy in await refusal(database, tmp_path)
        finally:
            ask(database, "ALTER DATABASE store RESET synchronous_commit")
    ask(database, "CREATE TABLE recipe (id text)")
    assert "another program" in await refusal(database, tmp_path)


def test_a_server_without_fsync_is_refused(tmp_path: Path) -> None:
    if why := postgres_server.why_not():
        pytest.skip(why)
    with postgres_server.running("fsync=off") as careless:
        assert "fsync is off" in asyncio.run(refusal(careless.new_database(), tmp_path))
