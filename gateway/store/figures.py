"""What waits, as figures: for the door, the probes and the metrics."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from gateway.ports import Queue
from gateway.store.tables import message

OVERDUE: Final = timedelta(minutes=5)
"""How long after its time a document may still be waiting for a worker before somebody should look."""


def queue(connection: Connection, *, most: int, now: datetime) -> Queue:
    """Count what waits for a worker, no kind further than ``most``."""
    due, lease = message.c.next_attempt, message.c.lease_until
    waiting = select(message.c.id).where(due.is_not(None)).limit(most).subquery()
    overdue = select(message.c.id).where(due < now - OVERDUE, lease.is_(None) | (lease <= now)).limit(most).subquery()
    first = select(due).where(due.is_not(None)).order_by(due).limit(1)
    return Queue(
        waiting=connection.execute(select(func.count()).select_from(waiting)).scalar_one(),
        overdue=connection.execute(select(func.count()).select_from(overdue)).scalar_one(),
        oldest=connection.execute(first).scalar_one_or_none(),
    )
