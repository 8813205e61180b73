"""What a virus was found in: said in both languages, given to nobody but an administrator who says why."""

from __future__ import annotations

import pytest

from gateway.model.person import Role
from tests.clamav import EICAR
from tests.portal.conftest import Site
from tests.portal.stage import ALPHA, someone

PLACES = {"virus": "/documents", "review_virus": "/review"}
FILES = {"/documents": ("content", "page.pdf", "evidence.zip"), "/review": ("content", "page.png")}


@pytest.mark.parametrize("name", PLACES)
async def test_it_says_what_was_found_and_offers_no_download(site: Site, name: str) -> None:
    visitor, place = await site.visitor(someone(Role.CLERK)), f"{PLACES[name]}/{site.documents[name]}"
    for language, words in (("sv", ("Virus hittat", "karantän")), ("en", ("A virus was found", "quarantine"))):
        page = (await visitor.get(f"{place}?language={language}")).text
        assert all(word in page for word in (*words, "Eicar.Test"))
        assert not [part for part in FILES[PLACES[name]] if f"{place}/{part}" in page]
        assert f"{place}/quarantined" not in page
    for part in FILES[PLACES[name]]:
        answer = await visitor.get(f"{place}/{part}")
        assert answer.status == 409 and "Eicar.Test" in answer.text


@pytest.mark.parametrize("name", PLACES)
async def test_an_administrator_may_fetch_it_and_says_why(site: Site, name: str) -> None:
    place = f"{PLACES[name]}/{site.documents[name]}/quarantined"
    for role in (Role.CLERK, Role.OPERATOR, Role.COMPLIANCE):
        visitor = await site.visitor(someone(role))
        assert (await visitor.send(place, {"reason": "curious"})).status == 404
    visitor = await site.visitor(someone(Role.ADMIN))
    assert place in (await visitor.get(place.rpartition("/")[0])).text
    assert (await visitor.send(place, {"reason": "  "})).status == 400
    answer = await visitor.send(place, {"reason": "The police asked for it"})
    assert answer.status == 200 and answer.headers["Content-Disposition"].endswith('.quarantined"')
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert name == "virus" or EICAR.decode() in answer.text
    (deed,) = await site.gateway.store.people.deeds(ALPHA, 1)
    assert (deed.action, deed.subject, deed.detail) == (
        "quarantined-fetched",
        site.documents[name],
        "The police asked for it",
    )
