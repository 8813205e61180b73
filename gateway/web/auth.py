"""Whose request is it: ``Authorization: Bearer gwk_…`` to an account.

The store knows only the SHA-256 of a key; keys are 256 random bits, so a plain hash is enough and finding it in an
index tells nobody anything. A key that was good stays believed for a second without asking again; a bad one
never is.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.model.identifiers import AccountId
from gateway.ports import Store
from gateway.web.frame import Handler
from gateway.web.problem import Problem
from gateway.web.shares import PLACE, Shares

ACCOUNT: Final = web.RequestKey("account", str)
BELIEVED_SECONDS: Final = 1.0
_MAX_BELIEVED: Final = 1_000
_BEARER: Final = re.compile(r"Bearer +(gwk_[A-Za-z0-9_-]{16,200})", re.ASCII | re.IGNORECASE)
_CHALLENGE: Final = 'Bearer realm="gateway"'


@dataclass(frozen=True, slots=True)
class Keys:
    """Finds the account of a key."""

    store: Store
    time: Callable[[], float] = time.monotonic
    _believed: dict[str, tuple[float, AccountId]] = field(default_factory=dict)

    async def account(self, authorization: list[str]) -> AccountId:
        """The account of the one ``Authorization`` header; raises the 401 problem, always with the same texts."""
        match = _BEARER.fullmatch(authorization[0].strip()) if len(authorization) == 1 else None
        if match is None:
            raise _refusal("The request carries no API key.", _CHALLENGE)
        # (the scheme's case is free, the key's is not)
        digest = hashlib.sha256(match[1].encode()).hexdigest()
        until, account = self._believed.get(digest, (0.0, None))
        if account is not None and self.time() < until:
            return account
        self._believed.pop(digest, None)
        account = await self.store.account_of_key(digest)
        if account is None:
            raise _refusal("The API key is not known.", f'{_CHALLENGE}, error="invalid_token"')
        if len(self._believed) >= _MAX_BELIEVED:
            self._believed.clear()
        self._believed[digest] = (self.time() + BELIEVED_SECONDS, account)
        return account


def guard(keys: Keys, shares: Shares) -> Middleware:
    """The middleware in front of ``/v1``: no call there, known or not, answers without a key; each in its turn."""

    @web.middleware
    async def ask(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        canonical = resource.canonical if resource is not None else request.path
        if any(path == "/v1" or path.startswith("/v1/") for path in (canonical, request.path)):
            account = await keys.account(request.headers.getall("Authorization", []))
            request[ACCOUNT] = account
            request[PLACE] = place = await shares.take(account)
            try:
                return await handler(request)
            finally:
                place.leave()
        return await handler(request)

    return ask


def account_of(request: web.Request) -> AccountId:
    """The account that :func:`guard` found; a call that it did not guard fails instead of answering."""
    return AccountId(request[ACCOUNT])


def _refusal(detail: str, challenge: str) -> Problem:
    return Problem("key-needed", detail, headers={"WWW-Authenticate": challenge}, close=True)
