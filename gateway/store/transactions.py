"""How the writer's batch becomes durable: begin, the work, commit. For SQLite; for PostgreSQL see ``postgres/``."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Final, Protocol, TypeVar, cast

from sqlalchemy import Connection, Engine

from gateway.errors import StoreUnavailable
from gateway.store.aside import Aside
from gateway.store.database import BEGIN, BUSY_SECONDS, is_busy, meaning, patience
from gateway.store.in_hand import InHand
from gateway.store.session import Session, SqliteSession
from gateway.store.turns import Turns

Result = TypeVar("Result")

LOOK_SECONDS: Final = 0.001
PATIENCE_SECONDS: Final = 0.05
"""How long the turn is looked for from the loop; then the writer stands in line for it."""


class Transactions(Protocol):
    """The transactions of the one who writes; never two at a time."""

    async def commit(self, work: Callable[[Session], Result]) -> Result:
        """Do the work in one transaction; when this returns, it is on disk.

        ``work`` writes nothing but through its session, and may be done more than once, each time on a transaction of
        its own. Raises what the work raised; ``StoreUnavailable`` when the database failed, where it may be unknown
        whether the work is on disk.
        """
        ...

    async def close(self) -> None:
        """Give back what the transactions need."""
        ...


class SqliteTransactions:
    """On the one writing connection.

    Only the COMMIT runs in a thread of its own: the statements take microseconds each, and two threads that both run
    Python wait for each other. BEGIN and COMMIT go to the driver itself; SQLAlchemy hears of a transaction only where
    something seldom asks for its connection, and then ends it too.
    """

    def __init__(self, engine: Engine, turns: Turns | None = None) -> None:
        self._engine = engine
        self._turns = turns
        """Set when other processes write to the same file."""
        self._connection: Connection | None = None
        self._driver: sqlite3.Connection | None = None
        self._session: Session | None = None
        self._in_hand = InHand()
        self._aside = Aside("store-writer")

    async def commit(self, work: Callable[[Session], Result]) -> Result:
        committed = False
        try:
            await self._begin()
            try:
                assert self._session is not None
                self._see_version()
                outcome = work(self._session)
            except BaseException:
                with suppress(Exception):  # what made it fail is told, and a broken connection goes away
                    self._roll_back()
                self._give_turn()
                raise
            await self._aside.do(self._end)
            committed = True
            return outcome
        except Exception as error:
            meant = meaning(error)
            if isinstance(meant, StoreUnavailable):
                await self._aside.do(self._drop)
            if meant is error:
                raise
            raise meant from error
        finally:
            if not committed:
                self._in_hand.forget()

    async def close(self) -> None:
        try:
            await self._aside.do(self._drop)
        finally:
            self._aside.close()

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

    async def _begin(self) -> None:
        """Begin a transaction, at once where nobody else writes, else with patience in the thread."""
        if self._driver is None or not await self._have_turn():
            return await self._aside.do(self._begin_patiently)
        try:
            self._driver.execute(BEGIN)
        except Exception as error:
            self._give_turn()
            if not is_busy(error):
                raise
            await self._aside.do(self._begin_patiently)

    def _begin_patiently(self) -> None:
        """In the writer's thread: connect where there is no connection, and wait for whoever writes."""
        if self._turns is not None:
            self._turns.take()
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
                self._driver = cast("sqlite3.Connection", self._connection.connection.driver_connection)
                self._in_hand = InHand()
                self._session = SqliteSession(self._connection, self._driver, self._in_hand)
            assert self._driver is not None
            patience(self._driver, BUSY_SECONDS)
            try:
                self._driver.execute(BEGIN)
            finally:
                patience(self._driver, 0)  # on the loop nothing may wait
        except BaseException:
            self._give_turn()
            raise

    def _see_version(self) -> None:
        """What others have committed since the last transaction, of documents in hand too, is no longer known."""
        assert self._driver is not None
        ((version,),) = self._driver.execute("PRAGMA data_version")
        self._in_hand.begin(version)

    def _end(self) -> None:
        """In the writer's thread: the commit, with its fsync and whatever checkpoint it brings about."""
        assert self._connection is not None and self._driver is not None
        try:
            if self._connection.in_transaction():
                self._connection.commit()
            else:
                self._driver.commit()
        finally:
            self._give_turn()

    def _roll_back(self) -> None:
        assert self._connection is not None and self._driver is not None
        if self._connection.in_transaction():
            self._connection.rollback()
        self._driver.rollback()

    def _give_turn(self) -> None:
        if self._turns is not None:
            self._turns.give()

    def _drop(self) -> None:
        connection, self._connection, self._session, self._driver = self._connection, None, None, None
        if connection is None:
            return
        with self._turns.held() if self._turns else nullcontext():
            with suppress(Exception):  # it is being thrown away because it is broken
                connection.invalidate()
            with suppress(Exception):
                connection.close()
