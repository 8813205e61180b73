"""Answers of a moment ago: what many documents ask alike, one after another, is read once.

An answer is believed until this process has written anything that may change it, and for no longer than another
process's change may go unnoticed.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

UNNOTICED_SECONDS: Final = 0.5
"""How long another process's change may go unnoticed."""
_MOST: Final = 10_000


@dataclass(slots=True)
class Remembered(Generic[K, V]):
    """The answers to one kind of question."""

    changes: int = 0
    """Counts the times that all was forgotten: an answer that was read before the last of them is not kept."""
    _known: dict[K, tuple[float, V]] = field(default_factory=dict)

    def find(self, key: K) -> V | None:
        """The answer, if it is still to be believed."""
        known = self._known.get(key)
        return known[1] if known is not None and known[0] > time.monotonic() else None

    def keep(self, key: K, answer: V, changes: int) -> V:
        """Remember the answer; ``changes`` as they were before it was read."""
        if changes == self.changes:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = (time.monotonic() + UNNOTICED_SECONDS, answer)
        return answer

    def forget(self) -> None:
        """Something was written."""
        self.changes += 1
        self._known.clear()
