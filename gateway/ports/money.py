"""The socket towards the ledger of costs and the price lists of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.model.costs import CostLine, MonthlyCost
from gateway.model.identifiers import AccountId
from gateway.model.prices import Price


class Money(Protocol):
    """What documents cost. Every call but ``advance`` names the account; what is another's does not exist for it."""

    async def advance(self, limit: int) -> int:
        """Price what has happened since the last call, up to ``limit`` rows of timelines; gives how many it saw.

        Several processes may call it: each event is priced once. Raises ``StoreUnavailable``.
        """
        ...

    async def prices(self, account: AccountId) -> Sequence[Price]:
        """The account's own price list; empty where it has none and the examples count."""
        ...

    async def save_prices(self, account: AccountId, prices: Sequence[Price], actor: str) -> None:
        """Replace the account's price list. What is in the ledger already stays as it is."""
        ...

    async def months(self, account: AccountId, first: str, last: str) -> Sequence[MonthlyCost]:
        """The sums from the first month to the last, both included (``2026-01``), oldest first."""
        ...

    async def basis(self, account: AccountId, month: str) -> Sequence[CostLine]:
        """What one month consists of, a line for each price."""
        ...
