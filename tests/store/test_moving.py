"""`gateway db move`: everything arrives, nothing is on both sides, what breaks off is done again."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from store_parts import EXEMPEL, StillClock, outgoing

from gateway.errors import ConfigurationError, StateError
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import Event, State
from gateway.model.message import Evidence, PayloadKind
from gateway.store import SqlStore, moving, open_store
from gateway.store.moving import Moved, move
from tests.postgres_server import Server, ask

A, B = "sqlite:a.db", "sqlite:b.db"
LARGE = os.urandom(100_000)


def opened(database: str, folder: Path) -> Any:
    return open_store(database, Path("payloads"), StillClock(), base=folder)


def nothing(*_: object) -> None:
    """Hears of the progress."""


async def fill(store: SqlStore, documents: int = 30) -> None:
    await store.add_account(EXEMPEL, "Exempel AB", "hash")
    for n in range(documents):
        await store.add_once(outgoing(f"d{n}", key=f"k{n}", octets=LARGE if n % 10 == 0 else b"<Invoice/>" * n))
    for message in await store.claim("worker", documents // 2, 60):
        proof = Evidence(kind="receipt", media_type="text/xml", octets=b"<Receipt/>")
        await store.record(message, Event(name="Sent", reason="kvitto från å", channel="peppol"), [proof])


@pytest.fixture
async def pair(tmp_path: Path, postgres: Server) -> tuple[str, str]:
    async with opened(A, tmp_path) as store:
        await fill(store)
    return A, postgres.new_database()


async def test_a_store_goes_to_postgresql_and_back_with_equal_digests(tmp_path: Path, pair: tuple[str, str]) -> None:
    told: list[tuple[str, int, int]] = []
    there = await move(*pair, tmp_path, lambda *of: told.append(of))
    async with opened(pair[1], tmp_path) as store:
        sent = await store.get(EXEMPEL, DocumentId("d0"))
        assert (sent.state, sent.attempts) == (State.SENT, 1)
        assert await store.payload(sent.id, PayloadKind.DOCUMENT) == LARGE
        assert [e.event for e in await store.timeline(EXEMPEL, sent.id)] == ["Accepted", "Sent"]
        assert not (await store.add_once(outgoing("again", key="k7"))).new
        assert len(await store.claim("worker", 100, 60)) == 15
    back = await move(pair[1], B, tmp_path, nothing)
    assert {name: there.tables[name].rows for name in ("message", "event", "payload", "evidence")} == {
        "message": 30,
        "event": 45,
        "payload": 30,
        "evidence": 15,
    }
    # the claims above changed the documents, and nothing else
    assert {name for name, digest in there.tables.items() if digest != back.tables[name]} == {"message"}
    assert ("copy message", 30, 30) in told and ("compare message", 30, 30) in told


async def test_rows_that_the_database_numbers_go_on_after_the_highest(tmp_path: Path, pair: tuple[str, str]) -> None:
    await move(*pair, tmp_path, nothing)
    async with opened(pair[1], tmp_path) as store:
        await store.add_once(outgoing("new"))
        assert [e.event for e in await store.timeline(EXEMPEL, DocumentId("new"))] == ["Accepted"]
    assert ask(pair[1], "SELECT max(number) FROM event") == [(46,)]


async def test_no_gateway_starts_on_what_was_moved_away(tmp_path: Path, pair: tuple[str, str]) -> None:
    await move(*pair, tmp_path, nothing)
    with pytest.raises(ConfigurationError, match="moved from here"):
        async with opened(A, tmp_path):
            pass
    with pytest.raises(ConfigurationError, match="moved from here"):
        await move(A, B, tmp_path, nothing)
    with pytest.raises(ConfigurationError, match="--replace"):
        await move(pair[1], A, tmp_path, nothing)
    await move(pair[1], A, tmp_path, nothing, replace=True)
    async with opened(A, tmp_path) as store:
        assert len(await store.claim("worker", 100, 60)) == 15


@pytest.mark.parametrize("at", ["message", "evidence", "counters", "comparing", "first mark", "second mark"])
async def test_what_breaks_off_anywhere_is_done_again_and_is_never_on_both_sides(
    tmp_path: Path, pair: tuple[str, str], at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = asyncio.CancelledError("broken off")

    def breaks(name: str, when: Any) -> None:
        real = getattr(moving, name)

        def sometimes(*of: Any, **more: Any) -> Any:
            if when(*of, **more):
                raise broken
            return real(*of, **more)

        monkeypatch.setattr(moving, name, sometimes)

    if at in ("message", "evidence"):
        breaks("_copy", lambda old, new, table, told: table.name == at)
    elif at == "counters":
        breaks("_set_counters", lambda session: True)
    elif at == "comparing":
        breaks("_digest", lambda whole, table, *more: table.name == "event")
    else:
        breaks("_set_version", lambda session, version: (version < 0) == (at == "first mark"))
    with pytest.raises(asyncio.CancelledError):
        await move(*pair, tmp_path, nothing)
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="half moved"):
        async with opened(pair[1], tmp_path):
            pass
    if at == "second mark":
        with pytest.raises(ConfigurationError, match="moved from here"):
            async with opened(A, tmp_path):
                pass
    else:
        async with opened(A, tmp_path) as store:  # the old store is as good as before
            await store.add_once(outgoing("between"))
    moved = await move(*pair, tmp_path, nothing)
    assert moved.tables["message"].rows == (30 if at == "second mark" else 31)


async def test_a_difference_is_told_and_the_old_store_stays(
    tmp_path: Path, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = moving._set_counters

    def damage(session: Any) -> None:
        counters(session)
        session.connection.exec_driver_sql("UPDATE payload SET size = size + 1 WHERE message = 'd3'")

    monkeypatch.setattr(moving, "_set_counters", damage)
    with pytest.raises(StateError, match="payload is not the same"):
        await move(*pair, tmp_path, nothing)
    async with opened(A, tmp_path) as store:
        assert (await store.get(EXEMPEL, DocumentId("d3"))).id == "d3"


async def test_a_gateway_on_either_side_is_in_the_way(tmp_path: Path, pair: tuple[str, str]) -> None:
    async with opened(A, tmp_path):
        with pytest.raises(ConfigurationError, match="another gateway runs on"):
            await move(*pair, tmp_path, nothing)
    async with opened(pair[1], tmp_path):
        for way in (pair, (pair[1], B)):
            with pytest.raises(ConfigurationError, match="a gateway runs on"):
                await move(*way, tmp_path, nothing)


async def test_a_store_or_another_programs_database_is_not_written_over(
    tmp_path: Path, pair: tuple[str, str], postgres: Server
) -> None:
    async with opened(B, tmp_path) as store:
        await fill(store, 2)
    with pytest.raises(ConfigurationError, match="holds a store already"):
        await move(A, B, tmp_path, nothing, replace=True)
    other = postgres.new_database("other")
    ask(other, "CREATE TABLE recipe (id text)")
    with pytest.raises(ConfigurationError, match="another program"):
        await move(A, other, tmp_path, nothing, replace=True)
    for source in ("sqlite:nothing.db", other):
        with pytest.raises(ConfigurationError, match="there is no"):
            await move(source, "sqlite:c.db", tmp_path, nothing)


async def test_both_names_of_one_database_are_refused(tmp_path: Path, pair: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="another gateway runs on"):
        await move(A, f"sqlite:{tmp_path}/a.db", tmp_path, nothing)
    moved: Moved = await move(*pair, tmp_path, nothing)
    assert moved.source.endswith("a.db") and "password" not in moved.target
