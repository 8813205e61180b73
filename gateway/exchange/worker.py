"""The worker: claim, do one step, record what happened. It decides nothing.

A claimed document is leased; a worker that dies lets the lease run out and another takes over. An exception
that no step expected is logged with its traceback and postpones the document, so nothing is ever dropped.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import LostLease, StoreUnavailable
from gateway.exchange.inbound import Inbound
from gateway.exchange.outbound import Outbound
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.step import Outcome
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Message
from gateway.ports import Clock, Store

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 600.0
"""Longer than the longest step: a relation search, one transmission with its time-outs, one page."""
_POLL_SECONDS: Final = 1.0

StepFunction = Callable[[Message], Awaitable[Outcome]]


@dataclass(kw_only=True)
class Worker:
    """Turns the lifecycle table: one loop, ``at_once`` documents in work."""

    store: Store
    outbound: Outbound
    inbound: Inbound
    clock: Clock
    retry: RetryPolicy
    at_once: int = 8
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    running: bool = field(default=False, init=False)
    """True while :meth:`run` claims work: what ``/readyz`` asks."""
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def steps(self) -> Mapping[tuple[Direction, State], StepFunction]:
        """Who moves a document on from which state."""
        return {
            (Direction.OUT, State.ACCEPTED): self.outbound.send,
            (Direction.OUT, State.DIVERTED): self.outbound.dispatch,
            (Direction.IN, State.RECEIVED): self.inbound.deliver,
        }

    async def run(self) -> None:
        """Work until :meth:`stop`; then finish what is in work and return."""
        free = asyncio.Semaphore(self.at_once)
        self.running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self._stopping.is_set():
                    await self._turn(tasks, free)
        finally:
            self.running = False

    async def _turn(self, tasks: asyncio.TaskGroup, free: asyncio.Semaphore) -> None:
        """Claim what is due and begin it, or rest until there is something."""
        await free.acquire()
        free.release()
        self.store.work.clear()
        try:
            claimed = await self.store.claim(self.owner, self.at_once, LEASE_SECONDS)
        except StoreUnavailable as error:
            log.error("claim failed: %s", error)
            claimed = []
        for message in claimed:
            await free.acquire()
            tasks.create_task(self._work_and_free(message, free))
        if not claimed:
            await self._rest()

    def stop(self) -> None:
        """Claim nothing more; :meth:`run` returns when the work in hand is done."""
        self._stopping.set()
        self.store.work.set()

    async def run_once(self) -> int:
        """Do every step that is due now, one after another; gives their number."""
        claimed = await self.store.claim(self.owner, self.at_once, LEASE_SECONDS)
        for message in claimed:
            await self.work(message)
        return len(claimed)

    async def work(self, message: Message) -> None:
        """One step of one claimed document, recorded."""
        try:
            outcome = await self.steps[message.direction, message.state](message)
        except LostLease:
            log.warning("lease lost", extra=_names(message))
            return
        except StoreUnavailable as error:
            log.error("store unavailable: %s", error, extra=_names(message))
            return  # the lease runs out and the step is done again
        except Exception as error:
            log.exception("unexpected failure of a step", extra=_names(message))
            event = self.retry.after(message, f"Unexpected failure: {type(error).__name__}: {error}", self.clock.now())
            outcome = Outcome(message=message, event=event)
        try:
            recorded = await self.store.record(outcome.message, outcome.event, outcome.evidence)
        except LostLease:
            log.warning("lease lost", extra=_names(message))
        except StoreUnavailable as error:
            log.error("store unavailable: %s", error, extra=_names(message))
        else:
            log.info(
                "%s: %s", outcome.event.name, outcome.event.reason, extra={**_names(message), "state": recorded.state}
            )

    async def _work_and_free(self, message: Message, free: asyncio.Semaphore) -> None:
        try:
            await self.work(message)
        finally:
            free.release()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await self.store.work.wait()
        except TimeoutError:
            pass


def _names(message: Message) -> dict[str, object]:
    return {"document": message.id, "message_id": message.message_id, "attempt": message.attempts}
