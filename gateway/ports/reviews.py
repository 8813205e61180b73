"""The part of the store that keeps what came in on paper and as PDF, until it is a document or refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from gateway.model.identifiers import AccountId
from gateway.model.message import Evidence, Message
from gateway.model.person import Deed
from gateway.model.scan import Scan, ScanState, Supplier


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The scan that stands under a key, and whether it is this one."""

    scan: Scan
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a document that was confirmed teaches about its supplier."""

    supplier: str
    name: str = ""
    account: str = ""
    anchors: Mapping[str, tuple[float, float]] | None = None


class Reviews(Protocol):
    """Scans, what was read of them, and suppliers. Every call names the account; another account's do not exist."""

    async def begin(self, scan: Scan, octets: bytes, evidence: Sequence[Evidence] = ()) -> Begun:
        """Commit a file under its key, or find the one that has the key. Raises ``StoreUnavailable``."""
        ...

    async def settle(self, before: Scan, after: Scan, crops: Mapping[str, bytes] | None = None) -> Scan:
        """Write what became of it. Raises ``LostLease`` when somebody else has written since ``before``.

        ``crops`` replace those that there are, where they are given.
        """
        ...

    async def get(self, account: AccountId, id: str) -> Scan:
        """One scan. Raises ``NotFound``."""
        ...

    async def find(
        self, account: AccountId, states: Collection[ScanState], limit: int, cursor: str = ""
    ) -> tuple[Sequence[Scan], str]:
        """Scans in these states, newest first, and the cursor of the next page (empty at the end)."""
        ...

    async def counts(self, account: AccountId) -> Mapping[str, int]:
        """How many scans there are in each state."""
        ...

    async def any(self, account: AccountId) -> bool:
        """Whether anything ever came for this account."""
        ...

    async def octets(self, account: AccountId, id: str) -> bytes:
        """The file as it came, compared with its digest. Raises ``NotFound``, ``StateError``."""
        ...

    async def evidence(self, account: AccountId, id: str) -> Sequence[Evidence]:
        """What proves how it came."""
        ...

    async def crop(self, account: AccountId, id: str, field: str) -> bytes:
        """A PNG of the place of a field. Raises ``NotFound``."""
        ...

    async def unread(self, before: datetime, limit: int) -> Sequence[Scan]:
        """Of all accounts, what was taken before that moment and not read to the end: its reader died."""
        ...

    async def suppliers(self, account: AccountId, ids: Collection[str]) -> Sequence[Supplier]:
        """What is known of these suppliers."""
        ...

    async def learn(self, account: AccountId, lesson: Lesson) -> Supplier:
        """Remember what a confirmed document says of its supplier."""
        ...

    async def four_eyes(self, account: AccountId) -> bool:
        """Whether two people release a changed bank account in this account."""
        ...

    async def want_four_eyes(self, on: bool, deed: Deed) -> None:
        """From now on so in the deed's account, or no longer."""
        ...

    async def same_number(self, account: AccountId, number: str, amount: Decimal, currency: str) -> Sequence[Message]:
        """Documents that came in with this number and amount, of whichever supplier, the oldest first."""
        ...
