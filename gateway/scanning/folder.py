"""The scan folder: files that a scanner or a person puts there are handed in and put aside. [I/O]

A file is taken once it is complete: not named as one in the making, and unchanged for some seconds. It is moved only
after it is committed, so a kill in between hands it in again under the same key, which is known then. Files in a
subfolder that is called like an account belong to that account; those beside it to the account of the settings.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import stat
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.errors import Conflict, GatewayError, NotFound
from gateway.model.identifiers import AccountId
from gateway.ports import Incoming, Intake, Taken

log = logging.getLogger(__name__)

DONE, REFUSED = "done", "refused"
_IN_THE_MAKING: Final = (".part", ".tmp", ".crdownload", ".filepart", ".partial", ".lck")
_MOST_AT_ONCE: Final = 200
_NAME_MOST: Final = 150


@dataclass(slots=True, kw_only=True)
class ScanFolder:
    """Looks into the folder every few seconds."""

    path: Path
    account: Callable[[], Awaitable[AccountId | None]]
    """Whose the files are that lie in no account's folder."""
    intake: Intake
    largest: int
    quiet_seconds: float = 3.0
    """How long a file must be unchanged."""
    every_seconds: float = 2.0
    _seen: dict[Path, tuple[int, int, float]] = field(default_factory=dict, init=False)

    def prepare(self) -> None:
        """Make the folders. Raises ``OSError``."""
        for name in ("", DONE, REFUSED):
            (self.path / name).mkdir(parents=True, exist_ok=True)

    async def watch(self) -> None:
        """Look again and again, until cancelled; what fails is tried again."""
        while True:
            try:
                await self.look()
            except OSError as error:
                log.error("the scan folder cannot be used: %s", error.strerror)
            await asyncio.sleep(self.every_seconds)

    async def look(self) -> int:
        """Take what is complete; gives how many files were taken."""
        taken = 0
        ready = await asyncio.to_thread(lambda: list(self._ready()))
        for path in ready:
            try:
                taken += await self._take(path)
            except GatewayError as error:
                log.warning("%s is taken later: %s", path.name, error)
            except Exception:  # a fault of ours: the gateway goes on, and the file stays where it is
                log.exception("%s could not be taken", path.name)
        return taken

    def _ready(self) -> Iterator[Path]:
        """Files that have not changed for a while, the oldest names first."""
        now, alive, found = time.monotonic(), set[Path](), 0
        for path in self._files():
            try:
                is_now = path.lstat()
            except OSError:
                continue
            if not stat.S_ISREG(is_now.st_mode):
                continue
            alive.add(path)
            size, changed, since = self._seen.get(path, (-1, -1, now))
            if (size, changed) != (is_now.st_size, is_now.st_mtime_ns):
                since = now
            self._seen[path] = (is_now.st_size, is_now.st_mtime_ns, since)
            if now - since >= self.quiet_seconds and found < _MOST_AT_ONCE:
                found += 1
                yield path
        for gone in self._seen.keys() - alive:
            del self._seen[gone]

    def _files(self) -> Iterator[Path]:
        folders = [self.path]
        for entry in sorted(os.scandir(self.path), key=lambda one: one.name):
            if entry.is_dir(follow_symlinks=False) and entry.name not in (DONE, REFUSED):
                folders.append(Path(entry.path))
        for folder in folders:
            for entry in sorted(os.scandir(folder), key=lambda one: one.name):
                name = entry.name
                unfinished = name.startswith((".", "~")) or name.lower().endswith(_IN_THE_MAKING)
                if not unfinished and not entry.is_dir(follow_symlinks=False):
                    yield Path(entry.path)

    async def _take(self, path: Path) -> int:
        octets = await asyncio.to_thread(self._read, path)
        if octets is None:
            return 0
        own = path.parent != self.path
        account = AccountId(path.parent.name) if own else await self.account()
        if account is None:
            return 0
        digest = hashlib.sha256(octets).hexdigest()
        incoming = Incoming(
            account=account,
            octets=octets,
            file_name=path.name,
            source="folder",
            sender=path.parent.name if own else "scan folder",
            key=f"folder {digest}",
        )
        try:
            taken = await self.intake.hand_in(incoming)
        except (NotFound, Conflict) as error:
            taken = Taken(id="", verdict="refused", reason=str(error))
        await asyncio.to_thread(self._put_aside, path, taken)
        self._seen.pop(path, None)
        return 1

    def _read(self, path: Path) -> bytes | None:
        """The octets, one more than are taken; None when it is gone or may not be read."""
        try:
            place = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            log.warning("%s cannot be read: %s", path.name, error.strerror)
            return None
        with os.fdopen(place, "rb") as file:
            return file.read(self.largest + 1)

    def _put_aside(self, path: Path, taken: Taken) -> None:
        refused = taken.verdict == "refused"
        aside = self.path / (REFUSED if refused else DONE)
        aside.mkdir(exist_ok=True)
        name = f"{taken.id or 'file'}-{path.name[-_NAME_MOST:]}"
        path.replace(aside / name)
        if refused:
            (aside / f"{name}.txt").write_text(f"{taken.reason_sv}\n{taken.reason}\n".lstrip(), encoding="utf-8")
