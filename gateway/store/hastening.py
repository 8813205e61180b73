"""What waits for a destination is due at once, oldest first, when the destination answers again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Integer, bindparam, literal_column, select, update

from gateway.model.lifecycle import State
from gateway.model.message import Direction
from gateway.store import tables
from gateway.store.session import Session, Statement, one_of
from gateway.store.tables import instant_text, json_text

MOST: Final = 500
"""Documents of one go: others write in between."""
_NOBODY: Final = "-"
_waiting: Final = tables.message.alias("waiting")


_HASTEN: Final = Statement(
    update(tables.message)
    .where(
        tables.message.c.id.in_(
            select(_waiting.c.id)
            .where(
                _waiting.c.next_attempt > bindparam("now"),
                _waiting.c.lease_until.is_(None),
                ((_waiting.c.state == literal_column(f"'{State.ACCEPTED}'")) & (_waiting.c.peer == bindparam("peer")))
                | (
                    (_waiting.c.state == literal_column(f"'{State.DIVERTED}'"))
                    & (_waiting.c.channel == bindparam("channel"))
                )
                | (
                    (_waiting.c.direction == literal_column(f"'{Direction.IN}'"))
                    & (_waiting.c.state == literal_column(f"'{State.RECEIVED}'"))
                    & _waiting.c.receiver.in_(one_of("receivers"))
                ),
            )
            .order_by(_waiting.c.next_attempt)
            .limit(bindparam("most", type_=Integer))
            .offset(literal_column("0"))
            .with_for_update(skip_locked=True)
        )
    )
    .values(next_attempt=tables.message.c.queued_since)
    .returning(tables.message.c.id),
    ("now", "peer", "channel", "receivers", "most"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hastening:
    """Whose documents: of an access point, of a fallback channel, or received for these participants."""

    now: datetime
    peer: str = ""
    channel: str = ""
    receivers: tuple[str, ...] = ()


def hasten(session: Session, jobs: Sequence[Hastening]) -> list[int]:
    """Let up to ``MOST`` postponed documents of each be due, those that have waited longest first; gives how many."""
    return [
        len(
            session.fetch(
                _HASTEN,
                (
                    instant_text(job.now),
                    job.peer or _NOBODY,
                    job.channel or _NOBODY,
                    json_text(job.receivers),
                    MOST,
                ),
            )
        )
        for job in jobs
    ]
