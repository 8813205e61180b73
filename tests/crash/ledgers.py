"""What everybody outside the gateway knows: written down there, when it happens, and never read by the gateway.

Three independent ledgers: C2 (what another access point sent us and which receipts it got) and C1 (what a company
handed in and got 202 for); C3 and the post (what left us: AS4, mail, letters); C4 (what the receiver fetched).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from lxml import etree

from gateway.security import safexml


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def content(octets: bytes) -> str:
    """A digest of what the document says: the envelope it travels in may move its namespace declarations."""
    return digest(etree.tostring(safexml.parse(octets), method="c14n"))


@dataclass(slots=True)
class Sent:
    """One message of another access point to us."""

    message_id: str
    content: str
    """Of the document in it."""
    instance_id: str = ""
    """Of its business envelope, where it asked to hear what became of it (MLS); else empty."""
    receipts: list[bytes] = field(default_factory=list)
    tries: int = 0


@dataclass(slots=True)
class HandedIn:
    """One document of a company to us."""

    key: str
    number: str
    kind: str
    """``network``, ``email`` or ``letter``: how this one has to leave."""
    content: str
    """Of the document, as ``Sent.content``."""
    sha256: str
    """Of its octets."""
    ids: set[str] = field(default_factory=set)
    """Every id that a 202 named."""
    tries: int = 0


@dataclass(slots=True)
class Fetched:
    """One fetch of C4 from its inbox."""

    id: str
    message_id: str
    sha256: str
    content: str
    acknowledged: bool = False


@dataclass(slots=True)
class Ledgers:
    """All of them."""

    sent: dict[str, Sent] = field(default_factory=dict)
    handed_in: dict[str, HandedIn] = field(default_factory=dict)
    fetched: list[Fetched] = field(default_factory=list)
    forwarded: list[str] = field(default_factory=list)
    """MessageIds that went through to C3, each time they did."""
    mails: list[tuple[str, str]] = field(default_factory=list)
    """(Message-ID, invoice number) of each mail that the mail server took."""

    @property
    def promises(self) -> int:
        """Receipts and 202s that were given."""
        return sum(1 for s in self.sent.values() if s.receipts) + sum(1 for h in self.handed_in.values() if h.ids)
