"""``/v1/users`` and ``gateway user``: an account's key manages the people of that account, and of no other."""

from __future__ import annotations

import argparse
import asyncio
import re
from typing import Any

import pytest

from gateway.cli import user
from gateway.model.person import Role
from tests.portal.conftest import Site
from tests.portal.second_parts import enrol
from tests.portal.stage import ALPHA, PASSWORD, SteadyClock, someone


@pytest.fixture
async def token(site: Site) -> str:
    from gateway.model.person import Deed
    from gateway.web.invitation import hash_secret
    from tests.portal.stage import ALPHA as ACCOUNT

    key = "gwk_" + "k" * 40
    deed = Deed(account=ACCOUNT, actor="test", action="key-added")
    await site.gateway.store.people.add_key(hash_secret(key), "test", deed)
    return key


def _arguments(site: Site, token: str, **more: Any) -> argparse.Namespace:
    url = str(site.client.make_url("")).rstrip("/")
    return argparse.Namespace(url=url, token=token, config=None, json=False, **more)


async def test_somebody_added_on_the_command_line_signs_in_with_the_link(
    site: Site, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = _arguments(site, token, name="Ny@exempel2.example", role="compliance")
    assert await asyncio.to_thread(user.add, arguments) == 0
    link = capsys.readouterr().out.split()[-1]
    visitor = await site.visitor()
    path = link[link.index("/welcome") :]
    visitor.token = (await visitor.get(path)).csrf
    fields = {"code": path.partition("=")[2], "password": PASSWORD, "again": PASSWORD}
    assert (await visitor.send("/welcome", fields)).status == 303
    assert (await visitor.get("/audit")).status == 200
    assert await asyncio.to_thread(user.list_all, arguments) == 0
    listed = capsys.readouterr().out
    assert "ny@exempel2.example" in listed
    assert "ekonomi@annat.example" not in listed


async def test_a_reset_ends_the_old_password_and_others_people_are_out_of_reach(
    site: Site, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = someone(Role.CLERK)
    assert await asyncio.to_thread(user.reset, _arguments(site, token, name=name)) == 0
    assert "/welcome?code=" in capsys.readouterr().out
    assert (await (await site.visitor()).sign_in(name)).status == 403
    headers = {"Authorization": f"Bearer {token}"}
    async with site.client.post("/v1/users/ekonomi@annat.example/reset", headers=headers) as answer:
        assert answer.status == 404
    for body, status in (({"name": "x y"}, 422), ({"name": "good", "role": "king"}, 422), ({"nam": "x"}, 422)):
        async with site.client.post("/v1/users", headers=headers, json=body) as answer:
            assert answer.status == status
    async with site.client.get("/v1/users") as answer:
        assert answer.status == 401


async def test_who_has_lost_the_device_signs_in_without_it_and_the_log_says_so(
    site: Site, token: str, steady: SteadyClock, capsys: pytest.CaptureFixture[str]
) -> None:
    name = someone(Role.CLERK)
    visitor = await site.visitor(name)
    await enrol(visitor, steady)
    assert await asyncio.to_thread(user.list_all, _arguments(site, token)) == 0
    assert re.search(rf"{name}\W+clerk\W+active\W+yes\W", capsys.readouterr().out)
    assert await asyncio.to_thread(user.remove_factor, _arguments(site, token, name=name)) == 0
    assert "has no second factor any more" in capsys.readouterr().out
    assert (await visitor.get("/")).status == 303
    assert (await (await site.visitor()).sign_in(name)).headers["Location"] == "/"
    deeds = await site.gateway.store.people.deeds(ALPHA, 3)
    assert ("API key", "second-removed", name) in [(deed.actor, deed.action, deed.subject) for deed in deeds]
    headers = {"Authorization": f"Bearer {token}"}
    async with site.client.delete("/v1/users/ekonomi@annat.example/second-factor", headers=headers) as answer:
        assert answer.status == 404
