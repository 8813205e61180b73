"""The statements that add, claim and change documents, many at a time.

Each function is a :data:`~gateway.store.writer.Work`: it runs inside the writer's transaction, which holds the
write lock, so what it reads cannot change before its commit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, bindparam, delete, insert, select, update

from gateway.errors import GatewayError, NotFound
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.lifecycle import WORKABLE, State
from gateway.model.message import Direction, Message, PayloadKind, TimelineEntry
from gateway.store import tables
from gateway.store.octets import Kept
from gateway.store.steps import Change, Current

MESSAGE_FIELDS: Final = tuple(field.name for field in fields(Message))
MESSAGE_COLUMNS: Final = tuple(tables.message.c[name] for name in MESSAGE_FIELDS)
KEPT_COLUMNS: Final = ("sha256", "size", "packing", "octets", "file")

_CHANGING: Final = (
    *("state", "channel", "reason", "peer", "receiver", "sent_octets", "next_attempt", "queued_since", "updated"),
    *("acknowledged", "lease_until", "lease_owner", "evidence_count", "search"),
)
_WORKABLE: Final = tuple(sorted(state for states in WORKABLE.values() for state in states))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvidence:
    """Evidence whose octets are packed already."""

    kind: str
    media_type: str
    kept: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The document that stands in the store after ``add``."""

    message: Message
    fingerprint: str
    receipt: Kept | None
    new: bool

    @property
    def due(self) -> bool:
        """Whether it wants a worker now."""
        return self.new and self.message.next_attempt is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who wants work, how much, and for how long."""

    owner: str
    limit: int
    now: datetime
    lease: timedelta
    without: tuple[str, ...] = ()
    """Receivers whose documents are left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """Whose leases on which documents last until when."""

    owner: str
    ids: tuple[DocumentId, ...]
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of one document; ``account`` empty when the caller is not an account."""

    id: DocumentId
    change: Callable[[Current], Change]
    account: AccountId = AccountId("")
    evidence: tuple[KeptEvidence, ...] = ()
    part: Kept | None = None
    """The part that will be sent; once an earlier one may have been sent, that one stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """The document after its step, and whether it wants a worker now."""

    message: Message
    due: bool


@dataclass(slots=True)
class _Rows:
    """What is to be written, a list for each table, so that each is one statement."""

    messages: list[dict[str, object]] = field(default_factory=list)
    payloads: list[dict[str, object]] = field(default_factory=list)
    events: list[dict[str, object]] = field(default_factory=list)
    evidence: list[dict[str, object]] = field(default_factory=list)

    def add_proofs(self, message: Message, proofs: Sequence[KeptEvidence], time: datetime, first: int) -> list[str]:
        """Note the proofs; gives the names by which the timeline knows them."""
        names = []
        for number, proof in enumerate(proofs, start=first):
            row = {"kind": proof.kind, "media_type": proof.media_type, "time": time, "number": number}
            self.evidence.append({**row, "account": message.account, "message": message.id, **proof.kept.row()})
            names.append(evidence_name(number, proof.kind))
        return names

    def add_entry(self, message: Message, entry: TimelineEntry, evidence: list[str]) -> None:
        self.events.append(
            {
                "account": message.account,
                "message": message.id,
                "time": entry.time,
                "event": entry.event,
                "reason": entry.reason,
                "detail": entry.detail,
                "attempt": entry.attempt,
                "next_attempt": entry.next_attempt,
                "evidence": evidence,
            }
        )

    def insert(self, connection: Connection) -> None:
        """Insert everything; messages first, for the others refer to them."""
        for table, rows in (
            (tables.message, self.messages),
            (tables.payload, self.payloads),
            (tables.event, self.events),
            (tables.evidence, self.evidence),
        ):
            if rows:
                connection.execute(insert(table), rows)


def add(connection: Connection, jobs: Sequence[New]) -> list[Standing]:
    """Insert the documents whose key is new; for the others give the one that has the key."""
    keys = [once_key(job.message) for job in jobs]
    standing = dict(_with_keys(connection, [key for key in keys if key]))
    envelopes = _with_instances(connection, jobs)
    outcomes = []
    rows = _Rows()
    for given, key in zip(jobs, keys, strict=True):
        earlier = standing.get(key) if key else None
        if earlier is None:
            job = _seen_before(given, envelopes)
            added = Standing(message=job.message, fingerprint=job.fingerprint, receipt=job.receipt, new=True)
            outcomes.append(added)
            if key:
                standing[key] = replace(added, new=False)
            _note_new(rows, job, key)
        else:
            outcomes.append(earlier)
    rows.insert(connection)
    return outcomes


