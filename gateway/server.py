"""Runs one node: the public AS4 site, the private API site, the SMP site and the worker, until it is told to stop.

A signal (SIGTERM, SIGINT) drains: listening stops, requests in hand are answered, claimed documents finish
their step, then the process ends with 0.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from gateway.app import Gateway, open_gateway
from gateway.config import Config
from gateway.config.values import Address
from gateway.smp.server import SmpServer
from gateway.web.api import SERVER_LIMITS, application
from gateway.web.frame import request_id

log = logging.getLogger(__name__)

_SHUTDOWN_SECONDS: Final = 10.0
"""How long requests in hand may take to be answered."""
_FIRST_LISTS_SECONDS: Final = 5.0
"""How long a start waits for the revocation lists; without them messages are answered "later" until they come."""
_DAY: Final = 86_400.0
_DRAIN_SECONDS: Final = 20.0
"""How long steps in hand may take to end; another access point may be silent for two minutes."""
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

Announce = Callable[[dict[str, object]], None]


async def serve(config: Config, announce: Announce) -> None:
    """Serve until a signal. ``announce`` gets the addresses once everything listens.

    Raises ``ConfigurationError`` before anything listens, ``OSError`` when an address is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_gateway(config) as gateway, AsyncExitStack() as sites:
        for text in not_built(config):
            log.warning(text)
        watch = gateway.certificates.watch
        if watch:
            await watch.settle(_FIRST_LISTS_SECONDS)
        try:
            ready = await open_sites(gateway, sites)
        except OSError:
            if gateway.first_key:  # made by this start and shown by no other
                announce({"ready": False, "api_key": gateway.first_key})
            raise
        async with asyncio.TaskGroup() as tasks:
            watching = watch and tasks.create_task(watch.run())
            reminding = tasks.create_task(_remind(gateway))
            working = tasks.create_task(gateway.worker.run())
            announce(ready)
            spare_collector()
            await stop.wait()
            log.info("draining")
            await sites.aclose()
            gateway.worker.stop()
            await asyncio.wait([working], timeout=_DRAIN_SECONDS)
            reminding.cancel()
            if watching:
                watching.cancel()
            working.cancel()  # what is still in hand is taken up again when its lease has run out
    log.info("stopped")


def spare_collector() -> None:
    """Let Python's garbage collector leave what was imported alone and run seldom: it took a tenth of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def not_built(config: Config) -> list[str]:
    """What the configuration asks for and this version cannot do; said at the start and by ``gateway check``."""
    asked = (
        (config.scan is not None, "scan: nothing is read from paper or mailboxes by this version"),
        (bool(config.smp.sml_url), "smp.sml_url: this version registers in its zone file only"),
    )
    return [text for wanted, text in asked if wanted]


async def _remind(gateway: Gateway) -> None:
    """Tell once a day which certificates end soon."""
    while True:
        for expiry in gateway.certificates.expiries():
            if expiry.step is not None:
                log.log(logging.ERROR if expiry.urgent else logging.WARNING, "%s", expiry.text)
        await asyncio.sleep(_DAY)


async def open_sites(gateway: Gateway, sites: AsyncExitStack) -> dict[str, object]:
    """Open AS4, API and SMP; gives the object that says where they are. They close with the stack."""
    config = gateway.config
    path = urlsplit(config.as4.public_url).path or "/as4"
    as4 = web.Application()
    gateway.endpoint.add_to(as4.router, path)
    ready: dict[str, object] = {"ready": True}
    ready["as4"] = f"http://{await _open(as4, config.as4.listen, sites)}{path}"
    ready["api"] = f"http://{await _open(application(gateway), config.api.listen, sites)}"
    if gateway.publisher:
        smp = SmpServer(gateway.publisher, gateway.store.participant).application()
        ready["smp"] = f"http://{await _open(smp, config.smp.listen, sites)}"
    if gateway.first_key:
        ready["api_key"] = gateway.first_key
    return ready


async def _open(app: web.Application, address: Address, sites: AsyncExitStack) -> Address:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS, **SERVER_LIMITS)
    await runner.setup()
    sites.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, address.host, address.port, backlog=1024)
    await site.start()
    host, port = runner.addresses[0][:2]
    return Address(str(host), int(port))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, text, and what the line was given (ids, never payload or keys)."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if request_id.get():
            line["request"] = request_id.get()
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_as_json(level: int = logging.INFO) -> None:
    """Send every log line to stderr as JSON."""
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[writer], force=True)
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
