"""Several processes on one SQLite file take turns at writing.

SQLite has a lock of its own for one writer at a time, but before 3.51.3 a checkpoint that met another connection's
write could destroy the database (https://www.sqlite.org/wal.html#walresetbug). So every process of a gateway
takes this lock around each transaction with its commit, which is also where checkpoints happen, and around opening and
closing of connections. The kernel frees it when a process ends, however it ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import StoreUnavailable

WAIT_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.0005


@dataclass(frozen=True, slots=True)
class Turns:
    """One process's place among those that write to the file."""

    path: Path
    _next: int
    """Lock of who is the next: so the one who has just written stands behind those who wait."""
    _turn: int
    """Lock of whose turn it is."""

    def take_at_once(self) -> bool:
        """Take the turn if nobody has it and nobody waits; False otherwise. Never waits."""
        if not _lock(self._next):
            return False
        try:
            return _lock(self._turn)
        finally:
            _unlock(self._next)

    def take(self) -> None:
        """Wait for the turn; raises ``StoreUnavailable`` when another process does not end its own."""
        until = time.monotonic() + WAIT_SECONDS
        self._wait(self._next, until)
        try:
            self._wait(self._turn, until)
        finally:
            _unlock(self._next)

    def give(self) -> None:
        """Let the next one write."""
        _unlock(self._turn)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the turn inside the block, for a thread; raises ``StoreUnavailable``."""
        self.take()
        try:
            yield
        finally:
            self.give()

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Have the turn inside the block; raises ``StoreUnavailable``."""
        if not self.take_at_once():
            await asyncio.to_thread(self.take)
        try:
            yield
        finally:
            self.give()

    def _wait(self, lock: int, until: float) -> None:
        while not _lock(lock):
            if time.monotonic() > until:
                raise StoreUnavailable(f"Another process of this gateway holds {self.path} locked and does not go on")
            time.sleep(_PAUSE_SECONDS)


@contextmanager
def open_turns(path: Path) -> Iterator[Turns]:
    """Join the processes that write to this database. Each process must open its own; forking shares the place."""
    locks = [
        os.open(path.with_name(f"{path.name}.{name}"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for name in ("next", "turn")
    ]
    try:
        yield Turns(path, *locks)
    finally:
        for lock in locks:
            os.close(lock)


def _lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(lock: int) -> None:
    fcntl.flock(lock, fcntl.LOCK_UN)
