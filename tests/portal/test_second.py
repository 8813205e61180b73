"""The second factor: enrolled, asked for, used once; lost, demanded, taken away."""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import Conflict, NotFound
from gateway.model.person import Deed, Role
from gateway.portal.passwords import FREE
from gateway.portal.sealing import Seal
from gateway.portal.totp import hash_of
from gateway.portal.two_steps import HALF_HOLDS
from gateway.web.invitation import hash_secret
from tests.portal.conftest import Site, Visitor
from tests.portal.second_parts import codes_of, device_of, enrol, give_code, sealed_of
from tests.portal.stage import ALPHA, BETA, NOW, PASSWORD, SteadyClock, someone

CLERK, ADMIN = someone(Role.CLERK), "admin@exempel.example"
LATER = timedelta(seconds=90)


def demand(site: Site, *roles: str) -> None:
    """As if the gateway had started with that in its configuration."""
    config = site.gateway.config
    demanding = replace(config, portal=replace(config.portal, second_factor=roles))
    object.__setattr__(site.gateway, "config", demanding)


async def past_password(site: Site, name: str = CLERK) -> Visitor:
    visitor = await site.visitor()
    answer = await visitor.sign_in(name)
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in/second")
    return visitor


async def test_the_session_begins_after_the_second_step_only(site: Site, steady: SteadyClock) -> None:
    device, _ = await enrol(await site.visitor(CLERK), steady)
    steady.time += LATER
    visitor = await past_password(site)
    assert "gateway-session" not in visitor.cookies
    assert (await visitor.get("/documents")).status == 303
    half = dict(visitor.cookies)
    answer = await give_code(visitor, device.code(), next="/documents?q=1")
    assert (answer.status, answer.headers["Location"]) == (303, "/documents?q=1")
    assert (await visitor.get("/documents")).status == 200
    deed = (await site.gateway.store.people.deeds(ALPHA, 1))[0]
    assert (deed.actor, deed.action, deed.origin) == (CLERK, "signed-in-second", "127.0.0.1")
    visitor.cookies = half
    assert (await visitor.get("/sign-in/second")).headers["Location"] == "/sign-in", "it is used up"


async def test_a_code_is_taken_once_even_by_two_at_the_same_moment(site: Site, steady: SteadyClock) -> None:
    device, _ = await enrol(await site.visitor(CLERK), steady)
    assert (await give_code(await past_password(site), device.code())).status == 403, "it enrolled the device"
    steady.time += LATER
    assert (await give_code(await past_password(site), device.code())).status == 303
    assert (await give_code(await past_password(site), device.code())).status == 403
    assert (await give_code(await past_password(site), device.code(-1))).status == 403, "nor one before it"
    steady.time += LATER
    visitor = await past_password(site)
    visitor.token = (await visitor.get("/sign-in/second")).csrf
    given = await asyncio.gather(*(visitor.send("/sign-in/second", {"code": device.code()}) for _ in range(4)))
    assert sorted(answer.status for answer in given)[:2] == [303, 403]


async def test_a_clock_may_be_one_step_off(site: Site, steady: SteadyClock) -> None:
    device, _ = await enrol(await site.visitor(CLERK), steady)
    for steps, status in ((-2, 403), (2, 403), (-1, 303), (1, 303)):
        steady.time += timedelta(minutes=5)
        assert (await give_code(await past_password(site), device.code(steps))).status == status, steps


async def test_a_recovery_code_works_once_and_tells_how_many_are_left(site: Site, steady: SteadyClock) -> None:
    _, codes = await enrol(await site.visitor(CLERK), steady)
    assert len(set(codes)) == 10
    visitor = await past_password(site)
    answer = await give_code(visitor, codes[3].lower().replace("-", " "))
    assert answer.headers["Location"] == "/?said=recovery-used"
    deeds = await site.gateway.store.people.deeds(ALPHA, 2)
    assert ("recovery-code-used", "9") in [(deed.action, deed.detail) for deed in deeds]
    assert (await give_code(await past_password(site), codes[3])).status == 403
    assert (await give_code(await past_password(site), codes[4])).status == 303


