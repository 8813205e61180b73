"""The OpenAPI description: whole, true, and every object in it is its account's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from aiohttp import hdrs
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from gateway.errors import InvalidDocument
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.letter import Letter, LetterId
from gateway.ubl import bill_json
from gateway.web.api import application
from tests.scanning import generator
from tests.web.conftest import THEIRS, Site, invoice
from tests.web.contract import DESCRIPTION, check
from tests.web.test_counterparts import _added, _proposed
from tests.web.test_scans import PDF, scanning

__all__ = ["scanning"]
DOCS = Path(__file__).parents[2] / "docs"
LISTS = ("documents", "counterparts", "addresses", "proposals", "scans", "letters", "users", "participants", "sweeps")
CALLS = ("/v1/", "/api", "/livez", "/readyz", "/metrics")
BODIES = {
    "/responses": {"code": "AP"},
    "/confirm": {"all": True},
    "/correct": {"all": True},
    "/refuse": {"reason": "x"},
    "/split": {"parts": "1"},
    "/v1/counterparts/{id}": {"name": "X"},
}


def test_it_is_openapi() -> None:
    validate(DESCRIPTION)


def test_every_call_is_described_and_no_other(site: Site) -> None:
    described = {(method.upper(), path) for path, row in DESCRIPTION["paths"].items() for method in row}
    there = set()
    for route in application(site.gateway).router.routes():
        assert route.resource is not None
        if route.method != hdrs.METH_HEAD and route.resource.canonical.startswith(CALLS):
            there.add((route.method, route.resource.canonical))
    assert there == described
    words = (DOCS / "api.md").read_text(encoding="utf-8")
    missing = {(method, path) for method, path in described if f"`{method} {path}`" not in words}
    assert not missing, "docs/api.md does not name them"


def test_the_example_of_the_json_invoice_fits_its_schema() -> None:
    text = re.findall(r"```json\n(.*?)```", (DOCS / "json-invoice.md").read_text(encoding="utf-8"), re.S)[0]
    schema = DESCRIPTION["components"]["schemas"]["Bill"]
    assert not list(Draft202012Validator(schema).iter_errors(json.loads(text)))
    wrong = json.loads(text) | {"buyer_referense": "1"}
    assert list(Draft202012Validator(schema).iter_errors(wrong))


@pytest.mark.parametrize(
    "change",
    [
        {"prepaid": "abc"},
        {"prepaid": "1,00"},
        {"attachments": [{}]},
        {"attachments": [{"file_name": "a.exe", "media_type": "application/x-msdownload", "content": "QQ=="}]},
        {"attachments": [{"link": "https://example.org"}] * 101},
        {"adjustments": [{"amount": 1, "reason": "x", "vat": {"rate": 25}}] * 101},
        {"lines": []},
        {"lines": [{"name": "x", "price": 1, "unit": "stycken", "vat": {"rate": 25}}]},
        {"payment": {"accounts": [{"number": "1"}] * 21}},
        {"currency": "kr"},
        {"seller": {"name": "x"}},
    ],
)
def test_what_the_reader_of_invoices_refuses_the_schema_refuses_too(change: dict[str, object]) -> None:
    text = re.findall(r"```json\n(.*?)```", (DOCS / "json-invoice.md").read_text(encoding="utf-8"), re.S)[0]
    table = json.loads(text) | change
    table.pop("payable")
    with pytest.raises(InvalidDocument):
        bill_json.read(json.dumps(table).encode())
    schema = {**DESCRIPTION["components"]["schemas"]["Bill"]}
    assert list(Draft202012Validator(schema).iter_errors(table))


async def test_programs_get_it_without_a_key(site: Site) -> None:
    async with site.client.get("/api/openapi.json") as response:
        assert response.status == 200
        assert await response.json() == json.loads(json.dumps(DESCRIPTION))


def test_a_member_that_is_not_described_is_noticed() -> None:
    with pytest.raises(AssertionError, match="extra"):
        check("GET", "/livez", 200, "application/json", {"live": True, "extra": 1})
    with pytest.raises(AssertionError, match="required"):
        check("GET", "/v1/prices", 200, "application/json", {"own": True})
    with pytest.raises(AssertionError, match="not described"):
        check("GET", "/v1/prices", 206, "application/json", {})


async def test_nothing_of_one_account_is_there_for_another(scanning: Site) -> None:
    """Every call on one object, with an object of alpha's and the key of beta: as if it were not there."""
    site = scanning
    out = (await site.submit(invoice())).json["id"]
    came = await site.receive()
    counterpart = (await _added(site, name="Exempel Ett AB", number="77", org_number=""))["id"]
    bad = {"email": "faktura@example.org", "email_quality": "bad"}
    assert (await site.call("PUT", f"/v1/counterparts/{counterpart}", json=bad)).status == 200
    failed = (await site.get("/v1/addresses")).json["items"][0]["id"]
    proposal = (await _proposed(site)).rpartition("/")[2]
    octets = generator.text_pdf(generator.page(generator.invoice(3, code=False)))
    scan = (await site.call("POST", "/v1/scans", data=octets, headers=PDF)).json["id"]
    now = site.gateway.clock.now()
    letter = Letter(
        id=LetterId("letter-1"), account=AccountId("alpha"), document=DocumentId(out), created=now, updated=now
    )
    await site.gateway.store.letters.begin(letter)
    await site.call("POST", "/v1/users", json={"name": "clerk@example.org"})
    objects = {
        "/v1/documents/": (out, came),
        "/v1/inbox/": (came,),
        "/v1/participants/": (THEIRS,),
        "/v1/counterparts/": (counterpart,),
        "/v1/addresses/": (failed,),
        "/v1/proposals/": (proposal,),
        "/v1/scans/": (scan,),
        "/v1/reviews/": (scan,),
        "/v1/letters/": ("letter-1",),
        "/v1/users/": ("clerk@example.org",),
        "/v1/sweeps/": ((await site.call("POST", "/v1/sweeps")).json["id"],),
        "/v1/operation/documents/": (out, came),
    }
    before = [(await site.get(f"/v1/{name}")).json for name in LISTS]
    asked = 0
    for template, row in DESCRIPTION["paths"].items():
        if "{" not in template:
            continue
        root = template[: template.index("{")]
        assert root in objects, f"{template}: an object of it is needed here"
        for one in objects[root]:
            for method in row:
                ends = next((end for end in BODIES if template.endswith(end) and method in ("post", "put")), None)
                body = {"json": BODIES[ends]} if ends else {}
                query = "?reason=other" if template.startswith("/v1/operation") or template.endswith("/return") else ""
                path = re.sub(r"\{[a-z]+\}", one, template) + query
                answer = await site.call(method.upper(), path, who="beta", **body)
                assert answer.status == 404, (method, path, answer.status, answer.json)
                asked += 1
    assert asked > 40
    after = [(await site.get(f"/v1/{name}")).json for name in LISTS]
    assert after == before
