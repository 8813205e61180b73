"""Message Level Status: what we (C3) tell the sender's access point of a document, and what others tell us of ours.

A status is outbox work: it is added in the commit of the step that it tells of, under a key made of the document's id,
so there is one or none, wherever the gateway is killed. Nobody answers a status.

Source: Peppol Message Level Status 1.1; Peppol Network Policy 1.0 (MLS-1 to MLS-4).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from gateway.errors import InvalidDocument, LostLease
from gateway.exchange.ids import new_document_id
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.rules import as_detail
from gateway.exchange.step import Outcome
from gateway.model.document import Envelope, Verdict
from gateway.model.identifiers import InstanceId, MessageId, ParticipantId
from gateway.model.lifecycle import NOTED, Event, State
from gateway.model.message import Direction, Evidence, Message, PayloadKind, Route, TimelineEntry
from gateway.model.octets import Spooled, sha256_of
from gateway.model.services import MLR, MLS, MLS_PROCESS
from gateway.model.status import Issue, IssueCode, MessageStatus, StatusCode, addressee
from gateway.ports import Arrival, Clock, Store
from gateway.ubl import sbdh
from gateway.ubl import status as codec

STATUS_TYPES: Final = frozenset({str(MLS), str(MLR)})
"""Documents that are never answered by a status."""
_SOON: Final = timedelta(seconds=2)
"""Pause while the document that a status tells of is still in work here: often it overtakes our own record."""
_SOON_FOR: Final = timedelta(minutes=1)
_HANDED_ON: Final = "The document was handed on to the receiver, which has not confirmed it."
_CONFIRMED: Final = "The receiver has the document."


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """Both directions of the Message Level Status."""

    store: Store
    clock: Clock
    retry: RetryPolicy
    own: ParticipantId | None
    """Our service provider id; without one nothing is sent."""
    send: Literal["all", "failures", "off"] = "all"
    """What we send: success too where it was asked for, failures only, nothing."""
    country: str
    """Our country, which the envelope of a status names."""
    message_id: Callable[[], MessageId]

    def asked(self, message: Message) -> bool:
        """Whether the sender wants to hear of success too, and will."""
        return self.send == "all" and message.links.get("mls_type") == "ALWAYS_SEND" and self._answers(message)

    def will_be_asked(self, envelope: Envelope, peer: str) -> bool:
        """The same of a document that has just come in this envelope from that access point, and is no status."""
        return self.send == "all" and envelope.mls_type == "ALWAYS_SEND" and self._reaches(peer)

    def of_refused(self, message: Message, verdict: Verdict) -> Arrival | None:
        """The status of a document that our rules keep from C4."""
        text = f"The document breaks {verdict.count} rules and was not delivered."
        return self._failure(message, text, codec.issues_of(verdict))

    def of_undelivered(self, message: Message) -> Arrival | None:
        """The status of a document that could not be handed on to C4. Why is our own business."""
        text = "The document could not be delivered to the receiver."
        return self._failure(message, text, (Issue(code=IssueCode.FD, text=text),))

    def of_delivered(self, message: Message, *, confirmed: bool, verdict: Verdict | None) -> Arrival | None:
        """The status of a document that was handed on, where the sender asked for it."""
        if not self.asked(message):
            return None
        # What breaks a fatal rule and was handed on all the same is no failure: only warnings go with success.
        issues = codec.issues_of(verdict) if verdict else ()
        warnings = tuple(issue for issue in issues if issue.code is IssueCode.BW)
        code, text = (StatusCode.AP, _CONFIRMED) if confirmed else (StatusCode.AB, _HANDED_ON)
        return self._arrival(message, code, text, warnings)

    async def read(self, message: Message) -> Outcome:
        """RECEIVED, a status: note it at the document that it tells of. It is for us, so C4 does not get it."""
        octets = await self.store.content(message.id, PayloadKind.DOCUMENT)
        try:
            if isinstance(octets, Spooled):
                raise InvalidDocument(f"it has {octets.size} octets")
            status = codec.read(octets)
        except InvalidDocument as error:
            reason = f"The status message cannot be read: {error}"
            return Outcome(message=message, event=Event(name="GaveUp", reason=reason))
        detail: dict[str, object] = {"rules": as_detail(await asyncio.to_thread(codec.verdict, octets))}
        found = await self.store.find_sent(status.reference)
        target, why_not = _choose(found, message)
        if target is None:
            reason = f"MLS {status.code} of {message.peer} about {status.reference}: {why_not}; nothing follows"
            return Outcome(message=message, event=Event(name="Delivered", reason=reason, detail=detail))
        if target.state is State.ACCEPTED or not await self._apply(target, status, message, octets):
            return Outcome(message=message, event=self._later(message, target))
        reason = f"{status.kind} {status.code} of {message.peer} about {target.number or target.id} is noted there"
        event = Event(name="Delivered", reason=reason, detail=detail, links={"status_of": target.id})
        return Outcome(message=message, event=event)

    async def note(self, message: Message, octets: bytes) -> None:
        """Note an MLR, which C4 gets too, at the document that it tells of, if there is one that can take it now."""
        status = codec.read(octets)
        target, _ = _choose(await self.store.find_sent(status.reference), message)
        if target is not None and target.state is not State.ACCEPTED:
            await self._apply(target, status, message, octets)

    async def _apply(self, target: Message, status: MessageStatus, message: Message, octets: bytes) -> bool:
        """Record it there, once; False when the document is moving at this moment."""
        history = await self.store.timeline(target.account, target.id)
        if any(entry.detail.get("status") == message.id for entry in history):
            return True  # killed between the two records
        evidence = Evidence(kind="status", media_type="application/xml", octets=octets)
        try:
            await self.store.record(target, _event(target, status, message), [evidence], keep_lease=True)
        except LostLease:
            return False
        return True

    def _later(self, message: Message, target: Message) -> Event:
        reason = f"{target.id}, which it tells of, is still in work here"
        now = self.clock.now()
        if now - message.created < _SOON_FOR:
            return Event(name="Postponed", reason=reason, next_attempt=now + _SOON)
        return self.retry.after(message, reason, now)

    def _answers(self, message: Message) -> bool:
        known = message.document_type not in STATUS_TYPES and message.direction is Direction.IN
        return known and self._reaches(message.peer)

    def _reaches(self, peer: str) -> bool:
        """Whether we send status messages, and that access point has an address for them."""
        return self.own is not None and addressee("", peer) is not None

    def _failure(self, message: Message, text: str, issues: tuple[Issue, ...]) -> Arrival | None:
        if self.send == "off" or not self._answers(message):
            return None
        return self._arrival(message, StatusCode.RE, text, issues)

    def _arrival(self, about: Message, code: StatusCode, text: str, issues: tuple[Issue, ...]) -> Arrival | None:
        """The status as a document to be sent, under a key that only one status of this document can have."""
        receiver = addressee(about.links.get("mls_to", ""), about.peer)
        if self.own is None or receiver is None:
            return None
        now, name = self.clock.now(), str(uuid.uuid4())
        status = MessageStatus(
            id=name,
            issued=codec.issued_at(now),
            sender=self.own,
            receiver=receiver,
            code=code,
            text=text,
            reference=about.instance_id,
            issues=issues,
        )
        envelope = Envelope(
            sender=self.own,
            receiver=receiver,
            document_type=MLS,
            process=MLS_PROCESS,
            country_c1=self.country,
            instance_id=name,
            created=codec.issued_at(now),
        )
        octets = sbdh.wrap(codec.write(status), envelope)
        message = Message(
            id=new_document_id(now),
            account=about.account,
            direction=Direction.OUT,
            state=State.ACCEPTED,
            route=Route.PEPPOL,
            sender=self.own.value,
            receiver=receiver.value,
            document_type=str(MLS),
            process=str(MLS_PROCESS),
            message_id=self.message_id(),
            instance_id=InstanceId(name),
            conversation_id=str(uuid.uuid4()),
            sha256=sha256_of(octets),
            size=len(octets),
            next_attempt=now,
            created=now,
            updated=now,
            # The arrow keeps these keys apart from those of companies, which are ASCII.
            idempotency_key=f"mls → {about.id}",
            links={"status_of": about.id},
        )
        reason = f"MLS {code} about {about.number or about.id}: {text}"
        return Arrival(
            message=message,
            payloads={PayloadKind.DOCUMENT: octets},
            entry=TimelineEntry(time=now, event="Accepted", reason=reason),
            fingerprint=f"mls {about.id}",
        )


def _choose(found: Sequence[Message], status: Message) -> tuple[Message | None, str]:
    """The document that a status of this access point may speak of, or why there is none."""
    if not found:
        return None, "nothing was sent from here in this envelope"
    ours = [message for message in found if message.document_type not in STATUS_TYPES]
    if not ours:
        return None, "it was a status itself, and nobody answers a status"
    believed = [message for message in ours if message.peer == status.peer]
    if not believed:
        return None, f"the document went to {ours[-1].peer or 'nobody yet'}, so {status.peer} has no say in it"
    return believed[-1], ""


def _event(target: Message, status: MessageStatus, message: Message) -> Event:
    """What the status means for the document: it moves once, and whatever comes after is only noted."""
    detail: dict[str, object] = {
        "status": message.id,
        "code": str(status.code),
        "text": status.text,
        "issues": [
            {"code": issue.code and str(issue.code), "location": issue.location, "text": issue.text}
            for issue in status.issues
        ],
    }
    peer, said = message.peer, f"{status.kind} {status.code}"
    links: dict[str, str] = {"status": message.id}
    if status.code is StatusCode.RE:
        first = f" First: {status.issues[0].text}" if status.issues else ""
        reason = f"{peer} did not deliver it ({said}): {status.text or 'no reason was given'}{first}"
    elif status.code is StatusCode.AP:
        reason = f"{peer} says that the receiver has it ({said})"
    else:
        reason = f"{peer} has taken it and handed it on, without a confirmation of the receiver ({said})"
    if target.state in (State.SENT, State.UNKNOWN):
        if status.code is StatusCode.RE:
            return Event(name="Rejected", reason=reason, detail=detail, links=links)
        return Event(name="Delivered", reason=reason, detail=detail, links=links)
    return Event(name=NOTED, reason=f"{reason}; it stays {target.state}", detail=detail, links=links)
