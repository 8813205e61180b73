"""The wall clock may jump; nothing is given up, begun in a storm, or left waiting for it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import StoreUnavailable
from gateway.exchange.retry import RetryPolicy
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Message
from gateway.serving import timekeeping as module
from gateway.serving.timekeeping import Offset, Timekeeping, kernel_offset

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class Machine:
    """A machine with both clocks."""

    wall = NOW.timestamp()
    steady = 50.0

    def live(self, seconds: float, *, jump: float = 0.0) -> None:
        self.wall += seconds + jump
        self.steady += seconds


def watched(machine: Machine, offset: Offset | None = None) -> Timekeeping:
    return Timekeeping(wall=lambda: machine.wall, steady=lambda: machine.steady, offset=lambda: offset)


def test_time_that_passes_is_no_jump_and_a_jump_is_seen_once() -> None:
    machine = Machine()
    kept = watched(machine)
    machine.live(86_400, jump=1.5)  # a time service that corrects a little
    assert kept.look() == 0.0
    machine.live(1, jump=3_600)
    assert kept.look() == pytest.approx(3_600)
    machine.live(1)
    assert kept.look() == 0.0
    assert (kept.jumps, kept.ahead) == (1, timedelta(hours=1))
    machine.live(1, jump=-3_600)
    kept.look()
    assert (kept.jumps, kept.ahead) == (2, timedelta(0))


def test_a_year_ahead_gives_up_nothing_that_was_tried_for_minutes() -> None:
    machine = Machine()
    kept = watched(machine)
    retry = RetryPolicy(
        first=timedelta(minutes=1), longest=timedelta(hours=1), window=timedelta(days=5), ahead=lambda: kept.ahead
    )
    message = Message(
        id=DocumentId("d"),
        account=AccountId("main"),
        direction=Direction.OUT,
        state=State.ACCEPTED,
        attempts=3,
        created=NOW,
        updated=NOW,
    )
    later = NOW + timedelta(days=365, minutes=3)
    assert retry.after(message, "it is down", later).name == "GaveUp"
    machine.live(180, jump=365 * 86_400)
    kept.look()
    assert retry.after(message, "it is down", later).name == "Postponed"


def test_only_a_known_and_large_offset_makes_it_not_ready() -> None:
    machine = Machine()
    assert watched(machine).standing() == "ok"
    assert watched(machine, Offset(0.2, True)).standing() == "ok"
    assert watched(machine, Offset(-45.0, True)).standing() == "it is 45 s off"
    machine.wall = 0.0
    assert "1970" in watched(machine).standing()


def test_the_kernel_can_be_asked() -> None:
    offset = kernel_offset()
    assert offset is None or abs(offset.seconds) < 86_400


async def test_what_is_far_away_is_mended_at_the_start_at_a_jump_and_after_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.001)
    machine, mended = Machine(), 0
    kept = watched(machine)

    async def mend() -> int:
        nonlocal mended
        mended += 1
        if mended == 1:
            raise StoreUnavailable("not yet")
        return 0

    watching = asyncio.ensure_future(kept.watch(mend))
    try:
        async with asyncio.timeout(10):
            while mended < 2:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
            assert mended == 2
            machine.live(0, jump=-7_200)
            while mended < 3:
                await asyncio.sleep(0.001)
    finally:
        watching.cancel()
