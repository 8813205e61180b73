"""Kill before every durable call of a flow, one run a call, until the flow runs through.

``killer.c`` is preloaded: it counts writes, fsyncs, renames, truncations and sends of the whole process from the moment
it is armed, and kills before number N, or lets call N fail. Each run starts the gateway, arms, lets one document make
its whole way, starts the gateway again when it was killed, and waits until the document has arrived. At the end the
ledgers are judged over all runs.

Over PostgreSQL the calls are the sends to it, too. There a wire between the two can also strike question N of the
gateway to the database: ``cut`` before it gets there, or ``answer`` lost after it was carried out.
"""

from __future__ import annotations

import asyncio
import mmap
import shutil
import struct
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.crash.judge import Verdict, judge, unfinished
from tests.crash.load import Load
from tests.crash.victim import CrashError
from tests.crash.world import World, open_world
from tests.store.postgres_faults import Wire, wire

_SOURCE = Path(__file__).with_name("killer.c")
_LAYOUT = struct.Struct("4q")
_MOST = 400
_FILE, _LARGE = 120_000, 1_600_000
"""Octets attached: the payload is a file; the document is never in memory."""
_RUN_SECONDS = 150
_LEASE = {"CRASH_LEASE": "5"}
"""A step whose result could not be written is taken up again when its lease has run out."""
FLOWS = ("receive", "receive large", "deliver", "status", "submit", "send", "send large", "mail", "letter", "start")
WIRE = ("cut", "answer")
"""What happens to one question to PostgreSQL."""


class Control(Protocol):
    """Where the strike is set."""

    def arm(self, at: int, fault: int = 0) -> None:
        """From now on count; strike number ``at``."""

    def disarm(self) -> int:
        """Stop counting; gives the count."""


@dataclass(slots=True)
class WireControl:
    """Strikes a question to PostgreSQL."""

    wire: Wire
    how: str

    def arm(self, at: int, fault: int = 0) -> None:
        """Count the questions; at number ``at`` cut the connection before it, or before its answer."""
        self.wire.count_from_now(**{"cut_at" if self.how == "cut" else "lose_at": at})

    def disarm(self) -> int:
        """Stop counting; gives the count."""
        self.wire.cut_at = self.wire.lose_at = 0
        return self.wire.asked


@dataclass(slots=True)
class CallControl:
    """The mapped file by which the preloaded library is told what to do."""

    map: mmap.mmap

    def arm(self, at: int, fault: int = 0) -> None:
        """From now on count; at call ``at`` kill, or fail with errno ``fault``."""
        self.map[: _LAYOUT.size] = _LAYOUT.pack(0, at, 0, fault)
        self.map[: _LAYOUT.size] = _LAYOUT.pack(1, at, 0, fault)

    def disarm(self) -> int:
        """Stop counting; gives the count."""
        _, at, count, fault = _LAYOUT.unpack(self.map[: _LAYOUT.size])
        self.map[: _LAYOUT.size] = _LAYOUT.pack(0, at, count, fault)
        return int(count)


@dataclass(slots=True)
class Sweep:
    """What came of all points of some flows."""

    points: dict[str, int] = field(default_factory=dict)
    """Durable calls of each flow."""
    struck: int = 0
    """How many of them were struck."""
    verdict: Verdict = field(default_factory=Verdict)


def build(directory: Path) -> Path | None:
    """Compile the library; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = directory / "killer.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
    return library


async def sweep(
    directory: Path,
    library: Path,
    flows: tuple[str, ...] = FLOWS,
    *,
    fault: int = 0,
    step: int = 1,
    offset: int = 0,
    progress: Callable[[str], None] = lambda _: None,
    extra: str = "",
    database: str = "",
    wire_fault: str = "",
) -> Sweep:
    """Strike every ``step``-th durable call of each flow, ``offset`` later, and judge.

    The shares of all offsets below ``step`` are the whole.
    ``database`` is the address of an empty one, instead of SQLite; with ``wire_fault``, one of ``WIRE``, the questions
    to it are struck instead of the calls.
    """
    points = range(1 + offset, _MOST, step)
    if wire_fault:
        async with (
            wire(database) as laid,
            open_world(directory, 1, extra=extra, database=laid.through, **_LEASE) as world,
        ):
            return await _sweep(world, WireControl(laid, wire_fault), flows, 0, points, progress)
    control_file = directory.parent / "control"
    control_file.write_bytes(_LAYOUT.pack(0, 0, 0, 0))
    environment = {"LD_PRELOAD": str(library), "KILLER_CONTROL": str(control_file), **_LEASE}
    with control_file.open("r+b") as file, mmap.mmap(file.fileno(), _LAYOUT.size) as shared:
        control = CallControl(shared)
        async with open_world(directory, 1, extra=extra, database=database, **environment) as world:
            return await _sweep(world, control, flows, fault, points, progress)


async def _sweep(
    world: World, control: Control, flows: tuple[str, ...], fault: int, points: range, progress: Callable[[str], None]
) -> Sweep:
    done = Sweep()
    world.front.broken = False
    load = Load(world)
    for flow in flows:
        for at in points:
            count = await _strike(world, load, control, flow, at, fault)
            progress(f"{flow}: point {at}")
            if count < at:
                done.points[flow], done.struck = count, done.struck + points.index(at)
                break
        else:
            raise CrashError(f"{flow} has more than {_MOST} points")
    await _up(world)
    done.verdict = await judge(world)
    await world.victim.kill()
    return done


async def _strike(world: World, load: Load, control: Control, flow: str, at: int, fault: int) -> int:
    """One run; gives how many durable calls there were until the strike, or in the whole flow."""
    if flow == "start":
        if world.victim.pid:
            await world.victim.kill()
        control.arm(at, fault)
        with suppress(CrashError):
            await world.victim.start(wait=5)
    else:
        await _up(world)
        if flow == "deliver":
            await load.send_message()
        control.arm(at, fault)
    async with asyncio.timeout(_RUN_SECONDS), asyncio.TaskGroup() as tasks:
        run = tasks.create_task(_run(world, load, flow))
        while not run.done():
            await asyncio.wait([run], timeout=0.01)
            if not world.victim.alive:
                control.disarm()
                await _up(world)
    return control.disarm()


async def _run(world: World, load: Load, flow: str) -> None:
    """One document from its beginning to its end."""
    flows: dict[str, Callable[[], Awaitable[object]]] = {
        "receive": load.send_message,
        "receive large": lambda: load.send_message(_LARGE),
        "submit": lambda: load.hand_in("network", _FILE),
        "send large": lambda: load.hand_in("network", _LARGE),
        "deliver": load.fetch,
        "status": lambda: load.send_message(told=True),
        "send": lambda: load.hand_in("network"),
        "mail": lambda: load.hand_in("email"),
        "letter": lambda: load.hand_in("letter"),
        "start": load.fetch,
    }
    await flows[flow]()
    while True:
        try:
            if not await load.fetch() and not await unfinished(world):
                return
        except Exception:  # it is dead, or answers 503 after a fault: the run goes on when it lives again
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.02)


async def _up(world: World) -> None:
    """Have it running and ready."""
    if world.victim.pid and not world.victim.alive:
        await world.victim.kill()
    if not world.victim.pid and not await world.victim.start():
        raise CrashError("it does not become ready any more")
