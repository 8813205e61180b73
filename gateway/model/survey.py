"""A relation search for many participants at once, as a nightly sweep makes it: what is known, and what comes back.

Whoever surveys keeps a :class:`Seen` for each participant from one time to the next. With it one question to DNS is
usually enough: where DNS names the SMP that it named before, what that SMP said stays good for some weeks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.errors import LookupUnavailable
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Reachable, Reason, Step, Unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One participant to survey, and what the last answer about it was. Times are UTC."""

    participant: ParticipantId
    document_type: DocumentTypeId
    process: ProcessId
    smp: str = ""
    """``smp`` of the last answer; empty where there was none, or the participant was not registered."""
    asked: datetime | None = None
    """When that SMP itself was asked last: when a ``Reachable`` or ``Unreachable`` came, or ``Unchanged.asked``."""
    expires: datetime | None = None
    """``endpoint.expires`` of the last ``Reachable``."""
    reason: Reason | None = None
    """``reason`` of the last answer, where it was an ``Unreachable``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """DNS names the same SMP as before, and what that one said last is recent enough, or it has just said it again."""

    participant: ParticipantId
    smp: str
    asked: datetime
    """When the SMP itself was asked last."""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """It is registered, but its SMP was not asked: this survey's requests are used up. Neither a yes nor a no."""

    participant: ParticipantId
    smp: str
    text: str
    steps: tuple[Step, ...] = ()


Finding = Reachable | Unreachable | Unchanged | Deferred | LookupUnavailable
"""What a survey finds; the last one is a failure to find out, and carries its steps."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """How far a survey is; it grows while the survey runs."""

    participants: int = 0
    """Answered, whatever the finding."""
    questions: int = 0
    """To DNS servers, with every repetition."""
    requests: int = 0
    """To SMPs."""
