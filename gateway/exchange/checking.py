"""Asks the network about many counterparts beside the pages: one errand for each account, a few questions at a time.

How far it is stands in the answers themselves, which are evidence in the store: whoever looks, in whatever process,
counts those that are younger than the errand. So nothing is lost but the rest of the errand when a process ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import GatewayError
from gateway.exchange.foreseeing import Foreseeing
from gateway.model.counterpart import CounterpartId
from gateway.model.identifiers import AccountId

log = logging.getLogger(__name__)

MOST: Final = 500
"""Counterparts of one errand."""
_AT_ONCE: Final = 4
_ERRANDS: Final = 20
"""Of all accounts, that wait or go on."""


@dataclass(slots=True)
class Checking:
    """The errands of this process, one after another."""

    _errands: asyncio.Queue[tuple[AccountId, Sequence[CounterpartId], Foreseeing]] = field(
        default_factory=asyncio.Queue
    )
    _going: set[AccountId] = field(default_factory=set)

    def going(self, account: AccountId) -> bool:
        """Whether an errand of that account waits or goes on here."""
        return account in self._going

    def begin(self, account: AccountId, ids: Sequence[CounterpartId], foreseeing: Foreseeing) -> bool:
        """Ask about these; False where an errand of the account goes on already, or very many of others do."""
        if account in self._going or len(self._going) >= _ERRANDS:
            return False
        self._going.add(account)
        self._errands.put_nowait((account, ids[:MOST], foreseeing))
        return True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            account, ids, foreseeing = await self._errands.get()
            try:
                await _ask(account, ids, foreseeing)
            finally:
                self._going.discard(account)


async def _ask(account: AccountId, ids: Sequence[CounterpartId], foreseeing: Foreseeing) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(id_: CounterpartId) -> None:
        async with turns:
            try:
                await foreseeing.check(await foreseeing.store.relations.counterpart(account, id_))
            except GatewayError as error:  # removed meanwhile, or the store is away: the next one
                log.warning("a counterpart was not checked: %s", error)

    await asyncio.gather(*(one(id_) for id_ in ids))
