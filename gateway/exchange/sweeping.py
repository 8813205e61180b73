"""The sweep: all counterparts of an account are looked up anew, each night by itself and whenever somebody asks.

A sweep is a row. Whoever has it in hand commits what a few counterparts came to together with how far it is, so a
process that dies loses some look-ups and nothing else: the next one goes on behind the last counterpart that is done.
Several processes and nodes share the sweeps by their leases. What is found is proposed, doubted or taken by the rules
of every invoice (:mod:`~gateway.exchange.verifying`); no sweep ever sends or prints anything.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from gateway.config import SweepSection
from gateway.errors import GatewayError, LostLease, StoreUnavailable
from gateway.exchange.ids import new_document_id
from gateway.exchange.rechecking import Rechecking
from gateway.exchange.routing import Routing
from gateway.exchange.verifying import Turns, Usages, Verifying, arranged, wanted
from gateway.model.counterpart import RelationPolicy
from gateway.model.identifiers import AccountId
from gateway.model.message import Route
from gateway.model.survey import Finding, Seen, Tally
from gateway.model.sweep import Change, Subject, Sweep, SweepId, SweepKind
from gateway.ports import Clock, Judged, Store, Surveyor
from gateway.routing.savings import YEAR

log = logging.getLogger(__name__)

_PAGE: Final = 200
_AHEAD: Final = 5_000
"""Counterparts in hand at once: a slow answer holds up no others."""
_TOGETHER: Final = 100
"""Counterparts of one commit, at most;"""
_WRITES: Final = 20
"""and of these so many with something to write, because the writer has other work too."""
_BEAT_SECONDS: Final = 2.0
LEASE: Final = timedelta(minutes=2)
LOOK_SECONDS: Final = 2.0
_PLAN_SECONDS: Final = 60.0
_FAULT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """When sweeps begin by themselves."""

    enabled: bool = True
    hour: int = 1
    """In UTC."""
    spread: timedelta = timedelta(hours=3)
    """Each account's begins at a time of its own within it, so that not everybody asks at once."""

    def begins(self, now: datetime) -> datetime | None:
        """The beginning of this night's time, while it lasts."""
        begin = now.replace(hour=self.hour, minute=0, second=0, microsecond=0)
        if begin > now:
            begin -= timedelta(days=1)
        return begin if self.enabled and now - begin <= self.spread else None


@dataclass(slots=True, kw_only=True)
class _Item:
    """One counterpart in hand."""

    subject: Subject
    wanted: tuple[Seen, ...]
    findings: dict[int, Finding] = field(default_factory=dict)
    """By the identity of what was asked."""
    judged: Judged | None = None


@dataclass(slots=True, kw_only=True)
class _InHand:
    """A sweep that this process does."""

    sweep: Sweep
    before: Sweep
    """As it was taken up."""
    policy: RelationPolicy
    used: Usages
    tally: Tally = field(default_factory=Tally)
    items: deque[_Item] = field(default_factory=deque)
    """In the order of their ids: what is done is done up to the first that is not."""
    by_question: dict[int, _Item] = field(default_factory=dict)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    keeping: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True, kw_only=True)
