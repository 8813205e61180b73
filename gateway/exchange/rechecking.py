"""Receivers in doubt are asked for again at their time, whether an invoice waits for them or not.

A receiver that has vanished is asked for after 5, 15, 60 and 180 minutes and then every hour; within a day it is there
again or lost (:mod:`~gateway.routing.holding`). A lost one is asked for daily for a month, then weekly. Invoices that
wait for one that is there again go at once. No answer changes nothing; it is asked again some minutes later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import GatewayError, LostLease, NotFound
from gateway.exchange.verifying import Verifying, wanted
from gateway.model.counterpart import CounterpartId
from gateway.model.message import Direction
from gateway.model.relating import Relation, RelationState
from gateway.model.survey import Finding, Seen
from gateway.model.sweep import Subject
from gateway.ports import Clock, Store, Surveyor

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 60.0
_AT_ONCE: Final = 100
_AGAIN: Final = timedelta(minutes=5)
"""After no answer."""
_BESIDE: Final = 10
"""Who is slow to answer, or does not, holds up no others."""
_STATES: Final = (RelationState.SUSPECT, RelationState.LOST)


@dataclass(slots=True, kw_only=True)
class Rechecking:
    """Asks for relations whose time has come."""

    store: Store
    clock: Clock
    surveyor: Surveyor
    verifying: Verifying
    _silent: dict[CounterpartId, datetime] = field(default_factory=dict, init=False)
    """Of whom there was no answer, and until when they are left alone."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if await self.store.operation.gap() is None:
                    await self.run_once()
            except GatewayError as error:
                log.warning("receivers in doubt are asked for later: %s", error)
            except Exception:
                log.exception("receivers in doubt are asked for later")
            await asyncio.sleep(LOOK_SECONDS)

    async def run_once(self) -> int:
        """Ask for those whose time has come; gives how many there were an answer for."""
        now = self.clock.now()
        self._silent = {one: until for one, until in self._silent.items() if until > now}
        # Those who are silent are due all the same: they must not stand before everybody else.
        found = await self.store.relations.due(now, _AT_ONCE + len(self._silent), states=_STATES)
        due = [way for way in found if way.counterpart not in self._silent][:_AT_ONCE]
        places = asyncio.Semaphore(_BESIDE)

        async def ask(way: Relation) -> bool:
            async with places:
                return await self._ask(way)

        return sum(await asyncio.gather(*map(ask, due)))

    async def _ask(self, way: Relation) -> bool:
        rows = self.store.relations
        try:
            counterpart = await rows.counterpart(way.account, way.counterpart)
        except NotFound:
            return False  # it was removed meanwhile
        found, _ = await rows.proposals(way.account, counterpart=way.counterpart, direction=Direction.OUT, limit=1)
        subject = Subject(counterpart=counterpart, relation=way, proposal=found[0] if found else None)
        asked = await self._survey(wanted(subject))
        policy = (await rows.profile(way.account)).policy
        judged = await self.verifying.judge(subject, policy, asked)
        if not judged.changes.relations:
            self._silent[way.counterpart] = self.clock.now() + _AGAIN
            return False
        try:
            await rows.commit(judged.changes)
        except LostLease:
            return False  # an invoice has asked just now
        for line in judged.differences:
            log.info("%s", line.en, extra={"counterpart": way.counterpart})
        after = judged.changes.relations[0][0]
        if after.state is RelationState.ACTIVE:
            await self.store.hasten(receivers=[after.participant])
        return True

    async def _survey(self, addresses: Sequence[Seen]) -> list[tuple[Seen, Finding]]:
        """Ask for these few."""
        findings: dict[int, Finding] = {}

        async def source() -> AsyncIterator[Seen]:
            for one in addresses:
                yield one

        async def note(seen: Seen, finding: Finding) -> None:
            findings[id(seen)] = finding

        await self.surveyor.survey(source(), note)
        return [(one, findings[id(one)]) for one in addresses]
