"""Proposals: who could get e-invoices instead of letters, what that saves, and what somebody decides about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from aiohttp import web

from gateway.exchange.proposing import Proposing
from gateway.model.counterpart import Counterpart, CounterpartFilter
from gateway.model.message import Direction
from gateway.model.proposal import Proposal, ProposalEvent, ProposalId, ProposalState
from gateway.portal.visit import WORKERS, Entry, Page, Visit
from gateway.routing.savings import headline
from gateway.routing.words import REQUIREMENTS, RISKS
from gateway.web.problem import bad_request

_SHOWN: Final = 100
_SNOOZE: Final = timedelta(days=30)
_MAX_REASON: Final = 500
_OPEN: Final = (ProposalState.OPEN, ProposalState.SNOOZED)
_DECIDED: Final = (ProposalState.ACCEPTED, ProposalState.CONVERTED, ProposalState.DECLINED, ProposalState.RELAPSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One proposal in words."""

    proposal: Proposal
    counterpart: Counterpart
    text: str
    notes: tuple[str, ...]
    """Risks and requirements."""


def _row(visit: Visit, one: Proposal, counterpart: Counterpart) -> Row:
    place = 0 if visit.language == "sv" else 1
    notes = [RISKS[code][place] for code in one.risks if code in RISKS]
    notes += [REQUIREMENTS[code][place] for code in one.requirements if code in REQUIREMENTS]
    text = one.text_sv if visit.language == "sv" else one.text_en
    return Row(proposal=one, counterpart=counterpart, text=text, notes=tuple(notes))


async def _rows(visit: Visit, states: tuple[ProposalState, ...]) -> list[Row]:
    rows = visit.gateway.store.relations
    found, _ = await rows.proposals(visit.account, states=states, limit=_SHOWN)
    among = tuple({one.counterpart for one in found})
    parties, _ = await rows.counterparts(visit.account, CounterpartFilter(among=among, limit=len(among)))
    known = {party.id: party for party in parties}
    return [_row(visit, one, known[one.counterpart]) for one in found if one.counterpart in known]


async def show(visit: Visit) -> web.StreamResponse:
    """What waits for a decision, the one that saves most first; then what was decided."""
    waiting = await _rows(visit, _OPEN)
    asked = [row.proposal for row in waiting if row.proposal.direction is Direction.OUT]
    currency = asked[0].currency if asked else "SEK"
    money = sum((one.saving for one in asked if one.currency == currency), Decimal(0))
    sv, en = headline(len(asked), money, currency)
    return visit.render(
        "proposals.html",
        waiting=waiting,
        decided=await _rows(visit, _DECIDED),
        headline=sv if visit.language == "sv" else en,
    )


async def decide(visit: Visit) -> web.StreamResponse:
    """Accept, decline or snooze one."""
    form = await visit.form()
    events: dict[str, ProposalEvent] = {"accept": "Accepted", "decline": "Declined", "snooze": "Snoozed"}
    event = events.get(form.get("decision", ""))
    reason = form.get("reason", "").strip()
    if event is None:
        raise bad_request("form:decision", "Accept, decline or snooze.")
    if len(reason) > _MAX_REASON or not reason.isprintable():
        raise bad_request("form:reason", f"A reason is a text of at most {_MAX_REASON} printable characters.")
    gateway = visit.gateway
    routing = gateway.outbound.routing
    proposing = routing.proposing if routing else Proposing(store=gateway.store, clock=gateway.clock)
    id_ = ProposalId(visit.request.match_info["id"])
    until = gateway.clock.now() + _SNOOZE if event == "Snoozed" else None
    actor = visit.someone.person.name
    await proposing.decide(visit.account, id_, event, actor=actor, reason=reason, until=until)
    await gateway.store.people.note(visit.deed(f"proposal-{form['decision']}", id_, reason))
    return visit.go("/proposals", said="saved")


PAGES: Final = (
    Page(path="/proposals", show=show, entry=Entry(name="proposals", order=40)),
    Page(path="/proposals/{id}/decide", show=decide, method="POST", who=WORKERS, under="proposals"),
)
