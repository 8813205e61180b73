"""Claims that leave receivers out: what they pass over is not read each time, and nothing is ever passed for good."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from store_parts import START, StillClock, only_sqlite, outgoing

from gateway.model.message import Message
from gateway.ports import ANY_SIZE
from gateway.store import SqlStore, claiming, passing
from gateway.store.passing import BEFORE, Passed


async def add(store: SqlStore, name: str, receiver: str, seconds: float = 0) -> None:
    due = START + timedelta(seconds=seconds)
    await store.add_once(outgoing(name, receiver=receiver, next_attempt=due, created=due))


async def names(store: SqlStore, most: int, *without: str) -> list[str]:
    return [message.id for message in await store.claim("worker", most, 1e6, without=without)]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """From which due time on each claim has read, in seconds after the start."""
    found: list[str | None] = []
    real = claiming._claim

    def noted(session: object, job: claiming.Claim) -> list[Message]:
        found.append(None if job.begin is None else f"{(job.begin - START).total_seconds():g}")
        return real(session, job)  # type: ignore[arg-type]

    monkeypatch.setattr(claiming, "_claim", noted)
    return found


async def test_what_was_passed_over_is_not_read_again(
    store: SqlStore, clock: StillClock, begun: list[str | None]
) -> None:
    for number in range(20):
        await add(store, f"many{number}", "busy", number)
    for number in range(4):
        await add(store, f"few{number}", "other", 30 + number)
    clock.pass_seconds(100)
    assert await names(store, 2, "busy") == ["few0", "few1"]
    assert await names(store, 9, "busy", "third") == ["few2", "few3"]
    assert await names(store, 9, "busy") == []
    await add(store, "late", "other", 99)
    assert await names(store, 9, "busy") == ["late"]
    assert len(await names(store, 99)) == 20  # whoever leaves nobody out finds all
    assert begun == [None, "31", "31", "98", None]


async def test_what_comes_among_what_was_passed_is_found_after_seconds(
    store: SqlStore, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(store, "many", "busy")
    clock.pass_seconds(100)
    assert await names(store, 9, "busy") == []
    await add(store, "another clock", "other", 5)
    assert await names(store, 9, "busy") == []
    later = passing.time.monotonic() + passing.BELIEVED_SECONDS
    monkeypatch.setattr(passing.time, "monotonic", lambda: later)
    assert await names(store, 9, "busy") == ["another clock"]


async def test_what_is_due_again_since_before_is_found_at_once(store: SqlStore, clock: StillClock) -> None:
    await add(store, "many", "busy")
    await store.add_once(outgoing("put-off", receiver="other", peer="POP1", next_attempt=START + timedelta(days=1)))
    clock.pass_seconds(100)
    assert await names(store, 9, "busy") == []
    await store.hasten(peer="POP1")
    assert await names(store, 9, "busy") == ["put-off"]


def test_a_claim_that_leaves_out_less_reads_what_another_passed() -> None:
    passed, now = Passed(), START
    passed.note(("a", "b"), ANY_SIZE, (), 9, now)
    assert passed.begin(("a", "b", "c"), ANY_SIZE) == now - BEFORE
    assert passed.begin(("a", "b"), 10) == now - BEFORE
    assert passed.begin(("a",), ANY_SIZE) is None
    passed.note(("a",), 10, (), 9, now)  # large ones of others were passed, too
    assert passed.begin(("a",), 10) == now - BEFORE
    assert passed.begin(("a",), ANY_SIZE) is None


@only_sqlite
async def test_claims_take_what_they_took_when_each_read_everything(store: SqlStore, clock: StillClock) -> None:
    dice, waiting, number = random.Random(7), dict[str, tuple[float, str]](), 0
    for _ in range(150):
        clock.pass_seconds(dice.uniform(0, 3))
        at = (clock.now() - START).total_seconds()
        for _ in range(dice.randrange(4)):
            number += 1
            due, receiver = at - dice.uniform(0, BEFORE.total_seconds() * 0.9), dice.choice("aaabc")
            await add(store, f"d{number}", receiver, due)
            waiting[f"d{number}"] = due, receiver
        without, most = dice.sample("abc", dice.randrange(3)), dice.randrange(1, 4)
        wanted = sorted((due, name) for name, (due, receiver) in waiting.items() if receiver not in without)[:most]
        assert await names(store, most, *without) == [name for _, name in wanted]
        for _, name in wanted:
            del waiting[name]
