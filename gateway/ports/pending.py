"""The socket towards files that wait for somebody's yes."""

from __future__ import annotations

from typing import Protocol

from gateway.model.identifiers import AccountId


class Pending(Protocol):
    """What one person has handed in and has still to confirm. Nobody else sees it. All raise ``StoreUnavailable``."""

    async def keep(self, account: AccountId, actor: str, kind: str, octets: bytes) -> str:
        """Keep a file for some hours; gives its id. The oldest of an account makes room for the newest."""
        ...

    async def fetch(self, account: AccountId, actor: str, kind: str, id: str) -> bytes:
        """What was handed in. Raises ``NotFound``."""
        ...

    async def drop(self, account: AccountId, id: str) -> None:
        """It is not needed any more; one that is not there is no error."""
        ...
