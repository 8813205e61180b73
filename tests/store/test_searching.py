"""The index of words makes a search quick; with it words are found by their beginning, else nothing changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from store_parts import outgoing

from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.message import Direction, Filter
from gateway.store import SqlStore, open_store, searching
from gateway.store.followed import Piece, next_piece
from gateway.store.search_tables import document_word
from tests.portal.stage import ALPHA, BETA, Sample, SteadyClock, add

QUERIES = (
    *("2026-K10", "2026-K1004", "K1004", "ab", "5567212047", "556721-2047", "0007:5567212047"),
    *("nordisk", "finnsinte", "exempelkund 2026-K1004", "kund", "%", "_", "EXEMPELKUND"),
)


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    async with open_store("sqlite:x.db", Path("payloads"), clock=SteadyClock(), base=tmp_path) as opened:
        await opened.first_account("Exempel AB", "hash")
        await opened.add_account(BETA, "Grannexempel AB", "hash2")
        yield opened


async def fill(store: SqlStore, number: int = 12) -> list[DocumentId]:
    clock, made = SteadyClock(), []
    for n in range(number):
        account = BETA if n % 4 == 3 else ALPHA
        direction = Direction.IN if n % 3 == 2 else Direction.OUT
        sample = Sample(
            number=f"2026-K{1000 + n}",
            other=f"Exempelkund {n} AB",
            account=account,
            direction=direction,
            ago=timedelta(hours=50 - n),
        )
        made.append(await add(store, clock, sample))
    return made


async def found(store: SqlStore, account: AccountId = ALPHA, **which: Any) -> list[str]:
    return [one.number for one in (await store.find(account, Filter(**which)))[0]]


async def words(store: SqlStore) -> int:
    ask = select(func.count()).select_from(document_word)
    return int(await store.operation.write(lambda connection: connection.execute(ask).scalar_one()))


async def advance(store: SqlStore, limit: int = 5) -> None:
    while await store.search.advance(limit):
        pass


async def test_a_search_finds_the_same_with_a_half_and_with_the_whole_index(store: SqlStore) -> None:
    await fill(store)
    plain = {query: await found(store, query=query) for query in QUERIES}
    assert plain["2026-K1004"] == plain["exempelkund 2026-K1004"] == ["2026-K1004"]
    assert plain["556721-2047"] == plain["5567212047"] != []
    await store.search.advance(5)
    half = {query: await found(store, query=query) for query in QUERIES}
    await advance(store)
    assert await words(store) > 50
    whole = {query: await found(store, query=query) for query in QUERIES}
    assert {**half, "kund": []} == {**plain, "kund": []}
    assert whole == {**plain, "kund": []}, "with the index words are found by their beginning"


async def test_a_document_is_found_by_each_of_its_ids_whole_and_by_their_beginning(store: SqlStore) -> None:
    made = await fill(store)
    one = await store.get(ALPHA, made[4])
    ids = {str(one.id), str(one.message_id), str(one.instance_id)} - {""}
    assert len(ids) >= 2 and any("-" in key for key in ids)
    for _ in range(2):  # without and with the index
        for key in ids:
            assert await found(store, query=key) == [one.number], key
            assert one.number in await found(store, query=key[:8]), key
        await advance(store)


async def test_another_account_finds_its_own_and_nothing_else(store: SqlStore) -> None:
    await fill(store)
    await advance(store)
    assert await found(store, BETA, query="2026-K1003") == ["2026-K1003"]
    assert await found(store, query="2026-K1003") == []
    assert await found(store, BETA, names=("Exempelkund 3 AB",)) == ["2026-K1003"]
    assert await found(store, names=("Exempelkund 3 AB",)) == []


async def test_what_came_after_the_index_is_found_at_once(store: SqlStore) -> None:
    await fill(store)
    await advance(store)
    await add(store, SteadyClock(), Sample(number="NY-1", other="Nykomling AB"))
    assert await found(store, query="nykomling") == ["NY-1"]
    assert await found(store, query="ny-1") == ["NY-1"]


async def test_pages_and_filters_hold_with_the_index(store: SqlStore) -> None:
    await fill(store, 30)
    await advance(store)
    everything = await found(store, query="exempelkund", limit=200)
    assert everything == sorted(everything, reverse=True)
    paged, cursor = [], ""
    while True:
        page, cursor = await store.find(ALPHA, Filter(query="exempelkund", limit=4, cursor=cursor))
        paged += [one.number for one in page]
        if not cursor:
            break
    assert paged == everything
    assert await found(store, query="exempelkund", direction=Direction.IN) == await found(store, direction=Direction.IN)


async def test_two_words_that_begin_alike_hide_no_document(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "FEW", 10)
    clock = SteadyClock()
    for n in range(13):
        name = "Anders Andersson" if n < 7 else "Eva Andersson"
        await add(store, clock, Sample(number=f"A-{n}", other=name, ago=timedelta(hours=20 - n)))
    plain = await found(store, query="anders")
    await advance(store)
    assert len(plain) == 13 and await found(store, query="anders") == plain


async def test_a_long_name_hides_no_document(store: SqlStore) -> None:
    name = " ".join(f"ord{n}" for n in range(40))
    await add(store, SteadyClock(), Sample(number="LONG-1", other=name, ago=timedelta(hours=1)))
    await fill(store)
    await advance(store)
    for query in ("ord39", "ord0 ord39", "LONG-1", "5567212047"):
        assert "LONG-1" in await found(store, query=query), query


async def test_a_word_of_many_reads_the_newest_on(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(store, 30)
    await advance(store)
    before = await found(store, query="exempelkund"), await found(store, query="exempelkund 2026-K1004")
    assert len(before[0]) > 20 and before[1] == ["2026-K1004"]
    monkeypatch.setattr(searching, "FEW", 3)
    assert (await found(store, query="exempelkund"), await found(store, query="exempelkund 2026-K1004")) == before


async def test_an_index_that_is_far_behind_is_not_asked(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(store)
    await store.search.advance(1)
    monkeypatch.setattr(searching, "BEHIND", 2)
    assert await found(store, query="2026-K1008") == ["2026-K1008"]


async def test_what_is_erased_leaves_no_word_behind(store: SqlStore) -> None:
    made = await fill(store)
    await advance(store)
    before = await words(store)
    keep = made[1:]
    await store.operation.write(lambda connection: searching.forget(connection, [made[0]]))
    assert await words(store) < before
    await store.operation.write(lambda connection: searching.forget(connection, keep))
    assert await words(store) == 0


async def test_two_processes_enter_each_word_once(store: SqlStore) -> None:
    await fill(store)
    first = await _next(store)
    assert await store.search.writer.do(searching.enter, first)
    assert not await store.search.writer.do(searching.enter, first), "somebody else has moved the cursor"
    assert await store.search.advance(100) == 0
    await add(store, SteadyClock(), Sample(number="NY-1"))
    later = await _next(store)
    assert await store.search.writer.do(searching.enter, later)
    assert not await store.search.writer.do(searching.enter, replace(later, after=first.after))


async def _next(store: SqlStore) -> Piece:
    return await store.search.reads.look(lambda s: next_piece(s, searching.CURSOR, 100, SteadyClock().now()))


async def test_the_words_of_an_earlier_receiver_go_with_the_document(store: SqlStore) -> None:
    """Another address of the same buyer is found at the search: its row says nothing of the first one any more."""
    await store.add_once(
        outgoing("d1", account=ALPHA, number="1", receiver="0007:5590001234", created=SteadyClock().time)
    )
    await advance(store)
    (message,) = await store.claim("worker", 10, 60)
    await store.mark_sending(message, peer="POP000101", receiver="0088:7365567212040", part=b"envelope")
    assert await found(store, query="5590001234") == []
    assert await found(store, query="7365567212040") == ["1"]
    await advance(store)
    await store.operation.write(lambda connection: searching.forget(connection, [message.id]))
    assert await words(store) == 0