def _with_keys(connection: Connection, keys: list[str]) -> Iterable[tuple[str, Standing]]:
    if not keys:
        return
    known = tables.message
    wanted = select(*MESSAGE_COLUMNS, known.c.once_key, known.c.fingerprint).where(known.c.once_key.in_(keys))
    for row in connection.execute(wanted).mappings().all():
        message = message_of(row)
        yield (
            row["once_key"],
            Standing(
                message=message, fingerprint=row["fingerprint"], receipt=_receipt(connection, message.id), new=False
            ),
        )


def _with_instances(connection: Connection, jobs: Sequence[New]) -> dict[str, Message]:
    """The first document of each business envelope that these jobs may repeat under another MessageId.

    One that ended in trouble has not reached anybody, so it is no reason to withhold the next.
    """
    wanted = {key for job in jobs if job.twin is not None and (key := instance_key(job.message))}
    if not wanted:
        return {}
    known = tables.message
    query = select(*MESSAGE_COLUMNS, known.c.instance_key).where(
        known.c.instance_key.in_(wanted), known.c.state.not_in((State.FAILED, State.REJECTED))
    )
    rows = connection.execute(query.order_by(known.c.created.desc())).mappings()
    return {row["instance_key"]: message_of(row) for row in rows}  # the oldest comes last and stays


def _seen_before(job: New, envelopes: dict[str, Message]) -> New:
    key = instance_key(job.message)
    if job.twin is None or key is None:
        return job
    earlier = envelopes.setdefault(key, job.message)
    if earlier is job.message:
        return job
    message, entry = job.twin(job.message, earlier)
    return replace(job, message=message, entry=entry)


def _receipt(connection: Connection, id: DocumentId) -> Kept | None:
    proof = tables.evidence
    wanted = select(*(proof.c[name] for name in KEPT_COLUMNS)).where(proof.c.message == id, proof.c.kind == "receipt")
    row = connection.execute(wanted.order_by(proof.c.number).limit(1)).mappings().first()
    return None if row is None else Kept(**row)


def _note_new(rows: _Rows, job: New, key: str | None) -> None:
    message = job.message
    names = rows.add_proofs(message, job.evidence, job.entry.time, first=1)
    rows.add_entry(message, job.entry, names)
    row: dict[str, object] = {name: getattr(message, name) for name in MESSAGE_FIELDS}
    row |= {"once_key": key, "fingerprint": job.fingerprint, "search": search_text(message)}
    row |= {"evidence_count": len(names), "instance_key": instance_key(message)}
    rows.messages.append(row)
    for kind, kept in job.payloads.items():
        rows.payloads.append({"account": message.account, "message": message.id, "kind": kind, **kept.row()})


def claim(connection: Connection, jobs: Sequence[Claim]) -> list[list[Message]]:
    """Lease due documents to each job in turn, those first that have been due longest."""
    return [_claim(connection, job) for job in jobs]


def _claim(connection: Connection, job: Claim) -> list[Message]:
    waiting = tables.message.alias("waiting")
    due = (
        select(waiting.c.id)
        .where(
            waiting.c.next_attempt <= job.now,
            waiting.c.state.in_(_WORKABLE),
            waiting.c.lease_until.is_(None) | (waiting.c.lease_until <= job.now),
            waiting.c.receiver.not_in(job.without),
        )
        .order_by(waiting.c.next_attempt)
        .limit(job.limit)
        .with_for_update(skip_locked=True)
    )
    taken = (
        update(tables.message)
        .where(tables.message.c.id.in_(due))
        .values(lease_until=job.now + job.lease, lease_owner=job.owner, attempts=tables.message.c.attempts + 1)
        .returning(*MESSAGE_COLUMNS)
    )
    messages = [message_of(row) for row in connection.execute(taken).mappings()]
    return sorted(messages, key=lambda message: (message.next_attempt or job.now, message.created))


