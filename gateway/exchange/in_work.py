"""What is being taken in right now: the same message that comes again meanwhile waits for the first copy.

It saves work only. That a message is stored once is decided by the store's unique key, here as in any other process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from gateway.errors import Overloaded

_T = TypeVar("_T")

WAIT: Final = 30.0
"""Seconds that a repeat waits for the first copy; then the answer is 503 and the sender tries again."""
MOST: Final = 10_000
"""Messages known to be in work at once; beyond that a repeat is told from its first by the store alone."""


@dataclass(frozen=True, slots=True)
class InWork(Generic[_T]):
    """Work in hand by key. A key is held only as long as its work lasts."""

    seconds: float = WAIT
    most: int = MOST
    _first: dict[Hashable, asyncio.Future[_T | None] | None] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self._first)

    async def once(self, key: Hashable, work: Callable[[], Awaitable[_T]]) -> tuple[_T, bool]:
        """The result of the work and whether this call did it; who comes meanwhile gets the result of the first.

        What the first raises is its own affair: the next in line does the work itself, for the fault may have been
        temporary. Raises ``Overloaded`` when the first takes too long, and whatever the work raises.
        """
        if key in self._first and (result := await self._wait(key)) is not None:
            return result, False
        if len(self._first) >= self.most:
            return await work(), True
        self._first[key] = result = None  # a future once somebody waits, which is seldom
        try:
            result = await work()
            return result, True
        finally:
            if (waited := self._first.pop(key)) is not None:
                waited.set_result(result)

    async def _wait(self, key: Hashable) -> _T | None:
        """What the first has come to; None when the next in line is to do it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.seconds
        while key in self._first:
            first = self._first[key]
            if first is None:
                self._first[key] = first = loop.create_future()
            done, _ = await asyncio.wait({first}, timeout=max(0.0, until - loop.time()))
            if not done:
                raise Overloaded("The first copy of this message is still being worked on")
            if (result := first.result()) is not None:
                return result
        return None
