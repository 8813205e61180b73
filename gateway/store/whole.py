"""A database with nobody else on it: for schema steps and moves. A gateway that runs on it is in the way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from gateway.errors import ConfigurationError
from gateway.store.database import database_path, hold, make_file, make_folder, meaning, writing_engine
from gateway.store.opening import is_postgresql, postgres_part
from gateway.store.session import Session, SqliteSession

T = TypeVar("T")


class Whole(Protocol):
    """The whole database, one transaction at a time."""

    @property
    def name(self) -> str:
        """Where it is, without passwords."""
        ...

    async def do(self, work: Callable[[Session], T]) -> T:
        """Do the work in one transaction. Raises what it raises, and ``StoreUnavailable``."""
        ...


def open_whole(database: str, base: Path, *, make: bool = False) -> AbstractAsyncContextManager[Whole]:
    """Hold the whole database inside the block; ``make`` makes the file where there is none.

    Raises ``ConfigurationError``, also when a gateway runs on it; ``StoreUnavailable`` when PostgreSQL is away.
    """
    if is_postgresql(database):
        return cast("AbstractAsyncContextManager[Whole]", postgres_part("whole").open_whole(database))
    return _open_sqlite(database_path(database, base), make=make)


@asynccontextmanager
async def _open_sqlite(path: Path, *, make: bool) -> AsyncIterator[Whole]:
    if make:
        make_folder(path.parent, "store.database")
    elif not path.is_file():  # noqa: ASYNC240
        raise ConfigurationError([("store.database", f"there is no {path}")])
    make_file(path)
    with hold(path):
        engine = writing_engine(path)
        try:
            yield _Sqlite(f"sqlite:{path}", engine)
        finally:
            engine.dispose()


class _Sqlite:
    def __init__(self, name: str, engine: Engine) -> None:
        self.name = name
        self._engine = engine

    async def do(self, work: Callable[[Session], T]) -> T:
        return await asyncio.to_thread(self._do, work)

    def _do(self, work: Callable[[Session], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(SqliteSession(connection, cast("sqlite3.Connection", _driver(connection))))
        except (DBAPIError, sqlite3.Error) as error:
            raise meaning(error) from error


def _driver(connection: Connection) -> object:
    return connection.connection.driver_connection
