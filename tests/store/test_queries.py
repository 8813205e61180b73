"""Lists: pages, filters, search, and only what is the account's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event
from store_parts import EXEMPEL, NORDISK, START, incoming, outgoing

from gateway.errors import NotFound
from gateway.model.lifecycle import State
from gateway.model.message import Direction
from gateway.ports import Filter
from gateway.store import SqlStore, queries
from gateway.store.database import make_missing


async def ids(store: SqlStore, **which: object) -> list[str]:
    found, _ = await store.find(EXEMPEL, Filter(**which))  # type: ignore[arg-type]
    return [message.id for message in found]


async def test_pages_newest_first_hold_everything_once(store: SqlStore) -> None:
    for n in range(23):
        # several of one moment, so that the id must break ties
        await store.add_once(outgoing(f"d{n:02}", created=START + timedelta(seconds=n // 4)))
    await store.add_once(outgoing("theirs", account=NORDISK))
    seen: list[str] = []
    cursor = ""
    for _ in range(5):
        page, cursor = await store.find(EXEMPEL, Filter(limit=5, cursor=cursor))
        seen += [message.id for message in page]
    assert cursor == ""
    assert seen == [f"d{n:02}" for n in reversed(range(23))]


async def test_a_full_last_page_has_no_next(store: SqlStore) -> None:
    await store.add_once(outgoing("d1"))
    assert (await store.find(EXEMPEL, Filter(limit=1)))[1] == ""


@pytest.mark.parametrize("cursor", ["!", "AAAA", "bm90IGEgdGltZXxk", "MjAyNi0xMS0yNVQxMjowMDowMHxk", "å"])
async def test_a_cursor_that_is_not_ours_is_refused(store: SqlStore, cursor: str) -> None:
    with pytest.raises(NotFound, match="page"):
        await store.find(EXEMPEL, Filter(cursor=cursor))


async def test_limits_are_bounded(store: SqlStore) -> None:
    for n in range(3):
        await store.add_once(outgoing(f"d{n}"))
    assert len(await ids(store, limit=10**9)) == 3
    assert len(await ids(store, limit=-1)) == 1


async def test_filters_narrow(store: SqlStore) -> None:
    await store.add_once(outgoing("d1"))
    await store.add_once(incoming("d2"))
    await store.add_once(incoming("d3", message_id="m2@example.org"))
    await store.acknowledge(EXEMPEL, (await store.find(EXEMPEL, Filter(query="d3")))[0][0].id)
    assert await ids(store, direction=Direction.OUT) == ["d1"]
    assert await ids(store, states=(State.RECEIVED, State.FAILED)) == ["d2"]
    assert await ids(store, states=(State.FAILED,)) == []
    assert await ids(store, unacknowledged=True) == ["d2"]


@pytest.mark.parametrize(
    "query",
    [
        "F-2026",
        "f-2026",
        "ÅKERI",
        "åkeri",
        "åkeri exempel",
        "0007:5567212047",
        "d1@example.org",
        "instance-d1",
        "100%_",
    ],
)
async def test_a_search_finds_numbers_names_participants_and_ids(store: SqlStore, query: str) -> None:
    await store.add_once(outgoing("d1", number="F-2026-100%_A", buyer_name="Norrlands Åkeri AB"))
    await store.add_once(outgoing("d2", number="100XYA", sender="0007:1", seller_name="Annan AB"))
    assert await ids(store, query=query) == ["d1"]


@pytest.mark.parametrize("query", ["%", "_", "\\", "'; DROP TABLE message; --", "' OR 1=1", "x" * 10_000])
async def test_a_search_has_no_wild_cards_and_no_sql(store: SqlStore, query: str) -> None:
    await store.add_once(outgoing("d1"))
    assert await ids(store, query=query) == []
    assert await ids(store) == ["d1"]


async def test_nothing_of_another_account_is_found(store: SqlStore) -> None:
    await store.add_once(outgoing("d1", account=NORDISK))
    assert await ids(store) == []
    assert await ids(store, query="d1") == []


async def test_pages_of_several_rare_states_hold_everything_once_in_order(store: SqlStore) -> None:
    states = (State.ACCEPTED, State.FAILED, State.UNKNOWN)
    for n in range(17):
        made = outgoing(f"d{n:02}", created=START + timedelta(seconds=n // 4))
        made = replace(made, message=replace(made.message, state=(*states, State.SENT)[n % 4]))
        await store.add_once(made)
    seen: list[str] = []
    cursor = ""
    for _ in range(5):
        page, cursor = await store.find(EXEMPEL, Filter(states=states, limit=3, cursor=cursor))
        seen += [message.id for message in page]
    assert cursor == ""
    assert seen == [f"d{n:02}" for n in reversed(range(17)) if n % 4 != 3]


def plans(connection: Connection, *asked_for: Filter) -> list[str]:
    """How SQLite looks for each page."""
    if connection.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by the size of its tables: benchmarks/scale.py shows it")
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        asked.append((statement, values))

    event.listen(connection, "before_cursor_execute", note)
    for which in asked_for:
        queries.find(connection, EXEMPEL, which)
    event.remove(connection, "before_cursor_execute", note)
    found = (connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values) for text, values in asked)
    return [str(row[-1]) for rows in found for row in rows]


async def test_what_has_not_arrived_is_found_by_an_index_of_its_own(store: SqlStore) -> None:
    """Reading on from the newest would read everything that has arrived since."""
    inbox = Filter(direction=Direction.IN, states=(State.RECEIVED,), unacknowledged=True, idle=True)
    trouble = Filter(states=(State.FAILED, State.UNKNOWN))
    await store.operation.write(lambda connection: connection.exec_driver_sql("DROP INDEX message_not_arrived"))
    await store.operation.write(make_missing)  # as a start of this program on the store of an earlier one does
    steps = await store._reads.read(lambda connection: plans(connection, inbox, trouble))
    assert len(steps) == 3
    assert all("message_not_arrived (account=? AND state=?)" in step for step in steps), steps


async def test_the_little_that_went_out_or_by_mail_is_found_by_indexes_of_their_own(store: SqlStore) -> None:
    """A company that receives a hundred thousand invoices and sends ten reads ten when it asks for those."""
    for name in ("message_direction", "message_off_network"):
        await store.operation.write(lambda connection, name=name: connection.exec_driver_sql(f"DROP INDEX {name}"))
    await store.operation.write(make_missing)
    for name in ("d1", "d2"):
        await store.add_once(outgoing(name))
    page = Filter(direction=Direction.OUT, limit=1)
    _, cursor = await store.find(EXEMPEL, page)
    assert cursor
    for which in (page, replace(page, cursor=cursor), replace(page, states=(State.SENT,))):
        steps = await store._reads.read(lambda connection, which=which: plans(connection, which))
        assert ["message_direction (account=? AND direction=?" in step for step in steps] == [True], steps
    steps = await store._reads.read(lambda connection: plans(connection, Filter(channel="email")))
    assert ["message_off_network (account=? AND channel=?)" in step for step in steps] == [True], steps


async def test_what_went_out_is_found_by_number_and_parties_however_much_is_like_it(store: SqlStore) -> None:
    """As ``Responses.note`` asks: a search would stop at its first 200 hits."""
    ours, theirs = "0007:5567212047", "0007:5590001234"
    await store.add_once(outgoing("wanted", number="77"))
    await store.add_once(outgoing("to-another", number="77", receiver="0007:5567123400"))
    await store.add_once(outgoing("of-another", number="77", account=NORDISK))
    await store.add_once(incoming("came-in", number="77", sender=ours, receiver=theirs))
    for number in range(210):
        await store.add_once(outgoing(f"near{number}", number=f"77{number}", created=START + timedelta(seconds=number)))
    found = await store.find_numbered(EXEMPEL, "77", sender=ours, receiver=theirs)
    assert [one.id for one in found] == ["wanted"]
    again = await store.add_once(outgoing("again", number="77", created=START + timedelta(days=1)))
    newest = await store.find_numbered(EXEMPEL, "77", sender=ours, receiver=theirs)
    assert [one.id for one in newest] == [again.message.id, "wanted"]


async def test_it_is_found_by_an_index_of_what_went_out(store: SqlStore) -> None:
    def plan(connection: Connection) -> list[str]:
        if connection.dialect.name != "sqlite":
            pytest.skip("PostgreSQL plans by the size of its tables: benchmarks/scale.py shows it")
        statement, _ = queries._NUMBERED.written(connection.dialect)
        found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (EXEMPEL, "77", "a", "b"))
        return [str(row[-1]) for row in found]

    await store.operation.write(lambda connection: connection.exec_driver_sql("DROP INDEX message_number"))
    await store.operation.write(make_missing)
    steps = await store._reads.read(plan)
    assert any("message_number (account=? AND number=?)" in step for step in steps), steps
