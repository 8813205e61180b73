"""gateway.smp.memory: kept for a while, asked once at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.errors import LookupUnavailable
from gateway.smp.memory import Memory, SingleFlight
from tests.smp.smp_parts import NOW

SECOND = timedelta(seconds=1)


def test_a_value_is_kept_until_its_time() -> None:
    memory: Memory[str, int] = Memory(10)
    memory.put("a", 1, NOW + SECOND)
    assert memory.get("a", NOW) == 1
    assert memory.get("a", NOW + SECOND) is None
    assert memory.get("b", NOW) is None


def test_the_least_recently_used_goes_first() -> None:
    memory: Memory[int, int] = Memory(2)
    for key in (1, 2):
        memory.put(key, key, NOW + SECOND)
    memory.get(1, NOW)
    memory.put(3, 3, NOW + SECOND)
    assert [memory.get(key, NOW) for key in (1, 2, 3)] == [1, None, 3]


class Search:
    def __init__(self, result: int | Exception = 7) -> None:
        self.result, self.started, self.go = result, 0, asyncio.Event()

    async def __call__(self) -> int:
        self.started += 1
        await self.go.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


async def test_many_askers_make_one_search() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    search = Search()
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(flights.run("a", search)) for _ in range(50)]
        await asyncio.sleep(0)
        search.go.set()
    assert [task.result() for task in asking] == [7] * 50
    assert search.started == 1


async def test_everybody_gets_the_same_failure_and_the_next_one_asks_again() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    search = Search(LookupUnavailable("down"))

    async def ask() -> str:
        with pytest.raises(LookupUnavailable) as caught:
            await flights.run("a", search)
        return str(caught.value)

    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(ask()) for _ in range(5)]
        await asyncio.sleep(0)
        search.go.set()
    assert [task.result() for task in asking] == ["down"] * 5
    search.result = 8
    assert await flights.run("a", search) == 8
    assert search.started == 2


async def test_different_questions_do_not_wait_for_each_other() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    stuck, quick = Search(), Search(8)
    quick.go.set()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(flights.run("a", stuck))
        await asyncio.sleep(0)
        assert await flights.run("b", quick) == 8
        stuck.go.set()
    assert waiting.result() == 7


async def test_the_others_search_on_when_the_one_who_searched_is_cancelled() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    search = Search()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(flights.run("a", search))
        await asyncio.sleep(0)
        others = [tasks.create_task(flights.run("a", search)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0.01)
        search.go.set()
    assert first.cancelled()
    assert [task.result() for task in others] == [7, 7, 7]
    assert search.started == 2


async def test_one_who_waits_can_be_cancelled_alone() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    search = Search()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(flights.run("a", search))
        await asyncio.sleep(0)
        other = tasks.create_task(flights.run("a", search))
        await asyncio.sleep(0)
        other.cancel()
        await asyncio.sleep(0)
        search.go.set()
    assert other.cancelled()
    assert first.result() == 7


async def test_a_bug_does_not_leave_the_others_hanging() -> None:
    flights: SingleFlight[str, int] = SingleFlight()

    async def bug() -> int:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def ask() -> None:
        with pytest.raises(ZeroDivisionError):
            await flights.run("a", bug)

    async with asyncio.timeout(2), asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(ask())
