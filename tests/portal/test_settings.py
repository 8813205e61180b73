"""Settings: administrators change people, keys and companies of their account only, and it is written down."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from gateway.errors import Conflict
from gateway.model.identifiers import AccountId
from gateway.model.person import Deed, Role
from gateway.web.invitation import hash_secret
from tests.portal.conftest import Site
from tests.portal.stage import ALPHA, NOW, PASSWORD, someone

ADMIN = "admin@exempel.example"


async def test_somebody_new_comes_in_by_the_link_that_is_shown_once(site: Site) -> None:
    admin = await site.visitor(ADMIN)
    made = await admin.send("/settings/people/add", {"name": "Frisk@Exempel.example", "role": "compliance"})
    path = re.search(r"/welcome\?code=[\w-]{43}", made.text)
    assert path is not None
    assert path[0] not in (await admin.get("/settings/people")).text
    newcomer = await site.visitor()
    page = await newcomer.get(path[0])
    newcomer.token = page.csrf
    fields = {"code": path[0].partition("=")[2], "password": PASSWORD, "again": PASSWORD}
    assert (await newcomer.send("/welcome", fields)).status == 303
    assert (await newcomer.get("/audit")).status == 200
    assert (await newcomer.get("/settings")).status == 404
    deeds = [(deed.action, deed.subject) for deed in await site.gateway.store.people.deeds(ALPHA, 5)]
    assert ("user-added", "frisk@exempel.example") in deeds


async def test_the_last_administrator_stays_and_a_new_link_ends_every_session(site: Site) -> None:
    admin, clerk = await site.visitor(ADMIN), await site.visitor(someone(Role.CLERK))
    assert (await admin.send("/settings/people/change", {"name": ADMIN, "role": "clerk"})).status == 409
    assert (await admin.send("/settings/people/reset", {"name": someone(Role.CLERK)})).status == 200
    assert (await clerk.get("/")).status == 303
    assert (await clerk.sign_in(someone(Role.CLERK))).status == 403


async def test_nobody_is_reset_by_an_account_that_shares_them(site: Site) -> None:
    other = await site.visitor("chef@annat.example")
    answer = await other.send("/settings/people/reset", {"name": ADMIN})
    assert answer.status == 409
    assert "/welcome?code=" not in answer.text
    assert (await other.send("/settings/people/reset", {"name": someone(Role.CLERK)})).status == 404
    assert (await site.visitor(ADMIN)).token


async def test_a_name_that_another_account_gave_first_is_not_taken_in(site: Site) -> None:
    other, admin = await site.visitor("chef@annat.example"), await site.visitor(ADMIN)
    people = site.gateway.store.people
    assert (await other.send("/settings/people/add", {"name": someone(Role.CLERK), "role": "clerk"})).status == 409
    assert (await other.send("/settings/people/add", {"name": ADMIN, "role": "clerk"})).status == 409
    assert someone(Role.CLERK) not in (await other.get("/settings/people")).text
    assert (await admin.send("/settings/people/reset", {"name": someone(Role.CLERK)})).status == 200

    taken = "anna@exempel.example"  # the neighbour gives it first, and knows the code
    made = await other.send("/settings/people/add", {"name": taken, "role": "clerk"})
    code = re.search(r"/welcome\?code=([\w-]{43})", made.text)
    assert code is not None
    deed = Deed(account=AccountId("third"), actor="test", action="user-added", subject=taken)
    await site.gateway.store.add_account(deed.account, "Tredje AB", "hash-3")
    with pytest.raises(Conflict, match="another account"):
        await people.add(taken, Role.ADMIN, "hash", NOW + timedelta(days=1), deed)
    assert (await other.send("/settings/people/change", {"name": taken, "role": "none"})).status == 303
    assert await people.add(taken, Role.ADMIN, "hash", NOW + timedelta(days=1), deed)  # with a code of its own
    assert (await (await site.visitor()).get(f"/welcome?code={code[1]}")).status == 404


async def test_who_left_comes_back_with_a_new_password(site: Site) -> None:
    admin, name = await site.visitor(ADMIN), someone(Role.CLERK)
    assert (await admin.send("/settings/people/change", {"name": name, "role": "none"})).status == 303
    back = await admin.send("/settings/people/add", {"name": name, "role": "clerk"})
    assert "/welcome?code=" in back.text
    assert (await (await site.visitor()).sign_in(name)).status == 403


async def test_when_somebody_was_here_is_not_told_to_their_other_account(site: Site) -> None:
    people, beta = site.gateway.store.people, AccountId("grannexempel")
    await site.visitor(ADMIN)
    seen = {account: {m.name: m.last_seen for m in await people.members(account)} for account in (ALPHA, beta)}
    assert [bool(seen[account][ADMIN]) for account in (ALPHA, beta)] == [True, False]


async def test_a_key_works_is_shown_once_and_is_of_this_account_only(site: Site) -> None:
    admin, other = await site.visitor(ADMIN), await site.visitor("chef@annat.example")
    made = await admin.send("/settings/keys/add", {"name": "ERP"})
    key = re.search(r"gwk_[\w-]{43}", made.text)
    assert key is not None
    headers = {"Authorization": f"Bearer {key[0]}"}
    async with site.client.get("/v1/documents", headers=headers) as answer:
        assert answer.status == 200
        assert "B-1" not in await answer.text()
    assert key[0] not in (await admin.get("/settings/keys")).text
    assert (await other.send("/settings/keys/remove", {"key": hash_secret(key[0])})).status == 404
    assert (await admin.send("/settings/keys/remove", {"key": hash_secret(key[0])})).status == 303
    assert await site.gateway.store.account_of_key(hash_secret(key[0])) is None


async def test_a_company_of_another_account_is_not_taken_off(site: Site) -> None:
    other = await site.visitor("chef@annat.example")
    assert (await other.send("/settings/companies/remove", {"number": "0007:5566778899"})).status == 404
    assert len(await site.gateway.store.participants(ALPHA)) == 2
    admin = await site.visitor(ADMIN)
    answer = await admin.send("/settings/companies/add", {"number": "0007:123", "delivery": "default"})
    assert answer.status == 422


async def test_language_and_theme_are_the_persons_own(site: Site) -> None:
    clerk = await site.visitor(someone(Role.CLERK))
    assert (await clerk.send("/profile/look", {"language": "en", "theme": "dark"})).status == 303
    page = (await clerk.get("/")).text
    assert '<html lang="en" data-theme="dark">' in page


async def test_a_new_password_needs_the_present_one_and_ends_other_sessions(site: Site) -> None:
    here, there = await site.visitor(someone(Role.CLERK)), await site.visitor(someone(Role.CLERK))
    new = "ännu en lång mening"
    wrong = {"present": "not it at all", "password": new, "again": new}
    assert (await here.send("/profile/password", wrong)).status == 422
    assert (await here.send("/profile/password", {**wrong, "present": PASSWORD})).status == 303
    assert (await here.get("/profile")).status == 200
    assert (await there.get("/profile")).status == 303
    assert (await there.sign_in(someone(Role.CLERK), new)).status == 303
