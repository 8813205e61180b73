"""Asking the store outside the writer's transactions. For SQLite; for PostgreSQL see ``postgres/``."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from gateway.store.database import Reader, meaning, reading_engine
from gateway.store.session import Session

T = TypeVar("T")


class Reads(Protocol):
    """Questions; each sees everything committed before it. Raises what they raise, and ``StoreUnavailable``."""

    async def look(self, query: Callable[[Session], T]) -> T:
        """Ask for few rows by their key, with statements written once."""
        ...

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Ask anything else."""
        ...


class SqliteReads:
    """One connection on the loop's own thread, and several in threads for what may take long."""

    def __init__(self, path: Path) -> None:
        self._engine, self._reader = reading_engine(path), Reader(path)

    async def look(self, query: Callable[[Session], T]) -> T:
        """Ask here and now: handing it to a thread costs ten times as much."""
        try:
            return self._reader.ask(query)
        except sqlite3.Error as error:
            raise meaning(error) from error

    async def read(self, query: Callable[[Connection], T]) -> T:
        try:
            async with self._engine.connect() as connection:
                return await connection.run_sync(query)
        except Exception as error:
            meant = meaning(error)
            if meant is error:
                raise
            raise meant from error

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()
        self._reader.close()
