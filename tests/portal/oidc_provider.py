"""A small OpenID provider over HTTP with real RSA keys, which also lies on demand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from aiohttp import BasicAuth, web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "gateway-client", "a secret: with / odd + signs"


def _key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


FIRST = _key("first")


@dataclass
class Double:
    """Who signs in next, and how the provider behaves."""

    now: Callable[[], float]
    url: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    """Instead of the right ones."""
    key: RSAKey = field(default_factory=lambda: FIRST)
    published: list[RSAKey] = field(default_factory=list)
    algorithm: str = "RS256"
    header: dict[str, Any] = field(default_factory=dict)
    """More in the token's head."""
    strict: bool = True
    """Whether a code works once."""
    description: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def authorize(self, location: str) -> str:
        """What the browser does there: the person agrees and is sent back; gives path and query of the way back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert location.startswith(f"{self.url}/authorize?") and asked["client_id"] == CLIENT
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = urlsplit(asked["redirect_uri"]).path
        return f"{back}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.url})}"

    async def describe(self, request: web.Request) -> web.Response:
        self.calls.append("describe")
        usual = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/out?realm=x",
        }
        return web.json_response(usual | self.description)

    async def keys(self, request: web.Request) -> web.Response:
        self.calls.append("keys")
        shown = [key.as_dict(private=False) for key in (self.published or [self.key])]
        return web.json_response({"keys": [{"kty": "new-kind"}, *shown]})

    async def token(self, request: web.Request) -> web.Response:
        self.calls.append("token")
        form = await request.post()
        assert request.headers["Authorization"] == BasicAuth("gateway-client", _quoted(SECRET)).encode()
        code = str(form["code"])
        asked = self.codes.get(code)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest()).decode()
        if asked is None or (self.strict and code in self.used) or challenge.rstrip("=") != asked["code_challenge"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        assert form["redirect_uri"] == asked["redirect_uri"]
        self.used.add(code)
        now = int(self.now())
        right = {"iss": self.url, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": asked["nonce"], **self.person}
        return web.json_response(
            {"id_token": self.sign({k: v for k, v in (right | self.claims).items() if v is not None})}
        )

    def sign(self, claims: dict[str, Any]) -> str:
        header = {"alg": self.algorithm, "kid": self.key.kid} | self.header
        if self.algorithm == "none":
            return f"{_plain(header)}.{_plain(claims)}."
        if self.algorithm == "HS256":  # signed with what everybody knows: the public key
            signed = f"{_plain(header)}.{_plain(claims)}"
            made = hmac.digest(self.key.as_pem(private=False), signed.encode(), "sha256")
            return f"{signed}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"
        return jwt.encode(header, claims, self.key)


def _plain(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _quoted(text: str) -> str:
    return urlencode({"": text})[1:]


@asynccontextmanager
async def running(double: Double) -> AsyncIterator[TestServer]:
    """The provider on a port of loopback."""
    app = web.Application()
    app.add_routes(
        [
            web.get("/.well-known/openid-configuration", double.describe),
            web.get("/keys", double.keys),
            web.post("/token", double.token),
        ]
    )
    server = TestServer(app)
    await server.start_server()
    double.url = str(server.make_url("")).rstrip("/")
    try:
        yield server
    finally:
        await server.close()
