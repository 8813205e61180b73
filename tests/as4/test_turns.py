"""Turns: one caller's flood is not everybody's wait, and no place is lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.as4.turns import Turns


def _busy(order: list[str], name: str, seconds: float = 0.002) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    order.append(name)


@pytest.mark.parametrize("way", ["here", "beside"])
async def test_who_sent_something_good_goes_before_a_flood_of_strangers(way: str) -> None:
    turns, order = Turns(threads=1), []
    turns.accounts.vouch("honest")
    run = getattr(turns, way)
    flood = [asyncio.ensure_future(run(f"evil{n % 10}", lambda: _busy(order, "evil"))) for n in range(100)]
    honest = asyncio.ensure_future(run("honest", lambda: _busy(order, "honest")))
    await asyncio.gather(honest, *flood)
    assert order.index("honest") <= 2
    assert len(order) == 101


async def test_one_caller_s_row_does_not_stand_before_another_stranger() -> None:
    turns, order = Turns(), []
    flood = [asyncio.ensure_future(turns.here("evil", lambda: _busy(order, "evil"))) for _ in range(100)]
    await asyncio.sleep(0)
    other = asyncio.ensure_future(turns.here("other", lambda: _busy(order, "other")))
    await asyncio.gather(other, *flood)
    assert order.index("other") <= 3


async def test_strangers_are_not_starved_by_those_we_know() -> None:
    turns, order = Turns(), []
    turns.accounts.vouch("known")
    crowd = [asyncio.ensure_future(turns.here("known", lambda: _busy(order, "known"))) for _ in range(50)]
    stranger = asyncio.ensure_future(turns.here("new", lambda: _busy(order, "new")))
    await asyncio.gather(stranger, *crowd)
    assert order.index("new") <= 9


@pytest.mark.parametrize("way", ["here", "beside"])
async def test_failures_and_callers_that_leave_cost_no_place(way: str) -> None:
    turns, order = Turns(threads=1), []
    run = getattr(turns, way)
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            await run("a", lambda: 1 / 0)
    waiting = [asyncio.ensure_future(run("a", lambda: _busy(order, "a"))) for _ in range(20)]
    await asyncio.sleep(0.001)
    for task in waiting[::2]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.wait_for(run("b", lambda: _busy(order, "b")), 5)
    assert order[-1] == "b"


async def test_callers_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.as4.turns._MOST", 50)
    turns = Turns()
    for n in range(200):
        await turns.here(f"caller{n}", lambda: None)
        turns.accounts.vouch(f"caller{n}")
    assert len(turns.accounts) == 50
    assert turns.accounts.known("caller199") and not turns.accounts.known("caller1")


async def test_strangers_wait_while_a_request_of_those_we_know_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.as4.turns._ON_ITS_WAY", 0.5)
    monkeypatch.setattr("gateway.as4.turns._PATIENCE", 0.5)
    turns, order = Turns(), list[str]()
    await turns.here("stranger", lambda: None)  # patience counts from a stranger's last turn
    turns.accounts.vouch("friend")
    turns.expect("friend")
    waiting = asyncio.ensure_future(turns.here("stranger", lambda: order.append("stranger")))
    for _ in range(5):
        await asyncio.sleep(0)
    await turns.here("friend", lambda: order.append("friend"))
    assert order == ["friend"]
    await waiting
    assert order == ["friend", "stranger"]


async def test_strangers_have_a_turn_now_and_then_however_much_those_we_know_send() -> None:
    turns, done = Turns(), list[int]()
    turns.accounts.vouch("friend")
    waiting = [asyncio.ensure_future(turns.here("stranger", lambda: done.append(1))) for _ in range(3)]
    async with asyncio.timeout(10):
        while len(done) < 3:
            turns.expect("friend")
            await asyncio.sleep(0.001)
    await asyncio.gather(*waiting)


async def test_what_strangers_send_does_not_make_others_wait() -> None:
    turns, order = Turns(), list[str]()
    turns.accounts.vouch("friend")
    turns.expect("stranger")
    await turns.here("another", lambda: order.append("another"))
    waiting = asyncio.ensure_future(turns.here("stranger", lambda: order.append("stranger")))
    for _ in range(5):
        await asyncio.sleep(0)
    assert order == ["another", "stranger"]
    await waiting
