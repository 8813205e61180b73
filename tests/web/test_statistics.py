"""Statistics and price lists over the API."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.exchange.following import Following
from tests.web.conftest import Site, invoice


async def _statistics(site: Site, who: str = "alpha", query: str = "") -> Any:
    return (await site.call("GET", f"/v1/statistics{query}", who=who)).json


async def test_what_went_out_and_came_in_is_counted_with_its_money(site: Site) -> None:
    site.gateway.outbound.lookup.answer = "yes"  # type: ignore[attr-defined]
    for number in range(3):
        await site.submit(invoice(str(number)), key=str(number))
    await site.gateway.worker.run_once()
    await site.receive()
    assert await Following(follower=site.gateway.store.money).catch_up()
    found = await _statistics(site)
    rows = {(row["direction"], row["channel"]): row for row in found["items"]}
    sent = rows["out", "peppol"]
    assert (sent["documents"], sent["cost"], sent["paper_cost"], sent["saved"]) == (3, "4.50", "49.50", "45.00")
    assert rows["in", "peppol"]["documents"] == 1
    assert found["total"]["documents"] == 4 and found["total"]["electronic_share"] == 100
    assert found["total"]["money"]["SEK"]["saved"] == "55.50"
    assert [month["month"] for month in found["months"]] == [sent["month"]]
    basis = await site.get("/v1/statistics/basis", headers={"Accept": "text/csv"})
    assert basis.headers["Content-Type"].startswith("text/csv")
    assert basis.body.decode().splitlines()[0] == "direction,channel,country,documents,price,amount,currency"
    assert "out,peppol,SE,3,1.50,4.50,SEK" in basis.body.decode().splitlines()
    assert (await _statistics(site, who="beta"))["total"]["documents"] == 0


async def test_a_price_list_is_replaced_and_given_back(site: Site) -> None:
    before = (await site.get("/v1/prices")).json
    assert before["own"] is False and before["items"]
    own = [
        {"channel": "peppol", "since": "2026-01-01", "amount": "2.10"},
        {
            "channel": "print",
            "country": "SE",
            "since": "2026-02-01",
            "amount": "17.00",
            "share": 50,
            "note": "contract",
        },
    ]
    after = (await site.call("PUT", "/v1/prices", json={"items": own})).json
    assert after["own"] is True and after == (await site.get("/v1/prices")).json
    assert [(one["channel"], one["amount"], one["share"]) for one in after["items"]] == [
        ("peppol", "2.10", 0),
        ("print", "17.00", 50),
    ]
    assert (await site.get("/v1/prices", who="beta")).json["own"] is False


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"channel": "pigeon"}, "/items/0/channel"),
        ({"country": "sverige"}, "/items/0/country"),
        ({"since": "2026-02-30"}, "/items/0/since"),
        ({"amount": "-1"}, "/items/0/amount"),
        ({"amount": "NaN"}, "/items/0/amount"),
        ({"amount": 1.5}, "/items/0/amount"),
        ({"share": 101}, "/items/0/share"),
        ({"currency": "kr"}, "/items/0/currency"),
        ({"note": "a\nb"}, "/items/0/note"),
        ({"pris": "1"}, "/items/0/pris"),
    ],
)
async def test_a_price_that_is_none_is_named_and_changes_nothing(
    site: Site, change: dict[str, Any], pointer: str
) -> None:
    good = {"channel": "peppol", "since": "2026-01-01", "amount": "2.10"}
    answer = await site.call("PUT", "/v1/prices", json={"items": [good | change]})
    assert answer.status == 400 and answer.json["errors"][0]["pointer"] == pointer
    assert (await site.get("/v1/prices")).json["own"] is False


async def test_two_prices_for_the_same_day_and_odd_months_are_refused(site: Site) -> None:
    good = {"channel": "peppol", "since": "2026-01-01", "amount": "2.10"}
    answer = await site.call("PUT", "/v1/prices", json={"items": [good, good]})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "/items/1")
    for query in ("?from=2026-13", "?to=nov", "?from=2026-11&to=2026-01", "?months=3"):
        assert (await site.get(f"/v1/statistics{query}")).status == 400
