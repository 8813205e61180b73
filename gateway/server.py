"""Runs one node: the public AS4 site, the private API site, the SMP site and the worker, until it is told to stop.

A signal (SIGTERM, SIGINT) drains: listening stops, requests in hand are answered, claimed documents finish
their step, then the process ends with 0.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import itertools
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from gateway import portal
from gateway.app import Gateway, hash_key, open_gateway
from gateway.config import Config
from gateway.errors import ConfigurationError, GatewayError
from gateway.exchange.following import Following
from gateway.exchange.proposing import Proposing
from gateway.exchange.suppliers import Suppliers
from gateway.exchange.worker import LEASE_SECONDS
from gateway.model.identifiers import AccountId
from gateway.model.schemes import read_own
from gateway.model.text import show_hidden
from gateway.ports import Clock, Periods
from gateway.scanners import lacking
from gateway.security.tls import Pair
from gateway.serving import notify
from gateway.serving.board import Siblings
from gateway.serving.certificates import LOOK_SECONDS, Certificates
from gateway.serving.parser import require_parser
from gateway.serving.site import Runner, direct, listen, low_level, open_site, plain, with_application
from gateway.serving.supervisor import BEAT_SECONDS, Post, Supervisor
from gateway.smp.server import SmpServer
from gateway.smp.writing import Writer
from gateway.store import hold_store
from gateway.web.api import application
from gateway.web.frame import request_id

log = logging.getLogger(__name__)

_FIRST_LISTS_SECONDS: Final = 5.0
"""How long a start waits for the revocation lists; without them messages are answered "later" until they come."""
_NIGHT: Final = 1
"""The hour, in UTC, from which on old data is erased."""
_LOOK_AT_NIGHT_SECONDS: Final = 600.0
_DAY: Final = 86_400.0
SITES: Final = ("as4", "api", "smp")
_DRAIN_SECONDS: Final = 20.0
"""How long steps in hand may take to end; another access point may be silent for two minutes."""
_ORPHAN_SECONDS: Final = 4.0
"""How long the drain may take when the supervisor is gone."""
_SWITCH_SECONDS: Final = 0.0005
"""How long a thread with large work may keep the interpreter from the event loop."""
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

Announce = Callable[[dict[str, object]], None]


async def serve(config: Config, announce: Announce, post: Post | None = None, held: int | None = None) -> None:
    """Serve until a signal. ``announce`` gets the addresses once everything listens.

    ``post`` and ``held`` are those of one of several processes (``gateway.serving.supervisor``). Raises
    ``ConfigurationError`` before anything listens, ``OSError`` when an address is taken.
    """
    require_parser()
    sys.setswitchinterval(_SWITCH_SECONDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    certificates = read_certificates(config)
    new_keys = asyncio.Event()
    reloading: list[Callable[[], object]] = [each.reload for each in certificates.values()]
    loop.add_signal_handler(signal.SIGHUP, lambda: [reload() for reload in reloading])
    siblings = Siblings(post.board, post.number) if post else None
    async with open_gateway(config, held=held, siblings=siblings) as gateway, AsyncExitStack() as sites:
        reloading += [new_keys.set, gateway.lookup.forget]
        if gateway.certificates.watch:
            reloading.append(gateway.certificates.watch.hasten)
        for text in not_built(config):
            log.warning(text)
        watch = gateway.certificates.watch
        if watch:
            await watch.settle(_FIRST_LISTS_SECONDS)
        try:
            ready = await open_sites(gateway, sites, post.sockets if post else None, certificates)
        except OSError:
            if gateway.first_key:  # made by this start and shown by no other
                announce({"ready": False, "api_key": gateway.first_key})
            raise
        async with asyncio.TaskGroup() as tasks:
            aside = [tasks.create_task(_watch(certificates, gateway.clock)), tasks.create_task(gateway.door.watch())]
            aside.append(tasks.create_task(gateway.timekeeping.watch(partial(_bring_near, gateway))))
            aside.append(tasks.create_task(_erase_each_night(gateway)))
            for follower in (gateway.store.money, gateway.store.search, gateway.store.operation.counting):
                aside.append(tasks.create_task(Following(follower=follower).run()))
            aside.append(tasks.create_task(gateway.checking.run()))
            aside.append(tasks.create_task(gateway.keys.watch()))
            aside.append(tasks.create_task(gateway.keys.reload_at(new_keys)))
            if post is None and (pause := notify.pause()):
                aside.append(tasks.create_task(notify.beat(pause)))
            if post and siblings:
                aside.append(tasks.create_task(_keep_contact(post, siblings, stop)))
            if watch:
                aside.append(tasks.create_task(watch.run()))
            leading = siblings is None or siblings.place == 1
            aside.append(tasks.create_task(gateway.registrar.run(leading=leading)))
            if leading:
                aside.append(tasks.create_task(gateway.post_room.run()))
                aside.append(tasks.create_task(gateway.sweeping.run()))
                aside.append(tasks.create_task(_suppliers(gateway).run()))
                aside.append(tasks.create_task(gateway.sweeping.rechecking.run()))
            if leading and gateway.scanning:
                aside.append(tasks.create_task(gateway.scanning.watch()))
            if leading:  # one voice is enough
                aside.append(tasks.create_task(_remind(gateway)))
                if gateway.mail:
                    aside.append(tasks.create_task(gateway.mail.run()))
            working = tasks.create_task(gateway.worker.run())
            announce(ready)
            spare_collector()
            await stop.wait()
            gateway.draining.set()
            log.info("draining")
            if post is None:
                notify.tell(notify.STOPPING)
            if not (siblings and siblings.alone):
                await asyncio.sleep(config.api.notice.total_seconds())
            await sites.aclose()
            gateway.worker.stop()
            await asyncio.wait([working], timeout=_DRAIN_SECONDS)
            for task in (working, *aside):  # what is still in hand is taken up again when its lease has run out
                task.cancel()
    log.info("stopped")


async def _erase_each_night(gateway: Gateway) -> None:
    """Once a night over all processes and nodes, erase what is older than its period."""
    retention, owner = gateway.store.retention, f"process {gateway.siblings.place if gateway.siblings else 1}"
    while gateway.periods != Periods():
        now = gateway.clock.now()
        try:
            if now.hour >= _NIGHT and await retention.once("retention", f"{now:%Y-%m-%d}", owner):
                await retention.purge(gateway.periods, "retention")
        except GatewayError as error:
            log.error("nothing more is erased tonight: %s", error)
        await asyncio.sleep(_LOOK_AT_NIGHT_SECONDS)


async def _bring_near(gateway: Gateway) -> int:
    """What waits for longer than any pause takes was told so by a clock that has been set back since."""
    longest = max(gateway.config.sending.longest_pause * 2, timedelta(days=1))
    return await gateway.store.operation.bring_near(longest, timedelta(seconds=LEASE_SECONDS))


def spare_collector() -> None:
    """Let Python's garbage collector leave what was imported alone and run seldom: it took a tenth of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 50, 100)


