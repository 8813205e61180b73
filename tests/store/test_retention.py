"""What is older than its period is erased; nothing unfinished ever is; a trace stays."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect
from store_parts import EXEMPEL, StillClock, outgoing, plain

from gateway.errors import Conflict, NotFound, StoreUnavailable
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import Event
from gateway.model.message import Evidence, PayloadKind
from gateway.model.scan import Field, Scan, ScanState
from gateway.ports import Erased, Periods
from gateway.store import SqlStore
from gateway.store.database import make_missing

LARGE = os.urandom(150_000)
NAME = b"Canary the Person"
YEAR, DAY = timedelta(days=365), timedelta(days=1)
PROOF = Evidence(kind="receipt", media_type="text/plain", octets=b"receipt of " + NAME)


async def end(store: SqlStore, clock: StillClock, *events: str) -> list[DocumentId]:
    """Documents that ended so long ago; each with a large payload in a file and a proof."""
    ids = [DocumentId(f"{event}-{place}".lower()) for place, event in enumerate(events)]
    for id_ in ids:
        await store.add_once(outgoing(id_, key=id_, octets=LARGE + id_.encode(), next_attempt=clock.now()))
    for message in await store.claim("worker", 100, 60):
        name = next(e for e in events if message.id.startswith(e.lower()))
        if name != "Waiting":
            await store.record(message, Event(name=name, reason=f"to {NAME!r}"), (PROOF,))  # type: ignore[arg-type]
    return ids


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "var/payloads").glob("??/*") if path.is_file()]


def count(folder: Path, query: str) -> int:
    return int(plain(folder, query)[0][0])


async def test_only_what_has_ended_and_is_old_enough_is_erased(
    store: SqlStore, clock: StillClock, tmp_path: Path
) -> None:
    sent, *unfinished = await end(store, clock, "Sent", "GaveUp", "LostTrack", "Waiting")
    periods = Periods(payloads=YEAR)
    clock.time += YEAR - DAY
    assert await store.retention.due(periods) == Erased() == await store.retention.purge(periods, "test")
    clock.time += 2 * DAY
    assert await store.retention.due(periods) == Erased(payloads=1)
    assert len(files(tmp_path)) == 4
    assert await store.retention.purge(periods, "test") == Erased(payloads=1)
    assert len(files(tmp_path)) == 3
    with pytest.raises(NotFound):
        await store.payload(sent, PayloadKind.DOCUMENT)
    for id_ in unfinished:
        assert await store.payload(id_, PayloadKind.DOCUMENT)
    assert [e.event for e in await store.timeline(EXEMPEL, sent)][-1] == "Erased"
    assert len(await store.evidence(EXEMPEL, sent)) == 1  # has a period of its own
    assert await store.retention.purge(periods, "test") == Erased()  # once is enough


async def test_a_repeat_is_known_until_the_key_goes_and_then_a_tombstone_stays(
    store: SqlStore, clock: StillClock, tmp_path: Path
) -> None:
    (sent,) = await end(store, clock, "Sent")
    before = await store.operation.ledger()
    all_but_keys = Periods(payloads=DAY, evidence=DAY, timeline=DAY)
    clock.time += 400 * DAY
    assert await store.retention.purge(all_but_keys, "test") == Erased(payloads=1, evidence=1, timeline=1)
    assert [e.event for e in await store.timeline(EXEMPEL, sent)] == ["Erased"]
    again = outgoing("again", key=sent, octets=LARGE + sent.encode())
    assert not (await store.add_once(again)).new  # the key is known, whatever else is gone
    assert await store.retention.purge(Periods(keys=400 * DAY - timedelta(hours=1)), "test") == Erased(keys=1)
    with pytest.raises(NotFound):
        await store.get(EXEMPEL, sent)
    for table in ("message", "event", "payload", "evidence"):
        assert count(tmp_path, f"SELECT count(*) FROM {table}") == 0, table
    assert [tuple(row) for row in plain(tmp_path, "SELECT id, state FROM tombstone")] == [(sent, "SENT")]
    after = (await store.operation.ledger()).events
    assert {name: after[name] for name in before.events} == before.events  # counters never go back


async def test_what_is_held_stays_and_a_document_can_be_erased_by_word(
    store: SqlStore, clock: StillClock, tmp_path: Path
) -> None:
    sent, waiting = await end(store, clock, "Sent", "Waiting")
    retention, periods = store.retention, Periods(payloads=DAY)
    clock.time += 30 * DAY
    await retention.hold(sent, "account main", "a court asked", on=True)
    assert await retention.purge(periods, "test") == Erased()
    for id_ in (sent, waiting):
        with pytest.raises(Conflict, match="not finished, or under a legal hold"):
            await retention.erase(id_, "account main", "asked by the person")
    await retention.hold(sent, "account main", "the court is done", on=False)
    await retention.erase(sent, "account main", "asked by the person")
    message = await store.get(EXEMPEL, sent)
    assert (message.seller_name, message.buyer_name, message.number, message.amount) == ("", "", "", None)
    assert message.message_id and message.sha256 and message.state == "SENT"
    assert await store.evidence(EXEMPEL, sent) == []
    about = (
        "message WHERE id = ?",
        "event WHERE message = ?",
        "payload WHERE message = ?",
        "evidence WHERE message = ?",
    )
    dump = str([tuple(row) for table in about for row in plain(tmp_path, f"SELECT * FROM {table}", sent)])
    actions = [tuple(row) for row in plain(tmp_path, "SELECT action, message FROM audit ORDER BY number")]
    assert NAME.decode() not in dump and "Exempel" not in dump
    assert actions == [("held", sent), ("released", sent), ("erased", sent)]
    with pytest.raises(NotFound):
        await retention.erase(DocumentId("nobody"), "account main", "asked")


async def scanned(store: SqlStore, clock: StillClock, id_: str, state: ScanState, document: str = "") -> Scan:
    """A file that came in, with what was read of it and a picture."""
    now = clock.now()
    new = Scan(id=id_, account=EXEMPEL, key=id_, state=ScanState.TAKEN, source="mail", created=now, updated=now)
    new = replace(new, sender=NAME.decode(), file_name=f"{NAME.decode()}.pdf")
    begun = await store.reviews.begin(new, LARGE + id_.encode(), (PROOF,))
    fields = {"supplier_name": Field(name="supplier_name", value=NAME.decode(), has_crop=True)}
    after = replace(begun.scan, state=state, document=document, reason=NAME.decode(), fields=fields)
    return await store.reviews.settle(begun.scan, after, {"supplier_name": b"\x89PNG" + NAME})


def of_scans(folder: Path) -> str:
    return str([tuple(row) for table in ("scan", "scan_crop") for row in plain(folder, f"SELECT * FROM {table}")])


async def test_a_file_that_cannot_be_erased_is_told(
    store: SqlStore, clock: StillClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (sent,) = await end(store, clock, "Sent")
    monkeypatch.setattr(Path, "unlink", broken)
    with pytest.raises(StoreUnavailable, match="cannot be removed"):
        await store.retention.erase(sent, "account main", "asked by the person")
    monkeypatch.undo()
    assert len(files(tmp_path)) == 1


async def test_a_file_on_paper_is_erased_with_its_document_and_so_is_one_that_repeats_it(
    store: SqlStore, clock: StillClock, tmp_path: Path
) -> None:
    (sent,) = await end(store, clock, "Sent")
    for id_, state in (("became", ScanState.ACCEPTED), ("repeats", ScanState.DUPLICATE)):
        await scanned(store, clock, id_, state, sent)
    await store.retention.erase(sent, "account main", "asked by the person")
    assert NAME.decode() not in of_scans(tmp_path) and not files(tmp_path)
    for ask in (store.reviews.octets(EXEMPEL, "became"), store.reviews.crop(EXEMPEL, "became", "supplier_name")):
        with pytest.raises(NotFound):
            await ask
    assert (await store.reviews.get(EXEMPEL, "became")).sha256
    with pytest.raises(NotFound):
        await store.reviews.get(EXEMPEL, "nobody")
    again = replace(await store.reviews.get(EXEMPEL, "became"), id="again")
    assert not (await store.reviews.begin(again, LARGE)).new  # a repeat is still known
    clock.time += 500 * DAY
    assert await store.retention.purge(Periods(keys=400 * DAY), "test") == Erased(keys=1)
    assert of_scans(tmp_path) == "[]"


async def test_finished_files_on_paper_follow_the_payloads_and_what_waits_for_a_person_stays(
    store: SqlStore, clock: StillClock, tmp_path: Path
) -> None:
    held, waiting = await end(store, clock, "Sent", "Waiting")
    await store.retention.hold(held, "account main", "a court asked", on=True)
    await scanned(store, clock, "refused", ScanState.REFUSED)
    await scanned(store, clock, "asked", ScanState.REVIEW)
    await scanned(store, clock, "held", ScanState.ACCEPTED, held)
    await scanned(store, clock, "unfinished", ScanState.ACCEPTED, waiting)
    periods = Periods(payloads=YEAR)
    clock.time += YEAR - DAY
    assert await store.retention.due(periods) == Erased() == await store.retention.purge(periods, "test")
    clock.time += 2 * DAY
    assert await store.retention.due(Periods(evidence=DAY)) == Erased()
    assert await store.retention.due(periods) == Erased(scans=1)
    assert await store.retention.purge(periods, "test") == Erased(scans=1)
    assert await store.retention.purge(periods, "test") == Erased()
    with pytest.raises(NotFound):
        await store.reviews.octets(EXEMPEL, "refused")
    for id_ in ("asked", "held", "unfinished"):
        assert await store.reviews.octets(EXEMPEL, id_) == LARGE + id_.encode()
    await store.retention.hold(held, "account main", "done", on=False)
    assert await store.retention.purge(periods, "test") == Erased(payloads=1, scans=1)


async def test_a_file_that_a_kill_left_behind_is_swept(store: SqlStore, clock: StillClock, tmp_path: Path) -> None:
    await end(store, clock, "Sent")
    (kept,) = files(tmp_path)
    left = kept.with_name("left.document.0123456789abcdef")
    left.write_bytes(b"x")
    young = kept.with_name("young.document.0123456789abcdef")
    young.write_bytes(b"x")
    for path in (left, kept):
        os.utime(path, (0, 0))
    await store.retention.purge(Periods(payloads=YEAR), "test")
    assert sorted(files(tmp_path)) == sorted([kept, young])


async def test_a_duty_is_done_once_over_all(store: SqlStore, tmp_path: Path) -> None:
    done = [await store.retention.once("retention", "2026-11-28", f"process {n}") for n in (1, 2)]
    assert done == [True, False]
    assert await store.retention.once("retention", "2026-11-29", "process 2")
    assert count(tmp_path, "SELECT count(*) FROM duty") == 1


async def test_an_older_store_gets_the_index_by_which_a_file_is_found_with_its_document(
    store: SqlStore, clock: StillClock, tmp_path: Path
) -> None:
    await store.operation.write(lambda connection: connection.exec_driver_sql("DROP INDEX scan_document"))
    await store.operation.write(make_missing)  # as a start of this program on the store of an earlier one does
    names = await store._reads.read(lambda c: [index["name"] for index in inspect(c).get_indexes("scan")])
    assert "scan_document" in names
