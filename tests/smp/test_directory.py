"""gateway.smp.directory and the cards of our SMP: what the Peppol Directory is told, and what it finds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from lxml import etree

from gateway.errors import RegisterRefused, RegisterUnavailable
from gateway.model.identifiers import AccountId
from gateway.model.message import Participant
from gateway.security.safexml import parse
from gateway.smp.cards import CARD, has_card, write_card
from gateway.smp.directory import Directory, open_directory
from tests.smp.smp_parts import BUYER, NOW


@dataclass
class Indexer:
    status: int = 200
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.raw_path, (await request.read()).decode()))
        return web.Response(status=self.status, text="as the test says")


@pytest.fixture
async def place() -> AsyncIterator[tuple[Indexer, Directory]]:
    indexer, app = Indexer(), web.Application()
    app.router.add_route("*", "/{path:.*}", indexer.serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with open_directory(f"http://127.0.0.1:{runner.addresses[0][1]}/") as directory:
            yield indexer, directory
    finally:
        await runner.cleanup()


async def test_it_is_told_the_identifier_and_nothing_else(place: tuple[Indexer, Directory]) -> None:
    indexer, directory = place
    await directory.index(BUYER)
    await directory.forget(BUYER)
    assert indexer.asked == [
        ("PUT", "/indexer/1.0/", "iso6523-actorid-upis::0007:5567212047"),
        ("DELETE", "/indexer/1.0/iso6523-actorid-upis%3A%3A0007%3A5567212047", ""),
    ]


async def test_what_it_does_not_have_is_forgotten(place: tuple[Indexer, Directory]) -> None:
    place[0].status = 404
    await place[1].forget(BUYER)
    with pytest.raises(RegisterRefused, match="status 404: as the test says"):
        await place[1].index(BUYER)


@pytest.mark.parametrize(
    ("status", "error"), [(403, RegisterRefused), (429, RegisterUnavailable), (503, RegisterUnavailable)]
)
async def test_a_refusal_is_not_a_fault(place: tuple[Indexer, Directory], status: int, error: type[Exception]) -> None:
    place[0].status = status
    for call in (place[1].index, place[1].forget):
        with pytest.raises(error):
            await call(BUYER)


def test_a_card_has_its_form_and_needs_name_and_country() -> None:
    full = Participant(id=BUYER, account=AccountId("main"), name="Åkeri & Söner AB", country="SE", created=NOW)
    root = parse(write_card(full))
    assert [etree.QName(e).localname for e in root.iter()] == [
        *("BusinessCard", "ParticipantIdentifier", "BusinessEntity", "Name", "CountryCode")
    ]
    assert root.findtext(f".//{{{CARD}}}Name") == "Åkeri & Söner AB"
    assert (root[0].get("scheme"), root[0].text) == ("iso6523-actorid-upis", "0007:5567212047")
    assert root[1].get("registrationDate") == "2026-06-01"
    assert has_card(full)
    assert not has_card(Participant(id=BUYER, account=AccountId("main"), name="x"))
