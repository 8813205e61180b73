"""Proposals: move this counterpart from letter or mail to e-invoice; and what people decided.

Two tables: what can happen to a proposal, and nothing else. A decision keeps the text that was shown, because that is
what somebody said yes or no to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, NewType

from gateway.errors import Conflict
from gateway.model.counterpart import CounterpartId
from gateway.model.identifiers import AccountId
from gateway.model.message import Direction
from gateway.model.relating import BILLING

ProposalId = NewType("ProposalId", str)


class ProposalState(StrEnum):
    """Who has to do something next."""

    OPEN = "open"
    """A person is asked."""
    SNOOZED = "snoozed"
    """A person is asked again later."""
    DECLINED = "declined"
    ACCEPTED = "accepted"
    """The next document should go, or come, the new way."""
    CONVERTED = "converted"
    """The first document went, or came, the new way."""
    RELAPSED = "relapsed"
    """It was converted, and the old way is in use again."""
    WITHDRAWN = "withdrawn"
    """The way is gone before anybody decided."""


ProposalEvent = Literal["Accepted", "AutoAccepted", "Declined", "Snoozed", "Reopened", "Converted", "Relapsed", "Gone"]
_P: Final = ProposalState

PROPOSING: Final[dict[ProposalState, dict[str, ProposalState]]] = {
    _P.OPEN: {
        "Accepted": _P.ACCEPTED,
        "AutoAccepted": _P.ACCEPTED,
        "Declined": _P.DECLINED,
        "Snoozed": _P.SNOOZED,
        "Gone": _P.WITHDRAWN,
    },
    _P.SNOOZED: {
        "Accepted": _P.ACCEPTED,
        "AutoAccepted": _P.ACCEPTED,
        "Declined": _P.DECLINED,
        "Snoozed": _P.SNOOZED,
        "Reopened": _P.OPEN,
        "Gone": _P.WITHDRAWN,
    },
    _P.DECLINED: {"Accepted": _P.ACCEPTED, "Reopened": _P.OPEN},
    _P.ACCEPTED: {"Converted": _P.CONVERTED, "Declined": _P.DECLINED, "Relapsed": _P.RELAPSED},
    _P.CONVERTED: {"Relapsed": _P.RELAPSED, "Declined": _P.DECLINED},
    _P.RELAPSED: {"Reopened": _P.OPEN, "Converted": _P.CONVERTED},
    _P.WITHDRAWN: {"Reopened": _P.OPEN},
}


def advance(state: ProposalState, event: ProposalEvent) -> ProposalState:
    """Give the state that follows, or raise ``Conflict`` when a person asks for what cannot be."""
    after = PROPOSING[state].get(event)
    if after is None:
        raise Conflict(f"The proposal is {state}; {event.lower()} is not possible now", remedy="Read it again first.")
    return after


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Move one counterpart. Times are UTC; one per counterpart, direction and document family."""

    id: ProposalId
    account: AccountId
    counterpart: CounterpartId
    direction: Direction
    family: str = BILLING
    state: ProposalState = ProposalState.OPEN
    from_channel: str
    """How the documents go now: ``print``, ``email``; inbound ``scan``, ``pdf``."""
    to_channel: str = "peppol"
    participant: str = ""
    document_type: str = ""
    volume: int = 0
    """Documents of the last twelve months on the present way."""
    saving: Decimal = Decimal(0)
    """Money a year, by the price list of the day."""
    currency: str = "SEK"
    evidence: tuple[str, ...] = ()
    """Ids of the look-up evidence that it rests on."""
    risks: tuple[str, ...] = ()
    """Codes of ``routing/words.py``: ``name-mismatch``, ``new-registration``, ``sink``."""
    requirements: tuple[str, ...] = ()
    """Codes of what has to be done before or with it."""
    text_sv: str = ""
    text_en: str = ""
    snoozed_until: datetime | None = None
    expires: datetime | None = None
    reminded: int = 0
    """Letters to a supplier after the first."""
    decided: datetime | None = None
    converted: datetime | None = None
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody decided, and what was shown. Append-only."""

    account: AccountId
    proposal: ProposalId
    counterpart: CounterpartId
    event: ProposalEvent
    actor: str
    """API key, user, or ``policy``."""
    reason: str = ""
    text_sv: str = ""
    text_en: str = ""
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Documents of one account to or from one name over one channel."""

    receiver: str
    name: str
    channel: str
    documents: int
    last: datetime | None = None
    """When the last of them came, or was handed in."""

    @property
    def kind(self) -> str:
        """The channel without what stands behind a colon."""
        return self.channel.partition(":")[0]
