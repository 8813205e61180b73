"""Prices what happens, some time after it happened and a little at a time, so that no document waits for it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from gateway.errors import GatewayError
from gateway.ports import Money

log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 2.0
_AT_ONCE: Final = 200
"""Rows of timelines; their costs are one small commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costing:
    """Keeps the ledger of costs up with what happens."""

    money: Money
    pause: float = _PAUSE_SECONDS

    async def catch_up(self) -> int:
        """Price everything that had happened; gives how many rows of timelines were looked at."""
        together = 0
        while True:
            count = await self.money.advance(_AT_ONCE)
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
                log.warning("costs are worked out later: %s", error)
            await asyncio.sleep(self.pause)
