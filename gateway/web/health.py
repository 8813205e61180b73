"""``/livez``, ``/readyz``, ``/metrics``: for probes and for Prometheus; no key is needed.

Live means that the loop turns. Ready means that a document handed in now would be kept and carried: the store can be
read and written, its disks have room, the worker works; and that our own certificate would be believed now.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway import __version__
from gateway.errors import GatewayError
from gateway.web.answers import answer
from gateway.web.certificates import certificate_metrics
from gateway.web.destinations import destination_metrics
from gateway.web.frame import REQUESTS

if TYPE_CHECKING:
    from gateway.app import Gateway

log = logging.getLogger(__name__)

_CHECK_SECONDS: Final = 3.0
_ROOM: Final = 2
"""How many of the largest messages must still fit on the disk."""


@dataclass(frozen=True, slots=True)
class Health:
    """The calls that tell how the gateway is."""

    gateway: Gateway

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [web.get("/livez", self.live), web.get("/readyz", self.ready), web.get("/metrics", self.metrics)]

    async def live(self, _: web.Request) -> web.Response:
        """200 as long as the loop turns."""
        return answer({"live": True})

    async def ready(self, _: web.Request) -> web.Response:
        """200 when every check is good, else 503 with what is wrong."""
        checks = await self.check()
        ready = all(text == "ok" for text in checks.values())
        body: dict[str, object] = {"ready": ready, "checks": checks}
        if self.gateway.siblings:
            body["processes"] = self.gateway.siblings.processes
        return answer(body, status=200 if ready else 503)

    async def check(self) -> dict[str, str]:
        """Each check by name: ``ok`` or what is wrong, without host names or paths."""
        return {
            "store": await _checked(self._store_answers),
            "disk": await _checked(lambda: asyncio.to_thread(self._disk_has_room)),
            "reconcile": await _checked(self._nothing_was_restored),
            "worker": "ok" if self.gateway.worker.running else "it does not run",
            **({"revocation": self.gateway.certificates.standing()} if self.gateway.certificates.watch else {}),
        }

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus text format 0.0.4. Counters are of all processes together, gauges of the one that answers."""
        siblings = self.gateway.siblings
        answers = siblings.total() if siblings else request.app[REQUESTS]
        lines = [
            "# HELP gateway_info What runs.",
            "# TYPE gateway_info gauge",
            f'gateway_info{{version="{__version__}"}} 1',
            "# HELP gateway_start_time_seconds When it started, in seconds since 1970.",
            "# TYPE gateway_start_time_seconds gauge",
            f"gateway_start_time_seconds {self.gateway.started.timestamp():.3f}",
            "# HELP gateway_worker_running Whether the worker runs.",
            "# TYPE gateway_worker_running gauge",
            f"gateway_worker_running {int(self.gateway.worker.running)}",
            "# HELP gateway_http_answers_total Answers of this site by HTTP status.",
            "# TYPE gateway_http_answers_total counter",
            *(f'gateway_http_answers_total{{status="{s}"}} {n:.0f}' for s, n in sorted(answers.items())),
            *certificate_metrics(self.gateway.certificates),
            *destination_metrics(self.gateway.outbound.breakers.standing()),
        ]
        if siblings:
            lines += ["# HELP gateway_processes Processes of this gateway.", "# TYPE gateway_processes gauge"]
            lines += [f'gateway_processes{{state="{s}"}} {n}' for s, n in siblings.processes.items()]
        return web.Response(text="\n".join(lines) + "\n", content_type="text/plain", charset="utf-8")

    async def _store_answers(self) -> str:
        await self.gateway.store.account_of_key("")
        return "ok"

    async def _nothing_was_restored(self) -> str:
        gap = await self.gateway.store.operation.gap()
        if gap is None:
            return "ok"
        return (
            f"restored as of {gap.backup:%Y-%m-%d %H:%M:%S} UTC; nothing leaves before gateway db reconcile --confirm"
        )

    def _disk_has_room(self) -> str:
        config = self.gateway.config
        _, _, file = config.store.database.partition(":")
        need = config.as4.max_message * _ROOM
        for folder in {config.base / config.store.payloads, (config.base / file).parent}:
            if shutil.disk_usage(folder).free < need:
                return f"less than {need:,} octets are free"
            _write_probe(folder)
        return "ok"


def _write_probe(folder: Path) -> None:
    """Write and forget a nameless file; raises ``OSError`` on a disk that is full or read-only."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(b"\0" * 512)


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
