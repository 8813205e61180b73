"""A gateway whose worker runs only when told: what ``benchmarks.gateway`` measures.

    python -m benchmarks.node CONFIG [--without-fsync]

It is ``gateway serve`` (sites, worker, ledger of costs) but for one thing: SIGUSR1 starts the worker and SIGUSR2 stops
it, so that handing in and sending can be measured apart. Prints the same line when it is ready; SIGTERM ends it. With
``--without-fsync`` its database is not durable (``synchronous=OFF``, which the gateway itself never uses).
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from gateway.app import Gateway, open_gateway
from gateway.cli.serve import fast_loop
from gateway.config import load
from gateway.exchange.following import Following
from gateway.exchange.worker import Worker
from gateway.server import log_as_json, open_sites, spare_collector
from gateway.store import database


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


if __name__ == "__main__":
    log_as_json()
    if "--without-fsync" in sys.argv:
        settings = tuple(s.replace("synchronous=FULL", "synchronous=OFF") for s in database._WRITER_SETTINGS)
        database._WRITER_SETTINGS = settings  # type: ignore[misc, assignment]
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(run(Path(sys.argv[1])))
