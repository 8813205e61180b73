"""``/v1/users``: the people of the caller's account. The web tool does the same; this is for the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.errors import Conflict
from gateway.model.person import Deed, Role
from gateway.model.view import moment
from gateway.web.answers import answer, page_of
from gateway.web.auth import account_of
from gateway.web.body import Intake, read_json
from gateway.web.invitation import CODE_HOLDS, code_path, hash_secret, new_secret, read_name
from gateway.web.problem import Problem, wrong
from gateway.web.query import no_query

if TYPE_CHECKING:
    from gateway.app import Gateway

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
            web.delete("/v1/users/{name}/second-factor", self.remove_factor),
        ]

    async def find(self, request: web.Request) -> web.Response:
        """Everybody in the account."""
        no_query(request)
        members = await self.gateway.store.people.members(account_of(request))
        return page_of(
            [
                {
                    "name": one.name,
                    "role": str(one.role),
                    "active": one.active,
                    "second_factor": one.second_factor,
                    "last_seen": moment(one.last_seen),
                }
                for one in members
            ]
        )

    async def add(self, request: web.Request) -> web.Response:
        """Add somebody (201): who is new gets a path that works once, to choose a password."""
        no_query(request)
        table = await read_json(self.intake, request)
        name, role = read_name(str(table.get("name", ""))), str(table.get("role", Role.CLERK.value))
        errors = [wrong(f"/{key[:40]}", "There is no such field.") for key in table if key not in ("name", "role")]
        if not name:
            errors.append(wrong("/name", "name has 2 to 120 characters and no spaces, quotes or slashes."))
        if role not in list(Role):
            errors.append(wrong("/role", f"role is one of {', '.join(Role)}.", role[:40]))
        if errors:
            raise Problem("invalid-value", "The person cannot be added as it is.", errors=errors)
        code, ends = new_secret(), self.gateway.clock.now() + CODE_HOLDS
        deed = self._deed(request, "user-added", name, role)
        try:
            fresh = await self.gateway.store.people.add(name, Role(role), hash_secret(code), ends, deed)
        except Conflict as error:
            raise Problem("conflict", str(error), remedy=error.remedy) from None
        return answer({"name": name, "role": role, "path": code_path(code) if fresh else None}, status=201)

    async def reset(self, request: web.Request) -> web.Response:
        """A new path for somebody to choose a password; the old one and all sessions end."""
        no_query(request)
        name = request.match_info["name"].strip().casefold()
        code, ends = new_secret(), self.gateway.clock.now() + CODE_HOLDS
        deed = self._deed(request, "user-reset", name, "")
        await self.gateway.store.people.reset(name, hash_secret(code), ends, deed)
        return answer({"name": name, "path": code_path(code)})

    async def remove_factor(self, request: web.Request) -> web.Response:
        """Somebody has lost the device: the password is enough again, until they enrol another; all sessions end."""
        no_query(request)
        name = request.match_info["name"].strip().casefold()
        await self.gateway.store.second.remove(name, self._deed(request, "second-removed", name, ""))
        return answer({"name": name, "second_factor": False})

    def _deed(self, request: web.Request, action: str, subject: str, detail: str) -> Deed:
        account, origin = account_of(request), request.remote or ""
        return Deed(account=account, actor=_ACTOR, action=action, subject=subject, detail=detail, origin=origin)
