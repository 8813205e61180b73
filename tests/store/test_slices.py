"""Documents that are pieces of their parts, and receipts in the streams of their envelopes, in a real store."""

from __future__ import annotations

import asyncio
import gzip
import os
from datetime import timedelta
from pathlib import Path

import pytest
from store_parts import EXEMPEL, StillClock, message_in, only_sqlite, opened, outgoing, plain

from gateway.errors import NotFound, StateError
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import Event
from gateway.model.message import Evidence, PayloadKind
from gateway.ports import Arrival, Periods
from gateway.store import SqlStore, open_store
from gateway.store.backup import back_up
from gateway.store.moving import move
from gateway.store.restoring import restore
from tests.postgres_server import Server

HEAD, NAME = b"<StandardBusinessDocument>", b"Canary the Person"
DAY = timedelta(days=1)


def document(number: int) -> bytes:
    return b"<Invoice>%s %d " % (NAME, number) + os.urandom(200).hex().encode() + b"</Invoice>"


def coming(id: str, octets: bytes | None = None, *, at: int | None = len(HEAD), **more: object) -> Arrival:
    octets = document(1) if octets is None else octets
    part = gzip.compress(HEAD + octets + b"</StandardBusinessDocument>", mtime=0)
    return message_in(id, octets, part, at, **{"message_id": f"{id}@example.org", **more})


async def is_whole(store: SqlStore, arrival: Arrival) -> None:
    """Everything of it comes back octet for octet."""
    for kind, octets in arrival.payloads.items():
        assert await store.payload(arrival.message.id, kind) == octets
        assert await store.content(arrival.message.id, kind) == octets
    found = await store.evidence(EXEMPEL, arrival.message.id)
    assert tuple(proof for _, _, proof in found) == arrival.evidence


def packings(folder: Path, table: str) -> list[tuple[str, bool]]:
    rows = plain(folder, f"SELECT packing, octets FROM {table}")
    return sorted((packing, octets is not None) for packing, octets in rows)


async def test_a_message_has_its_octets_once_and_all_of_them_come_back(store: SqlStore, tmp_path: Path) -> None:
    arrivals = [coming("d1"), coming("d2", document(2) * 20)]
    added = await asyncio.gather(*(store.add_once(arrival) for arrival in arrivals))
    assert [one.message.sha256 for one in added] == [one.message.sha256 for one in arrivals]
    for arrival in arrivals:
        await is_whole(store, arrival)
    assert packings(tmp_path, "payload") == [("plain", True)] * 2 + [(f"slice:{len(HEAD)}", False)] * 2
    long = len(arrivals[0].evidence[0].octets)
    assert packings(tmp_path, "evidence") == [("shared:1", True)] * 2 + [(f"slice:{long}", False)] * 2


async def test_a_message_that_is_sent_has_envelope_and_receipt_in_one_stream(store: SqlStore, tmp_path: Path) -> None:
    await store.add_once(
        outgoing("d1", evidence=[Evidence(kind="original", media_type="text/plain", octets=b"x" * 90)])
    )
    (message,) = await store.claim("worker", 1, 60)
    proofs = (Evidence(kind="smp", media_type="application/xml", octets=b"<smp/>" * 9), *coming("d").evidence)
    await store.record(message, Event(name="Sent", reason="to C3", channel="peppol"), proofs)
    assert [proof for _, _, proof in await store.evidence(EXEMPEL, message.id)][1:] == list(proofs)
    assert packings(tmp_path, "evidence")[-2:] == [("shared:1", True), (f"slice:{len(proofs[1].octets)}", False)]


async def test_a_repeat_gets_the_stored_receipt_also_within_one_commit(store: SqlStore) -> None:
    octets, other = document(1), document(2)
    same = [coming(f"d{n}", octets, message_id="one@b") for n in range(4)]
    receipts = {one.receipt for one in await asyncio.gather(*(store.add_once(one) for one in same))}
    assert len(receipts) == 1 and receipts <= {one.evidence[1].octets for one in same}
    assert {(await store.add_once(one)).receipt for one in same} == receipts
    another = await store.add_once(coming("d9", other, message_id="one@b"))
    assert (another.new, another.same) == (False, False)


