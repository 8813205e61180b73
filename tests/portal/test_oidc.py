"""Signing in by an OpenID provider that runs here: who comes in, who does not, and every way to cheat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from gateway.config.reading import read_config
from gateway.config.sections import Oidc, Portal
from gateway.errors import ConfigurationError
from gateway.model.person import Deed, Role
from gateway.portal import front_of
from gateway.portal.oidc import Attempt
from gateway.serving.site import settings
from gateway.store import open_store
from gateway.web.api import application
from gateway.web.invitation import hash_secret
from tests.portal.conftest import Visitor
from tests.portal.oidc_provider import CLIENT, FIRST, SECRET, Double, _key, running
from tests.portal.stage import ALPHA, BETA, NOW, SteadyClock, open_stage

CLERK = "ekonomi@exempel.example"
URL = "http://faktura.exempel.example"


@dataclass
class Door:
    double: Double
    provider: TestServer
    client: TestClient[Any, Any]
    gateway: Any

    def visitor(self) -> Visitor:
        return Visitor(self.client)

    async def start(self, visitor: Visitor, path: str = "/sign-in/service") -> str:
        """Off to the provider and back, but for the last step: gives the way back."""
        answer = await visitor.get(path)
        assert answer.status == 303, answer.text
        return self.double.authorize(answer.headers["Location"])

    async def come_in(self, visitor: Visitor, **person: Any) -> Any:
        self.double.person = {"sub": "s-1", "email": CLERK, "email_verified": True} | person
        return await visitor.get(await self.start(visitor))


@pytest.fixture
async def door(tmp_path: Path, steady: SteadyClock) -> AsyncIterator[Door]:
    double = Double(now=lambda: steady.time.timestamp())
    async with running(double) as provider, open_stage(tmp_path, steady) as gateway:
        oidc = Oidc(
            issuer=double.url,
            client_id=CLIENT,
            client_secret=SECRET,
            name="Exempel-id",
            allow_http=True,
            allow_private=True,
            timeout=timedelta(seconds=5),
        )
        gateway = replace(gateway, config=replace(gateway.config, portal=Portal(url=URL, oidc=oidc)))
        server = TestServer(application(gateway, front_of(gateway)))
        await server.start_server(**settings())
        async with TestClient(server, cookie_jar=DummyCookieJar()) as client:
            yield Door(double, provider, client, gateway)


async def test_who_was_entered_comes_in_by_a_verified_address_and_then_by_the_subject(door: Door) -> None:
    visitor = door.visitor()
    page = await visitor.get("/sign-in?next=/documents")
    assert "Exempel-id" in page.text and 'href="/sign-in/service?next=/documents"' in page.text
    door.double.person = {"sub": "s-1", "email": CLERK.upper(), "email_verified": True}
    planted = visitor.cookies["gateway-session"] = "planted-secret-of-an-attacker"
    answer = await visitor.get(await door.start(visitor, "/sign-in/service?next=/documents%3Fq%3D1"))
    assert (answer.status, answer.headers["Location"]) == (303, "/documents?q=1")
    assert visitor.cookies["gateway-session"] != planted and "gateway-attempt" not in visitor.cookies
    assert (await visitor.get("/documents")).status == 200
    actions = [deed.action for deed in await door.gateway.store.people.deeds(ALPHA, 2)]
    assert actions == ["signed-in-service", "identity-tied"]
    renamed = door.visitor()
    assert (await door.come_in(renamed, email="other@exempel.example")).headers["Location"] == "/"
    assert CLERK in (await renamed.get("/profile")).text


async def test_the_right_to_come_in_is_new_each_time_and_signing_out_ends_it(door: Door) -> None:
    visitor = door.visitor()
    assert (await door.come_in(visitor)).status == 303
    old = dict(visitor.cookies)
    assert (await door.come_in(visitor)).status == 303
    assert visitor.cookies["gateway-session"] != old["gateway-session"]
    stale = Visitor(door.client, cookies=old)
    assert (await stale.get("/")).status == 303, "the secret before is worth nothing"
    visitor.token = (await visitor.get("/")).csrf
    answer = await visitor.send("/sign-out")
    assert answer.status == 303 and "gateway-session" not in visitor.cookies
    assert "/sign-out/service" in (await visitor.get("/sign-in?said=signed-out")).text
    away = (await visitor.get("/sign-out/service")).headers["Location"]
    assert away.startswith(f"{door.double.url}/out?realm=x&client_id=")


OUTSIDE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"email": "nobody@exempel.example"}, "nobody@exempel.example"),
    ({"email_verified": False}, "inte bekräftad"),
    ({"email_verified": "true"}, "inte bekräftad"),
    ({"email_verified": None}, "inte bekräftad"),
    ({"email": None, "sub": CLERK}, "Ingen användare"),
    ({"email": "", "sub": "admin"}, "Ingen användare"),
)


async def test_who_was_not_entered_or_is_not_verified_stays_outside(door: Door) -> None:
    for person, words in OUTSIDE:
        visitor = door.visitor()
        answer = await door.come_in(visitor, **person)
        assert answer.status == 403 and words in answer.text, person
        assert "gateway-session" not in visitor.cookies, person
    names = {one.name for one in await door.gateway.store.people.members(ALPHA)}
    assert len(names) == 4, "nobody is made by signing in"


async def test_an_address_that_went_to_somebody_else_does_not_take_over(door: Door) -> None:
    assert (await door.come_in(door.visitor())).status == 303
    answer = await door.come_in(door.visitor(), sub="s-2")
    assert answer.status == 403 and "annan identitet" in answer.text
    deed = Deed(account=ALPHA, actor="test", action="user-reset", subject=CLERK)
    await door.gateway.store.people.reset(CLERK, hash_secret("x"), NOW + timedelta(1), deed)
    assert (await door.come_in(door.visitor(), sub="s-2")).status == 303, "an administrator has let it go"


async def test_the_operators_administrator_ties_a_subject_by_hand(door: Door) -> None:
    admin = door.visitor()
    admin.token = (await admin.get("/sign-in")).csrf
    come = {"Sec_Fetch_Site": "", "Origin": URL}
    fields = {"name": "admin@exempel.example", "password": "en lång mening om lönnar"}
    assert (await admin.send("/sign-in", fields, **come)).status == 303
    admin.token = (await admin.get("/")).csrf
    tie = {"name": "ekonomi@annat.example", "subject": "s-9"}
    assert (await admin.send("/settings/people/identity", tie, **come)).status == 303
    inside = door.visitor()
    assert (await door.come_in(inside, sub="s-9", email=None)).status == 303
    assert "ekonomi@annat.example" in (await inside.get("/profile")).text
    taken = {"name": CLERK, "subject": "s-9"}
    assert (await admin.send("/settings/people/identity", taken, **come)).status == 409
    assert (await admin.send("/account", {"account": BETA}, **come)).status == 303
    admin.token = (await admin.get("/")).csrf
    assert (await admin.send("/settings/people/identity", tie, **come)).status == 404, "not another account's"
    assert (await inside.get("/")).status == 200


LIES: tuple[dict[str, Any], ...] = (
    {"nonce": "another"},
    {"nonce": None},
    {"aud": "another-client"},
    {"aud": [CLIENT, "another-client"]},
    {"aud": None},
    {"azp": "another-client"},
    {"iss": "https://evil.example"},
    {"exp": int(NOW.timestamp()) - 100},
    {"exp": None},
    {"exp": True},
    {"iat": int(NOW.timestamp()) + 1000},
    {"iat": int(NOW.timestamp()) - 10_000},
    {"nbf": int(NOW.timestamp()) + 1000},
    {"sub": None},
    {"sub": ["s-1"]},
    {"sub": "x" * 300},
)


async def test_a_token_that_is_not_for_this_sign_in_lets_nobody_in(door: Door) -> None:
    for lie in LIES:
        visitor = door.visitor()
        door.double.claims = lie
        answer = await door.come_in(visitor)
        assert answer.status == 403 and "går inte att lita på" in answer.text, lie
        assert "gateway-session" not in visitor.cookies, lie
    door.double.claims = {}
    assert (await door.come_in(door.visitor())).status == 303, "and the truth does"


async def test_a_token_that_the_providers_key_has_not_signed_lets_nobody_in(door: Door) -> None:
    for algorithm in ("none", "HS256"):
        door.double.algorithm = algorithm
        answer = await door.come_in(door.visitor())
        assert answer.status == 403 and "går inte att lita på" in answer.text, algorithm
    door.double.algorithm, door.double.key, door.double.published = "RS256", _key("first"), [_key("first")]
    assert (await door.come_in(door.visitor())).status == 403, "another key under the same name"


async def test_a_token_that_brings_or_names_a_key_of_its_own_lets_nobody_in(door: Door) -> None:
    evil = _key("evil")
    door.double.key, door.double.published = evil, [FIRST]
    for header in (
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/certificate"},
        {"jwk": evil.as_dict(private=False)},
        {"kid": FIRST.kid, "jku": f"{door.double.url}/keys?evil"},
        {"kid": FIRST.kid, "jwk": evil.as_dict(private=False)},
        {"kid": "../../../../dev/null"},
        {"kid": ""},
    ):
        door.double.header = header
        visitor = door.visitor()
        assert (await door.come_in(visitor)).status == 403, header
        assert "gateway-session" not in visitor.cookies, header
    door.double.key, door.double.header = FIRST, {}
    assert (await door.come_in(door.visitor())).status == 303, "and the provider's own key does"


async def test_only_a_plain_yes_is_a_verified_address(door: Door) -> None:
    for said in ("true", 1, "yes", [True], None):
        assert (await door.come_in(door.visitor(), email_verified=said)).status == 403, said


async def test_a_new_key_of_the_provider_is_fetched(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.portal.provider._AGAIN_SECONDS", 0.0)
    assert (await door.come_in(door.visitor())).status == 303
    door.double.key = _key("second")
    assert (await door.come_in(door.visitor())).status == 303
    assert door.double.calls.count("keys") == 2 and door.double.calls.count("describe") == 1


async def test_an_answer_counts_in_the_browser_that_asked_once_and_for_ten_minutes(
    door: Door, steady: SteadyClock
) -> None:
    door.double.person = {"sub": "s-1", "email": CLERK, "email_verified": True}
    visitor = door.visitor()
    back = await door.start(visitor)
    for forged in (
        back.replace("state=", "state=x"),
        back.replace("state=", "other="),
        "/sign-in/return?code=1&state=",
    ):
        other = Visitor(door.client, cookies=dict(visitor.cookies))
        assert (await other.get(forged)).status == 400
    assert (await door.visitor().get(back)).status == 400, "without the cookie"
    stranger = door.visitor()
    await door.start(stranger)
    assert (await stranger.get(back)).status == 400, "with the cookie of another browser"
    assert "token" not in door.double.calls
    before = dict(visitor.cookies)
    assert (await visitor.get(back)).status == 303
    again = Visitor(door.client, cookies=before)
    assert (await again.get(back)).status == 403, "the provider knows that the code was used"
    door.double.strict = False
    again = Visitor(door.client, cookies=before)
    answer = await again.get(back)
    assert answer.status == 403 and "redan använt" in answer.text, "and where it does not, we do"
    late = door.visitor()
    back = await door.start(late)
    steady.time += timedelta(minutes=11)
    assert (await late.get(back)).status == 400


async def test_what_the_provider_says_no_to_or_answers_wrongly_tells_what_to_do(door: Door) -> None:
    visitor = door.visitor()
    back = (await door.start(visitor)).replace("code=", "error=access_denied&x=")
    answer = await visitor.get(back)
    assert answer.status == 403 and "släppte inte in dig" in answer.text
    visitor = door.visitor()
    assert (await visitor.get((await door.start(visitor)).replace("iss=", "iss=x"))).status == 403, "mixed up"


async def test_a_provider_that_is_down_or_calls_itself_otherwise_leaves_passwords(door: Door) -> None:
    visitor = door.visitor()
    back = await door.start(visitor)
    await door.provider.close()
    answer = await visitor.get(back)
    assert answer.status == 503 and "svarar inte" in answer.text and 'name="password"' in answer.text
    fresh = TestServer(application(door.gateway, front_of(door.gateway)))
    await fresh.start_server(**settings())
    async with TestClient(fresh, cookie_jar=DummyCookieJar()) as client:
        assert (await Visitor(client).get("/sign-in/service")).status == 503


UNUSABLE: tuple[dict[str, Any], ...] = (
    {"issuer": "https://evil.example"},
    {"token_endpoint": "file:///etc/passwd"},
    {"jwks_uri": None},
    {"padding": "x" * 300_000},
)


async def test_a_description_that_cannot_be_used_is_not(door: Door) -> None:
    for description in UNUSABLE:
        door.double.description = description
        answer = await door.visitor().get("/sign-in/service")
        assert answer.status == 503 and "svarar inte" in answer.text, description
    door.double.description = {}
    assert (await door.visitor().get("/sign-in/service")).status == 303


async def test_without_a_service_nothing_of_it_is_there(site: Any) -> None:
    visitor = await site.visitor()
    for path in ("/sign-in/service", "/sign-in/return?code=1", "/sign-out/service"):
        assert (await visitor.get(path)).status == 404
    assert "/sign-in/service" not in (await visitor.get("/sign-in")).text


def test_an_attempt_reads_back_and_everything_in_it_counts() -> None:
    attempt = Attempt.begin(NOW, "/documents?q=åäö")
    same = Attempt.read(attempt.cookie, NOW)
    assert (
        same == attempt and len(attempt.verifier) == 43 and len({attempt.state, attempt.nonce, attempt.verifier}) == 3
    )
    assert replace(attempt, wanted="/other").state != attempt.state
    for text in ("", "x", attempt.cookie + "~", attempt.cookie[1:], "9" * 9000):
        assert Attempt.read(text, NOW) is None


def test_the_configuration_says_everything_that_is_wrong(tmp_path: Path) -> None:
    table = {
        "portal": {"oidc": {"issuer": "http://id.exempel.example", "timeout": "1 day", "client_secret_file": "no"}}
    }
    with pytest.raises(ConfigurationError) as caught:
        read_config(table, tmp_path, {})
    keys = {key for key, _ in caught.value.problems}
    assert {
        "portal.oidc.issuer",
        "portal.oidc.client_id",
        "portal.oidc.timeout",
        "portal.oidc.client_secret_file",
    } <= keys
    with pytest.raises(ConfigurationError, match="unknown"):
        read_config({"portal": {"oidc": {"isuer": "x"}}}, tmp_path, {})


async def test_a_store_of_before_gets_the_tables(tmp_path: Path, steady: SteadyClock) -> None:
    import sqlite3

    async with open_store("sqlite:g.db", tmp_path, clock=steady, base=tmp_path):
        pass
    with sqlite3.connect(tmp_path / "g.db") as database:
        database.execute("DROP TABLE identity")
        database.execute("DROP TABLE spent_answer")
    async with open_store("sqlite:g.db", tmp_path, clock=steady, base=tmp_path) as store:
        assert await store.identities.subjects("x", []) == {}
        assert Role.CLERK