async def test_wrong_codes_are_slowed_down_with_wrong_passwords_and_no_crowd_gets_more(
    site: Site, steady: SteadyClock
) -> None:
    device, codes = await enrol(await site.visitor(CLERK), steady)
    steady.time += LATER
    visitor = await past_password(site)
    visitor.token = (await visitor.get("/sign-in/second")).csrf
    given = await asyncio.gather(*(visitor.send("/sign-in/second", {"code": f"{n:06}"}) for n in range(4 * FREE)))
    assert sorted(answer.status for answer in given) == [403] * FREE + [429] * 3 * FREE
    assert (await give_code(visitor, device.code())).status == 429, "even the right one"
    assert (await give_code(visitor, codes[0])).status == 429
    assert (await (await site.visitor()).sign_in(CLERK)).status == 429, "and the password"
    steady.time += timedelta(minutes=16)
    assert (await give_code(await past_password(site), device.code())).status == 303
    refused = [deed for deed in await site.gateway.store.people.deeds(ALPHA, 50) if deed.action == "second-refused"]
    assert len(refused) == FREE
    assert (await give_code(await past_password(site), "000000")).status == 403, "counted anew"


async def test_half_a_sign_in_ends_after_minutes_and_with_the_next_one_and_with_the_password(
    site: Site, steady: SteadyClock
) -> None:
    device, _ = await enrol(await site.visitor(CLERK), steady)
    steady.time += LATER
    first, second = await past_password(site), await past_password(site)
    first.token = (await first.get("/sign-in")).csrf
    assert (await first.send("/sign-in/second", {"code": device.code()})).status == 403
    assert (await second.get("/sign-in/second")).status == 200
    steady.time += HALF_HOLDS
    assert (await second.get("/sign-in/second")).headers["Location"] == "/sign-in"
    third, deed = await past_password(site), Deed(account=ALPHA, actor="test", action="user-reset", subject=CLERK)
    await site.gateway.store.people.reset(CLERK, hash_secret("c0de"), NOW + timedelta(days=7), deed)
    assert (await third.get("/sign-in/second")).headers["Location"] == "/sign-in"


async def test_a_new_password_by_a_link_does_not_go_past_the_second_step(site: Site, steady: SteadyClock) -> None:
    await enrol(await site.visitor(CLERK), steady)
    deed = Deed(account=ALPHA, actor="test", action="user-reset", subject=CLERK)
    await site.gateway.store.people.reset(CLERK, hash_secret("c0de"), NOW + timedelta(days=7), deed)
    visitor = await site.visitor()
    visitor.token = (await visitor.get("/welcome?code=c0de")).csrf
    chosen = {"code": "c0de", "password": "ännu en lång mening", "again": "ännu en lång mening"}
    assert (await visitor.send("/welcome", chosen)).headers["Location"] == "/sign-in/second"
    assert (await visitor.get("/")).status == 303


async def test_to_enrol_needs_the_password_and_a_right_code_and_ends_all_other_sessions(
    site: Site, steady: SteadyClock
) -> None:
    here, there = await site.visitor(CLERK), await site.visitor(CLERK)
    assert (await here.send("/profile/second/begin", {"password": "not it at all"})).status == 403
    offered = await here.send("/profile/second/begin", {"password": PASSWORD})
    device, sealed = device_of(offered.text, steady), sealed_of(offered.text)
    wrong = await here.send("/profile/second", {"sealed": sealed, "code": "000000"})
    assert wrong.status == 422 and device_of(wrong.text, steady).key == device.key, "the same picture again"
    stolen = await there.send("/profile/second", {"sealed": sealed, "code": device.code()})
    assert stolen.status == 303, "what was offered to another session is nothing here"
    assert (await here.get("/profile")).status == 200
    assert (await here.send("/profile/second", {"sealed": sealed, "code": device.code()})).status == 200
    assert (await there.get("/")).status == 303
    assert (await here.get("/")).status == 200
    steady.time += LATER
    assert (await give_code(await past_password(site), device.code())).status == 303


