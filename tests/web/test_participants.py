"""For whom an account receives."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model.identifiers import ParticipantId
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from tests.web.conftest import THEIRS, Site

GOOD = {"id": THEIRS, "name": "Nordisk Kontorsmaterial AB", "country": "se"}


async def test_a_participant_is_added_listed_replaced_and_removed(site: Site) -> None:
    added = await site.call("POST", "/v1/participants", json=GOOD)
    assert (added.status, added.headers["Location"]) == (201, f"/v1/participants/{THEIRS}")
    assert {k: added.json[k] for k in ("id", "name", "country", "delivery")} == GOOD | {
        "country": "SE",
        "delivery": "default",
    }
    assert len(added.json["document_types"]) == 2
    assert added.json.pop("warnings") == []
    assert (await site.get("/v1/participants")).json == {"items": [added.json], "next": None}
    pairs = [{"document_type": str(BILLING_INVOICE), "process": str(BILLING_PROCESS)}]
    replaced = await site.call("POST", "/v1/participants", json=GOOD | {"delivery": "erp", "document_types": pairs})
    assert (replaced.status, replaced.json["delivery"], replaced.json["document_types"]) == (200, "erp", pairs)
    assert (await site.get(f"/v1/participants/{THEIRS}")).json | {"warnings": []} == replaced.json
    assert (await site.call("DELETE", f"/v1/participants/{THEIRS}")).status == 204
    assert (await site.get(f"/v1/participants/{THEIRS}")).status == 404
    assert (await site.call("DELETE", f"/v1/participants/{THEIRS}")).status == 404


async def test_a_participant_of_another_account_is_409_and_stays_as_it_is(site: Site) -> None:
    await site.call("POST", "/v1/participants", json=GOOD)
    answer = await site.call("POST", "/v1/participants", json={"id": THEIRS, "name": "x"}, who="beta")
    assert (answer.status, answer.json["type"]) == (409, "/problems/conflict")
    standing = await site.gateway.store.participant(ParticipantId.parse(THEIRS))
    assert standing is not None
    assert (standing.account, standing.name) == ("alpha", GOOD["name"])


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id": "5567212047"}, "/id"),
        ({"id": None}, "/id"),
        ({"id": "9955:SE556012579001"}, "/id"),
        ({"id": "9909:NO991825827MVA"}, "/id"),
        ({"id": "0007:556721-2047"}, "/id"),
        ({"id": 7}, "/id"),
        ({"country": "Sweden"}, "/country"),
        ({"country": "ß1"}, "/country"),
        ({"delivery": "pigeon"}, "/delivery"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"account": "beta"}, "/account"),
        ({"document_types": "all"}, "/document_types"),
        ({"document_types": [{"document_type": "x", "process": "y"}]}, "/document_types/0"),
        ({"document_types": [{"document_type": str(BILLING_INVOICE)}]}, "/document_types/0"),
        ({"document_types": [{"document_type": "urn:x::Invoice##urn:b*::2.1", "process": "y"}]}, "/document_types/0"),
        ({"document_types": [{"document_type": "\ud800::a##b::2.1", "process": "y"}]}, "/document_types/0"),
    ],
)
async def test_a_value_that_is_not_possible_is_422_with_its_place(
    site: Site, change: dict[str, Any], pointer: str
) -> None:
    answer = await site.call("POST", "/v1/participants", json=GOOD | change)
    assert (answer.status, answer.json["type"]) == (422, "/problems/invalid-value")
    assert pointer in [row["pointer"] for row in answer.json["errors"]]
    assert (await site.get("/v1/participants")).json["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"id": "0007:5567212047", "id": "0007:5566778899"}',
        b'{"name": NaN}',
        b'{"name": ' + b"9" * 10_000 + b"}",
        b'{"name":' + b"[" * 30_000,
    ],
    ids=["empty", "list", "cut", "not text", "name twice", "NaN", "long number", "deep"],
)
async def test_a_body_that_is_not_good_json_is_400(site: Site, body: bytes) -> None:
    answer = await site.call("POST", "/v1/participants", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.json["type"]) == (400, "/problems/invalid-request")


async def test_a_lone_surrogate_is_refused_and_breaks_nothing(site: Site) -> None:
    body = b'{"id": "0007:5567212047", "name": "\\ud800", "\\ud800": 1}'
    answer = await site.call("POST", "/v1/participants", data=body, headers={"Content-Type": "application/json"})
    assert answer.status == 422


async def test_a_large_or_foreign_body_is_refused(site: Site) -> None:
    json_type = {"Content-Type": "application/json"}
    assert (await site.call("POST", "/v1/participants", data=b" " * 70_000, headers=json_type)).status == 413
    assert (
        await site.call("POST", "/v1/participants", data=b"{}", headers={"Content-Type": "text/plain"})
    ).status == 415


async def test_the_answer_says_what_is_odd_and_what_to_write_instead(site: Site) -> None:
    odd = await site.call("POST", "/v1/participants", json={"id": "0007:5567212048"})
    assert (odd.status, len(odd.json["warnings"])) == (201, 1)
    assert "check digit" in odd.json["warnings"][0]
    gone = await site.call("POST", "/v1/participants", json={"id": "9955:SE556012579001"})
    assert gone.json["errors"][0]["message"].startswith("9955 (SE:VAT) was removed in 2023, use 0007:5560125790.")
