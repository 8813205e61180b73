"""The socket towards the part of the store that mail needs: what may come back, answers to be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.mail import Letter
from gateway.model.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """An answer that is still to be sent."""

    key: str
    account: AccountId
    letter: Letter
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CameBack:
    """What was heard of a mail after it was sent, and where its document is now."""

    message: Message
    time: datetime
    event: str
    """What followed for the document: ``Diverted``, ``Rejected``, ``Delivered`` or only ``Noted``."""
    kind: str
    """As :data:`~gateway.model.mail.Kind`."""
    address: str = ""
    status: str = ""
    words: str = ""
    reporter: str = ""


class MailRecords(Protocol):
    """What is remembered about mail. Every call raises ``StoreUnavailable``."""

    async def came_back(self, account: AccountId, limit: int) -> Sequence[CameBack]:
        """What was heard last of this account's mails, the latest first."""
        ...

    async def document(self, id: DocumentId) -> Message | None:
        """A document of whatever account, for a token that only we can have made; None where there is none."""
        ...

    async def quiet(self, channel: str, before: datetime, limit: int) -> Sequence[Message]:
        """Handed over to this channel, and nothing was heard of it since ``before``; the oldest first."""
        ...

    async def promise(self, key: str, account: AccountId, letter: Letter) -> bool:
        """Commit that this answer will be sent; False where there was one under this key."""
        ...

    async def promised(self, limit: int) -> Sequence[Promised]:
        """Answers that are due now, the oldest first."""
        ...

    async def put_off(self, key: str, until: datetime) -> None:
        """It could not be sent; it is due again then."""
        ...

    async def kept(self, key: str) -> None:
        """It was sent, or never will be: its octets are forgotten, its key is not."""
        ...

    async def answered(self, recipient: str, since: datetime) -> int:
        """How many answers this address has got."""
        ...

    async def bookmark(self, name: str) -> Mapping[str, object]:
        """How far a mailbox was read; empty the first time."""
        ...

    async def set_bookmark(self, name: str, place: Mapping[str, object]) -> None:
        """Remember it."""
        ...
