"""Keeps the lists fresh: fetches each before it is needed, again every hour, and sooner when it failed. [I/O]

Nobody on the way of a message waits for it: who misses a list notes that in
:class:`~gateway.security.standing.Revocations`, answers "later", and this fetches. One pass at a time, so every list is
fetched once however many ask.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from cryptography import x509

from gateway.errors import RevocationUnknown, Untrusted
from gateway.pki.fetch import Asking
from gateway.pki.kept import KeptLists
from gateway.ports import Clock
from gateway.security.ocsp import question, read_answer
from gateway.security.revocation import RevocationList, read_list, responders
from gateway.security.standing import Missing, Revocations, Status
from gateway.security.trust import Trust
from gateway.security.weburl import WebRules

log = logging.getLogger(__name__)

REFRESH: Final = 3600.0
"""Seconds between two fetches of a list, give or take a tenth."""
_SOONEST: Final = 60.0
_FIRST_RETRY: Final = 10.0
_LONGEST_RETRY: Final = 900.0
_OCSP_PAUSE: Final = 60.0
"""Seconds between two questions about one certificate."""
_ASKING: Final = 30.0
"""Seconds of a pass for OCSP: silent responders must not keep lists from being fetched. The rest is noted again."""
_LOOK: Final = 60.0
_AT_ONCE: Final = 4
_LARGE: Final = 256 * 1024
"""Lists above this are read in a thread."""
_MOST_ASKED: Final = 10_000


@dataclass(slots=True, kw_only=True)
class Source:
    """One address of a list, and how it went there."""

    url: str
    due: float = 0.0
    """Monotonic seconds."""
    tried: float = float("-inf")
    failures: int = 0
    problem: str = ""
    """What is wrong since the last good fetch; empty when nothing is."""
    fetched: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """What people are shown of one list."""

    url: str
    held: RevocationList | None
    problem: str
    fetched: datetime | None


@dataclass(slots=True, kw_only=True)
class Watch:
    """The keeper of one network's lists. ``run()`` works until ``stop()``; without it, ``settle()`` does one pass."""

    revocations: Revocations
    asking: Asking
    kept: KeptLists
    clock: Clock
    addresses: Sequence[str] = ()
    """Lists that the configuration names."""
    asking_seconds: float = _ASKING
    monotonic: Callable[[], float] = time.monotonic
    _sources: dict[str, Source] = field(default_factory=dict)
    _asked: dict[tuple[str, int], float] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _stopped: bool = False

    async def load(self) -> None:
        """Take the lists of the last run from the disk, each checked as if it had just come."""
        for url, octets in await asyncio.to_thread(self.kept.load):
            try:
                fresh = await self._read(octets)
            except Untrusted as error:
                log.info("a kept revocation list is not used: %s", error)
                continue
            self.revocations.take_list(url, fresh)

    async def run(self) -> None:
        """Keep every list fresh until ``stop()``."""
        loop = asyncio.get_running_loop()
        self.revocations.wake = lambda: _ring(loop, self._bell)
        try:
            while not self._stopped:
                self._bell.clear()
                try:
                    await self._pass()
                except Exception:  # a bug must not end the fetching: without lists nothing is believed
                    log.exception("a fault of ours while revocation lists were fetched")
                    await asyncio.sleep(_FIRST_RETRY)
                try:
                    async with asyncio.timeout(self._pause()):
                        await self._bell.wait()
                except TimeoutError:
                    continue
        finally:
            self.revocations.wake = _nobody

    def hasten(self) -> None:
        """Fetch every list and ask about every certificate again, now."""
        for source in self._sources.values():
            source.due, source.tried = 0.0, float("-inf")
        self._asked.clear()
        self._bell.set()

    def stop(self) -> None:
        """End ``run()`` after the pass at hand."""
        self._stopped = True
        self._bell.set()

    async def settle(self, seconds: float = 15.0) -> None:
        """Fetch what is due now and wait for it, but not longer than that."""
        try:
            async with asyncio.timeout(seconds):
                await self._pass()
        except TimeoutError:
            log.info("the revocation lists did not all come within %g s", seconds)

    def states(self) -> tuple[ListState, ...]:
        """Every list: held, wanted or failing."""
        held = self.revocations.lists()
        urls = dict.fromkeys((*self._wanted(), *held))
        found = []
        for url in urls:
            source = self._sources.get(url) or Source(url=url)
            found.append(ListState(url=url, held=held.get(url), problem=source.problem, fetched=source.fetched))
        return tuple(found)

    def _wanted(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.addresses, *self.revocations.sources())))

    async def _pass(self) -> None:
        async with self._lock:
            missing = self.revocations.missing()
            for url in self._wanted():
                self._sources.setdefault(url, Source(url=url))
            due = [source for source in self._sources.values() if self._is_due(source)]
            places = asyncio.Semaphore(_AT_ONCE)
            async with asyncio.TaskGroup() as tasks:
                for source in due:
                    tasks.create_task(self._fetch(source, places))
            with suppress(TimeoutError):
                async with asyncio.timeout(self.asking_seconds), asyncio.TaskGroup() as tasks:
                    for one in missing:
                        tasks.create_task(self._ask(one, places))

    def _is_due(self, source: Source) -> bool:
        now = self.monotonic()
        if source.failures or now < source.tried + _FIRST_RETRY:
            return source.due <= now
        held = self.revocations.lists().get(source.url)
        overdue = held is not None and self.clock.now() >= held.next_update  # the clock may have jumped
        return overdue or source.due <= now

    async def _fetch(self, source: Source, places: asyncio.Semaphore) -> None:
        async with places:
            source.tried = self.monotonic()
            try:
                octets = await self.asking.get_list(source.url)
                fresh = await self._read(octets)
                problem = self.revocations.take_list(source.url, fresh)
                if not problem and fresh.next_update <= self.clock.now():
                    problem = f"has been overdue since {fresh.next_update:%Y-%m-%d %H:%M} UTC"
            except (RevocationUnknown, Untrusted) as error:
                self._failed(source, str(error))
                return
            if problem:
                self._failed(source, f"the list from {source.url} {problem}")
                return
            await asyncio.to_thread(self.kept.save, source.url, octets)
        if source.problem or source.fetched is None:
            log.info("revocation list of %s from %s: %d entries", fresh.authority_name, source.url, fresh.count)
        source.failures, source.problem, source.fetched = 0, "", self.clock.now()
        left = (fresh.next_update - self.clock.now()).total_seconds()
        source.due = self.monotonic() + max(_SOONEST, min(REFRESH, left / 2)) * _jitter()

    def _failed(self, source: Source, problem: str) -> None:
        source.failures += 1
        source.problem = problem
        pause = min(_LONGEST_RETRY, _FIRST_RETRY * 2 ** min(source.failures - 1, 10))
        source.due = self.monotonic() + pause * _jitter()
        log.warning("revocation list, try %d: %s", source.failures, problem)

    async def _read(self, octets: bytes) -> RevocationList:
        authorities, now = self.revocations.authorities, self.clock.now()
        if len(octets) <= _LARGE:
            return read_list(octets, authorities, now)
        return await asyncio.to_thread(read_list, octets, authorities, now)

    async def _ask(self, missing: Missing, places: asyncio.Semaphore) -> None:
        """Ask the responder about a certificate that no list of today covers."""
        certificate, issuer = missing.certificate, missing.issuer
        if _current(self.revocations, missing, self.clock.now()):
            return
        for url in responders(certificate):
            key = (url, certificate.serial_number)
            if self._asked.get(key, 0.0) > self.monotonic():
                continue
            try:
                async with places:
                    if len(self._asked) >= _MOST_ASKED:
                        self._asked.clear()
                    self._asked[key] = self.monotonic() + _OCSP_PAUSE
                    octets = await self.asking.post_question(url, question(certificate, issuer))
                answer = read_answer(octets, certificate, issuer, self.clock.now())
            except (RevocationUnknown, Untrusted) as error:
                log.warning("OCSP about %s: %s", certificate.subject.rfc4514_string(), error)
                continue
            if problem := self.revocations.take_answer(certificate, answer):
                log.warning("OCSP about %s: the answer from %s %s", certificate.subject.rfc4514_string(), url, problem)
                continue
            return

    def _pause(self) -> float:
        """Seconds until the next list is due, at most a minute: the clock of the wall may jump meanwhile."""
        due = min((s.due for s in self._sources.values()), default=float("inf")) - self.monotonic()
        return max(0.05, min(due, _LOOK))