async def test_large_messages_and_documents_written_anew_are_kept_as_before(store: SqlStore, tmp_path: Path) -> None:
    large = os.urandom(100_000)
    arrivals = [coming("d1", large), coming("d2", at=None)]
    for arrival in arrivals:
        await store.add_once(arrival)
        await is_whole(store, arrival)
    rows = plain(tmp_path, "SELECT message, kind, packing, file FROM payload ORDER BY message, kind")
    assert [(row[0], row[2], bool(row[3])) for row in rows] == [
        ("d1", "plain", True),
        ("d1", "plain", True),
        ("d2", "deflate", False),
        ("d2", "plain", False),
    ]


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("payload", "UPDATE payload SET octets = ? WHERE kind = 'part'"),
        ("evidence", "UPDATE evidence SET octets = ? WHERE number = 1"),
        ("payload", "DELETE FROM payload WHERE kind = 'part'"),
        ("evidence", "DELETE FROM evidence WHERE number = 1"),
        ("payload", f"UPDATE payload SET packing = 'slice:{len(HEAD) + 1}' WHERE kind = 'document'"),
        ("evidence", "UPDATE evidence SET packing = 'slice:1' WHERE number = 2"),
    ],
)
async def test_a_piece_whose_host_is_damaged_or_gone_is_in_quarantine(
    store: SqlStore, tmp_path: Path, table: str, change: str
) -> None:
    arrival = coming("d1")
    await store.add_once(arrival)
    values = []
    if "?" in change:
        ((octets,),) = plain(tmp_path, f"SELECT octets FROM {table} WHERE octets IS NOT NULL")
        middle = len(octets) // 2
        values = [octets[:middle] + bytes([octets[middle] ^ 1]) + octets[middle + 1 :]]
    plain(tmp_path, change, *values)
    with pytest.raises(StateError, match="quarantined"):
        if table == "payload":
            await store.content(arrival.message.id, PayloadKind.DOCUMENT)
        else:
            await store.evidence(EXEMPEL, arrival.message.id)
    if table == "evidence":  # nobody gets a receipt that was not stored
        with pytest.raises(StateError, match="quarantined"):
            await store.add_once(arrival)
    else:
        await store.evidence(EXEMPEL, arrival.message.id)


async def test_what_is_erased_leaves_no_octets_and_what_has_a_longer_period_stays_whole(
    store: SqlStore, tmp_path: Path, clock: StillClock
) -> None:
    arrivals = {id_: coming(id_) for id_ in ("erased", "purged", "held", "young")}
    for id_ in ("erased", "purged", "held"):
        await store.add_once(arrivals[id_])
    for message in await store.claim("worker", 9, 60):
        await store.record(message, Event(name="Delivered", reason="to C4"))
    await store.retention.hold(DocumentId("held"), "test", "asked for", on=True)
    await store.retention.erase(DocumentId("erased"), "test", "asked for")
    rows = plain(tmp_path, "SELECT message FROM payload UNION ALL SELECT message FROM evidence")
    assert sorted(rows) == [("held",)] * 4 + [("purged",)] * 4
    with pytest.raises(NotFound):
        await store.payload(DocumentId("erased"), PayloadKind.DOCUMENT)

    clock.time += 3 * DAY
    await store.add_once(arrivals["young"])
    await store.retention.purge(Periods(payloads=DAY, evidence=5 * DAY), "test")
    assert sorted(plain(tmp_path, "SELECT message FROM payload")) == [("held",)] * 2 + [("young",)] * 2
    found = await store.evidence(EXEMPEL, DocumentId("purged"))
    assert tuple(proof for _, _, proof in found) == arrivals["purged"].evidence
    await is_whole(store, arrivals["held"])
    clock.time += 3 * DAY
    await store.retention.purge(Periods(payloads=DAY * 9, evidence=5 * DAY), "test")
    assert {row[0] for row in plain(tmp_path, "SELECT message FROM evidence")} == {"held", "young"}
    for id_ in ("held", "young"):
        await is_whole(store, arrivals[id_])


async def test_rows_of_an_earlier_schema_are_read_as_they_are(store: SqlStore, tmp_path: Path) -> None:
    arrival = coming("d1", at=None)
    await store.add_once(arrival)
    plain(tmp_path, "DELETE FROM evidence WHERE message = 'd1'")
    columns = "account, message, number, kind, media_type, time, sha256, size, packing, octets, file"
    for number, proof in enumerate(arrival.evidence, start=1):
        kept = await store._payloads.keep(proof.octets, "d1.proof")  # each for itself
        row = (EXEMPEL, "d1", number, proof.kind, proof.media_type, "2026-11-25T12:00:00.000000Z", *kept.columns)
        plain(tmp_path, f"INSERT INTO evidence ({columns}) VALUES ({', '.join('?' * len(row))})", *row)
    await is_whole(store, arrival)
    assert (await store.add_once(arrival)).receipt == arrival.evidence[1].octets


@only_sqlite
async def test_a_backup_that_is_brought_back_has_them(store: SqlStore, tmp_path: Path, clock: StillClock) -> None:
    arrivals = [coming("d1"), coming("d2", os.urandom(90_000)), coming("d3", at=None)]
    for arrival in arrivals:
        await store.add_once(arrival)
    assert back_up(tmp_path / "var/gateway.db", tmp_path / "var/payloads", tmp_path / "backup").damaged == ()
    restore(tmp_path / "backup", tmp_path / "new/var/gateway.db", tmp_path / "new/var/payloads")
    async with opened(tmp_path / "new", clock) as copy:
        for arrival in arrivals:
            await is_whole(copy, arrival)


async def test_they_move_to_postgresql_and_back(tmp_path: Path, clock: StillClock, postgres: Server) -> None:
    there, arrivals = postgres.new_database(), [coming("d1"), coming("d2", document(2) * 9), coming("d3", at=None)]
    async with open_store("sqlite:a.db", Path("payloads"), clock, base=tmp_path) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        for arrival in arrivals:
            await store.add_once(arrival)
    for source, target in (("sqlite:a.db", there), (there, "sqlite:b.db")):
        await move(source, target, tmp_path, lambda *_: None)
        async with open_store(target, Path("payloads"), clock, base=tmp_path) as store:
            for arrival in arrivals:
                await is_whole(store, arrival)
                assert (await store.add_once(arrival)).receipt == arrival.evidence[1].octets
