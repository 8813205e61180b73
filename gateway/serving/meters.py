"""What happened in this process, counted: answers by kind, and how long they took in buckets.

What the store knows is not counted here but read from it (``Operation.ledger``), so that it is equal to the store
whatever was killed in between. The counters of several processes are added up by :mod:`gateway.serving.board`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

RECEIPT_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
HANDOVER_SECONDS: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3_600.0, 86_400.0)
ANSWERS: Final = "as4"
RECEIPTS: Final = "receipt"
HANDOVERS: Final = "handover"
_BOUNDS: Final = {RECEIPTS: RECEIPT_SECONDS, HANDOVERS: HANDOVER_SECONDS}
_BUCKETS: Final = {
    name: (*(f"{name} {bound:g}" for bound in bounds), f"{name} +Inf") for name, bounds in _BOUNDS.items()
}


@dataclass(slots=True)
class Meters:
    """Counters by name; each name is one series."""

    counts: Counter[str] = field(default_factory=Counter)

    def answered(self, kind: str, seconds: float) -> None:
        """A message was answered: ``receipt``, an ebMS error code, or an HTTP status."""
        self.counts[f"{ANSWERS} {kind}"] += 1
        if kind == "receipt":
            self._observe(RECEIPTS, seconds)

    def handed_over(self, seconds: float) -> None:
        """C4 has a document, so long after it was received."""
        self._observe(HANDOVERS, max(0.0, seconds))

    def _observe(self, name: str, seconds: float) -> None:
        self.counts[_BUCKETS[name][bisect_left(_BOUNDS[name], seconds)]] += 1
        self.counts[f"{name} ms"] += round(seconds * 1000)


def kinds(counts: Mapping[str, float]) -> list[tuple[str, float]]:
    """The kinds of answers and how many of each."""
    return [(name.partition(" ")[2], n) for name, n in sorted(counts.items()) if name.startswith(f"{ANSWERS} ")]


def histogram(counts: Mapping[str, float], name: str) -> tuple[list[tuple[str, float]], float]:
    """(bound, how many took no longer) for each bound, and the seconds of all together."""
    rows: list[tuple[str, float]] = []
    total = 0.0
    for bound in (*(f"{bound:g}" for bound in _BOUNDS[name]), "+Inf"):
        total += counts.get(f"{name} {bound}", 0)
        rows.append((bound, total))
    return rows, counts.get(f"{name} ms", 0) / 1000
