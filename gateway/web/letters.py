"""``/v1/letters``: what was printed, how far each letter has come, and letters that came back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.errors import Conflict, StateError
from gateway.model.letter import Letter, LetterFilter, LetterId, LetterState, ReturnReason
from gateway.model.view import moment
from gateway.web.answers import answer, page_of
from gateway.web.auth import account_of
from gateway.web.problem import bad_request
from gateway.web.query import Query, no_query, paging

if TYPE_CHECKING:
    from gateway.app import Gateway

_ID: Final = "{id:letter-[^/]{1,200}}"


@dataclass(frozen=True, slots=True)
class Letters:
    """The calls on letters."""

    gateway: Gateway

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.get("/v1/letters", self.find),
            web.get("/v1/letters/batches", self.batches),
            web.get("/v1/letters/counts", self.counts),
            web.get(f"/v1/letters/{_ID}", self.show),
            web.post(f"/v1/letters/{_ID}/return", self.come_back),
        ]

    async def find(self, request: web.Request) -> web.Response:
        """Letters, newest first: ``state`` (several), ``batch``, ``q``."""
        query = Query(request, "state", "batch", "q", "limit", "cursor")
        limit, cursor = paging(query)
        words = [word for value in request.query.getall("state", []) for word in value.split(",") if word]
        known = {state.value: state for state in LetterState}
        for word in words:
            if word not in known:
                raise bad_request("query:state", f"state is one of {', '.join(known)}.", word[:40])
        which = LetterFilter(
            states=tuple(known[word] for word in words),
            batch=query.text("batch"),
            query=query.text("q"),
            limit=limit,
            cursor=cursor,
        )
        letters, following = await self.gateway.store.letters.letters(account_of(request), which)
        return page_of([describe_letter(letter) for letter in letters], following)

    async def batches(self, request: web.Request) -> web.Response:
        """The latest batches with their totals, counted over the caller's letters."""
        limit = Query(request, "limit").number("limit", 50, 1, 200)
        rows = await self.gateway.store.letters.batches(account_of(request), limit)
        return page_of(
            [
                {**dataclasses.asdict(row), "created": moment(row.created), "updated": moment(row.updated)}
                for row in rows
            ]
        )

    async def counts(self, request: web.Request) -> web.Response:
        """How many letters are in each state."""
        no_query(request)
        counts = await self.gateway.store.letters.counts(account_of(request))
        return answer({state.value: counts.get(state, 0) for state in LetterState})

    async def show(self, request: web.Request) -> web.Response:
        """One letter with its history."""
        no_query(request)
        return await self._shown(account_of(request), LetterId(request.match_info["id"]))

    async def come_back(self, request: web.Request) -> web.Response:
        """``reason`` (one of the list), ``note``, ``date``: a person holds it; the same return twice is one."""
        query = Query(request, "reason", "note", "date")
        reason = query.member("reason", ReturnReason.OTHER)
        if not query.text("reason"):
            raise bad_request("query:reason", f"Say why: one of {', '.join(ReturnReason)}.")
        when = self._when(query.text("date"))
        account, one = account_of(request), LetterId(request.match_info["id"])
        try:
            who = f"account {account}"
            await self.gateway.post_room.returned(account, one, reason, query.text("note"), who, when)
        except StateError as error:
            raise Conflict(f"This cannot be: {error}", remedy="Only what was handed over can come back.") from None
        return await self._shown(account, one)

    def _when(self, text: str) -> datetime | None:
        if not text:
            return None
        now = self.gateway.clock.now()
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            raise bad_request("query:date", "date is a day as 2026-11-25.", text) from None
        when = when if when.tzinfo else when.replace(tzinfo=now.tzinfo)
        if when > now:
            raise bad_request("query:date", "date is in the future.", text)
        return when

    async def _shown(self, account: str, id: LetterId) -> web.Response:
        letters = self.gateway.store.letters
        letter = await letters.letter(account, id)  # type: ignore[arg-type]
        history = await letters.history(account, id)  # type: ignore[arg-type]
        rows = [{"time": moment(row.time), "state": row.state.value, "reason": row.reason} for row in history]
        return answer({**describe_letter(letter), "history": rows})


def describe_letter(letter: Letter) -> dict[str, object]:
    """The letter object of the API."""
    shown = dataclasses.asdict(letter)
    del shown["account"]
    times = {name: moment(getattr(letter, name)) for name in ("created", "updated", "posted")}
    price = None if letter.price is None else {"value": str(letter.price), "currency": letter.currency}
    del shown["currency"]
    return {**shown, **times, "price": price, "address": list(letter.address)}
