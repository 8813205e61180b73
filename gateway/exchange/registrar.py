"""Brings our participants onto the network, off it, and over to another SMP, stage by stage.

``model/registration.py`` says in which order; here each stage is done, and done again until it holds. What a stage
came to is committed before the next begins, so a process that dies goes on where it stood. A stage that fails for
now is tried again with growing pauses; one that is refused stops, and says what a person must do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Protocol

from gateway.errors import Conflict, GatewayError, LookupUnavailable, LostLease, NotFound, TemporaryError
from gateway.model.identifiers import AccountId, DocumentTypeId, ParticipantId, ProcessId
from gateway.model.message import Participant
from gateway.model.registration import Goal, Registration, Stage, begin
from gateway.model.relation import Endpoint, Reachable, Unreachable
from gateway.model.services import services_of
from gateway.ports import Clock, Listing, Register, Store

log = logging.getLogger(__name__)

PAUSES: Final = (1, 2, 5, 10, 30, 60, 300, 900, 3_600)
"""Seconds between tries of one stage; the last one goes on for ever."""
_SOON: Final = (1, 2, 5, 10, 30, 60)
"""The same for stages that wait for DNS or another operator: somebody watches."""
TESTS_MOST: Final = 10
"""A participant that is found but cannot be reached from here may still be reached by others."""
_AT_ONCE: Final = 8
_POLL_SECONDS: Final = 1.0
_REFRESH_SECONDS: Final = 5.0


class Outside(Protocol):
    """The network as others see it: nothing is remembered from earlier."""

    async def locate(self, participant: ParticipantId) -> str | Unreachable:
        """Base URL of the SMP that DNS names. Raises ``LookupUnavailable``."""
        ...

    async def find_afresh(
        self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
    ) -> Reachable | Unreachable:
        """Where it takes this document. Raises ``LookupUnavailable``."""
        ...

    def signer_of(self, found: Reachable) -> str:
        """Subject of the certificate that signed what was found."""
        ...


Test = Callable[[ParticipantId, Endpoint], Awaitable[str]]
"""Sends a test message there; gives in words what proves that it came. Raises what a transport raises."""


class NotYet(TemporaryError):
    """The network does not say yet what it will."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a participant is that left us: for the redirect of our SMP."""

    smp: str
    signer: str


