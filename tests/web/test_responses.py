"""Answering an invoice over the API, and what others answer to ours."""

from __future__ import annotations

import pytest

from gateway.exchange.responses import Responses
from gateway.model.message import PayloadKind
from gateway.ubl import invoice_response, sbdh
from tests.web.conftest import OURS, THEIRS, Network, Site, invoice

REFUSED = {"code": "RE", "reasons": [{"code": "QTY", "text": "12 are billed"}], "note": "Please credit"}


async def _answer(site: Site, document: str, body: object, **more: object):  # type: ignore[no-untyped-def]
    return await site.call("POST", f"/v1/documents/{document}/responses", json=body, **more)


async def test_an_invoice_is_refused_with_reasons_and_shows_it(site: Site) -> None:
    document = await site.receive()
    made = await _answer(site, document, REFUSED)
    assert (made.status, made.json["links"]) == (202, {"response_to": document})
    assert (made.json["sender"], made.json["receiver"], made.json["route"]) == (THEIRS, OURS, "peppol")
    octets = await site.gateway.store.payload(made.json["id"], PayloadKind.DOCUMENT)
    opened = sbdh.unwrap(octets).document
    assert isinstance(opened, bytes)
    said = invoice_response.read(opened)
    assert (said.code, said.number, said.clarifications[0].code, said.note) == ("RE", "IN-7", "QTY", "Please credit")
    (shown,) = (await site.get(f"/v1/documents/{document}/findings")).json["responses"]
    assert (shown["direction"], shown["code"], shown["final"], shown["document"]) == (
        "out",
        "RE",
        True,
        made.json["id"],
    )
    assert (await site.get(f"/v1/documents/{document}")).json["state"] == "RECEIVED"


async def test_twice_the_same_words_are_one_response(site: Site) -> None:
    document = await site.receive()
    first, second = await _answer(site, document, REFUSED), await _answer(site, document, REFUSED)
    assert (second.status, second.json["id"], second.headers["Idempotent-Replay"]) == (202, first.json["id"], "true")
    assert len((await site.get(f"/v1/documents/{document}/findings")).json["responses"]) == 1


async def test_nothing_is_taken_back(site: Site) -> None:
    document = await site.receive()
    for code, status in (("IP", 202), ("AB", 409), ("AP", 202), ("RE", 409), ("PD", 202), ("PD", 202)):
        body = {"code": code, "reasons": [{"code": "OTH", "text": "x"}]}
        assert (await _answer(site, document, body)).status == status, code
    assert (await _answer(site, document, {"code": "PD", "note": "again"})).status == 409


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"code": "XX"}, "/code"),
        ({"code": {}}, "/code"),
        ({"code": ["AP"]}, "/code"),
        ({"code": "RE", "reasons": [{"code": {}}]}, "/reasons/0"),
        ({"code": "RE", "actions": [{"code": ["x"]}, 5]}, "/actions/0"),
        ({"code": "RE"}, "/reasons"),
        ({"code": "UQ", "reasons": [{"code": "ZZ"}]}, "/reasons/0"),
        ({"code": "AP", "date": "soon"}, "/date"),
        ({"code": "AP", "note": 5}, "/note"),
        ({"code": "AP", "more": 1}, "/more"),
        ({"code": "RE", "reasons": [{"code": "REF", "conditions": [{"term": "BT-13"}]}]}, "/reasons/0/conditions"),
    ],
)
async def test_what_cannot_be_said_is_refused_with_its_place(site: Site, body: object, pointer: str) -> None:
    refused = await _answer(site, await site.receive(), body)
    assert refused.status == 422 and refused.json["errors"][0]["pointer"] == pointer


async def test_only_what_came_in_can_be_answered_and_only_by_its_account(site: Site) -> None:
    sent = (await site.submit(invoice())).json["id"]
    assert (await _answer(site, sent, REFUSED)).status == 409
    assert (await _answer(site, await site.receive(), REFUSED, who="beta")).status == 404


async def test_what_others_answer_is_noted_at_our_invoice_once(site: Site, network: Network) -> None:
    network.answer = "yes"
    sent = (await site.submit(invoice("IN-7"))).json["id"]
    await site.gateway.worker.run_once()
    arrived = await site.receive()
    made = await _answer(site, arrived, REFUSED)
    octets = sbdh.unwrap(await site.gateway.store.payload(made.json["id"], PayloadKind.DOCUMENT)).document
    assert isinstance(octets, bytes)
    gateway = site.gateway
    responses = Responses(store=gateway.store, clock=gateway.clock, country="SE")
    message = await gateway.store.get("alpha", made.json["id"])  # type: ignore[arg-type]
    for _ in range(2):
        await responses.note(message, octets)
    (shown,) = (await site.get(f"/v1/documents/{sent}/findings")).json["responses"]
    assert (shown["direction"], shown["code"], shown["reasons"][0]["code"]) == ("in", "RE", "QTY")
    now = (await site.get(f"/v1/documents/{sent}")).json
    assert (now["state"], now["links"]) == ("SENT", {"response": made.json["id"]})
