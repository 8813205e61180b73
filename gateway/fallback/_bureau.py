"""What stands behind the letter channel: something that takes batches and may say what became of letters."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from gateway.fallback._batch import Batch
from gateway.model.letter import Letter, LetterId, LetterState, LetterStep, read_reason

log = logging.getLogger(__name__)

Steps = Sequence[tuple[LetterId, LetterStep]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A batch was handed over."""

    reference: str
    text: str
    steps: dict[str, tuple[LetterStep, ...]] = field(default_factory=dict)
    """What is already known of letters, by id, after ``submitted``."""
    manifest: bytes = b""
    """As it lies at the bureau, where that is known: an earlier try may have written it."""


class Adapter(Protocol):
    """One kind of bureau. ``begun`` is where it notes that its next step shows the batch to the far side."""

    async def submit(self, batch: Batch, begun: Path) -> Submitted:
        """Hand a batch over; the same batch twice is one handover.

        Raises ``ChannelUnavailable`` (``sent`` when it may be there: it is in doubt, and never printed by itself),
        ``ChannelRefused``.
        """
        ...

    async def answers(self, waiting: Sequence[Letter]) -> Steps:
        """What the far side says of letters. Raises ``ChannelUnavailable``."""
        ...

    async def answered(self) -> None:
        """What :meth:`answers` gave last is written down."""
        ...


_MOST: Final = 20_000_000
_WORDS: Final = {
    **{state.value: state for state in LetterState},
    "accepted": LetterState.ACCEPTED,
    "valid": LetterState.ACCEPTED,
    "printing": LetterState.ACCEPTED,
    "processing": LetterState.ACCEPTED,
    "sent": LetterState.POSTED,
    "shipped": LetterState.POSTED,
    "mailed": LetterState.POSTED,
    "undeliverable": LetterState.RETURNED,
    "invalid": LetterState.REJECTED,
    "failed": LetterState.REJECTED,
    "cancelled": LetterState.REJECTED,
}
_THEIRS: Final = frozenset(
    {
        LetterState.ACCEPTED,
        LetterState.REJECTED,
        LetterState.PRINTED,
        LetterState.ENVELOPED,
        LetterState.POSTED,
        LetterState.RETURNED,
    }
)
"""What a bureau may say; the rest is our own word."""


def read_step(row: Any, who: str, now: datetime) -> LetterStep:
    """One letter's status as a bureau words it. Raises ``ValueError``."""
    if not isinstance(row, dict):
        raise ValueError("is no JSON object")
    word = str(row.get("state") or row.get("status") or "").strip().lower()
    state = _WORDS.get(word)
    if state not in _THEIRS:
        raise ValueError(f'"{word[:40]}" is no state that a bureau can tell')
    said = _text(row.get("reason") or row.get("reason_text"), 300)
    reason = f"{who}: {_SENTENCES[state]}"
    when = _moment(row.get("time") or row.get("posted_at") or row.get("updated_at"), now)
    carrier, postage = _text(row.get("carrier"), 60), _text(row.get("postage") or row.get("class"), 40)
    if state is LetterState.POSTED and (carrier or postage):
        reason += f" ({', '.join(filter(None, (carrier, postage)))})"
    return LetterStep(
        state=state,
        reason=f"{reason}: {said}" if said else reason,
        time=when,
        reference=_text(row.get("reference"), 100),
        carrier=carrier,
        postage=postage,
        returned=read_reason(said) if state is LetterState.RETURNED else None,
    )


_SENTENCES: Final = {
    LetterState.ACCEPTED: "the letter is accepted",
    LetterState.REJECTED: "the letter is refused",
    LetterState.PRINTED: "the letter is printed",
    LetterState.ENVELOPED: "the letter is in its envelope",
    LetterState.POSTED: "the letter is posted",
    LetterState.RETURNED: "the letter came back",
}


def _text(value: object, most: int) -> str:
    plain = "" if value is None else str(value)
    return "".join(c for c in " ".join(plain.split()) if c.isprintable())[:most]


def _moment(value: object, now: datetime) -> datetime | None:
    """A time with a zone that is not in the future; None where it is none, so that ours is taken."""
    try:
        when = datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None
    return when if when is not None and when.tzinfo is not None and when <= now else None


def read_answers(octets: bytes, where: str, now: datetime) -> tuple[list[tuple[LetterId, LetterStep]], int]:
    """The rows of an answer file, and how many of them could not be read."""
    steps: list[tuple[LetterId, LetterStep]] = []
    bad = 0
    for number, line in enumerate(octets[:_MOST].decode("utf-8-sig", "replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            step = read_step(row, "The bureau", now)
            steps.append((LetterId(str(row["id"])[:200]), step))
        except (ValueError, KeyError, RecursionError) as error:
            bad += 1
            log.warning("%s line %d cannot be read: %s", where, number, error)
    return steps, bad


ANSWER: Final = re.compile(r"[^.][^/]*\.answer[^/.]*\.jsonl")
"""``BATCH.answer.jsonl`` or ``BATCH.answer-2.jsonl`` beside the batch."""
READ: Final = ".read"

Clock = Callable[[], datetime]
