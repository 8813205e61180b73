"""The counters of documents equal the rows of the store."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from gateway.serving.meters import RECEIPTS, Meters, histogram
from tests.conftest import FakeClock
from tests.web.conftest import Network, Site, invoice


async def series(site: Site) -> dict[str, float]:
    async with site.client.get("/metrics") as answer:
        text = await answer.text()
    return {name: float(value) for name, value in re.findall(r"^([a-z]\S*) (\S+)$", text, re.MULTILINE)}


def events(folder: Path) -> dict[tuple[str, str], int]:
    with sqlite3.connect(folder / "gateway.db") as plain:
        counted = "SELECT m.direction, e.event, count(*) FROM event e JOIN message m ON m.id = e.message GROUP BY 1, 2"
        return {(direction, event): number for direction, event, number in plain.execute(counted)}


async def test_counters_equal_the_rows_of_the_store(
    site: Site, network: Network, clock: FakeClock, tmp_path: Path
) -> None:
    worker = site.gateway.worker
    site.gateway.door.store = site.gateway.store
    network.answer = "yes"
    for number in range(4):
        assert (await site.submit(invoice(str(number)), key=f"k{number}")).status == 202
    assert (await site.submit(invoice("0"), key="k0")).status == 202  # a repeat is no document
    assert (await site.submit(b"<a/>")).status == 422
    await worker.run_once()
    network.answer = "no"
    rejected = await site.submit(invoice("5"), query="?route=peppol")
    await worker.run_once()
    network.answer = "silent"
    given_up = await site.submit(invoice("6"))
    await worker.run_once()
    clock.forward(days=6)
    await worker.run_once()
    await site.receive()
    acknowledged = await site.receive()
    await site.call("POST", f"/v1/inbox/{acknowledged}/ack")
    await site.call("POST", f"/v1/documents/{given_up.json['id']}/requeue")

    found, rows = await series(site), events(tmp_path)

    def row(direction: str, *names: str) -> int:
        return sum(rows.get((direction, name), 0) for name in names)

    expected = {
        "received_total": row("in", "Received", "Repeated"),
        "duplicate_total": row("in", "Repeated"),
        "accepted_total": row("out", "Accepted"),
        "sent_total": row("out", "Sent"),
        "dispatched_total": row("out", "Dispatched"),
    }
    both = {"delivered": "Delivered", "rejected": "Rejected", "dead_lettered": "GaveUp", "unknown_outcome": "LostTrack"}
    for name, event in {**both, "requeued": "Requeued", "postponed": "Postponed"}.items():
        expected |= {f'{name}_total{{direction="{d}"}}': row(d, event) for d in ("in", "out")}
    assert {name: found[f"gateway_documents_{name}"] for name in expected} == expected
    # The rows are what was done above, so that a counter that is always nought would be seen.
    assert (expected["accepted_total"], expected["received_total"], expected["sent_total"]) == (6, 2, 4)
    assert expected['delivered_total{direction="in"}'] == expected['requeued_total{direction="out"}'] == 1
    assert expected['rejected_total{direction="out"}'] == expected['dead_lettered_total{direction="out"}'] == 1
    assert found['gateway_documents_in_trouble{direction="out",state="REJECTED"}'] == 1
    assert found["gateway_documents_waiting"] == 1 and found["gateway_door_open"] == 1
    assert rejected.status == 202


def test_a_histogram_has_every_bound_and_all_of_them_together() -> None:
    meters = Meters()
    for seconds in (0.002, 0.02, 0.02, 700.0):
        meters.answered("receipt", seconds)
    meters.answered("EBMS:0101", 0.001)
    rows, seconds = histogram(meters.counts, RECEIPTS)
    assert dict(rows) | {"0.01": 1, "0.025": 3, "60": 3, "+Inf": 4} == dict(rows)
    assert [n for _, n in rows] == sorted(n for _, n in rows)
    assert seconds == 700.042
    assert meters.counts["as4 EBMS:0101"] == 1
