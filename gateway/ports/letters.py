"""The sockets around letters: the store's rows on them, and a bureau that can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from gateway.model.identifiers import AccountId
from gateway.model.letter import (
    Letter,
    LetterBatch,
    LetterEvent,
    LetterFilter,
    LetterId,
    LetterState,
    LetterStep,
)
from gateway.model.message import Parcel


class Letters(Protocol):
    """Letters and their history. Every call that names an account finds nothing of another's."""

    async def begin(self, letter: Letter) -> Letter:
        """Add a letter, or give the one with this id as it stands. Raises ``StoreUnavailable``."""
        ...

    async def step(self, id: LetterId, steps: Sequence[LetterStep]) -> tuple[Letter, bool]:
        """Do steps in one commit; those that are old news are passed over. Tells whether any was done.

        Raises ``NotFound``, and ``StateError`` where one cannot happen: then none is done.
        """
        ...

    async def letter(self, account: AccountId, id: LetterId) -> Letter:
        """One letter. Raises ``NotFound``."""
        ...

    async def find_letter(self, id: LetterId) -> Letter | None:
        """A letter of whatever account, or None: for what a bureau says of it."""
        ...

    async def letters(self, account: AccountId, which: LetterFilter) -> tuple[Sequence[Letter], str]:
        """Letters, newest first, and the cursor of the next page (empty at the end)."""
        ...

    async def history(self, account: AccountId, id: LetterId) -> Sequence[LetterEvent]:
        """Everything that happened to one letter, oldest first. Raises ``NotFound``."""
        ...

    async def batches(self, account: AccountId, limit: int = 50) -> Sequence[LetterBatch]:
        """The latest batches, counted over this account's letters in them."""
        ...

    async def counts(self, account: AccountId) -> dict[LetterState, int]:
        """How many letters are in each state."""
        ...

    async def in_states(self, states: Sequence[LetterState], before: datetime, limit: int) -> Sequence[Letter]:
        """Letters of all accounts that have been in these states since before then, the oldest first."""
        ...


@runtime_checkable
class Paper(Protocol):
    """A channel that prints: it says how the page is laid out for its envelope."""

    def layout(self, parcel: Parcel) -> dict[str, object]:
        """Boxes in millimetres for the page's template."""
        ...


@runtime_checkable
class Bureau(Protocol):
    """A channel with a print bureau behind it that says what became of letters."""

    kind: str

    async def flush(self) -> Sequence[tuple[LetterId, LetterStep]]:
        """Close batches that are due and submit what is closed. Raises ``ChannelUnavailable``.

        What it gives is given again until :meth:`flushed`.
        """
        ...

    async def flushed(self) -> None:
        """What :meth:`flush` gave last is written down."""
        ...

    async def answers(self, waiting: Sequence[Letter]) -> Sequence[tuple[LetterId, LetterStep]]:
        """What the bureau has said; said again until :meth:`answered`. Raises ``ChannelUnavailable``."""
        ...

    async def answered(self) -> None:
        """What :meth:`answers` gave last is written down."""
        ...
