"""Outbound: accept a document from C1, find its way, send it or divert it to another channel.

The three verbs are the three states a person can ask about: ``submit`` makes the promise (ACCEPTED), ``send``
keeps it over the network, ``dispatch`` keeps it by mail or letter. Identity (MessageId, envelope id) is minted
at acceptance and never again; the octets of the envelope are frozen before the first of them leaves.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

from gateway.errors import (
    AtRest,
    ChannelRefused,
    ChannelUnavailable,
    Conflict,
    InvalidAnswer,
    InvalidDocument,
    LookupUnavailable,
    PeerRefused,
    PeerUnavailable,
    TemporaryError,
)
from gateway.exchange import diverting, relations
from gateway.exchange.addresses import Addresses
from gateway.exchange.best_way import explained_event, send_best
from gateway.exchange.breakers import Breakers
from gateway.exchange.diverting import CHANNEL_WORDS, PAPER, TOO_LARGE, parcel_of
from gateway.exchange.doubles import Doubles, held
from gateway.exchange.fresh import Fresh
from gateway.exchange.ids import new_document_id
from gateway.exchange.refused import Refusals
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.routing import Routing
from gateway.exchange.rules import DocumentRules, as_detail
from gateway.exchange.step import Outcome, describe_steps, explained, facts_of, lookup_evidence, wait_of
from gateway.exchange.threads import LARGE, in_thread_if_large
from gateway.files.spool import Place, Spool, in_memory
from gateway.model.addresses import Cause, FailedAddress
from gateway.model.document import Envelope, Facts, Verdict
from gateway.model.double import is_held
from gateway.model.identifiers import AccountId, DocumentTypeId, InstanceId, MessageId, ParticipantId
from gateway.model.lifecycle import Event, State
from gateway.model.message import (
    Direction,
    Evidence,
    Message,
    Outgoing,
    PayloadKind,
    Route,
    TimelineEntry,
)
from gateway.model.octets import IN_MEMORY, Octets, Spooled, sha256_of, size_of
from gateway.model.relation import Reachable
from gateway.ports import Added, Arrival, Channel, Clock, Lookup, Paper, Store, Transport
from gateway.routing.words import Said, way_detail
from gateway.ubl import large, page, sbdh
from gateway.ubl.candidates import known_candidates
from gateway.ubl.submission import Submission, read_accepted, read_submission

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What large documents need: they are worked on from file to file."""

    spool: Spool
    pack: Callable[[Iterable[bytes], Path], Spooled]
    """As ``Outbound.pack``, into a new file."""
    limit: int
    """Octets that a document may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """Everything that happens to a document between C1 and C3, or C1 and the letter box."""

    store: Store
    lookup: Lookup
    transport: Transport
    channels: Mapping[str, Channel]
    """Fallback channels by name, in the order in which they are tried."""
    clock: Clock
    retry: RetryPolicy
    pack: Callable[[bytes], bytes]
    """Makes the part of an envelope (gzip), as the transport profile wants it."""
    message_id: Callable[[], MessageId]
    country: str
    """Country of C1 where the document names none."""
    large: Workshop | None = None
    """For documents that are too large for memory; without it all are worked on there."""
    rules: DocumentRules = field(default_factory=DocumentRules)
    doubles: Doubles = field(default_factory=Doubles)
    breakers: Breakers = field(default_factory=Breakers)
    routing: Routing | None = None
    """Chooses the way of each document by what is known of its receiver; without it the network alone decides."""
    mls: tuple[str, str] = ("", "")
    """MLS_TO and MLS_TYPE of the envelopes that are made here."""
    _fresh: Fresh = field(default_factory=Fresh, repr=False, compare=False)
    """Small documents just accepted: the first step begins at once and need not read and check them again."""

    async def submit(
        self,
        account: AccountId,
        octets: Octets,
        *,
        route: Route = Route.AUTO,
        idempotency_key: str = "",
        links: Mapping[str, str] | None = None,
        place: Place | None = None,
    ) -> Added:
        """Accept a document: checked, given its identity and committed when this returns.

        ``place`` is where ``octets`` that are in a file may have others beside it.
        The same idempotency key with the same body gives the document of the first time. Raises
        ``InvalidDocument`` with findings, ``Conflict`` (same key, other body; or a sender that belongs to
        another account), ``StoreUnavailable``.
        """
        submission = await self._checked(octets, place, judge=True)
        facts, envelope = facts_of(submission), submission.envelope
        sender = envelope.sender if envelope else _sender(facts)
        if sender is not None:
            ours = await self.store.participant(sender)
            if ours is not None and ours.account != account:
                raise Conflict(f"The sender {sender.value} belongs to another account")
        now = self.clock.now()
        receiver = envelope.receiver if envelope else facts.receiver.endpoint
        message = Message(
            id=new_document_id(now),
            account=account,
            direction=Direction.OUT,
            state=State.ACCEPTED,
            route=route,
            sender=sender.value if sender else "",
            receiver=receiver.value if receiver else "",
            document_type=str(facts.document_type),
            process=str(facts.process),
            number=facts.number,
            issue_date=facts.issue_date,
            due_date=facts.due_date,
            amount=facts.amount,
            currency=facts.currency,
            seller_name=facts.seller.shown_name,
            buyer_name=facts.buyer.shown_name,
            message_id=self.message_id(),
            instance_id=InstanceId(envelope.instance_id if envelope else str(uuid.UUID(new_document_id(now)))),
            conversation_id=str(uuid.uuid4()),
            sha256=sha256_of(octets),
            size=size_of(octets),
            next_attempt=now,
            created=now,
            updated=now,
            idempotency_key=idempotency_key,
            links=dict(links or {}),
        )
        entry = self._accepted(now, facts, submission.verdict)
        arrival = Arrival(
            message=message,
            payloads={PayloadKind.DOCUMENT: octets},
            entry=entry,
            doubles=self.doubles.watch(message, entry),
            fingerprint=f"{route} {message.sha256}",
        )
        added = await self.store.add_once(arrival)
        if not added.same:
            raise Conflict(
                "This idempotency key was used for another document",
                remedy="Use a new key for each document; repeat a key only with the very same body and route.",
            )
        if added.new and size_of(octets) <= LARGE:
            self._fresh.put(message.id, submission)
        return added

    async def resend(self, message: Message, *, key: str = "") -> Added:
        """Accept the stored content anew: a document with ids of its own that links to the old one.

        A repeat with the same ``key`` gives the document of the first time, so a second click is no second
        invoice. Raises as :meth:`submit`.
        """
        # The arrow keeps these keys apart from those of companies, which are ASCII.
        once = f"resend → {message.id} {key}"
        links = {"resend_of": message.id}
        # What may have arrived over the network is sent over the network again, and never becomes a copy on paper.
        over_network = message.sent_octets and message.channel not in CHANNEL_WORDS
        route = Route.PEPPOL if over_network else message.route
        octets = await self.store.content(message.id, PayloadKind.DOCUMENT)
        async with self._place(message) as place:
            return await self.submit(
                message.account, octets, route=route, idempotency_key=once, links=links, place=place
            )

    async def send(self, message: Message) -> Outcome:
        """ACCEPTED: search for the receiver and send, or divert when the network says no with authority."""
        if is_held(message):
            self._fresh.take(message.id)
            return Outcome(message=message, event=held(message))
        if not self._needs_place(message):
            return await self.send_read(message, await self._read(message, None), None)
        async with self._place(message) as place:
            return await self.send_read(message, await self._read(message, place), place)

    async def send_read(self, message: Message, submission: Submission, place: Place | None) -> Outcome:
        """The same with the document in hand."""
        if message.route in (Route.EMAIL, Route.PRINT):
            reason = f"{CHANNEL_WORDS[message.route]} was asked for"
            return Outcome(
                message=message, event=await self.divert(message, submission, reason, order=(message.route,))
            )
        if message.sent_octets and message.channel in CHANNEL_WORDS:
            # Requeued, and that channel may have it: only the same one can hand it over without a second copy.
            event = await self.divert(message, submission, "an earlier try may have arrived", order=(message.channel,))
            return Outcome(message=message, event=event)
        facts, envelope = facts_of(submission), submission.envelope
        chooses = message.route is Route.AUTO and not (envelope or message.sent_octets) and submission.facts is not None
        if self.routing is not None and chooses:
            return await send_best(self, self.routing, message, submission, place)
        wanted = self._wanted(message, facts, envelope)
        try:
            answer = await relations.search(self.lookup, wanted, facts.document_type, facts.process)
        except LookupUnavailable as error:
            event = self.retry.after(message, f"The relation search got no answer: {error}", self.clock.now())
            event = replace(event, detail={"steps": describe_steps(error.steps), **explained(error)})
            return Outcome(message=message, event=event, evidence=lookup_evidence(error.steps))
        evidence = lookup_evidence(answer.steps)
        if isinstance(answer, Reachable) and (message.sender or envelope):
            outcome = await self.transmit(message, submission, answer, place)
            return Outcome(message=outcome.message, event=outcome.event, evidence=(*evidence, *outcome.evidence))
        detail: dict[str, object] = {"steps": describe_steps(answer.steps)}
        no = answer.text if isinstance(answer, relations.NoRelation) else "the seller has no identifier on the network"
        if message.sent_octets:
            # The octets may be with C3 already: a registration that vanished since is no reason for paper.
            event = self.retry.after(message, f"The receiver is no longer found: {no}", self.clock.now())
        elif message.route is Route.PEPPOL:
            reason = f"Only the network was asked for, and {no}"
            event = Event(name="Rejected", reason=reason, channel="peppol")
        else:
            event = await self.divert(message, submission, f"not on the network: {no}")
        return Outcome(message=message, event=replace(event, detail=detail), evidence=evidence)

    async def dispatch(self, message: Message) -> Outcome:
        """DIVERTED: make the readable page and hand the parcel to the chosen channel."""
        async with self._place(message) as place:
            submission = await self._read(message, place)
            if size_of(submission.document) > PAPER:
                return Outcome(message=message, event=Event(name="GaveUp", reason=TOO_LARGE))
            document = await asyncio.to_thread(in_memory, submission.document)
        return await self._dispatch(message, replace(submission, document=document), document)

    async def _dispatch(self, message: Message, submission: Submission, document: bytes) -> Outcome:
        channel = self.channels.get(message.channel)
        if channel is None:
            reason = f"the channel {message.channel} is switched off"
            if message.sent_octets:
                event = Event(name="LostTrack", reason=f"It may have been handed over, and {reason}")
            else:
                event = await self.divert(message, submission, reason, order=await self._order(message, submission))
            return Outcome(message=message, event=event)
        try:
            with self.breakers.trying(message.channel):
                facts = facts_of(submission)
                language = page.language_of(facts)
                parcel = parcel_of(message, submission, b"", language)
                layout = await asyncio.to_thread(channel.layout, parcel) if isinstance(channel, Paper) else None
                make = partial(page.render, document, facts=facts, language=language, layout=layout)
                handover = await channel.dispatch(replace(parcel, page=await asyncio.to_thread(make)))
        except InvalidDocument as error:
            # No page can be made of it, today or tomorrow; a person must look.
            return Outcome(message=message, event=explained_event(Event(name="GaveUp", reason=str(error)), error))
        except TemporaryError as error:
            sent = isinstance(error, ChannelUnavailable) and error.sent
            event = self.retry.after(message, str(error), self.clock.now(), sent=sent, wait=wait_of(error))
            return Outcome(message=message, event=explained_event(event, error))
        except ChannelRefused as error:
            if error.address:
                receiver = facts_of(submission).receiver
                await self.addresses.failed(message, receiver, "email", Cause.BOUNCED, str(error))
            if message.sent_octets:
                # An earlier try may have succeeded: the next channel would make it a second copy.
                event = Event(name="LostTrack", reason=f"An earlier try may have arrived; this was refused: {error}")
            elif (order := await self._order(message, submission)) == (message.channel,):
                event = Event(name="Rejected", reason=f"{CHANNEL_WORDS[message.channel]} was refused: {error}")
            else:
                reason = f"{_before(message)}; {CHANNEL_WORDS[message.channel].lower()} was refused: {error}"
                event = await self.divert(message, submission, reason, order=order, after=message.channel)
            return Outcome(message=message, event=explained_event(event, error))
        name = channel.name
        event = Event(
            name="Dispatched", reason=handover.text, detail={"reference": handover.reference, "channel": name}
        )
        kept = handover.evidence or handover.text.encode()
        return Outcome(
            message=message, event=event, evidence=(Evidence(kind=name, media_type="text/plain", octets=kept),)
        )

    async def transmit(
        self, message: Message, submission: Submission, found: Reachable, place: Place | None
    ) -> Outcome:
        """Freeze the octets, send them, and read the answer; nothing is done while the other side is left alone."""
        envelope = submission.envelope or self._envelope(message, facts_of(submission), found)
        sent_before = message.sent_octets
        try:
            with self.breakers.trying(found.endpoint.seat):
                if sent_before:
                    part = await self.store.content(message.id, PayloadKind.PART)
                else:
                    part = await in_thread_if_large(message.size, self._part, submission.document, envelope, place)
                message = await self.store.mark_sending(
                    message, peer=found.endpoint.seat, receiver=found.participant.value, part=part
                )
                outgoing = Outgoing(
                    message_id=message.message_id,
                    conversation_id=message.conversation_id,
                    timestamp=message.created,
                    envelope=envelope,
                    part=part,
                )
                delivery = await self.transport.send(outgoing, found.endpoint)
        except AtRest as error:
            event = self.retry.after(message, str(error), self.clock.now(), wait=error.wait)
            event = replace(event, peer=found.endpoint.seat)  # by which it is found when that one answers again
            return Outcome(message=message, event=explained_event(event, error))
        except PeerUnavailable as error:
            # Only this attempt's mark is taken back when nothing left; an earlier one stays.
            before = replace(message, sent_octets=sent_before)
            event = self.retry.after(before, str(error), self.clock.now(), sent=error.sent)
            event = replace(event, sent_octets=sent_before or error.sent)
            return Outcome(message=message, event=explained_event(event, error))
        except InvalidAnswer as error:
            event = self.retry.after(message, str(error), self.clock.now(), sent=True)
            return Outcome(message=message, event=explained_event(event, error))
        except PeerRefused as error:
            refusals = Refusals(lookup=self.lookup, retry=self.retry, clock=self.clock)
            return await refusals.outcome(message, found, error, sent_before=sent_before)
        reason = (
            f"{found.participant.value} is on the network at {found.endpoint.seat}; "
            f"its signed receipt came after {delivery.milliseconds:.0f} ms"
        )
        event = Event(name="Sent", reason=reason, channel="peppol", peer=found.endpoint.seat, sent_octets=True)
        return Outcome(
            message=message,
            event=event,
            evidence=(
                Evidence(kind="request-envelope", media_type="application/soap+xml", octets=delivery.soap),
                Evidence(kind="receipt", media_type="application/soap+xml", octets=delivery.receipt.octets),
            ),
        )

    async def _order(self, message: Message, submission: Submission) -> tuple[str, ...]:
        """Which channels may carry it at all: one that was asked for explicitly, or all that law and receiver allow."""
        if message.route in (Route.EMAIL, Route.PRINT):
            return (message.route,)
        if self.routing is None or submission.facts is None or submission.envelope is not None:
            return tuple(self.channels)
        return await self.routing.order(message, submission.facts)

    async def came_back(self, message: Message, why: Said) -> Event:
        """What follows when the carrier could not deliver what it had taken: the next channel, or the end."""
        if message.route in (Route.EMAIL, Route.PRINT):
            return Event(name="Rejected", reason=why.en, detail=way_detail([why]), sent_octets=False)
        submission = await self._read(message, None)
        reason = f"{_before(message)}; {why.en[0].lower()}{why.en[1:]}"
        order = await self._order(message, submission)
        event = await self.divert(message, submission, reason, order=order, after=message.channel)
        # Nothing is left of it: the next channel hands over no second copy.
        name = "Rejected" if event.name == "GaveUp" else event.name
        detail = {**event.detail, **way_detail([why], event.detail)}
        return replace(event, name=name, detail=detail, sent_octets=False)

    @property
    def addresses(self) -> Addresses:
        """Which addresses have failed."""
        return Addresses(store=self.store, clock=self.clock)

    async def divert(
        self,
        message: Message,
        submission: Submission,
        reason: str,
        *,
        order: Sequence[str] | None = None,
        after: str = "",
    ) -> Event:
        """The next channel that can take it, of those in ``order``, or of all."""
        names = list(self.channels) if order is None else order
        refused: Mapping[str, FailedAddress] = {}
        if submission.facts is not None:
            refused = await self.addresses.refusals(message.account, submission.facts.receiver)
        return diverting.divert(self.channels, message, submission, reason, names, after=after, refused=refused)

    def _wanted(self, message: Message, facts: Facts, envelope: Envelope | None) -> list[ParticipantId]:
        """Whom to ask for: the envelope's receiver, the one it may have been sent to, or every candidate."""
        if envelope:
            return [envelope.receiver]
        if message.sent_octets:  # the frozen envelope names it
            return [ParticipantId.parse(message.receiver)]
        return [c.participant for c in known_candidates(facts.receiver)]

    def _part(self, document: Octets, envelope: Envelope, place: Place | None) -> Octets:
        if isinstance(document, bytes):
            return self.pack(sbdh.wrap(document, envelope))
        assert self.large is not None and place is not None
        return self.large.pack(large.wrap(document, envelope), place.new("part"))

    def _needs_place(self, message: Message) -> bool:
        return self.large is not None and message.size > IN_MEMORY

    @asynccontextmanager
    async def _place(self, message: Message) -> AsyncIterator[Place | None]:
        """A place in the spool for a large document; waits until there is one."""
        if self.large is None or not self._needs_place(message):
            yield None
            return
        async with self.large.spool.place(message.size, wait=True) as place:
            yield place

    async def _checked(self, octets: Octets, place: Place | None, *, judge: bool = False) -> Submission:
        """Read and check; with ``judge`` the document rules too, as they are asked once, when a document comes."""
        book = self.rules.book if judge and self.rules.outgoing != "off" else None
        refuses = partial(self.rules.refuses, policy=self.rules.outgoing)
        if isinstance(octets, bytes):
            if book is None:
                return await in_thread_if_large(len(octets), read_submission, octets)
            return await asyncio.to_thread(read_submission, octets, book=book, refuses=refuses)
        assert self.large is not None and place is not None
        limit = self.large.limit
        return await asyncio.to_thread(
            large.read_submission, octets, place.new, limit=limit, book=book, refuses=refuses
        )

    def _accepted(self, now: datetime, facts: Facts, verdict: Verdict | None) -> TimelineEntry:
        """The first row of the timeline: that it is stored, and what the document rules say of it."""
        words = "not validated, because the rules are switched off" if verdict is None else self.rules.words(verdict)
        detail: dict[str, object] = {} if verdict is None else {"rules": as_detail(verdict)}
        reason = f"{facts.kind} {facts.number} is stored; {words}"
        return TimelineEntry(time=now, event="Accepted", reason=reason, detail=detail)

    def _envelope(self, message: Message, facts: Facts, found: Reachable) -> Envelope:
        standard, type_version, type_name = _typed(facts.document_type)
        return Envelope(
            sender=_participant(message.sender),
            receiver=found.participant,
            document_type=found.document_type,
            process=found.process,
            country_c1=facts.sender.country or self.country,
            instance_id=message.instance_id,
            created=f"{message.created.isoformat()[:19]}Z",
            standard=standard,
            type_version=type_version,
            type=type_name,
            mls_to=self.mls[0],
            mls_type=self.mls[1],
        )

    async def _read(self, message: Message, place: Place | None) -> Submission:
        fresh = self._fresh.take(message.id)
        if fresh is not None:
            return fresh
        octets = await self.store.content(message.id, PayloadKind.DOCUMENT)
        if isinstance(octets, bytes):  # the store has compared its digest: it is what passed the door
            return await in_thread_if_large(len(octets), read_accepted, octets)
        return await self._checked(octets, place)


_participant: Final = lru_cache(1024)(ParticipantId.parse)


@lru_cache(256)
def _typed(document_type: DocumentTypeId) -> tuple[str, str, str]:
    """Standard, version and name of the document, as the business envelope has them."""
    return document_type.namespace, document_type.version, document_type.name


def _sender(facts: Facts) -> ParticipantId | None:
    if facts.sender.endpoint:
        return facts.sender.endpoint
    found: Sequence[ParticipantId] = [c.participant for c in known_candidates(facts.sender)]
    return found[0] if found else None


def _before(message: Message) -> str:
    """Why it took the way that has failed, without naming that way: the next one has the same reasons, and one more."""
    return message.reason.removeprefix(f"{CHANNEL_WORDS.get(message.channel, '')} because ")
