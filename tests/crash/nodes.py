"""Several processes on one store: each is killed or frozen while the other works on; callers ask two of them at once.

Over PostgreSQL these are two nodes, on SQLite two processes of one gateway. A frozen one (``SIGSTOP``) is thawed when
its leases have run out and others have taken up what it had in hand: it then wakes in the middle of a step.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from gateway.network.market import Member
from tests.crash.campaign import Campaign, come_to_rest
from tests.crash.judge import judge
from tests.crash.load import Load, acting
from tests.crash.survivor import survivor
from tests.crash.victim import CrashError, Victim
from tests.crash.world import World, open_world

LEASE_SECONDS = 1.5
_FROZEN = 0.35
"""Share of the strikes that freeze; the others kill."""
_PAUSE = (0.05, 0.7)
_LONGER = (0.2, 1.2)
"""Seconds for which a frozen process sleeps on after its leases have run out."""
_PROCESSES = 2


@dataclass(slots=True)
class Nodes:
    """What can be struck."""

    victims: list[Victim]
    separate: bool
    """Nodes of their own; else processes that one victim's supervisor replaces."""
    done: Counter[str] = field(default_factory=Counter)

    def processes(self) -> list[tuple[Victim, int]]:
        """All that run now."""
        if self.separate:
            return [(victim, victim.pid) for victim in self.victims if victim.pid]
        (victim,) = self.victims
        children = Path(f"/proc/{victim.pid}/task/{victim.pid}/children")
        return [(victim, int(pid)) for pid in children.read_text().split()]

    async def strike(self, dice: random.Random) -> None:
        """Kill or freeze one of them."""
        async with asyncio.timeout(60):
            while not (
                running := self.processes()
            ):  # a supervisor replaces those that live short more slowly each time
                await asyncio.sleep(0.05)
        victim, pid = dice.choice(running)
        if dice.random() < _FROZEN:
            await self._freeze(pid, LEASE_SECONDS + dice.uniform(*_LONGER))
        elif self.separate:
            self.done["killed"] += 1
            await victim.kill()
            if not await victim.start():
                raise CrashError(f"{victim.member.name} is not ready 30 s after a kill")
        else:
            self.done["killed"] += 1
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _freeze(self, pid: int, seconds: float) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.done["frozen for longer than a lease"] += 1
            await asyncio.sleep(seconds)
            os.kill(pid, signal.SIGCONT)

    def late(self) -> int:
        """How often somebody who woke late noticed that what he had in hand is another's now."""
        return sum(victim.log.read_text().count('"lease lost"') for victim in self.victims)


async def strikes(
    directory: Path,
    seed: int,
    number: int,
    *,
    first: int = 1,
    progress: Callable[[int, str], None] = lambda *_: None,
    database: str = "",
) -> Campaign:
    """So many strikes; ``database`` is the address of an empty one at PostgreSQL, else it is SQLite."""
    began, killed = time.monotonic(), list[datetime]()
    lease = {"CRASH_LEASE": str(LEASE_SECONDS)}
    async with (
        open_world(directory, seed * 1_000_003 + first, database=database, **lease) as world,
        _opened(world, separate=bool(database)) as nodes,
    ):
        load = Load(world)
        async with acting(load, peers=3, companies=3) as producers:
            for strike in range(first, first + number):
                dice = random.Random(f"nodes {seed}:{strike}")
                await asyncio.sleep(dice.uniform(*_PAUSE))
                await nodes.strike(dice)
                killed.append(datetime.now(UTC))
                progress(len(killed), f"{world.ledgers.promises:,} promises")
            load.producing = world.front.broken = False
            await come_to_rest(world, producers, lambda text: progress(number, text))
            verdict = await judge(world)
            verdict.counts |= dict(nodes.done) | {
                "given to two at once": load.pairs,
                "late workers that noticed": nodes.late(),
            }
            survived = await survivor(world, killed)
        for victim in nodes.victims:
            if code := await victim.stop():
                raise CrashError(f"{victim.member.name} ended with {code} when it was asked to stop")
    return Campaign(
        seed=seed,
        first=first,
        kills=number,
        killed_while_starting=0,
        slowest_start=max(max(victim.ready_after) for victim in nodes.victims),
        seconds=time.monotonic() - began,
        promises=world.ledgers.promises,
        verdict=verdict,
        survivor=survived,
    )


@asynccontextmanager
async def _opened(world: World, *, separate: bool) -> AsyncIterator[Nodes]:
    ours = world.ours
    if not separate:
        text = ours.config.read_text()
        ours.config.write_text(text.replace("[as4]\n", f"[as4]\nworkers = {_PROCESSES}\n"))
        world.nodes = [ours, ours]  # the kernel shares connections out
        await _start(world.victim)
        yield Nodes([world.victim], separate=False)
        return
    other = _another(world)
    world.nodes = [ours, other]
    second = Victim(other, world.victim.server)
    try:
        for victim in (world.victim, second):
            await _start(victim)
        yield Nodes([world.victim, second], separate=True)
    finally:
        if second.pid:
            await second.kill()


async def _start(victim: Victim) -> None:
    if not await victim.start():
        raise CrashError(f"{victim.member.name} does not start; see {victim.log}")


def _another(world: World) -> Member:
    """A second node of the gateway: the same keys, database, payloads and bureau, addresses of its own."""
    ours = world.ours
    directory = ours.directory.with_name(f"{ours.name}b")
    directory.mkdir()
    for file in ours.directory.glob("*.pem"):
        shutil.copy2(file, directory)
    ports = iter(world.spare_ports)
    as4, api, smp = (f"127.0.0.1:{next(ports)}" for _ in range(3))
    text = ours.config.read_text()
    for old, new in ((ours.as4, as4), (ours.api, api), (ours.smp, smp)):
        text = text.replace(f'listen = "{old}"', f'listen = "{new}"')
    for folder in ("var/payloads", "var/letters"):
        text = text.replace(f'"{folder}"', json.dumps(str(ours.directory / folder)))
    other = replace(ours, name=directory.name, directory=directory, as4=as4, api=api, smp=smp)
    # Nodes of one gateway share the key of their return addresses: what the other node mails again is the same mail.
    key = f'return_key_file = "{ours.directory / "var" / "return.key"}"\n'
    other.config.write_text(text.replace("[email]\n", f"[email]\n{key}"))
    return other