async def test_the_picture_says_what_stands_beside_it_and_needs_no_script_or_style(
    site: Site, steady: SteadyClock
) -> None:
    zxingcpp = pytest.importorskip("zxingcpp")
    from PIL import Image, ImageDraw

    visitor = await site.visitor(CLERK)
    page = (await visitor.send("/profile/second/begin", {"password": PASSWORD})).text
    svg = re.search(r'<svg xmlns[^>]* viewBox="0 0 (\d+) \d+"><path d="([^"]+)"/></svg>', page)
    assert svg is not None
    side, scale = int(svg[1]) + 8, 4
    image = Image.new("L", (side * scale, side * scale), 255)
    for x, y, long in re.findall(r"M(\d+) (\d+)h(\d+)v1", svg[2]):
        left, top = (int(x) + 4) * scale, (int(y) + 4) * scale
        ImageDraw.Draw(image).rectangle((left, top, left + int(long) * scale - 1, top + scale - 1), fill=0)
    text = zxingcpp.read_barcodes(image)[0].text
    key = base64.b32encode(device_of(page, steady).key).decode()
    assert (
        text
        == f"otpauth://totp/Exempel%20Drift%20AB:ekonomi%40exempel.example?secret={key}&issuer=Exempel%20Drift%20AB"
    )
    assert " style=" not in page and "<style" not in page


async def test_the_store_keeps_neither_the_key_nor_a_recovery_code(site: Site, steady: SteadyClock) -> None:
    device, codes = await enrol(await site.visitor(CLERK), steady)
    secrets = [device.key, base64.b32encode(device.key), base64.b64encode(device.key)]
    secrets += [form.encode() for code in codes for form in (code, code.replace("-", ""))]
    files = [file for file in site.gateway.config.base.rglob("*") if file.is_file()]
    assert any(file.name == "second-factor.key" and file.stat().st_mode & 0o777 == 0o600 for file in files)
    for file in files:
        octets = file.read_bytes()
        assert not [secret for secret in secrets if secret in octets], file


async def test_new_recovery_codes_and_switching_off_need_password_and_code(site: Site, steady: SteadyClock) -> None:
    visitor = await site.visitor(CLERK)
    device, old = await enrol(visitor, steady)
    steady.time += LATER
    for path in ("/profile/second/codes", "/profile/second/off"):
        assert (await visitor.send(path, {"password": PASSWORD, "code": "000000"})).status == 403
        assert (await visitor.send(path, {"password": "not it", "code": device.code()})).status == 403
    new = await visitor.send("/profile/second/codes", {"password": PASSWORD, "code": device.code()})
    visitor.token = (await visitor.get("/profile")).csrf
    assert len(codes_of(new.text)) == 10
    assert (await visitor.send("/profile/second/off", {"password": PASSWORD, "code": old[0]})).status == 403
    off = await visitor.send("/profile/second/off", {"password": PASSWORD, "code": codes_of(new.text)[0]})
    assert off.headers["Location"] == "/profile/second?said=second-off"
    assert (await (await site.visitor()).sign_in(CLERK)).headers["Location"] == "/"
    actions = {deed.action for deed in await site.gateway.store.people.deeds(ALPHA, 20)}
    assert {"second-on", "recovery-codes", "second-off"} <= actions


