"""Group commit: everything that waits goes to the disk together.

An fsync costs the same for one row as for a hundred. So nobody writes by himself: each caller leaves a job and
waits; one task takes all jobs that wait, does them in one transaction, commits once, and only then answers.
How a transaction is done in one database or the other stands in ``transactions.py`` and ``postgres/``.

1. **Answered means committed.** No caller hears anything good before COMMIT has returned, and both databases return
   from it after the fsync.
2. **A failed transaction fails everybody in it**, with ``StoreUnavailable``, and its connection is thrown away: after
   a failed fsync nothing that the old descriptor says can be believed.
3. **One bad job spoils nobody else's.** A job that is refused for a reason we know gives its error as its outcome. One
   that the database refuses unexpectedly undoes the transaction, and then every job is done again on its own.
4. **A caller that goes away changes nothing.** Cancelling a caller cancels its waiting, never the transaction, which
   runs to its end in the writer's thread.

What the jobs do stands in ``documents.py`` and ``accounts.py``: functions that take a session and *all* jobs
of their kind in the batch, so that a hundred new documents are one statement a table.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from gateway.errors import GatewayError, Overloaded, StoreUnavailable
from gateway.store.session import Session
from gateway.store.transactions import Transactions

Job = TypeVar("Job")
Result = TypeVar("Result")
Work = Callable[[Session, Sequence[Job]], "Sequence[Result | GatewayError]"]
"""Does all jobs of one kind inside the open transaction; an outcome for each, in the same order."""

MAX_BATCH: Final = 256
MAX_WAITING: Final = 10_000
LINGER_SECONDS: Final = 0.002
"""How long a batch waits for the next job; as long as one comes in each such moment, it goes on waiting."""
LONGEST_LINGER: Final = 0.03
"""A commit costs the CPU of two or three documents, and a message takes the loop one or two ms: a dozen share it."""
FAILED_SECONDS: Final = 1.0
"""How long after a commit that failed nothing new should be begun; then whoever comes first is the trial."""
_FEW: Final = 24
"""A batch of so many is not waited for: it is cheap already."""


@dataclass(slots=True)
class _Waiter:
    work: Work[Any, Any]
    job: Any
    answer: asyncio.Future[Any]


class Writer:
    """The one who writes. ``run`` is its task; ``do`` is how everybody else gets something written."""

    def __init__(self, transactions: Transactions, committed: Callable[[Sequence[object]], None]) -> None:
        self._transactions = transactions
        self._committed = committed
        self._waiting: deque[_Waiter] = deque()
        self._wake = asyncio.Event()
        self._enough = asyncio.Event()
        self._usual = 1.0
        """How many share a commit lately."""
        self._failed: float | None = None
        """When the last commit failed; None where it did not."""
        self._closing = False

    async def do(self, work: Work[Job, Result], job: Job) -> Result:
        """Have the job done; returns or raises its outcome once it is on disk.

        Raises ``StoreUnavailable`` when the commit failed, ``Overloaded`` when too many wait.
        """
        if self._closing:
            raise StoreUnavailable("The store is closed")
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded(f"{MAX_WAITING} writes wait for the disk already")
        waiter = _Waiter(work, job, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._wake.set()
        if len(self._waiting) >= _FEW:
            self._enough.set()
        return cast("Result", await waiter.answer)

    @property
    def waiting(self) -> int:
        """How many jobs wait for the next commit."""
        return len(self._waiting)

    @property
    def failing(self) -> bool:
        """Whether the last commit failed, a moment ago."""
        return self._failed is not None and time.monotonic() - self._failed < FAILED_SECONDS

    def close(self) -> None:
        """Take no new jobs; ``run`` ends when those that wait are done."""
        self._closing = True
        self._wake.set()
        self._enough.set()

    async def run(self) -> None:
        """Write until closed."""
        try:
            while self._waiting or not self._closing:
                if not self._waiting:
                    self._wake.clear()
                    await self._wake.wait()
                # Callers that the last commit has woken leave their next job now, and share this one.
                await asyncio.sleep(0)
                if self._usual >= 2 and len(self._waiting) < _FEW and not self._closing:
                    await self._linger()
                batch: list[_Waiter] = []
                self._fill(batch)
                if batch:
                    await self._write(batch)
                self._usual += (len(batch) - self._usual) / 4
        finally:
            self._closing = True
            for waiter in self._waiting:
                _refuse(waiter, StoreUnavailable("The store was closed before this was written"))
            await self._transactions.close()

    async def _linger(self) -> None:
        """Under load, wait for more while more comes: a commit costs as much as the rows of a dozen documents."""
        loop = asyncio.get_running_loop()
        until, had = loop.time() + LONGEST_LINGER, len(self._waiting)
        alarm: asyncio.TimerHandle

        def look() -> None:
            # A callback, not this task: it would be woken a dozen times for each commit.
            nonlocal had, alarm
            if had == len(self._waiting) or loop.time() >= until:
                self._enough.set()
            else:
                had = len(self._waiting)
                alarm = loop.call_later(LINGER_SECONDS, look)

        self._enough.clear()
        alarm = loop.call_later(LINGER_SECONDS, look)
        try:
            await self._enough.wait()
        finally:
            alarm.cancel()

    async def _write(self, batch: list[_Waiter], *, alone: bool = False) -> None:
        """Write the batch, joined by those who come before it begins; but one that is done again stays alone."""
        try:
            outcomes = await self._commit(batch, alone=alone)
        except StoreUnavailable as error:
            self._failed = time.monotonic()
            for waiter in batch:
                _refuse(waiter, StoreUnavailable(str(error), remedy=error.remedy))
        except Exception as error:
            if len(batch) == 1:
                _refuse(batch[0], error)
            else:
                for waiter in batch:
                    await self._write([waiter], alone=True)
        except BaseException:
            for waiter in batch:
                _refuse(waiter, StoreUnavailable("The store was stopped; it is not known whether this was written"))
            raise
        else:
            self._failed = None
            self._committed(outcomes)
            for waiter, outcome in zip(batch, outcomes, strict=True):
                _answer(waiter, outcome)

    async def _commit(self, batch: list[_Waiter], *, alone: bool) -> list[object]:
        def work(session: Session) -> list[object]:
            if not alone:
                self._fill(batch)
            return _do_together(session, batch)

        return await self._transactions.commit(work)

    def _fill(self, batch: list[_Waiter]) -> None:
        batch.extend(self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH - len(batch))))


def _do_together(session: Session, batch: list[_Waiter]) -> list[object]:
    kinds: dict[Work[Any, Any], list[int]] = {}
    for place, waiter in enumerate(batch):
        kinds.setdefault(waiter.work, []).append(place)
    outcomes: list[object] = [None] * len(batch)
    for work, places in kinds.items():
        results = work(session, [batch[place].job for place in places])
        for place, outcome in zip(places, results, strict=True):
            outcomes[place] = outcome
    return outcomes


def _answer(waiter: _Waiter, outcome: object) -> None:
    if isinstance(outcome, GatewayError):
        _refuse(waiter, outcome)
    elif not waiter.answer.done():
        waiter.answer.set_result(outcome)


def _refuse(waiter: _Waiter, error: Exception) -> None:
    if not waiter.answer.done():
        waiter.answer.set_exception(error)
