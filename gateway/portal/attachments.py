"""Why a document is kept back because of what is attached to it, as its timeline tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.exchange.antivirus import HELD, QUARANTINED
from gateway.exchange.pictures import DIFFERS, PICTURE, REFUSED
from gateway.model.message import Message, TimelineEntry
from gateway.portal.claims import AMOUNTS, written
from gateway.scanning import checks

if TYPE_CHECKING:
    from gateway.portal.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """One fact of which the document and the PDF attached to it say different things."""

    field: str
    said: str
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was seen, of the last time that it was looked at."""

    kind: str
    """``virus``, ``unscanned``, ``picture``, ``refused``; ``differs`` where it went on. The end of the words for it."""
    attachment: str
    found: str = ""
    rows: tuple[Differs, ...] = ()

    @property
    def locked(self) -> bool:
        """Whether its octets are given to nobody but by a deed."""
        return self.kind in QUARANTINED


def kept_back(message: Message, timeline: Sequence[TimelineEntry]) -> Kept | None:
    """Why it is kept back, or what is odd about it though it went on; None where nothing is."""
    kind = message.links.get(HELD, "")
    if kind not in (*QUARANTINED, PICTURE, REFUSED):
        kind = "differs" if message.links.get(DIFFERS) else ""
    if not kind:
        return None
    detail = next((entry.detail for entry in reversed(timeline) if "attachment" in entry.detail), {})
    seen = detail.get("picture")
    rows = [one for one in seen if isinstance(one, dict)] if isinstance(seen, list) else []
    return Kept(
        kind=kind,
        attachment=str(detail.get("attachment", "")),
        found=str(detail.get("found", "")),
        rows=tuple(
            Differs(field=str(r.get("field")), said=str(r.get("said")), shown=str(r.get("shown"))) for r in rows
        ),
    )


def shown_as(visit: Visit, field: str, value: str, currency: str) -> str:
    """A value as the visitor reads it."""
    amount = checks.amount(value) if field in AMOUNTS else None
    return visit.shapes.amount(amount, currency[:3]) if amount is not None else written(visit, field, value)