def renew(connection: Connection, jobs: Sequence[Renewal]) -> list[None]:
    """Lengthen leases that nobody else has taken meanwhile."""
    known = tables.message
    for job in jobs:
        held = known.c.id.in_(job.ids) & (known.c.lease_owner == job.owner) & known.c.lease_until.is_not(None)
        connection.execute(update(known).where(held).values(lease_until=job.until))
    return [None] * len(jobs)


def apply(connection: Connection, jobs: Sequence[Step]) -> list[Stepped | GatewayError]:
    """Do each step on the document as it is now; a refused step changes nothing."""
    current = _current(connection, {job.id for job in jobs})
    outcomes: list[Stepped | GatewayError] = []
    changed: dict[DocumentId, dict[str, object]] = {}
    parts: dict[DocumentId, dict[str, object]] = {}
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
            parts[job.id] = {"account": now.message.account, "kind": PayloadKind.PART, **job.part.row()}
        current[job.id] = now
        changed[job.id] = _changed_row(now)
        outcomes.append(Stepped(message=now.message, due=_wants_worker(now, change.entry.time)))
    if changed:
        connection.execute(_UPDATE, list(changed.values()))
    if parts:
        known = tables.payload
        connection.execute(delete(known).where(known.c.message.in_(parts), known.c.kind == PayloadKind.PART))
        rows.payloads += [{"message": message, **row} for message, row in parts.items()]
    rows.insert(connection)
    return outcomes


def _current(connection: Connection, ids: set[DocumentId]) -> dict[DocumentId, Current]:
    known = tables.message
    beside = ("lease_until", "lease_owner", "evidence_count")
    wanted = select(*MESSAGE_COLUMNS, *(known.c[name] for name in beside)).where(known.c.id.in_(ids))
    rows = connection.execute(wanted.with_for_update()).mappings()
    return {row["id"]: Current(message=message_of(row), **{name: row[name] for name in beside}) for row in rows}


def _note_change(rows: _Rows, job: Step, was: Current, change: Change, entry: TimelineEntry) -> Current:
    names = rows.add_proofs(change.message, job.evidence, entry.time, first=was.evidence_count + 1)
    rows.add_entry(change.message, entry, names)
    count = was.evidence_count + len(names)
    if change.keep_lease:
        return replace(was, message=change.message, evidence_count=count)
    return Current(message=change.message, evidence_count=count)


def _wants_worker(now: Current, at: datetime) -> bool:
    due = now.message.next_attempt
    return due is not None and due <= at and now.lease_until is None


def _changed_row(now: Current) -> dict[str, object]:
    row: dict[str, object] = {f"new_{name}": getattr(now.message, name) for name in _CHANGING if name in MESSAGE_FIELDS}
    row |= {"new_lease_until": now.lease_until, "new_lease_owner": now.lease_owner}
    row |= {"new_evidence_count": now.evidence_count, "new_search": search_text(now.message)}
    return {**row, "of_id": now.message.id}


_UPDATE: Final = (
    update(tables.message)
    .where(tables.message.c.id == bindparam("of_id"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGING})
)


def once_key(message: Message) -> str | None:
    """The key that only one document may have, or None: inbound seat and MessageId, outbound account and key."""
    if message.direction is Direction.IN:
        return inbound_key(message.peer, message.message_id)
    return json.dumps(["out", message.account, message.idempotency_key]) if message.idempotency_key else None


def inbound_key(seat: str, message_id: str) -> str:
    """The key of a received message. JSON, so that no two pairs can be written alike."""
    return json.dumps(["in", seat, message_id])


def instance_key(message: Message) -> str | None:
    """What one business envelope has in common however often it is sent: account, sender's seat, receiver, its id."""
    if message.direction is not Direction.IN or not message.instance_id:
        return None
    return json.dumps(["sbd", message.account, message.peer, message.receiver, message.instance_id])


def search_text(message: Message) -> str:
    """What a search in lists looks at, case-folded."""
    words = (
        *(message.number, message.seller_name, message.buyer_name, message.sender, message.receiver),
        *(message.id, message.message_id, message.instance_id),
    )
    return "\n".join(word for word in words if word).casefold()


def evidence_name(number: int, kind: str) -> str:
    """How the timeline and the evidence archive call a proof: ``02-receipt``."""
    return f"{number:02}-{kind}"


def message_of(row: RowMapping) -> Message:
    """Read a document from its row."""
    values: dict[str, Any] = {name: row[name] for name in MESSAGE_FIELDS}
    return Message(**values)