@dataclass(kw_only=True)
class Registrar:
    """Does the stages. One loop, :meth:`run`; a caller who waits may :meth:`advance` itself."""

    store: Store
    register: Register | None
    """None: nobody is told; an operator without SML and zone file does it by hand."""
    outside: Outside
    test: Test
    clock: Clock
    smp_url: str
    """Where DNS must point to."""
    seat: str
    """Whose access point must be found."""
    directory: Listing | None = None
    immediate: bool = False
    """The register is seen by everybody at once, so nothing must be waited for when somebody leaves."""
    moved: dict[ParticipantId, Moved] = field(default_factory=dict, init=False)
    """Participants that our SMP redirects, as far as this process has heard; :meth:`home` knows."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _in_hand: dict[ParticipantId, asyncio.Lock] = field(default_factory=dict, init=False)

    # --- what people ask for ------------------------------------------------------------------------------------

    async def put_on(self, participant: Participant, key: str = "") -> Registration:
        """Begin, or go on, to bring it onto the network; with a migration key it is taken over from another SMP.

        Raises ``Conflict`` when it belongs to another account.
        """
        now = self.clock.now()
        known = await self.store.registration(participant.id)
        if known and known.account == participant.account and known.goal is Goal.ON and key in ("", known.key):
            held = await self.store.participant(participant.id)
            await self.store.save_participant(participant)
            if known.complete and self.directory and held and _card(held) != _card(participant):
                again = known.again(Stage.LISTED, now)
                await self.store.step_registration(known, again)
                return again
            if known.complete or known.next_attempt:
                return known
            again = replace(known, attempts=0, next_attempt=now, problem="", updated=now)
            await self.store.step_registration(known, again)
            return again
        new = begin(participant.id, participant.account, Goal.ON, now, key=key)
        new = new.passed(Stage.PUBLISHED, now, "our SMP answers for it")
        await self.store.begin_registration(new, participant)
        return new

    async def take_off(self, account: AccountId, id: ParticipantId) -> Registration:
        """Begin, or go on, to take it off the network. Raises ``NotFound``."""
        return await self._begin(account, id, Goal.OFF)

    async def hand_over(self, account: AccountId, id: ParticipantId, key: str) -> Registration:
        """Begin, or go on, to hand it over to whoever brings the key. Raises ``NotFound``."""
        return await self._begin(account, id, Goal.AWAY, key)

    async def _begin(self, account: AccountId, id: ParticipantId, goal: Goal, key: str = "") -> Registration:
        held = await self.store.participant(id)
        if held is None or held.account != account:
            raise NotFound(f"{id.value} is not a participant of this account")
        known = await self.store.registration(id)
        now = self.clock.now()
        if known and known.goal is goal:
            if known.complete or known.next_attempt:
                return known
            again = replace(known, attempts=0, next_attempt=now, problem="", updated=now)
            await self.store.step_registration(known, again)
            return again
        new = begin(id, account, goal, now, key=key)
        await self.store.begin_registration(new)
        return new

    async def advance(self, registration: Registration, until: Stage | None = None) -> Registration:
        """Do stage after stage, as far as they can be done now, or up to ``until``, which may be done already.

        Raises the refusal that stopped it; what only has to wait is in the ``problem`` of the answer.
        """
        lock = self._in_hand.setdefault(registration.participant, asyncio.Lock())
        try:
            async with lock:
                return await self._advance(registration, until)
        except LostLease:  # another process goes on with it
            return await self.store.registration(registration.participant) or registration
        finally:
            if not lock.locked():
                self._in_hand.pop(registration.participant, None)
            self._wake.set()

    async def _advance(self, registration: Registration, until: Stage | None) -> Registration:
        current = await self.store.registration(registration.participant) or registration
        while (stage := current.stage) is not None and current.next_attempt is not None:
            if any(done.stage is until for done in current.done):
                break
            try:
                after = await self._do(stage, current)
            except GatewayError as error:
                return await self._failed(current, stage, error)
            except Exception as error:  # a bug: it is noted, and tried again with pauses
                log.exception("%s: unexpected failure of %s", current.participant.value, stage)
                unexpected = TemporaryError(f"Unexpected failure: {type(error).__name__}: {error}")
                return await self._failed(current, stage, unexpected)
            if stage is Stage.UNPUBLISHED:
                await self.store.end_registration(current)
                self.moved.pop(current.participant, None)
                log.info("%s: %s", current.participant.value, stage)
                return after
            await self.store.step_registration(current, after)
            log.info("%s: %s, %s", current.participant.value, stage, after.done[-1].text)
            current = after
        return current

    async def _failed(self, before: Registration, stage: Stage, error: GatewayError) -> Registration:
        now = self.clock.now()
        attempts = before.attempts + 1
        pauses = _SOON if isinstance(error, NotYet | LookupUnavailable) else PAUSES
        again = error.temporary and not (stage is Stage.TESTED and attempts >= TESTS_MOST)
        pause = timedelta(seconds=pauses[min(attempts, len(pauses)) - 1])
        text = f"{error}" if again else f"{error} {error.remedy}"
        after = replace(
            before, attempts=attempts, next_attempt=now + pause if again else None, problem=text, updated=now
        )
        await self.store.step_registration(before, after)
        if not again:
            log.warning("%s: %s is not possible: %s", before.participant.value, stage, error)
            if not error.temporary:
                raise error
        return after

    async def home(self, id: ParticipantId) -> Moved | None:
        """Where it is now that it has left us.

        Who comes back is noticed at once, by every process: two SMPs that redirect to each other would lose it.
        """
        if id not in self.moved:
            return None
        way = await self.store.registration(id)
        if way is not None and way.goal is Goal.AWAY and way.moved_to:
            return Moved(way.moved_to, way.moved_signer)
        self.moved.pop(id, None)
        return None

    # --- the stages ---------------------------------------------------------------------------------------------

    async def _do(self, stage: Stage, now: Registration) -> Registration:
        work = self._stages[stage]
        done = await work(now)
        if isinstance(done, Registration):
            return done
        return now.passed(stage, self.clock.now(), done)

    @property
    def _stages(self) -> Mapping[Stage, Callable[[Registration], Awaitable[str | Registration]]]:
        return {
            Stage.PUBLISHED: self._publish,
            Stage.REGISTERED: self._register,
            Stage.FOUND: self._find,
            Stage.TESTED: self._test,
            Stage.LISTED: self._list,
            Stage.UNLISTED: self._unlist,
            Stage.PREPARED: self._prepare,
            Stage.MOVED: self._await_move,
            Stage.REDIRECTED: self._redirect,
            Stage.DEREGISTERED: self._deregister,
            Stage.VANISHED: self._await_absence,
            Stage.UNPUBLISHED: self._unpublish,
        }

    async def _publish(self, now: Registration) -> str:
        return "our SMP answers for it"

    async def _register(self, now: Registration) -> str:
        if self.register is None:
            return _BY_HAND
        await self.register.enter(now.participant, now.key)
        return "taken over with the migration key" if now.key else "entered in the SML"

    async def _find(self, now: Registration) -> str:
        if self.register is None:
            return _BY_HAND
        found = await self._look(now.participant)
        return f"DNS and SMP lead to {found.endpoint.seat} at {found.endpoint.url}"

    async def _look(self, participant: ParticipantId) -> Reachable:
        held = await self.store.participant(participant)
        if held is None:
            raise NotFound(f"{participant.value} is not here any more")
        if not (services := services_of(held)):
            raise NotYet("it takes no document type yet")
        document_type, process = services[0]
        smp = await self.outside.locate(participant)
        if isinstance(smp, Unreachable):
            raise NotYet(f"{smp.text}; the zone may need a while")
        if smp.rstrip("/") != self.smp_url.rstrip("/"):
            raise NotYet(f"DNS still leads to the SMP {smp}")
        if document_type.is_wildcard:
            document_type = _concrete(document_type)
        found = await self.outside.find_afresh(participant, document_type, process)
        if isinstance(found, Unreachable):
            raise NotYet(found.text)
        if found.endpoint.seat != self.seat:
            raise NotYet(f"the look-up ends at {found.endpoint.seat}, not at {self.seat}")
        return found

    async def _test(self, now: Registration) -> str:
        if self.register is None:
            return _BY_HAND
        found = await self._look(now.participant)
        return await self.test(now.participant, found.endpoint)

    async def _list(self, now: Registration) -> str:
        held = await self.store.participant(now.participant)
        if self.directory is None or held is None:
            return ""
        if not (held.name and held.country):
            return "not in the directory: a business card needs name and country"
        await self.directory.index(now.participant)
        return "the directory was told to read the business card"

    async def _unlist(self, now: Registration) -> str:
        if self.directory is None:
            return ""
        await self.directory.forget(now.participant)
        return "the directory was told to forget it"

    async def _prepare(self, now: Registration) -> str:
        if self.register is None:
            raise Conflict("Without an SML nothing can be handed over by key")
        await self.register.hand_over(now.participant, now.key)
        return "the SML knows the migration key; it is for the other operator"

    async def _await_move(self, now: Registration) -> str | Registration:
        smp = await self.outside.locate(now.participant)
        if isinstance(smp, Unreachable):
            raise NotYet(smp.text)
        if smp.rstrip("/") == self.smp_url.rstrip("/"):
            raise NotYet("the other SMP has not used the key yet")
        held = await self.store.participant(now.participant)
        document_type, process = next(iter(services_of(held) if held else ()), (None, None))
        if document_type is None or process is None:
            raise NotFound(f"{now.participant.value} is not here any more")
        if document_type.is_wildcard:
            document_type = _concrete(document_type)
        found = await self.outside.find_afresh(now.participant, document_type, process)
        if isinstance(found, Unreachable):
            raise NotYet(f"the SMP {smp} does not answer for it yet: {found.text}")
        moved = replace(now, moved_to=smp, moved_signer=self.outside.signer_of(found))
        return moved.passed(Stage.MOVED, self.clock.now(), f"DNS leads to {smp}, signed by {moved.moved_signer}")

    async def _redirect(self, now: Registration) -> str:
        self.moved[now.participant] = Moved(now.moved_to, now.moved_signer)
        return f"our SMP redirects to {now.moved_to}"

    async def _deregister(self, now: Registration) -> str:
        if self.register is None:
            return _BY_HAND
        await self.register.leave(now.participant)
        return "the SML does not have it for us"

    async def _await_absence(self, now: Registration) -> str:
        if self.register is None or self.immediate:
            return "nobody finds it any more"
        smp = await self.outside.locate(now.participant)
        if isinstance(smp, str) and smp.rstrip("/") == self.smp_url.rstrip("/"):
            raise NotYet("DNS still leads to our SMP; it answers until nobody comes")
        return f"a look-up says: {smp.text if isinstance(smp, Unreachable) else f'it is at {smp}'}"

    async def _unpublish(self, now: Registration) -> str:
        return "our SMP does not answer for it"

    # --- the loop -----------------------------------------------------------------------------------------------

    async def run(self, *, leading: bool = True) -> None:
        """Do what is due until cancelled. Of several processes one leads; the others only learn who has moved."""
        refreshed = 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            try:
                if loop.time() - refreshed >= _REFRESH_SECONDS or not refreshed:
                    refreshed = loop.time()
                    await self.refresh()
                if leading:
                    await self.run_once()
            except GatewayError as error:
                log.error("registrations cannot be gone on with: %s", error)
            except Exception:
                log.exception("unexpected failure of a registration")
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def refresh(self) -> None:
        """Learn who has moved away."""
        done = await self.store.registrations()
        moved = {r.participant: Moved(r.moved_to, r.moved_signer) for r in done if r.moved_to and r.goal is Goal.AWAY}
        self.moved.clear()
        self.moved.update(moved)

    async def run_once(self) -> int:
        """Do every stage that is due now; gives the number of participants."""
        due = await self.store.due_registrations(_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for registration in due:
                tasks.create_task(self._advance_quietly(registration))
        return len(due)

    async def _advance_quietly(self, registration: Registration) -> None:
        lock = self._in_hand.setdefault(registration.participant, asyncio.Lock())
        if lock.locked():
            return
        try:
            async with lock:
                await self._advance(registration, None)
        except LostLease:
            pass  # somebody else has gone on with it
        except GatewayError as error:
            log.warning("%s: %s", registration.participant.value, error)
        finally:
            if not lock.locked():
                self._in_hand.pop(registration.participant, None)


_BY_HAND: Final = "no SML and no zone file are configured: whoever keeps the register must be told by hand"


def _card(of: Participant) -> tuple[object, ...]:
    """What the directory shows of it."""
    return of.name, of.country, services_of(of)


def _concrete(registered: DocumentTypeId) -> DocumentTypeId:
    """A document type that the wildcard covers: itself without its star."""
    stem = registered.customization.removesuffix("*")
    return DocumentTypeId(f"{registered.syntax}##{stem}::{registered.version}", registered.scheme)
