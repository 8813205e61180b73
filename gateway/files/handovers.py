"""The memory of a channel: which parcels it has handed over. It makes "twice the same parcel" one handover.

One small file a parcel, in a directory a day: ``DIRECTORY/2026-11-25/ID.handover`` (a line of JSON, then the
evidence as it is). A lock on ``ID.lock`` keeps other workers and processes away from the same parcel meanwhile; the
system drops it with the process that held it. The memory lives on our side, because the far side may take away what
it was given at any time.

What it cannot know: a process that dies after the far side has taken the parcel and before the file is on the disk
leaves no trace here. Channels that can see their own earlier work (a letter, a file) look for it, and may note at
``begun`` that they were about to; a mail cannot be seen again, so there a second one may follow, with the same
Message-ID. Room for the memory is taken before the parcel goes, so that a full disk does not send it twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.errors import ChannelUnavailable
from gateway.files.durable import make_directory, safe_name, write_durably
from gateway.model.message import Message
from gateway.model.signals import Handover

_log = logging.getLogger(__name__)

KEEP: Final = timedelta(days=60)
"""How long a handover is remembered: far longer than any document is tried."""
_LONGEST_WAIT: Final = 30.0
_ROOM: Final = 4096
"""Octets that the lock's file holds, for the memory without its evidence."""
_DISK: Final = "Look at free space, rights and mounts of the directory; it is tried again by itself."


class Handovers:
    """What one channel has handed over. ``now`` gives the present in UTC."""

    def __init__(self, directory: Path, now: Callable[[], datetime]) -> None:
        self._directory = directory
        self._now = now
        self._swept = ""

    async def once(self, message: Message, act: Callable[[], Awaitable[Handover]]) -> Handover:
        """Give the handover of this document: the remembered one, or that of ``act``, which is then remembered.

        Raises ``ChannelUnavailable`` when the memory or the disk below ``act`` cannot be used, or when another
        worker holds the same document for longer than half a minute; else what ``act`` raises.
        """
        entry = self._entry(message)
        try:
            await asyncio.to_thread(self._sweep)
            known = await asyncio.to_thread(_read, entry)
            if known is not None:
                return known
            lock = await _lock(entry.with_suffix(".lock"))
            try:
                known = await asyncio.to_thread(_read, entry)
                if known is None:
                    known = await act()
                    await asyncio.to_thread(_remember, entry, known, lock)
                else:
                    _unlink_lock(entry)
                return known
            finally:
                os.close(lock)
        except OSError as error:
            where = error.filename or self._directory
            raise ChannelUnavailable(f"{where}: {error.strerror or error}", failure="local", remedy=_DISK) from error

    async def forget(self, message: Message) -> None:
        """Somebody wants it handed over once more; raises ``ChannelUnavailable`` when the memory cannot be used."""
        try:
            await asyncio.to_thread(_forget, self._entry(message))
        except OSError as error:
            text = f"{error.filename}: {error.strerror or error}"
            raise ChannelUnavailable(text, failure="local", remedy=_DISK) from error

    def begun(self, message: Message) -> Path:
        """Where a channel may note, inside ``act``, that its next step shows the parcel to the far side."""
        return self._entry(message).with_suffix(".begun")

    def _entry(self, message: Message) -> Path:
        return self._directory / f"{message.created:%Y-%m-%d}" / f"{safe_name(message.id)}.handover"

    def _sweep(self) -> None:
        now = self._now()
        today = f"{now:%Y-%m-%d}"
        if today == self._swept:
            return
        self._swept = today
        with contextlib.suppress(OSError):
            for day in self._directory.iterdir():
                if day.is_dir() and day.stat().st_mtime < (now - KEEP).timestamp():
                    shutil.rmtree(day, ignore_errors=True)


async def _lock(path: Path) -> int:
    """Wait for the lock of one document and give its descriptor; closing it is unlocking."""
    await asyncio.to_thread(make_directory, path.parent)
    give_up = time.monotonic() + _LONGEST_WAIT
    pause = 0.01
    while True:
        # Opened anew each time: whoever finished with the document has removed the file.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(descriptor, 0, _ROOM)
            return descriptor
        except BlockingIOError:
            os.close(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if time.monotonic() > give_up:
            text = f"Another worker is handing over the same document ({path.stem})"
            raise ChannelUnavailable(text, failure="local")
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.1)


def _forget(entry: Path) -> None:
    entry.with_suffix(".begun").unlink(missing_ok=True)
    entry.unlink(missing_ok=True)


def _read(entry: Path) -> Handover | None:
    try:
        head, _, evidence = entry.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    try:
        values = json.loads(head)
        return Handover(
            reference=values["reference"], text=values["text"], confirmed=values["confirmed"], evidence=evidence
        )
    except (ValueError, KeyError, TypeError):
        # It was handed over, or the file would not be here: doing it again would be the greater harm.
        raise ChannelUnavailable(
            f"{entry} cannot be read, so it is not known what became of the earlier handover",
            failure="local",
            remedy="Find out whether the document arrived; remove the file if it did not.",
        ) from None


def _remember(entry: Path, handover: Handover, lock: int) -> None:
    head = {"reference": handover.reference, "text": handover.text, "confirmed": handover.confirmed}
    octets = json.dumps(head).encode() + b"\n"
    try:
        write_durably(entry, octets + handover.evidence)
        _unlink_lock(entry)
    except OSError as error:
        # The far side has the parcel: to fail now would hand it over again.
        _log.warning("%s is handed over but its evidence cannot be kept: %s", entry.stem, error)
        with contextlib.suppress(OSError):
            os.pwrite(lock, octets, 0)
            os.ftruncate(lock, len(octets))
            os.fsync(lock)
            entry.with_suffix(".lock").replace(entry)
    with contextlib.suppress(OSError):
        entry.with_suffix(".begun").unlink(missing_ok=True)


def _unlink_lock(entry: Path) -> None:
    """Remove the lock's file; only once the entry is there, so that whoever locks a new one finds it."""
    entry.with_suffix(".lock").unlink(missing_ok=True)
