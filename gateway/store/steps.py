"""What one step does to one document: from the stored row to the next, or a refusal.

Pure: no database and no clock. The lifecycle says which steps exist; here stands what a step does to the
other fields, and the guard that keeps a late worker from undoing the work of the one that came after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.errors import LostLease, NotFound
from gateway.model.lifecycle import NOTED, WORKABLE, Event, State, advance
from gateway.model.message import Direction, Message, TimelineEntry
from gateway.model.often import made_often
from gateway.store.session import changed

_TROUBLE: Final = frozenset({State.REJECTED, State.FAILED, State.UNKNOWN})


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """A document as its row has it now, with what the row knows beside it."""

    message: Message
    lease_until: datetime | None = None
    lease_owner: str = ""
    evidence_count: int = 0


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the row becomes; ``entry`` None means that nothing changes."""

    message: Message
    entry: TimelineEntry | None = None
    keep_lease: bool = False
    slight: bool = False
    """Whether nothing changes by which documents are found, but for the receiver: a smaller update does."""


def record(current: Current, message: Message, event: Event, now: datetime, *, keep_lease: bool) -> Change:
    """Do one step of the lifecycle; raises ``LostLease``, or ``StateError`` when there is no such step."""
    _same_holder(current, message)
    was = current.message
    state = advance(was.direction, was.state, event)
    workable = is_workable(was.direction, state)
    after = changed(
        was,
        state=state,
        channel=_channel(was, event),
        reason=event.reason if _says_why(was, event, state) else was.reason,
        peer=event.peer or was.peer,
        sent_octets=was.sent_octets if event.sent_octets is None else event.sent_octets,
        next_attempt=_next_attempt(was, event, now) if workable else None,
        queued_since=now if event.name == "Requeued" else was.queued_since,
        updated=now,
        links={**was.links, **event.links} if event.links else was.links,
    )
    entry = TimelineEntry(
        time=now,
        event=event.name,
        reason=event.reason,
        detail=event.detail,
        attempt=was.attempts,
        next_attempt=event.next_attempt,
    )
    return Change(message=after, entry=entry, keep_lease=keep_lease)


def mark_sending(current: Current, message: Message, *, peer: str, receiver: str, now: datetime) -> Change:
    """Note that C3 may get the message from now on; raises ``LostLease`` also when the lease has run out.

    A worker that slept past its lease must not send: another one may begin at any moment.
    """
    _same_holder(current, message)
    if current.lease_until is None or current.lease_until <= now:
        raise LostLease(f"The lease on {message.id} has run out; nothing is sent")
    was = current.message
    if was.sent_octets and (was.peer, was.receiver) == (peer, receiver):
        return Change(message=was)
    detail: dict[str, object] = {"peer": peer, "receiver": receiver}
    entry = TimelineEntry(time=now, event="Sending", detail=detail, attempt=was.attempts)
    after = changed(was, sent_octets=True, peer=peer, receiver=receiver, updated=now)
    return Change(message=after, entry=entry, keep_lease=True, slight=True)


def acknowledge(current: Current, now: datetime) -> Change:
    """Note that C4 has it from its inbox; twice is once."""
    was = current.message
    if was.direction is not Direction.IN:
        raise NotFound(f"{was.id} is not in the inbox: it was sent from here")
    if was.acknowledged is not None:
        return Change(message=was)
    after = changed(was, acknowledged=now, updated=now)
    if was.state is not State.RECEIVED:
        entry = TimelineEntry(time=now, event="Acknowledged", attempt=was.attempts)
        return Change(message=after, entry=entry, keep_lease=True)
    reason = "The receiver acknowledged it"
    state = advance(was.direction, was.state, Event(name="Delivered", reason=reason))
    entry = TimelineEntry(time=now, event="Delivered", reason=reason, attempt=was.attempts)
    return Change(message=changed(after, state=state, next_attempt=None), entry=entry)


def is_workable(direction: Direction, state: State) -> bool:
    """Whether the worker has something to do in this state."""
    return state in WORKABLE[direction.value]


def _next_attempt(was: Message, event: Event, now: datetime) -> datetime | None:
    """When the worker is wanted: at once after a step forward; a postponement says itself, or waits for no worker."""
    if event.name == NOTED:
        return was.next_attempt
    return event.next_attempt if event.name == "Postponed" else now


def _channel(was: Message, event: Event) -> str:
    """The channel that the event chose; requeued, the way is searched anew unless an earlier channel may have it."""
    if event.name == "Requeued" and not was.sent_octets:
        return event.channel
    return event.channel or was.channel


def _same_holder(current: Current, message: Message) -> None:
    was = current.message
    if (message.account, message.state, message.attempts) != (was.account, was.state, was.attempts):
        raise LostLease(
            f"{message.id} has moved on: it was {message.state} at attempt {message.attempts}, "
            f"and is {was.state} at attempt {was.attempts}"
        )


def _says_why(was: Message, event: Event, state: State) -> bool:
    """A document's ``reason`` says why it goes this way, or why not; all else is said in the timeline only."""
    if event.name == NOTED:
        return False
    return bool(event.channel) or not was.channel or state in _TROUBLE or event.name == "Requeued"
