"""The same message twice at once: the work is done once, nobody waits for ever, nothing is remembered afterwards."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Overloaded, StoreUnavailable
from gateway.exchange.in_work import InWork


class Job:
    """Work that ends when it is told to, and counts."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = 0
        self.failures: list[Exception] = []

    async def __call__(self) -> str:
        self.begun += 1
        await self.go.wait()
        if self.failures:
            self.go.clear()
            raise self.failures.pop(0)
        return f"result {self.begun}"


async def _waiting() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_comes_meanwhile_gets_the_result_of_the_first() -> None:
    work: InWork[str] = InWork()
    job = Job()
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(work.once("a", job)) for _ in range(20)]
        await _waiting()
        assert (job.begun, len(work)) == (1, 1)
        job.go.set()
    assert sorted(t.result() for t in calls) == [("result 1", False)] * 19 + [("result 1", True)]
    assert len(work) == 0
    assert await work.once("a", job) == ("result 2", True)  # nothing is remembered


async def test_other_keys_do_not_wait() -> None:
    work: InWork[str] = InWork()
    slow, quick = Job(), Job()
    quick.go.set()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work.once("a", slow))
        await _waiting()
        assert await work.once("b", quick) == ("result 1", True)
        slow.go.set()


async def test_when_the_first_fails_the_next_does_the_work() -> None:
    work: InWork[str] = InWork()
    job = Job()
    job.failures = [StoreUnavailable("disk full")]
    first, *others = [asyncio.ensure_future(work.once("a", job)) for _ in range(4)]
    await _waiting()
    job.go.set()
    with pytest.raises(StoreUnavailable):
        await first
    await _waiting()
    assert job.begun == 2
    job.go.set()
    assert sorted([await o for o in others]) == [("result 2", False)] * 2 + [("result 2", True)]


async def test_when_the_first_is_cancelled_the_next_does_the_work() -> None:
    work: InWork[str] = InWork()
    job = Job()
    first, second = (asyncio.ensure_future(work.once("a", job)) for _ in range(2))
    await _waiting()
    first.cancel()
    job.go.set()
    assert await second == ("result 2", True)
    assert len(work) == 0


async def test_a_repeat_waits_no_longer_than_it_may() -> None:
    work: InWork[str] = InWork(seconds=0.05)
    job = Job()
    first = asyncio.ensure_future(work.once("a", job))
    await _waiting()
    with pytest.raises(Overloaded):
        await work.once("a", job)
    job.go.set()
    assert await first == ("result 1", True)


async def test_a_repeat_that_leaves_takes_nothing_with_it() -> None:
    work: InWork[str] = InWork()
    job = Job()
    first, second, third = (asyncio.ensure_future(work.once("a", job)) for _ in range(3))
    await _waiting()
    second.cancel()
    await _waiting()
    job.go.set()
    assert (await first, await third) == (("result 1", True), ("result 1", False))


async def test_so_many_are_known_and_no_more() -> None:
    work: InWork[str] = InWork(most=3)
    job = Job()
    async with asyncio.TaskGroup() as tasks:
        for n in range(10):
            tasks.create_task(work.once(n, job))
        await _waiting()
        assert (len(work), job.begun) == (3, 10)  # the others work too, only unknown
        job.go.set()
    assert len(work) == 0
