"""How much a survey may ask of one server: a rate, and peace for a server that does not answer. [I/O]

Invoices that wait for an answer go before: their questions are not counted here.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway.errors import InvalidAddress, LookupUnavailable
from gateway.model.relation import Step
from gateway.model.survey import Tally
from gateway.security.weburl import WebRules, check_url
from gateway.smp.fetch import Fetched, authority

_HOSTS: Final = 10_000
"""SMPs that are remembered; DNS can name any number of them."""
_BURST: Final = 5
"""Requests that may go at once after a pause."""
_IN_A_ROW: Final = 3
"""So many failures in a row, and an SMP is left in peace for a while."""
RESTS: Final = (15.0, 30.0, 60.0, 600.0)
"""Seconds of peace after each further failure in a row."""
_PATIENCE: Final = 60.0
"""Who would have to wait longer for an SMP that rests gets no answer."""


class Spent(Exception):
    """The requests of this survey are used up."""


class Fetches(Protocol):
    """Who fetches from SMPs."""

    @property
    def rules(self) -> WebRules:
        """Which addresses may be gone to."""
        ...

    async def get(self, url: str) -> Fetched:
        """One answer of status 200 or 404. Raises ``LookupUnavailable``."""
        ...


class Pace:
    """So many a second, and at the start ``burst`` of them at once."""

    __slots__ = ("_ahead", "_due", "_gap")

    def __init__(self, per_second: float, burst: int) -> None:
        self._gap = 1 / per_second
        self._ahead = (burst - 1) * self._gap
        self._due = 0.0

    async def turn(self) -> None:
        """Come back when the next one may go."""
        now = asyncio.get_running_loop().time()
        start = max(self._due, now - self._ahead)
        self._due = start + self._gap
        if start > now:
            await asyncio.sleep(start - now)


@dataclass(slots=True)
class _Host:
    pace: Pace
    failures: int = 0
    """In a row."""
    rests: int = 0
    until: float = 0.0
    """When it may be asked again, by the loop's clock."""


@dataclass(slots=True, kw_only=True)
class Hosts:
    """What is known of each SMP; one for all surveys of a process."""

    per_second: float
    """Requests to one SMP."""
    rests: tuple[float, ...] = RESTS
    _known: OrderedDict[str, _Host] = field(default_factory=OrderedDict)

    def at(self, name: str) -> _Host:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = _Host(Pace(self.per_second, _BURST))
            if len(self._known) > _HOSTS:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(name)
        return known

    def failed(self, host: _Host) -> None:
        now = asyncio.get_running_loop().time()
        host.failures += 1
        if host.failures >= _IN_A_ROW and host.until <= now:
            host.until = now + self.rests[min(host.rests, len(self.rests) - 1)]
            host.rests += 1


@dataclass(slots=True, kw_only=True)
class Polite:
    """Fetches like the one within, at a rate for each SMP; ``get`` also raises ``Spent``."""

    within: Fetches
    hosts: Hosts
    most: int | None = None
    """Requests in all."""
    tally: Tally = field(default_factory=Tally)

    @property
    def rules(self) -> WebRules:
        return self.within.rules

    async def get(self, url: str) -> Fetched:
        try:
            name = authority(check_url(url, self.rules))
        except InvalidAddress:
            return await self.within.get(url)  # which says what is wrong with it, and asks nobody
        host = self.hosts.at(name)
        await self._rested(host, name, url)
        await host.pace.turn()
        await self._rested(host, name, url)  # meanwhile others may have found it silent, or used up what there was
        self.tally.requests += 1
        try:
            fetched = await self.within.get(url)
        except LookupUnavailable:
            self.hosts.failed(host)
            raise
        host.failures = host.rests = 0
        return fetched

    async def _rested(self, host: _Host, name: str, url: str) -> None:
        """Come back when it may be asked. Raises ``Spent``, and ``LookupUnavailable`` when that would be too long."""
        while True:
            if self.most is not None and self.tally.requests >= self.most:
                raise Spent
            wait = host.until - asyncio.get_running_loop().time()
            if wait <= 0:
                return
            if wait > _PATIENCE:
                said = f"not asked: it gave no usable answer {host.failures} times in a row"
                step = Step(asked=f"GET {url}", where=name, answer=said, milliseconds=0.0)
                raise LookupUnavailable(f"the SMP {name} was {said}", steps=(step,))
            await asyncio.sleep(wait)
