"""Coming in and going out: passwords, guesses, codes, sessions, and forms that are not ours."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.model.person import Deed, Role
from gateway.portal.entrance import first_code, local
from gateway.portal.passwords import FREE, FREE_ADDRESS, problem_with
from gateway.web.invitation import code_path, hash_secret
from tests.portal.conftest import Site
from tests.portal.stage import ALPHA, NOW, PASSWORD, SteadyClock

CLERK = "ekonomi@exempel.example"


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(site: Site) -> None:
    texts = []
    for name in (CLERK, "ingen@exempel.example"):
        visitor = await site.visitor()
        answer = await visitor.sign_in(name, "not the password")
        assert answer.status == 403
        assert "gateway-session" not in visitor.cookies
        texts.append(answer.text.replace(name, "NAME").replace(visitor.token, ""))
    stripped = [text[: text.index("csrf")] for text in texts]
    assert stripped[0] == stripped[1]


async def test_after_some_wrong_passwords_even_the_right_one_has_to_wait(site: Site, steady: SteadyClock) -> None:
    visitor = await site.visitor()
    for _ in range(FREE):
        assert (await visitor.sign_in(CLERK, "wrong wrong wrong")).status == 403
    assert (await visitor.sign_in(CLERK)).status == 429
    steady.time += timedelta(minutes=16)
    assert (await visitor.sign_in(CLERK)).status == 303
    steady.time += timedelta(minutes=1)
    assert (await (await site.visitor()).sign_in(CLERK, "wrong wrong wrong")).status == 403, "counted anew"


async def test_many_passwords_at_the_same_moment_are_no_more_than_one_after_another(site: Site) -> None:
    visitor = await site.visitor()
    visitor.token = (await visitor.get("/sign-in")).csrf
    form = {"name": CLERK, "password": "wrong wrong wrong"}
    given = await asyncio.gather(*(visitor.send("/sign-in", form) for _ in range(3 * FREE)))
    assert sorted(answer.status for answer in given) == [403] * FREE + [429] * 2 * FREE
    assert (await visitor.sign_in(CLERK)).status == 429


async def test_an_office_behind_one_address_is_not_shut_out_by_its_typing_errors(site: Site) -> None:
    visitor = await site.visitor()
    for _ in range(FREE_ADDRESS + 2):
        assert (await visitor.sign_in(CLERK, "wrong wrong wrong")).status == 403
        assert (await visitor.sign_in(CLERK)).status == 303
        visitor.cookies.clear()


async def test_who_signs_in_does_not_wipe_out_what_was_guessed_of_others_at_the_address(site: Site) -> None:
    visitor = await site.visitor()
    for number in range(FREE_ADDRESS - 1):
        assert (await visitor.sign_in(f"{number}@exempel.example", "wrong wrong wrong")).status == 403
    assert (await visitor.sign_in(CLERK)).status == 303
    visitor.cookies.clear()
    assert (await visitor.sign_in("last@exempel.example", "wrong wrong wrong")).status == 403
    assert (await visitor.sign_in(CLERK)).status == 429


async def test_names_that_nobody_has_are_slowed_down_too(site: Site) -> None:
    visitor = await site.visitor()
    for _ in range(FREE):
        assert (await visitor.sign_in("x@exempel.example", "wrong")).status == 403
    assert (await visitor.sign_in("x@exempel.example", "wrong")).status == 429


async def test_a_session_secret_that_somebody_planted_is_not_used(site: Site) -> None:
    visitor = await site.visitor()
    visitor.cookies["gateway-session"] = "planted-secret-of-an-attacker"
    await visitor.sign_in(CLERK)
    assert visitor.cookies["gateway-session"] != "planted-secret-of-an-attacker"
    other = await site.visitor()
    other.cookies["gateway-session"] = "planted-secret-of-an-attacker"
    assert (await other.get("/")).status == 303


async def test_the_secret_changes_at_each_sign_in_and_the_old_one_is_worth_nothing(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    old = dict(visitor.cookies)
    answer = await visitor.send("/sign-in", {"name": CLERK, "password": PASSWORD})
    assert answer.status == 303
    assert visitor.cookies["gateway-session"] != old["gateway-session"]
    visitor.cookies = old
    assert (await visitor.get("/")).status == 303


async def test_the_store_keeps_no_secret(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    visitor = await site.visitor(CLERK)
    files = [file for file in site.gateway.config.base.rglob("*") if file.is_file()]
    assert files
    for file in files:
        assert visitor.cookies["gateway-session"].encode() not in file.read_bytes()
        assert PASSWORD.encode() not in file.read_bytes()


async def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(site: Site) -> None:
    visitor = await site.visitor()
    door = (await visitor.get("/sign-in")).headers["Set-Cookie"]
    assert "HttpOnly" in door
    assert "SameSite=Strict" in door
    session = (await visitor.sign_in(CLERK)).headers["Set-Cookie"]
    assert session.startswith("gateway-session=")
    assert "HttpOnly" in session
    assert "SameSite=Lax" in session
    assert "Max-Age" not in session


async def test_a_session_ends_when_it_is_not_used_and_in_any_case_after_a_day_of_work(
    site: Site, steady: SteadyClock
) -> None:
    visitor = await site.visitor(CLERK)
    steady.time += timedelta(minutes=29)
    assert (await visitor.get("/")).status == 200
    steady.time += timedelta(minutes=31)
    assert (await visitor.get("/")).status == 303
    visitor = await site.visitor(CLERK)
    for _ in range(12 * 3 - 1):
        steady.time += timedelta(minutes=20)
        assert (await visitor.get("/")).status == 200
    steady.time += timedelta(minutes=20)
    assert (await visitor.get("/")).status == 303


async def test_signing_out_everywhere_ends_every_session_and_signing_out_only_one(site: Site) -> None:
    here, there, third = [await site.visitor(CLERK) for _ in range(3)]
    assert (await third.send("/sign-out")).status == 303
    assert (await there.get("/")).status == 200
    assert (await here.send("/sign-out", {"everywhere": "yes"})).status == 303
    for visitor in (here, there, third):
        assert (await visitor.get("/")).status == 303


FOREIGN = (
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "none"},
    {"Sec_Fetch_Site": "", "Origin": "https://evil.example"},
    {"Sec_Fetch_Site": "", "Origin": "null"},
    {"Sec_Fetch_Site": ""},
)


async def test_every_form_is_refused_from_other_sites_and_without_its_token(site: Site) -> None:
    from gateway.portal.front import Front
    from tests.portal.test_access import _path

    admin = await site.visitor("admin@exempel.example")
    forms = [page for page in Front(site.gateway).pages if page.method == "POST"]
    assert len(forms) >= 8
    token = admin.token
    for page in forms:
        path = _path(page.path, site.documents)
        for headers in FOREIGN:
            assert (await admin.send(path, **headers)).status == 403, (path, headers)
        for wrong in ("", "0" * 64, token[:-1], "ä"):
            assert (await admin.send(path, {"csrf": wrong})).status == 403, (path, wrong)
    assert (await site.gateway.store.get(ALPHA, site.documents["refused"])).state == "REJECTED"
    assert (await admin.get("/")).status == 200


async def test_the_token_of_another_session_is_worth_nothing(site: Site) -> None:
    one, other = await site.visitor(CLERK), await site.visitor("admin@exempel.example")
    one.token = other.token
    assert (await one.send("/sign-out")).status == 403


async def test_a_form_with_the_right_origin_and_no_fetch_metadata_is_taken(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    url = site.client.make_url("/")
    headers = {"Sec_Fetch_Site": "", "Origin": f"http://{url.host}:{url.port}"}
    assert (await visitor.send("/sign-out", **headers)).status == 303


async def test_other_bodies_than_forms_are_refused(site: Site) -> None:
    visitor = await site.visitor(CLERK)
    for kind, status in (("application/json", 415), ("text/plain", 415)):
        headers = {"Content-Type": kind, "Sec-Fetch-Site": "same-origin"}
        answer = await visitor._call("POST", "/sign-out", headers, b'{"csrf": "x"}')
        assert answer.status == status
    assert (await visitor.send("/sign-out", {"x": "y" * 70_000})).status == 413


def test_only_pages_of_ours_are_gone_on_to() -> None:
    assert local("/documents?q=1") == "/documents?q=1"
    for path in ("//evil.example", "/\\evil.example", "https://evil.example", "", "/a\nb", "/sign-in", "/x\\y"):
        assert local(path) == "/"


async def test_the_first_administrator_chooses_a_password_with_a_code_that_works_once(tmp_path, clock) -> None:  # type: ignore[no-untyped-def]
    from gateway.store import open_store
    from tests.portal.stage import gateway_around

    async with open_store("sqlite:g.db", tmp_path, clock=clock, base=tmp_path) as store:
        await store.first_account("main", hash_secret("key"))
        gateway = gateway_around(store, clock, tmp_path)
        first, second = await first_code(gateway), await first_code(gateway)
        assert first and second, "until somebody has a password each start shows a new one"
        people = store.people
        assert await people.invited(hash_secret(first)) is None
        deed = Deed(account=ALPHA, actor="admin", action="password-chosen")
        from dataclasses import replace

        deed = replace(deed, account=(await store.operation.operator()) or ALPHA)
        assert await people.choose(hash_secret(second), "hash", deed)
        assert not await people.choose(hash_secret(second), "other hash", deed)
        assert await first_code(gateway) == ""


async def test_a_code_lets_somebody_in_once_with_a_good_password(site: Site, steady: SteadyClock) -> None:
    deed = Deed(account=ALPHA, actor="test", action="user-added")
    await site.gateway.store.people.add(
        "nytt@exempel.example", Role.CLERK, hash_secret("c0de"), NOW + timedelta(1), deed
    )
    visitor = await site.visitor()
    page = await visitor.get(code_path("c0de"))
    assert "nytt@exempel.example" in page.text
    visitor.token = page.csrf
    for password, again in (("short", "short"), ("ny-ny-ny-ny-ny-ny", "ny-ny-ny-ny-ny-ny"), (PASSWORD, "another one")):
        answer = await visitor.send("/welcome", {"code": "c0de", "password": password, "again": again})
        assert answer.status == 422, password
    answers = await asyncio.gather(
        *(visitor.send("/welcome", {"code": "c0de", "password": PASSWORD, "again": PASSWORD}) for _ in range(2))
    )
    assert sorted(answer.status for answer in answers) == [303, 404]
    assert (await visitor.get(code_path("c0de"))).status == 404


async def test_a_code_that_is_too_old_is_no_code(site: Site, steady: SteadyClock) -> None:
    deed = Deed(account=ALPHA, actor="test", action="user-added")
    await site.gateway.store.people.add(
        "nytt@exempel.example", Role.CLERK, hash_secret("c0de"), NOW + timedelta(1), deed
    )
    steady.time += timedelta(days=1, seconds=1)
    assert (await (await site.visitor()).get(code_path("c0de"))).status == 404


def test_what_is_no_password() -> None:
    assert problem_with("kort", "x") == "short"
    assert problem_with("x" * 201, "y") == "long"
    assert problem_with("aaaaaaaaaaaaaaaa", "x") == "easy"
    assert problem_with("ekonomi-ekonomi-1", CLERK) == "easy"
    assert problem_with(PASSWORD, CLERK) == ""
