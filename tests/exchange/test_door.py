"""The door for what is new: closed before a body is read, open again by itself."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.errors import Overloaded, StoreUnavailable
from gateway.exchange.door import MOST_WRITES, Door
from gateway.ports import Queue


@dataclass
class Fullness:
    """Room and store at once, as the test wants them."""

    short: str = ""
    writes_waiting: int = 0
    writes_failing: bool = False
    waiting: int = 0
    asked: list[int] = field(default_factory=list)

    def shortage(self) -> str:
        return self.short

    async def queue(self, most: int) -> Queue:
        self.asked.append(most)
        return Queue(waiting=min(most, self.waiting))


def door(fullness: Fullness) -> Door:
    like: Any = fullness
    return Door(room=like, store=like, most_waiting=10)


async def test_it_is_closed_while_the_disk_is_short_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    fullness = Fullness()
    asked = door(fullness)
    assert asked.refusal() is None and not caplog.records
    fullness.short = "The disk of var has 1 MB free"
    refusals = [asked.refusal() for _ in range(100)]
    assert all(isinstance(refusal, StoreUnavailable) for refusal in refusals)
    fullness.short = ""
    assert asked.refusal() is None
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "store.reserve" in caplog.records[0].getMessage()  # how to mend it


async def test_what_waits_closes_it_at_the_limit() -> None:
    fullness = Fullness(waiting=9)
    asked = door(fullness)
    await asked.look()
    assert asked.refusal() is None
    fullness.waiting = 500
    await asked.look()
    assert isinstance(asked.refusal(), Overloaded)
    assert fullness.asked == [10, 10]  # counted no further than needed
    fullness.waiting = 3
    await asked.look()
    assert asked.refusal() is None


async def test_writes_that_wait_for_the_disk_close_it() -> None:
    fullness = Fullness(writes_waiting=MOST_WRITES)
    assert isinstance(door(fullness).refusal(), Overloaded)
    fullness.writes_waiting -= 1
    assert door(fullness).refusal() is None


async def test_a_commit_that_failed_closes_it_for_a_moment() -> None:
    fullness = Fullness(writes_failing=True)
    assert isinstance(door(fullness).refusal(), StoreUnavailable)
    fullness.writes_failing = False
    assert door(fullness).refusal() is None
