"""Starts the processes in which foreign files are opened, and never waits for them longer than it says. [I/O]

Each file gets a process of its own that ends afterwards. What it answers is read with a limit, and is believed no more
than the file itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from gateway.errors import Overloaded
from gateway.scanning import confine

log = logging.getLogger(__name__)

_CONFINE: Final = Path(__file__).resolve().with_name("confine.py")
_CODE: Final = "from gateway.scanning.child import main; main()"
_LENGTH: Final = struct.Struct(">I")
_PIECE: Final = 1 << 18
_END_SECONDS: Final = 10.0
"""How long a process may live after its last word."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The process gave no answer; ``how`` says what became of it."""

    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one process may use."""

    memory: int = 768_000_000
    """Octets of address space; what is used of it stays well below 512 MB."""
    seconds: int = 20
    """Processor time."""
    wall: float = 90.0
    """Seconds on the clock: machines may be busy."""
    answer: int = 96_000_000
    """Octets of the answer."""


async def ask(
    octets: bytes, kind: str, limits: dict[str, int], room: Room, parts: list[list[int]] | None = None
) -> tuple[dict[str, Any], bytes]:
    """What a process of its own says of a file, and the pixels or ``parts`` behind it. Raises ``Overloaded``.

    ``refused`` in it names why the file is not taken; it is ``crashed`` where the process gave no answer.
    """
    order: dict[str, Any] = {"kind": kind, "memory": room.memory, "seconds": room.seconds, "limits": limits}
    if parts is not None:
        order["cut"] = parts
    command = [sys.executable, "-P", "-c", _CODE]
    answer = await run(command, json.dumps(order).encode() + b"\n" + octets, room)
    if isinstance(answer, Ended):
        log.warning("a file could not be opened: %s", answer.how)
        return {"refused": "crashed"}, b""
    head, behind = split(answer) or (b"", b"")
    try:
        seen: object = json.loads(head)
    except ValueError:
        seen = None
    if not isinstance(seen, dict):
        return {"refused": "crashed"}, b""
    if missing := set(confine.LAYERS) - set(map(str, seen.get("held") or ())):
        _warn_of(", ".join(sorted(missing)))
    return seen, behind


@cache
def _warn_of(missing: str) -> None:
    """Once in a process: it does not change while it runs."""
    log.warning("foreign files are opened without %s, which this kernel does not offer; the rest holds", missing)


def confined(program: list[str], room: Room) -> list[str]:
    """The command of another program, confined."""
    return [sys.executable, "-P", "-I", str(_CONFINE), str(room.memory), str(room.seconds), *program]


async def run(command: list[str], octets: bytes, room: Room) -> bytes | Ended:
    """Give a process its octets and take all it says. It is dead when this returns, however it returns.

    Raises ``Overloaded`` when none can be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
            cwd="/",
            start_new_session=True,  # a Ctrl-C is for the gateway; uvloop knows no process_group
        )
    except OSError as error:
        raise Overloaded(f"No process can be started to read a file: {error.strerror}") from error
    assert process.stdin is not None and process.stdout is not None
    try:
        async with asyncio.timeout(room.wall), asyncio.TaskGroup() as tasks:
            tasks.create_task(_feed(process.stdin, octets))
            answer = tasks.create_task(_hear(process.stdout, room.answer))
        if answer.result() is None:
            return Ended("it said more than is read")
        code = await asyncio.wait_for(process.wait(), _END_SECONDS)
    except TimeoutError:
        return Ended("it took too long and was ended")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            # What it said meanwhile is taken off the pipe: a full one is not read on, and asyncio, which takes no
            # process for ended whose pipes are open, would wait for ever.
            await asyncio.gather(process.wait(), _leave(process.stdout))
    if code != 0:
        return Ended(f"it ended by signal {-code}" if code < 0 else f"it ended with {code}")
    return answer.result() or b""


async def _feed(pipe: asyncio.StreamWriter, octets: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough
        pipe.write(octets)
        await pipe.drain()
    pipe.close()
    with suppress(BrokenPipeError, ConnectionResetError):
        await pipe.wait_closed()


async def _hear(pipe: asyncio.StreamReader, most: int) -> bytes | None:
    heard = bytearray()
    while piece := await pipe.read(_PIECE):
        heard += piece
        if len(heard) > most:
            return None
    return bytes(heard)


async def _leave(pipe: asyncio.StreamReader) -> None:
    while await pipe.read(_PIECE):
        pass


def split(answer: bytes) -> tuple[bytes, bytes] | None:
    """Head and pixels of an answer; None when it has another form."""
    if len(answer) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(answer)
    if length > len(answer) - _LENGTH.size:
        return None
    return answer[_LENGTH.size : _LENGTH.size + length], answer[_LENGTH.size + length :]


def _environment() -> dict[str, str]:
    """Where this package stands and nothing of ours; one thread is enough for one page."""
    root = str(_CONFINE.parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths)), "OMP_THREAD_LIMIT": "1", "LC_ALL": "C.UTF-8"}
