"""Inbound: take responsibility for what another access point sent, and hand it on to C4.

``receive`` is called with a message that was read and verified and with the receipt that will answer it; it
commits both before it returns, so the receipt never leaves before the message is safe. Handing on to C4 is
never part of the request: the worker does it from the committed row.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from gateway.errors import (
    ChannelRefused,
    Conflict,
    GatewayError,
    InvalidDocument,
    InvalidMessage,
    TemporaryError,
)
from gateway.exchange.attachments import Attachments, Looked
from gateway.exchange.breakers import Breakers
from gateway.exchange.ids import new_document_id
from gateway.exchange.in_work import InWork
from gateway.exchange.paper_before import PaperBefore
from gateway.exchange.responses import Responses
from gateway.exchange.responses import verdict as response_verdict
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.rules import DocumentRules, as_detail
from gateway.exchange.status import STATUS_TYPES, Statuses
from gateway.exchange.step import Outcome, explained, wait_of
from gateway.exchange.threads import LARGE, in_thread_if_large
from gateway.model.document import Facts, Summary, Verdict, bare_facts
from gateway.model.identifiers import DocumentTypeId, InstanceId, ParticipantId, ProcessId
from gateway.model.lifecycle import Event, State
from gateway.model.message import (
    Direction,
    Evidence,
    Message,
    Parcel,
    Participant,
    PayloadKind,
    Received,
    TimelineEntry,
)
from gateway.model.octets import Octets, Spooled, sha256_of, size_of
from gateway.model.often import made_often
from gateway.model.services import INVOICE_RESPONSE, MLR, MLS, serves
from gateway.model.signals import NOT_SERVICED, EbmsCode
from gateway.ports import Arrival, Channel, Clock, Repeatable, Store
from gateway.ubl import invoice, large

log = logging.getLogger(__name__)

DELIVERY: Final = "delivery."
"""How a way to C4 is called as a destination."""
PULLED: Final = "inbox"
"""The delivery by which C4 fetches documents itself: the acknowledgement delivers."""
NOT_ASKED: Final = "not validated, because the rules are switched off"
KEPT_BACK: Final = "Ask the sender for a correct one. To hand this one to the receiver all the same, requeue it."


_READ_BY_US: Final = frozenset({*STATUS_TYPES, str(INVOICE_RESPONSE)})
_NOTHING_READ: Final = Summary(
    number="", issue_date=None, due_date=None, currency="", amount=None, seller_name="", buyer_name=""
)
"""What a message tells of a document that we do not understand."""


@made_often
@dataclass(frozen=True, slots=True)
class _Taken:
    """A message that is safe in the store, and the receipt that answered it."""

    part: str
    """SHA-256 of the part as it was signed: two messages with the same one are the same."""
    receipt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """Everything that happens to a document between C2 and C4."""

    store: Store
    deliveries: Mapping[str, Channel]
    """Ways to C4 by the name of their ``[delivery.NAME]`` section."""
    clock: Clock
    retry: RetryPolicy
    retries: Mapping[str, RetryPolicy] = field(default_factory=dict)
    """How long each delivery is tried, by its name; those that are not here as ``retry`` says."""
    in_work: InWork[_Taken] = field(default_factory=InWork)
    rules: DocumentRules = field(default_factory=DocumentRules)
    breakers: Breakers = field(default_factory=Breakers)
    statuses: Statuses | None = None
    """What the sender's access point is told, and what others tell of our documents; None: nothing."""
    responses: Responses | None = None
    """Where the responses of other companies to our invoices are noted."""
    attachments: Attachments = field(default_factory=Attachments)
    """Looks at the files inside documents."""
    paper: PaperBefore | None = None
    """Knows what came as PDF or on paper before; None where nothing can."""

    async def receive(self, received: Received, receipt: bytes) -> bytes:
        """Commit the message with its receipt and give the receipt to answer with.

        (1) The test service is answered and not stored. (2) The receiver is ours and takes this document.
        (3) One commit of message, octets, evidence and receipt under the key (signer's seat, MessageId). The document
        rules are asked afterwards, by the worker: the receipt says that the octets are here, not that they are right.
        An envelope that comes again under another MessageId is kept, but not handed over twice.
        (4) A repeat with the same signed part gets the stored receipt, octet for octet (where its sender signed the
        header anew, so that the stored one would not fit, a receipt of its own); one with another part is refused.
        A repeat that comes while the first is being worked on waits for it. What was refused is not remembered: a
        refusal follows from the message and from whom we serve, so that the same message is refused in the same words.
        Raises ``InvalidMessage``, ``StoreUnavailable`` or ``Overloaded``.
        """
        if received.is_test:
            return receipt
        part = received.part_sha256 or await in_thread_if_large(size_of(received.part), sha256_of, received.part)
        key = (received.verification.seat, received.message_id)
        taken, first = await self.in_work.once(key, lambda: self._take(received, receipt, part))
        if first:
            return taken.receipt
        if taken.part != part:
            raise _used_before(received)
        log.info("repeated while in work", extra={"message_id": received.message_id})
        return taken.receipt if _acknowledges(taken.receipt, received) else receipt

    async def _take(self, received: Received, receipt: bytes, part: str) -> _Taken:
        envelope = received.envelope
        participant = await self.store.participant(envelope.receiver)
        serviced = participant is not None and serves(participant, envelope.document_type, envelope.process)
        if not serviced:
            # A repeat of what we have a receipt for is a repeat, whatever became of the receiver since.
            earlier = await self.store.find_received(received.verification.seat, received.message_id)
            if earlier is not None:
                participant, serviced = Participant(id=envelope.receiver, account=earlier.account), True
        if participant is None or not serviced:
            what = "receiver" if participant is None else "document type and process"
            raise InvalidMessage(
                EbmsCode.OTHER, NOT_SERVICED, text=f"The {what} of {received.message_id} is not serviced here"
            )
        paper = self.paper is not None and await self.paper.possible(participant.account)
        arrival = self._arrival(received, receipt, participant, part, paper=paper)
        added = await self.store.add_once(arrival)
        if not added.same:
            raise _used_before(received)
        if added.new:
            return _Taken(part, receipt)
        log.info("repeated", extra={"message_id": received.message_id, "document": added.message.id})
        return _Taken(part, added.receipt if _acknowledges(added.receipt, received) else receipt)

    async def deliver(self, message: Message) -> Outcome:
        """RECEIVED: judge the document as the account wants it, and hand it to C4 by the participant's delivery.

        A status message is for us and goes to the document that it tells of. Each try judges anew, so that nothing
        needs to be remembered; what a person has put back to work is not refused again.
        """
        if message.document_type == str(MLS) and self.statuses is not None:
            return await self.statuses.read(message)
        octets = await self.store.content(message.id, PayloadKind.DOCUMENT)
        try:
            looked = await self.attachments.look(message, octets)
        except TemporaryError as error:
            return self._not_looked_at(message, error)
        if looked.held is not None:
            return self._held(message, looked, looked.held)
        if self.paper is not None and (event := await self.paper.look(message, octets)) is not None:
            return _also(self._came_on_paper(message, event), looked)
        policy = self.rules.incoming_of(message.account)
        answers = message.document_type == str(INVOICE_RESPONSE) and isinstance(octets, bytes)
        if policy == "off" or message.links.get("interpretation"):
            verdict = None  # nobody is asked to mend what we wrote ourselves
        elif answers and isinstance(octets, bytes):
            verdict = await asyncio.to_thread(response_verdict, octets)
        else:
            verdict = await self.rules.judges.verdict(octets)
        by_hand = (message.queued_since or message.created) > message.created
        if verdict is not None and self.rules.refuses(verdict, policy) and not by_hand:
            return await self._kept_back(message, octets, verdict)
        if message.document_type == str(MLR) and self.statuses is not None and isinstance(octets, bytes):
            await self.statuses.note(message, octets)
        if answers and self.responses is not None and isinstance(octets, bytes):
            await self.responses.note(message, octets)
        # C4 is told of what was seen with the document, not after it.
        seen = replace(message, links={**message.links, **looked.links}) if looked.links else message
        told = self._told(await self._hand_on(seen, octets), verdict)
        return _also(replace(told, message=message), looked)

    def _not_looked_at(self, message: Message, error: TemporaryError) -> Outcome:
        """Nobody could look at its attachments: it waits, and nobody gets it."""
        event = self.retry.after(message, str(error), self.clock.now(), wait=wait_of(error))
        event = replace(event, detail={**event.detail, **explained(error)})
        follow = self.statuses.of_undelivered(message) if event.name == "GaveUp" and self.statuses else None
        return Outcome(message=message, event=_with_status(event, follow), follow=follow)

    def _held(self, message: Message, looked: Looked, event: Event) -> Outcome:
        """Kept back because of what is attached; its sender's access point is told where that is for good."""
        follow = self.statuses.of_undelivered(message) if looked.refused and self.statuses else None
        return Outcome(message=message, event=_with_status(event, follow), follow=follow)

    def _came_on_paper(self, message: Message, event: Event) -> Outcome:
        """C4 has the invoice, so its sender's access point is told so; where a person is asked first, nothing yet."""
        follow = None
        if event.name == "Delivered" and self.statuses is not None:
            follow = self.statuses.of_delivered(message, confirmed=False, verdict=None)
        return Outcome(message=message, event=_with_status(event, follow), follow=follow)

    async def _kept_back(self, message: Message, octets: Octets, verdict: Verdict) -> Outcome:
        """Our rules say no: C4 does not get it, its sender's access point is told, and a person can look."""
        event = Event(
            name="Rejected",
            reason=f"Our rules keep it from C4: {verdict.words}",
            detail={"rules": as_detail(verdict), "remedy": KEPT_BACK},
        )
        follow = None
        if self.statuses is not None:
            plain = self.rules.book.language == "en"
            told = verdict if plain else await self.rules.judges.verdict(octets, language="en")
            follow = self.statuses.of_refused(message, verdict if told.valid else told)
        return Outcome(message=message, event=_with_status(event, follow), follow=follow)

    def _told(self, outcome: Outcome, verdict: Verdict | None) -> Outcome:
        """The outcome with the verdict, and with the status message that its sender wants."""
        message, event = outcome.message, outcome.event
        if verdict is None:
            words, detail = NOT_ASKED, event.detail
        else:
            words, detail = self.rules.words(verdict), {**event.detail, "rules": as_detail(verdict)}
        waits = event.name == "Postponed" and event.next_attempt is None
        if event.name == "Postponed" and not waits:
            return outcome
        event = replace(event, reason=f"{event.reason}; {words}", detail=detail)
        follow = None
        if self.statuses is not None:
            if event.name == "GaveUp":
                follow = self.statuses.of_undelivered(message)
            else:
                confirming = {channel.name for channel in self.deliveries.values() if channel.confirms}
                confirmed = event.name == "Delivered" and event.channel in confirming
                follow = self.statuses.of_delivered(message, confirmed=confirmed, verdict=verdict)
        return replace(outcome, event=_with_status(event, follow), follow=follow)

    async def _hand_on(self, message: Message, octets: Octets) -> Outcome:
        name, channel = await self._delivery(message)
        if channel is None or channel.name == PULLED:
            # Also where configuration or participant changed since the document came: the inbox always exists.
            event = Event(name="Postponed", reason="Waits in the inbox until it is acknowledged", channel=PULLED)
            return Outcome(message=message, event=event)
        facts = await in_thread_if_large(size_of(octets), _facts, octets)
        try:
            parcel = Parcel(
                id=message.id,
                message=message,
                facts=facts
                or bare_facts(DocumentTypeId.parse(message.document_type), ProcessId.parse(message.process)),
                document=octets,
                page=b"",
            )
            with self.breakers.trying(DELIVERY + name):
                handover = await channel.dispatch(parcel)
        except TemporaryError as error:
            retry = self.retries.get(name, self.retry)
            event = retry.after(message, str(error), self.clock.now(), wait=wait_of(error))
            return Outcome(message=message, event=_explained(event, name, error))
        except ChannelRefused as error:
            event = Event(name="GaveUp", reason=str(error))
            return Outcome(message=message, event=_explained(event, name, error))
        detail: dict[str, object] = {"delivery": name, "reference": handover.reference}
        event = Event(name="Delivered", reason=handover.text, channel=channel.name, detail=detail)
        return Outcome(message=message, event=event)

    async def redeliver(self, message: Message) -> Message:
        """Hand it to C4 once more under the same delivery id, because somebody asks: the worker does it.

        Raises ``Conflict`` for what is not C4's or lies in the inbox, ``LostLease`` when it moves meanwhile,
        ``StateError`` when it is on its way already.
        """
        if message.direction is not Direction.IN:
            raise Conflict("The document was sent from here; only documents that came in are delivered to C4")
        name, channel = await self._delivery(message)
        if channel is None or channel.name == PULLED:
            raise Conflict("The document lies in the inbox; nothing is sent", remedy="Fetch it through the API.")
        if message.state is State.DELIVERED and isinstance(channel, Repeatable):
            await channel.forget(message)
        event = Event(name="Requeued", reason="To be delivered once more", detail={"delivery": name})
        return await self.store.record(message, event)

    async def _delivery(self, message: Message) -> tuple[str, Channel | None]:
        """The way to C4 by name; none when the participant has left, or belongs to another account."""
        if not message.receiver:  # paper, for an account that has no participant
            return "", None
        participant = await self.store.participant(ParticipantId.parse(message.receiver))
        if participant is None or participant.account != message.account:
            return "", None
        return participant.delivery, self.deliveries.get(participant.delivery)

    def _arrival(
        self, received: Received, receipt: bytes, participant: Participant, part: str, *, paper: bool
    ) -> Arrival:
        envelope, seat, now = received.envelope, received.verification.seat, self.clock.now()
        summary = received.summary or _NOTHING_READ
        document_type, document = str(envelope.document_type), _digest_of_small(received.document)
        waits, due = self._next(received, participant, document_type, paper=paper and bool(summary.number))
        links: dict[str, str] = {}
        if envelope.mls_type:
            links["mls_type"] = envelope.mls_type
        if envelope.mls_to:
            links["mls_to"] = envelope.mls_to
        message = Message(
            id=new_document_id(now),
            account=participant.account,
            direction=Direction.IN,
            state=State.RECEIVED,
            channel="peppol",
            reason=f"{seat} sent it over the network",
            sender=envelope.sender.value,
            receiver=envelope.receiver.value,
            document_type=document_type,
            process=str(envelope.process),
            number=summary.number,
            issue_date=summary.issue_date,
            due_date=summary.due_date,
            amount=summary.amount,
            currency=summary.currency,
            seller_name=summary.seller_name,
            buyer_name=summary.buyer_name,
            message_id=received.message_id,
            instance_id=InstanceId(envelope.instance_id),
            conversation_id=received.conversation_id,
            peer=seat,
            sha256=document,
            size=size_of(received.document),
            next_attempt=now if due else None,
            queued_since=now,
            created=now,
            updated=now,
            links=links,
        )
        entry = TimelineEntry(
            time=now,
            event="Received",
            reason=f"Verified, signed by {seat}; our receipt answered it; {waits}",
            detail={
                "chain": list(received.verification.chain),
                "revocation": received.verification.revocation,
                "revocation_proof": list(received.verification.revocation_proof),
            },
        )
        return Arrival(
            message=message,
            payloads={PayloadKind.DOCUMENT: received.document, PayloadKind.PART: received.part},
            evidence=(
                Evidence(kind="request-envelope", media_type="application/soap+xml", octets=received.soap),
                Evidence(kind="receipt", media_type="application/soap+xml", octets=receipt),
            ),
            entry=entry,
            fingerprint=part,
            part_sha256=part,
            document_sha256=document,
            document_at=received.document_at,
            twin=partial(_twin, entry),
        )

    def _next(
        self, received: Received, participant: Participant, document_type: str, *, paper: bool
    ) -> tuple[str, bool]:
        """What happens next in words, and whether a worker has to do it; for the inbox nothing may be left to do."""
        if self.rules.incoming_of(participant.account) != "off":
            return "the document rules are asked next", True
        if document_type in _READ_BY_US:
            return "it is read next", True
        if self.attachments.wanted(received.document):
            return "its attachments are looked at next", True
        if paper:
            return "it is compared with what came on paper", True
        channel = self.deliveries.get(participant.delivery)
        if channel is not None and channel.name != PULLED:
            return f"it goes on to {channel.name}", True
        seat = received.verification.seat
        if self.statuses is not None and self.statuses.will_be_asked(received.envelope, seat):
            return "it waits in the inbox", True
        return f"it waits in the inbox; {NOT_ASKED}", False


