"""Addresses that failed: an e-mail address that takes no mail of ours, a postal address from which letters come back.

Kept by address and not by counterpart, because it is the address on the invoice that a mail or letter goes to. Another
address is another key, so a corrected invoice is on its way at once.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, NewType

from gateway.model.document import PostalAddress
from gateway.model.identifiers import AccountId

FailedId = NewType("FailedId", str)
"""Follows from account, channel and address: the same address twice is one row."""

BOUNCE_LASTS: Final = timedelta(days=90)
"""How long a bounce counts: mailboxes come back, and a letter each time is dear. A complaint, a letter that came back
and what a person said count until somebody says otherwise."""
_ODD: Final = re.compile(r"[\W_]+")


class Cause(StrEnum):
    """Why an address is not used."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SAID = "said"
    """A person has said that it is bad."""
    # Of a letter, by the same words as ``model/letter.py``.
    UNKNOWN_ADDRESS = "unknown_address"
    MOVED = "moved"
    DECEASED = "deceased"
    NO_MAILBOX = "no_mailbox"
    REFUSED = "refused"
    UNDELIVERABLE = "undeliverable"
    OTHER = "other"


Channel = Literal["email", "print"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAddress:
    """One address of one account's counterparts."""

    id: FailedId
    account: AccountId
    channel: Channel
    address: str
    """As people read it, one line."""
    cause: Cause
    said: str = ""
    """What the mail server, the carrier or the person said."""
    document: str = ""
    """What came back, where something did."""
    counterpart: str = ""
    """Whose it is, where the register knows."""
    since: datetime
    search_at: datetime | None = None
    """When the receiver of ``document`` is to be searched for again; None: nothing is to be done."""

    @property
    def until(self) -> datetime | None:
        """When it counts no more by itself; None: a person has to say so."""
        return self.since + BOUNCE_LASTS if self.cause is Cause.BOUNCED else None

    def lasts(self, now: datetime) -> bool:
        """Whether it still counts."""
        return self.until is None or now < self.until


def mail_key(address: str) -> str:
    """By what an e-mail address is known again; empty for none."""
    return address.strip().lower()


def post_key(name: str, address: PostalAddress) -> str:
    """By what a postal address is known again: whom and where, however it is written; empty where nothing is named."""
    where = (address.street, address.additional, address.extra_line, address.postal_code, address.city)
    words = [_ODD.sub("", part.casefold()) for part in (name, *where)]
    return "\n".join(words) if any(words[1:]) else ""


def post_line(name: str, address: PostalAddress) -> str:
    """The postal address in one line."""
    town = f"{address.postal_code} {address.city}".strip()
    parts = (name, address.street, address.additional, address.extra_line, town)
    return ", ".join(part for part in parts if part)


def failed_id(account: AccountId, channel: str, key: str) -> FailedId:
    """The id of the row on this address."""
    return FailedId(hashlib.sha256(f"{account}\n{channel}\n{key}".encode()).hexdigest()[:32])
