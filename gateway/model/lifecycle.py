"""The life of a document: every state, every event, every allowed step.

Two rules: everything that moves a document from state to state stands in this file, and this file knows no
database, network or clock. A state is a promise that somebody has made (see the field docs of :class:`State`).
"In flight" is a lease, "retry" is a due date and "duplicate" is a unique key: none of them is a state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from gateway.errors import StateError
from gateway.model.often import made_often


class State(StrEnum):
    """A promise that somebody has made."""

    ACCEPTED = "ACCEPTED"
    """We told C1 that we carry it: it is valid and stored."""
    SENT = "SENT"
    """C3's signed receipt is in hand."""
    DIVERTED = "DIVERTED"
    """The network cannot take it; a channel (mail, print) has to."""
    DISPATCHED = "DISPATCHED"
    """The mail server or the print bureau has it."""
    UNKNOWN = "UNKNOWN"
    """It went out, no word of the far side came in time. No other channel may take it; a late receipt resolves it."""
    RECEIVED = "RECEIVED"
    """Our signed receipt went to C2; C4 does not have it yet."""
    DELIVERED = "DELIVERED"
    """The far side has it."""
    REJECTED = "REJECTED"
    """The other side, or our own rules, said no for good."""
    FAILED = "FAILED"
    """We gave up; a person must look."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a document. ``reason`` is one sentence for people."""

    name: Literal[
        "Sent",
        "Diverted",
        "Dispatched",
        "Delivered",
        "Rejected",
        "Postponed",
        "GaveUp",
        "LostTrack",
        "Requeued",
        "Noted",
    ]
    reason: str
    channel: str = ""
    """Set when the event decides the channel."""
    peer: str = ""
    sent_octets: bool | None = None
    """Whether the octets may have reached the other side by now; None leaves what is known."""
    next_attempt: datetime | None = None
    detail: dict[str, object] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """Other documents, added to those that the document names."""


NOTED: Final = "Noted"
"""Somebody said something about the document (a response, a status that changes nothing); its state stays."""
_SAME: Final = "same"

OUTBOUND: Final[dict[State, dict[str, State | Literal["same"]]]] = {
    State.ACCEPTED: {
        "Sent": State.SENT,
        "Diverted": State.DIVERTED,
        "Rejected": State.REJECTED,
        "Postponed": _SAME,
        "GaveUp": State.FAILED,
        "LostTrack": State.UNKNOWN,
    },
    State.SENT: {"Delivered": State.DELIVERED, "Rejected": State.REJECTED, "Noted": _SAME},
    State.DIVERTED: {
        "Diverted": _SAME,  # one channel refused for good, the next one is tried
        "Dispatched": State.DISPATCHED,
        "Rejected": State.REJECTED,
        "Postponed": _SAME,
        "GaveUp": State.FAILED,
        "LostTrack": State.UNKNOWN,
    },
    State.DISPATCHED: {
        "Delivered": State.DELIVERED,
        "Diverted": State.DIVERTED,
        "Rejected": State.REJECTED,
        "Noted": _SAME,
    },
    State.UNKNOWN: {
        "Sent": State.SENT,
        "Delivered": State.DELIVERED,
        "Rejected": State.REJECTED,
        "Requeued": State.ACCEPTED,
        "Noted": _SAME,
    },
    State.FAILED: {"Requeued": State.ACCEPTED, "Noted": _SAME},
    State.REJECTED: {"Requeued": State.ACCEPTED, "Noted": _SAME},
    State.DELIVERED: {
        "Diverted": State.DIVERTED,  # a mail that came back after all
        "Rejected": State.REJECTED,
        "Noted": _SAME,
    },
}

INBOUND: Final[dict[State, dict[str, State | Literal["same"]]]] = {
    State.RECEIVED: {
        "Delivered": State.DELIVERED,
        "Rejected": State.REJECTED,
        "Postponed": _SAME,
        "GaveUp": State.FAILED,
        "Noted": _SAME,
    },
    State.FAILED: {"Requeued": State.RECEIVED, "Noted": _SAME},
    State.REJECTED: {"Requeued": State.RECEIVED, "Noted": _SAME},
    State.DELIVERED: {
        "Requeued": State.RECEIVED,  # somebody wants it handed to C4 once more, under the same id
        "Noted": _SAME,
    },
}

TRANSITIONS: Final = {"out": OUTBOUND, "in": INBOUND}
FIRST: Final = {"out": State.ACCEPTED, "in": State.RECEIVED}
WORKABLE: Final = {"out": frozenset({State.ACCEPTED, State.DIVERTED}), "in": frozenset({State.RECEIVED})}
"""States in which the worker has something to do."""

Status = Literal["queued", "delivered", "needs_attention", "failed"]

STATUS: Final[dict[State, Status]] = {
    State.ACCEPTED: "queued",
    State.DIVERTED: "queued",
    State.RECEIVED: "queued",
    State.SENT: "delivered",
    State.DISPATCHED: "delivered",
    State.DELIVERED: "delivered",
    State.UNKNOWN: "needs_attention",
    State.REJECTED: "failed",
    State.FAILED: "failed",
}
"""The four words that a clerk reads. A receipt or a mail server's word counts as delivered until we learn better."""


def advance(direction: str, state: State, event: Event) -> State:
    """Give the state that follows, or raise :class:`StateError` when the table has no such step."""
    after = TRANSITIONS[direction].get(state, {}).get(event.name)
    if after is None:
        raise StateError(f"{event.name} cannot happen to a document that is {state} ({direction})")
    return state if after == _SAME else State(after)
