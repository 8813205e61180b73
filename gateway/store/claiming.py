"""The statements by which a worker takes documents, and keeps them while it is at work.

Works of the writer, like those of ``documents.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Integer, bindparam, literal_column, select, update

from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import WORKABLE
from gateway.model.message import Direction, Message
from gateway.ports import ANY_SIZE
from gateway.store import tables
from gateway.store.documents import MESSAGE_COLUMNS
from gateway.store.session import Session, Statement, message_of, one_of
from gateway.store.steps import Current
from gateway.store.tables import instant_text, json_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who wants work, how much, and for how long."""

    owner: str
    limit: int
    now: datetime
    lease: timedelta
    without: tuple[str, ...] = ()
    """Receivers whose documents are left alone."""
    largest: int = ANY_SIZE
    """Octets of a document to be sent; larger ones are left alone."""
    begin: datetime | None = None
    """What was due before need not be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """Whose leases on which documents last until when."""

    owner: str
    ids: tuple[DocumentId, ...]
    until: datetime


def claim(session: Session, jobs: Sequence[Claim]) -> list[list[Message]]:
    """Lease due documents to each job in turn, those first that have been due longest."""
    return [_claim(session, job) for job in jobs]


_waiting: Final = tables.message.alias("waiting")
_WORKABLE: Final[list[ColumnElement[str]]] = [
    literal_column(f"'{state}'") for state in sorted(WORKABLE["out"] | WORKABLE["in"])
]
# A common table expression, which PostgreSQL does once; a plain subquery it might do again for each row.
_free: Final = (
    select(_waiting.c.id)
    .where(
        _waiting.c.next_attempt >= bindparam("begin"),
        _waiting.c.next_attempt <= bindparam("now"),
        _waiting.c.state.in_(_WORKABLE),
        _waiting.c.lease_until.is_(None) | (_waiting.c.lease_until <= bindparam("again_now")),
        _waiting.c.receiver.not_in(one_of("without")),
        (_waiting.c.direction == literal_column(f"'{Direction.IN}'"))
        | (_waiting.c.size <= bindparam("largest", type_=BigInteger)),
    )
    .order_by(_waiting.c.next_attempt)
    .limit(bindparam("most", type_=Integer))
    .offset(literal_column("0"))
    .with_for_update(skip_locked=True)
    .cte("free")
)
_CLAIM: Final = Statement(
    update(tables.message)
    .where(tables.message.c.id.in_(select(_free.c.id)))
    .values(
        lease_until=bindparam("until"),
        lease_owner=bindparam("owner"),
        attempts=tables.message.c.attempts + literal_column("1"),
    )
    .returning(*MESSAGE_COLUMNS, tables.message.c.evidence_count),
    ("begin", "now", "again_now", "without", "largest", "most", "until", "owner"),
    noted=True,
)


def _claim(session: Session, job: Claim) -> list[Message]:
    now, until = instant_text(job.now), instant_text(job.now + job.lease)
    begin = "" if job.begin is None else instant_text(job.begin)
    leaving_out = begin, now, now, json_text(job.without), job.largest
    rows = session.fetch(_CLAIM, (*leaving_out, job.limit, until, job.owner))
    messages = [message_of(row) for row in rows]
    if session.in_hand is not None:
        lease = datetime.fromisoformat(until)
        for message, row in zip(messages, rows, strict=True):
            session.in_hand.note(
                Current(message=message, lease_until=lease, lease_owner=job.owner, evidence_count=row[-1])
            )
    return sorted(messages, key=lambda message: (message.next_attempt or job.now, message.created))


_RENEW: Final = Statement(
    update(tables.message)
    .where(
        tables.message.c.id == bindparam("of_id"),
        tables.message.c.lease_owner == bindparam("owner"),
        tables.message.c.lease_until.is_not(None),
    )
    .values(lease_until=bindparam("until")),
    ("until", "of_id", "owner"),
)


def renew(session: Session, jobs: Sequence[Renewal]) -> list[None]:
    """Lengthen leases that nobody else has taken meanwhile."""
    for job in jobs:
        until = instant_text(job.until)
        session.write(_RENEW, [(until, of, job.owner) for of in job.ids])
    return [None] * len(jobs)
