"""Second factors and guesses on both databases, alone and at the same moment; and moved to another database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from store_parts import EXEMPEL, START, StillClock, opened, plain

from gateway.model.person import Deed, Factor, Role
from gateway.store.moving import move

NAME = "ekonomi@exempel.example"
DEED = Deed(account=EXEMPEL, actor=NAME, action="second-on")


async def test_a_step_a_code_and_a_guess_are_taken_once_by_many_at_the_same_moment(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        await store.people.add(NAME, Role.CLERK, "code", START + timedelta(days=1), DEED)
        person = await store.people.named(NAME)
        factor = Factor(person=person.id, sealed="sealed", step=7, since=START)
        assert await store.second.enrol(factor, ["one", "two"], DEED)
        assert not await store.second.enrol(factor, [], DEED)
        for work in (lambda: store.second.use_step(person.id, 8), lambda: store.second.use_code(person.id, "one")):
            assert sorted(await asyncio.gather(*(work() for _ in range(6)))) == [False] * 5 + [True]
        known = await store.second.factor(person.id)
        assert (known.step, known.codes) == (8, 1)
        keys = ("name", "address")
        await store.people.try_guess(keys, lambda _: True)
        counted = await asyncio.gather(
            *(store.people.try_guess(keys, lambda now: now[0].failures < 4) for _ in range(8))
        )
        assert sum(before is not None for before in counted) == 3
        clock.pass_seconds(60)
        before = await store.people.try_guess(keys, lambda _: True)
        await store.people.forgive(keys, before)
        assert [(one.failures, one.last) for one in await store.people.guesses(keys)] == [(4, START)] * 2
        await store.second.begin("half", person.id, START + timedelta(minutes=10))
        assert (await store.second.half("half")).name == NAME
        ended = await asyncio.gather(*(store.second.end("half") for _ in range(3)))
        assert sorted(ended) == [False, False, True]


async def test_a_factor_moves_to_another_database_with_everything_else(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        await store.people.add(NAME, Role.CLERK, "code", START + timedelta(days=1), DEED)
        person = await store.people.named(NAME)
        await store.second.enrol(Factor(person=person.id, sealed="sealed", step=7, since=START), ["one"], DEED)
    source = (tmp_path / "database").read_text() if (tmp_path / "database").exists() else "sqlite:var/gateway.db"
    moved = await move(source, "sqlite:var/other.db", tmp_path, lambda *_: None)
    assert [moved.tables[name].rows for name in ("second_factor", "recovery_code")] == [1, 1]
    assert plain(tmp_path, "SELECT version FROM schema_version") == [(-1,)]
