"""A document that may be an earlier one again: an invoice handed in twice is an invoice paid twice.

Business systems repeat a request whose answer they did not get. With the same ``Idempotency-Key`` the repeat is the
first document; without one it is another document, and only what stands in it tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.message import Direction, Message, TimelineEntry

DOUBLE_OF: Final = "double_of"
"""The link to the earlier document."""
LIKENESS: Final = "double"
"""The link that says how alike they are, a :class:`Likeness`."""
HELD: Final = "held"
HELD_DOUBLE: Final = "double"
"""The link and its value of what waits for a person, as other documents that are held have it."""


class Likeness(StrEnum):
    """How sure it is that two documents are one."""

    SAME = "same"
    """The same octets."""
    LIKELY = "likely"
    """The same kind, number, issue date, seller and buyer with other octets; perhaps a corrected copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What is asked of an earlier document."""

    id: DocumentId
    account: AccountId
    number: str
    document_type: str
    issue_date: date | None
    sender: str
    seller_name: str
    receiver: str
    buyer_name: str
    sha256: str
    created: datetime

    @classmethod
    def of(cls, message: Message) -> Earlier:
        """What of a document is asked."""
        return cls(**{name: getattr(message, name) for name in cls.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleWatch:
    """That a new document is compared with those of before, in its own commit."""

    since: datetime
    """What was made before that is no reason to say anything."""
    told: Callable[[Message, DocumentId, Likeness], tuple[Message, TimelineEntry]]
    """What is stored instead when it is one again, made of the new document and the id of the earlier one."""


def likeness(new: Message, earlier: Earlier) -> Likeness | None:
    """How alike a new document is to an earlier one of its account; None: it is another one.

    A receiver is known by its name too, since an invoice may go to an address that the search has found for it.
    """
    if new.account != earlier.account:
        return None
    if new.sha256 == earlier.sha256:
        return Likeness.SAME
    same = (new.number, new.document_type, new.issue_date) == (
        earlier.number,
        earlier.document_type,
        earlier.issue_date,
    )
    seller = new.sender == earlier.sender and bool(new.sender or new.seller_name == earlier.seller_name)
    buyer = bool(new.receiver and new.receiver == earlier.receiver) or bool(
        new.buyer_name and new.buyer_name == earlier.buyer_name
    )
    return Likeness.LIKELY if same and seller and buyer else None


def is_held(message: Message) -> bool:
    """Whether it waits, or is to wait, for a person; one that somebody put back to work does not."""
    if message.direction is not Direction.OUT or message.links.get(HELD) != HELD_DOUBLE:
        return False
    return message.queued_since in (None, message.created)  # whatever way the clock has gone since


def warnings(message: Message) -> list[str]:
    """What is odd about a document although it was accepted, in words for people."""
    earlier = message.links.get(DOUBLE_OF)
    if earlier is None:
        return []
    said = (
        f"Exactly the same document was handed in before, as {earlier}"
        if message.links.get(LIKENESS) == Likeness.SAME
        else f"Another document with its number, date, seller and buyer was handed in before, as {earlier}"
    )
    if is_held(message):
        return [f"{said}. It is held until a person decides; requeue it to send it all the same."]
    return [f"{said}. Repeat a request with the Idempotency-Key of the first time."]
