"""The whole of a PostgreSQL database, for ``gateway db``: see ``gateway/store/whole.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util.concurrency import greenlet_spawn

from gateway.config.secrets import without_password
from gateway.store.postgres import connecting
from gateway.store.postgres.connecting import HOLD, Driver, first_connection, meaning, unusable, weakness
from gateway.store.postgres.session import PostgresSession
from gateway.store.session import Session

T = TypeVar("T")


@asynccontextmanager
async def open_whole(url: str) -> AsyncIterator[_Postgres]:
    """Hold the database inside the block; raises as ``gateway.store.whole.open_whole``."""
    (await first_connection(url)).terminate()  # says in words what is wrong with the address
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connecting.connect(url),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        hide_parameters=True,
    )
    try:
        async with engine.connect() as connection:
            driver: Driver = (await connection.get_raw_connection()).driver_connection
            if why := await weakness(driver):
                raise unusable(why)
            if not await driver.fetchval("SELECT pg_try_advisory_lock($1)", HOLD):
                raise unusable(f"a gateway runs on {without_password(url)}; stop all of its nodes first")
            yield _Postgres(without_password(url), connection, driver)
    finally:
        await engine.dispose()


class _Postgres:
    def __init__(self, name: str, connection: AsyncConnection, driver: Driver) -> None:
        self.name = name
        self._connection, self._driver = connection, driver

    async def do(self, work: Callable[[Session], T]) -> T:
        try:
            await self._driver.execute("BEGIN")
            try:
                outcome = await greenlet_spawn(work, PostgresSession(self._connection.sync_connection, self._driver))
            except BaseException:
                with suppress(Exception):
                    await self._driver.execute("ROLLBACK")
                raise
            await self._driver.execute("COMMIT")
            return outcome
        except Exception as error:
            meant = meaning(error)
            if meant is error:
                raise
            raise meant from error
