"""Opening a store: its database, its folder, its writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

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
from gateway.store.reads import SqliteReads
from gateway.store.store import SqlStore
from gateway.store.transactions import SqliteTransactions
from gateway.store.turns import Turns, open_turns
from gateway.store.writer import Writer


@contextmanager
def hold_store(database: str, *, base: Path = Path()) -> Iterator[int]:
    """Hold the store for a gateway of several processes; gives the descriptor that each of them needs.

    For a supervisor, which opens no store itself: inside the block it starts its processes, lets each inherit the
    descriptor (``pass_fds``), and each gives its number to :func:`open_store` as ``held``. A second gateway is refused
    for as long as any of them lives. The schema is made here, once. Raises ``ConfigurationError``.
    """
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

    ``database`` is ``sqlite:PATH``; it and ``payloads`` are relative to ``base``. Folders, file (mode 0600) and schema
    are made at the first start. With ``held``, the inherited descriptor of :func:`hold_store`, this is one of several
    processes on the database: they take turns at writing. Without it this process holds the database alone. ``owner``
    is the name under which one of several claims documents: what a dead forerunner of that name had in hand is freed.
    Raises ``ConfigurationError`` when something cannot be used.
    """
    path = database_path(database, base)
    make_folder(path.parent, "store.database")
    make_folder(base / payloads, "store.payloads")
    make_file(path)
    with ExitStack() as stack:
        turns = None
        if held is None:
            stack.enter_context(hold(path))
        else:
            check_held(path, held)
            turns = stack.enter_context(open_turns(path))
        async with _opened(path, base / payloads, clock, turns, owner) as store:
            yield store


@asynccontextmanager
async def _opened(path: Path, payloads: Path, clock: Clock, turns: Turns | None, owner: str) -> AsyncIterator[SqlStore]:
    writing, reads = writing_engine(path), SqliteReads(path)
    work, bells = asyncio.Event(), Bells()
    writer = Writer(SqliteTransactions(writing, turns), partial(_tell, work, bells))
    try:
        async with turns.taken() if turns else nullcontext():
            await asyncio.to_thread(make_schema, writing)
            if turns is None:
                await asyncio.to_thread(free_leases, writing)
            elif owner:
                await asyncio.to_thread(free_leases, writing, owner)
        async with _running(writer):
            yield SqlStore(writer, reads, Folder(payloads), clock, work, bells)
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
