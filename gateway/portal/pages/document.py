"""One document: what it is, where it is, what was said of it, what proves it, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.model.double import DOUBLE_OF, is_held
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import STATUS, TRANSITIONS, Event, State
from gateway.model.message import Direction, Message, TimelineEntry
from gateway.model.person import Role
from gateway.portal.attachments import kept_back, shown_as
from gateway.portal.invoice import read_invoice
from gateway.portal.telling import EVENT_TONES, tell, way_of
from gateway.portal.visit import WORKERS, Page, Visit
from gateway.web.contents import Contents
from gateway.web.documents import ID
from gateway.web.findings import verdicts
from gateway.web.problem import Problem, bad_request

LINKS: Final = (
    *("resend_of", "response_to", "response", "status_of", "status", "repeat_of", "same_envelope_as", "duplicate_of"),
    "double_of",
)
"""Links to documents; a document has others, to a scan or a supplier."""
_SHOWN_EVENTS: Final = 200
FETCHERS: Final = frozenset({Role.ADMIN})
"""Those who may fetch what a virus was found in, under their name and with a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One row of the timeline in words."""

    entry: TimelineEntry
    word: str
    tone: str


def can_be_done(message: Message) -> tuple[str, ...]:
    """What a person may do with it: the names of the forms below."""
    state, ours = message.state, TRANSITIONS[message.direction].get(message.state, {})
    deeds = []
    if "Requeued" in ours and not (message.direction is Direction.IN and state is State.DELIVERED):
        deeds.append("requeue")
    if message.direction is Direction.OUT and STATUS[state] in ("failed", "needs_attention") and not is_held(message):
        deeds.append("resend")
    if message.direction is Direction.IN and state is State.DELIVERED:
        deeds.append("redeliver")
    return tuple(deeds)


async def _message(visit: Visit) -> Message:
    return await visit.gateway.store.get(visit.account, DocumentId(visit.request.match_info["id"]))


async def show(visit: Visit) -> web.StreamResponse:
    """Everything about one document."""
    store = visit.gateway.store
    message = await _message(visit)
    timeline = await store.timeline(visit.account, message.id)
    invoice = await read_invoice(store, message, visit.language)
    trouble = STATUS[message.state] in ("failed", "needs_attention")
    return visit.render(
        "document.html",
        message=message,
        told=tell(visit, message),
        trouble=trouble,
        way=way_of(visit, message, timeline),
        happened=_happened(visit, timeline),
        more_happened=max(0, len(timeline) - _SHOWN_EVENTS),
        verdicts=verdicts(timeline),
        proofs=[name for entry in timeline for name in entry.evidence],
        invoice=invoice,
        kept=(kept := kept_back(message, timeline)),
        differing=[
            (
                visit.t(f"review.field-{one.field}"),
                *(shown_as(visit, one.field, v, message.currency) for v in (one.said, one.shown)),
            )
            for one in (kept.rows if kept else ())
        ],
        may_fetch=visit.role in FETCHERS,
        deeds=can_be_done(message) if visit.may_work and not (kept and kept.kind == "picture") else (),
        held=trouble and is_held(message),
        seen_to=trouble and await store.overview.is_handled(message),
        links=[(visit.word(f"link.{why}", why), other) for why, other in message.links.items() if why in LINKS],
    )


def _happened(visit: Visit, timeline: Sequence[TimelineEntry]) -> list[Happening]:
    """The latest first."""
    return [_told(visit, entry) for entry in reversed(timeline[-_SHOWN_EVENTS:])]


def _told(visit: Visit, entry: TimelineEntry) -> Happening:
    if entry.event == "GaveUp" and DOUBLE_OF in entry.detail:
        return Happening(entry=entry, word=visit.t("event.Held"), tone="care")
    word = visit.word(f"event.{entry.event}", entry.event)
    return Happening(entry=entry, word=word, tone=EVENT_TONES.get(entry.event, ""))


async def _content(visit: Visit) -> web.StreamResponse:
    return await Contents(visit.gateway).content(visit.request)


async def _page(visit: Visit) -> web.StreamResponse:
    return await Contents(visit.gateway).page(visit.request)


async def _evidence(visit: Visit) -> web.StreamResponse:
    return await Contents(visit.gateway).evidence(visit.request)


async def quarantined(visit: Visit) -> web.StreamResponse:
    """A document in which a virus was found, for somebody who says why; it is written down before it is given."""
    message = await _message(visit)
    reason = said_why(await visit.form())
    await visit.gateway.store.people.note(visit.deed("quarantined-fetched", message.id, reason))
    return await Contents(visit.gateway).quarantined(visit.request)


async def requeue(visit: Visit) -> web.StreamResponse:
    """Back to work under the same ids."""
    message = await _message(visit)
    if "requeue" not in can_be_done(message):
        raise Problem("conflict", "Only documents that have ended in trouble are put back to work.")
    event = Event(
        name="Requeued",
        reason=f"Put back to work by {visit.someone.person.name}",
        next_attempt=visit.gateway.clock.now(),
    )
    await visit.gateway.store.record(message, event)
    return await _done(visit, message, "requeued")


async def resend(visit: Visit) -> web.StreamResponse:
    """A new message of the same document, linked to it; a second click gives the same one."""
    message = await _message(visit)
    if "resend" not in can_be_done(message):
        raise Problem("conflict", "Only documents that were handed in here and have ended in trouble are sent anew.")
    if refusal := visit.gateway.door.refusal():
        raise refusal
    added = await visit.gateway.outbound.resend(message, key="portal")
    await visit.gateway.store.people.note(visit.deed("resent", message.id, message.number))
    return visit.go(f"/documents/{added.message.id}", said="resent")


async def redeliver(visit: Visit) -> web.StreamResponse:
    """Once more to the receiver's system."""
    message = await _message(visit)
    await visit.gateway.inbound.redeliver(message)
    return await _done(visit, message, "redelivered")


async def handled(visit: Visit) -> web.StreamResponse:
    """Somebody has seen to it: it needs nobody any more."""
    message = await _message(visit)
    await visit.gateway.store.overview.handled(message.id, visit.deed("seen-to", message.id, message.number))
    return visit.go(f"/documents/{message.id}", said="seen-to")


async def _done(visit: Visit, message: Message, action: str) -> web.Response:
    await visit.gateway.store.people.note(visit.deed(action, message.id, message.number))
    return visit.go(f"/documents/{message.id}", said="requeued")


def said_why(form: Mapping[str, str]) -> str:
    """The reason that was written. Raises a ``Problem`` where there is none."""
    reason = " ".join(form.get("reason", "").split())
    if not reason or len(reason) > 500 or not reason.isprintable():
        raise bad_request("form:reason", "Say in at most 500 characters why it is fetched: it is written down.")
    return reason


_ONE: Final = f"/documents/{ID}"
PAGES: Final = (
    Page(path=_ONE, show=show, under="documents"),
    *(
        Page(path=f"{_ONE}/{name}", show=give)
        for name, give in (("content", _content), ("page.pdf", _page), ("evidence.zip", _evidence))
    ),
    Page(path=f"{_ONE}/quarantined", show=quarantined, method="POST", who=FETCHERS, under="documents"),
    *(
        Page(path=f"{_ONE}/{name}", show=do, method="POST", who=WORKERS, under="documents")
        for name, do in (("requeue", requeue), ("resend", resend), ("redeliver", redeliver), ("handled", handled))
    ),
)
