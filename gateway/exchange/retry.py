"""When to try again: doubling pauses inside a window, then an end.

Source: AS4 reception awareness leaves number and interval to the parties; the window is ``sending.retry_for``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.model.lifecycle import Event, State
from gateway.model.message import Direction, Message

_JITTER: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Pauses of ``first``, then twice as long each time up to ``longest``, for as long as ``window``."""

    first: timedelta
    longest: timedelta
    window: timedelta
    ahead: Callable[[], timedelta] = timedelta
    """By how much the clock has jumped forward: the window is longer by that, so that nothing is given up for it."""

    def after(self, message: Message, reason: str, now: datetime, *, sent: bool = False, wait: float = 0.0) -> Event:
        """What follows a failed attempt: ``Postponed``, or the end of the window.

        ``wait``: seconds that the far side asks for; the pause is not shorter, as long as the window is not over.
        At the end a document whose octets may have arrived is ``LostTrack`` (never another channel), any other
        ``GaveUp``.
        """
        may_have_arrived = sent or message.sent_octets
        since = message.queued_since or message.created
        due, end = now + self._pause(now - since), since + self.window + self.ahead()
        if due <= end:
            due = max(due, min(now + timedelta(seconds=wait), end))
            return Event(name="Postponed", reason=reason, next_attempt=due, sent_octets=sent or None)
        span = _in_words(self.window)
        if may_have_arrived and message.direction is Direction.OUT:
            proof = "No answer of the channel" if message.state is State.DIVERTED else "No valid receipt"
            text = f"{proof} within {span}; the receiver may have it. Last: {reason}"
            return Event(name="LostTrack", reason=text, sent_octets=True)
        return Event(name="GaveUp", reason=f"Not possible within {span}. Last: {reason}")

    def _pause(self, waited: timedelta) -> timedelta:
        """As long as it has waited already, so that each pause is about twice the one before."""
        pause = min(max(waited, self.first), self.longest)
        return pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load, hides nothing


def _in_words(span: timedelta) -> str:
    days = span / timedelta(days=1)
    number, unit = (days, "day") if days >= 1 else (days * 24, "hour")
    return f"{number:.3g} {unit}{'' if number == 1 else 's'}"
