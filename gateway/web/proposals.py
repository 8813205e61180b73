"""``/v1/proposals``: move this counterpart to e-invoice; and what somebody decides about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.exchange.proposing import Proposing
from gateway.model.counterpart import Counterpart, CounterpartId
from gateway.model.message import Direction
from gateway.model.proposal import Decision, Proposal, ProposalEvent, ProposalId, ProposalState
from gateway.model.services import services_of
from gateway.model.view import moment
from gateway.routing.letters import supplier_letter
from gateway.routing.savings import headline
from gateway.routing.words import REQUIREMENTS, RISKS
from gateway.web.answers import answer
from gateway.web.auth import account_of
from gateway.web.body import Intake, read_json
from gateway.web.problem import Problem, bad_request, wrong
from gateway.web.query import Query, no_query, paging

if TYPE_CHECKING:
    from gateway.app import Gateway

_MAX_REASON: Final = 500
_SNOOZE: Final = timedelta(days=30)
_SUMMED_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Proposals:
    """The calls on proposals of the caller's account."""

    gateway: Gateway
    intake: Intake

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.get("/v1/proposals", self.find),
            web.get("/v1/proposals/{id}", self.show),
            web.get("/v1/proposals/{id}/letter", self.letter),
            web.post("/v1/proposals/{id}/accept", self.accept),
            web.post("/v1/proposals/{id}/decline", self.decline),
            web.post("/v1/proposals/{id}/snooze", self.snooze),
        ]

    async def find(self, request: web.Request) -> web.Response:
        """A page, the one that saves most first, and what all that are open save together."""
        query = Query(request, "state", "direction", "limit", "cursor")
        limit, cursor = paging(query)
        states = tuple(_states(query))
        word = query.one_of("direction", "all", ("all", "out", "in"))
        direction = None if word == "all" else Direction(word)
        account, rows = account_of(request), self.gateway.store.relations
        found, following = await rows.proposals(account, states=states, direction=direction, limit=limit, cursor=cursor)
        items = [show(one, await rows.counterpart(account, one.counterpart)) for one in found]
        return answer({"items": items, "next": following or None, "summary": await self._summary(request)})

    async def _summary(self, request: web.Request) -> dict[str, object]:
        """What the open ones to customers save together, in the currency of the first."""
        waiting: list[Proposal] = []
        cursor = ""
        while True:
            page, cursor = await self.gateway.store.relations.proposals(
                account_of(request),
                states=[ProposalState.OPEN],
                direction=Direction.OUT,
                limit=_SUMMED_MOST,
                cursor=cursor,
            )
            waiting += page
            if not cursor:
                break
        currency = waiting[0].currency if waiting else "SEK"
        money = sum((one.saving for one in waiting if one.currency == currency), Decimal(0))
        sv, en = headline(len(waiting), money, currency)
        return {
            "count": len(waiting),
            "saving": {"value": f"{money:f}", "currency": currency},
            "text": en,
            "text_sv": sv,
        }

    async def show(self, request: web.Request) -> web.Response:
        """One, with every decision about it."""
        no_query(request)
        account, rows = account_of(request), self.gateway.store.relations
        one = await rows.proposal(account, ProposalId(request.match_info["id"]))
        decisions = await rows.decisions(account, one.id)
        shown = show(one, await rows.counterpart(account, one.counterpart))
        return answer({**shown, "decisions": [show_decision(row) for row in decisions]})

    async def letter(self, request: web.Request) -> web.Response:
        """What the supplier is written, with our exact addresses."""
        query = Query(request, "language")
        account, rows = account_of(request), self.gateway.store.relations
        one = await rows.proposal(account, ProposalId(request.match_info["id"]))
        if one.direction is not Direction.IN:
            raise Problem("conflict", "Only a supplier is written a letter.", remedy="")
        supplier = await rows.counterpart(account, CounterpartId(one.counterpart))
        language = query.one_of("language", supplier.language or "sv", ("sv", "en"))
        ours = [p for p in await self.gateway.store.participants(account) if not p.document_types]
        ours = ours or list(await self.gateway.store.participants(account))
        subject, text = supplier_letter(
            supplier=supplier.name,
            number=supplier.number,
            buyer=next((p.name for p in ours if p.name), account),
            addresses=[p.id.value for p in ours],
            document_types=list(dict.fromkeys(str(kind) for p in ours for kind, _ in services_of(p))),
            reminder=one.reminded,
            language=language,
        )
        return answer({"language": language, "to": supplier.email or None, "subject": subject, "text": text})

    async def accept(self, request: web.Request) -> web.Response:
        """From the next document on it goes the new way."""
        return await self._decide(request, "Accepted")

    async def decline(self, request: web.Request) -> web.Response:
        """It stays as it is, and is not proposed again by itself."""
        return await self._decide(request, "Declined")

    async def snooze(self, request: web.Request) -> web.Response:
        """It is proposed again at the time that the body names, or in a month."""
        return await self._decide(request, "Snoozed")

    async def _decide(self, request: web.Request, event: ProposalEvent) -> web.Response:
        no_query(request)
        account = account_of(request)
        table = await read_json(self.intake, request) if request.can_read_body else {}
        known = ("reason", "until") if event == "Snoozed" else ("reason",)
        for name in table:
            if name not in known:
                raise bad_request(f"/{name[:40]}", f"There is no field “{name[:40]}”; known here: {', '.join(known)}.")
        reason = table.get("reason") or ""
        if not isinstance(reason, str) or len(reason) > _MAX_REASON or not reason.isprintable():
            raise bad_request("/reason", f"reason is a text of at most {_MAX_REASON} printable characters.")
        until = self._until(table.get("until")) if event == "Snoozed" else None
        proposing = self._proposing
        id_ = ProposalId(request.match_info["id"])
        actor = f"api {account}"
        after = await proposing.decide(account, id_, event, actor=actor, reason=reason, until=until)
        return answer(show(after, await self.gateway.store.relations.counterpart(account, after.counterpart)))

    @property
    def _proposing(self) -> Proposing:
        routing = self.gateway.outbound.routing
        return routing.proposing if routing else Proposing(store=self.gateway.store, clock=self.gateway.clock)

    def _until(self, value: object) -> datetime:
        if value is None:
            return self.gateway.clock.now() + _SNOOZE
        try:
            until = datetime.fromisoformat(str(value))
        except ValueError:
            until = None
        if until is None or until.tzinfo is None:
            errors = [wrong("/until", "until is a time with its zone, such as 2027-01-15T08:00:00Z.", str(value)[:40])]
            raise Problem("invalid-value", "The proposal cannot be snoozed so.", errors=errors)
        return until


