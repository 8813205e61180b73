"""What a claim passes over is not read again by the next one.

A claim that leaves receivers out reads over all that is due for them. Where a hundred thousand documents wait for one
receiver, and it has as many places as one may have, each claim would read them all to find what comes behind; so the
next one begins where the last one ended, a little before: what was being committed meanwhile is due since it was made.
And for a few seconds only: a lease that has run out since may be among what was passed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from gateway.model.message import Message

BELIEVED_SECONDS: Final = 5.0
BEFORE: Final = timedelta(seconds=2)
"""How much earlier than a claim a document may be due that is committed after it, by this node's clock or another's."""
_MOST: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A claim that left out these receivers, and documents of more octets, found everything due before ``upto``."""

    without: frozenset[str]
    largest: int
    upto: datetime
    until: float


@dataclass(slots=True)
class Passed:
    """The claims of the last seconds."""

    _ways: list[_Way] = field(default_factory=list)

    def begin(self, without: Sequence[str], largest: int) -> datetime | None:
        """From which due time on such a claim need read; None: from the first.

        What an earlier claim passed over is left out by this one, too, if this one leaves out as much or more.
        """
        if not without:
            return None  # whoever leaves nobody out reads what it takes
        now, wanted = time.monotonic(), frozenset(without)
        self._ways = [way for way in self._ways if way.until > now]
        return max((w.upto for w in self._ways if w.without <= wanted and w.largest >= largest), default=None)

    def note(self, without: Sequence[str], largest: int, taken: Sequence[Message], limit: int, now: datetime) -> None:
        """Such a claim took these of at most so many; ``now`` is what it took for now."""
        if not without:
            return
        last = taken[-1].next_attempt if taken and len(taken) >= limit else None
        upto = min(last or now, now - BEFORE)
        wanted = frozenset(without)
        until = time.monotonic() + BELIEVED_SECONDS
        same = next((w for w in self._ways if w.without == wanted and w.largest == largest), None)
        if same is not None:  # the first look decides how long: somebody has to read everything now and then
            self._ways.remove(same)
            until = same.until
        self._ways.append(_Way(without=wanted, largest=largest, upto=upto, until=until))
        del self._ways[:-_MOST]

    def forget(self) -> None:
        """What was put off is due again, since an earlier time."""
        self._ways.clear()
