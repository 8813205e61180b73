"""The socket towards the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from gateway.model.double import DoubleWatch
from gateway.model.identifiers import AccountId, DocumentId, MessageId, ParticipantId
from gateway.model.lifecycle import Event
from gateway.model.message import Evidence, Filter, Message, Participant, PayloadKind, TimelineEntry
from gateway.model.octets import Octets
from gateway.model.often import made_often
from gateway.model.registration import Registration
from gateway.ports.addresses import FailedAddresses
from gateway.ports.identities import Identities
from gateway.ports.keeping import Operation, Retention
from gateway.ports.letters import Letters
from gateway.ports.mail import MailRecords
from gateway.ports.money import Money
from gateway.ports.pending import Pending
from gateway.ports.people import Overview, People
from gateway.ports.relations import Relations
from gateway.ports.reviews import Reviews
from gateway.ports.search import Search
from gateway.ports.second import SecondFactors
from gateway.ports.sweeps import Sweeps

ANY_SIZE: Final = 2**63 - 1
"""Octets: more than any document has."""

DEATHS: Final = "deaths"
"""Detail of an outcome that only put a document aside: how often somebody has died with it in hand."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A new document for ``Store.add_once``, with everything that belongs in the same commit."""

    message: Message
    payloads: dict[PayloadKind, Octets]
    evidence: tuple[Evidence, ...] = ()
    entry: TimelineEntry
    fingerprint: str = ""
    """What must be equal for a repeat to be the same. Empty: the digest of the part. The store works it out, as it does
    an empty ``sha256`` of the message, so that octets are digested once."""
    part_sha256: str = ""
    """Hex digest of the part where it is known."""
    document_sha256: str = ""
    """Hex digest of the document where it was taken of these octets just now."""
    document_at: int | None = None
    """Inbound: where the document begins in what the part inflates to, for it need not be kept twice then."""
    twin: Callable[[Message, Message], tuple[Message, TimelineEntry]] | None = None
    """Inbound: what is stored instead when the same envelope came before under another MessageId, made of the new
    and the earlier document. Decided inside the commit, so two at once are seen too."""
    doubles: DoubleWatch | None = None
    """Outbound: how it is compared with what was handed in before."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What ``add_once`` found: the document that is stored, and whether it is this one."""

    message: Message
    new: bool
    same: bool
    """False when an earlier document has the same key but another fingerprint."""
    receipt: bytes = b""
    """Inbound: the stored receipt, to be sent byte for byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits for a worker."""

    waiting: int = 0
    """Documents that have a time at which they are worked on, at most as many as were counted."""
    overdue: int = 0
    """Those whose time was more than five minutes ago and that nobody has in hand."""
    oldest: datetime | None = None
    """The time of the one that has been due longest, or is due first."""


class Wake(Protocol):
    """A bell: rung by the store after each commit that made work, waited for by the worker."""

    def set(self) -> None: ...

    def clear(self) -> None: ...

    async def wait(self) -> Literal[True]: ...


class ChangeBell(Protocol):
    """Rung when the document that it was hung up for has changed."""

    async def wait(self, seconds: float) -> Message | None:
        """Give the document at its next change, or None after so long."""
        ...


