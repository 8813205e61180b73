"""The socket towards the second factor: devices that show codes, recovery codes, and sign-ins that are half done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from gateway.model.person import Deed, Factor, Person, PersonId


class SecondFactors(Protocol):
    """What somebody has besides a password. Secrets come sealed or as hashes. All raise ``StoreUnavailable``."""

    async def factor(self, person: PersonId) -> Factor | None:
        """The device of a person, if there is one."""
        ...

    async def enrol(self, factor: Factor, codes: Sequence[str], deed: Deed) -> bool:
        """From now on this device is asked for; all sessions and half sign-ins end. False when they have one already.

        ``codes``: hashes of the recovery codes.
        """
        ...

    async def renew(self, person: PersonId, codes: Sequence[str], deed: Deed) -> None:
        """Other recovery codes; those before are worth nothing."""
        ...

    async def use_step(self, person: PersonId, step: int) -> bool:
        """Take the code of a time step: False unless it is later than every one that was taken."""
        ...

    async def use_code(self, person: PersonId, code: str) -> bool:
        """Take a recovery code, by its hash: False unless it is theirs and was never taken."""
        ...

    async def drop(self, person: PersonId, deed: Deed) -> None:
        """They no longer want it."""
        ...

    async def remove(self, name: str, deed: Deed) -> None:
        """Take the device of somebody else away who has lost it; all their sessions end.

        Raises ``NotFound``; ``Conflict`` where they are in other accounts too and the deed's is not the operator's.
        """
        ...

    async def begin(self, key: str, person: PersonId, ends: datetime) -> None:
        """The password was right: a half sign-in under this hash, and none before it."""
        ...

    async def half(self, key: str) -> Person | None:
        """Whose half sign-in this is, while it holds."""
        ...

    async def end(self, key: str) -> bool:
        """The half sign-in is over; tell whether there was one."""
        ...