def show(one: Proposal, counterpart: Counterpart) -> dict[str, object]:
    """The proposal object: JSON values only."""
    return {
        "id": one.id,
        "state": str(one.state),
        "direction": str(one.direction),
        "counterpart": {"id": counterpart.id, "name": counterpart.name, "number": counterpart.number or None},
        "from": one.from_channel,
        "to": one.to_channel,
        "participant": one.participant or None,
        "document_type": one.document_type or None,
        "volume": one.volume,
        "saving": {"value": f"{one.saving:f}", "currency": one.currency},
        "text": one.text_en,
        "text_sv": one.text_sv,
        "risks": [{"code": code, "sv": RISKS[code][0], "en": RISKS[code][1]} for code in one.risks if code in RISKS],
        "requirements": [
            {"code": code, "sv": REQUIREMENTS[code][0], "en": REQUIREMENTS[code][1]}
            for code in one.requirements
            if code in REQUIREMENTS
        ],
        "evidence": list(one.evidence),
        "snoozed_until": moment(one.snoozed_until),
        "expires": moment(one.expires),
        "decided": moment(one.decided),
        "converted": moment(one.converted),
        "created": moment(one.created),
        "updated": moment(one.updated),
    }


def show_decision(row: Decision) -> dict[str, object]:
    """The decision object."""
    return {
        "event": row.event,
        "actor": row.actor,
        "reason": row.reason or None,
        "text": row.text_en or None,
        "text_sv": row.text_sv or None,
        "time": moment(row.time),
    }


def _states(query: Query) -> list[ProposalState]:
    """``state``: words with commas between; open ones where none is named."""
    text = query.text("state")
    if not text:
        return [ProposalState.OPEN]
    if text == "all":
        return []
    known = [one.value for one in ProposalState]
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in known:
            raise bad_request("query:state", f"state is all, or of {', '.join(known)}.", word[:40])
    return [ProposalState(word) for word in words]
