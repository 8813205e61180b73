"""Receivers that did not answer the last time share few places, so that they never stop the others.

What is remembered is only who was postponed last; the document itself waits by its due date. A receiver that
answers again, well or badly, is forgotten at once. Kept in memory: after a restart each is learned anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.model.lifecycle import Event

_REMEMBERED: Final = 10_000
_LEFT_OUT: Final = 500
"""Most receivers that one claim can leave out; beyond that the database would read a very long list."""


@dataclass(slots=True)
class Silence:
    """Who is silent, and who may therefore begin nothing more just now."""

    _silent: dict[str, None] = field(default_factory=dict)

    def note(self, receiver: str, event: Event) -> None:
        """A step for this receiver has ended so. Only a transmission without an answer tells of silence."""
        failed = event.name in ("Postponed", "LostTrack", "GaveUp")
        if not receiver or (failed and event.sent_octets is None):
            return
        self._silent.pop(receiver, None)
        if failed:
            self._silent[receiver] = None  # the newest last
            while len(self._silent) > _REMEMBERED:
                del self._silent[next(iter(self._silent))]

    def left_out(self, in_hand: Iterable[str], *, most: int, few: int) -> list[str]:
        """Receivers of which nothing more may be begun.

        Any receiver holds at most ``most`` places, a silent one at most one, all silent ones together ``few``.
        """
        held = Counter(receiver for receiver in in_hand if receiver)
        full = [to for to, number in held.items() if number >= (1 if to in self._silent else most)]
        if sum(number for to, number in held.items() if to in self._silent) < few:
            return full
        newest = list(self._silent)[-_LEFT_OUT:]
        return [*full, *(to for to in newest if to not in held)]
