"""A small share of the campaign: some random kills, and every so-many-th durable call of each flow."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash import summary
from tests.crash.campaign import random_kills, strike
from tests.crash.judge import Verdict, judge, unfinished
from tests.crash.load import Load
from tests.crash.nodes import strikes
from tests.crash.points import FLOWS, build, sweep
from tests.crash.world import World, open_world
from tests.postgres_server import Server


def said(verdict: Verdict) -> str:
    return "\n".join((*verdict.lost, *verdict.twice, *verdict.mixed, *verdict.stuck, *verdict.for_people))


async def test_nothing_is_lost_or_doubled_by_kills_at_random_moments(tmp_path: Path) -> None:
    found = await random_kills(tmp_path / "market", seed=5, kills=20)
    assert found.verdict.good, said(found.verdict)
    assert found.promises >= 6
    assert found.slowest_start <= 5
    assert found.survivor is not None and found.survivor.kills


async def test_nothing_is_lost_or_doubled_by_kills_over_postgresql(tmp_path: Path, postgres: Server) -> None:
    found = await random_kills(tmp_path / "market", seed=6, kills=6, database=postgres.new_database("crash"))
    assert found.verdict.good, said(found.verdict)
    assert found.promises >= 6


async def test_two_nodes_that_are_killed_and_frozen_lose_and_double_nothing(tmp_path: Path, postgres: Server) -> None:
    found = await strikes(tmp_path / "market", seed=1, number=4, database=postgres.new_database("nodes"))
    assert found.verdict.good, said(found.verdict)
    assert found.promises >= 6
    assert found.verdict.counts["frozen for longer than a lease"] and found.verdict.counts["killed"]
    assert found.verdict.counts["given to two at once"] >= 6


async def test_two_processes_that_are_killed_and_frozen_lose_and_double_nothing(tmp_path: Path) -> None:
    found = await strikes(tmp_path / "market", seed=3, number=3)
    assert found.verdict.good, said(found.verdict)
    assert found.promises >= 6
    assert found.verdict.counts["frozen for longer than a lease"] and found.verdict.counts["killed"]


def test_a_kill_can_be_played_again_by_its_seed_and_number() -> None:
    kills = [strike(5, number) for number in range(1, 200)]
    assert kills[100:] == [strike(5, number) for number in range(101, 200)]
    assert kills != [strike(6, number) for number in range(1, 200)]
    assert 10 < sum(kill.starting for kill in kills) < 60


def test_the_pieces_of_a_campaign_add_up(tmp_path: Path) -> None:
    file = tmp_path / "summary.jsonl"
    good = {kind: [] for kind in (*summary.BROKEN, summary.FOR_PEOPLE)}
    summary.append(file, summary.Piece("kills", 5, 1, 100, promises=7, counts={"letters": 2}, found=good))
    summary.append(file, summary.Piece("kills", 6, 1, 999))
    summary.append(file, summary.Piece("kills", 5, 101, 50, promises=5, counts={"letters": 1}, found=good))
    pieces = summary.read(file, "kills", 5)
    assert summary.following(pieces) == 151
    rows = {line[:36].strip(): line[36:].strip() for line in summary.table(pieces)}
    assert (rows["kills"], rows["promises (receipts and 202s)"], rows["letters"], rows["LOST"]) == (
        "150",
        "12",
        "3",
        "0",
    )
    assert all(piece.good for piece in pieces)
    lost = summary.Piece("kills", 5, 151, 1, found=good | {"lost": ["x has a receipt and is not there"]})
    assert not lost.good
    assert not summary.Piece("kills", 5, 152, 1, error="not ready 30 s after kill 151").good
    assert any("x has a receipt" in line for line in summary.table([*pieces, lost]))


@pytest.mark.parametrize(("fault", "step"), [(0, 47), (errno.EIO, 61), (errno.ENOSPC, 67)])
async def test_no_durable_call_may_be_the_last_one_or_fail_at_the_cost_of_a_promise(
    tmp_path: Path, fault: int, step: int
) -> None:
    library = build(tmp_path)
    if library is None:
        pytest.skip("no C compiler: the library that strikes before the N-th durable call cannot be built")
    found = await sweep(tmp_path / "market", library, FLOWS, fault=fault, step=step)
    assert found.verdict.good, said(found.verdict)
    assert set(found.points) == set(FLOWS)
    assert found.verdict.counts["receipts"] and found.verdict.counts["letters"] and found.verdict.counts["mails"]
    assert found.verdict.counts["statuses at C2"]


@pytest.mark.parametrize(("how", "step"), [("cut", 23), ("answer", 29)])
async def test_no_question_to_postgresql_may_be_cut_off_or_go_unanswered_at_the_cost_of_a_promise(
    tmp_path: Path, postgres: Server, how: str, step: int
) -> None:
    library = build(tmp_path)
    if library is None:
        pytest.skip("no C compiler: the library that strikes before the N-th durable call cannot be built")
    flows = ("receive", "status", "send", "mail", "letter")
    database = postgres.new_database("points")
    found = await sweep(tmp_path / "market", library, flows, step=step, database=database, wire_fault=how)
    assert found.verdict.good, said(found.verdict)
    assert set(found.points) == set(flows) and min(found.points.values()) > 10
    assert found.verdict.counts["statuses at C2"] == found.verdict.counts["statuses asked for"] > 0


class TestJudge:
    """The judge sees what it is there for: each ledger is falsified in turn."""

    async def test_it_sees_what_is_lost_doubled_and_mixed(self, tmp_path: Path) -> None:
        async with open_world(tmp_path / "market", 3) as world:
            world.front.broken = False
            await world.victim.start()
            load = Load(world)
            await load.send_message(told=True)
            await load.send_message()
            while len(world.ledgers.fetched) < 2 or await unfinished(world):
                await load.fetch()
            assert (await judge(world)).good
            await self._falsify(world)

    async def _falsify(self, world: World) -> None:
        sent, fetched = world.ledgers.sent, world.ledgers.fetched
        first = next(iter(sent.values()))
        sent["gone"] = replace(first, message_id="gone", receipts=[b"receipt"])
        assert any("gone" in text for text in (await judge(world)).lost)
        del sent["gone"]
        first.receipts.append(b"another receipt")
        assert (await judge(world)).twice
        first.receipts.pop()
        first.instance_id, asked = "another", first.instance_id
        verdict = await judge(world)
        assert any("got no status" in text for text in verdict.lost) and verdict.mixed
        first.instance_id = asked
        fetched.append(replace(fetched[0], content="other"))
        assert (await judge(world)).mixed
        fetched.pop()
        fetched.append(replace(fetched[0], id="a second delivery"))
        assert (await judge(world)).twice
        fetched.pop()
        fetched.append(replace(fetched[0], message_id="nobody's"))
        assert (await judge(world)).mixed
        fetched.pop()
        assert (await judge(world)).good
