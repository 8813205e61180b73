"""The same invoice again over the API: XML, JSON, whole envelopes, credit notes; what the answer says."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from gateway.exchange.doubles import Doubles
from gateway.ubl import sbdh
from tests.web.conftest import Network, Site, envelope, invoice

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = re.findall(r"```json\n(.*?)```", (DOCS / "json-invoice.md").read_text(encoding="utf-8"), re.DOTALL)[0]
MODEL = {"Content-Type": "application/json"}


def credit_note() -> bytes:
    """The example of the documentation as a credit note."""
    return json.dumps({**json.loads(EXAMPLE), "type": "credit_note"}).encode()


async def test_the_same_invoice_without_a_key_is_told_its_first_and_goes_out(site: Site, network: Network) -> None:
    network.answer = "yes"
    first, second = await site.submit(invoice()), await site.submit(invoice())
    assert (first.status, first.json["links"], first.json["warnings"]) == (202, {}, [])
    assert (second.status, second.json["state"]) == (202, "ACCEPTED")
    assert second.json["links"] == {"double_of": first.json["id"], "double": "same"}
    assert first.json["id"] in second.json["warnings"][0]
    while await site.gateway.worker.run_once():
        pass
    assert len(network.sent) == 2
    assert (await site.get(second.headers["Location"])).json["warnings"] == second.json["warnings"]
    events = (await site.get("/v1/events?after=0")).json["items"]
    assert second.json["id"] in {one["data"]["document"]["id"] for one in events if one["data"]["document"]["warnings"]}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (invoice(), {}),
        (EXAMPLE.encode(), MODEL),
        (credit_note(), MODEL),
        (sbdh.wrap(invoice(), envelope("envelope-1")), {}),
    ],
    ids=["xml", "json", "credit note", "envelope"],
)
async def test_each_kind_is_compared(site: Site, body: bytes, headers: dict[str, str]) -> None:
    answers = [await site.submit(body, headers=headers) for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 202], answers[0].json
    assert answers[1].json["links"] == {"double_of": answers[0].json["id"], "double": "same"}


async def test_an_invoice_and_a_credit_note_of_one_number_are_two_documents(site: Site) -> None:
    for body in (EXAMPLE.encode(), credit_note()):
        answer = await site.submit(body, headers=MODEL)
        assert (answer.status, answer.json["links"]) == (202, {})


async def test_an_envelope_that_brings_the_same_invoice_is_likely_one(site: Site) -> None:
    first = await site.submit(invoice())
    again = await site.submit(sbdh.wrap(invoice(), envelope("envelope-1")))
    assert again.json["links"] == {"double_of": first.json["id"], "double": "likely"}
    other = await site.submit(invoice(), who="beta")
    assert (other.status, other.json["links"]) == (202, {})  # what another account has is nobody's business


async def test_held_it_is_failed_with_its_reason_and_requeue_sends_it(site: Site, network: Network) -> None:
    network.answer = "yes"
    worker = site.gateway.worker
    object.__setattr__(site.gateway.outbound, "doubles", Doubles(policy="hold"))  # what a configuration would do
    made = await asyncio.gather(*(site.submit(invoice()) for _ in range(4)))
    held = [one for one in made if one.json["links"].get("held") == "double"]
    assert [one.status for one in made] == [202] * 4 and len(held) == 3
    assert all("requeue it" in one.json["warnings"][0] for one in held)
    while await worker.run_once():
        pass
    place = held[0].headers["Location"]
    now = (await site.get(place)).json
    assert (now["state"], now["status"], len(network.sent)) == ("FAILED", "failed", 1)
    assert now["reason"].startswith("Held for a person: exactly the same document")
    site.gateway.clock.forward(seconds=1)  # type: ignore[attr-defined]
    assert (await site.call("POST", f"{place}/requeue")).status == 202
    while await worker.run_once():
        pass
    after = (await site.get(place)).json
    assert (after["state"], len(network.sent)) == ("SENT", 2)
    assert "Repeat a request" in after["warnings"][0]
