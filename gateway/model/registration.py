"""How one of our participants gets onto the network, off it, or over to another SMP: stages, each done once.

The order is the promise. On: what others will ask for is there before others can find us. Off: nobody finds us any
more before our answers go. Away: we answer until DNS points to the other SMP, and then point there ourselves. Every
stage may be done again without harm, so whatever breaks off goes on where it stood.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.model.identifiers import AccountId, ParticipantId


class Goal(StrEnum):
    """Where the participant is to be."""

    ON = "on"
    OFF = "off"
    AWAY = "away"
    """At another SMP, which gets the migration key from us."""


class Stage(StrEnum):
    """One step on the way."""

    PUBLISHED = "published"
    """Our SMP answers for it."""
    REGISTERED = "registered"
    """The SML points to our SMP."""
    FOUND = "found"
    """A look-up from outside finds it at our access point."""
    TESTED = "tested"
    """A test message to itself came with a valid receipt."""
    LISTED = "listed"
    """The Peppol Directory was told to read its business card."""
    UNLISTED = "unlisted"
    """The Peppol Directory was told to forget it."""
    PREPARED = "prepared"
    """The SML knows the migration key."""
    MOVED = "moved"
    """DNS points to the other SMP."""
    REDIRECTED = "redirected"
    """Our SMP points to the other one, for those whose DNS answer is old."""
    DEREGISTERED = "deregistered"
    """The SML does not know it any more."""
    VANISHED = "vanished"
    """A look-up from outside says that it is not registered."""
    UNPUBLISHED = "unpublished"
    """Our SMP does not answer for it any more."""


STAGES: Final = {
    Goal.ON: (Stage.PUBLISHED, Stage.REGISTERED, Stage.FOUND, Stage.TESTED, Stage.LISTED),
    Goal.OFF: (Stage.DEREGISTERED, Stage.VANISHED, Stage.UNLISTED, Stage.UNPUBLISHED),
    Goal.AWAY: (Stage.PREPARED, Stage.MOVED, Stage.REDIRECTED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One stage that is done, and how we know."""

    stage: Stage
    time: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Where one participant stands on its way."""

    participant: ParticipantId
    account: AccountId
    goal: Goal
    done: tuple[Done, ...] = ()
    key: str = ""
    """Migration key: with ``ON`` the one we were given, with ``AWAY`` the one we give."""
    attempts: int = 0
    """Tries of the present stage."""
    next_attempt: datetime | None = None
    """When the present stage is tried again; None when nothing more is done by itself."""
    problem: str = ""
    """Why the present stage is not done yet, in words."""
    moved_to: str = ""
    """Base URL of the SMP that has it now."""
    moved_signer: str = ""
    """Subject of that SMP's certificate, as ``CertificateUID`` has it."""
    created: datetime
    updated: datetime

    @property
    def stage(self) -> Stage | None:
        """The stage that comes next; None when all are done."""
        known = {done.stage for done in self.done}
        return next((stage for stage in STAGES[self.goal] if stage not in known), None)

    @property
    def complete(self) -> bool:
        """True when the participant is where it is to be."""
        return self.stage is None

    @property
    def stopped(self) -> bool:
        """True when a person must do something before it goes on."""
        return not self.complete and self.next_attempt is None

    def again(self, stage: Stage, now: datetime) -> Registration:
        """The same with this stage, and what comes after it, to be done once more."""
        order = STAGES[self.goal]
        done = tuple(each for each in self.done if order.index(each.stage) < order.index(stage))
        return replace(self, done=done, attempts=0, next_attempt=now, problem="", updated=now)

    def passed(self, stage: Stage, now: datetime, text: str) -> Registration:
        """The same with one stage more; what comes next is due at once."""
        later = replace(
            self,
            done=(*self.done, Done(stage=stage, time=now, text=text)),
            attempts=0,
            next_attempt=now,
            problem="",
            updated=now,
        )
        return replace(later, next_attempt=None) if later.complete else later


def begin(participant: ParticipantId, account: AccountId, goal: Goal, now: datetime, *, key: str = "") -> Registration:
    """A registration at its beginning."""
    return Registration(
        participant=participant, account=account, goal=goal, key=key, next_attempt=now, created=now, updated=now
    )
