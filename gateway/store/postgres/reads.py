"""Questions to PostgreSQL beside the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util.concurrency import greenlet_spawn

from gateway.errors import Overloaded
from gateway.store.postgres import connecting
from gateway.store.postgres.connecting import Driver, is_lost, meaning
from gateway.store.postgres.session import PostgresSession
from gateway.store.session import Session

T = TypeVar("T")

CONNECTIONS: Final = 4
"""Of each kind, and process."""
WAIT_SECONDS: Final = 10.0
_READ_ONLY: Final = {"default_transaction_read_only": "on"}


class PostgresReads:
    """Implements :class:`~gateway.store.reads.Reads`. A question whose connection breaks is asked once more."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free: list[Driver] = []
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=lambda: connecting.connect(url, **_READ_ONLY),
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            hide_parameters=True,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=WAIT_SECONDS,
            pool_reset_on_return=None,
        )

    async def look(self, query: Callable[[Session], T]) -> T:
        async def ask() -> T:
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._places.acquire()
            except TimeoutError:
                raise Overloaded("Too many reads wait for the database") from None
            try:
                driver = await self._driver()
                try:
                    answer = await greenlet_spawn(query, PostgresSession(None, driver))
                except BaseException as error:
                    if not isinstance(error, Exception):
                        driver.terminate()  # left in the middle of something
                    elif is_lost(error):
                        driver.terminate()
                        self._forget_all()  # what broke one has mostly broken all
                    else:
                        self._free.append(driver)
                    raise
                self._free.append(driver)
                return answer
            finally:
                self._places.release()

        return await _twice(ask)

    async def _driver(self) -> Driver:
        while self._free:
            driver = self._free.pop()
            if not driver.is_closed():
                return driver
        return await connecting.connect(self._url, **_READ_ONLY)

    async def read(self, query: Callable[[Connection], T]) -> T:
        async def ask() -> T:
            async with self._engine.connect() as connection:
                return await connection.run_sync(query)

        return await _twice(ask)

    async def close(self) -> None:
        """Close the connections."""
        self._forget_all()
        await self._engine.dispose()

    def _forget_all(self) -> None:
        while self._free:
            self._free.pop().terminate()


async def _twice(ask: Callable[[], Awaitable[T]]) -> T:
    for last in (False, True):
        try:
            return await ask()
        except Exception as error:
            if is_lost(error) and not last:
                continue
            meant: Any = meaning(error)
            if meant is error:
                raise
            raise meant from error
    raise AssertionError("unreachable")
