"""Those that did not answer the last time share few places, so that they never stop the others.

Counted are access points where they are known, since one that is silent is silent for all its receivers; a claim names
receivers. What is remembered is only who was postponed last; the document itself waits by its due date. Who answers
again, well or badly, is forgotten at once. Kept in memory: after a restart each is learned anew.
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
    _home: dict[str, str] = field(default_factory=dict)
    """Receiver to access point, as last seen; the newest last."""

    def note(self, receiver: str, event: Event, peer: str = "") -> None:
        """A step for this receiver, at this access point, has ended so.

        Only a transmission without an answer tells of silence.
        """
        failed = event.name in ("Postponed", "LostTrack", "GaveUp")
        if not receiver or (failed and (event.sent_octets is None or event.detail.get("failure") == "local")):
            return
        self._home.pop(receiver, None)
        if peer:
            self._home[receiver] = peer
        where = peer or receiver
        self._silent.pop(where, None)
        if failed:
            self._silent[where] = None  # the newest last
        for known in (self._silent, self._home):
            while len(known) > _REMEMBERED:
                del known[next(iter(known))]

    def left_out(self, in_hand: Iterable[str], *, most: int, few: int) -> list[str]:
        """Receivers of which nothing more may be begun.

        Any access point holds at most ``most`` places, a silent one at most one, all silent ones together ``few``.
        """
        held = Counter(self._home.get(receiver, receiver) for receiver in in_hand if receiver)
        full = {at for at, number in held.items() if number >= (1 if at in self._silent else most)}
        if sum(number for at, number in held.items() if at in self._silent) >= few:
            full.update(self._silent)
        if not full:
            return []
        behind = [receiver for receiver, at in self._home.items() if at in full][-_LEFT_OUT:]
        return [*behind, *[at for at in full if at not in behind][-_LEFT_OUT:]]
