"""gateway.sml.client against the SML of a private network: every operation, twice is once, all kinds of trouble."""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from unittest import mock

import pytest
from aiohttp import web

from gateway.errors import ConfigurationError, Conflict, RegisterRefused, RegisterUnavailable
from gateway.model.identifiers import ParticipantId
from gateway.model.migration_keys import new_key
from gateway.network.sml import Sml, serve_sml
from gateway.security.authority import issue, issue_tls, new_pki
from gateway.security.tls import client_context
from gateway.sml import client as sml_client
from gateway.sml.client import SmlClient, open_sml
from gateway.smp.zone import read_zone

BUYER = ParticipantId.parse("0007:5567212047")
OTHER = ParticipantId.parse("0088:7300010000001")

Register = tuple[Sml, str]


def registered(sml: Register) -> dict[ParticipantId, str]:
    return read_zone(sml[0].zone_file).participants


async def test_entering_makes_our_smp_known_first_and_leaving_is_seen(sml: Register, ours: SmlClient) -> None:
    await ours.enter(BUYER)
    assert sml[0].asked == ["create", "create_publisher", "create"]
    assert registered(sml) == {BUYER: "https://smp.example.org"}
    assert await ours.read_publisher() == "https://smp.example.org"
    await ours.leave(BUYER)
    assert registered(sml) == {}


async def test_two_that_enter_at_once_both_find_our_smp_made_known(sml: Register, ours: SmlClient) -> None:
    missed = asyncio.Barrier(2)
    create = ours.create_publisher

    async def both_have_missed_it() -> None:
        await missed.wait()
        await create()

    with mock.patch.object(ours, "create_publisher", both_have_missed_it):
        await asyncio.gather(ours.enter(BUYER), ours.enter(OTHER))
    assert sml[0].asked.count("create_publisher") == 2
    assert set(registered(sml)) == {BUYER, OTHER}


async def test_twice_is_once(sml: Register, ours: SmlClient) -> None:
    for _ in range(2):
        await ours.enter(BUYER)
    assert list(registered(sml)) == [BUYER]
    for _ in range(2):
        await ours.leave(BUYER)
    assert registered(sml) == {}


async def test_nobody_takes_over_a_participant_of_another(sml: Register, ours: SmlClient, theirs: SmlClient) -> None:
    await theirs.enter(BUYER)
    with pytest.raises(Conflict, match=r"not at our SMP PSP000201: The SML says: \[ERR-106\]") as no:
        await ours.enter(BUYER)
    assert "migration key" in no.value.remedy
    await ours.leave(BUYER)  # it is not ours: nothing to do, and nothing is done
    assert registered(sml) == {BUYER: "https://other.example.org"}


async def test_a_migration_needs_the_key_and_is_one_step(sml: Register, ours: SmlClient, theirs: SmlClient) -> None:
    key = new_key()
    await ours.enter(BUYER)
    await theirs.create_publisher()
    with pytest.raises(RegisterRefused, match="ERR-111"):
        await theirs.enter(BUYER, key)
    await ours.hand_over(BUYER, key)
    with pytest.raises(RegisterRefused, match="ERR-114"):
        await ours.leave(BUYER)
    with pytest.raises(RegisterRefused, match="ERR-111"):
        await theirs.enter(BUYER, new_key())
    await theirs.enter(BUYER, key)
    assert registered(sml) == {BUYER: "https://other.example.org"}
    await theirs.enter(BUYER, key)  # its answer was lost: it is ours already
    await ours.leave(BUYER)
    assert registered(sml) == {BUYER: "https://other.example.org"}


async def test_many_are_entered_listed_by_pages_and_removed(sml: Register, ours: SmlClient) -> None:
    many = [ParticipantId.parse(f"0088:{number:013}") for number in range(250)]
    await ours.create_publisher()
    await ours.enter_all(many)
    assert sml[0].asked.count("create_list") == 3
    assert [known async for known in ours.participants()] == many
    assert sml[0].asked.count("page") == 3
    assert await ours.holds(many[-1])
    assert not await ours.holds(OTHER)
    await ours.leave_all(many)
    assert registered(sml) == {}


async def test_the_address_of_our_smp_can_change_with_everybody_on_it(sml: Register, ours: SmlClient) -> None:
    await ours.enter(BUYER)
    ours.smp_url = "https://new.example.org"
    await ours.update_publisher()
    assert registered(sml) == {BUYER: "https://new.example.org"}
    await ours.delete_publisher()
    assert registered(sml) == {}
    assert not await ours.holds(BUYER)


async def test_the_next_certificate_is_announced(sml: Register, ours: SmlClient) -> None:
    await ours.announce_certificate("-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----")
    assert list(sml[0].announced.values()) == ["-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"]
    with pytest.raises(RegisterRefused, match="not PEM") as no:
        await ours.announce_certificate("MII")
    assert no.value.code == 106
    await ours.is_alive()


@pytest.mark.parametrize("wrong", ["lost", "105", "107", "500", "html"])
async def test_no_answer_is_no_refusal_and_doing_it_again_makes_it_right(
    sml: Register, ours: SmlClient, wrong: str
) -> None:
    await ours.create_publisher()
    sml[0].trouble = lambda operation: wrong if operation in ("create", "delete", "migrate") else ""
    for call in (ours.enter, ours.leave):
        with pytest.raises(RegisterUnavailable):
            await call(BUYER)
        assert bool(registered(sml)) == ((call == ours.enter) == (wrong == "lost"))
        sml[0].trouble = lambda operation: ""
        await call(BUYER)
        assert bool(registered(sml)) == (call == ours.enter)
        sml[0].trouble = lambda operation: wrong if operation in ("create", "delete") else ""


