"""Delivery into a bucket, to moto's S3 server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from channel_parts import make_context, make_parcel
from far_sides import S3Server, s3_server

from gateway.delivery.s3 import S3, open_channel
from gateway.errors import ChannelRefused, ChannelUnavailable, ConfigurationError
from gateway.files.spool import write_all
from gateway.model.view import describe


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(running: S3Server) -> S3Server:
    running.empty()
    return running


def s3(base: Path, table: dict[str, object]) -> S3:
    channel = open_channel(table, make_context(base, section="delivery.erp"))
    assert isinstance(channel, S3)
    return channel


KEY = "peppol/in/doc-0001.xml"


async def test_the_document_and_its_object_lie_in_the_bucket(server: S3Server, tmp_path: Path) -> None:
    parcel = make_parcel()
    handover = await s3(tmp_path, server.table()).dispatch(parcel)
    assert server.keys() == ["peppol/in/doc-0001.json", KEY]
    found, octets = server.get(KEY)
    assert octets == parcel.document and found["ContentType"] == "application/xml"
    assert found["Metadata"] == {"sha256": hashlib.sha256(octets).hexdigest()}
    _, described = server.get("peppol/in/doc-0001.json")
    assert json.loads(described) == json.loads(json.dumps(describe(parcel.message), default=str))
    assert handover.text == "Put into s3://incoming/peppol/in as doc-0001.xml and doc-0001.json"


async def test_an_earlier_try_whose_answer_was_lost_is_found(server: S3Server, tmp_path: Path) -> None:
    parcel = make_parcel()
    await s3(tmp_path / "one", server.table()).dispatch(parcel)
    server.put("peppol/in/doc-0001.json", b"mark")
    again = replace(parcel, message=replace(parcel.message, attempts=7))
    await s3(tmp_path / "other", server.table()).dispatch(again)
    assert server.get("peppol/in/doc-0001.json")[1] == b"mark"  # nothing was written over
    assert len(server.keys()) == 2


async def test_what_somebody_else_put_there_is_not_written_over(server: S3Server, tmp_path: Path) -> None:
    server.put(KEY, b"<other/>")
    with pytest.raises(ChannelRefused, match="another document"):
        await s3(tmp_path, server.table()).dispatch(make_parcel())
    assert server.get(KEY)[1] == b"<other/>"
    large = write_all(tmp_path / "document", [b"<x/>" * 1_500_000])
    with pytest.raises(ChannelRefused, match="another document"):
        await s3(tmp_path, server.table()).dispatch(replace(make_parcel(), document=large))


async def test_a_large_document_goes_in_parts_from_its_file(server: S3Server, tmp_path: Path) -> None:
    octets = b"<x/>" * 3_000_000
    document = write_all(tmp_path / "document", [octets])
    parcel = replace(make_parcel(), document=document)
    channel = s3(tmp_path, server.table())
    await channel.dispatch(parcel)
    found, stored = server.get(KEY)
    assert stored == octets and found["Metadata"] == {"sha256": document.sha256}
    await channel.forget(parcel.message)
    await channel.dispatch(parcel)


async def test_a_service_that_is_away_or_refuses_waits(server: S3Server, tmp_path: Path) -> None:
    with pytest.raises(ChannelUnavailable, match="s3://nowhere/peppol/in: "):
        await s3(tmp_path, server.table(bucket="nowhere")).dispatch(make_parcel())
    with pytest.raises(ChannelUnavailable, match="error sending request") as caught:
        await s3(tmp_path, server.table(endpoint="http://127.0.0.1:9")).dispatch(make_parcel())
    assert "Debug source" not in str(caught.value) and "a secret" not in str(caught.value)


def test_every_problem_of_the_section_is_told_at_once(tmp_path: Path) -> None:
    table = {"kind": "s3", "bucket": "a/b", "endpoint": "http://x", "secret_key": "s", "timeout": "1 day"}
    with pytest.raises(ConfigurationError) as caught:
        open_channel(table, make_context(tmp_path, section="delivery.erp"))
    assert {path for path, _ in caught.value.problems} == {
        f"delivery.erp.{key}" for key in ("bucket", "endpoint", "access_key", "timeout")
    }
