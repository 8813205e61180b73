"""Letters through the exchange: each is written down as it goes out, and what the bureau says moves its document.

:class:`Lettered` stands around the letter channel and keeps the store's row of each letter. :class:`PostRoom` closes
batches, reads the bureau's answers, takes returns from people, and lets letters count as delivered when nothing came
back. A return marks the address (:mod:`.returns`) and stops the document, so that its owner sees it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.errors import ChannelRefused, GatewayError, LostLease, NotFound, StateError
from gateway.exchange.returns import Returns
from gateway.model.identifiers import AccountId
from gateway.model.letter import (
    ASSUMED_AFTER,
    TOLD,
    Letter,
    LetterId,
    LetterState,
    LetterStep,
    ReturnReason,
    letter_id,
)
from gateway.model.lifecycle import NOTED, Event, advance
from gateway.model.message import Message, Parcel
from gateway.model.signals import Handover
from gateway.ports import Bureau, Channel, Clock, Paper, Store

log = logging.getLogger(__name__)

_TURN_SECONDS: Final = 15.0
_AT_ONCE: Final = 500
_OPEN: Final = (LetterState.SUBMITTED, LetterState.ACCEPTED, LetterState.PRINTED, LetterState.ENVELOPED)
_TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Lettered:
    """The letter channel, with each letter written down. Implements :class:`~gateway.ports.Channel`."""

    channel: Channel
    store: Store
    clock: Clock
    kind: str = ""

    @property
    def name(self) -> str:
        return self.channel.name

    @property
    def confirms(self) -> bool:
        return self.channel.confirms

    def serves(self, parcel: Parcel) -> str:
        return self.channel.serves(parcel)

    def layout(self, parcel: Parcel) -> dict[str, object]:
        return self.channel.layout(parcel) if isinstance(self.channel, Paper) else {}

    async def dispatch(self, parcel: Parcel) -> Handover:
        """Hand over, and write down what became of the letter; a repeat writes nothing twice."""
        message, now = parcel.message, self.clock.now()
        letter = Letter(
            id=letter_id(message.id),
            account=message.account,
            document=message.id,
            kind=self.kind,
            number=message.number,
            reason="The page is made",
            created=now,
            updated=now,
        )
        letter = await self.store.letters.begin(letter)
        if letter.state in (LetterState.REJECTED, LetterState.RETURNED):
            raise ChannelRefused(
                f"The letter was printed before and is {letter.state}: {letter.reason}",
                remedy="The address stands in the document: hand in a corrected one, or let it go another way.",
            )
        if letter.state is LetterState.PREFLIGHT_FAILED:
            again = LetterStep(state=LetterState.RENDERED, reason="The document was put back to work")
            letter, _ = await self.store.letters.step(letter.id, [again])
        try:
            handover = await self.channel.dispatch(parcel)
        except ChannelRefused as error:
            if letter.state is LetterState.RENDERED:
                no = LetterStep(state=LetterState.PREFLIGHT_FAILED, reason=str(error))
                await self.store.letters.step(letter.id, [no])
            raise
        await self.store.letters.step(letter.id, _steps_of(handover))
        return handover


def _steps_of(handover: Handover) -> list[LetterStep]:
    """The steps that a handover stands for; its evidence begins with the letter's line of the manifest."""
    facts: dict[str, object] = {}
    more: list[LetterStep] = []
    try:
        for line in handover.evidence.decode().splitlines():
            row: dict[str, Any] = json.loads(line)
            if "steps" in row:
                more = [LetterStep(**{**step, "state": LetterState(step["state"])}) for step in row["steps"]]
            else:
                facts = _facts(row)
    except (ValueError, TypeError, AttributeError):
        log.warning("the evidence of %s cannot be read: its letter stays without figures", handover.reference)
    batch = handover.reference.partition("/")[0]
    steps = [LetterStep(state=LetterState.PREFLIGHT_OK, reason="The bureau can print it", facts=facts)]
    if batch != "tray":
        known: dict[str, object] = {"batch": batch}
        steps.append(LetterStep(state=LetterState.BATCHED, reason=f"In batch {batch}", facts=known))
        steps.append(LetterStep(state=LetterState.SUBMITTED, reason=handover.text))
    return [*steps, *more]


def _facts(row: dict[str, Any]) -> dict[str, object]:
    from decimal import Decimal

    same = ("file", "sha256", "pages", "sheets", "duplex", "colour", "grams", "envelope", "postage", "currency")
    facts: dict[str, object] = {key: row[key] for key in (*same, "country") if key in row}
    price = row.get("price")
    return {**facts, "address": tuple(row["address"]), "price": Decimal(price) if price else None}


