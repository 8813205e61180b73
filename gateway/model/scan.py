"""What is read of an invoice on paper or in a PDF: candidates with their witnesses, and what a person said.

A *field* is one fact of the invoice, a *candidate* a value that somebody read for it, a *witness* a reason to believe
that value which does not depend on the others. Two witnesses make a field accepted; less is for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from gateway.model.identifiers import AccountId

FIELDS: Final = (
    *("kind", "number", "issue_date", "due_date", "supplier", "supplier_name"),
    *("account", "reference", "currency", "net", "vat", "total", "buyer_reference"),
)
NEEDED: Final = ("kind", "number", "issue_date", "supplier", "account", "currency", "net", "vat", "total")
"""Without these nothing is delivered; the others may be absent from an invoice."""

Rung = Literal["xml", "code", "text", "ocr"]
"""Of the evidence ladder, the surest first."""


class ScanState(StrEnum):
    """What has become of a file."""

    TAKEN = "taken"
    """On disk, not read to the end."""
    REVIEW = "review"
    """A person decides: ``hold`` says about what."""
    ACCEPTED = "accepted"
    """A document on its way to C4."""
    REFUSED = "refused"
    DUPLICATE = "duplicate"


Hold = Literal["", "fields", "bank_account", "document", "virus", "picture"]
"""Why a person is asked: fields without two witnesses; another bank account than ever before (possible fraud); the
document itself (several invoices in one file, a reminder, text that contradicts its embedded XML); a PDF attached to an
invoice of the network that shows something else (``document`` is that invoice). A refused file with ``virus`` carries
one, or could not be looked at by the scanner: its octets are given to nobody but by a deed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands, as shares of the page (0 to 1) from its top left corner; pages count from 1."""

    page: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A value that was read, with everything that speaks for it."""

    value: str
    """As we write it: ISO dates, amounts with a point, identifiers without spaces (``BG:1609908``)."""
    shown: str = ""
    """As it stands on the page."""
    witnesses: tuple[str, ...] = ()
    """``xml``, ``code``, ``text``, ``ocr``, ``second reading``, ``check digit``, ``sum``, ``terms``, ``history``…"""
    place: Place | None = None
    confidence: float = 1.0
    """Of the reader, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One fact, as far as it is known."""

    name: str
    value: str = ""
    """The best candidate; empty where there is none."""
    accepted: bool = False
    candidates: tuple[Candidate, ...] = ()
    confirmed_by: str = ""
    confirmed_at: datetime | None = None
    has_crop: bool = False

    @property
    def best(self) -> Candidate | None:
        return next((one for one in self.candidates if one.value == self.value), None)


@dataclass(frozen=True, slots=True)
class Word:
    """A word on a page. Shares of the page, as :class:`Place`."""

    text: str
    page: int
    left: float
    top: float
    right: float
    bottom: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code on a page, as its error correction gave it."""

    format: str
    text: str
    page: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a file is not taken, or goes to a person, in both languages."""

    name: str
    en: str
    sv: str
    final: bool = True
    """False: a person may still decide to enter it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """What an account knows of a supplier from paper and PDF that was delivered; e-invoices teach nothing."""

    account: AccountId
    id: str
    """``SE5567212047``: country and number."""
    name: str = ""
    accounts: Mapping[str, int] = field(default_factory=dict)
    """Bank accounts and how many confirmed documents had each."""
    anchors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Where each field stood on the first page (left, top)."""
    documents: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read of one file."""

    media_type: str = ""
    pages: int = 0
    rungs: tuple[str, ...] = ()
    """Which rungs of the ladder were used."""
    fields: Mapping[str, Field] = field(default_factory=dict)
    refusal: Refusal | None = None
    xml: bytes = b""
    """The invoice embedded in a PDF: UBL is delivered as it is."""
    crops: Mapping[str, bytes] = field(default_factory=dict)
    """Of each field, a PNG of its place."""
    mentions: tuple[str, ...] = ()
    """Numbers on the page that may be the buyer's organisation number."""

    @property
    def channel(self) -> str:
        return "scan" if "ocr" in self.rungs and "text" not in self.rungs else "pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One file that came in, as the store keeps it, without its octets."""

    id: str
    account: AccountId
    key: str
    state: ScanState
    hold: Hold = ""
    source: str
    sender: str = ""
    file_name: str = ""
    media_type: str = ""
    channel: str = ""
    sha256: str = ""
    size: int = 0
    pages: int = 0
    rungs: tuple[str, ...] = ()
    reason: str = ""
    reason_sv: str = ""
    fields: Mapping[str, Field] = field(default_factory=dict)
    receiver: str = ""
    document: str = ""
    """The document that it became, or that it is a duplicate of; in review, the earlier one that was not delivered."""
    decided_by: str = ""
    decided_at: datetime | None = None
    version: int = 0
    """Counts changes: who changes it names the one that was seen."""
    created: datetime
    updated: datetime
