"""What a virus was found in: said in both languages, given to nobody but an administrator who says why."""

from __future__ import annotations

import random

import pytest

from gateway.model.identifiers import DocumentId
from gateway.model.person import Role
from gateway.portal.shapes import bank_account
from tests.clamav import EICAR
from tests.portal.conftest import Site
from tests.portal.paper import LYING
from tests.portal.stage import ALPHA, someone
from tests.scanning import generator

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


async def test_a_pdf_that_shows_something_else_is_seen_beside_its_invoice_and_decided(site: Site) -> None:
    clerk, case = await site.visitor(someone(Role.CLERK)), f"/review/{site.documents['review_picture']}"
    document = f"/documents/{site.documents['picture']}"
    said, shown = bank_account(f"BG:{LYING.account}"), bank_account(f"BG:{pairs_account()}")
    for language, words in (("sv", ("E-fakturan säger", "PDF:en visar")), ("en", ("The e-invoice says", "PDF shows"))):
        for place in (case, document):
            page = (await clerk.get(f"{place}?language={language}")).text
            assert all(word in page for word in (*words, said, shown)), (language, place)
    page = (await clerk.get(f"{document}?language=sv")).text
    assert "Avgör under Granska" in page and f"{document}/requeue" not in page and f"{document}/content" in page
    assert (await clerk.get(f"{case}/crop.png?field=account")).headers["Content-Type"] == "image/png"
    assert (await clerk.send(f"{case}/confirm", {"reason": ""})).status == 422
    answer = await clerk.send(f"{case}/confirm", {"reason": "Ringde numret i avtalet"})
    assert (answer.status, answer.headers["Location"].partition("said=")[2]) == (303, "picture-released")
    message = await site.gateway.store.get(ALPHA, DocumentId(site.documents["picture"]))
    assert (message.state, message.links["held"]) == ("RECEIVED", "released")
    (deed,) = await site.gateway.store.people.deeds(ALPHA, 1)
    assert (deed.action, deed.detail) == ("picture-released", "Ringde numret i avtalet")


async def test_one_that_is_refused_needs_nobody_any_more(site: Site) -> None:
    clerk, case = await site.visitor(someone(Role.CLERK)), f"/review/{site.documents['review_picture']}"
    document = f"/documents/{site.documents['picture']}"
    assert document in (await clerk.get("/")).text.split("figures")[0]
    assert (await clerk.send(f"{case}/refuse", {"reason": "Inte deras"})).status == 303
    assert document not in (await clerk.get("/")).text.split("figures")[0]
    assert "Inte deras" in (await clerk.get(document)).text
    message = await site.gateway.store.get(ALPHA, DocumentId(site.documents["picture"]))
    assert (message.state, message.links["held"]) == ("REJECTED", "refused")


async def test_one_that_went_on_says_so_too(site: Site) -> None:
    clerk = await site.visitor(someone(Role.CLERK))
    page = (await clerk.get(f"/documents/{site.documents['differs']}?language=en")).text
    assert "look before it is paid" in page and "1990.00" in page and "990.00" in page


def pairs_account() -> str:
    """The account that the lying PDF shows."""
    rng = random.Random(9)
    rng.randint(100, 99_999)
    return generator.account(rng)
