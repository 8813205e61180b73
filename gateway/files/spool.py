"""Where octets lie that are too many for memory, while they are worked on. Every floor above may use it.

Each piece of work has a place: a directory of its own, gone with all that is in it when the work ends, however it
ends; what a killed process left is removed at the next start. So nothing that is half done is ever seen by anybody:
a file gets its lasting name only from the store, which links it. How many places there are at once is limited, and a
place is given only while the disk has room.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.errors import Overloaded, StoreUnavailable
from gateway.model.octets import Octets, Spooled

STEP: Final = 64 * 1024
"""Octets that are in memory at once while a file is worked on."""
AT_ONCE: Final = 2
"""Large messages in work at once: as many of the largest as ``Limits.bodies`` has room for."""
_COPIES: Final = 4
"""The body, the part, the envelope and the document of one message lie beside each other."""
_YOUNG_SECONDS: Final = 60.0
_RESERVE: Final = 64 * 1024 * 1024
"""Free octets that are left to the database."""


class Spool:
    """The folder of all places of this process, beside those of its siblings; it goes with the process."""

    def __init__(self, above: Path, *, at_once: int = AT_ONCE) -> None:
        self._above = above
        self._folder = above / uuid.uuid4().hex
        self._at_once = at_once
        self._free = asyncio.Semaphore(at_once)
        self._expected: dict[Path, int] = {}
        self._lock = -1

    @property
    def at_once(self) -> int:
        """How many places there are."""
        return self._at_once

    def open(self) -> None:
        """Make the folder, and remove those of processes that are gone. Raises ``OSError``."""
        self._above.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._above.iterdir():
            _remove_if_left(left)
        self._folder.mkdir(mode=0o700)
        self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @asynccontextmanager
    async def place(self, expected: int, *, wait: bool = False) -> AsyncIterator[Place]:
        """A place for a message of about ``expected`` octets.

        Raises ``Overloaded`` when all places are taken and it shall not ``wait``, and ``StoreUnavailable`` when the
        disk has no room, also in the middle of the work; both mean: later.
        """
        if self._free.locked() and not wait:
            raise Overloaded(f"{self._at_once} large messages are in work already; more are taken when one is done")
        folder = self._folder / uuid.uuid4().hex
        await self._free.acquire()
        self._expected[folder] = expected
        try:
            await asyncio.to_thread(self._make, folder)
            yield Place(folder)
        except (ConnectionError, TimeoutError):
            raise  # of the caller's other business
        except OSError as error:
            raise StoreUnavailable(f"The spool {self._folder} cannot be used: {error.strerror}") from error
        finally:
            try:
                await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, True))
            finally:
                del self._expected[folder]
                self._free.release()

    def _make(self, folder: Path) -> None:
        wanted = _RESERVE + _COPIES * sum(self._expected.values())
        free = shutil.disk_usage(self._folder).free
        if free < wanted:
            raise StoreUnavailable(
                f"The disk of {self._folder} has {free // 1_000_000} MB free; a large message needs up to "
                f"{wanted // 1_000_000} MB",
                remedy="Make room on that disk; until then the senders of large messages are asked to come again.",
            )
        folder.mkdir(mode=0o700)


def _remove_if_left(folder: Path) -> None:
    """Remove the folder of a process that is gone: its lock went with it. A young one may not be locked yet."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if any(folder.iterdir()) or time.time() - folder.stat().st_mtime > _YOUNG_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)


class Place:
    """The directory of one piece of work."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self, name: str) -> Path:
        """The path of a file to be made here."""
        return self._folder / name


class Writing:
    """A new file that is written once; its digest is taken on the way. Blocks: for threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        self._digest = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, octets: bytes | bytearray | memoryview) -> None:
        """Write all of these octets."""
        self._digest.update(octets)
        self.size += len(octets)
        rest = memoryview(octets)
        while rest:
            rest = rest[self._file.write(rest) :]

    def done(self) -> Spooled:
        """The file as a value."""
        self._file.close()
        return Spooled(path=self._path, sha256=self._digest.hexdigest(), size=self.size)


def write_all(path: Path, pieces: Iterable[bytes]) -> Spooled:
    """Write the pieces into a new file."""
    with Writing(path) as writing:
        for piece in pieces:
            writing.write(piece)
        return writing.done()


def measured(path: Path) -> Spooled:
    """A file that somebody else has written, as a value."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Spooled(path=path, sha256=digest, size=file.tell())


def read_range(path: Path, start: int, end: int, *, step: int = STEP) -> Iterator[bytes]:
    """The octets from ``start`` to ``end``, piece by piece. A file that ends early is an ``OSError``."""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < end:
            piece = file.read(min(step, end - start))
            if not piece:
                raise OSError(0, "the file is shorter than it was", str(path))
            yield piece
            start += len(piece)


def pieces(octets: Octets, *, step: int = STEP) -> Iterator[bytes]:
    """The octets, piece by piece."""
    if isinstance(octets, Spooled):
        yield from read_range(octets.path, 0, octets.size, step=step)
    else:
        yield from (octets[at : at + step] for at in range(0, len(octets), step))


def in_memory(octets: Octets) -> bytes:
    """All octets at once: for those who have looked at the size before."""
    return octets if isinstance(octets, bytes) else octets.path.read_bytes()
