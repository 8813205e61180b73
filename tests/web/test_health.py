"""What probes and Prometheus are told."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace

import pytest

from gateway.errors import StoreUnavailable
from gateway.web import health
from tests.conftest import FakeClock
from tests.web.conftest import Site, invoice


async def test_ready_when_the_store_writes_and_the_worker_runs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CACHE_SECONDS", 0.0)
    assert (await site.client.get("/livez")).status == 200
    answer = await site.get("/readyz")
    assert (answer.status, answer.json["ready"], answer.json["checks"]["worker"]) == (503, False, "it does not run")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(site.gateway.worker.run())
        await asyncio.sleep(0.05)
        answer = await site.get("/readyz")
        site.gateway.worker.stop()
    names = ("store", "disk", "space", "queue", "clock", "keys", "reconcile", "worker")
    assert (answer.status, answer.json) == (200, {"ready": True, "checks": dict.fromkeys(names, "ok")})


async def test_not_ready_says_what_is_wrong_and_no_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> None:
        raise StoreUnavailable("The database cannot be used: /secret/path")

    def full(_: object) -> None:
        raise OSError(30, "Read-only file system", "/secret/path")

    monkeypatch.setattr(
        site.gateway.store, "operation", SimpleNamespace(probe=broken, gap=site.gateway.store.operation.gap)
    )
    monkeypatch.setattr(health, "_sync_probe", full)
    monkeypatch.setattr(
        site.gateway.door, "room", SimpleNamespace(shortage=lambda: "The disk of /secret/path has 1 MB free")
    )
    site.gateway.timekeeping.wall = lambda: 0.0
    async with site.client.get("/readyz") as answer:
        body = await answer.json()
    assert answer.status == 503
    assert {name for name, text in body["checks"].items() if text != "ok"} == {
        "store",
        "disk",
        "space",
        "clock",
        "worker",
    }
    assert "Read-only" in body["checks"]["disk"] and "1970" in body["checks"]["clock"]
    assert "secret" not in str(body)
    assert (await site.client.get("/livez")).status == 200


async def test_many_probes_ask_the_disk_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def count(_: object) -> None:
        nonlocal asked
        asked += 1

    monkeypatch.setattr(health, "_sync_probe", count)
    await asyncio.gather(*(site.get("/readyz") for _ in range(20)))
    assert asked == 1


async def test_who_is_about_to_stop_is_not_ready_and_goes_on(site: Site) -> None:
    site.gateway.draining.set()
    answer = await site.get("/readyz")
    assert (answer.status, answer.json["checks"]["stopping"]) == (503, "it is about to stop")
    assert (await site.submit(invoice())).status == 202


async def test_documents_that_nobody_takes_up_make_it_not_ready(
    site: Site, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.gateway.door.store = site.gateway.store
    assert (await site.submit(invoice())).status == 202
    clock.forward(minutes=6)
    assert (await site.get("/readyz")).json["checks"]["queue"] == "ok"  # the worker has been at work of late
    site.gateway.worker.claimed_last -= 400
    monkeypatch.setattr(health, "CACHE_SECONDS", 0.0)
    assert (await site.get("/readyz")).json["checks"]["queue"].startswith("1 documents should have been worked on")


async def test_metrics_are_prometheus_text(site: Site) -> None:
    await site.get("/v1/documents")
    async with site.client.get("/metrics") as answer:
        text = await answer.text()
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert 'gateway_http_answers_total{status="200"} 1' in text
    for line in text.splitlines():
        assert line.startswith("# ") or re.fullmatch(
            r"[a-z_0-9]+(\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\})? -?[0-9.]+", line
        ), line
