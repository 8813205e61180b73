"""The socket towards sign-in services: which of their subjects is which of our people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gateway.model.person import Deed, Person, PersonId


class NoEntry(StrEnum):
    """Why nobody comes in."""

    UNKNOWN = "unknown"
    """No administrator has entered a person of that e-mail address or subject."""
    TAKEN = "taken"
    """The person of that name is tied to another subject: the address may have been given to somebody else."""
    SPENT = "spent"
    """The same answer was used before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Whom a provider has vouched for."""

    issuer: str
    subject: str
    email: str
    """Verified by the provider, in small letters; empty where there is none."""
    nonce: str
    """Hash of what makes this sign-in the only one of its kind."""
    until: datetime
    """How long that is remembered."""


class Identities(Protocol):
    """Ties between subjects and people. Nobody is made here: an administrator has entered them. All raise
    ``StoreUnavailable``."""

    async def enter(self, vouched: Vouched, origin: str) -> Person | NoEntry:
        """Who it is: by subject, else by verified e-mail address, which ties the subject to that person for good."""
        ...

    async def tie(self, name: str, issuer: str, subject: str, deed: Deed) -> None:
        """This subject is that person; an empty one unties. Raises ``NotFound``; ``Conflict`` for a subject that is
        somebody else."""
        ...

    async def subjects(self, issuer: str, people: Sequence[PersonId]) -> Mapping[PersonId, str]:
        """The subjects of these people."""
        ...
