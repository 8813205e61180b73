"""A share for each account: who floods delays itself, loses nothing, and is told when to come again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import TCPConnector
from aiohttp.test_utils import TestClient, TestServer

from gateway.app import Gateway
from gateway.exchange.outbound import Outbound
from gateway.model.identifiers import AccountId
from gateway.model.message import Filter
from gateway.serving.site import settings
from gateway.web import shares
from gateway.web.api import application
from gateway.web.problem import Problem
from gateway.web.shares import DELAYED, LINE, REFUSED, Place, Shares
from tests.web.conftest import Site, invoice

AT_ONCE, RATE = 8, 10


@dataclass
class Bench:
    """Shares, a clock that a test moves, and calls that stay until they are told to go."""

    group: asyncio.TaskGroup
    time: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    calls: list[tuple[str, asyncio.Task[Place | Problem]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shares = Shares(AT_ONCE, RATE, lambda name: self.counts.update((name,)), lambda: self.time)

    async def call(self, account: str, times: int = 1) -> None:
        for _ in range(times):
            self.calls.append((account, self.group.create_task(self._take(account))))
        await asyncio.sleep(0)

    async def _take(self, account: str) -> Place | Problem:
        try:
            return await self.shares.take(account)
        except Problem as problem:
            return problem

    def placed(self, account: str) -> list[Place]:
        found = [task.result() for name, task in self.calls if name == account and task.done()]
        return [place for place in found if isinstance(place, Place)]

    async def finish(self, account: str) -> None:
        """Every call of it that has a place ends."""
        for place in self.placed(account):
            place.leave()
        await asyncio.sleep(0)

    async def later(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0.05)  # (longer than it takes the shares to look again)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with asyncio.TaskGroup() as group:
        made = Bench(group)
        yield made
        for _, task in made.calls:
            task.cancel()


async def test_who_is_alone_has_every_place_at_any_rate_and_is_never_refused(bench: Bench) -> None:
    await bench.call("a", 5 * LINE)
    assert len(bench.placed("a")) == AT_ONCE
    for turn in range(1, 20):
        await bench.finish("a")
        assert len(bench.placed("a")) == AT_ONCE * (turn + 1), "no time has passed"
    assert bench.counts[REFUSED] == 0


async def test_the_other_one_goes_at_once_and_the_flood_has_its_rate(bench: Bench) -> None:
    await bench.call("a", 100)
    for _ in range(3):
        await bench.finish("a")
    gone = len(bench.placed("a"))
    await bench.call("b")
    assert len(bench.placed("b")) == 1, "no wait for anybody's place"
    await bench.finish("a")
    assert len(bench.placed("a")) == gone, "a has used its share up"
    await bench.later(0.5)
    assert len(bench.placed("a")) == gone + 4, "four at once beside another"
    await bench.finish("a")
    assert len(bench.placed("a")) == gone + 5, "five are the share of half a second"
    await bench.finish("b")
    await bench.later(0.3)
    await bench.finish("a")
    assert len(bench.placed("a")) > gone + RATE, "b has left"


async def test_a_long_line_is_refused_while_others_are_here_with_the_time_to_come_again(bench: Bench) -> None:
    await bench.call("a", 2 * AT_ONCE + LINE)
    await bench.finish("a")
    await bench.call("b")
    await bench.call("a", 9)
    refused = [task.result() for _, task in bench.calls if task.done() and isinstance(task.result(), Problem)]
    assert len(refused) == bench.counts[REFUSED] == 9
    problem = refused[0]
    assert isinstance(problem, Problem)
    assert (problem.kind.status, problem.headers["Retry-After"]) == (429, f"{LINE // RATE + 1}")
    assert bench.counts[DELAYED] == AT_ONCE + LINE


async def test_two_who_both_want_everything_share_the_places_and_no_rate_holds_them(bench: Bench) -> None:
    await bench.call("a", 60)
    await bench.call("b", 60)
    for _ in range(6):
        await bench.finish("a")
        await bench.finish("b")
    counts = len(bench.placed("a")), len(bench.placed("b"))
    assert sum(counts) > 4 * RATE, "no time has passed"
    assert abs(counts[0] - counts[1]) <= AT_ONCE


async def test_a_caller_who_leaves_the_line_holds_no_place(bench: Bench) -> None:
    await bench.call("a", 3 * AT_ONCE)
    for _, task in bench.calls[AT_ONCE : 2 * AT_ONCE]:
        task.cancel()
    await asyncio.sleep(0)
    left = bench.calls[AT_ONCE : 2 * AT_ONCE]
    del bench.calls[AT_ONCE : 2 * AT_ONCE]
    assert all(task.cancelled() for _, task in left)
    await bench.finish("a")
    assert len(bench.placed("a")) == 2 * AT_ONCE, "those behind them have their places"


async def test_b_is_served_while_a_floods_and_a_loses_nothing_by_repeating_what_was_refused(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "_HERE_SECONDS", 5.0)  # flood and quiet caller share this loop, which may be slow
    monkeypatch.setattr(shares, "LINE", 16)
    submit = Outbound.submit

    async def submit_in_time(*given: Any, **more: Any) -> Any:
        await asyncio.sleep(0.02)  # so long each keeps its place, however slowly the flood comes in
        return await submit(*given, **more)

    monkeypatch.setattr(Outbound, "submit", submit_in_time)
    api = replace(gateway.config.api, account_at_once=4, account_share=20)
    gateway = replace(gateway, config=replace(gateway.config, api=api))
    server = TestServer(application(gateway))
    await server.start_server(**settings())
    async with TestClient(server, connector=TCPConnector(limit=0)) as client:
        site, refused, number = Site(client, gateway), 0, 100

        async def hand_in(which: int) -> None:
            nonlocal refused
            while True:
                answer = await site.submit(invoice(f"A-{which}"), key=f"key-{which}")
                if answer.status == 202:
                    return
                assert answer.status == 429 and int(answer.headers["Retry-After"]) >= 1
                assert answer.json["type"] == "/problems/too-many"
                refused += 1
                await asyncio.sleep(0.1)

        async def look() -> list[int]:
            """Ten calls a second: less than the share."""
            found = []
            while len(found) < 10 or (not refused and len(found) < 100):
                found.append((await site.get("/v1/documents", who="beta")).status)
                await asyncio.sleep(0.1)
            return found

        async with asyncio.TaskGroup() as group:
            looking = group.create_task(look())
            await asyncio.sleep(0.05)
            for which in range(number):
                group.create_task(hand_in(which))
        assert set(looking.result()) == {200}
        assert refused > 0
        numbers = set()
        cursor = ""
        while True:
            page, cursor = await gateway.store.find(AccountId("alpha"), Filter(limit=100, cursor=cursor))
            assert not numbers & {one.number for one in page}, "one document for each, however often it was sent"
            numbers |= {one.number for one in page}
            if not cursor:
                break
        assert numbers == {f"A-{which}" for which in range(number)}
        async with client.get("/metrics") as told:
            assert f"gateway_api_calls_refused_total {refused}\n" in await told.text()


async def test_a_call_that_waits_for_its_outcome_holds_no_place(gateway: Gateway) -> None:
    api = replace(gateway.config.api, account_at_once=4)
    gateway = replace(gateway, config=replace(gateway.config, api=api))
    server = TestServer(application(gateway))
    await server.start_server(**settings())
    async with TestClient(server) as client:
        site = Site(client, gateway)
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(site.submit(invoice(f"W-{n}"), query="?wait=60")) for n in range(6)]
            while len((await site.get("/v1/documents")).json["items"]) < 6:
                await asyncio.sleep(0.02)
            assert not any(task.done() for task in waiting)
            for task in waiting:
                task.cancel()
