"""What follows when an invoice is handed in that was handed in before: it is told at once, or held where that is set.

By default it goes out all the same. What we kept back by ourselves would be lost to a business system that looks at the
status code alone, and two documents that are alike may be meant. Whoever would rather be asked sets ``hold``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Literal, cast

from gateway.config.sections import Rules
from gateway.model.double import DOUBLE_OF, HELD, HELD_DOUBLE, LIKENESS, DoubleWatch, Likeness
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import Event
from gateway.model.message import Message, TimelineEntry

Policy = Literal["warn", "hold", "off"]

_REMEDY: Final = "Look at the earlier document. Requeue this one to send it all the same; else leave it as it is."
_ANEW: Final = ("resend_of", "response_to")
"""Links of what was made here, on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubles:
    """The policies, and what they mean for one document."""

    policy: Policy = "warn"
    accounts: Mapping[str, Policy] = field(default_factory=dict)
    """Accounts for which another policy holds."""
    within: timedelta = timedelta(days=400)
    """How long ago the earlier one may have been handed in: numbers begin anew each year."""

    def watch(self, message: Message, entry: TimelineEntry) -> DoubleWatch | None:
        """How a new document is to be compared with earlier ones; None: it is not."""
        policy = self.accounts.get(message.account, self.policy)
        if policy == "off" or not message.number or any(why in message.links for why in _ANEW):
            return None

        def told(new: Message, earlier: DocumentId, alike: Likeness) -> tuple[Message, TimelineEntry]:
            links = {DOUBLE_OF: earlier, LIKENESS: str(alike)} | ({HELD: HELD_DOUBLE} if policy == "hold" else {})
            return replace(new, links={**new.links, **links}), _noted(entry, earlier, alike)

        return DoubleWatch(since=message.created - self.within, told=told)


def doubles_of(rules: Rules) -> Doubles:
    """As configured."""
    accounts = cast("Mapping[str, Policy]", dict(row.split("=", 1) for row in rules.doubles_accounts))
    return Doubles(policy=rules.doubles, accounts=accounts, within=rules.doubles_within)


def held(message: Message) -> Event:
    """That a person has to decide about a document which is held."""
    earlier = message.links[DOUBLE_OF]
    if message.links.get(LIKENESS) == Likeness.SAME:
        reason = f"Held for a person: exactly the same document was handed in before, as {earlier}"
    else:
        reason = (
            f"Held for a person: another document with its number, date, seller and buyer was handed in before, "
            f"as {earlier}"
        )
    return Event(name="GaveUp", reason=reason, detail={"remedy": _REMEDY, DOUBLE_OF: earlier})


def _noted(entry: TimelineEntry, earlier: DocumentId, alike: Likeness) -> TimelineEntry:
    accepted = entry.reason
    if alike is Likeness.SAME:
        reason = f"{accepted}; exactly the same document was handed in before, as {earlier}"
    else:
        reason = (
            f"{accepted}; another document with its number, date, seller and buyer was handed in before, as {earlier}"
        )
    return replace(entry, reason=reason, detail={**entry.detail, DOUBLE_OF: earlier, LIKENESS: str(alike)})
