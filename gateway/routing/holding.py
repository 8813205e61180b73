"""How long a receiver that has just vanished is waited for, and how long one that refuses is left alone.

A move between operators leaves a gap in which the network says "not registered" with authority. So a relation that was
active is doubted first: the invoice waits, the network is asked again after 5, 15, 60 and 180 minutes, and only after
four hours does the invoice take another way; the relation is lost after a day. "Don't know" starts none of these
clocks.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

ASK_AGAIN: Final = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 60, 180))
"""After the first authoritative negative."""
HOLD: Final = timedelta(hours=4)
"""The longest that one invoice waits for a receiver that has vanished."""
LOST_AFTER: Final = timedelta(hours=24)
REFUSALS: Final = 3
"""Definitive refusals by one participant, of at least two invoices, in a day; unless set otherwise."""
REFUSED_INVOICES: Final = 2
REFUSALS_WITHIN: Final = timedelta(hours=24)
PROBES: Final = tuple(timedelta(hours=hours) for hours in (1, 4, 24))
"""One invoice at a time is tried after these pauses; then the relation is lost."""
FRESH: Final = timedelta(hours=12)
"""A positive answer that is younger is not written down again."""


def next_question(denied: datetime, now: datetime, accepted: datetime) -> datetime | None:
    """When the network is asked again for an invoice accepted at that time; None when it has waited long enough.

    ``denied``: the first authoritative negative.
    """
    end = accepted + HOLD
    if now >= end or now - denied >= LOST_AFTER:
        return None
    planned = [denied + pause for pause in ASK_AGAIN if denied + pause > now]
    following = min(planned, default=now + ASK_AGAIN[2])
    return min(following, end)


def is_lost(denied: datetime, now: datetime) -> bool:
    """Whether a doubted relation is lost by now."""
    return now - denied >= LOST_AFTER


def refuses(times: int, documents: int, most: int = REFUSALS) -> bool:
    """Whether a participant has refused often enough to be left alone; ``most`` 0: it never is."""
    return bool(most) and times >= most and documents >= REFUSED_INVOICES


def next_probe(tried: int) -> timedelta | None:
    """The pause before the next invoice may try; None when it was tried often enough."""
    return PROBES[tried] if tried < len(PROBES) else None
