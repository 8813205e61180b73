"""A gateway whose worker runs only when told: what ``benchmarks.gateway`` measures.

    python -m benchmarks.node CONFIG [--without-fsync | --without-database]

It is ``gateway serve`` (sites, worker, ledger of costs) but for one thing: SIGUSR1 starts the worker and SIGUSR2 stops
it, so that handing in and sending can be measured apart. Prints the same line when it is ready; SIGTERM ends it. With
``--without-fsync`` its database is not durable (``synchronous=OFF``, which the gateway itself never uses). With
``--without-database`` a new document is noted in a dictionary by its key and forgotten when the process ends: nothing
is packed, no statement is run, nothing is committed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from gateway.app import Gateway, open_gateway
from gateway.cli.parent import end_with
from gateway.cli.serve import fast_loop
from gateway.config import load
from gateway.exchange.following import Following
from gateway.exchange.worker import Worker
from gateway.ports import Added, Arrival
from gateway.server import log_as_json, open_sites, spare_collector
from gateway.store import SqlStore, database
from gateway.store.keys import once_key


async def run(config: Path) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    async with open_gateway(load(config, {})) as gateway, AsyncExitStack() as sites:
        ready = await open_sites(gateway, sites)
        async with asyncio.TaskGroup() as tasks:
            switch = Switch(gateway, tasks)
            beside = tasks.create_task(Following(follower=gateway.store.money).run())
            loop.add_signal_handler(signal.SIGUSR1, switch.on)
            loop.add_signal_handler(signal.SIGUSR2, switch.off)
            print(json.dumps(ready), flush=True)
            spare_collector()
            await ended.wait()
            await sites.aclose()
            beside.cancel()
            switch.off()


class Switch:
    """Starts and stops the worker; each start is a worker of its own."""

    def __init__(self, gateway: Gateway, tasks: asyncio.TaskGroup) -> None:
        self._gateway = gateway
        self._tasks = tasks
        self._worker: Worker | None = None

    def on(self) -> None:
        self._worker = replace(self._gateway.worker)
        self._tasks.create_task(self._worker.run())

    def off(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self._worker = None


async def add_to_memory(store: SqlStore, arrival: Arrival, *, _known: dict[str, Arrival] = {}) -> Added:  # noqa: B006
    """In place of the store's ``add_once``: the same answer, out of a dictionary."""
    key = once_key(arrival.message) or arrival.message.id
    standing = _known.setdefault(key, arrival)
    receipt = next((proof.octets for proof in standing.evidence if proof.kind == "receipt"), b"")
    same = standing.message.sha256 == arrival.message.sha256
    return Added(message=standing.message, new=standing is arrival, same=same, receipt=receipt)


if __name__ == "__main__":
    log_as_json()
    end_with(os.getppid())
    if "--without-database" in sys.argv:
        SqlStore.add_once = add_to_memory  # type: ignore[method-assign, assignment]
    if "--without-fsync" in sys.argv:
        settings = tuple(s.replace("synchronous=FULL", "synchronous=OFF") for s in database._WRITER_SETTINGS)
        database._WRITER_SETTINGS = settings  # type: ignore[misc, assignment]
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(run(Path(sys.argv[1])))
