"""The life of a letter: every state, every step, and what each says about the document inside.

Ordinary mail has no receipt: ``posted`` is the terminal success that anybody can tell us, and after a while without a
return the letter counts as delivered. A bureau may skip states (one that tells only what was posted), never go back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, NewType

from gateway.errors import StateError
from gateway.model.identifiers import AccountId, DocumentId

LetterId = NewType("LetterId", str)
"""``letter-DOCUMENT``: the same document twice is the same letter, everywhere."""


def letter_id(document: DocumentId) -> LetterId:
    """The id of the letter that carries a document."""
    return LetterId(f"letter-{document}")


class LetterState(StrEnum):
    """How far a letter has come."""

    RENDERED = "rendered"
    """Its PDF is made."""
    PREFLIGHT_OK = "preflight_ok"
    """Bureau and envelope can take it; it waits for its batch."""
    PREFLIGHT_FAILED = "preflight_failed"
    """It can never be printed as it is; nothing of it has left."""
    BATCHED = "batched"
    """It is in a batch whose list is closed."""
    SUBMITTED = "submitted"
    """The batch was given to the bureau."""
    ACCEPTED = "accepted"
    """The bureau says that it will print it."""
    REJECTED = "rejected"
    """The bureau, or the printer, says that it will not."""
    PRINTED = "printed"
    ENVELOPED = "enveloped"
    POSTED = "posted"
    """A carrier has it."""
    RETURNED = "returned"
    """It came back, or was destroyed on the way."""
    ASSUMED_DELIVERED = "assumed_delivered"
    """Posted long enough ago, and nothing came back."""


class ReturnReason(StrEnum):
    """Why a letter came back, whatever words a carrier has for it."""

    UNKNOWN_ADDRESS = "unknown_address"
    MOVED = "moved"
    DECEASED = "deceased"
    NO_MAILBOX = "no_mailbox"
    REFUSED = "refused"
    UNDELIVERABLE = "undeliverable"
    OTHER = "other"


_S = LetterState
_FORWARD: Final = (_S.SUBMITTED, _S.ACCEPTED, _S.PRINTED, _S.ENVELOPED, _S.POSTED)
_CHAIN: Final = (_S.PREFLIGHT_OK, _S.BATCHED, *_FORWARD)


def _after(state: LetterState) -> frozenset[LetterState]:
    later = _FORWARD[_FORWARD.index(state) + 1 :]
    return frozenset({*later, _S.REJECTED, _S.RETURNED})


STEPS: Final[dict[LetterState, frozenset[LetterState]]] = {
    _S.RENDERED: frozenset({_S.PREFLIGHT_OK, _S.PREFLIGHT_FAILED}),
    _S.PREFLIGHT_OK: frozenset({_S.BATCHED, _S.PREFLIGHT_FAILED}),
    _S.PREFLIGHT_FAILED: frozenset({_S.RENDERED}),  # put back to work after the document or the profile was mended
    _S.BATCHED: frozenset({_S.SUBMITTED, _S.REJECTED}),
    _S.SUBMITTED: _after(_S.SUBMITTED),
    _S.ACCEPTED: _after(_S.ACCEPTED),
    _S.REJECTED: frozenset(),
    _S.PRINTED: _after(_S.PRINTED),
    _S.ENVELOPED: _after(_S.ENVELOPED),
    _S.POSTED: frozenset({_S.ASSUMED_DELIVERED, _S.RETURNED}),
    _S.ASSUMED_DELIVERED: frozenset({_S.RETURNED}),  # post is slow
    _S.RETURNED: frozenset(),
}

DocumentEvent = Literal["", "Noted", "Delivered", "Rejected"]

TOLD: Final[dict[LetterState, DocumentEvent]] = {
    _S.RENDERED: "",
    _S.PREFLIGHT_OK: "",
    _S.PREFLIGHT_FAILED: "",  # the channel's refusal tells it
    _S.BATCHED: "",
    _S.SUBMITTED: "",  # the handover tells it: Dispatched
    _S.ACCEPTED: "Noted",
    _S.REJECTED: "Rejected",
    _S.PRINTED: "Noted",
    _S.ENVELOPED: "Noted",
    _S.POSTED: "Noted",
    _S.RETURNED: "Rejected",
    _S.ASSUMED_DELIVERED: "Delivered",
}
"""What a state says of the document inside, which is DISPATCHED meanwhile; where its life does not allow it, Noted."""

ASSUMED_AFTER: Final = timedelta(days=30)
"""Returns of ordinary mail have nearly all come by then."""


def advance(before: LetterState, after: LetterState) -> bool:
    """Whether the step is one; False when it is old news. Raises ``StateError`` where it cannot happen."""
    if after in STEPS[before]:
        return True
    known = before in _CHAIN and after in _CHAIN and _CHAIN.index(after) <= _CHAIN.index(before)
    if before is after or known or _ended_later(before, after):
        return False
    raise StateError(f"a letter that is {before} cannot become {after}")


def _ended_later(before: LetterState, after: LetterState) -> bool:
    """A bureau tells late what came before the end that is known."""
    return before in (_S.RETURNED, _S.ASSUMED_DELIVERED) and after in (*_FORWARD, _S.ASSUMED_DELIVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter as the store keeps it; its PDF is with the batch. Times are UTC."""

    id: LetterId
    account: AccountId
    document: DocumentId
    state: LetterState = LetterState.RENDERED
    kind: str = ""
    """Which adapter: ``folder``, ``ipp``, ``sftp``, ``http``."""
    batch: str = ""
    file: str = ""
    sha256: str = ""
    pages: int = 0
    sheets: int = 0
    duplex: bool = True
    colour: bool = False
    grams: int = 0
    envelope: str = ""
    """Name of the envelope profile."""
    postage: str = ""
    """Postage class: ``economy``, ``first``."""
    price: Decimal | None = None
    """Paper, print, envelope and postage, as the profile prices it."""
    currency: str = ""
    address: tuple[str, ...] = ()
    country: str = ""
    number: str = ""
    """The invoice's own number, for people."""
    reference: str = ""
    """What the bureau calls it."""
    reason: str = ""
    """The last that was said of it, in words."""
    posted: datetime | None = None
    carrier: str = ""
    returned: ReturnReason | None = None
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterStep:
    """One step of a letter and what is learned with it. Empty fields leave what is known."""

    state: LetterState
    reason: str = ""
    time: datetime | None = None
    """When it happened, where the bureau says so; else now."""
    reference: str = ""
    carrier: str = ""
    postage: str = ""
    returned: ReturnReason | None = None
    facts: dict[str, object] = field(default_factory=dict)
    """Fields of :class:`Letter` that become known: ``pages``, ``batch``, ``file`` …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterEvent:
    """One row of a letter's history."""

    time: datetime
    state: LetterState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterBatch:
    """What one account has in one batch, counted."""

    batch: str
    kind: str
    letters: int
    sheets: int
    pages: int
    states: dict[str, int]
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which letters a list shows. Empty fields do not narrow."""

    states: tuple[LetterState, ...] = ()
    batch: str = ""
    query: str = ""
    """Matched against number, address, document and id."""
    limit: int = 50
    cursor: str = ""


_WORDS: Final = (
    (ReturnReason.MOVED, r"moved|flytt|umgezogen|verzogen|muuttanut|flyttet"),
    (ReturnReason.DECEASED, r"deceased|avliden|verstorben|kuollut|afdød|død"),
    (ReturnReason.NO_MAILBOX, r"mailbox|letterbox|brevlåda|postlåda|briefkasten|postkasse"),
    (ReturnReason.REFUSED, r"refus|vägra|annahme verweigert|ej mottag|nægtet"),
    (
        ReturnReason.UNKNOWN_ADDRESS,
        r"unknown|okänd|unbekannt|tuntematon|ukjent|ukendt|insufficient|otillräcklig",
    ),
    (ReturnReason.UNDELIVERABLE, r"undeliver|obeställbar|unzustellbar|not collected|ej avhämtad|unclaimed"),
)


def read_reason(text: str) -> ReturnReason:
    """The reason that a carrier's or bureau's words mean; ``other`` where nobody could tell."""
    said = text.strip().casefold()
    try:
        return ReturnReason(said.replace("-", "_").replace(" ", "_"))
    except ValueError:
        return next((reason for reason, words in _WORDS if re.search(words, said)), ReturnReason.OTHER)
