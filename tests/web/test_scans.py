"""Paper and PDF over the API: handed in, looked at, decided, and nobody else's."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.exchange.antivirus import Antivirus
from gateway.exchange.paper import Paper
from gateway.exchange.pictures import Pictures
from gateway.exchange.scans import Scans
from gateway.model.identifiers import AccountId, DocumentId
from gateway.scanners import Scanning
from gateway.scanning.pictures import PictureReader
from gateway.scanning.reader import FileReader
from tests.clamav import EICAR, Scripted
from tests.scanning import generator, pairs
from tests.web.conftest import Site

PDF = {"Content-Type": "application/pdf"}


@pytest.fixture
def scanning(site: Site) -> Site:
    gateway = site.gateway
    paper = Paper(store=gateway.store, clock=gateway.clock, pulled={})
    scans = Scans(store=gateway.store, reader=FileReader(program=""), paper=paper, clock=gateway.clock)
    object.__setattr__(gateway, "scanning", Scanning(scans=scans, folder=None))
    return site


async def test_without_the_section_nothing_is_taken(site: Site) -> None:
    answer = await site.call("POST", "/v1/scans", data=b"%PDF-", headers=PDF)
    assert answer.status == 404
    assert (await site.get("/v1/reviews")).json == {"items": [], "next": None}


async def test_a_file_is_handed_in_reviewed_corrected_and_delivered(scanning: Site) -> None:
    site, one = scanning, generator.invoice(3, code=False)
    octets = generator.text_pdf(generator.page(one))
    answer = await site.call("POST", "/v1/scans?file_name=faktura.pdf", data=octets, headers=PDF)
    assert (answer.status, answer.json["verdict"], answer.json["hold"]) == (202, "review", "fields")
    scan = answer.json["id"]
    again = await site.call("POST", "/v1/scans?file_name=faktura.pdf", data=octets, headers=PDF)
    assert again.json["id"] == scan and again.headers["Idempotent-Replay"] == "true"
    assert [row["id"] for row in (await site.get("/v1/reviews")).json["items"]] == [scan]
    field = (await site.get(f"/v1/reviews/{scan}")).json["fields"]["total"]
    assert (field["value"], field["accepted"]) == (one.truth["total"], True)
    crop = await site.get(field["crop"])
    assert crop.status == 200 and crop.body.startswith(b"\x89PNG")
    content = await site.get(f"/v1/scans/{scan}/content")
    assert content.body == octets and content.headers["Content-Disposition"].startswith("attachment")

    for body in ({"fields": {"total": 5}}, {"fields": {"colour": "red"}}, {"what": 1}):
        assert (await site.call("POST", f"/v1/reviews/{scan}/confirm", json=body)).status == 422
    for path in (f"/v1/scans/{scan}", f"/v1/reviews/{scan}", f"/v1/scans/{scan}/content", field["crop"]):
        assert (await site.get(path, who="beta")).status == 404
    for verb in ("confirm", "refuse"):
        stranger = await site.call("POST", f"/v1/reviews/{scan}/{verb}", json={"all": True, "reason": "x"}, who="beta")
        assert stranger.status == 404

    body = {"fields": {"supplier_name": one.supplier_name}, "by": "clerk"}
    done = await site.call("POST", f"/v1/reviews/{scan}/correct", json=body)
    assert (done.status, done.json["state"], done.json["decided_by"]) == (200, "accepted", "clerk")
    document = (await site.get(f"/v1/documents/{done.json['document']}")).json
    assert (document["direction"], document["channel"], document["number"]) == ("in", "pdf", one.number)
    assert [row["id"] for row in (await site.get("/v1/inbox")).json["items"]] == [document["id"]]
    assert (await site.call("POST", f"/v1/reviews/{scan}/confirm", json={"all": True})).status == 409


async def test_what_is_refused_says_why_in_both_languages(scanning: Site) -> None:
    answer = await scanning.call("POST", "/v1/scans", data=b"GIF89a", headers=PDF)
    assert (answer.status, answer.json["verdict"]) == (202, "refused")
    assert "PDF" in answer.json["reason"] and answer.json["reason_sv"] != answer.json["reason"]
    wrong = await scanning.call("POST", "/v1/scans", data=b"x", headers={"Content-Type": "text/html"})
    assert wrong.status == 415


async def test_a_person_refuses_with_a_reason(scanning: Site) -> None:
    one = dataclasses.replace(generator.invoice(7, code=False))
    octets = generator.text_pdf(generator.page(one))
    scan = (await scanning.call("POST", "/v1/scans", data=octets, headers=PDF)).json["id"]
    assert (await scanning.call("POST", f"/v1/reviews/{scan}/refuse", json={})).status == 409
    done = await scanning.call("POST", f"/v1/reviews/{scan}/refuse", json={"reason": "Not ours"})
    assert (done.json["state"], done.json["reason"]) == ("refused", "Not ours")


async def test_a_file_with_two_invoices_is_split_and_its_pages_are_pictures(scanning: Site) -> None:
    two = [generator.page(generator.invoice(seed, code=False)) for seed in (6, 7)]
    scan = (await scanning.call("POST", "/v1/scans", data=generator.text_pdf(*two), headers=PDF)).json["id"]
    picture = await scanning.get(f"/v1/scans/{scan}/page.png?page=2")
    assert picture.status == 200 and picture.body.startswith(b"\x89PNG")
    assert (await scanning.get(f"/v1/scans/{scan}/page.png?page=3")).status == 404
    path = f"/v1/reviews/{scan}/split"
    assert (await scanning.get(f"/v1/scans/{scan}/page.png", who="beta")).status == 404
    assert (await scanning.call("POST", path, json={"parts": "1, 2"}, who="beta")).status == 404
    assert (await scanning.call("POST", path, json={"parts": "2, 1"})).status == 400
    assert (await scanning.call("POST", path, json={"parts": "1, 3"})).status == 409
    done = await scanning.call("POST", path, json={"parts": "1, 2"})
    assert (done.status, done.json["state"], len(done.json["parts"])) == (200, "refused", 2)
    waiting = {row["id"] for row in (await scanning.get("/v1/reviews")).json["items"]}
    assert waiting == {part["id"] for part in done.json["parts"]}
    assert (await scanning.call("POST", path, json={"parts": "1, 2"})).status == 409


async def test_a_file_with_a_virus_is_refused_and_not_given_back(scanning: Site) -> None:
    site, scanner = scanning, Scripted()
    antivirus = Antivirus(scanner=scanner)
    assert site.gateway.scanning is not None
    guarded = dataclasses.replace(site.gateway.scanning.scans, antivirus=antivirus)
    object.__setattr__(site.gateway, "scanning", Scanning(scans=guarded, folder=None))
    object.__setattr__(site.gateway, "antivirus", antivirus)
    octets = generator.text_pdf(generator.page(generator.invoice(3, code=False)))
    answer = await site.call("POST", "/v1/scans", data=octets + EICAR, headers=PDF)
    assert (answer.status, answer.json["verdict"], answer.json["hold"]) == (202, "refused", "virus")
    for part in ("content", "page.png"):
        refused = await site.get(f"/v1/scans/{answer.json['id']}/{part}")
        assert refused.status == 409 and "Eicar.Test" in refused.json["detail"]

    scanner.away = 1
    assert (await site.call("POST", "/v1/scans", data=octets, headers=PDF)).status == 503
    (waiting,) = (await site.get("/v1/scans?state=taken")).json["items"]
    assert (await site.get(f"/v1/scans/{waiting['id']}/content")).status == 409, "nobody has seen it yet"
    again = await site.call("POST", "/v1/scans", data=octets, headers=PDF)
    assert (again.status, again.json["id"], again.json["verdict"]) == (202, waiting["id"], "review")
    assert (await site.get(f"/v1/scans/{waiting['id']}/content")).body == octets


async def test_an_invoice_whose_pdf_shows_something_else_is_decided_over_the_api_without_paper(site: Site) -> None:
    document, store = await site.receive(), site.gateway.store
    one = generator.invoice(3, code=False)
    _, pdf = pairs.altered(one, 3)["account"]
    pictures = Pictures(store=store, clock=site.gateway.clock, reader=PictureReader())
    message = await store.get(AccountId("alpha"), DocumentId(document))
    _, event = await pictures.look(message, pairs.ubl(one, pdf))
    assert event is not None
    await store.record(message, event)
    (row,) = (await site.get("/v1/reviews")).json["items"]
    assert (row["hold"], row["source"], row["document"]) == ("picture", "network", document)
    said, shown = row["fields"]["account"]["candidates"]
    assert (said["value"], said["witnesses"][0], shown["witnesses"]) == (f"BG:{one.account}", "xml", ["text"])
    assert (await site.get(row["fields"]["account"]["crop"])).body.startswith(b"\x89PNG")
    assert (await site.get(f"/v1/scans/{row['id']}/page.png")).body.startswith(b"\x89PNG")
    assert (await site.get(f"/v1/scans/{row['id']}/content")).body == pdf
    place = f"/v1/reviews/{row['id']}"
    assert (await site.call("POST", f"{place}/confirm", json={})).status == 409
    assert (await site.call("POST", f"{place}/confirm", json={"reason": "x"}, who="beta")).status == 404
    done = await site.call("POST", f"{place}/confirm", json={"reason": "Called them", "by": "ann"})
    assert (done.status, done.json["state"], done.json["decided_by"]) == (200, "accepted", "ann")
    assert (await site.get(f"/v1/documents/{document}")).json["state"] == "RECEIVED"
    assert (await site.call("POST", f"{place}/refuse", json={"reason": "too late"})).status == 409
