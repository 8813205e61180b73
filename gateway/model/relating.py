"""The life of a relation: how an account reaches one counterpart over one channel, and how sure we are.

As with documents (``model/lifecycle.py``), everything that moves a relation from state to state stands in this table.
Evidence has three values, because "don't know" is not "no": only an authoritative negative may ever weaken a relation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, NewType

from gateway.errors import StateError
from gateway.model.counterpart import CounterpartId
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.message import Direction

EvidenceId = NewType("EvidenceId", str)

BILLING: Final = "billing"
"""The document family of invoices and credit notes."""


class Verdict(StrEnum):
    """What a look-up says. ``INDETERMINATE`` never leads to paper."""

    POSITIVE = "positive"
    NEGATIVE = "authoritative_negative"
    INDETERMINATE = "indeterminate"


class RelationState(StrEnum):
    """How sure we are of this way."""

    NONE = "none"
    CANDIDATE = "candidate"
    """There is a number that may be an address."""
    VERIFIED = "verified"
    """The network says that it takes our documents there."""
    PROPOSED = "proposed"
    """A person is asked whether to take this way."""
    DECLINED = "declined"
    """A person said no, for now or for good."""
    ACTIVE = "active"
    """Invoices go this way."""
    SUSPECT = "suspect"
    """It was active, and the network has just said no for the first time: invoices wait."""
    QUARANTINED = "quarantined"
    """Its access point refused several invoices for good: one at a time is tried now and then."""
    LOST = "lost"
    """It was active and is gone: the next way takes the invoices."""


RelationEvent = Literal[
    "Named", "Found", "Vanished", "Proposed", "Accepted", "Declined", "Doubted", "Refused", "Confirmed", "Lost"
]
_S: Final = RelationState

RELATING: Final[dict[RelationState, dict[str, RelationState]]] = {
    _S.NONE: {"Named": _S.CANDIDATE, "Found": _S.VERIFIED},
    _S.CANDIDATE: {"Found": _S.VERIFIED},
    _S.VERIFIED: {"Proposed": _S.PROPOSED, "Accepted": _S.ACTIVE, "Vanished": _S.CANDIDATE},
    _S.PROPOSED: {"Accepted": _S.ACTIVE, "Declined": _S.DECLINED, "Vanished": _S.CANDIDATE},
    _S.DECLINED: {"Proposed": _S.PROPOSED, "Accepted": _S.ACTIVE, "Vanished": _S.CANDIDATE},
    _S.ACTIVE: {"Doubted": _S.SUSPECT, "Refused": _S.QUARANTINED, "Declined": _S.DECLINED},
    _S.SUSPECT: {"Confirmed": _S.ACTIVE, "Lost": _S.LOST, "Declined": _S.DECLINED},
    _S.QUARANTINED: {"Confirmed": _S.ACTIVE, "Lost": _S.LOST, "Declined": _S.DECLINED},
    _S.LOST: {"Named": _S.CANDIDATE, "Found": _S.VERIFIED},
}


def advance(state: RelationState, event: RelationEvent) -> RelationState:
    """Give the state that follows, or raise :class:`StateError` when the table has no such step."""
    after = RELATING[state].get(event)
    if after is None:
        raise StateError(f"{event} cannot happen to a relation that is {state}")
    return after


def allows(state: RelationState, event: RelationEvent) -> bool:
    """Whether the table has such a step."""
    return event in RELATING[state]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One way to one counterpart. Times are UTC."""

    account: AccountId
    counterpart: CounterpartId
    direction: Direction
    family: str = BILLING
    channel: str = "peppol"
    """``peppol``, or ``operator:NAME``."""
    state: RelationState = RelationState.NONE
    participant: str = ""
    """The address there: ``0007:5567212047``."""
    document_type: str = ""
    process: str = ""
    seat: str = ""
    """Common name of the access point's certificate when it was found last."""
    certificate: str = ""
    """SHA-256 of that certificate, in hex."""
    sink: bool = False
    """The access point passes invoices on as mail."""
    reason_sv: str = ""
    reason_en: str = ""
    """Why it is in this state, in one sentence."""
    since: datetime
    """When it came into this state."""
    confirmed: datetime | None = None
    """The last positive answer."""
    denied: datetime | None = None
    """The first authoritative negative in a row."""
    asked: int = 0
    """How often it was asked again since then."""
    next_check: datetime | None = None
    """When it is to be asked again by itself."""
    owner: str = ""
    """Who decides about it, where that is somebody in particular."""
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What a party can take or send over a channel, and who says so."""

    account: AccountId
    counterpart: CounterpartId
    direction: Direction
    """``out``: it can receive from us; ``in``: it can send to us."""
    channel: str
    participant: str = ""
    document_type: str = ""
    process: str = ""
    source: str
    """``smp``, ``directory``, ``register``; it sent one: ``invoice``, ``embedded`` (in its PDF), ``other-account``."""
    quality: Literal["structured", "sink", "unknown"] = "unknown"
    valid_from: datetime
    valid_to: datetime | None = None
    seen: datetime
    """When the source said so last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupEvidence:
    """One answer, or the lack of one. Append-only."""

    id: EvidenceId
    account: AccountId
    counterpart: str = ""
    participant: str = ""
    document_type: str = ""
    asked: str
    """What was asked, in words."""
    place: str = ""
    """Whom: DNS server, SMP, register."""
    verdict: Verdict
    text: str = ""
    """The answer in one sentence."""
    digest: str = ""
    """SHA-256 of the answer as it came, in hex."""
    signer: str = ""
    """Who signed it."""
    milliseconds: float = 0.0
    time: datetime
    expires: datetime | None = None
    """Until when the answer may be used again."""
    message: DocumentId | None = None
    """The document for which it was asked, if one was."""
