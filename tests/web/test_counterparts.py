"""Counterparts, ways and proposals over the API: good cases, bad ones, and nothing of another account."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.exchange.reaching import WHY_NOT
from gateway.model.counterpart import CounterpartId
from gateway.model.identifiers import AccountId
from gateway.model.message import Direction
from gateway.model.proposal import Proposal, ProposalId
from gateway.model.relation import Reason
from gateway.ports import Changes
from tests.web.conftest import Site

GOOD = {"role": "customer", "number": "K1", "name": "Exempelkund 1 AB", "country": "SE"}


async def _added(site: Site, **more: Any) -> dict[str, Any]:
    answer = await site.call("POST", "/v1/counterparts", json=GOOD | more)
    assert answer.status in (200, 201), answer.json
    found: dict[str, Any] = answer.json
    return found


async def test_one_is_added_changed_found_and_forgotten(site: Site) -> None:
    first = await _added(site)
    assert (first["name"], first["number"], first["role"]) == ("Exempelkund 1 AB", "K1", "customer")
    again = await _added(site, name="Exempelkund Ett AB")
    assert again["id"] == first["id"] and again["name"] == "Exempelkund Ett AB"
    path = f"/v1/counterparts/{first['id']}"
    changed = await site.call("PUT", path, json={"preferred": "print"})
    assert changed.status == 200 and changed.json["name"] == "Exempelkund Ett AB"
    listed = (await site.get("/v1/counterparts?q=ett")).json["items"]
    assert [one["id"] for one in listed] == [first["id"]]
    assert (await site.get(path)).json["relations"] == []
    assert (await site.call("DELETE", path)).status in (200, 204)
    assert (await site.get(path)).status == 404


async def test_nothing_of_another_account_is_there(site: Site) -> None:
    path = f"/v1/counterparts/{(await _added(site))['id']}"
    assert (await site.get("/v1/counterparts", who="beta")).json["items"] == []
    for method, body in (("GET", None), ("PUT", {"name": "X"}), ("DELETE", None)):
        assert (await site.call(method, path, who="beta", **({"json": body} if body else {}))).status == 404
    assert (await site.get(path)).status == 200


@pytest.mark.parametrize(
    "change",
    [{"role": "friend"}, {"name": ""}, {"country": "Sverige"}, {"route": "pigeon"}, {"colour": "blue"}],
)
async def test_what_cannot_be_is_named_and_changes_nothing(site: Site, change: dict[str, Any]) -> None:
    answer = await site.call("POST", "/v1/counterparts", json=GOOD | change)
    assert 400 <= answer.status < 500 and answer.json["errors"], answer.json
    (field,) = change
    assert any(field in str(one) for one in answer.json["errors"])
    assert (await site.get("/v1/counterparts")).json["items"] == []


async def test_a_register_is_read_line_by_line(site: Site) -> None:
    lines = ("number;name;org_number;country", "K1;Exempelkund 1 AB;556721-2047;SE")
    text = "\n".join((*lines, "K2;;556721-2047;SE", "K3;Exempel AB;556721-2048;SE", ""))
    headers = {"Content-Type": "text/csv"}
    answer = await site.call("POST", "/v1/counterparts/import", data=text.encode("utf-8-sig"), headers=headers)
    assert answer.status == 200, answer.json
    names = [one["name"] for one in (await site.get("/v1/counterparts")).json["items"]]
    assert "Exempelkund 1 AB" in names and "" not in names
    assert "K3" in str(answer.json) or "4" in str(answer.json)


async def test_what_a_file_does_not_say_of_an_address_stays(site: Site) -> None:
    headers = {"Content-Type": "text/csv"}
    first = (
        "number;name;street;extra_line;postal_code;city;country\nK1;Exempel AB;Storgatan 1;Plan 2;111 22;Stockholm;SE\n"
    )
    await site.call("POST", "/v1/counterparts/import", data=first.encode(), headers=headers)
    then = "number;name;street;country\nK1;Exempel AB;Storgatan 3;SE\n"
    answer = await site.call("POST", "/v1/counterparts/import", data=then.encode(), headers=headers)
    assert answer.json["changed"] == 1
    address = (await site.get("/v1/counterparts")).json["items"][0]["address"]
    assert (address["street"], address["extra_line"], address["city"]) == ("Storgatan 3", "Plan 2", "Stockholm")


async def test_what_was_written_out_and_is_read_in_again_changes_nothing(site: Site) -> None:
    text = (
        "number;name;org_number;vat_number;country\nK1;=Exempel & Co;;DE136695976;DE\nK2;Exempel AB;556721-2047;;SE\n"
    )
    headers = {"Content-Type": "text/csv"}
    await site.call("POST", "/v1/counterparts/import", data=text.encode(), headers=headers)
    before = (await site.get("/v1/counterparts")).json["items"]
    assert len(before) == 2
    written = await site.get("/v1/counterparts/export?role=customer")
    assert written.headers["Content-Type"].startswith("text/csv") and b"\n=" not in written.body
    assert b";=Exempel" not in written.body, "a spreadsheet would run it"
    answer = await site.call("POST", "/v1/counterparts/import", data=written.body, headers=headers)
    assert (answer.json["new"], answer.json["changed"], answer.json["wrong"]) == (0, 0, 0), answer.json
    assert (await site.get("/v1/counterparts")).json["items"] == before
    assert (await site.get("/v1/counterparts/export?role=customer", who="beta")).body.count(b"\n") == 1


async def test_ways_to_a_party_are_ranked_with_what_proves_them(site: Site) -> None:
    site.gateway.lookup.answer = "yes"  # type: ignore[attr-defined]
    found = (await site.get("/v1/relations?party=5567212047&country=SE")).json["items"]
    assert (found[0]["rank"], found[0]["channel"], found[0]["verdict"]) == (1, "peppol", "positive")
    assert found[0]["participant"] == "0007:5567212047"
    site.gateway.lookup.answer = "silent"  # type: ignore[attr-defined]
    found = (await site.get("/v1/relations?party=5567212047&country=SE")).json["items"]
    assert {one["verdict"] for one in found if one["channel"] == "peppol"} == {"indeterminate"}
    assert set(WHY_NOT) == set(Reason)
    site.gateway.lookup.answer = "no"  # type: ignore[attr-defined]
    found = (await site.get("/v1/relations?party=5567212047&country=SE")).json["items"]
    no = next(one for one in found if one.get("participant") == "0007:5567212047")
    assert no["reason_sv"] == "0007:5567212047 tar inte emot e-fakturor: numret finns inte i nätverkets register"
    for query in ("", "?party=", "?party=1&country=SWE", "?partei=1"):
        assert (await site.get(f"/v1/relations{query}")).status == 400


async def _proposed(site: Site) -> str:
    party = await _added(site, preferred="print")
    now = site.gateway.clock.now()
    proposal = Proposal(
        id=ProposalId("p1"),
        account=AccountId("alpha"),
        counterpart=CounterpartId(party["id"]),
        direction=Direction.OUT,
        from_channel="print",
        participant="0007:5567212047",
        volume=12,
        saving=Decimal("180.00"),
        text_sv="Flytta Exempelkund 1 AB",
        text_en="Move Exempelkund 1 AB",
        created=now,
        updated=now,
    )
    await site.gateway.store.relations.commit(Changes(proposals=((proposal, None),)))
    return "/v1/proposals/p1"


async def test_a_proposal_is_shown_with_its_money_and_decided_once(site: Site) -> None:
    path = await _proposed(site)
    page = (await site.get("/v1/proposals")).json
    assert page["summary"]["count"] == 1 and page["summary"]["saving"] == {"value": "180.00", "currency": "SEK"}
    assert (await site.call("POST", f"{path}/snooze", json={"reason": "next year"})).status == 200
    assert (await site.call("POST", f"{path}/decline", json={"reason": "they want letters"})).status == 200
    shown = (await site.get(path)).json
    assert shown["state"] == "declined" and [one["event"] for one in shown["decisions"]] == ["Snoozed", "Declined"]
    assert shown["decisions"][-1]["reason"] == "they want letters"
    assert (await site.call("POST", f"{path}/snooze")).status == 409
    assert (await site.call("POST", f"{path}/decline", json={"why": "x"})).status == 400


async def test_a_proposal_of_another_account_does_not_exist(site: Site) -> None:
    path = await _proposed(site)
    assert (await site.get("/v1/proposals", who="beta")).json["items"] == []
    assert (await site.get(path, who="beta")).status == 404
    for deed in ("accept", "decline", "snooze"):
        assert (await site.call("POST", f"{path}/{deed}", who="beta")).status == 404
    assert (await site.get(path)).json["state"] == "open"


async def test_the_policy_is_replaced_and_checked(site: Site) -> None:
    assert (await site.get("/v1/relations/policy")).json["auto_accept"] == "invoice"
    saved = await site.call("PUT", "/v1/relations/policy", json={"auto_accept": "never"})
    assert saved.status == 200 and saved.json["auto_accept"] == "never"
    bad = await site.call("PUT", "/v1/relations/policy", json={"auto_accept": "perhaps"})
    assert bad.status in (400, 422) and bad.json["errors"]
    assert (await site.get("/v1/relations/policy", who="beta")).json["auto_accept"] == "invoice"


async def test_an_address_that_failed_is_listed_and_lifted_by_its_account_only(site: Site) -> None:
    path = f"/v1/counterparts/{(await _added(site, email='faktura@example.org'))['id']}"
    await site.call("PUT", path, json={"email_quality": "bad"})
    (mark,) = (await site.get("/v1/addresses")).json["items"]
    assert (mark["channel"], mark["address"], mark["cause"]) == ("email", "faktura@example.org", "said")
    assert mark["reason_sv"] and mark["remedy_sv"] and mark["remedy"]
    assert (await site.get("/v1/addresses", who="beta")).json["items"] == []
    assert (await site.call("DELETE", f"/v1/addresses/{mark['id']}", who="beta")).status == 404
    assert (await site.call("DELETE", f"/v1/addresses/{mark['id']}")).status == 204
    assert (await site.get(path)).json["email_quality"] == "unknown"
    await site.call("PUT", path, json={"email_quality": "bad"})
    assert (await site.call("PUT", path, json={"email": "ny@example.org"})).json["email_quality"] == "unknown"
    assert len((await site.get("/v1/addresses")).json["items"]) == 1, "the old address is as bad as before"
    await site.call("PUT", path, json={"email": "faktura@example.org", "email_quality": "good"})
    assert (await site.get("/v1/addresses")).json["items"] == []