def _also(outcome: Outcome, looked: Looked) -> Outcome:
    """The outcome with what was seen of the attachments; a failed try is looked at anew, so nothing is noted."""
    event = outcome.event
    if (event.name == "Postponed" and event.next_attempt is not None) or not (looked.words or looked.links):
        return outcome
    reason = f"{event.reason}; {looked.words}" if looked.words else event.reason
    event = replace(
        event, reason=reason, detail={**event.detail, **looked.detail}, links={**event.links, **looked.links}
    )
    return replace(outcome, event=event)


def _explained(event: Event, delivery: str, error: GatewayError) -> Event:
    return replace(event, detail={**event.detail, "delivery": delivery, **explained(error)})


def _used_before(received: Received) -> InvalidMessage:
    # Nothing of the first is touched; somebody should look, for an honest sender never does this.
    log.warning("a message id was used twice", extra={"message_id": received.message_id})
    return InvalidMessage(
        EbmsCode.OTHER,
        "This MessageId was used before for another message; a new message needs a new id.",
        text=f"{received.message_id} of {received.verification.seat} came again with other content",
    )


def _twin(entry: TimelineEntry, message: Message, earlier: Message) -> tuple[Message, TimelineEntry]:
    """What to store when the same business envelope came before under another MessageId.

    The same document again is kept and shown, but not handed over a second time: some access points make a new
    MessageId for each try. Another document under a used envelope id is handed over and flagged.
    """
    first = earlier.links.get("repeat_of", earlier.id)
    if message.sha256 == earlier.sha256:
        reason = f"The same envelope and document as {first}, sent again under another MessageId; not handed over twice"
        links = {**message.links, "repeat_of": first}
        kept = replace(message, state=State.DELIVERED, reason=reason, next_attempt=None, links=links)
        return kept, replace(entry, event="Repeated", reason=reason)
    reason = f"The envelope id was used before for another document ({first}); handed over, please look"
    links = {**message.links, "same_envelope_as": first}
    return replace(message, links=links), replace(entry, reason=f"{entry.reason}. {reason}")


def _digest_of_small(octets: Octets) -> str:
    """SHA-256; empty for a large document, whose digest is made where it is packed, beside the event loop."""
    return sha256_of(octets) if size_of(octets) <= LARGE else ""


def _acknowledges(receipt: bytes, received: Received) -> bool:
    """Whether the stored receipt names each digest that the repeat was signed with."""
    return all(digest.encode() in receipt for _, digest in received.verification.covered)


def _facts(octets: Octets) -> Facts | None:
    """The facts where it is an invoice that we understand; any other document is carried without them."""
    try:
        return large.read_facts(octets) if isinstance(octets, Spooled) else invoice.read(octets)
    except InvalidDocument:
        return None


def _with_status(event: Event, status: Arrival | None) -> Event:
    """The event with the status message that goes with it, as the timeline shows it."""
    if status is None:
        return event
    told = {"id": status.message.id, "receiver": status.message.receiver, "reason": status.entry.reason}
    return replace(event, detail={**event.detail, "status_sent": told})
