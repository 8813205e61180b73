"""``/livez``, ``/readyz``, ``/metrics``: for probes and for Prometheus; no key is needed.

Live means that the loop turns. Ready means that a document handed in now would be kept and carried: the store can be
written, its disks take what is written and have room, the worker works and its queue moves, the clock is right, and our
own certificate would be believed now by a current revocation list.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.errors import GatewayError
from gateway.web.answers import answer
from gateway.web.frame import REQUESTS
from gateway.web.metrics import metrics

if TYPE_CHECKING:
    from gateway.app import Gateway

log = logging.getLogger(__name__)

_CHECK_SECONDS: Final = 3.0
_IDLE_SECONDS: Final = 300.0
CACHE_SECONDS: Final = 2.0
"""How old an answer may be: probes of many come often."""


@dataclass(slots=True)
class Health:
    """The calls that tell how the gateway is."""

    gateway: Gateway
    _checks: dict[str, str] = field(default_factory=dict, init=False)
    _checked: float = field(default=0.0, init=False)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [web.get("/livez", self.live), web.get("/readyz", self.ready), web.get("/metrics", self.metrics)]

    async def live(self, _: web.Request) -> web.Response:
        """200 as long as the loop turns."""
        return answer({"live": True})

    async def ready(self, _: web.Request) -> web.Response:
        """200 when every check is good, else 503 with what is wrong."""
        checks = await self.check()
        if self.gateway.draining.is_set():
            checks = {**checks, "stopping": "it is about to stop"}
        ready = all(text == "ok" for text in checks.values())
        body: dict[str, object] = {"ready": ready, "checks": checks}
        if self.gateway.siblings:
            body["processes"] = self.gateway.siblings.processes
        return answer(body, status=200 if ready else 503)

    async def check(self) -> dict[str, str]:
        """Each check by name: ``ok`` or what is wrong, without host names or paths; as of a moment ago."""
        async with self._one:  # however many probes come, the disk is asked once
            if not self._checks or time.monotonic() - self._checked > CACHE_SECONDS:
                self._checks = await self._check()
                self._checked = time.monotonic()
            return self._checks

    async def _check(self) -> dict[str, str]:
        gateway = self.gateway
        store, disk, reconcile, queue = await asyncio.gather(
            _checked(self._store_writes),
            _checked(lambda: asyncio.to_thread(self._disk_syncs)),
            _checked(self._nothing_was_restored),
            _checked(self._queue_moves),
        )
        return {
            "store": store,
            "disk": disk,
            "space": self._has_room(),
            "queue": queue,
            "clock": gateway.timekeeping.standing(),
            "keys": gateway.certificates.standing() if gateway.certificates.own else "ok",
            "reconcile": reconcile,
            "worker": "ok" if gateway.worker.running else "it does not run",
        }

    async def metrics(self, request: web.Request) -> web.Response:
        """Counters are of all processes together, gauges of the machine or of the process that answers."""
        siblings = self.gateway.siblings
        answers = request.app[REQUESTS]
        counts = siblings.total() if siblings else {**answers, **self.gateway.meters.counts}
        text = await metrics(self.gateway, counts)
        return web.Response(text=text, content_type="text/plain", charset="utf-8")

    async def _store_writes(self) -> str:
        await self.gateway.store.operation.probe()
        return "ok"

    async def _queue_moves(self) -> str:
        await self.gateway.door.look()
        queue = self.gateway.door.queue
        if queue.waiting >= self.gateway.door.most_waiting:
            return f"{queue.waiting} documents wait, the most there may be"
        idle = time.monotonic() - self.gateway.worker.claimed_last
        if queue.overdue and idle > _IDLE_SECONDS and not await self.gateway.store.operation.gap():
            return f"{queue.overdue} documents should have been worked on, and for {idle:.0f} s nothing was taken up"
        return "ok"

    async def _nothing_was_restored(self) -> str:
        gap = await self.gateway.store.operation.gap()
        if gap is None:
            return "ok"
        return (
            f"restored as of {gap.backup:%Y-%m-%d %H:%M:%S} UTC; nothing leaves before gateway db reconcile --confirm"
        )

    def _has_room(self) -> str:
        if self.gateway.door.room.shortage():
            return "the disk has too little room for anything new"
        return "ok"

    def _disk_syncs(self) -> str:
        _sync_probe(self.gateway.config.base / self.gateway.config.store.payloads)
        return "ok"


def _sync_probe(folder: Path) -> None:
    """Write a nameless file through to the disk and forget it; raises ``OSError``."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(b"\0" * 512)
        os.fsync(file.fileno())


async def _checked(check: Callable[[], Awaitable[str]]) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check()
    except TimeoutError:
        text = f"no answer within {_CHECK_SECONDS:g} s"
    except OSError as error:
        text = f"cannot be written: {error.strerror}"
    except GatewayError as error:
        log.error("not ready: %s", error)
        text = error.peer_text
    return text
