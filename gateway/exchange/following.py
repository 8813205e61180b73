"""Follows the timeline a little behind it, some of it at a time, so that no document waits: costs, words to search."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.errors import GatewayError

log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 2.0
AT_ONCE: Final = 200
"""Rows of timelines; what follows from them is one small commit."""


class Follower(Protocol):
    """What is made of the timeline; remembers by itself how far it has come."""

    async def advance(self, limit: int) -> int:
        """Take at most so many rows; gives how many were looked at."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """Keeps one follower up with what happens."""

    follower: Follower
    pause: float = _PAUSE_SECONDS

    async def catch_up(self) -> int:
        """Take everything that had happened; gives how many rows of timelines were looked at."""
        together = 0
        while True:
            count = await self.follower.advance(AT_ONCE)
            together += count
            if count < AT_ONCE:  # what comes meanwhile waits for more: to look costs as much as ten rows
                return together
            await asyncio.sleep(0)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.catch_up()
            except GatewayError as error:
                log.warning("%s follows later: %s", type(self.follower).__name__, error)
            await asyncio.sleep(self.pause)
