"""``/v1/reconcile``: what the operator says of a restored store. Other accounts find nothing here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.errors import Conflict, NotFound
from gateway.exchange.reconcile import SHOWN, Reconciliation
from gateway.model.identifiers import AccountId
from gateway.model.view import describe
from gateway.web.answers import answer
from gateway.web.auth import account_of
from gateway.web.problem import Problem
from gateway.web.query import Query, no_query

if TYPE_CHECKING:
    from gateway.app import Gateway


@dataclass(frozen=True, slots=True)
class Operating:
    """The calls of the operator: the first account."""

    gateway: Gateway

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [web.get("/v1/reconcile", self.show), web.post("/v1/reconcile/confirm", self.confirm)]

    async def show(self, request: web.Request) -> web.Response:
        """Whether a restored store waits for a person, and which documents may have left since the backup."""
        no_query(request)
        await self._operator(request)
        reconciliation = Reconciliation(store=self.gateway.store)
        gap = await reconciliation.gap()
        doubtful = await reconciliation.doubtful() if gap else ()
        return answer(
            {
                "waits": gap is not None,
                "backup": gap.backup.isoformat() if gap else None,
                "restored": gap.restored.isoformat() if gap else None,
                "source": gap.source if gap else None,
                "documents": [describe(message) for message in doubtful],
                "more": len(doubtful) == SHOWN,
            }
        )

    async def confirm(self, request: web.Request) -> web.Response:
        """``doubtful=send``: documents go out under their old ids, letters wait for a person; ``hold``: all wait."""
        query = Query(request, "doubtful")
        hold = query.one_of("doubtful", "send", ("send", "hold")) == "hold"
        account = await self._operator(request)
        try:
            done = await Reconciliation(store=self.gateway.store).confirm(f"account {account}", hold=hold)
        except Conflict as error:
            raise Problem("conflict", str(error), remedy=error.remedy) from None
        return answer({"waits": False, "set_aside": done.set_aside, "going_on": done.going_on})

    async def _operator(self, request: web.Request) -> AccountId:
        account = account_of(request)
        if account != await self.gateway.store.operation.operator():
            raise NotFound("There is nothing at this address")
        return account
