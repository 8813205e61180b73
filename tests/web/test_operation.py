"""The operator's calls: no other account finds them, and each says why."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.ports import Periods
from tests.conftest import FakeClock
from tests.web.conftest import Network, Site, invoice


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/reconcile"),
        ("POST", "/v1/reconcile/confirm"),
        ("POST", "/v1/operation/purge"),
        ("POST", f"/v1/operation/documents/{'0' * 32}/erase?reason=so"),
    ],
)
async def test_only_the_operator_finds_them(site: Site, method: str, path: str) -> None:
    assert (await site.call(method, path, who="beta")).status == 404


async def test_a_document_is_held_released_and_erased(site: Site, network: Network, clock: FakeClock) -> None:
    network.answer = "yes"
    id_ = (await site.submit(invoice())).json["id"]
    where = f"/v1/operation/documents/{id_}"
    assert (await site.call("POST", f"{where}/erase?reason=asked")).status == 409  # it is on its way
    await site.gateway.worker.run_once()
    assert (await site.call("POST", f"{where}/erase")).status == 400  # why?
    assert (await site.call("POST", f"{where}/hold?reason=court")).json["held"] is True
    assert (await site.call("POST", f"{where}/erase?reason=asked")).status == 409
    assert (await site.call("POST", f"{where}/release?reason=done")).json["held"] is False
    assert (await site.call("POST", f"{where}/erase?reason=asked")).json["erased"] is True
    assert (await site.get(f"/v1/documents/{id_}/content")).status == 404
    assert (await site.get(f"/v1/documents/{id_}")).json["sender_name"] in ("", None)


async def test_what_would_be_erased_is_told_before_it_is(site: Site, network: Network, clock: FakeClock) -> None:
    network.answer = "yes"
    await site.submit(invoice())
    await site.gateway.worker.run_once()
    object.__setattr__(site.gateway, "periods", Periods(payloads=timedelta(days=30)))
    clock.forward(days=31)
    told = (await site.call("POST", "/v1/operation/purge?dry_run=yes")).json
    assert told == {"dry_run": True, "documents": {"payloads": 1, "evidence": 0, "timeline": 0, "keys": 0, "scans": 0}}
    assert (await site.call("POST", "/v1/operation/purge")).json["documents"]["payloads"] == 1
    assert (await site.call("POST", "/v1/operation/purge?dry_run=yes")).json["documents"]["payloads"] == 0
