"""Why a document is kept back because of what is attached to it, as its timeline tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.exchange.antivirus import HELD, QUARANTINED
from gateway.model.message import Message, TimelineEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was seen, of the last time that it was looked at."""

    kind: str
    """``virus`` or ``unscanned``: the end of the words for it."""
    attachment: str
    found: str

    @property
    def locked(self) -> bool:
        """Whether its octets are given to nobody but by a deed."""
        return self.kind in QUARANTINED


def kept_back(message: Message, timeline: Sequence[TimelineEntry]) -> Kept | None:
    """Why it is kept back; None where it is not."""
    kind = message.links.get(HELD, "")
    if kind not in QUARANTINED:
        return None
    detail = next((entry.detail for entry in reversed(timeline) if "attachment" in entry.detail), {})
    return Kept(kind=kind, attachment=str(detail.get("attachment", "")), found=str(detail.get("found", "")))
