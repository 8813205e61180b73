"""The writer's transactions on PostgreSQL.

1. **A lost answer is looked up.** Each transaction counts up the writer's own row in ``mark``. When the answer to
   COMMIT does not come, a fresh connection reads that row, after whoever still holds it: either everything of the
   transaction is there, or nothing. When that cannot be found out either, ``StoreUnavailable`` says so.
2. **What can be repeated is repeated**, a few times: deadlock, serialisation failure, a lock that did not come in time;
   and a connection that broke before COMMIT was sent, once.
3. A connection that was left in the middle of something is thrown away, never used again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util.concurrency import greenlet_spawn

from gateway.errors import StoreUnavailable
from gateway.store.postgres import connecting
from gateway.store.postgres.connecting import AGAIN, HOLD, Driver, cause, is_lost, meaning, weakness
from gateway.store.postgres.session import PostgresSession
from gateway.store.session import Session
from gateway.store.tables import SCHEMA_VERSION

log = logging.getLogger(__name__)

Result = TypeVar("Result")

TRIES: Final = 4
CHANNEL: Final = "gateway_work"
_PAUSE_SECONDS: Final = 0.02
_WAKE_SECONDS: Final = 0.05
"""Other nodes are woken no more often; they look for themselves anyway."""
_LOOK_UP_SECONDS: Final = 10.0
_TIME_SECONDS: Final = 60.0
"""How often the server is asked for its time."""


class _Lost(Exception):
    """The connection broke before COMMIT was sent: nothing of the transaction is there."""

    def __init__(self, error: BaseException, *, fresh: bool) -> None:
        super().__init__(str(error))
        self.error, self.fresh = error, fresh


@dataclass(slots=True)
class _Open:
    connection: AsyncConnection
    driver: Driver
    session: PostgresSession


class PostgresTransactions:
    """Implements :class:`~gateway.store.transactions.Transactions` on one connection, made anew when it breaks."""

    def __init__(self, url: str, heard: Callable[[], None], told: Callable[[datetime], None]) -> None:
        self._url = url
        self._heard = heard
        self._told = told
        self._asked = 0.0
        self._name = f"writer {uuid.uuid4().hex}"
        self._batch = 0
        self._woke = 0.0
        self._open: _Open | None = None
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=lambda: connecting.connect(url),
            isolation_level="AUTOCOMMIT",  # BEGIN and COMMIT are ours
            poolclass=NullPool,
            hide_parameters=True,
        )

    async def commit(self, work: Callable[[Session], Result]) -> Result:
        lost = 0
        for left in reversed(range(TRIES)):
            try:
                return await self._once(work)
            except _Lost as error:
                lost += 1
                if error.fresh or lost > 1:
                    raise meaning(error.error) from error.error  # type: ignore[arg-type]
            except Exception as error:
                meant = meaning(error)
                if getattr(cause(error), "sqlstate", None) in AGAIN and left:
                    await asyncio.sleep(_PAUSE_SECONDS * (1 + random.random()) * (TRIES - left))  # noqa: S311
                    continue
                if meant is error:
                    raise
                raise meant from error
        raise StoreUnavailable("The database was given up: other transactions were in the way each time")

    async def _once(self, work: Callable[[Session], Result]) -> Result:
        fresh = self._open is None
        try:
            opened = self._open or await self._connect()
        except Exception as error:
            if is_lost(error):
                raise _Lost(error, fresh=True) from error
            raise
        self._batch += 1
        batch, driver, session = self._batch, opened.driver, opened.session
        try:
            await driver.execute(f"BEGIN; UPDATE mark SET value = '{batch}' WHERE name = '{self._name}'")  # noqa: S608
            await self._ask_time(driver)
            session.work = False
            outcome = await greenlet_spawn(work, session)
            if session.work and self._may_wake():
                await driver.execute(f"NOTIFY {CHANNEL}")
        except BaseException as error:
            if not is_lost(error) and await self._rolled_back(driver, error):
                raise
            await self._drop()
            if isinstance(error, Exception) and is_lost(error):
                raise _Lost(error, fresh=fresh) from error
            raise
        try:
            done = await driver.execute("COMMIT")
        except BaseException as error:
            await self._drop()
            if isinstance(error, Exception) and is_lost(error):
                log.warning("the answer to a commit was lost: %s", error)
                return await self._looked_up(batch, outcome)
            raise
        if done != "COMMIT":
            raise StoreUnavailable("The database took the transaction back")
        return outcome

    async def _rolled_back(self, driver: Driver, error: BaseException) -> bool:
        if not isinstance(error, Exception):
            return False
        with suppress(Exception):
            await driver.execute("ROLLBACK")
            return True
        return False

    async def _looked_up(self, batch: int, outcome: Result) -> Result:
        """Give the outcome where the transaction turns out to be there; raises ``StoreUnavailable``."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _LOOK_UP_SECONDS
        while True:
            try:
                driver = await connecting.connect(self._url)
                try:
                    if await weakness(driver):
                        break
                    # FOR UPDATE waits for the old transaction, should the server still be at it.
                    found = await driver.fetchval("SELECT value FROM mark WHERE name = $1 FOR UPDATE", self._name)
                finally:
                    driver.terminate()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                if loop.time() > until:
                    break
                await asyncio.sleep(0.2)
                continue
            if found == str(batch):
                return outcome
            raise StoreUnavailable("The database was lost before the commit; nothing was written")
        raise StoreUnavailable("The database was lost in a commit; it is not known whether this was written")

    async def _ask_time(self, driver: Driver, *, at_once: bool = False) -> None:
        now = asyncio.get_running_loop().time()
        if at_once or now - self._asked > _TIME_SECONDS:
            self._told(await driver.fetchval("SELECT clock_timestamp()"))
            self._asked = now

    def _may_wake(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._woke + _WAKE_SECONDS:
            return False
        self._woke = now
        return True

    async def _connect(self) -> _Open:
        connection = await self._engine.connect()
        try:
            driver: Driver = (await connection.get_raw_connection()).driver_connection
            if why := await weakness(driver):
                raise StoreUnavailable(why)
            if not await driver.fetchval("SELECT pg_try_advisory_lock_shared($1)", HOLD):
                raise StoreUnavailable("The store is being moved or upgraded")
            if await driver.fetchval("SELECT version FROM schema_version") != SCHEMA_VERSION:
                raise StoreUnavailable("The store was moved or upgraded; restart the gateway")
            await driver.execute(
                "INSERT INTO mark (name, value, time) VALUES ($1, '', to_char(now() AT TIME ZONE 'UTC', "
                '\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')) ON CONFLICT (name) DO NOTHING',
                self._name,
            )
            await self._ask_time(driver, at_once=True)
            await driver.add_listener(CHANNEL, self._hear)
            session = PostgresSession(connection.sync_connection, driver)
        except BaseException:
            await _thrown_away(connection)
            raise
        self._open = _Open(connection, driver, session)
        return self._open

    async def begin(self, name: str) -> bool:
        """Connect, which holds the store, and take a name; False when another process has it (or it is empty)."""
        try:
            opened = self._open or await self._connect()
            number = connecting.number_of(name)
            return bool(name) and bool(await opened.driver.fetchval("SELECT pg_try_advisory_lock($1)", number))
        except Exception as error:
            await self._drop()
            raise meaning(error) from error

    def _hear(self, driver: Driver, process: int, channel: str, payload: str) -> None:
        if process != driver.get_server_pid():
            self._heard()

    async def _drop(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            await _thrown_away(opened.connection)

    async def close(self) -> None:
        opened = self._open
        if opened is not None:
            with suppress(Exception):
                await opened.driver.remove_listener(CHANNEL, self._hear)
                await opened.driver.execute("DELETE FROM mark WHERE name = $1", self._name)
        await self._drop()
        await self._engine.dispose()


async def _thrown_away(connection: AsyncConnection) -> None:
    with suppress(Exception):
        (await connection.get_raw_connection()).driver_connection.terminate()  # type: ignore[union-attr]
    with suppress(Exception):
        await connection.invalidate()
    with suppress(Exception):
        await connection.close()
