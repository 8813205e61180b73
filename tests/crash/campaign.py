"""Kill at random moments under load, then let it come to rest and judge.

The dice have a seed, so that a campaign can be played again; what the machine adds of its own is not in the seed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.crash.judge import Verdict, judge, unfinished
from tests.crash.load import Load, acting
from tests.crash.victim import CrashError
from tests.crash.world import World, open_world

_REST_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Campaign:
    """What came of one."""

    seed: int
    kills: int
    killed_while_starting: int
    slowest_start: float
    seconds: float
    promises: int
    verdict: Verdict


async def random_kills(
    directory: Path, seed: int, kills: int, *, progress: Callable[[str], None] = lambda _: None, extra: str = ""
) -> Campaign:
    """So many times ``kill -9`` at random moments; raises ``CrashError`` when the campaign cannot go on."""
    began = time.monotonic()
    dice = random.Random(seed * 7919)
    early = 0
    async with open_world(directory, seed, extra=extra) as world:
        load = Load(world)
        async with acting(load, peers=6, companies=4) as producers:
            for number in range(1, kills + 1):
                if dice.random() < 0.1:
                    early += not await world.victim.start(wait=dice.uniform(0.0, 0.25))
                else:
                    if not await world.victim.start():
                        raise CrashError(f"not ready 30 s after kill {number - 1}")
                    await asyncio.sleep(dice.uniform(0.0, 1.2))
                await world.victim.kill()
                progress(f"kill {number:,} of {kills:,}, {world.ledgers.promises:,} promises given")
            load.producing = world.front.broken = False
            await world.victim.start()
            await _rest(world, producers, progress)
            verdict = await judge(world)
        if await world.victim.stop():
            raise CrashError("the gateway did not end with 0 when it was asked to stop")
        return Campaign(
            seed=seed,
            kills=kills,
            killed_while_starting=early,
            slowest_start=max(world.victim.ready_after),
            seconds=time.monotonic() - began,
            promises=world.ledgers.promises,
            verdict=verdict,
        )


async def _rest(world: World, producers: list[asyncio.Task[None]], progress: Callable[[str], None]) -> None:
    """Wait until everybody has finished what was begun and nothing is on its way."""
    until = time.monotonic() + _REST_SECONDS
    await asyncio.wait(producers, timeout=60)
    while (waiting := await unfinished(world)) and time.monotonic() < until:
        progress(f"at rest soon: {waiting} documents are on their way")
        await asyncio.sleep(0.5)
