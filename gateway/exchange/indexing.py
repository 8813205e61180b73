"""Enters the words of new documents into the index that searches ask, some time after they came."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from gateway.errors import GatewayError
from gateway.ports import Search

log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 2.0
_AT_ONCE: Final = 200
"""Rows of timelines; their words are one small commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexing:
    """Keeps the index of words up with what happens."""

    search: Search
    pause: float = _PAUSE_SECONDS

    async def catch_up(self) -> int:
        """Enter everything that has happened; gives how many rows of timelines were looked at."""
        together = 0
        while True:
            count = await self.search.advance(_AT_ONCE)
            together += count
            if count < _AT_ONCE:  # what comes meanwhile waits for more: to look costs as much as ten rows
                return together
            await asyncio.sleep(0)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.catch_up()
            except GatewayError as error:
                log.warning("the words of documents are entered later: %s", error)
            await asyncio.sleep(self.pause)
