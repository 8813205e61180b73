"""The socket for what comes in on paper and as PDF: a file goes in, a verdict comes out.

Mail, scan folder and upload hand files in here; whoever they are, one file with one key is one document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.model.identifiers import AccountId
from gateway.model.message import Evidence

Source = Literal["mail", "folder", "upload"]
Verdict = Literal["accepted", "review", "refused", "duplicate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One file as it came, from a stranger: nothing in it is believed."""

    account: AccountId
    """Whose it is: decided by the address or folder to which it came, never by its content."""
    octets: bytes
    file_name: str = ""
    """As the sender called it: for people to read; no file of ours is ever called so."""
    media_type: str = ""
    """As the sender said; what it is is read from the octets."""
    source: Source
    sender: str = ""
    """Who sent it as far as one knows: an address, the name of a scanner, a user."""
    key: str
    """Tells a repeat within the account: for mail the Message-ID and the number of the attachment."""
    evidence: tuple[Evidence, ...] = ()
    """What proves how it came: the mail's head with its SPF and DKIM results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a file; it is on disk when this is given."""

    id: str
    """Of the scan: what ``/v1/scans`` and ``/v1/reviews`` call it."""
    verdict: Verdict
    reason: str
    """One sentence that the sender may read, English."""
    reason_sv: str = ""
    """The same in Swedish."""
    document: str = ""
    """The document that it became, or that it is a duplicate of."""
    repeated: bool = False
    """The same key had come before: this is what became of it then."""


class Intake(Protocol):
    """Takes files in."""

    async def hand_in(self, incoming: Incoming) -> Taken:
        """Commit the file, read it, commit what became of it, and tell.

        The file is on disk before it is read, so nothing is lost by a crash; a caller that hears nothing hands it in
        again under the same key and is told what became of the first. ``accepted``: it is a document on its way to
        C4; ``review``: a person decides; ``refused``: not taken for good, ``reason`` says why; ``duplicate``: known
        already. Reading takes up to a minute. Raises ``Overloaded``, ``StoreUnavailable``, ``ScannerUnavailable``,
        ``AtRest`` (hand it in again later) and ``Conflict`` when the key came before with other octets.
        """
        ...