class Sweeping:
    """Begins sweeps and does them."""

    store: Store
    clock: Clock
    surveyor: Surveyor
    verifying: Verifying
    owner: str
    turns: Turns = field(default_factory=Turns)
    night: Night = field(default_factory=Night)
    lease: timedelta = LEASE
    most_requests: int | None = None
    """To SMPs in one sweep; who is left is asked the next night."""
    _planned: float = field(default=0.0, init=False)

    @property
    def rechecking(self) -> Rechecking:
        """What asks for receivers in doubt between two nights."""
        return Rechecking(store=self.store, clock=self.clock, surveyor=self.surveyor, verifying=self.verifying)

    async def begin(self, account: AccountId, actor: str) -> tuple[Sweep, bool]:
        """Enter a sweep of everybody, which begins at once; the one that goes on where there is one already."""
        now = self.clock.now()
        new = Sweep(
            id=SweepId(new_document_id(now)),
            account=account,
            kind=SweepKind.DEMAND,
            actor=actor,
            due=now,
            created=now,
            updated=now,
        )
        return await self.store.sweeps.begin(new)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.plan()
                while await self.run_once():
                    pass
            except GatewayError as error:
                log.warning("the sweep goes on later: %s", error)
            except Exception:
                log.exception("the sweep goes on later")
                await asyncio.sleep(_FAULT_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)

    async def plan(self) -> int:
        """Enter this night's sweeps, once; gives how many are new."""
        now = self.clock.now()
        begin = self.night.begins(now)
        if begin is None or time.monotonic() - self._planned < _PLAN_SECONDS:
            return 0
        planned = await self.store.sweeps.plan(f"{begin:%Y-%m-%d}", begin, self.night.spread)
        self._planned = time.monotonic()
        return planned

    async def run_once(self) -> Sweep | None:
        """Do one sweep that is due, from where it stands; None: there is none."""
        if await self.store.operation.gap() is not None:
            return None  # the store was restored: nothing is done before a person has looked
        sweep = await self.store.sweeps.claim(self.owner, self.lease)
        if sweep is None:
            return None
        try:
            after = await self._do(sweep)
        except LostLease:
            log.info("another process goes on with the sweep %s", sweep.id)
            return sweep
        log.info(
            "sweep of %d counterparts: %d appeared, %d moved, %d lost, %d without an answer",
            *(after.done, after.count(Change.APPEARED, Change.BACK), after.count(Change.MOVED)),
            *(after.count(Change.LOST, Change.VANISHED), after.count(Change.UNKNOWN)),
            extra={"sweep": sweep.id},
        )
        return after

    async def _do(self, sweep: Sweep) -> Sweep:
        policy = (await self.store.relations.profile(sweep.account)).policy
        hand = _InHand(sweep=sweep, policy=policy, used=await self._usages(sweep.account), before=sweep)
        failed: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                beating = tasks.create_task(self._beat(hand))
                survey = self.surveyor.survey
                source, note = self._source(hand), partial(self._note, hand)
                await survey(source, note, most_requests=self.most_requests, tally=hand.tally)
                async with hand.keeping:  # what is being committed is committed first
                    beating.cancel()
        except* GatewayError as group:
            failed = group.exceptions[0]
        if failed is not None:
            raise failed
        return await self._keep(hand, last=True)

    async def _source(self, hand: _InHand) -> AsyncIterator[Seen]:
        """The addresses of one counterpart after the other, in the order of their ids, as long as there is room."""
        after, more = hand.sweep.cursor, True
        while more:
            while len(hand.items) >= _AHEAD:
                if hand.items[0].judged is not None:
                    await self._keep(hand)
                    continue
                hand.room.clear()
                await hand.room.wait()
            page = await self.store.sweeps.page(hand.sweep.account, after, _PAGE)
            more = len(page) == _PAGE
            for subject in page:
                after = subject.counterpart.id
                item = _Item(subject=subject, wanted=self._wanted(subject, hand))
                if not item.wanted:
                    item.judged = Judged(counterpart=after)
                hand.items.append(item)
                for seen in item.wanted:
                    hand.by_question[id(seen)] = item
                    yield seen

    def _wanted(self, subject: Subject, hand: _InHand) -> tuple[Seen, ...]:
        """Whom to ask for where it is this one's turn."""
        try:
            _, plan = self.verifying.planned(subject, hand.policy)
            lately = hand.used.of(subject.counterpart)
            if not plan.ask or plan.only is not Route.AUTO:
                return ()
            its_turn = self.turns.today(subject, lately, hand.sweep.kind, self.clock.now())
            return wanted(subject) if its_turn else ()
        except Exception:  # what is wrong with one of them must not stop all
            log.exception("a counterpart cannot be looked up", extra={"counterpart": subject.counterpart.id})
            return ()

    async def _note(self, hand: _InHand, seen: Seen, finding: Finding) -> None:
        """One answer; the last one about a counterpart is judged with the others."""
        item = hand.by_question.pop(id(seen))
        item.findings[id(seen)] = finding
        if len(item.findings) < len(item.wanted):
            return
        asked = [(one, item.findings[id(one)]) for one in item.wanted]
        used = hand.used.of(item.subject.counterpart)
        try:
            item.judged = await self.verifying.judge(item.subject, hand.policy, asked, used)
        except StoreUnavailable:
            raise
        except Exception as error:
            log.exception("an answer cannot be judged", extra={"counterpart": item.subject.counterpart.id})
            item.judged = self.verifying.unknown(item.subject, f"a fault of ours ({type(error).__name__})")
        if len(hand.items) >= _TOGETHER and hand.items[0].judged is not None:
            await self._keep(hand)

    async def _beat(self, hand: _InHand) -> None:
        """Write down how far it is, and hold the sweep."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            await self._keep(hand)

    async def _keep(self, hand: _InHand, *, last: bool = False) -> Sweep:
        """Commit what is judged, as far as all before it is. Raises ``LostLease``, ``StoreUnavailable``."""
        async with hand.keeping:
            while True:
                ready: list[Judged] = []
                writes = 0
                while hand.items and (judged := hand.items[0].judged) is not None:
                    if len(ready) >= _TOGETHER or writes >= _WRITES:
                        break
                    ready.append(judged)
                    writes += bool(judged.differences or judged.known)
                    hand.items.popleft()
                end = last and not hand.items
                counted = replace(
                    hand.sweep,
                    questions=hand.before.questions + hand.tally.questions,
                    requests=hand.before.requests + hand.tally.requests,
                )
                hand.sweep = await self.store.sweeps.record(counted, ready, self.lease, last=end)
                hand.room.set()
                if end or not (hand.items and hand.items[0].judged is not None):
                    return hand.sweep

    async def _usages(self, account: AccountId) -> Usages:
        """What went out to whom, read once for the whole sweep."""
        now = self.clock.now()
        since = now - max(self.turns.seldom, YEAR)
        return await asyncio.to_thread(arranged, await self.store.sweeps.usage(account, now - YEAR, since))


def make_sweeping(
    config: SweepSection, store: Store, clock: Clock, surveyor: Surveyor, routing: Routing, owner: str
) -> Sweeping:
    """As the configuration says, with the rules by which invoices are routed."""
    return Sweeping(
        store=store,
        clock=clock,
        surveyor=surveyor,
        verifying=Verifying(
            proposing=routing.proposing, clock=clock, channels=routing.channels, country=routing.country
        ),
        owner=owner,
        turns=Turns(often=config.often, seldom=config.seldom),
        night=Night(enabled=config.enabled, hour=config.hour, spread=config.spread),
        most_requests=config.requests or None,
    )
