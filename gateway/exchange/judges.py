"""Who judges documents: small ones a thread, any other a process of its own, so that no socket waits for it.

Not the event loop, however small: an invoice of 12 kB takes 0.7 ms, one of that size made to be slow 5 ms.

A process that dies or takes too long is replaced and asked once more. If it fails again the document is not validated,
which is said plainly: a fault of our rules costs no document.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.errors import InvalidDocument
from gateway.exchange.judge_process import HEAD, read_verdict
from gateway.model.document import Verdict
from gateway.model.octets import Octets, Spooled, size_of
from gateway.ubl import invoice
from gateway.ubl.rules.judge import Rulebook

log = logging.getLogger(__name__)

HERE: Final = 30_000
"""Octets of a document that a thread of this process judges: 2 ms, or 8 ms where it is made to be slow."""
_START: Final = 60.0
"""Seconds that a new process may take until it is ready; on an idle machine 0.4 s."""
_TRIES: Final = 2
_PIECE: Final = 1 << 18
_MAX_ANSWER: Final = 64 * 1024 * 1024


class _Failed(Exception):
    """A process gave no verdict."""


@dataclass(slots=True, kw_only=True)
class Judges:
    """The rulebook, and up to ``most`` processes that judge by it; they start when they are needed."""

    book: Rulebook = field(default_factory=Rulebook)
    most: int = 1
    seconds: float = 30.0
    """Time for one document."""
    memory: int = 1_000_000_000
    """Octets of address space of a process."""
    _free: list[Process] = field(default_factory=list, repr=False)
    _places: asyncio.Semaphore | None = field(default=None, repr=False)

    async def verdict(self, octets: Octets, *, language: str = "") -> Verdict:
        """What schema and rules say of it, in the rulebook's or the given language."""
        book = Rulebook(releases=self.book.releases, language=language) if language else self.book
        if isinstance(octets, bytes) and size_of(octets) <= HERE:
            return await asyncio.to_thread(judge_here, octets, book)
        self._places = self._places or asyncio.Semaphore(self.most)
        why = ""
        async with self._places:
            for _ in range(_TRIES):
                try:
                    return await self._ask(octets, book)
                except _Failed as failure:
                    why = str(failure)
                    log.error("a document could not be judged: %s", why)
        return Verdict(why=f"the rules came to no verdict ({why})")

    async def close(self) -> None:
        """End the processes."""
        while self._free:
            await _end(self._free.pop())

    async def _ask(self, octets: Octets, book: Rulebook) -> Verdict:
        try:
            process = self._free.pop() if self._free else await self._started(book)
        except (OSError, EOFError, TimeoutError) as error:
            log.error("a process that judges cannot be started: %s", error)
            raise _Failed("its process cannot be started") from None
        try:
            async with asyncio.timeout(self.seconds):
                answer = await _ordered(process, octets, book.language)
        except TimeoutError:
            await _end(process)
            raise _Failed(f"it took longer than {self.seconds:g} seconds") from None
        except (OSError, EOFError) as error:  # an IncompleteReadError is an EOFError
            await _end(process)
            log.debug("a process that judges has ended: %s", error)
            raise _Failed("its process ended") from None
        except BaseException:
            await _end(process)
            raise
        self._free.append(process)
        if "failed" in answer:
            raise _Failed(str(answer["failed"]))
        return read_verdict(answer)

    async def _started(self, book: Rulebook) -> Process:
        # -P: nothing of the working directory is imported.
        command = (sys.executable, "-P", "-m", "gateway.exchange.judge_process", str(self.memory), *book.releases)
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=_environment(), cwd="/")
        try:
            async with asyncio.timeout(_START):
                await _read(process)
        except BaseException:
            await _end(process)
            raise
        return process


@asynccontextmanager
async def open_judges(judges: Judges) -> AsyncIterator[Judges]:
    """The judges; their processes end with the block."""
    try:
        yield judges
    finally:
        await judges.close()


def judge_here(octets: bytes, book: Rulebook) -> Verdict:
    """The verdict on a small document, in this process."""
    try:
        return book.verdict(octets, invoice.open_document(octets))
    except InvalidDocument as error:
        return Verdict(findings=tuple(error.findings), count=len(error.findings), valid=False)
    except Exception as error:
        log.exception("a document could not be judged")
        return Verdict(why=f"the rules came to no verdict ({type(error).__name__})")


async def _ordered(process: Process, octets: Octets, language: str) -> dict[str, Any]:
    assert process.stdin is not None
    order: dict[str, Any] = {"language": language}
    order |= (
        {"path": str(octets.path.absolute()), "sha256": octets.sha256, "size": octets.size}
        if isinstance(octets, Spooled)
        else {"octets": len(octets)}
    )
    head = json.dumps(order).encode()
    process.stdin.write(HEAD.pack(len(head)) + head)
    if isinstance(octets, bytes):
        process.stdin.write(octets)
    await process.stdin.drain()
    return await _read(process)


async def _read(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    (length,) = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
    if length > _MAX_ANSWER:
        raise OSError(f"an answer of {length} octets")
    value: dict[str, Any] = json.loads(await process.stdout.readexactly(length))
    return value


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await asyncio.gather(process.wait(), _leave(process))


async def _leave(process: Process) -> None:
    """Take the rest off its pipe: asyncio takes no process for ended while one that is full is not read on."""
    while process.stdout is not None and await process.stdout.read(_PIECE):
        pass


def _environment() -> dict[str, str]:
    """Where this package stands, what Python needs to start, and none of our secrets."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "LANG") if name in os.environ}
    paths = [
        str(Path(__file__).resolve().parents[2]),
        *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)),
    ]
    return kept | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths))}
