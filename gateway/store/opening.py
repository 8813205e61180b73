"""Opening a store: its database, its folder, its writer."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Final

from gateway.errors import ConfigurationError
from gateway.ports import Clock
from gateway.store import documents
from gateway.store.bells import Bells
from gateway.store.database import (
    check_held,
    database_path,
    free_leases,
    hold,
    make_file,
    make_folder,
    make_schema,
    writing_engine,
)
from gateway.store.octets import Folder
from gateway.store.reads import Reads, SqliteReads
from gateway.store.shared_clock import SharedClock
from gateway.store.store import SqlStore
from gateway.store.transactions import SqliteTransactions, Transactions
from gateway.store.turns import open_turns
from gateway.store.writer import Writer

_POSTGRESQL: Final = ("postgresql://", "postgres://")


@contextmanager
def hold_store(database: str, *, base: Path = Path()) -> Iterator[int]:
    """Hold the store for a gateway of several processes; gives the descriptor that each of them needs.

    For a supervisor, which opens no store itself: inside the block it starts its processes, lets each inherit the
    descriptor (``pass_fds``), and each gives its number to :func:`open_store` as ``held``. A second gateway on an
    SQLite file is refused for as long as any of them lives; PostgreSQL may have many. The schema is made here, once.
    Raises ``ConfigurationError``, ``StoreUnavailable``.
    """
    if is_postgresql(database):
        asyncio.run(postgres_part("opening").prepare(database))
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield nothing
        finally:
            os.close(nothing)
        return
    path = database_path(database, base)
    make_folder(path.parent, "store.database")
    make_file(path)
    with hold(path) as lock:
        engine = writing_engine(path)
        try:
            make_schema(engine)
            free_leases(engine)
        finally:
            engine.dispose()
        yield lock


@asynccontextmanager
async def open_store(
    database: str, payloads: Path, clock: Clock, *, base: Path = Path(), held: int | None = None, owner: str = ""
) -> AsyncIterator[SqlStore]:
    """Open the store, and close it when the block ends: what waits is written before.

    ``database`` is ``sqlite:PATH`` or ``postgresql://…``; a path and ``payloads`` are relative to ``base``. Folders,
    file (mode 0600) and schema are made at the first start. With ``held``, the inherited descriptor of
    :func:`hold_store`, this is one of several processes on the SQLite file: they take turns at writing. Without it this
    process holds the file alone. ``owner`` is the name under which one of several claims documents: what a dead
    forerunner of that name had in hand is freed. Raises ``ConfigurationError`` when something cannot be used, and
    ``StoreUnavailable`` when PostgreSQL is away.
    """
    work, bells = asyncio.Event(), Bells()
    if is_postgresql(database):
        clock = shared = SharedClock(clock)
        opened = postgres_part("opening").open_postgres(database, owner, work.set, shared.told)
    else:
        opened = _open_sqlite(database_path(database, base), held, owner)
    make_folder(base / payloads, "store.payloads")
    async with opened as (transactions, reads):
        writer = Writer(transactions, partial(_tell, work, bells))
        async with _running(writer):
            yield SqlStore(writer, reads, Folder(base / payloads), clock, work, bells)


def is_postgresql(database: str) -> bool:
    """Whether the address is one of PostgreSQL."""
    return database.startswith(_POSTGRESQL)


def postgres_part(name: str) -> ModuleType:
    """A module of ``postgres/``; raises ``ConfigurationError`` where the extra is not installed."""
    try:
        return importlib.import_module(f"gateway.store.postgres.{name}")
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        text = "PostgreSQL needs the extra: pip install 'access-point-gateway[postgres]'"
        raise ConfigurationError([("store.database", text)]) from None


@asynccontextmanager
async def _open_sqlite(path: Path, held: int | None, owner: str) -> AsyncIterator[tuple[Transactions, Reads]]:
    make_folder(path.parent, "store.database")
    make_file(path)
    with ExitStack() as stack:
        turns = None
        if held is None:
            stack.enter_context(hold(path))
        else:
            check_held(path, held)
            turns = stack.enter_context(open_turns(path))
        writing, reads = writing_engine(path), SqliteReads(path)
        try:
            async with turns.taken() if turns else nullcontext():
                await asyncio.to_thread(make_schema, writing)
                if turns is None:
                    await asyncio.to_thread(free_leases, writing)
                elif owner:
                    await asyncio.to_thread(free_leases, writing, owner)
            yield SqliteTransactions(writing, turns), reads
        finally:
            async with turns.taken() if turns else nullcontext():
                await reads.close()
                writing.dispose()


@asynccontextmanager
async def _running(writer: Writer) -> AsyncIterator[None]:
    """Run the writer beside the block. The block's own error leaves as it is, not in the task group's wrapping."""
    failure: BaseException | None = None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run(), name="store writer")
        try:
            yield
        except BaseException as error:
            failure = error
        finally:
            writer.close()
    if failure is not None:
        raise failure


def _tell(work: asyncio.Event, bells: Bells, outcomes: Sequence[object]) -> None:
    """After a commit: the worker hears of work, and whoever waits for a document of its change."""
    for outcome in outcomes:
        if isinstance(outcome, documents.Stepped | documents.Standing) and outcome.due:
            work.set()
    bells.ring(outcome.message for outcome in outcomes if isinstance(outcome, documents.Stepped))
