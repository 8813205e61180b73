"""The program that `test_crash.py` kills: accepts and works off documents, and prints each promise once it is given.

Usage: crash_child.py FOLDER ROUND. Prints ``added ID`` after ``add_once`` and ``sent ID`` after ``record`` returned.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from store_parts import EXEMPEL, StillClock, opened, outgoing

from gateway.errors import Conflict
from gateway.model.lifecycle import Event
from gateway.model.message import Evidence
from gateway.store import SqlStore


def promise(word: str, id: str) -> None:
    os.write(1, f"{word} {id}\n".encode())


def content(id: str) -> bytes:
    """What the document with this id holds; every seventh is so large that it becomes a file."""
    seed = f"<Invoice>{id}</Invoice>".encode()
    return seed + os.urandom(80_000) if hash(id) % 7 == 0 else seed


async def accept(store: SqlStore, name: str) -> None:
    for n in range(1_000_000):
        one = f"{name}-{n}"
        await store.add_once(outgoing(one, key=one, octets=content(one)))
        promise("added", one)


async def work(store: SqlStore) -> None:
    proof = Evidence(kind="receipt", media_type="text/xml", octets=b"<Receipt/>")
    while True:
        store.work.clear()
        for message in await store.claim("worker", 20, 60):
            await store.record(message, Event(name="Sent", reason="receipt", channel="peppol"), [proof])
            promise("sent", message.id)
        await store.work.wait()


async def main(folder: Path, name: str) -> None:
    async with opened(folder, StillClock()) as store:
        with contextlib.suppress(Conflict):
            await store.add_account(EXEMPEL, "Exempel AB", "hash")
        promise("ready", "-")
        async with asyncio.TaskGroup() as tasks:
            for producer in range(8):
                tasks.create_task(accept(store, f"{name}.{producer}"))
            tasks.create_task(work(store))


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
