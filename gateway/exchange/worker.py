"""The worker: claim, do one step, record what happened. It decides nothing.

A claimed document is leased; a worker that dies lets the lease run out and another takes over. An exception
that no step expected is logged with its traceback and postpones the document, so nothing is ever dropped. Nothing
that one document brings about ends the worker: only :meth:`Worker.stop` does.

A document that was in hand when a worker died may be what killed it. Such are worked on one at a time, so that the next
death convicts one only; after several deaths it is quarantined: FAILED or UNKNOWN, where a person sees it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from gateway.errors import GatewayError, LostLease, TemporaryError
from gateway.exchange.antivirus import SCANNER
from gateway.exchange.inbound import DELIVERY, Inbound
from gateway.exchange.outbound import Outbound
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.silence import Silence
from gateway.exchange.step import Outcome, explained
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import Event, State
from gateway.model.message import Direction, Message
from gateway.model.octets import IN_MEMORY
from gateway.ports import ANY_SIZE, DEATHS, Clock, Store

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 60.0
"""How long what a killed worker had in hand waits for another one."""
_RENEW_SECONDS: Final = 15.0
"""Pause between renewals of the leases of what is in hand, so that a step may last longer than a lease."""
_POLL_SECONDS: Final = 1.0
_RECORD_PAUSES: Final = (0.2, 1.0, 5.0, 15.0)
"""Seconds between tries to record an outcome: a receipt in hand is worth some patience with the store."""

_ASIDE: Final = (0.3, 1.5)
"""Seconds for which a document waits while another that may have killed a worker is in hand."""

StepFunction = Callable[[Message], Awaitable[Outcome]]


@dataclass(kw_only=True)
class Worker:
    """Turns the lifecycle table: one loop, ``at_once`` documents in work."""

    store: Store
    outbound: Outbound
    inbound: Inbound
    clock: Clock
    retry: RetryPolicy
    at_once: int = 32
    quarantine_after: int = 3
    """Deaths with one document in hand, until it is not tried any more; 0: it is tried for ever."""
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    handed_over: Callable[[float], None] = lambda seconds: None
    """Told how many seconds after its receipt C4 has a document."""
    running: bool = field(default=False, init=False)
    """True while :meth:`run` claims work: what ``/readyz`` asks."""
    claimed_last: float = field(default_factory=time.monotonic, init=False)
    """When it last took something up, by the monotonic clock."""
    _stopping: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _in_hand: dict[tuple[DocumentId, int], str] = field(default_factory=dict, init=False)
    """The claims in work (document and attempt), and for which receiver. A process that stood still for longer than a
    lease may claim a document anew while its step of before is still in hand: that one will find its lease lost."""
    _large: int = field(default=0, init=False)
    """How many large documents are being sent."""
    _suspect: DocumentId | None = field(default=None, init=False)
    """The one document in hand that may have killed a worker."""
    _silence: Silence = field(default_factory=Silence, init=False)
    _left_out: bool = field(default=False, init=False)
    """Whether the last claim left receivers or large documents out: then a place that becomes free is news."""

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
            async with asyncio.TaskGroup() as background:
                renewals = background.create_task(self._renew())
                async with asyncio.TaskGroup() as tasks:
                    while not self._stopping.is_set():
                        await self._turn(tasks, free)
                renewals.cancel()
        finally:
            self.running = False

    @property
    def _few(self) -> int:
        """A quarter of the places: what one receiver alone can never take, and what is claimed in one go."""
        return max(1, self.at_once // 4)

    async def _renew(self) -> None:
        """Keep the leases of what is in hand. A worker that stands still cannot, so another takes over."""
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            try:
                await self.store.renew(self.owner, tuple({one for one, _ in self._in_hand}), LEASE_SECONDS)
            except Exception as error:
                log.error("leases are not renewed: %s", error)

    async def _turn(self, tasks: asyncio.TaskGroup, free: asyncio.Semaphore) -> None:
        """Claim what is due and can be begun at once, or rest until there is something."""
        room = 0
        while not room or (room < self._few and not free.locked()):
            await free.acquire()
            room += 1
        if self._stopping.is_set():
            return
        self.store.work.clear()
        claimed: Sequence[Message] = ()
        try:
            without = self._silence.left_out(self._in_hand.values(), most=self.at_once - self._few, few=self._few)
            largest = self._largest()
            self._left_out = bool(without) or largest < ANY_SIZE
            claimed = await self.store.claim(self.owner, room, LEASE_SECONDS, without=without, largest=largest)
        except GatewayError as error:
            log.error("claim failed: %s", error)
        except Exception:
            log.exception("claim failed")
        if claimed:
            self.claimed_last = time.monotonic()
        ready = [message for message in claimed if await self._may_begin(message)]
        for message in ready:
            self._in_hand[message.id, message.attempts] = message.receiver
            self._large += _is_large(message)
            tasks.create_task(self._work_and_free(message, free))
        for _ in range(room - len(ready)):
            free.release()
        if not claimed:
            await self._rest()

    def _largest(self) -> int:
        """No more large documents are claimed than have a place to be worked on: they would hold those of others."""
        workshop = self.outbound.large
        return ANY_SIZE if workshop is None or self._large < workshop.spool.at_once else IN_MEMORY

    def stop(self) -> None:
        """Claim nothing more; :meth:`run` returns when the work in hand is done."""
        self._stopping.set()
        self.store.work.set()

    async def run_once(self) -> int:
        """Do every step that is due now, one after another; gives their number."""
        claimed = await self.store.claim(self.owner, self.at_once, LEASE_SECONDS)
        ready = [message for message in claimed if await self._may_begin(message)]
        for message in ready:
            await self.work(message)
            self._unsuspect(message)
        return len(claimed)

    async def work(self, message: Message) -> None:
        """One step of one claimed document, recorded."""
        try:
            outcome = await self.steps[message.direction, message.state](message)
        except LostLease:
            log.warning("lease lost", extra=_names(message))
            return
        except TemporaryError as error:
            log.error("not possible now: %s", error, extra=_names(message))
            outcome = await self._postponed(message, str(error), explained(error))
        except Exception as error:
            log.exception("unexpected failure of a step", extra=_names(message))
            text = f"Unexpected failure: {type(error).__name__}: {error}"
            outcome = await self._postponed(message, text, {"failure": "local"})
        self._silence.note(outcome.message.receiver, outcome.event, outcome.message.peer)
        await self._keep(outcome)
        for destination in self.outbound.breakers.reopened():
            await self._hasten(destination)

    async def _hasten(self, destination: str) -> None:
        """A destination answers again: what waits for it is due now, those that have waited longest first."""
        log.info("%s answers again", destination)
        delivery = destination.removeprefix(DELIVERY)
        try:
            if delivery != destination or destination == SCANNER:
                participants = await self.store.participants()
                receivers = [one.id.value for one in participants if destination in (SCANNER, DELIVERY + one.delivery)]
                await self.store.hasten(receivers=receivers)
            elif destination in self.outbound.channels:
                await self.store.hasten(channel=destination)
            else:
                await self.store.hasten(peer=destination)
        except Exception as error:
            log.error("what waits for %s waits longer: %s", destination, error)

    async def _may_begin(self, message: Message) -> bool:
        """Whether it is worked on now: not what kills its workers, and of what may, one at a time.

        Whatever is not begun is recorded before anything else begins, so that the next death is not counted against it.
        """
        deaths = 0
        if message.attempts > 1 and self.quarantine_after:
            try:
                deaths = await self.store.deaths(message)
            except GatewayError as error:
                log.error("its history cannot be read: %s", error, extra=_names(message))
        if not deaths:
            return True
        if deaths >= self.quarantine_after:
            event = _quarantined(message, deaths)
            log.error("quarantined: %s", event.reason, extra=_names(message))
        elif self._suspect is None:
            log.warning("a worker died with it in hand, %d times so far", deaths, extra=_names(message))
            self._suspect = message.id
            return True
        else:
            reason = "A worker died with it in hand; it is taken up again by itself, apart from the others"
            due = self.clock.now() + timedelta(seconds=random.uniform(*_ASIDE))  # noqa: S311 - spreads load
            event = Event(name="Postponed", reason=reason, next_attempt=due, detail={DEATHS: deaths})
        await self._keep(Outcome(message=message, event=event))
        return False

    def _unsuspect(self, message: Message) -> None:
        if self._suspect == message.id:
            self._suspect = None

    async def _keep(self, outcome: Outcome) -> None:
        """Record it; when even that is not possible the lease runs out, and the step is done again."""
        message = outcome.message
        try:
            await self._record(outcome)
        except LostLease:
            log.warning("lease lost", extra=_names(message))
        except TemporaryError as error:
            log.error("store unavailable: %s", error, extra=_names(message))  # the lease runs out, and it is done again
        except Exception as error:
            log.exception("an outcome could not be recorded", extra=_names(message))
            text = f"{outcome.event.name} could not be recorded: {type(error).__name__}"
            try:
                await self._record(await self._postponed(message, text))
            except Exception:
                log.exception("nor could that be recorded; the lease runs out", extra=_names(message))

    async def _record(self, outcome: Outcome) -> None:
        """Record it, with patience while the store cannot be used. Raises what the store raises."""
        message = outcome.message
        for pause in (*_RECORD_PAUSES, None):
            try:
                recorded = await self.store.record(message, outcome.event, outcome.evidence, follow=outcome.follow)
            except TemporaryError:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            else:
                event = outcome.event
                if event.name == "Delivered" and message.direction is Direction.IN:
                    self.handed_over((self.clock.now() - message.created).total_seconds())
                log.info("%s: %s", event.name, event.reason, extra={**_names(message), "state": recorded.state})
                return

    async def _postponed(self, message: Message, reason: str, detail: Mapping[str, object] | None = None) -> Outcome:
        """Try again later, or the end of the window; what the step has noted of sent octets counts."""
        stored = message
        try:
            stored = await self.store.get(message.account, message.id)
        except Exception as error:
            log.error("the document cannot be read: %s", error, extra=_names(message))
            stored = replace(message, sent_octets=True) if message.direction is Direction.OUT else message
        plain = reason.encode(errors="replace").decode()
        event = self.retry.after(stored, plain, self.clock.now())
        return Outcome(message=message, event=replace(event, detail={**event.detail, **(detail or {})}))

    async def _work_and_free(self, message: Message, free: asyncio.Semaphore) -> None:
        try:
            await self.work(message)
        finally:
            self._unsuspect(message)
            del self._in_hand[message.id, message.attempts]
            self._large -= _is_large(message)
            free.release()
            if self._left_out:
                self.store.work.set()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await self.store.work.wait()
        except TimeoutError:
            pass


def _quarantined(message: Message, deaths: int) -> Event:
    reason = f"Quarantined: {deaths} times the gateway died while it had this document in hand"
    remedy = "Look at the log of those times; requeue the document when what killed the gateway is mended."
    detail: dict[str, object] = {"quarantined": True, "failure": "local", "remedy": remedy, "died": deaths}
    if message.direction is Direction.OUT and message.sent_octets:
        return Event(name="LostTrack", reason=f"{reason}; the receiver may have it", detail=detail)
    return Event(name="GaveUp", reason=reason, detail=detail)


def _is_large(message: Message) -> bool:
    return message.direction is Direction.OUT and message.size > IN_MEMORY


def _names(message: Message) -> dict[str, object]:
    return {"document": message.id, "message_id": message.message_id, "attempt": message.attempts}
