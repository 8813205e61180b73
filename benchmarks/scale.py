"""What the store's calls cost when a million documents are stored, beside a store of a thousand.

    python -m benchmarks.scale [--messages 1000000] [--rounds 200] [--postgresql] [--dir FOLDER]

The store is filled by plain INSERTs (message, timeline, payload). A few documents wait, are in trouble, lie in the
inbox, or went by mail: the oldest, so that whoever looks for them by reading on from the newest reads everything; and
of the later ones only one in a thousand was sent. Each call is then done so many times in both stores, in turn; the
table shows the faster quarter of each and their ratio. The words of a search are looked for in every document, so that
row grows with the store; it is shown and not judged.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from benchmarks.store import ACCOUNT, WallClock, arrival, payload
from gateway.model.identifiers import DocumentId, InstanceId, MessageId
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Message, PayloadKind
from gateway.ports import Filter
from gateway.store import SqlStore, open_store, tables
from gateway.store.keys import instance_key, once_key, search_text
from gateway.store.session import MESSAGE_FIELDS

SMALL = 1000
RARE = 40
"""Documents of each rare kind. They are the oldest: whoever looks for them by reading on from the newest reads all."""
_SENT_ONE_IN = 1000
_CHUNK = 50_000
LIMIT = 1.5
DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)


def messages(number: int, octets: bytes) -> Iterator[Message]:
    """So many documents, the oldest first: every second one came in, nearly all have arrived."""
    kinds = {
        Direction.OUT: replace(arrival(octets, Direction.OUT).message, next_attempt=None, state=State.SENT),
        Direction.IN: replace(arrival(octets, Direction.IN).message, next_attempt=None, state=State.DELIVERED),
    }
    rare = (
        {"state": State.FAILED},
        {"state": State.RECEIVED},
        {"state": State.UNKNOWN},
        {"state": State.REJECTED},
        {"channel": "email"},
    )
    for n in range(number):
        kind = kinds[Direction.IN if n % 2 else Direction.OUT]
        created = DAY_ONE + timedelta(seconds=n)
        changes: dict[str, Any] = {}
        if n < RARE * len(rare):
            changes = rare[n % len(rare)]
        elif kind.direction is Direction.IN:
            changes = {"acknowledged": created}
        yield replace(
            kind,
            id=DocumentId(f"{n:032x}"),
            number=f"{n}",
            message_id=MessageId(f"{n}@example.org"),
            instance_id=InstanceId(f"instance-{n}"),
            idempotency_key="" if kind.direction is Direction.IN else f"key-{n}",
            created=created,
            updated=created,
            queued_since=created,
            **changes,
        )


def fill(connection: Connection, number: int, octets: bytes, progress: Callable[[int], None]) -> None:
    """Insert them, with a row of timeline and a small payload each."""
    _insert(connection, [_row(message) for message in messages(min(number, SMALL), octets)], octets)
    for first in range(SMALL, number, _CHUNK):
        _multiply(connection, first, min(first + _CHUNK, number))
        progress(min(first + _CHUNK, number))
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ANALYZE")  # autovacuum does it within a minute


def _row(message: Message) -> dict[str, Any]:
    row = {name: getattr(message, name) for name in MESSAGE_FIELDS}
    row |= {"once_key": once_key(message), "instance_key": instance_key(message), "fingerprint": message.sha256}
    return row | {"lease_owner": "", "evidence_count": 0, "search": search_text(message)}


def _insert(connection: Connection, rows: list[dict[str, Any]], octets: bytes) -> None:
    connection.execute(insert(tables.message), rows)
    of = [{"account": row["account"], "message": row["id"]} for row in rows]
    event = {"event": "Accepted", "reason": "", "detail": {}, "attempt": 0, "evidence": []}
    connection.execute(
        insert(tables.event), [one | event | {"time": row["created"]} for one, row in zip(of, rows, strict=True)]
    )
    kept = {"kind": PayloadKind.DOCUMENT, "packing": "plain", "octets": octets[:200], "file": "", "size": 200}
    connection.execute(insert(tables.payload), [one | kept | {"sha256": "0" * 64} for one in of])


_SERIES = {
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT {0} UNION ALL SELECT n + 1 FROM s WHERE n + 1 < {1}) SELECT n FROM s)",
    "postgresql": "(SELECT generate_series({0}, {1} - 1) AS n)",
}
_ID = {"sqlite": "printf('%032x', n)", "postgresql": "lpad(to_hex(n), 32, '0')"}
_TIME = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S', {0} + n, 'unixepoch') || '.000000Z'",
    "postgresql": "to_char(to_timestamp({0} + n) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') || '.000000Z'",
}


def _multiply(connection: Connection, first: int, end: int) -> None:
    """Documents of these numbers made in the database, of two of the last before them: fifty times faster."""
    kind = connection.dialect.name
    text, time_ = "CAST(n AS TEXT)", _TIME[kind].format(int(DAY_ONE.timestamp()))
    own = {
        "id": _ID[kind],
        "number": text,
        "message_id": f"{text} || '@example.org'",
        "search": f"t.search || {text}",
        **dict.fromkeys(("instance_id", "instance_key"), f"'instance-' || {text}"),
        "once_key": f"'once-' || {text}",
        "idempotency_key": "''",
        **dict.fromkeys(("created", "updated", "queued_since"), time_),
        "acknowledged": f"CASE WHEN t.acknowledged IS NOT NULL THEN {time_} END",
    }
    series = _SERIES[kind].format(first, end)
    of = f"CASE WHEN n % {_SENT_ONE_IN} = 0 THEN '{SMALL - 2:032x}' ELSE '{SMALL - 1:032x}' END"
    for table, key, changed in (
        (tables.message, "id", own),
        (tables.payload, "message", {"message": _ID[kind]}),
        (tables.event, "message", {"message": _ID[kind], "time": time_}),
    ):
        names = [column.name for column in table.columns if not (table is tables.event and column.primary_key)]
        values = ", ".join(changed.get(name, f't."{name}"') for name in names)
        into = ", ".join(f'"{name}"' for name in names)
        source = f"{series} AS series JOIN {table.name} AS t ON t.{key} = {of}"
        copy = f"INSERT INTO {table.name} ({into}) SELECT {values} FROM {source}"
        connection.exec_driver_sql(copy)


def calls(store: SqlStore, known: DocumentId, octets: bytes) -> dict[str, Callable[[], Awaitable[object]]]:
    """What is measured, by name."""
    inbox = Filter(direction=Direction.IN, states=(State.RECEIVED,), unacknowledged=True, idle=True)

    def find(**wanted: Any) -> Callable[[], Awaitable[object]]:
        return lambda: store.find(ACCOUNT, Filter(**wanted))

    async def add_claim_record() -> None:
        await store.add_once(arrival(octets, Direction.OUT))
        await store.claim("benchmark", 8, 60)

    return {
        "list, newest first": find(),
        "list, what was sent": find(direction=Direction.OUT),
        "list, what went by mail": find(channel="email"),
        "list, one rare state": find(states=(State.FAILED,)),
        "list, all in trouble": find(states=(State.FAILED, State.REJECTED, State.UNKNOWN)),
        "inbox, what is new": lambda: store.find(ACCOUNT, inbox),
        "one document": lambda: store.get(ACCOUNT, known),
        "its timeline": lambda: store.timeline(ACCOUNT, known),
        "events since": lambda: _since(store),
        "what waits (for the door)": lambda: store.queue(1000),
        "counts for the metrics": store.operation.ledger,
        "add and claim": add_claim_record,
        "search for a word": find(query="no such word"),
    }


async def _since(store: SqlStore) -> object:
    return await store.happened(ACCOUNT, await store.latest() - 50, 50)


async def beside(
    before: Callable[[], Awaitable[object]], after: Callable[[], Awaitable[object]], rounds: int
) -> tuple[float, float]:
    """Milliseconds of both, done in turn; the faster quarter, which others on the machine disturb least.

    At most twenty seconds are spent, after one of each that is not counted: plans, caches, and what a gateway counts
    once and remembers.
    """
    await before()
    await after()
    took: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + 20
    while len(took[0]) < rounds and time.perf_counter() < end:
        for call, kept in zip((before, after), took, strict=True):
            began = time.perf_counter()
            await call()
            kept.append((time.perf_counter() - began) * 1000)
    first, second = (sorted(kept)[len(kept) // 4] for kept in took)
    return first, second


@asynccontextmanager
async def filled(url: str, folder: Path, number: int) -> AsyncIterator[SqlStore]:
    """A new store with so many documents."""
    octets = payload(3000)
    async with open_store(url, folder / "payloads", WallClock(), base=folder) as store:
        await store.add_account(ACCOUNT, "Exempel AB", "hash")

        def show(done: int) -> None:
            if sys.stderr.isatty():
                print(f"\r{done:,} of {number:,} stored", end="", file=sys.stderr, flush=True)

        await store.operation.write(lambda connection: fill(connection, number, octets, show))
        yield store


async def measure(urls: tuple[str, str], folder: Path, number: int, rounds: int) -> bool:
    """Print the table; tells whether every judged row is below the limit."""
    octets, known = payload(3000), DocumentId(f"{SMALL // 2:032x}")
    async with filled(urls[0], folder, SMALL) as small, filled(urls[1], folder, number) as large:
        few, many = calls(small, known, octets), calls(large, known, octets)
        print(f"{'milliseconds':30}{SMALL:>12,}{number:>12,}{'ratio':>8}")
        good = True
        for name in few:
            before, after = await beside(few[name], many[name], rounds)
            judged = name != "search for a word"
            bad = judged and after / before > LIMIT
            good = good and not bad
            print(f"{name:30}{before:>12.2f}{after:>12.2f}{after / before:>8.2f}{'  ← above the limit' if bad else ''}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--postgresql", action="store_true", help="a PostgreSQL server of its own instead of SQLite")
    parser.add_argument("--dir", type=Path, help="folder on the disk to measure; default: a temporary one")
    options = parser.parse_args()
    from tests import postgres_server

    server_of_its_own = postgres_server.running() if options.postgresql else nullcontext()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder, server_of_its_own as server:
        urls = [server.new_database(name) if server else f"sqlite:{name}.db" for name in ("few", "many")]
        good = asyncio.run(measure((urls[0], urls[1]), Path(folder), options.messages, options.rounds))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