def supervise(config: Config, count: int, announce: Announce, work: Callable[[Config, Post, int], int]) -> int:
    """Run so many processes side by side; ``work`` is what each does, with the addresses that all share.

    Gives the exit code. Raises ``OSError`` when an address is taken, ``ConfigurationError`` when the database is.
    """
    require_parser()
    fixed = config
    first = listen_all(config)  # alone: side by side with another program that shares ports we would not notice it
    for section, sockets in first.items():
        part = getattr(config, section)
        place = dataclasses.replace(part.listen, port=sockets[0].getsockname()[1])
        fixed = dataclasses.replace(fixed, **{section: dataclasses.replace(part, listen=place)})
    for listening in itertools.chain.from_iterable(first.values()):
        listening.close()
    with hold_store(fixed.store.database, base=fixed.base) as held:
        return Supervisor(
            count=count,
            work=lambda post: work(fixed, post, held),
            listen=lambda: listen_all(fixed, shared=True),
            announce=announce,
        ).run()


def _suppliers(gateway: Gateway) -> Suppliers:
    store, clock = gateway.store, gateway.clock
    return Suppliers(store=store, clock=clock, lookup=gateway.lookup, proposing=Proposing(store=store, clock=clock))


async def _watch(certificates: Mapping[str, Certificates], clock: Clock) -> None:
    """Use new TLS certificates as soon as they are there; say once a day which will end soon."""
    said = ""
    while True:
        now = clock.now()
        if said != (said := f"{now:%Y-%m-%d}"):
            for each in certificates.values():
                for text in each.warnings(now):
                    log.warning(text)
        await asyncio.sleep(LOOK_SECONDS)
        for each in certificates.values():
            each.look()


async def _keep_contact(post: Post, siblings: Siblings, stop: asyncio.Event) -> None:
    """Tell the supervisor that the loop turns; drain when it is gone, and end in any case soon after."""
    loop = asyncio.get_running_loop()

    def alone() -> None:
        loop.remove_reader(post.life)
        log.error("the supervisor is gone")
        siblings.alone = True
        stop.set()
        loop.call_later(_ORPHAN_SECONDS, os._exit, 1)

    loop.add_reader(post.life, alone)
    while True:
        post.beat()
        siblings.publish()
        await asyncio.sleep(BEAT_SECONDS)


def not_built(config: Config) -> list[str]:
    """What the configuration asks for and this installation cannot do; said at the start and by ``gateway check``."""
    return lacking(config)


async def _remind(gateway: Gateway) -> None:
    """Tell once a day which certificates end soon."""
    while True:
        for expiry in gateway.certificates.expiries():
            if expiry.step is not None:
                log.log(logging.ERROR if expiry.urgent else logging.WARNING, "%s", expiry.text)
        await asyncio.sleep(_DAY)


