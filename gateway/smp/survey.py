"""Relation searches for many participants: one question to DNS each, and the SMP only where that is worth it. [I/O]

The SMP is asked about who is new to it, and about each other one every few weeks, on a day that the participant's
address decides, so that the nights share the work evenly. In between, DNS naming the same SMP is the answer. That is
enough to see who came, went or moved; what a message needs is asked anew when there is one to send.

Participants of one SMP wait in a lane of their own, so a slow SMP keeps nobody else waiting.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import LookupUnavailable, RevocationUnknown
from gateway.model.relation import Reachable, Reason, Unreachable
from gateway.model.survey import Deferred, Finding, Seen, Tally, Unchanged
from gateway.ports import Clock
from gateway.smp.memory import Memory, SingleFlight
from gateway.smp.politeness import Hosts, Pace, Polite, Spent
from gateway.smp.search import Search, Surroundings

log = logging.getLogger(__name__)

FRESH: Final = timedelta(days=14)
"""What an SMP said is good for so long, and for up to twice as long."""
_ENDING: Final = timedelta(days=7)
"""Before the end of an endpoint or a certificate its SMP is asked, whatever its turn."""
_AGAIN: Final = timedelta(days=2)
"""But no more often than this."""
_DNS_AT_ONCE: Final = 32
_LANE: Final = 4
"""Requests to one SMP at once."""
_WAITING: Final = 20_000
"""Participants that wait for their SMPs; while there are so many, no more are taken up."""
_REMEMBERED: Final = 20_000
_SHARED: Final = timedelta(minutes=5)
"""How many answers serve other accounts which ask the same, and how long; a no of the SML as long as its SOA says."""
_LACKING: Final = (Reason.NO_DOCUMENT_TYPE, Reason.BROKEN_REGISTRATION)
"""Where the list of document types alone tells whether there is anything new."""

Note = Callable[[Seen, Finding], Awaitable[None]]
"""Takes a finding; may be called again before it has returned."""
_Asked = tuple[str, Seen]
_Answer = Reachable | Unreachable | Unchanged


@dataclass(slots=True)
class _Lane:
    """The participants that wait for one SMP."""

    waiting: deque[tuple[Seen, Search]] = field(default_factory=deque)
    workers: int = 0


@dataclass(slots=True, kw_only=True)
class Survey:
    """What all surveys of a process share: the pace, and answers of the last minutes."""

    around: Surroundings
    clock: Clock
    settle: Callable[[], Awaitable[None]] | None = None
    hosts: Hosts
    dns: Pace
    located: Memory[str, str] = field(default_factory=lambda: Memory(_REMEMBERED))
    locating: SingleFlight[str, str | Unreachable] = field(default_factory=SingleFlight)
    answered: Memory[_Asked, _Answer] = field(default_factory=lambda: Memory(_REMEMBERED))
    asking: SingleFlight[_Asked, _Answer] = field(default_factory=SingleFlight)

    async def run(self, source: AsyncIterable[Seen], note: Note, *, most: int | None, tally: Tally | None) -> Tally:
        """Survey all of them. What ``source`` or ``note`` raises ends it."""
        polite = Polite(within=self.around.fetcher, hosts=self.hosts, most=most, tally=tally or Tally())
        around = replace(self.around, fetcher=polite)
        await _Run(survey=self, around=around, polite=polite, note=note).run(source)
        return polite.tally

    def forget(self) -> None:
        """Forget every answer."""
        self.located.clear()
        self.answered.clear()


@dataclass(slots=True, kw_only=True)
class _Run:
    survey: Survey
    around: Surroundings
    """Its fetcher is the polite one."""
    polite: Polite
    note: Note
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_WAITING))
    _lanes: dict[str, _Lane] = field(default_factory=dict)

    @property
    def tally(self) -> Tally:
        return self.polite.tally

    async def run(self, source: AsyncIterable[Seen]) -> None:
        seen = aiter(source)
        turn = asyncio.Lock()
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(_DNS_AT_ONCE):
                    tasks.create_task(self._take(seen, turn, tasks))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _take(self, source: AsyncIterator[Seen], turn: asyncio.Lock, tasks: asyncio.TaskGroup) -> None:
        while True:
            async with turn:
                seen = await anext(source, None)
            if seen is None:
                return
            search = Search(around=self.around, participant=seen.participant, now=self.survey.clock.now())
            smp = await self._locate(search)
            if not isinstance(smp, str):
                await self._tell(seen, smp)
            elif smp == seen.smp and seen.asked and not self._is_due(seen, seen.asked, search.now):
                steps = tuple(search.steps)
                await self._tell(seen, Unchanged(participant=seen.participant, smp=smp, asked=seen.asked, steps=steps))
            else:
                await self._places.acquire()
                lane = self._lanes.setdefault(smp, _Lane())
                lane.waiting.append((seen, search))
                if lane.workers < _LANE:
                    lane.workers += 1
                    tasks.create_task(self._work(smp, lane))

    def _is_due(self, seen: Seen, asked: datetime, now: datetime) -> bool:
        if seen.expires is not None and seen.expires - _ENDING <= now and asked + _AGAIN <= now:
            return True
        return asked + FRESH * (1 + share(seen.participant.value)) <= now and self._may_spare()

    def _may_spare(self) -> bool:
        """Half of the requests are kept for who is new or has moved."""
        most = self.polite.most
        return most is None or self.tally.requests * 2 < most

    async def _locate(self, search: Search) -> str | Unreachable | LookupUnavailable:
        async def ask() -> str | Unreachable:
            await self.survey.dns.turn()
            try:
                found = await search.locate()
            except LookupUnavailable as error:
                raise LookupUnavailable(str(error), steps=search.steps, remedy=error.remedy) from None
            finally:
                self.tally.questions += len(search.steps)
            if isinstance(found, str):
                self.survey.located.put(search.participant.value, found, search.now + _SHARED)
            else:
                self.survey.located.drop(search.participant.value)
            return found

        known = search.absent() or self.survey.located.get(search.participant.value, search.now)
        try:
            return known if known is not None else await self.survey.locating.run(search.participant.value, ask)
        except LookupUnavailable as error:
            return error
        except Exception as error:
            return _unexpected(search, error)

    async def _work(self, smp: str, lane: _Lane) -> None:
        while lane.waiting:
            seen, search = lane.waiting.popleft()
            try:
                await self._tell(seen, await self._find(smp, seen, search))
            finally:
                self._places.release()
        lane.workers -= 1
        if not lane.workers:
            del self._lanes[smp]

    async def _find(self, smp: str, seen: Seen, search: Search) -> Finding:
        key = (smp, replace(seen, asked=None, expires=None))
        known = self.survey.answered.get(key, search.now)
        try:
            return (
                known if known is not None else await self.survey.asking.run(key, lambda: self._ask(smp, seen, search))
            )
        except LookupUnavailable as error:
            return error
        except Spent:
            text = f"{seen.participant.value} is registered at {smp}, which was not asked: the requests are used up"
            return Deferred(participant=seen.participant, smp=smp, text=text, steps=tuple(search.steps))
        except Exception as error:
            return _unexpected(search, error)

    async def _ask(self, smp: str, seen: Seen, search: Search) -> _Answer:
        lacking = smp == seen.smp and seen.reason in _LACKING
        for attempt in range(2):
            try:
                answer: _Answer = await search.sparing(smp, seen.document_type, seen.process, by_list=lacking)
                break
            except RevocationUnknown as error:
                if attempt or self.survey.settle is None:
                    text = f"{seen.participant.value} is registered, but a certificate cannot be judged now: {error}"
                    raise LookupUnavailable(text, steps=search.steps, remedy=error.remedy) from None
                await self.survey.settle()
            except LookupUnavailable as error:
                raise LookupUnavailable(str(error), steps=search.steps, remedy=error.remedy) from None
        if lacking and isinstance(answer, Unreachable) and answer.reason is seen.reason:
            # One voice proves little, but it says what both said before.
            answer = Unchanged(participant=seen.participant, smp=smp, asked=search.now, steps=answer.steps)
        self.survey.answered.put((smp, replace(seen, asked=None, expires=None)), answer, search.now + _SHARED)
        return answer

    async def _tell(self, seen: Seen, finding: Finding) -> None:
        self.tally.participants += 1
        await self.note(seen, finding)


def _unexpected(search: Search, error: Exception) -> LookupUnavailable:
    """One participant's answer that we cannot cope with keeps no other from being asked for."""
    log.error("the search for %s failed", search.participant.value, exc_info=error)
    text = f"The search for {search.participant.value} failed: {type(error).__name__}"
    return LookupUnavailable(text, steps=search.steps, remedy="This is a fault of ours; the log has the particulars.")


def share(participant: str) -> float:
    """A part of one that is always the same for a participant, and spread evenly over all of them."""
    return int.from_bytes(hashlib.sha256(participant.lower().encode()).digest()[:4]) / 2**32
