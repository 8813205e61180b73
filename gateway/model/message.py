"""A document on its way: what the store keeps and the worker moves.

C1 is the sender's system, C2 the sending access point, C3 the receiving one, C4 the receiver's system.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from gateway.model.document import Envelope, Facts, Summary
from gateway.model.identifiers import AccountId, DocumentId, InstanceId, MessageId, ParticipantId
from gateway.model.lifecycle import State
from gateway.model.octets import Octets
from gateway.model.often import made_often


class Direction(StrEnum):
    """Seen from us: ``out`` we are C2, ``in`` we are C3."""

    OUT = "out"
    IN = "in"


class Route(StrEnum):
    """What the company asked for: search the best way, or exactly this one."""

    AUTO = "auto"
    PEPPOL = "peppol"
    EMAIL = "email"
    PRINT = "print"


class PayloadKind(StrEnum):
    """Which octets of a document."""

    DOCUMENT = "document"
    """The business document: as handed in (out), or cut from the envelope (in)."""
    PART = "part"
    """The gzipped envelope exactly as signed on the wire; retries send the same octets."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One document as the store keeps it, without its octets. Times are UTC."""

    id: DocumentId
    account: AccountId
    direction: Direction
    state: State
    route: Route = Route.AUTO
    channel: str = ""
    """``peppol``, ``email``, ``print``; empty until chosen."""
    reason: str = ""
    """Why this way, in words."""
    sender: str = ""
    """``0007:5567212047`` of C1, or the seller's name where it has no identifier."""
    receiver: str = ""
    document_type: str = ""
    process: str = ""
    number: str = ""
    issue_date: date | None = None
    due_date: date | None = None
    amount: Decimal | None = None
    currency: str = ""
    seller_name: str = ""
    buyer_name: str = ""
    message_id: MessageId = MessageId("")
    instance_id: InstanceId = InstanceId("")
    conversation_id: str = ""
    peer: str = ""
    """Seat id of the other access point: the signer (in), the addressee (out, once known)."""
    sha256: str = ""
    """Hex digest of the business document's octets, fixed at acceptance."""
    size: int = 0
    attempts: int = 0
    """Counts claims; it is also the fencing number of the lease."""
    sent_octets: bool = False
    """True once the octets may have reached C3: from then on no other channel may take it."""
    next_attempt: datetime | None = None
    queued_since: datetime | None = None
    """When it came, or was requeued: the retry window counts from here. Set by the store where it is not."""
    created: datetime
    updated: datetime
    idempotency_key: str = ""
    acknowledged: datetime | None = None
    """When C4 acknowledged it in its inbox."""
    links: dict[str, str] = field(default_factory=dict)


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Octets that prove something: a signed receipt, an SMP answer, a mail as sent."""

    kind: str
    """``receipt``, ``request-envelope``, ``smp``, ``lookup``, ``mail``, ``letter``, ``error``."""
    media_type: str
    octets: bytes


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One row of a document's history."""

    time: datetime
    event: str
    reason: str = ""
    detail: dict[str, object] = field(default_factory=dict)
    attempt: int = 0
    next_attempt: datetime | None = None
    evidence: tuple[str, ...] = ()
    """Names of stored evidence rows."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What an AS4 profile needs to build the message; the same on every retry."""

    message_id: MessageId
    conversation_id: str
    timestamp: datetime
    envelope: Envelope
    part: Octets
    """gzip of the business envelope's octets, made once at acceptance."""
    is_test: bool = False
    """For the test service of ebMS (Core 3.0, 5.2.2.8): a ping that nobody delivers."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Proof that a message was verified: without this value no later step can be called.

    Made only by ``gateway/as4/msh.py`` after every check has passed.
    """

    signer: bytes
    """DER of the signing certificate."""
    seat: str
    """Its common name."""
    chain: tuple[str, ...]
    """Subjects from the signer to the anchor."""
    covered: tuple[tuple[str, str], ...]
    """What the signature covered: (reference URI, base64 SHA-256)."""
    checked_at: datetime
    revocation: str
    """What was asked about revocation and answered: ``off``, ``good`` or ``good, in grace``."""
    revocation_proof: tuple[str, ...] = ()
    """Of each certificate in the chain: which list or answer said so, of when, from where."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A user message that was read, verified, decrypted and unwrapped."""

    message_id: MessageId
    conversation_id: str
    timestamp: str
    from_party: str
    to_party: str
    is_test: bool
    """The ebMS test service: answered with a receipt, handed to nobody."""
    envelope: Envelope
    document: Octets
    """The business document's octets."""
    summary: Summary | None
    """What was read of it together with the envelope; None for a document that we do not understand."""
    part: Octets
    """The part as signed: gzip when the sender compressed it."""
    part_sha256: str = ""
    """Hex digest of the part, as it was signed and compared; empty where it was not digested as it is."""
    document_at: int | None = None
    """Where the document begins in what the part inflates to; None where it is no piece of that."""
    compressed: bool
    soap: bytes
    """The SOAP envelope as it came: the proof of who sent it."""
    verification: Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What a channel carries: one document, its readable page, and whom it is for."""

    id: DocumentId
    """Stable: the same parcel handed over twice is one handover."""
    message: Message
    facts: Facts
    document: Octets
    page: bytes
    """PDF/A-3 of the readable page with the document embedded; the address stands in the window."""
    language: str = "sv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One of our own participants: we are its access point and it has an account here."""

    id: ParticipantId
    account: AccountId
    name: str = ""
    country: str = ""
    delivery: str = "default"
    """Name of a ``[delivery.NAME]`` section."""
    document_types: tuple[tuple[str, str], ...] = ()
    """(document type, process) pairs that it takes; empty = the billing documents."""
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which documents a list shows. Empty fields do not narrow."""

    direction: Direction | None = None
    states: tuple[State, ...] = ()
    channel: str = ""
    query: str = ""
    """Matched against number, names, participants, ids."""
    parties: tuple[str, ...] = ()
    """Participants of the other side: only what went to, or came from, one of them or one of ``names``."""
    names: tuple[str, ...] = ()
    """Names of the other side, as they stand on the document."""
    unacknowledged: bool = False
    idle: bool = False
    """Only what no worker has still to do something with."""
    limit: int = 50
    cursor: str = ""