def _current(revocations: Revocations, missing: Missing, now: datetime) -> bool:
    standing = revocations.standing(missing.certificate, missing.issuer, now, note=False)
    good = standing.status is Status.GOOD and standing.until - now > timedelta(seconds=REFRESH)
    return good or standing.status is Status.REVOKED


def _jitter() -> float:
    return random.uniform(0.9, 1.1)  # noqa: S311 – spreads load, protects nothing


def _ring(loop: asyncio.AbstractEventLoop, bell: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(bell.set)


def _nobody() -> None:
    """Nobody listens."""


@asynccontextmanager
async def open_watch(
    trust: Trust,
    *,
    guard: AbstractResolver,
    rules: WebRules,
    directory: Path,
    addresses: Sequence[str],
    clock: Clock,
    own: Sequence[x509.Certificate] = (),
) -> AsyncIterator[Watch]:
    """Open the keeper of a network's lists, with those of the last run; ``guard`` judges every address connected to.

    The lists of the root and of the authorities of ``own`` certificates are known before any message comes.
    """
    revocations = trust.revocations
    assert revocations is not None  # the caller asks for none otherwise
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=guard, limit_per_host=_AT_ONCE, use_dns_cache=False),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
    async with session:
        watch = Watch(
            revocations=revocations,
            asking=Asking(session=session, rules=rules),
            kept=KeptLists(directory),
            clock=clock,
            addresses=addresses,
        )
        for certificate in (*revocations.authorities, *own):
            for issuer in revocations.authorities:
                if certificate.issuer == issuer.subject and certificate.subject != certificate.issuer:
                    revocations.learn(certificate, issuer)
        await watch.load()
        yield watch