async def test_a_silent_sml_is_given_up_after_its_time(sml: Register) -> None:
    sml[0].trouble = lambda operation: "hang"
    async with open_sml(sml[1], smp_id="PSP000201", smp_url="https://x.example.org", seconds=0.3) as client:
        with pytest.raises(RegisterUnavailable, match=r"no answer within 0\.3 s"):
            await client.is_alive()


async def test_nobody_there_and_endless_answers_are_no_refusals(sml: Register) -> None:
    async with open_sml("http://127.0.0.1:1", smp_id="PSP000201", smp_url="https://x.example.org") as client:
        with pytest.raises(RegisterUnavailable, match="cannot be reached"):
            await client.enter(BUYER)

    async def endless(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b" " * 3_000_000)

    runner = web.AppRunner(_app(endless), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with open_sml(url, smp_id="PSP000201", smp_url="https://x.example.org") as client:
            with pytest.raises(RegisterUnavailable, match="larger than"):
                await client.enter(BUYER)
    finally:
        await runner.cleanup()


def _app(handler: object) -> web.Application:
    app = web.Application()
    app.router.add_post("/{any:.*}", handler)  # type: ignore[arg-type]
    return app


async def test_the_soap_is_as_published(ours: SmlClient, sml: Register) -> None:
    """SOAPAction with its nine blanks, the body element and its order, as other programs of the network send them."""
    seen: list[tuple[str, str]] = []

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append((request.headers["SOAPAction"], (await request.read()).decode()))
        return web.Response(body=b"<x/>", status=403)

    runner = web.AppRunner(_app(note), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with open_sml(url, smp_id="PSP000201", smp_url="https://x.example.org") as client:
            with pytest.raises(RegisterRefused, match="does not know our SMP certificate"):
                await client.hand_over(BUYER, "AAaa11##")
    finally:
        await runner.cleanup()
    action, body = seen[0]
    base = "http://busdox.org/serviceMetadata/ManageBusinessIdentifierService/1.0/"
    assert action.strip('"') == f"{base}{' ' * 9}:prepareMigrateIn"
    places = [body.index(word) for word in ("PrepareMigrationRecord", "PSP000201", BUYER.value, "AAaa11##")]
    assert places == sorted(places)
    assert 'scheme="iso6523-actorid-upis"' in body


async def test_an_smp_id_that_is_none_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match="no SMP id"):
        async with open_sml("http://x", smp_id="-bad-", smp_url="https://x"):
            pass


async def test_over_tls_the_certificate_owns_the_smp(tmp_path: Path) -> None:
    """The SML knows an SMP by its certificate: another one, or none, may not touch what is its."""
    now = datetime.now(UTC)
    pki = tmp_path / "pki"
    new_pki(pki, now=now)
    for seat in ("PSP000201", "PSP000202"):
        issue(pki, "smp", seat, now=now)
    server = issue_tls(pki, ["127.0.0.1"], now=now)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(server.with_suffix(".pem"), server.with_suffix(".key.pem"))
    shown.verify_mode = ssl.CERT_REQUIRED
    for authority in ("smp-ca", "root"):
        shown.load_verify_locations(pki / f"{authority}.pem")

    def as_smp(seat: str) -> ssl.SSLContext:
        context = client_context([pki / "tls-ca.pem"])
        if seat:
            context.load_cert_chain(pki / f"{seat}.pem", pki / f"{seat}.key.pem")
        return context

    register = Sml(tmp_path / "zone.json", tmp_path / "sml.json")
    async with serve_sml(register, tls=shown) as url:
        address = "https://smp.example.org"
        async with open_sml(url, smp_id="PSP000201", smp_url=address, tls=as_smp("PSP000201")) as owner:
            await owner.enter(BUYER)
        async with open_sml(url, smp_id="PSP000201", smp_url=address, tls=as_smp("PSP000202")) as thief:
            with pytest.raises(RegisterRefused, match="ERR-101") as no:
                await thief.leave(BUYER)
            assert no.value.code == 101
        async with open_sml(url, smp_id="PSP000201", smp_url=address, tls=as_smp("")) as nobody:
            with pytest.raises(RegisterUnavailable):
                await nobody.leave(BUYER)
    assert read_zone(register.zone_file).participants == {BUYER: address}


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/x.xsd", "https://evil.example/x.xsd"])
async def test_F12_the_services_description_imports_nothing_from_elsewhere(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that ours does: a description that somebody has put in its place cannot make us ask anybody."""
    for file in resources.files("gateway.sml").joinpath("wsdl").iterdir():
        shutil.copy(str(file), tmp_path)
    changed = tmp_path / "participants.wsdl"
    changed.write_text(changed.read_text().replace('schemaLocation="locator.xsd"', f'schemaLocation="{place}"'))
    monkeypatch.setattr(sml_client, "_FILES", {"s": str(changed)})
    with pytest.raises(ConfigurationError, match=re.escape(place)):
        sml_client._codec("s")