class Store(Protocol):
    """Durable things. Every read names the account; what belongs to another account does not exist for it."""

    @property
    def work(self) -> Wake:
        """Rung after each commit that made work."""
        ...

    @property
    def operation(self) -> Operation:
        """What a person does with the whole store."""
        ...

    @property
    def retention(self) -> Retention:
        """Erases."""
        ...

    @property
    def letters(self) -> Letters:
        """Letters and their history."""
        ...

    @property
    def money(self) -> Money:
        """What documents cost."""
        ...

    @property
    def pending(self) -> Pending:
        """Files that wait for somebody's yes."""
        ...

    @property
    def search(self) -> Search:
        """The index of words that makes ``find`` quick."""
        ...

    @property
    def relations(self) -> Relations:
        """Counterparts, and how each is reached."""
        ...

    @property
    def sweeps(self) -> Sweeps:
        """Looking every counterpart up anew."""
        ...

    @property
    def identities(self) -> Identities:
        """Ties between sign-in services and people."""
        ...

    @property
    def second(self) -> SecondFactors:
        """What people have besides a password."""
        ...

    @property
    def people(self) -> People:
        """Who may sign in."""
        ...

    @property
    def overview(self) -> Overview:
        """What their first page counts."""
        ...

    @property
    def mail(self) -> MailRecords:
        """What may still come back, answers to be sent."""
        ...

    @property
    def addresses(self) -> FailedAddresses:
        """Addresses that are no good."""
        ...

    @property
    def reviews(self) -> Reviews:
        """What came in on paper and as PDF."""
        ...

    @property
    def writes_failing(self) -> bool:
        """Whether the last commit failed, a moment ago: nothing new should be begun."""
        ...

    @property
    def writes_waiting(self) -> int:
        """How many writes wait for the disk."""
        ...

    async def queue(self, most: int) -> Queue:
        """Count what waits for a worker, up to ``most``. Raises ``StoreUnavailable``."""
        ...

    async def add_once(self, arrival: Arrival) -> Added:
        """Commit a new document, or find the one with the same key.

        Key outbound: account and idempotency key, where there is one. Key inbound: the sender's seat id and
        MessageId. When this returns, the document is on disk. Raises ``StoreUnavailable``.
        """
        ...

    async def claim(
        self,
        owner: str,
        limit: int,
        lease_seconds: float,
        *,
        without: Sequence[str] = (),
        largest: int = ANY_SIZE,
    ) -> Sequence[Message]:
        """Take due documents (state workable, ``next_attempt`` set and reached, no live lease), oldest first.

        Those for the receivers in ``without``, and those to be sent of more than ``largest`` octets, wait for another
        time.

        Each claim counts up ``attempts``: the fencing number for ``record``.
        """
        ...

    async def deaths(self, message: Message) -> int:
        """How often somebody has died with this document in hand since its last outcome; it is claimed now."""
        ...

    async def hasten(self, *, peer: str = "", channel: str = "", receivers: Sequence[str] = ()) -> None:
        """Let postponed documents be due now: those for an access point, a fallback channel, or these participants."""
        ...

    async def renew(self, owner: str, ids: Sequence[DocumentId], lease_seconds: float) -> None:
        """Let the leases that this owner still has on these documents begin anew."""
        ...

    async def record(
        self,
        message: Message,
        event: Event,
        evidence: Sequence[Evidence] = (),
        *,
        keep_lease: bool = False,
        follow: Arrival | None = None,
    ) -> Message:
        """Do one step of the lifecycle in one commit: state, timeline row, evidence; the lease ends.

        ``follow`` is a document that the step gives rise to (a status message): added in the same commit, unless there
        is one with its key. ``message`` is as claimed; raises ``LostLease`` when state or attempts are no longer the
        same.
        """
        ...

    async def mark_sending(self, message: Message, *, peer: str, receiver: str, part: Octets) -> Message:
        """Commit, before the first octet leaves, that C3 may get the message.

        Sets ``sent_octets``, ``peer`` and ``receiver``, and freezes ``part`` as the payload that every retry sends.
        A part that may have been sent stays; one that certainly was not is replaced. Guarded like ``record``; the
        lease goes on.
        """
        ...

    async def get(self, account: AccountId, id: DocumentId) -> Message:
        """One document. Raises ``NotFound``."""
        ...

    def watch(self, id: DocumentId) -> AbstractContextManager[ChangeBell]:
        """A bell that rings at each commit of this process that changes the document."""
        ...

    async def find(self, account: AccountId, which: Filter) -> tuple[Sequence[Message], str]:
        """Documents, newest first, and the cursor of the next page (empty at the end)."""
        ...

    async def timeline(self, account: AccountId, id: DocumentId) -> Sequence[TimelineEntry]:
        """Everything that happened to one document, oldest first."""
        ...

    async def happened(
        self, account: AccountId, after: int, limit: int
    ) -> tuple[Sequence[tuple[int, Message, TimelineEntry]], int]:
        """What happened after that number, oldest first: (number, document as it is now, row); and where to go on."""
        ...

    async def latest(self) -> int:
        """The number of what happened last."""
        ...

    async def payload(self, id: DocumentId, kind: PayloadKind) -> bytes:
        """The octets, compared with their digest. Raises ``NotFound`` or ``StateError`` when they differ."""
        ...

    async def content(self, id: DocumentId, kind: PayloadKind) -> Octets:
        """The same; what is too large for memory as the store's own file, which nobody may write to or remove."""
        ...

    async def evidence(self, account: AccountId, id: DocumentId) -> Sequence[tuple[str, datetime, Evidence]]:
        """Stored evidence as (name, time, evidence), oldest first."""
        ...

    async def find_received(self, seat: str, message_id: MessageId) -> Message | None:
        """The inbound message with this key, or None."""
        ...

    async def find_sent(self, instance_id: str) -> Sequence[Message]:
        """What we sent in the business envelope of this id, of whatever account, oldest first."""
        ...

    async def find_numbered(self, account: AccountId, number: str, sender: str, receiver: str) -> Sequence[Message]:
        """What the account sent under this number from one participant to the other, newest first."""
        ...

    async def acknowledge(self, account: AccountId, id: DocumentId) -> Message:
        """C4 has it from the inbox: RECEIVED becomes DELIVERED in the same commit; twice is once."""
        ...

    async def participant(self, id: ParticipantId) -> Participant | None:
        """One of our own participants, or None."""
        ...

    async def participants(self, account: AccountId | None = None) -> Sequence[Participant]:
        """Our own participants, of one account or all."""
        ...

    async def save_participant(self, participant: Participant) -> None:
        """Add or replace. Raises ``Conflict`` when it belongs to another account."""
        ...

    async def remove_participant(self, account: AccountId, id: ParticipantId) -> None:
        """Remove. Raises ``NotFound``."""
        ...

    async def registration(self, id: ParticipantId) -> Registration | None:
        """Where one participant stands on its way to or from the network, or None."""
        ...

    async def registrations(self, account: AccountId | None = None) -> Sequence[Registration]:
        """Those of one account or all."""
        ...

    async def due_registrations(self, limit: int) -> Sequence[Registration]:
        """Those whose present stage is to be tried now, longest due first."""
        ...

    async def begin_registration(self, new: Registration, participant: Participant | None = None) -> None:
        """Begin, in one commit with the participant where it is given. Raises ``Conflict``, ``NotFound``."""
        ...

    async def step_registration(self, before: Registration, after: Registration) -> None:
        """Write what a stage came to. Raises ``LostLease`` when somebody else has gone on."""
        ...

    async def end_registration(self, before: Registration) -> None:
        """Forget participant and registration in one commit. Raises ``NotFound``, ``LostLease``."""
        ...

    async def account_of_key(self, key_hash: str) -> AccountId | None:
        """The account of an API key, by the key's hash."""
        ...

    async def first_account(self, name: str, key_hash: str) -> bool:
        """Make the first account with its first key if there is none yet; tell whether it was made."""
        ...
