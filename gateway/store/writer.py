"""Group commit: everything that waits goes to the disk together.

An fsync costs the same for one row as for a hundred. So nobody writes by himself: each caller leaves a job and
waits; one task takes all jobs that wait, does them in one transaction, commits once, and only then answers.

1. **Answered means committed.** No caller hears anything good before COMMIT has returned, and SQLite with
   ``synchronous=FULL`` returns from it after the fsync. (Only the COMMIT runs in the writer's own thread: the
   statements take microseconds each, and two threads that both run Python wait for each other.)
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
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, Engine, Transaction

from gateway.errors import GatewayError, Overloaded, StoreUnavailable
from gateway.store.database import BUSY_SECONDS, is_busy, meaning, patience
from gateway.store.session import Session
from gateway.store.turns import Turns

Job = TypeVar("Job")
Result = TypeVar("Result")
Work = Callable[[Session, Sequence[Job]], "Sequence[Result | GatewayError]"]
"""Does all jobs of one kind inside the open transaction; an outcome for each, in the same order."""

MAX_BATCH: Final = 256
MAX_WAITING: Final = 10_000
LINGER_SECONDS: Final = 0.002
"""How long a batch waits for the next job; as long as one comes in each such moment, it goes on waiting."""
LONGEST_LINGER: Final = 0.01
LOOK_SECONDS: Final = 0.001
PATIENCE_SECONDS: Final = 0.05
"""How long the turn is looked for from the loop; then the writer stands in line for it."""
_FEW: Final = 16
"""A batch of so many is not waited for: it is cheap already."""


@dataclass(slots=True)
class _Waiter:
    work: Work[Any, Any]
    job: Any
    answer: asyncio.Future[Any]


class Writer:
    """The one who writes. ``run`` is its task; ``do`` is how everybody else gets something written."""

    def __init__(
        self, engine: Engine, committed: Callable[[Sequence[object]], None], turns: Turns | None = None
    ) -> None:
        self._engine = engine
        self._turns = turns
        """Set when other processes write to the same file."""
        self._committed = committed
        self._connection: Connection | None = None
        self._driver: sqlite3.Connection | None = None
        self._session: Session | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._waiting: deque[_Waiter] = deque()
        self._wake = asyncio.Event()
        self._enough = asyncio.Event()
        self._usual = 1.0
        """How many share a commit lately."""
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
            try:
                await self._drop_connection()
            finally:
                self._thread.shutdown(wait=False)

    async def _linger(self) -> None:
        """Under load, wait for more while more comes: a commit costs as much as the rows of a dozen documents."""
        loop = asyncio.get_running_loop()
        until, had = loop.time() + LONGEST_LINGER, 0
        while had < len(self._waiting) < _FEW and loop.time() < until and not self._closing:
            had = len(self._waiting)
            self._enough.clear()
            alarm = loop.call_later(LINGER_SECONDS, self._enough.set)
            try:
                await self._enough.wait()
            finally:
                alarm.cancel()

    async def _write(self, batch: list[_Waiter], *, alone: bool = False) -> None:
        """Write the batch, joined by those who come before it begins; but one that is done again stays alone."""
        try:
            outcomes = await self._commit(batch, alone=alone)
        except StoreUnavailable as error:
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
            self._committed(outcomes)
            for waiter, outcome in zip(batch, outcomes, strict=True):
                _answer(waiter, outcome)

    async def _commit(self, batch: list[_Waiter], *, alone: bool) -> list[object]:
        try:
            transaction = await self._begin()
            try:
                if not alone:
                    self._fill(batch)
                assert self._session is not None
                outcomes = _do_together(self._session, batch)
            except BaseException:
                with suppress(Exception):  # what made it fail is told, and a broken connection goes away
                    transaction.rollback()
                self._give_turn()
                raise
            await self._in_thread(partial(self._end, transaction))
            return outcomes
        except Exception as error:
            meant = meaning(error)
            if isinstance(meant, StoreUnavailable):
                await self._drop_connection()
            if meant is error:
                raise
            raise meant from error

    def _fill(self, batch: list[_Waiter]) -> None:
        batch.extend(self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH - len(batch))))

    async def _have_turn(self) -> bool:
        """Take the turn from the loop, which then goes on at once; False when others have it for long.

        A turn taken by a thread would be held, unused, until the loop is done with the callers it has in hand.
        """
        if self._turns is None:
            return True
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._turns.take_at_once():
            if time.monotonic() > until:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _begin(self) -> Transaction:
        """Begin a transaction, at once where nobody else writes, else with patience in the thread."""
        if self._connection is None or not await self._have_turn():
            return await self._in_thread(self._begin_patiently)
        try:
            return self._connection.begin()
        except Exception as error:
            self._give_turn()
            if not is_busy(error):
                raise
            return await self._in_thread(self._begin_patiently)

    def _begin_patiently(self) -> Transaction:
        """In the writer's thread: connect where there is no connection, and wait for whoever writes."""
        if self._turns is not None:
            self._turns.take()
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
                self._driver = cast("sqlite3.Connection", self._connection.connection.driver_connection)
                self._session = Session(self._connection, self._driver)
            assert self._driver is not None
            patience(self._driver, BUSY_SECONDS)
            try:
                return self._connection.begin()
            finally:
                patience(self._driver, 0)  # on the loop nothing may wait
        except BaseException:
            self._give_turn()
            raise

    def _end(self, transaction: Transaction) -> None:
        """In the writer's thread: the commit, with its fsync and whatever checkpoint it brings about."""
        try:
            transaction.commit()
        finally:
            self._give_turn()

    def _give_turn(self) -> None:
        if self._turns is not None:
            self._turns.give()

    async def _in_thread(self, errand: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, errand)

    async def _drop_connection(self) -> None:
        await self._in_thread(self._drop)

    def _drop(self) -> None:
        connection, self._connection, self._session, self._driver = self._connection, None, None, None
        if connection is None:
            return
        with self._turns.held() if self._turns else nullcontext():
            with suppress(Exception):  # it is being thrown away because it is broken
                connection.invalidate()
            with suppress(Exception):
                connection.close()


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
