"""The web tool on a real server over a demo store, and visitors who are signed in to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from gateway.app import Gateway
from gateway.portal import front_of
from gateway.serving.site import settings
from gateway.web.api import application
from tests.portal.stage import PASSWORD, SteadyClock, fill, open_stage


@pytest.fixture
def steady() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
async def gateway(tmp_path: Path, steady: SteadyClock) -> AsyncIterator[Gateway]:
    async with open_stage(tmp_path, steady) as opened:
        yield opened


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str
    cookies: dict[str, str]

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.text)
        return found[1] if found else ""


@dataclass
class Visitor:
    """A browser without JavaScript: keeps cookies, sends forms as browsers do."""

    client: TestClient[Any, Any]
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""

    async def get(self, path: str, **headers: str) -> Answer:
        return await self._call("GET", path, headers)

    async def send(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """The form of a page of ours, unless ``headers`` say otherwise."""
        headers = {"Sec-Fetch-Site": "same-origin", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self._call("POST", path, headers, {"csrf": self.token, **(fields or {})})

    async def sign_in(self, name: str, password: str = PASSWORD) -> Answer:
        self.token = (await self.get("/sign-in")).csrf
        answer = await self.send("/sign-in", {"name": name, "password": password})
        self.token = (await self.get("/")).csrf
        return answer

    async def _call(self, method: str, path: str, headers: Mapping[str, str], data: Any = None) -> Answer:
        told = {"Accept-Language": "sv", **headers}
        if self.cookies:
            told["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with self.client.request(
            method, path, headers=told, data=data, allow_redirects=False, skip_auto_headers=["User-Agent"]
        ) as response:
            given = {name: morsel.value for name, morsel in response.cookies.items()}
            self.cookies = {n: v for n, v in (self.cookies | given).items() if v}
            return Answer(response.status, response.headers, (await response.read()).decode(errors="replace"), given)


@dataclass
class Site:
    client: TestClient[Any, Any]
    gateway: Gateway
    documents: dict[str, Any]

    async def visitor(self, name: str = "") -> Visitor:
        visitor = Visitor(self.client)
        if name:
            assert (await visitor.sign_in(name)).status == 303
        return visitor


@pytest.fixture
async def site(gateway: Gateway, steady: SteadyClock) -> AsyncIterator[Site]:
    documents = await fill(gateway, steady, few=True)
    server = TestServer(application(gateway, front_of(gateway)))
    await server.start_server(**settings())
    async with TestClient(server, cookie_jar=DummyCookieJar()) as client:
        yield Site(client, gateway, documents)
