"""Payloads in a bucket, with moto's S3 server: put before the row, compared at every reading, never half."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from store_parts import StillClock, outgoing

from gateway.config.sections import StoreSection
from gateway.errors import ConfigurationError, StateError, StoreUnavailable
from gateway.files.spool import in_memory, write_all
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import Event
from gateway.model.message import PayloadKind
from gateway.model.octets import Spooled
from gateway.ports import Erased, Periods
from gateway.store import SqlStore
from gateway.store.objects import Objects, open_objects
from gateway.store.octets import Folder
from tests.far_sides import S3Server, s3_server

LARGE = os.urandom(200_000)


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(running: S3Server) -> S3Server:
    running.empty()
    return running


@pytest.fixture
def section(server: S3Server, tmp_path: Path) -> StoreSection:
    secret = tmp_path / "s3.secret"
    secret.write_text("a secret\n")
    secret.chmod(0o600)
    return StoreSection(
        bucket=f"s3://{server.bucket}/kept/here",
        s3_endpoint=server.endpoint,
        s3_access_key="AKIATEST",
        s3_secret_key_file=secret,
        s3_allow_http=True,
    )


@pytest.fixture
def objects(section: StoreSection, tmp_path: Path) -> Objects:
    (tmp_path / "var/payloads").mkdir(parents=True, exist_ok=True)
    return open_objects(section, tmp_path)


async def test_small_octets_stay_in_the_row_and_large_ones_are_one_object(objects: Objects, server: S3Server) -> None:
    small = await objects.keep(b"<a/>" * 1000, "d1.document")
    assert small.octets and not small.file and server.keys() == []
    kept = await objects.keep(LARGE, "d1.document")
    assert kept.octets is None and kept.file.startswith("s3:")
    assert server.keys() == [f"kept/here/{kept.file.removeprefix('s3:')}"]
    assert await objects.fetch(kept) == LARGE == await objects.content(kept)


async def test_a_document_in_a_file_goes_there_and_comes_back_as_a_file(
    objects: Objects, server: S3Server, tmp_path: Path
) -> None:
    octets = os.urandom(7_000_000)
    kept = await objects.keep(write_all(tmp_path / "document", [octets]), "d1.document")
    assert len(server.keys()) == 1 and (tmp_path / "document").exists()
    for _ in range(2):
        found = await objects.content(kept)
        assert isinstance(found, Spooled) and in_memory(found) == octets
    (copy,) = (tmp_path / "var/payloads/.objects").iterdir()
    copy.write_bytes(b"changed here")  # only a copy: it is fetched again
    assert in_memory(await objects.content(kept)) == octets
    os.utime(copy, (1, 1))
    other = await objects.keep(write_all(tmp_path / "other", [octets, b"x"]), "d2.document")
    await objects.content(other)
    assert [path.name for path in (tmp_path / "var/payloads/.objects").iterdir()] == [other.sha256]


@pytest.mark.parametrize("change", ["changed", "cut", "longer", "gone"])
@pytest.mark.parametrize("size", [200_000, 3_000_000])
async def test_what_is_not_what_was_accepted_is_given_to_nobody(
    objects: Objects, server: S3Server, tmp_path: Path, change: str, size: int
) -> None:
    octets = os.urandom(size)
    kept = await objects.keep(write_all(tmp_path / "document", [octets]), "d1.document")
    (key,) = server.keys()
    if change == "gone":
        server.empty()
    else:
        server.put(key, {"changed": b"x" + octets[1:], "cut": octets[:-1], "longer": octets + b"x"}[change])
    for read in (objects.fetch, objects.content):
        with pytest.raises(StateError, match="quarantined"):
            await read(kept)
    assert list((tmp_path / "var/payloads/.objects").glob("*")) == []


async def test_a_service_or_bucket_that_is_away_is_a_fault_of_ours_for_the_time_being(
    objects: Objects, section: StoreSection, server: S3Server, tmp_path: Path
) -> None:
    kept = await objects.keep(LARGE, "d1.document")
    for changed in ({"s3_endpoint": "http://127.0.0.1:9"}, {"bucket": "s3://nowhere/kept/here"}):
        away = open_objects(replace(section, **changed), tmp_path)  # type: ignore[arg-type]
        for act in (away.fetch(kept), away.content(kept), away.keep(LARGE, "d2.document")):
            with pytest.raises(StoreUnavailable, match="bucket s3://") as caught:
                await act
            assert "a secret" not in str(caught.value) and "Debug" not in str(caught.value)


async def test_files_of_earlier_days_are_found_and_objects_without_a_bucket_are_named(
    objects: Objects, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "var/payloads")
    earlier = await folder.keep(LARGE, "d1.document")
    assert await objects.fetch(earlier) == LARGE
    later = await objects.keep(LARGE, "d2.document")
    with pytest.raises(StoreUnavailable, match="names none"):
        await folder.fetch(later)


async def test_the_store_puts_the_object_first_and_keeps_no_second_one_of_a_repeat(
    store: SqlStore, objects: Objects, server: S3Server
) -> None:
    store.keep_large_in(objects)
    await store.add_once(outgoing("d1", key="k", octets=LARGE))
    await store.add_once(outgoing("d2", key="k", octets=LARGE))
    assert len(server.keys()) == 1
    assert await store.payload(DocumentId("d1"), PayloadKind.DOCUMENT) == LARGE


async def test_without_the_service_nothing_large_is_accepted_and_nothing_is_half(
    store: SqlStore, section: StoreSection, tmp_path: Path
) -> None:
    store.keep_large_in(open_objects(replace(section, s3_endpoint="http://127.0.0.1:9"), tmp_path))
    with pytest.raises(StoreUnavailable):
        await store.add_once(outgoing("d1", key="k", octets=LARGE))
    await store.add_once(outgoing("d2", key="other", octets=b"<a/>"))
    store.keep_large_in(open_objects(section, tmp_path))
    assert (await store.add_once(outgoing("d3", key="k", octets=LARGE))).new


def test_a_secret_that_others_can_read_is_refused(section: StoreSection, tmp_path: Path) -> None:
    assert section.s3_secret_key_file
    section.s3_secret_key_file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        open_objects(section, tmp_path)


async def test_what_is_erased_leaves_the_bucket_too(
    store: SqlStore, objects: Objects, server: S3Server, clock: StillClock
) -> None:
    store.keep_large_in(objects)
    await store.add_once(outgoing("d1", octets=LARGE))
    (taken,) = await store.claim("worker", 1, 60)
    await store.record(taken, Event(name="Sent", reason="so"))
    assert len(server.keys()) == 1
    clock.pass_seconds(31 * 86_400)
    assert await store.retention.purge(Periods(payloads=timedelta(days=30)), "test") == Erased(payloads=1)
    assert server.keys() == []
