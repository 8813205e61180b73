"""What a document's state means for people: a chip, a sentence, what to do next, and its way from C1 to C4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from gateway.exchange.antivirus import HELD, QUARANTINED
from gateway.exchange.pictures import PICTURE
from gateway.model.double import is_held
from gateway.model.lifecycle import STATUS, State
from gateway.model.message import Direction, Message, TimelineEntry

if TYPE_CHECKING:
    from gateway.portal.visit import Visit

Tone = Literal["", "good", "wait", "care", "bad"]
TONES: Final[dict[str, Tone]] = {"queued": "wait", "delivered": "good", "needs_attention": "care", "failed": "bad"}
EVENT_TONES: Final[dict[str, Tone]] = {
    "Sent": "good",
    "Delivered": "good",
    "Dispatched": "good",
    "Postponed": "wait",
    "Diverted": "care",
    "LostTrack": "care",
    "Rejected": "bad",
    "GaveUp": "bad",
}
CHANNEL_SIGNS: Final = {"peppol": "send", "email": "mail", "print": "print", "scan": "review", "pdf": "note"}


_KEPT: Final = {
    **dict.fromkeys(QUARANTINED, "state.in-quarantined"),
    PICTURE: "state.in-kept",
}
"""What a document is called that is kept back because of what is attached to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A document's state in words."""

    word: str
    tone: Tone
    kind: str
    channel: str
    channel_sign: str


def tell(visit: Visit, message: Message) -> Told:
    """The chip and the words of one document."""
    channel, kept = message.channel, _KEPT.get(message.links.get(HELD, "")) if message.state is State.REJECTED else None
    tone = TONES[STATUS[message.state]]
    if message.state is State.FAILED and is_held(message):
        kept, tone = "state.out-held", "care"
    return Told(
        word=visit.t(kept or f"state.{message.direction}-{message.state}"),
        tone=tone,
        kind=kind_of(visit, message),
        channel=visit.word(f"channel.{channel}", channel) if channel else "",
        channel_sign=CHANNEL_SIGNS.get(channel, "send"),
    )


def kind_of(visit: Visit, message: Message) -> str:
    """Invoice, credit note, response, status; others by the name of their root element."""
    root = message.document_type.partition("##")[0].rpartition("::")[2]
    return visit.word(f"kind.{root}", root) if root else visit.t("kind.other")


Standing = Literal["done", "now", "later", "doubt", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corner:
    """One of the four: its letter, its name, and whether it is us."""

    place: str
    role: str
    name: str
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """The way between two corners: how far it is, in a word."""

    standing: Standing
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The four corners and the three legs between them."""

    corners: tuple[Corner, ...]
    legs: tuple[Leg, ...]
    summary: str


_OUT: Final[dict[State, tuple[Standing, Standing, Standing]]] = {
    State.ACCEPTED: ("done", "now", "later"),
    State.DIVERTED: ("done", "now", "later"),
    State.SENT: ("done", "done", "now"),
    State.DISPATCHED: ("done", "done", "now"),
    State.DELIVERED: ("done", "done", "done"),
    State.UNKNOWN: ("done", "doubt", "later"),
    State.REJECTED: ("done", "broken", "later"),
    State.FAILED: ("done", "broken", "later"),
}
_IN: Final[dict[State, tuple[Standing, Standing, Standing]]] = {
    State.RECEIVED: ("done", "done", "now"),
    State.DELIVERED: ("done", "done", "done"),
    State.REJECTED: ("done", "done", "broken"),
    State.FAILED: ("done", "done", "broken"),
}


def way_of(visit: Visit, message: Message, timeline: Sequence[TimelineEntry]) -> Way:
    """Where the document is on its way, for the picture."""
    out = message.direction is Direction.OUT
    legs = (_OUT if out else _IN).get(message.state, ("done", "now", "later"))
    if out and message.state is State.REJECTED and any(entry.event == "Sent" for entry in timeline):
        legs = ("done", "done", "broken")  # the other side had it, and said no
    channel = message.channel if message.channel in ("email", "print") and out else "peppol"
    us = visit.gateway.config.operator.name
    names = (message.seller_name or message.sender, us, message.peer, message.buyer_name or message.receiver)
    if not out:
        names = (names[0], message.peer, us, names[3])
    roles = [visit.t(f"way.{channel}-c{place}") for place in (1, 2, 3, 4)]
    corners = tuple(
        Corner(place=f"C{place}", role=role, name=_clip(name), ours=place == (2 if out else 3))
        for place, role, name in zip((1, 2, 3, 4), roles, names, strict=True)
    )
    words = tuple(Leg(standing=standing, word=visit.t(f"way.{standing}")) for standing in legs)
    summary = visit.t("way.summary", first=words[0].word, second=words[1].word, third=words[2].word)
    return Way(corners=corners, legs=words, summary=summary)


def _clip(name: str, most: int = 22) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