def read_certificates(config: Config) -> dict[str, Certificates]:
    """The TLS certificates of each site that has some; raises :class:`ConfigurationError` with every problem."""
    found: dict[str, Certificates] = {}
    problems: list[tuple[str, str]] = []
    for section in SITES:
        part = getattr(config, section)
        pairs = [Pair(certificate=c, key=k) for c, k in zip(part.tls_certificate, part.tls_key, strict=True)]
        try:
            if pairs:
                found[section] = Certificates(section, pairs)
        except ConfigurationError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigurationError(problems)
    return found


def listen_all(config: Config, *, shared: bool = False) -> dict[str, list[socket.socket]]:
    """Listening sockets for every site; raises ``OSError`` when an address is taken."""
    opened: dict[str, list[socket.socket]] = {}
    try:
        for section in SITES:
            if section != "smp" or config.smp.enabled:
                opened[section] = listen(getattr(config, section).listen, shared=shared)
    except OSError:
        for sockets in opened.values():
            for listening in sockets:
                listening.close()
        raise
    return opened


async def open_sites(
    gateway: Gateway,
    sites: AsyncExitStack,
    sockets: Mapping[str, list[socket.socket]] | None = None,
    certificates: Mapping[str, Certificates] | None = None,
) -> dict[str, object]:
    """Open AS4, API and SMP; gives the object that says where they are. They close with the stack."""
    config = gateway.config
    path = urlsplit(config.as4.public_url).path or "/as4"
    shown = read_certificates(config) if certificates is None else certificates
    sockets = sockets or listen_all(config)
    runners: dict[str, Runner] = {
        "as4": direct(partial(gateway.endpoint.answer, path)),
        "api": with_application(application(gateway, portal.front_of(gateway))),
    }
    publisher = gateway.keys.publisher
    if publisher:
        writer = open_writer(gateway) if config.smp.writing else None
        smp = SmpServer(
            lambda: gateway.keys.publisher or publisher, gateway.store.participant, gateway.registrar.home, writer
        )
        runners["smp"] = low_level(smp.answer)
    ready: dict[str, object] = {"ready": True}
    for section, runner in runners.items():
        tls = shown.get(section)
        opened = open_site(
            runner,
            sockets[section],
            context=tls.context if tls else plain,
            exempt=config.as4.proxies,
            favour=gateway.endpoint.turns if section == "as4" else None,
        )
        site = await sites.enter_async_context(opened)
        ready[section] = f"{'https' if tls else 'http'}://{site.address}{path if section == 'as4' else ''}"
    if gateway.mail and (gateway.siblings is None or gateway.siblings.place == 1):
        mailbox = await sites.enter_async_context(gateway.mail.open())
        ready |= {"mailbox": mailbox} if mailbox else {}
    if gateway.first_key:
        ready["api_key"] = gateway.first_key
    if path := await portal.first_path(gateway):
        ready["sign_in"] = f"{gateway.config.portal.url.rstrip('/') or ready['api']}{path}"
    return ready


def open_writer(gateway: Gateway) -> Writer:
    """The write interface of our SMP: with the keys of the API."""
    strict = gateway.config.network.kind != "private"

    async def account(key: str) -> AccountId | None:
        return await gateway.store.account_of_key(hash_key(key))

    publisher = gateway.keys.publisher
    assert publisher is not None
    return Writer(
        authenticate=account,
        participants=gateway,
        kept=gateway.store,
        endpoint_url=publisher.endpoint_url,
        certificates=lambda: (gateway.keys.publisher or publisher).certificates,
        fit=lambda known: read_own(known.value, gateway.clock.now().date(), strict=strict),
    )


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, text, and what the line was given (ids, never payload or keys)."""

    def __init__(self, process: int = 0) -> None:
        super().__init__()
        self._process = process
        self._second = -1
        self._shown = ""
        """The second of the last line, and how it is written."""

    def format(self, record: logging.LogRecord) -> str:
        milliseconds = int(record.created * 1000)
        second = milliseconds // 1000
        if second != self._second:
            self._second, self._shown = second, datetime.fromtimestamp(second, UTC).isoformat()[:19]
        line: dict[str, object] = {
            "time": f"{self._shown}.{milliseconds % 1000:03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if self._process:
            line["process"] = self._process
        if request_id.get():
            line["request"] = request_id.get()
        for key, value in vars(record).items():
            if key not in _STANDARD:
                line[key] = value
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return show_hidden(_write_line(line))


_write_line: Final = json.JSONEncoder(ensure_ascii=False, default=str).encode


def log_as_json(level: int = logging.INFO, *, process: int = 0) -> None:
    """Send every log line to stderr as JSON; with the number of the process where there are several."""
    # No line names a source line, thread or process id, and looking for them costs as much as writing the line.
    logging._srcfile = None  # (so the logging HOWTO, "Optimization")
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(JsonFormatter(process))
    logging.basicConfig(level=level, handlers=[writer], force=True)
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
