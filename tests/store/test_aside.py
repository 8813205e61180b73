"""The thread beside the loop: each errand is done, in order, whoever waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.store.aside import Aside


async def test_an_errand_is_done_in_the_thread_and_gives_what_it_did() -> None:
    aside = Aside("beside")
    assert await aside.do(lambda: threading.current_thread().name) == "beside"
    with pytest.raises(ZeroDivisionError):
        await aside.do(lambda: 1 / 0)
    assert await aside.do(lambda: "after it") == "after it"
    aside.close()


async def test_a_caller_that_goes_away_stops_nothing() -> None:
    aside, go, done = Aside("beside"), threading.Event(), list[str]()

    def errand() -> None:
        go.wait(20)
        done.append("first")

    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await aside.do(errand)
    assert not done
    go.set()
    await aside.do(lambda: done.append("last"))
    assert done == ["first", "first", "last"]
    aside.close()
