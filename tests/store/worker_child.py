"""One of the processes of `test_processes.py`: adds documents, works off what is due, prints what it has sent.

Usage: worker_child.py FOLDER NAME DESCRIPTOR. Ends when nothing has been due for a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from store_parts import EXEMPEL, StillClock, opened, outgoing

from gateway.errors import Conflict
from gateway.model.lifecycle import Event
from gateway.store import SqlStore

DOCUMENTS = 300


async def add(store: SqlStore, name: str) -> None:
    for n in range(0, DOCUMENTS, 10):
        await asyncio.gather(*(store.add_once(outgoing(f"{name}{n + m}")) for m in range(10)))
    await store.add_once(outgoing(f"{name}-shared", key="the same"))


async def work(store: SqlStore, name: str) -> None:
    idle_since = time.monotonic()
    while time.monotonic() < idle_since + 1.0:
        for message in await store.claim(name, 7, 60):
            idle_since = time.monotonic()
            sending = await store.mark_sending(message, peer="POP000102", receiver=message.receiver, part=b"part")
            await store.record(sending, Event(name="Sent", reason="receipt", channel="peppol"))
            print(message.id, flush=True)
        await asyncio.sleep(0.001)


async def main(folder: Path, name: str, held: int) -> None:
    async with opened(folder, StillClock(), held=held) as store:
        with contextlib.suppress(Conflict):
            await store.add_account(EXEMPEL, "Exempel AB", "hash")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(add(store, name))
            tasks.create_task(work(store, name))


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
