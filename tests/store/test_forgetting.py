"""What has a period of its own goes by itself: bounces that no longer count, files that nobody said yes to."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert
from store_parts import EXEMPEL, NORDISK, StillClock, outgoing, plain

from gateway.errors import NotFound
from gateway.model.addresses import BOUNCE_LASTS, Cause, Channel, FailedAddress, failed_id
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.lifecycle import Event
from gateway.model.sweep import Sweep, SweepId, SweepKind
from gateway.ports import Periods
from gateway.store import SqlStore
from gateway.store.pending import KEPT
from gateway.store.sweep_tables import sweep


def failed(clock: StillClock, address: str, cause: Cause, document: str = "") -> FailedAddress:
    channel: Channel = "print" if cause is Cause.MOVED else "email"
    return FailedAddress(
        id=failed_id(EXEMPEL, channel, address),
        account=EXEMPEL,
        channel=channel,
        address=address,
        cause=cause,
        said="550 no such user",
        document=document,
        since=clock.now(),
        search_at=clock.now(),
    )


async def test_a_bounce_goes_when_it_counts_no_more_and_everything_else_stays(
    store: SqlStore, clock: StillClock, tmp_path: Path
) -> None:
    for address, cause in (("a@x", Cause.BOUNCED), ("b@x", Cause.COMPLAINED), ("Storgatan 1", Cause.MOVED)):
        await store.addresses.mark(failed(clock, address, cause))
    ask = "SELECT address FROM failed_address ORDER BY address"
    clock.time += BOUNCE_LASTS - timedelta(seconds=1)
    await store.retention.purge(Periods(), "test")
    assert plain(tmp_path, ask) == [("Storgatan 1",), ("a@x",), ("b@x",)]
    clock.time += timedelta(seconds=1)
    await store.retention.purge(Periods(), "test")
    assert plain(tmp_path, ask) == [("Storgatan 1",), ("b@x",)]


@pytest.mark.parametrize("wholly", [False, True])
async def test_what_was_said_of_an_erased_document_goes_and_the_address_stays_bad(
    store: SqlStore, clock: StillClock, wholly: bool
) -> None:
    await store.add_once(outgoing("d1", next_attempt=clock.now()))
    (message,) = await store.claim("worker", 10, 60)
    await store.record(message, Event(name="Rejected", reason="it came back"))
    moved, other = failed(clock, "Storgatan 1", Cause.MOVED, "d1"), failed(clock, "Box 7", Cause.MOVED, "d2")
    for one in (moved, other):
        await store.addresses.mark(one)
    if wholly:
        clock.time += timedelta(days=366)
        assert (await store.retention.purge(Periods(keys=timedelta(days=365)), "test")).keys == 1
    else:
        await store.retention.erase(DocumentId("d1"), "test", "asked for")
    (kept,) = await store.addresses.failed(EXEMPEL, [moved.id])
    assert (kept.cause, kept.said, kept.document, kept.search_at) == (Cause.MOVED, "", "", None)
    assert await store.addresses.failed(EXEMPEL, [other.id]) == [other]


async def test_a_file_is_kept_for_its_hours_and_goes_in_the_night(
    store: SqlStore, clock: StillClock, tmp_path: Path
) -> None:
    id_ = await store.pending.keep(EXEMPEL, "clerk", "customers", b"Namn;Nummer")
    clock.time += KEPT - timedelta(seconds=1)
    assert await store.pending.fetch(EXEMPEL, "clerk", "customers", id_) == b"Namn;Nummer"
    clock.time += timedelta(seconds=1)
    with pytest.raises(NotFound, match="not here any more"):
        await store.pending.fetch(EXEMPEL, "clerk", "customers", id_)
    assert plain(tmp_path, "SELECT count(*) FROM pending_file") == [(1,)]
    await store.retention.purge(Periods(), "test")
    assert plain(tmp_path, "SELECT count(*) FROM pending_file") == [(0,)]


async def test_the_last_sweep_of_an_account_is_told_however_many_others_have_had_since(
    store: SqlStore, clock: StillClock
) -> None:
    async def swept(place: int, account: AccountId, started: datetime | None) -> None:
        one = Sweep(
            id=SweepId(f"{place:04}"),
            account=account,
            kind=SweepKind.DEMAND,
            due=clock.now(),
            started=started,
            ended=started,
            created=clock.now(),
            updated=clock.now(),
        )
        await store.operation.write(lambda connection: connection.execute(insert(sweep).values(**asdict(one))))

    await swept(0, NORDISK, clock.now())
    for place in range(1, 210):
        await swept(place, EXEMPEL, clock.now())
    await swept(300, EXEMPEL, None)
    assert [(one.account, one.id) for one in await store.sweeps.latest()] == [(EXEMPEL, "0209"), (NORDISK, "0000")]
