"""Kill at random moments under load, then let it come to rest and judge.

Each kill has dice of its own, thrown by seed and number, so that one kill or a piece of a campaign can be played again;
what the machine adds of its own is not in the seed.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.crash.judge import Verdict, judge, unfinished
from tests.crash.load import Load, acting
from tests.crash.survivor import Survivor, survivor
from tests.crash.victim import CrashError
from tests.crash.world import World, open_world

_REST_SECONDS = 180
_STARTING = 0.15
"""Share of the kills that fall into a start."""
_SHORTEST, _LONGEST = 0.02, 0.8
"""Seconds after ``ready``; short lives are as likely as long ones on a scale of logarithms."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One kill: so many seconds after the start, or after ``ready``."""

    starting: bool
    after: float


def strike(seed: int, number: int) -> Strike:
    """The kill of that number; always the same."""
    dice = random.Random(f"{seed}:{number}")
    if dice.random() < _STARTING:
        return Strike(starting=True, after=dice.uniform(0.0, 0.12))
    return Strike(starting=False, after=math.exp(dice.uniform(math.log(_SHORTEST), math.log(_LONGEST))))


@dataclass(frozen=True, slots=True)
class Campaign:
    """What came of one, or of a piece of one."""

    seed: int
    first: int
    kills: int
    killed_while_starting: int
    slowest_start: float
    seconds: float
    promises: int
    verdict: Verdict
    survivor: Survivor | None
    """A document that lived through several kills."""


async def random_kills(
    directory: Path,
    seed: int,
    kills: int,
    *,
    first: int = 1,
    progress: Callable[[int, str], None] = lambda *_: None,
    extra: str = "",
    power: bool = False,
    database: str = "",
    **environment: str,
) -> Campaign:
    """So many times ``kill -9`` at random moments; raises ``CrashError`` when the campaign cannot go on.

    With ``power`` each kill is a power cut: of what was not fsynced nothing is left, or every second time some of it.
    ``database`` is the address of an empty database, instead of SQLite.
    ``progress`` gets how many kills are done, and what there is to say.
    """
    async with open_world(
        directory, seed * 1_000_003 + first, extra=extra, power=power, database=database, **environment
    ) as world:
        return await kills_in(world, seed, kills, first=first, progress=progress)


async def kills_in(
    world: World,
    seed: int,
    kills: int,
    *,
    first: int = 1,
    progress: Callable[[int, str], None] = lambda *_: None,
) -> Campaign:
    """The same in a world that is there; the victim may run already."""
    began = time.monotonic()
    early = pages = names = 0
    killed: list[datetime] = []
    if world.victim.alive:
        await world.victim.kill()
    load = Load(world)
    async with acting(load, peers=3, companies=3) as producers:
        for number in range(first, first + kills):
            early += not await _live(world, strike(seed, number), number)
            killed.append(datetime.now(UTC))
            await world.victim.kill()
            if world.disk is not None:
                lost = await world.disk.cut(number if number % 2 else None)
                pages, names = pages + lost[0], names + lost[1]
            progress(len(killed), f"{world.ledgers.promises:,} promises")
        load.producing = world.front.broken = False
        if not await world.victim.start():
            raise CrashError(f"not ready 30 s after kill {first + kills - 1}")
        await come_to_rest(world, producers, lambda text: progress(kills, text))
        verdict = await judge(world)
        if world.disk is not None:
            verdict.counts |= {"pages that the cuts took": pages, "names that the cuts took": names}
        survived = await survivor(world, killed)
    if code := await world.victim.stop():
        raise CrashError(f"the gateway ended with {code} when it was asked to stop")
    return Campaign(
        seed=seed,
        first=first,
        kills=kills,
        killed_while_starting=early,
        slowest_start=max(world.victim.ready_after),
        seconds=time.monotonic() - began,
        promises=world.ledgers.promises,
        verdict=verdict,
        survivor=survived,
    )


async def _live(world: World, kill: Strike, number: int) -> bool:
    """Start it and let it live until it is to be killed; tells whether it had become ready."""
    if kill.starting:
        return await world.victim.start(wait=kill.after)
    if not await world.victim.start():
        raise CrashError(f"not ready 30 s after kill {number - 1}")
    await asyncio.sleep(kill.after)
    if not world.victim.alive:
        raise CrashError(f"the gateway ended by itself before kill {number}; see {world.victim.log}")
    return True


async def come_to_rest(world: World, producers: list[asyncio.Task[None]], progress: Callable[[str], None]) -> None:
    """Wait until everybody has finished what was begun and nothing is on its way."""
    until = time.monotonic() + _REST_SECONDS
    await asyncio.wait(producers, timeout=60)
    while (waiting := await unfinished(world)) and time.monotonic() < until:
        progress(f"at rest soon: {waiting} documents are on their way")
        await asyncio.sleep(0.5)
