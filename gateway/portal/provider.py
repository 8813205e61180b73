"""The OpenID provider: its description, its keys, and codes for tokens. [I/O of the web tool]

Addresses come from its description, so each is judged before and while connecting, like those of a webhook. Answers
are bounded in size and time, redirects are not followed, and few calls run at once.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote_plus

import aiohttp
from yarl import URL

from gateway.config.sections import Oidc
from gateway.connecting import Guard
from gateway.errors import ChannelUnavailable, InvalidAddress, Overloaded, Untrusted
from gateway.portal.oidc import Claims, UnknownKey, read_keys, read_token
from gateway.security.tls import client_context, explain
from gateway.security.weburl import WebRules, check_url

_MOST: Final = 256 * 1024
"""Octets of an answer."""
_FRESH_SECONDS: Final = 3600.0
"""How long description and keys are believed."""
_AGAIN_SECONDS: Final = 60.0
"""How soon keys are fetched again for a key that is not among them."""
_AT_ONCE: Final = 4
_QUEUE: Final = 32
_REMEDY: Final = "Compare [portal.oidc] with the provider's settings; passwords work meanwhile."


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the provider says of itself. Source: OpenID Connect Discovery 1.0, 3."""

    authorization: str
    token: str
    keys: str
    end_session: str = ""
    basic: bool = True
    """Whether the client secret goes into the head (``client_secret_basic``), else into the body."""
    names_itself: bool = False
    """Whether its answers in the browser carry ``iss`` (RFC 9207)."""


class Provider:
    """One provider and our standing with it. Raises ``ChannelUnavailable`` where it gives no usable answer."""

    def __init__(self, settings: Oidc) -> None:
        self.settings = settings
        self._rules = WebRules(allow_http=settings.allow_http, allow_loopback=settings.allow_private)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._described: tuple[float, Description] | None = None
        self._keys: tuple[float, Any] | None = None
        self._tls: ssl.SSLContext | None = None

    @property
    def known(self) -> Description | None:
        """Its description, if it was asked before."""
        return self._described[1] if self._described else None

    async def describe(self) -> Description:
        """Its description, at most an hour old."""
        if self._described is None or time.monotonic() - self._described[0] > _FRESH_SECONDS:
            issuer = self.settings.issuer
            answer = await self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            self._described = time.monotonic(), self._read_description(answer)
        return self._described[1]

    async def claims(self, code: str, back: str, verifier: str, nonce: str, now: datetime) -> Claims:
        """Whom the code is for: it is changed for an ID token, and that is verified. Raises ``Untrusted`` too."""
        settings, described = self.settings, await self.describe()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        secret, headers = settings.read_secret(), {}
        if secret and described.basic:
            user, password = quote_plus(settings.client_id), quote_plus(secret)  # as RFC 6749 2.3.1 wants it
            headers["Authorization"] = aiohttp.BasicAuth(user, password).encode()
        else:
            form |= {"client_id": settings.client_id, **({"client_secret": secret} if secret else {})}
        answer = await self._ask("POST", described.token, form, headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Untrusted("The provider answered the code without an ID token: the scope openid must be allowed.")
        wanted = {"issuer": settings.issuer, "client": settings.client_id, "nonce": nonce}
        try:
            return read_token(token, await self._key_set(described, _FRESH_SECONDS), **wanted, now=now)
        except UnknownKey:  # it may have changed its key since
            return read_token(token, await self._key_set(described, _AGAIN_SECONDS), **wanted, now=now)

    async def _key_set(self, described: Description, fresh: float) -> Any:
        if self._keys is None or time.monotonic() - self._keys[0] > fresh:
            self._keys = time.monotonic(), read_keys(await self._ask("GET", described.keys))
        return self._keys[1]

    def _read_description(self, answer: Mapping[str, Any]) -> Description:
        issuer = self.settings.issuer
        if answer.get("issuer") != issuer:
            text = f"The provider calls itself {str(answer.get('issuer'))[:200]}, not {issuer}."
            raise ChannelUnavailable(text, remedy="Write portal.oidc.issuer exactly as the provider does.")
        ends = answer.get("end_session_endpoint")
        ways = answer.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return Description(
            authorization=self._address(answer, "authorization_endpoint"),
            token=self._address(answer, "token_endpoint"),
            keys=self._address(answer, "jwks_uri"),
            end_session=self._address(answer, "end_session_endpoint") if ends else "",
            basic=not isinstance(ways, list) or "client_secret_basic" in ways,
            names_itself=answer.get("authorization_response_iss_parameter_supported") is True,
        )

    def _address(self, answer: Mapping[str, Any], name: str) -> str:
        try:
            return check_url(str(answer.get(name, "")), self._rules)
        except InvalidAddress as error:
            raise ChannelUnavailable(f"{name} of the provider: {error}", remedy=_REMEDY) from None

    async def _ask(
        self, method: str, url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        if self._waiting >= _QUEUE:
            raise Overloaded("Too many people sign in at once.")
        self._waiting += 1
        try:
            async with self._places:
                status, octets = await self._call(method, url, form, headers or {})
        except (InvalidAddress, TimeoutError, ssl.SSLError, aiohttp.ClientError, OSError) as error:
            raise ChannelUnavailable(f"{method} {url}: {_reason(error)}", remedy=_REMEDY) from None
        finally:
            self._waiting -= 1
        try:
            answer = json.loads(octets)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise ChannelUnavailable(f"{method} {url} answered {status} without a JSON object.", remedy=_REMEDY)
        if status == 200:
            return answer
        said = " ".join(str(answer.get(name, ""))[:200] for name in ("error", "error_description")).strip()
        if method == "POST" and 400 <= status < 500 and answer.get("error") == "invalid_grant":
            raise Untrusted(f"The provider does not take the code (any more): {said!a}")
        raise ChannelUnavailable(f"{method} {url} answered {status}: {said!a}", remedy=_REMEDY)

    async def _call(
        self, method: str, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        check_url(url, self._rules)
        if self._tls is None:
            self._tls = client_context((self.settings.ca_file,) if self.settings.ca_file else ())
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Guard(self._rules), ssl=self._tls, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": "access-point-gateway", "Accept": "application/json", "Accept-Encoding": "identity"},
        )
        async with (
            asyncio.timeout(self.settings.timeout.total_seconds()),
            session,
            session.request(
                method, URL(url, encoded=True), data=form, headers=headers, allow_redirects=False
            ) as response,
        ):
            octets = b""
            while chunk := await response.content.read(_MOST + 1 - len(octets)):
                octets += chunk
                if len(octets) > _MOST:
                    raise aiohttp.ClientPayloadError(f"the answer is larger than {_MOST} octets")
            return response.status, octets


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
        return f"no trustworthy TLS connection: {explain(error)[0]}"
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    return str(error)[:300] or type(error).__name__