async def test_who_must_have_one_is_led_through_it_before_the_first_page(site: Site, steady: SteadyClock) -> None:
    running = await site.visitor(CLERK)
    demand(site, "clerk")
    assert (await running.get("/")).status == 303, "a session of a password alone is no longer enough"
    visitor = await past_password(site)
    page = await visitor.get("/sign-in/second")
    device, visitor.token = device_of(page.text, steady), page.csrf
    wrong = await visitor.send("/sign-in/second", {"sealed": sealed_of(page.text), "code": "000000"})
    assert wrong.status == 422
    assert (await visitor.get("/")).status == 303
    done = await visitor.send(
        "/sign-in/second", {"sealed": sealed_of(page.text), "code": device.code(), "next": "/post"}
    )
    assert len(codes_of(done.text)) == 10 and 'href="/post"' in done.text
    assert (await visitor.get("/post")).status == 200
    visitor.token = (await visitor.get("/profile/second")).csrf
    steady.time += LATER
    assert (await visitor.send("/profile/second/off", {"password": PASSWORD, "code": device.code()})).status == 409
    assert (await (await site.visitor()).sign_in(ADMIN)).headers["Location"] == "/", "nobody else must"
    demand(site, "all")
    assert (await (await site.visitor()).sign_in(ADMIN)).headers["Location"] == "/sign-in/second"


async def test_an_administrator_takes_it_from_who_has_lost_the_device_and_the_log_says_so(
    site: Site, steady: SteadyClock
) -> None:
    clerk, admin = await site.visitor(CLERK), await site.visitor(ADMIN)
    await enrol(clerk, steady)
    assert "/settings/people/second" in (await admin.get("/settings/people")).text
    assert (await clerk.send("/settings/people/second", {"name": CLERK})).status == 404
    assert (await admin.send("/settings/people/second", {"name": ADMIN})).status == 409, "the own one in the profile"
    answer = await admin.send("/settings/people/second", {"name": CLERK})
    assert answer.headers["Location"] == "/settings/people?said=second-removed"
    assert (await clerk.get("/")).status == 303
    assert (await (await site.visitor()).sign_in(CLERK)).headers["Location"] == "/"
    deeds = await site.gateway.store.people.deeds(ALPHA, 5)
    assert (ADMIN, "second-removed", CLERK) in [(deed.actor, deed.action, deed.subject) for deed in deeds]


async def test_no_account_takes_it_from_people_of_another(site: Site, steady: SteadyClock) -> None:
    second = site.gateway.store.second
    await enrol(await site.visitor(CLERK), steady)
    await enrol(await site.visitor(ADMIN), steady)
    deed = Deed(account=BETA, actor="API key", action="second-removed")
    with pytest.raises(NotFound):
        await second.remove(CLERK, deed)
    with pytest.raises(Conflict, match="other accounts"):
        await second.remove(ADMIN, deed)


async def test_without_its_key_file_nobody_comes_in_by_a_code_but_by_a_recovery_code(
    site: Site, steady: SteadyClock
) -> None:
    device, codes = await enrol(await site.visitor(CLERK), steady)
    steady.time += LATER
    file = site.gateway.config.base / site.gateway.config.portal.second_factor_key
    seal = Seal(file.with_name("another.key"))
    row = await site.gateway.store.people.named(CLERK)
    assert row is not None
    factor = await site.gateway.store.second.factor(row.id)
    assert factor is not None
    assert seal.open(factor.sealed, f"second factor of {row.id}") is None
    assert Seal(file).open(factor.sealed, "second factor of somebody else") is None
    assert Seal(file).open(factor.sealed, f"second factor of {row.id}") == device.key
    deed = Deed(account=ALPHA, actor="test", action="second-off")
    await site.gateway.store.second.drop(row.id, deed)
    moved = replace(factor, sealed=seal.close(device.key, f"second factor of {row.id}"))
    assert await site.gateway.store.second.enrol(moved, [hash_of(codes[0], row.id)], deed)
    answer = await give_code(await past_password(site), device.code())
    assert answer.status == 503 and "loggen" in answer.text
    assert (await give_code(await past_password(site), codes[0])).status == 303
