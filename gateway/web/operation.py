"""``/v1/reconcile``, ``/v1/operation``: the operator's word on a restored store, on what is erased, on what is kept.

Other accounts find nothing here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.errors import Conflict, NotFound
from gateway.exchange.reconcile import SHOWN, Reconciliation
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.view import describe
from gateway.web.answers import answer
from gateway.web.auth import account_of
from gateway.web.documents import ID
from gateway.web.problem import Problem, bad_request
from gateway.web.query import Query, no_query

if TYPE_CHECKING:
    from gateway.app import Gateway


@dataclass(frozen=True, slots=True)
class Operating:
    """The calls of the operator: the first account."""

    gateway: Gateway

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.get("/v1/reconcile", self.show),
            web.post("/v1/reconcile/confirm", self.confirm),
            web.post("/v1/operation/purge", self.purge),
            web.post(f"/v1/operation/documents/{ID}/erase", self.erase),
            web.post(f"/v1/operation/documents/{ID}/hold", self.hold),
            web.post(f"/v1/operation/documents/{ID}/release", self.release),
        ]

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

    async def purge(self, request: web.Request) -> web.Response:
        """Erase what is older than its period now; with ``dry_run=yes`` only tell how much there is."""
        dry = Query(request, "dry_run").one_of("dry_run", "no", ("no", "yes")) == "yes"
        account, retention = await self._operator(request), self.gateway.store.retention
        periods = self.gateway.periods
        erased = await (retention.due(periods) if dry else retention.purge(periods, f"account {account}"))
        return answer({"dry_run": dry, "documents": dataclasses.asdict(erased)})

    async def erase(self, request: web.Request) -> web.Response:
        """Erase the content of one finished document; its ids, digests and times stay."""
        asked, actor, reason = await self._asked(request)
        await self.gateway.store.retention.erase(asked, actor, reason)
        return answer({"id": asked, "erased": True})

    async def hold(self, request: web.Request) -> web.Response:
        """Keep a document whatever its age."""
        asked, actor, reason = await self._asked(request)
        await self.gateway.store.retention.hold(asked, actor, reason, on=True)
        return answer({"id": asked, "held": True})

    async def release(self, request: web.Request) -> web.Response:
        """Let it go again."""
        asked, actor, reason = await self._asked(request)
        await self.gateway.store.retention.hold(asked, actor, reason, on=False)
        return answer({"id": asked, "held": False})

    async def _asked(self, request: web.Request) -> tuple[DocumentId, str, str]:
        """The document, who asks, and why, which must be said."""
        reason = Query(request, "reason").text("reason")
        account = await self._operator(request)
        if not reason:
            raise bad_request("query:reason", "Say why: it is written down.")
        return DocumentId(request.match_info["id"]), f"account {account}", reason

    async def _operator(self, request: web.Request) -> AccountId:
        account = account_of(request)
        if account != await self.gateway.store.operation.operator():
            raise NotFound("There is nothing at this address")
        return account
