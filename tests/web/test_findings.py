"""The verdicts on a document, as a program reads them."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from gateway.model.lifecycle import Event
from gateway.web.home import read_description
from tests.web.conftest import Network, Site, invoice

MADE_UP = invoice().replace(b">5567212047</cbc:EndpointID>", b">5567212048</cbc:EndpointID>")
"""The address of its buyer has a wrong check digit: told, and taken where participants are made up."""


async def test_what_was_handed_in_shows_by_which_rules_it_is_valid(site: Site) -> None:
    document = (await site.submit(invoice())).json["id"]
    said = (await site.get(f"/v1/documents/{document}/findings")).json
    assert (said["validated"], said["valid"], said["why_not_validated"]) == (True, True, None)
    assert [pack["name"] for pack in said["packs"]] == ["UBL XSD", "en16931", "peppol-billing"]
    assert (said["findings"], said["count"], said["statuses"], said["responses"]) == ([], 0, [], [])


async def test_findings_have_the_members_of_a_refusal(site: Site) -> None:
    document = (await site.submit(MADE_UP)).json["id"]
    said = (await site.get(f"/v1/documents/{document}/findings")).json
    assert said["validated"] and said["valid"] is False
    (first, *_) = said["findings"]
    assert set(first) == {"pointer", "rule", "severity", "message", "value"}
    assert (first["rule"], first["value"]) == ("PEPPOL-COMMON-R049", "5567212048")
    assert said["count"] == len(said["findings"])


async def test_what_was_not_judged_says_so(site: Site) -> None:
    document = await site.receive()
    said = (await site.get(f"/v1/documents/{document}/findings")).json
    assert (said["validated"], said["valid"]) == (False, None)
    assert "switched off" in said["why_not_validated"]
    foreign = invoice("2").replace(b"urn:cen.eu:en16931:2017#compliant#urn:fdc", b"urn:example:fdc")
    document = (await site.submit(foreign)).json["id"]
    said = (await site.get(f"/v1/documents/{document}/findings")).json
    assert (said["validated"], said["why_not_validated"]) == (False, "there are no rules here for this document type")


async def test_the_status_of_the_other_side_is_shown(site: Site, network: Network) -> None:
    network.answer = "yes"
    document = (await site.submit(invoice())).json["id"]
    await site.gateway.worker.run_once()
    message = await site.gateway.store.get("alpha", document)  # type: ignore[arg-type]
    detail: dict[str, object] = {"status": "m1", "code": "RE", "text": "no", "issues": []}
    await site.gateway.store.record(message, Event(name="Rejected", reason="MLS RE", detail=detail))
    (status,) = (await site.get(f"/v1/documents/{document}/findings")).json["statuses"]
    assert (status["event"], status["code"], status["text"], status["status"]) == ("Rejected", "RE", "no", "m1")


async def test_the_description_shows_the_verdict_as_it_is(site: Site) -> None:
    document = (await site.submit(MADE_UP)).json["id"]
    made = (await site.get(f"/v1/documents/{document}/findings")).json
    shown = json.loads(re.findall(r"```json\n(.*?)```", read_description(), re.DOTALL)[1])
    assert list(shown) == list(made)
    assert list(shown["findings"][0]) == list(made["findings"][0])


async def test_strangers_find_nothing(site: Site) -> None:
    document = (await site.submit(invoice())).json["id"]
    assert (await site.get(f"/v1/documents/{document}/findings", who="beta")).status == 404


async def test_what_is_still_judged_is_neither_new_nor_acknowledged(site: Site) -> None:
    rules = replace(site.gateway.inbound.rules, incoming="flag")
    strict = replace(site.gateway.inbound, rules=rules)
    site.gateway.worker.inbound = strict
    site.gateway = replace(site.gateway, inbound=strict)
    document = await site.receive()
    assert (await site.get("/v1/inbox")).json["items"] == []
    refused = await site.call("POST", f"/v1/inbox/{document}/ack")
    assert refused.status == 409 and "in work" in refused.json["detail"]
    await site.gateway.worker.run_once()
    assert len((await site.get("/v1/inbox")).json["items"]) == 1
    assert (await site.call("POST", f"/v1/inbox/{document}/ack")).status == 200
