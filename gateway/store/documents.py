"""The statements that add, claim and change documents, many at a time.

Each function is a :data:`~gateway.store.writer.Work`: it runs inside the writer's transaction. SQLite's holds the
write lock, and for PostgreSQL each statement locks what it decides about, so that cannot change before the commit. Rows
are tuples in the order of their table's columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, delete, literal_column, select, update

from gateway.errors import GatewayError, NotFound
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.lifecycle import State
from gateway.model.message import Message, PayloadKind, TimelineEntry
from gateway.model.often import made_often
from gateway.store import tables
from gateway.store.hosts import kept_of, with_host
from gateway.store.keys import evidence_name, instance_key, once_key, search_text
from gateway.store.packing import Kept
from gateway.store.session import (
    MESSAGE_FIELDS,
    Row,
    Session,
    Statement,
    insertion,
    message_of,
    message_values,
    writer_of,
)
from gateway.store.steps import Change, Current
from gateway.store.tables import instant_text, json_text, repeated_json_text
from gateway.store.words import UNSAID, words_gone

MESSAGE_COLUMNS: Final = tuple(tables.message.c[name] for name in MESSAGE_FIELDS)

_CHANGING: Final = (
    *("state", "channel", "reason", "receiver", "peer", "sent_octets", "next_attempt", "queued_since", "updated"),
    *("acknowledged", "links"),
)
_SEEN: Final = ("account", "attempts", *_CHANGING)
"""What tells whether a document is still as somebody has it: nothing else of it ever changes."""
_seen_values: Final = writer_of(*_SEEN)
_BESIDE: Final = ("lease_until", "lease_owner", "evidence_count")


class KeptEvidence(NamedTuple):
    """Evidence whose octets are packed already."""

    kind: str
    media_type: str
    kept: Kept


class New(NamedTuple):
    """A document to add, unless there is one with its key."""

    message: Message
    fingerprint: str
    entry: TimelineEntry
    payloads: dict[PayloadKind, Kept]
    evidence: tuple[KeptEvidence, ...]
    twin: Callable[[Message, Message], tuple[Message, TimelineEntry]] | None = None

    @property
    def receipt(self) -> Kept | None:
        return next((proof.kept for proof in self.evidence if proof.kind == "receipt"), None)


class Standing(NamedTuple):
    """The document that stands in the store after ``add``."""

    message: Message
    fingerprint: str
    receipt: Kept | None
    """What was answered; left out of one that is new, whose caller has it."""
    new: bool

    @property
    def due(self) -> bool:
        """Whether it wants a worker now."""
        return self.new and self.message.next_attempt is not None


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of one document; ``account`` empty when the caller is not an account."""

    id: DocumentId
    change: Callable[[Current], Change]
    known: Message | None = None
    """The document as the caller has it: while the row says the same, it is not read whole."""
    account: AccountId = AccountId("")
    evidence: tuple[KeptEvidence, ...] = ()
    part: Kept | None = None
    """The part that will be sent; once an earlier one may have been sent, that one stays."""
    follow: New | None = None
    """A document that this step gives rise to: added in the same commit, unless there is one with its key."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """The document after its step, and whether it wants a worker now."""

    message: Message
    due: bool


@dataclass(slots=True)
class _Rows:
    """What belongs to documents and is to be written, a list for each table, so that each is one statement."""

    payloads: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    evidence: list[Row] = field(default_factory=list)

    def add_payload(self, message: Message, kind: PayloadKind, kept: Kept) -> None:
        self.payloads.append((message.account, message.id, kind.value, *kept.columns))

    def add_proofs(self, message: Message, proofs: Sequence[KeptEvidence], time: str, first: int) -> None:
        for number, proof in enumerate(proofs, start=first):
            known = (message.account, message.id, number, proof.kind, proof.media_type, time)
            self.evidence.append((*known, *proof.kept.columns))

    def add_entry(
        self, message: Message, entry: TimelineEntry, time: str, proofs: Sequence[KeptEvidence], first: int
    ) -> None:
        names = _names_text(first, *[proof.kind for proof in proofs]) if proofs else "[]"
        due = None if entry.next_attempt is None else instant_text(entry.next_attempt)
        detail = repeated_json_text(entry.detail)
        self.events.append(
            (message.account, message.id, time, entry.event, entry.reason, detail, entry.attempt, due, names)
        )

    def insert(self, session: Session) -> None:
        """Insert everything; the documents must be there, for all this refers to them."""
        session.write(_INSERT_PAYLOAD, self.payloads)
        if self.events:
            # Whoever reads events by their number must never see a higher one before a lower one.
            session.alone(["event"])
        session.write(_INSERT_EVENT, self.events)
        session.write(_INSERT_EVIDENCE, self.evidence)


@lru_cache(256)
def _names_text(first: int, *kinds: str) -> str:
    """The names by which the timeline knows proofs that are numbered from the first on."""
    return json_text([evidence_name(number, kind) for number, kind in enumerate(kinds, start=first)])


_INSERT_MESSAGE: Final = insertion(tables.message, once="once_key")
_INSERT_PAYLOAD: Final = insertion(tables.payload)
_INSERT_EVENT: Final = insertion(tables.event)
_INSERT_EVIDENCE: Final = insertion(tables.evidence)
# A new document's columns after those of its fields are in this order.
assert _INSERT_MESSAGE.names == (
    *MESSAGE_FIELDS,
    *("once_key", "instance_key", "fingerprint", "lease_until", "lease_owner", "evidence_count", "search"),
)


def add(session: Session, jobs: Sequence[New]) -> list[Standing]:
    """Insert the documents whose key is new; for the others give the one that has the key.

    The unique key decides, not a look beforehand. Jobs of one batch that share a business envelope go one after
    another, since the second must know whether the first was new.
    """
    keys = [(once_key(job.message), instance_key(job.message)) for job in jobs]
    repeatable = [envelope if job.twin is not None else None for job, (_, envelope) in zip(jobs, keys, strict=True)]
    envelopes = _first_of_each(session, {envelope for envelope in repeatable if envelope})
    outcomes: list[Standing | None] = [None] * len(jobs)
    rows, taken = _Rows(), dict[str, New]()
    left = list(range(len(jobs)))
    while left:
        now, left = _one_of_each(left, repeatable)
        seen = [_seen_before(jobs[place], envelopes.get(repeatable[place] or "")) for place in now]
        values = [_new_row(job, *keys[place]) for place, job in zip(now, seen, strict=True)]
        fresh = session.write_once(_INSERT_MESSAGE, values)
        for place, job, is_new in zip(now, seen, fresh, strict=True):
            key, envelope = keys[place][0], repeatable[place]
            if is_new:
                outcomes[place] = Standing(message=job.message, fingerprint=job.fingerprint, receipt=None, new=True)
                if key:
                    taken[key] = job
                if envelope:
                    envelopes.setdefault(envelope, job.message)
                _note_new(rows, job)
            else:
                assert key
                first = taken.get(key)
                outcomes[place] = _standing(session, key) if first is None else _standing_now(first)
    rows.insert(session)
    added_all = [outcome for outcome in outcomes if outcome is not None]
    if any(added.due for added in added_all):
        session.wake()
    return added_all


def _one_of_each(left: list[int], envelopes: Sequence[str | None]) -> tuple[list[int], list[int]]:
    """The places of jobs that share no envelope with one before them, and those of the others."""
    if len(left) == 1:
        return left, []
    now, later, seen = list[int](), list[int](), set[str]()
    for place in left:
        envelope = envelopes[place]
        (later if envelope in seen else now).append(place)
        if envelope:
            seen.add(envelope)
    return now, later


_BY_ONCE_KEY: Final = Statement(
    select(*MESSAGE_COLUMNS, tables.message.c.fingerprint).where(tables.message.c.once_key == bindparam("once_key")),
    ("once_key",),
)

_RECEIPT: Final = Statement(
    with_host(tables.evidence, lambda host: host.c.number == tables.evidence.c.number - literal_column("1"))
    .where(tables.evidence.c.message == bindparam("message"), tables.evidence.c.kind == literal_column("'receipt'"))
    .order_by(tables.evidence.c.number)
    .limit(literal_column("1"))
    .offset(literal_column("0")),
    ("message",),
)
# Hardly any is known: the index alone says so, at a third of what a document's many columns cost.
_KNOWN_ENVELOPE: Final = Statement(
    select(tables.message.c.instance_key).where(tables.message.c.instance_key == bindparam("instance_key")).distinct(),
    ("instance_key",),
)
# One that ended in trouble has not reached anybody, so it is no reason to withhold the next.
_FIRST_OF_ENVELOPE: Final = Statement(
    select(*MESSAGE_COLUMNS, tables.message.c.instance_key)
    .where(
        tables.message.c.instance_key == bindparam("instance_key"),
        tables.message.c.state.not_in([literal_column(f"'{state}'") for state in (State.FAILED, State.REJECTED)]),
    )
    .order_by(tables.message.c.created)
    .limit(literal_column("1"))
    .offset(literal_column("0")),
    ("instance_key",),
)


def _standing(session: Session, key: str) -> Standing:
    (row,) = session.fetch(_BY_ONCE_KEY, (key,))
    message = message_of(row)
    receipt = session.fetch(_RECEIPT, (message.id,))
    kept = kept_of(receipt[0]) if receipt else None
    return Standing(message=message, fingerprint=row[-1], receipt=kept, new=False)


def _standing_now(job: New) -> Standing:
    """What the same transaction has added."""
    return Standing(message=job.message, fingerprint=job.fingerprint, receipt=job.receipt, new=False)


def _first_of_each(session: Session, envelopes: set[str]) -> dict[str, Message]:
    """The first document of each business envelope that may be repeated under another MessageId."""
    session.alone(envelopes)
    known = {key for (key,) in session.fetch_each(_KNOWN_ENVELOPE, envelopes)}
    return {row[-1]: message_of(row) for row in session.fetch_each(_FIRST_OF_ENVELOPE, known)}


def _seen_before(job: New, earlier: Message | None) -> New:
    if earlier is None or job.twin is None:
        return job
    message, entry = job.twin(job.message, earlier)
    return job._replace(message=message, entry=entry)


def _new_row(job: New, once: str | None, envelope: str | None) -> Row:
    keys = (once, envelope, job.fingerprint)
    return (*message_values(job.message), *keys, None, "", len(job.evidence), search_text(job.message))


def _note_new(rows: _Rows, job: New) -> None:
    message, time = job.message, instant_text(job.entry.time)
    rows.add_proofs(message, job.evidence, time, first=1)
    rows.add_entry(message, job.entry, time, job.evidence, first=1)
    for kind, kept in job.payloads.items():
        rows.add_payload(message, kind, kept)


_CURRENT: Final = Statement(
    select(*MESSAGE_COLUMNS, *(tables.message.c[name] for name in _BESIDE))
    .where(tables.message.c.id == bindparam("of_id"))
    .with_for_update(),
    ("of_id",),
)
_GLANCE: Final = Statement(
    select(tables.message.c.id, *(tables.message.c[name] for name in (*_SEEN, *_BESIDE)))
    .where(tables.message.c.id == bindparam("of_id"))
    .with_for_update(),
    ("of_id",),
)


def _update_of(*names: str) -> Statement:
    changes: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    core = update(tables.message).where(tables.message.c.id == bindparam("of_id")).values(changes)
    return Statement(core, (*(f"new_{name}" for name in names), "of_id"), noted=True)


_STEPPING: Final = tuple(name for name in _CHANGING if name != "receiver")
_stepping_values: Final = writer_of(*_STEPPING)
_UPDATE: Final = _update_of(*_STEPPING, *_BESIDE)
# These are in no index that has a row for a document on its way: none of those is written anew.
_slight_values: Final = writer_of("peer", "sent_octets", "updated")
_SLIGHT_UPDATE: Final = _update_of("peer", "sent_octets", "updated")
_READDRESS: Final = _update_of("receiver", "search")
_NO_PART: Final = Statement(
    delete(tables.payload).where(
        tables.payload.c.message == bindparam("message"),
        tables.payload.c.kind == literal_column(f"'{PayloadKind.PART}'"),
    ),
    ("message",),
)


def apply(session: Session, jobs: Sequence[Step]) -> list[Stepped | GatewayError]:
    """Do each step on the document as it is now; a refused step changes nothing."""
    current = _current(session, {job.id: job.known for job in jobs})
    outcomes: list[Stepped | GatewayError] = []
    changed: dict[DocumentId, Current] = {}
    slightly: dict[DocumentId, Current] = {}
    readdressed: dict[DocumentId, Row] = {}
    unsaid: list[Row] = []
    parts: dict[DocumentId, tuple[Message, Kept]] = {}
    follows: list[New] = []
    rows = _Rows()
    for job in jobs:
        was = current.get(job.id)
        if was is None or (job.account and was.message.account != job.account):
            outcomes.append(NotFound(f"There is no document {job.id}"))
            continue
        try:
            change = job.change(was)
        except GatewayError as refusal:
            outcomes.append(refusal)
            continue
        if change.entry is None:
            outcomes.append(Stepped(message=change.message, due=False))
            continue
        now = _note_change(rows, job, was, change, change.entry)
        if job.part is not None and not was.message.sent_octets:
            parts[job.id] = (now.message, job.part)
        if now.message.receiver != was.message.receiver:
            readdressed[job.id] = (now.message.receiver, search_text(now.message), job.id)
            unsaid += words_gone(was.message, now.message)
        current[job.id] = now
        slight = change.slight and not job.evidence and job.id not in changed
        (slightly if slight else changed)[job.id] = now
        if job.follow is not None:
            follows.append(job.follow)
        due = job.follow is not None or _wants_worker(now, change.entry.time)
        outcomes.append(Stepped(message=now.message, due=due))
    session.write(_UPDATE, [_changed_row(now) for now in changed.values()])
    session.write(_SLIGHT_UPDATE, [(*_slight_values(slightly[of].message), of) for of in slightly.keys() - changed])
    session.write(_READDRESS, list(readdressed.values()))
    session.write(UNSAID, unsaid)
    if session.in_hand is not None:
        for of in changed.keys() | slightly.keys():
            session.in_hand.note(current[of])
    session.write(_NO_PART, [(of,) for of in parts])
    for message, part in parts.values():
        rows.add_payload(message, PayloadKind.PART, part)
    rows.insert(session)
    if follows:
        add(session, follows)
    if any(isinstance(outcome, Stepped) and outcome.due for outcome in outcomes):
        session.wake()
    return outcomes


def _current(session: Session, known: dict[DocumentId, Message | None]) -> dict[DocumentId, Current]:
    found: dict[DocumentId, Current] = {}
    unknown: list[DocumentId] = []
    unseen = sorted(known)  # everybody locks in one order
    if session.in_hand is not None:
        seen = {of: session.in_hand.get(of) for of in unseen}
        found = {of: current for of, current in seen.items() if current is not None}
        unseen = [of for of in unseen if of not in found]
    for row in session.fetch_each(_GLANCE, unseen):
        message = known[row[0]]
        if message is not None and list(row[1:-3]) == _seen_values(message):
            found[row[0]] = _current_of(message, row)
        else:
            unknown.append(row[0])
    for row in session.fetch_each(_CURRENT, unknown):
        found[row[0]] = _current_of(message_of(row), row)
    return found


def _current_of(message: Message, row: Row) -> Current:
    until, owner, count = row[-3:]
    lease = datetime.fromisoformat(until) if until else None
    return Current(message=message, lease_until=lease, lease_owner=owner, evidence_count=count)


def _note_change(rows: _Rows, job: Step, was: Current, change: Change, entry: TimelineEntry) -> Current:
    time = instant_text(entry.time)
    first = was.evidence_count + 1
    rows.add_proofs(change.message, job.evidence, time, first)
    rows.add_entry(change.message, entry, time, job.evidence, first)
    count = was.evidence_count + len(job.evidence)
    if not change.keep_lease:
        return Current(message=change.message, evidence_count=count)
    return Current(
        message=change.message, lease_until=was.lease_until, lease_owner=was.lease_owner, evidence_count=count
    )


def _wants_worker(now: Current, at: datetime) -> bool:
    due = now.message.next_attempt
    return due is not None and due <= at and now.lease_until is None


def _changed_row(now: Current) -> Row:
    until = None if now.lease_until is None else instant_text(now.lease_until)
    return (*_stepping_values(now.message), until, now.lease_owner, now.evidence_count, now.message.id)
