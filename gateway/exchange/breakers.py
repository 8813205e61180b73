"""Circuit breakers: a destination that did not answer several times in a row is left alone for a while.

A destination is what fails as a whole: another access point (its seat), a fallback channel, a way to C4. While its
breaker is open nothing is tried there, so nobody waits for it; then one document at a time may try (half open), and
the first that gets an answer, good or bad, closes it. Only failures of the far side count: ours say nothing about it.
Kept in memory by each process: after a restart each destination is learned anew. Pauses follow the monotonic clock, so
that a jump of the wall clock neither opens nor holds one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.errors import AtRest, GatewayError

FAILURES: Final = 3
"""In a row, until the breaker opens."""
FIRST_PAUSE: Final = 30.0
LONGEST_PAUSE: Final = 600.0
"""Seconds; each pause is twice the one before."""
_PROBE_SECONDS: Final = 300.0
"""Longer than any try takes: a probe of which nothing was heard by then has died."""
_WHILE_PROBED: Final = 5.0
_JITTER: Final = 0.1
_MOST: Final = 10_000


@dataclass(slots=True)
class _Breaker:
    failures: int = 0
    reason: str = ""
    since: float = 0.0
    pause: float = 0.0
    """0 while it is closed."""
    until: float = 0.0
    """Open until then; when it is over, or 0 while a probe is under way."""
    probe: float = 0.0
    """Until when the word of a probe is awaited; 0 without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one destination stands: only those that failed last are known."""

    destination: str
    state: Literal["closed", "open", "half-open"]
    failures: int
    """In a row."""
    seconds: float
    """Since the first of them."""
    wait: float
    """Seconds until it is tried again."""
    reason: str
    """The last failure, in words."""


@dataclass(slots=True)
class Breakers:
    """The breakers of all destinations that one process talks to."""

    seconds: Callable[[], float] = time.monotonic
    after: int = FAILURES
    """So many failures in a row open a breaker; 0: none ever opens."""
    _known: dict[str, _Breaker] = field(default_factory=dict)
    _reopened: list[str] = field(default_factory=list)

    @contextmanager
    def trying(self, destination: str) -> Iterator[None]:
        """Try it inside the block: what is raised there decides, and nothing raised is an answer.

        Raises ``AtRest`` instead of entering while the breaker is open.
        """
        self._enter(destination)
        try:
            yield
        except GatewayError as error:
            self._note(destination, error)
            raise
        except BaseException:
            self._unheard(destination)
            raise
        else:
            self._answered(destination)

    def standing(self) -> list[Standing]:
        """Each destination that failed last, those that are left alone first."""
        now = self.seconds()
        rows = [
            Standing(
                destination=name,
                state="closed" if not b.pause else "open" if not b.probe and now < b.until else "half-open",
                failures=b.failures,
                seconds=now - b.since,
                wait=max(0.0, b.until - now) if b.pause else 0.0,
                reason=b.reason,
            )
            for name, b in self._known.items()
        ]
        return sorted(rows, key=lambda row: (row.state == "closed", row.destination))

    def _enter(self, destination: str) -> None:
        breaker = self._known.get(destination)
        if breaker is None or not breaker.pause:
            return
        now = self.seconds()
        wait = breaker.until - now
        if breaker.probe and now < breaker.probe:
            wait = max(wait, _WHILE_PROBED)
        elif wait <= 0:
            breaker.probe = now + _PROBE_SECONDS
            return
        raise AtRest(
            f"{destination} is left alone: it failed {breaker.failures} times in a row. Last: {breaker.reason}",
            wait=_spread(wait),
        )

    def _note(self, destination: str, error: GatewayError) -> None:
        if error.failure == "business":
            self._answered(destination)
            return
        if error.failure == "local":
            self._unheard(destination)
            return
        now = self.seconds()
        breaker = self._known.get(destination)
        if breaker is None:
            while len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            breaker = self._known[destination] = _Breaker(since=now)
        probed, breaker.probe = bool(breaker.probe), 0.0
        breaker.failures += 1
        breaker.reason = str(error)
        if breaker.pause and not probed:
            return  # one that had begun before it opened
        if probed or 0 < self.after <= breaker.failures:
            breaker.pause = min(breaker.pause * 2, LONGEST_PAUSE) if breaker.pause else FIRST_PAUSE
            breaker.until = now + _spread(breaker.pause)

    def reopened(self) -> list[str]:
        """Destinations whose breakers have closed since the last call: what waits for them need not wait longer."""
        reopened, self._reopened = self._reopened, []
        return reopened

    def _answered(self, destination: str) -> None:
        breaker = self._known.pop(destination, None)
        if breaker is not None and breaker.pause:
            self._reopened.append(destination)

    def _unheard(self, destination: str) -> None:
        """Nothing was learned of the far side: the next one may probe at once."""
        breaker = self._known.get(destination)
        if breaker is not None:
            breaker.probe = 0.0


def _spread(seconds: float) -> float:
    return seconds * random.uniform(1, 1 + _JITTER)  # noqa: S311 - spreads load, hides nothing
