"""The door for what is new: asked before a body is read, so that a refusal costs its sender nothing but time.

It is closed while the disks are nearly full, for a moment after a commit has failed, or when too much waits already.
What was accepted goes on behind it, and it opens by itself. Closing and opening are logged once each, not each refusal.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import GatewayError, Overloaded, StoreUnavailable, TemporaryError
from gateway.files.room import Room
from gateway.ports import Queue, Store

log = logging.getLogger(__name__)

MOST_WAITING: Final = 250_000
MOST_WRITES: Final = 5_000
"""Writes that wait for the disk: as many as it does in seconds, half of those that the store takes."""
_LOOK_SECONDS: Final = 2.0
_SELDOM_SECONDS: Final = 15.0
_SHARE: Final = 0.02
"""Of the time that counting may take."""
_MAKE_ROOM: Final = (
    "Make room on that disk, or lower store.reserve; until then new documents and messages are answered 503 and what "
    "was accepted goes on."
)
_SEE_DISK: Final = (
    "It is tried again each second. If it goes on: is the disk full, read-only or failing, the database away?"
)
_WORK_OFF: Final = "Nothing to do while it goes down. If it does not, see why the oldest documents wait: gateway list."


@dataclass(slots=True, kw_only=True)
class Door:
    """Whether something new may come in."""

    room: Room = field(default_factory=lambda: Room(()))
    store: Store | None = None
    most_waiting: int = MOST_WAITING
    queue: Queue = field(default_factory=Queue, init=False)
    """As it was at the last look."""
    _closed: str = field(default="", init=False)

    def refusal(self) -> TemporaryError | None:
        """Why nothing new can be taken now; None while it can."""
        error = self._refusal()
        text = type(error).__name__ if error else ""
        if text != self._closed:
            self._closed = text
            if error:
                log.error("nothing new is taken: %s. %s", error, error.remedy)
            else:
                log.warning("new documents and messages are taken again")
        return error

    def _refusal(self) -> TemporaryError | None:
        if short := self.room.shortage():
            return StoreUnavailable(short, remedy=_MAKE_ROOM)
        if self.store is not None and self.store.writes_failing:
            return StoreUnavailable("The last commit failed", remedy=_SEE_DISK)
        if self.queue.waiting >= self.most_waiting:
            return Overloaded(f"{self.queue.waiting} documents wait for their turn already", remedy=_WORK_OFF)
        if self.store is not None and self.store.writes_waiting >= MOST_WRITES:
            return Overloaded(f"{self.store.writes_waiting} writes wait for the disk already")
        return None

    async def look(self) -> None:
        """Count what waits. Raises ``StoreUnavailable``."""
        if self.store is not None:
            self.queue = await self.store.queue(self.most_waiting)

    async def watch(self) -> None:
        """Count again and again, until cancelled; where counting takes long, less often."""
        while True:
            began = time.monotonic()
            try:
                await self.look()
            except GatewayError as error:
                log.warning("what waits cannot be counted: %s", error)
            self.refusal()
            took = time.monotonic() - began
            await asyncio.sleep(min(max(_LOOK_SECONDS, took / _SHARE), _SELDOM_SECONDS))
