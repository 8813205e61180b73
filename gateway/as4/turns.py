"""Whose turn it is: CPU work for callers, one piece after another, so that nobody's flood is everybody's wait. [I/O]

Each caller has an account of the CPU that was spent on it, and the one with the least has the next turn. Callers that
sent something good lately go before strangers, but for every eighth turn; and while a request of theirs is on its way
through the event loop, strangers have one turn in 25 ms, so that each pass of the loop stays short. Between two turns
the event loop looks at its sockets, so that no row of expensive requests stands in the way of a cheap one. Large work
has threads of its own, few enough to leave the event loop its share.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

_KNOWN_SECONDS: Final = 600.0
_MOST: Final = 10_000
"""Callers that are remembered."""
_FOR_STRANGERS: Final = 8
_ON_ITS_WAY: Final = 0.02
"""Seconds after its last step in which a request of a caller we know is taken to be on its way to its answer."""
_PATIENCE: Final = 0.025
"""Seconds for which strangers wait for such requests; then one of them has a turn all the same."""
_HERE_SECONDS: Final = 1.0
_NICE: Final = 10
"""How much the threads of large work stand back behind the event loop when there are too few cores."""


@dataclass(slots=True)
class _Line:
    """Who waits, by the CPU spent on the caller."""

    heap: list[tuple[float, int, str]] = field(default_factory=list)
    waiting: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict)
    number: int = 0

    def put(self, source: str, spent: float, turn: asyncio.Future[None]) -> None:
        line = self.waiting.get(source)
        if line is None:
            self.waiting[source] = deque((turn,))
            self._push(source, spent)
        else:
            line.append(turn)

    def next(self) -> tuple[str, asyncio.Future[None]]:
        """The caller with the least; it is out of the line until ``back`` is called."""
        source = heapq.heappop(self.heap)[2]
        return source, self.waiting[source].popleft()

    def back(self, source: str, spent: float) -> None:
        """Its turn has begun and is charged: whatever else it has goes into the line again."""
        if self.waiting[source]:
            self._push(source, spent)
        else:
            del self.waiting[source]

    def _push(self, source: str, spent: float) -> None:
        self.number += 1
        heapq.heappush(self.heap, (spent, self.number, source))


class _Queue:
    """Turns of one kind, so many at once."""

    def __init__(self, accounts: Accounts, places: int) -> None:
        self._accounts = accounts
        self._lines = (_Line(), _Line())
        self._places = places
        self._turn = 0
        self._scheduled = False
        self._quiet_until = 0.0
        self._stranger_at = 0.0
        self._later: asyncio.TimerHandle | None = None

    def hush(self) -> None:
        """A request of a caller we know is on its way: strangers wait a little."""
        self._quiet_until = asyncio.get_running_loop().time() + _ON_ITS_WAY

    def heard_within(self, seconds: float) -> bool:
        """Whether a caller that we know took a step so lately."""
        return asyncio.get_running_loop().time() < self._quiet_until - _ON_ITS_WAY + seconds

    async def run(self, source: str, job: Callable[[], Any], pool: ThreadPoolExecutor | None) -> Any:
        loop = asyncio.get_running_loop()
        known = self._accounts.known(source)
        if known and pool is None and self._is_idle():
            # Nobody waits, and this is the first turn of this pass of the event loop: it need not be given first.
            self._scheduled = True
            loop.call_soon(self._give, loop)
            try:
                return self._accounts.charged(source, job)
            finally:
                self._quiet_until = loop.time() + _ON_ITS_WAY
        turn: asyncio.Future[None] = loop.create_future()
        self._lines[not known].put(source, self._accounts.spent(source), turn)
        self._wake(loop)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._end(loop)
            raise
        try:
            if pool is None:
                return self._accounts.charged(source, job)
            return await loop.run_in_executor(pool, self._accounts.charged, source, job, time.thread_time)
        finally:
            if known:
                self._quiet_until = loop.time() + _ON_ITS_WAY
            self._end(loop)

    def _is_idle(self) -> bool:
        return bool(self._places) and not (self._scheduled or self._lines[0].heap or self._lines[1].heap)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        self._places += 1
        self._wake(loop)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._scheduled and self._places and (self._lines[0].heap or self._lines[1].heap):
            self._scheduled = True
            loop.call_soon(self._give, loop)

    def _give(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = False
        while self._places and (line := self._line(loop)) is not None:
            source, turn = line.next()
            line.back(source, self._accounts.spent(source))
            if not turn.done():  # else its caller has left meanwhile
                turn.set_result(None)
                self._places -= 1

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._later = None
        self._wake(loop)

    def _line(self, loop: asyncio.AbstractEventLoop) -> _Line | None:
        self._turn += 1
        friends, strangers = self._lines
        if friends.heap and (not strangers.heap or self._turn % _FOR_STRANGERS):
            return friends
        if not strangers.heap:
            return None
        now, until = loop.time(), min(self._quiet_until, self._stranger_at + _PATIENCE)
        if not friends.heap and now < until:
            self._later = self._later or loop.call_later(until - now, self._look_again, loop)
            return None
        self._stranger_at = now
        return strangers


class Accounts:
    """CPU seconds spent on each caller, and who sent something good lately. Bounded: the longest unheard-of go."""

    def __init__(self) -> None:
        self._spent: OrderedDict[str, float] = OrderedDict()
        self._good: OrderedDict[str, float] = OrderedDict()
        self._least = 0.0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._spent)

    def known(self, source: str) -> bool:
        return time.monotonic() - self._good.get(source, -_KNOWN_SECONDS) < _KNOWN_SECONDS

    def vouch(self, source: str) -> None:
        """It sent something good."""
        self._good[source] = time.monotonic()
        self._good.move_to_end(source)
        if len(self._good) > _MOST:
            self._good.popitem(last=False)

    def spent(self, source: str) -> float:
        """What counts: who was away does not save up turns, and a newcomer begins where the line is."""
        return max(self._spent.get(source, 0.0), self._least)

    def charged(self, source: str, job: Callable[[], _T], clock: Callable[[], float] = time.perf_counter) -> _T:
        """Do the job and note its CPU, or its time, which is the same on the event loop and cheaper to ask for."""
        began, before = clock(), self.spent(source)
        try:
            return job()
        finally:
            with self._lock:
                self._least = max(self._least, before)
                self._spent[source] = self.spent(source) + clock() - began
                self._spent.move_to_end(source)
                if len(self._spent) > _MOST:
                    self._spent.popitem(last=False)


class Turns:
    """Gives CPU to callers in turn. Used from one event loop."""

    def __init__(self, threads: int = 0) -> None:
        threads = threads or max(1, min(4, len(os.sched_getaffinity(0)) - 1))
        self.accounts = Accounts()
        self._here = _Queue(self.accounts, 1)
        self._beside = _Queue(self.accounts, threads)
        self._pool = ThreadPoolExecutor(threads, "as4", initializer=_stand_back)

    def known(self, source: str) -> bool:
        """Whether this caller sent something good lately."""
        return self.accounts.known(source)

    def busy(self) -> bool:
        """Whether a caller that we know was here in the last second."""
        return self._here.heard_within(_HERE_SECONDS)

    def expect(self, source: str) -> None:
        """A request of this caller has begun to arrive."""
        if self.accounts.known(source):
            self._here.hush()

    async def here(self, source: str, job: Callable[[], _T]) -> _T:
        """Do small work on the event loop when it is this caller's turn."""
        result: _T = await self._here.run(source, job, None)
        return result

    async def beside(self, source: str, job: Callable[[], _T]) -> _T:
        """Do large work in a thread when it is this caller's turn."""
        result: _T = await self._beside.run(source, job, self._pool)
        return result


def _stand_back() -> None:
    with suppress(OSError, AttributeError):  # not every system has priorities of threads
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
