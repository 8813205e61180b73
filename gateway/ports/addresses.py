"""The socket towards the store's rows on addresses that failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from gateway.model.addresses import FailedAddress, FailedId
from gateway.model.identifiers import AccountId


class FailedAddresses(Protocol):
    """Addresses that are not used. What is another account's does not exist. Every call raises ``StoreUnavailable``."""

    async def mark(self, failed: FailedAddress) -> None:
        """Write it down; what was known of the same address is replaced."""
        ...

    async def failed(self, account: AccountId, ids: Sequence[FailedId]) -> Sequence[FailedAddress]:
        """Those of these addresses that are not to be used now."""
        ...

    async def listed(self, account: AccountId, limit: int, cursor: str) -> tuple[Sequence[FailedAddress], str]:
        """All that count now, the newest first, and the cursor of the next page. Raises ``NotFound``."""
        ...

    async def lift(self, account: AccountId, id: FailedId, actor: str) -> None:
        """The address is good. Raises ``NotFound``."""
        ...

    async def searches(self, limit: int) -> Sequence[FailedAddress]:
        """Those of all accounts whose receiver is to be searched for by now."""
        ...

    async def searched(self, id: FailedId, again: datetime | None) -> None:
        """It was searched for; once more then, or never again."""
        ...