@dataclass(slots=True, kw_only=True)
class PostRoom:
    """What happens to letters after they are handed over."""

    store: Store
    clock: Clock
    bureau: Bureau | None = None
    returns: Returns
    """Told of each letter that came back."""
    assumed_after: timedelta = ASSUMED_AFTER

    async def run(self) -> None:
        """Take a turn every quarter of a minute, until cancelled."""
        while True:
            try:
                await self.turn()
            except GatewayError as error:
                log.warning("letters: %s", error)
            except Exception:
                log.exception("letters: this turn failed")
            await asyncio.sleep(_TURN_SECONDS)

    async def turn(self) -> None:
        """Close and submit what is due, read answers, let old letters count as delivered, search for who moved."""
        now = self.clock.now()
        if self.bureau is not None:
            for one, step in await self.bureau.flush():
                await self.tell(one, step)
            await self.bureau.flushed()
            waiting = await self.store.letters.in_states((*_OPEN, LetterState.POSTED), now, _AT_ONCE)
            told = await self.bureau.answers(waiting)
            for one, step in told:
                await self.tell(one, step)
            await self.bureau.answered()
        days = self.assumed_after.days
        for letter in await self.store.letters.in_states([LetterState.POSTED], now - self.assumed_after, _AT_ONCE):
            quiet = f"Posted, and nothing has come back for {days} days"
            await self.tell(letter.id, LetterStep(state=LetterState.ASSUMED_DELIVERED, reason=quiet))
        await self.returns.search()

    async def tell(self, id: LetterId, step: LetterStep) -> Letter | None:
        """Write down what is said of a letter, and let its document hear it; None for a letter that is none of ours."""
        before = await self.store.letters.find_letter(id)
        if before is None:
            log.warning("the bureau speaks of %s, which is no letter of ours", id)
            return None
        try:
            letter, done = await self.store.letters.step(id, [step])
        except StateError as error:
            log.warning("%s: %s; it stays as it is", id, error)
            return before
        if TOLD[step.state] and (done or letter.state is step.state):
            await self._document(letter, step)
        return letter

    async def returned(
        self, account: AccountId, id: LetterId, reason: ReturnReason, note: str, actor: str, when: datetime | None
    ) -> Letter:
        """A person holds the letter that came back. Raises ``NotFound``, ``StateError``."""
        letter = await self.store.letters.letter(account, id)
        said = f"The letter came back ({reason.replace('_', ' ')}), says {actor}" + (f": {note}" if note else "")
        step = LetterStep(state=LetterState.RETURNED, reason=said, returned=reason, time=when)
        letter, _ = await self.store.letters.step(id, [step])
        await self._document(letter, step)
        return letter

    async def _document(self, letter: Letter, step: LetterStep) -> None:
        """One row of the document's timeline; repeated after a crash it finds its own row and writes no second."""
        for _ in range(_TRIES):
            try:
                message = await self.store.get(letter.account, letter.document)
            except NotFound:
                return  # erased meanwhile
            if await self._said(message, letter):
                break
            if step.state is LetterState.RETURNED:
                # Before the timeline says so: a crash between the two marks it once more, and never loses it.
                await self.returns.came_back(message, letter.returned or ReturnReason.OTHER, step.reason)
            event = _event(message, letter, step)
            try:
                await self.store.record(message, event, keep_lease=True)
                break
            except LostLease:
                await asyncio.sleep(0.05)
        else:
            log.warning("the document of %s moves: its timeline lacks that the letter is %s", letter.id, step.state)

    async def _said(self, message: Message, letter: Letter) -> bool:
        history: Sequence[Any] = await self.store.timeline(message.account, message.id)
        for row in reversed(history):
            told = row.detail.get("letter")
            if row.event == "Dispatched":
                return False  # what was said before is of an earlier letter
            if isinstance(told, dict) and told.get("state") == letter.state:
                return True
        return False


def _event(message: Message, letter: Letter, step: LetterStep) -> Event:
    """What the state says of the document: the event of the table, or only a note where its life does not allow it."""
    detail: dict[str, object] = {
        "id": letter.id,
        "state": str(step.state),
        "batch": letter.batch,
        "carrier": letter.carrier,
        "postage": letter.postage,
        "returned": str(letter.returned) if letter.returned else None,
    }
    name = TOLD[step.state] or NOTED
    reason = step.reason or f"The letter is {step.state.replace('_', ' ')}"
    if step.state is LetterState.RETURNED:
        where = ", ".join(letter.address)
        reason += f". The postal address {where} is not used again: correct it, or say that it is right"
    wanted = Event(name=name, reason=reason, detail={"letter": detail})
    try:
        advance(message.direction, message.state, wanted)
    except StateError:
        wanted = Event(name="Noted", reason=reason, detail={"letter": detail})
    return wanted
