"""After a restore: what a person must know of the gap, and what happens once it is confirmed.

The store is as it was at the backup; what happened since is known to others only. A document that was on its way out
may have arrived meanwhile. Over the network and by mail it goes out again under the ids it had, and the far side knows
it by them. Paper has no such id: letters are set aside as UNKNOWN, and a person requeues those that the bureau does
not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import Conflict
from gateway.model.lifecycle import Event
from gateway.model.message import Message, Route
from gateway.ports import Gap, Store

SHOWN: Final = 200
_AT_ONCE: Final = 500
_PRINT: Final = "print"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What became of the documents that were on their way out."""

    set_aside: int
    """UNKNOWN now: a person looks at each and requeues it, or leaves it."""
    going_on: int
    """Sent again under their old ids; at most 500 are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The gap of a restored store."""

    store: Store

    async def gap(self) -> Gap | None:
        """What was restored and is not confirmed; None when nothing is. Raises ``StoreUnavailable``."""
        return await self.store.operation.gap()

    async def doubtful(self) -> Sequence[Message]:
        """Documents that may have left since the backup, the oldest first; at most 200."""
        return await self.store.operation.unfinished(SHOWN)

    async def confirm(self, actor: str, *, hold: bool) -> Confirmed:
        """Let work go on. With ``hold`` every document in doubt is set aside, not only letters.

        It can be repeated when it breaks off. Raises ``Conflict`` when nothing was restored, ``StoreUnavailable``.
        """
        gap = await self.gap()
        if gap is None:
            raise Conflict("Nothing waits for a confirmation", remedy="Only a restored store does.")
        set_aside = 0
        reason = f"Restored from a backup of {gap.backup:%Y-%m-%d %H:%M:%S} UTC; it may have left since"
        while True:
            known = await self.store.operation.unfinished(_AT_ONCE)
            doubted = [message for message in known if hold or _on_paper(message)]
            for message in doubted:
                await self.store.record(message, Event(name="LostTrack", reason=reason))
            set_aside += len(doubted)
            if len(known) < _AT_ONCE or not doubted:
                break
        going_on = len(known) - len(doubted)
        await self.store.operation.confirm(actor, {"set_aside": set_aside, "going_on": going_on})
        self.store.work.set()
        return Confirmed(set_aside=set_aside, going_on=going_on)


def _on_paper(message: Message) -> bool:
    return message.channel == _PRINT or message.route is Route.PRINT
