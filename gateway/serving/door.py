"""Who has come to a site and is not welcomed yet: in which order, and how many strangers in a moment.

A connection costs the event loop half a millisecond before its first octet is read. So callers that sent something good
lately come in first, of the others one of each address in turn, and while a caller we know is here strangers come in
so many in a moment: who only connects and leaves takes no more of the loop than that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Generic, Protocol, TypeVar

_T = TypeVar("_T")

STRANGERS: Final = 2
PAUSE: Final = 0.01
"""So many strangers in so many seconds, while somebody whom we know is here: 200 a second."""


class Favour(Protocol):
    """Whom a site prefers."""

    def known(self, address: str) -> bool:
        """Whether it sent something good lately."""
        ...

    def busy(self) -> bool:
        """Whether somebody whom we know was here a moment ago."""
        ...


class Nobody:
    """Everybody is a stranger, and nobody stands back."""

    def known(self, address: str) -> bool:
        return False

    def busy(self) -> bool:
        return False


class Door(Generic[_T]):
    """Those who wait, by address: each has its turn, so that a crowd of one delays itself only."""

    def __init__(self, favour: Favour, now: Callable[[], float]) -> None:
        self._favour, self._now = favour, now
        self._friends: dict[str, deque[_T]] = {}
        self._strangers: dict[str, deque[_T]] = {}
        self._left, self._again = 0, 0.0

    def put(self, address: str, guest: _T) -> bool:
        """Let it wait; gives whether it is one whom we know."""
        known = self._favour.known(address)
        (self._friends if known else self._strangers).setdefault(address, deque()).append(guest)
        return known

    def remove(self, address: str, guest: _T) -> None:
        """It does not wait any more."""
        for lines in (self._friends, self._strangers):
            line = lines.get(address)
            if line is not None and guest in line:
                line.remove(guest)
                if not line:
                    del lines[address]
                return

    def give_back(self) -> None:
        """Who came in just now had left already, and takes nobody's moment."""
        self._left = min(STRANGERS, self._left + 1)

    def next(self) -> _T | None:
        """Who comes in now; None when nobody waits, or only strangers whose moment has not come."""
        if self._friends:
            return _first(self._friends)
        if not self._strangers:
            return None
        if self._favour.busy():
            if (now := self._now()) >= self._again:
                self._left, self._again = STRANGERS, now + PAUSE
            if not self._left:
                return None
            self._left -= 1
        return _first(self._strangers)

    def pause(self) -> float | None:
        """Seconds until somebody may come in; None when nobody waits."""
        if self._friends:
            return 0.0
        if not self._strangers:
            return None
        return 0.0 if self._left or not self._favour.busy() else max(0.0, self._again - self._now())

    def clear(self) -> Iterator[_T]:
        """Everybody who still waits; they go."""
        for lines in (self._friends, self._strangers):
            for line in lines.values():
                yield from line
            lines.clear()


def _first(lines: dict[str, deque[_T]]) -> _T:
    address = next(iter(lines))
    line = lines.pop(address)
    guest = line.popleft()
    if line:
        lines[address] = line  # behind the others
    return guest
