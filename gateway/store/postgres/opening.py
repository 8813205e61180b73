"""A PostgreSQL database becomes what a store stands on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from gateway.errors import StoreUnavailable
from gateway.store.database import check_version, free_leases_of, make_schema_on
from gateway.store.postgres import connecting
from gateway.store.postgres.connecting import HOLD, cause, first_connection, meaning, number_of, unusable, weakness
from gateway.store.postgres.reads import PostgresReads
from gateway.store.postgres.transactions import PostgresTransactions
from gateway.store.session import Session


@asynccontextmanager
async def open_postgres(
    url: str, owner: str, heard: Callable[[], None], told: Callable[[datetime], None]
) -> AsyncIterator[tuple[PostgresTransactions, PostgresReads]]:
    """Check the server, make or check the schema, and give the ways to it.

    ``heard`` is called when another process has made work, ``told`` with the server's time now and then.
    Raises ``ConfigurationError``, ``StoreUnavailable``.
    """
    await prepare(url)
    transactions, reads = PostgresTransactions(url, heard, told), PostgresReads(url)
    try:
        if await transactions.begin(owner):

            def free(session: Session) -> None:
                assert session.connection is not None
                free_leases_of(session.connection, owner)

            await transactions.commit(free)
        yield transactions, reads
    finally:
        await transactions.close()
        await reads.close()


async def prepare(url: str) -> None:
    """Check what the server promises, and make or check the schema. Raises as :func:`open_postgres`."""
    driver = await first_connection(url)
    try:
        if why := await weakness(driver):
            raise unusable(why)
        if not await driver.fetchval("SELECT pg_try_advisory_lock_shared($1)", HOLD):
            raise StoreUnavailable(
                "The store is being moved or upgraded", remedy="Wait until gateway db has ended, then start again."
            )
        engine = plain_engine(url)
        try:
            async with engine.begin() as connection:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({number_of('schema')})"))
                await connection.run_sync(make_schema_on)
        except DBAPIError as error:
            meant = meaning(error)
            if getattr(cause(error), "sqlstate", "") == "42501":
                raise unusable(f"{cause(error)}: GRANT CREATE, USAGE ON SCHEMA public TO the user") from error
            raise meant from error
        finally:
            await engine.dispose()
    finally:
        driver.terminate()


async def look(url: str) -> str:
    """Say what the server is, changing nothing. Raises as :func:`open_postgres`."""
    driver = await first_connection(url)
    try:
        if why := await weakness(driver):
            raise unusable(why)
        release = await driver.fetchval("SHOW server_version")
        if await driver.fetchval("SELECT to_regclass('schema_version')") is None:
            return f"PostgreSQL {release}; the tables will be made at the first start"
        check_version(await driver.fetchval("SELECT version FROM schema_version"))
        return f"PostgreSQL {release}"
    finally:
        driver.terminate()


def plain_engine(url: str) -> AsyncEngine:
    """For schema and moves: transactions as SQLAlchemy does them."""
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connecting.connect(url),
        poolclass=NullPool,
        hide_parameters=True,
    )
