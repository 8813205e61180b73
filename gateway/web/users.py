"""``/v1/users``: the people of the caller's account. The web tool does the same; this is for the command line."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.errors import Conflict
from gateway.model.person import Deed, Role
from gateway.model.view import moment
from gateway.web.answers import answer, page_of
from gateway.web.auth import account_of
from gateway.web.body import Intake, read_json
from gateway.web.problem import Problem, wrong
from gateway.web.query import no_query

if TYPE_CHECKING:
    from gateway.app import Gateway

_NAME: Final = re.compile(r"[^\s/\\\x00-\x1f<>\"'`]{2,120}")
_HOLDS: Final = timedelta(days=7)
_ACTOR: Final = "API key"


@dataclass(frozen=True, slots=True)
class Users:
    """The calls on people."""

    gateway: Gateway
    intake: Intake

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.get("/v1/users", self.find),
            web.post("/v1/users", self.add),
            web.post("/v1/users/{name}/reset", self.reset),
        ]

    async def find(self, request: web.Request) -> web.Response:
        """Everybody in the account."""
        no_query(request)
        members = await self.gateway.store.people.members(account_of(request))
        rows = [(one, moment(one.last_seen)) for one in members]
        return page_of(
            [{"name": one.name, "role": str(one.role), "active": one.active, "last_seen": seen} for one, seen in rows]
        )

    async def add(self, request: web.Request) -> web.Response:
        """Add somebody (201): who is new gets a path that works once, to choose a password."""
        no_query(request)
        table = await read_json(self.intake, request)
        name, role = str(table.get("name", "")).strip().casefold(), str(table.get("role", Role.CLERK.value))
        errors = [wrong(f"/{key[:40]}", "There is no such field.") for key in table if key not in ("name", "role")]
        if not _NAME.fullmatch(name):
            errors.append(wrong("/name", "name has 2 to 120 characters and no spaces, quotes or slashes."))
        if role not in list(Role):
            errors.append(wrong("/role", f"role is one of {', '.join(Role)}.", role[:40]))
        if errors:
            raise Problem("invalid-value", "The person cannot be added as it is.", errors=errors)
        code, ends = secrets.token_urlsafe(32), self.gateway.clock.now() + _HOLDS
        deed = self._deed(request, "user-added", name, role)
        try:
            fresh = await self.gateway.store.people.add(name, Role(role), _hash(code), ends, deed)
        except Conflict as error:
            raise Problem("conflict", str(error), remedy=error.remedy) from None
        return answer({"name": name, "role": role, "path": _path(code) if fresh else None}, status=201)

    async def reset(self, request: web.Request) -> web.Response:
        """A new path for somebody to choose a password; the old one and all sessions end."""
        no_query(request)
        name = request.match_info["name"].strip().casefold()
        code, ends = secrets.token_urlsafe(32), self.gateway.clock.now() + _HOLDS
        deed = self._deed(request, "user-reset", name, "")
        await self.gateway.store.people.reset(name, _hash(code), ends, deed)
        return answer({"name": name, "path": _path(code)})

    def _deed(self, request: web.Request, action: str, subject: str, detail: str) -> Deed:
        account, origin = account_of(request), request.remote or ""
        return Deed(account=account, actor=_ACTOR, action=action, subject=subject, detail=detail, origin=origin)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _path(code: str) -> str:
    return f"/welcome?code={code}"
