"""One time for all nodes: that of their database.

Whether a lease has run out must not depend on who asks. A node whose clock is ten minutes ahead would else take away
what another has in hand, and both would send it. So on PostgreSQL every moment that the store writes or compares is the
server's: read with each new connection and once a minute, carried on by the monotonic clock in between, so that a jump
of this machine's clock changes nothing either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from gateway.ports import Clock

_TOLERATED_SECONDS: Final = 0.5
"""Clocks of machines with a time service differ by less: then our own time is as good."""


@dataclass(slots=True)
class SharedClock:
    """Our clock, put right by what the database's said."""

    own: Clock
    wall: Callable[[], float] = time.time
    """This machine's clock, seconds since 1970."""
    _theirs: float | None = field(default=None, init=False)
    """What both said at one moment: seconds since 1970, and of the monotonic clock."""
    _at: float = field(default=0.0, init=False)

    def now(self) -> datetime:
        return self.own.now() + self.ahead()

    def ahead(self) -> timedelta:
        """By how much the database's clock is ahead of this machine's; zero where it is next to nothing."""
        if self._theirs is None:
            return timedelta()
        seconds = self._theirs + time.monotonic() - self._at - self.wall()
        return timedelta(seconds=seconds) if abs(seconds) > _TOLERATED_SECONDS else timedelta()

    def told(self, theirs: datetime) -> None:
        """The database says that it is now so late."""
        self._theirs, self._at = theirs.timestamp(), time.monotonic()
