"""Large documents through whole gateways: what arrives is what was handed in, and nothing is left behind."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
import zipfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from gateway.app import FIRST_ACCOUNT, SystemClock, read_files
from gateway.as4.client import As4Client
from gateway.as4.gzipped import compress
from gateway.errors import PeerRefused, PeerUnavailable
from gateway.files import spool
from gateway.files.spool import Writing, write_all
from gateway.model.document import Envelope
from gateway.model.identifiers import TRANSPORT_PROFILE, InstanceId, MessageId
from gateway.model.message import Message, Outgoing
from gateway.model.octets import Octets
from gateway.model.relation import Endpoint
from gateway.model.signals import Receipt
from gateway.ports import Filter
from gateway.ubl import sbdh
from tests.trips.conftest import FACTS, NETWORK, Corner, Town

LATER = r"HTTP 503|Connection reset|Broken pipe|Cannot write"
"""An early no: the connection is cut, so that the rest of the body need not come; not every client sees the answer."""
ATTACHMENT = (
    b"<cac:AdditionalDocumentReference><cbc:ID>a</cbc:ID><cac:Attachment>"
    b'<cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="a.pdf">%b'
    b"</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></cac:AdditionalDocumentReference>"
)
SELLER = b"<cac:AccountingSupplierParty>"


def invoice(octets: int = 3_000_000, *, attachment: bytes = b"") -> bytes:
    """An invoice of about this size that does not pack well."""
    text = attachment or os.urandom(octets * 3 // 8).hex().upper().encode()
    return NETWORK.replace(SELLER, ATTACHMENT % text[: len(text) // 4 * 4] + SELLER, 1)


@dataclass(frozen=True, slots=True)
class Api:
    corner: Corner
    http: aiohttp.ClientSession
    url: str

    async def post(self, body: bytes, key: str = "") -> tuple[int, dict[str, object]]:
        headers = {**self.headers, "Content-Type": "application/xml"} | ({"Idempotency-Key": key} if key else {})
        async with self.http.post(f"{self.url}/v1/documents", data=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self.http.get(self.url + path, headers=self.headers) as answer:
            return answer.status, await answer.read()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.corner.gateway.first_key}"}


@pytest.fixture
async def apis(town: Town) -> AsyncIterator[tuple[Api, Api]]:
    async with aiohttp.ClientSession() as http:
        yield tuple(  # type: ignore[misc]
            Api(corner, http, f"http://{corner.gateway.config.api.listen}") for corner in (town.sender, town.receiver)
        )


def envelope() -> Envelope:
    """From the seller to the buyer."""
    assert FACTS.seller.endpoint and FACTS.buyer.endpoint
    return Envelope(
        sender=FACTS.seller.endpoint,
        receiver=FACTS.buyer.endpoint,
        document_type=FACTS.document_type,
        process=FACTS.process,
        country_c1="SE",
        instance_id=InstanceId("7f6f2c2e-6a58-4b57-9f1c-2d7c7c6f7a10"),
        created="2026-11-25T10:15:30Z",
        standard=FACTS.document_type.namespace,
        type_version="2.1",
        type="Invoice",
    )


async def send(town: Town, part: Octets, id: str = "large", certificate: bytes = b"") -> Receipt:
    """Send a part from the sender's access point straight to the receiver's."""
    ours, theirs = (read_files(corner.gateway.config) for corner in (town.sender, town.receiver))
    outgoing = Outgoing(
        message_id=MessageId(f"{id}@pop000001.as4"),
        conversation_id="c",
        timestamp=datetime(2026, 11, 25, 12, 0, tzinfo=UTC),
        envelope=envelope(),
        part=part,
    )
    endpoint = Endpoint(
        url=f"http://{town.receiver.gateway.config.as4.listen}/as4",
        certificate=certificate or theirs.access_point.der,
        seat=theirs.access_point.common_name,
        transport_profile=TRANSPORT_PROFILE,
    )
    async with As4Client(identity=ours.access_point, trust=ours.trust, clock=SystemClock()) as client:
        return (await client.send(outgoing, endpoint)).receipt


def part_of(tmp_path: Path, octets: bytes, name: str = "part") -> Octets:
    """The gzipped octets in a file."""
    return write_all(tmp_path / name, [compress(octets)])


async def inbox(corner: Corner) -> list[Message]:
    return list((await corner.gateway.store.find(FIRST_ACCOUNT, Filter(unacknowledged=True)))[0])


def spooled(corner: Corner) -> list[Path]:
    """Files that lie in the spool of a gateway."""
    config = corner.gateway.config
    return [path for path in (config.base / config.store.payloads / ".spool").rglob("*") if path.is_file()]


async def emptied(corner: Corner) -> None:
    """Wait until nothing lies in the spool: an answer's file goes right after its last octet."""
    for _ in range(100):
        if not spooled(corner):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(spooled(corner))


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


@pytest.mark.parametrize("whole", [False, True])
async def test_a_large_document_goes_over_the_network_octet_for_octet(
    town: Town, apis: tuple[Api, Api], whole: bool
) -> None:
    document = invoice()
    body = sbdh.wrap(document, envelope()) if whole else document
    status, accepted = await apis[0].post(body)
    assert status == 202, accepted
    assert (accepted["number"], accepted["sha256"]) == (FACTS.number, digest(body))
    await town.sender.work()
    _, listed = await apis[0].get(f"/v1/documents/{accepted['id']}")
    assert b'"SENT"' in listed, listed
    (arrived,) = await inbox(town.receiver)
    assert arrived.number == FACTS.number
    status, content = await apis[1].get(f"/v1/documents/{arrived.id}/content")
    assert (status, content) == (200, document.split(b"?>", 1)[1].strip())
    assert digest(content) == arrived.sha256
    _, sbd = await apis[1].get(f"/v1/documents/{arrived.id}/content?form=sbd")
    assert sbdh.unwrap(sbd).document == content
    _, packed = await apis[1].get(f"/v1/documents/{arrived.id}/evidence.zip")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert archive.read("document.xml") == content
        assert digest(archive.read("document.xml")).encode() in archive.read("manifest.json")
    await emptied(town.sender)
    await emptied(town.receiver)


async def test_a_repeat_gets_the_stored_receipt(town: Town, tmp_path: Path) -> None:
    part = part_of(tmp_path, sbdh.wrap(invoice(), envelope()))
    first = await send(town, part)
    again = await send(town, part)
    assert first.octets == again.octets
    assert len(await inbox(town.receiver)) == 1
    assert not spooled(town.receiver)
    files = [f for f in (tmp_path / "market").rglob("*.part.*") if f.is_file()]
    assert len(files) == 1, files  # the repeat's own file went again


async def test_nothing_large_is_sent_for_a_certificate_that_is_not_believed(town: Town, tmp_path: Path) -> None:
    smp = read_files(town.receiver.gateway.config).smp
    assert smp is not None
    with pytest.raises(PeerUnavailable, match="cannot be used") as refusal:
        await send(town, part_of(tmp_path, b"x"), certificate=smp.der)
    assert not refusal.value.sent


async def test_another_part_under_the_same_id_is_refused(town: Town, tmp_path: Path) -> None:
    await send(town, part_of(tmp_path, sbdh.wrap(invoice(), envelope()), "first"))
    with pytest.raises(PeerRefused, match="used before"):
        await send(town, part_of(tmp_path, sbdh.wrap(invoice(), envelope()), "second"))
    assert len(await inbox(town.receiver)) == 1


async def test_a_small_message_with_a_large_document_goes_through_a_file(town: Town, tmp_path: Path) -> None:
    document = invoice(attachment=os.urandom(1_500).hex().encode() * 1_800)
    part = compress(sbdh.wrap(document, envelope()))
    assert len(part) < 1024 * 1024
    await send(town, part)
    (arrived,) = await inbox(town.receiver)
    assert arrived.size > 5_000_000 and arrived.number == FACTS.number
    assert not spooled(town.receiver)


@pytest.mark.parametrize("packed", [300_000, 3_000_000])
async def test_a_bomb_is_refused_and_leaves_nothing(town: Town, tmp_path: Path, packed: int) -> None:
    noise = os.urandom(packed)
    bomb = compress(noise + bytes(300 * packed))
    part: Octets = bomb if len(bomb) < 1_000_000 else write_all(tmp_path / "bomb", [bomb])
    with pytest.raises(PeerRefused, match="EBMS:0303"):
        await send(town, part)
    assert not await inbox(town.receiver) and not spooled(town.receiver)


async def test_a_full_disk_is_503_and_leaves_nothing(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = part_of(tmp_path, sbdh.wrap(invoice(), envelope()))
    write = Writing.write

    def full(self: Writing, octets: bytes) -> None:
        if self.size > 1_000_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, octets)

    monkeypatch.setattr(Writing, "write", full)
    with pytest.raises(PeerUnavailable, match=LATER):
        await send(town, part)
    assert not await inbox(town.receiver) and not spooled(town.receiver)
    monkeypatch.undo()
    await send(town, part)
    assert len(await inbox(town.receiver)) == 1


async def test_without_room_nothing_large_is_begun(
    town: Town, apis: tuple[Api, Api], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = part_of(tmp_path, sbdh.wrap(invoice(), envelope()))
    usage = type("Usage", (), {"free": 70_000_000})
    monkeypatch.setattr(spool.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(PeerUnavailable, match=LATER):
        await send(town, part)
    status, problem = await apis[0].post(invoice())
    assert status == 503, problem
    status, _ = await apis[0].post(NETWORK)  # a small one needs none
    assert status == 202


async def test_two_large_messages_are_taken_at_once(town: Town, tmp_path: Path) -> None:
    part = part_of(tmp_path, sbdh.wrap(invoice(), envelope()))
    receiving = town.receiver.gateway.endpoint._large
    assert receiving is not None
    async with receiving.spool.place(1), receiving.spool.place(1):
        with pytest.raises(PeerUnavailable, match=LATER):
            await send(town, part)
    await send(town, part)
    assert len(await inbox(town.receiver)) == 1


async def test_a_trickle_does_not_keep_the_place_of_a_large_message(town: Town) -> None:
    endpoint, listen = town.receiver.gateway.endpoint, town.receiver.gateway.config.as4.listen
    endpoint._limits = replace(endpoint._limits, grace=0.2)
    reader, writer = await asyncio.open_connection(listen.host, listen.port)
    head = 'POST /as4 HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/related; boundary="b"\r\n'
    writer.write(head.encode() + b"Content-Length: 9000000\r\n\r\n")
    answer = asyncio.ensure_future(reader.readline())
    for _ in range(60):  # twice the pace of a small body
        if answer.done():
            break
        with suppress(ConnectionError):
            writer.write(bytes(1024))
            await writer.drain()
        await asyncio.sleep(0.05)
    assert answer.done() and b" 408 " in await answer
    writer.close()
    await emptied(town.receiver)


async def test_a_body_that_breaks_off_leaves_nothing(town: Town) -> None:
    listen = town.receiver.gateway.config.as4.listen
    _, writer = await asyncio.open_connection(listen.host, listen.port)
    head = 'POST /as4 HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/related; boundary="b"\r\n'
    writer.write(head.encode() + b"Content-Length: 9000000\r\n\r\n--b\r\n\r\n" + bytes(3_000_000))
    await writer.drain()
    for _ in range(100):
        await asyncio.sleep(0.05)
        if spooled(town.receiver):
            break
    assert spooled(town.receiver)
    writer.close()
    await emptied(town.receiver)
    assert not await inbox(town.receiver)


async def test_a_large_document_with_faults_is_refused_at_the_door(town: Town, apis: tuple[Api, Api]) -> None:
    wrong = invoice().replace(b"<cbc:IssueDate>2026-11-20", b"<cbc:IssueDate>20 November", 1)
    status, problem = await apis[0].post(wrong)
    assert status == 422
    assert "2026-11-25" in str(problem), problem  # how a date is written
    status, problem = await apis[0].post(invoice()[:-2_000_000])
    assert status == 422, problem
    assert not spooled(town.sender)
    assert not (await town.sender.gateway.store.find(FIRST_ACCOUNT, Filter()))[0]


async def test_a_large_document_is_handed_in_once_under_a_key_and_sent_anew_on_request(
    town: Town, apis: tuple[Api, Api]
) -> None:
    document = invoice()
    first = (await apis[0].post(document, "key"))[1]
    assert (await apis[0].post(document, "key"))[1]["id"] == first["id"]
    status, problem = await apis[0].post(invoice(), "key")
    assert (status, "another document" in str(problem)) == (422, True)
    await town.sender.work()
    async with apis[0].http.post(f"{apis[0].url}/v1/documents/{first['id']}/resend", headers=apis[0].headers) as answer:
        again = await answer.json()
    assert again["id"] != first["id"] and again["sha256"] == first["sha256"]
    assert (await apis[0].get(f"/v1/documents/{first['id']}/content"))[1] == document
    assert (await apis[0].get(f"/v1/documents/{again['id']}/content"))[1] == document
    assert not spooled(town.sender)


async def test_a_large_document_without_a_receiver_waits_for_a_person(town: Town) -> None:
    stranger = invoice(16_000_000).replace(FACTS.buyer.endpoint.value[5:].encode(), b"5567999999")  # type: ignore[union-attr]
    sent = await town.sender.submit(NETWORK)
    assert sent
    path = town.sender.gateway.config.base / "stranger.xml"
    large = write_all(path, [stranger])
    async with town.sender.gateway.handing_in.place(1) as place:  # type: ignore[union-attr]
        message = await town.sender.submit(large, place=place)  # type: ignore[arg-type]
    await town.sender.work()
    now = await town.sender.now(message)
    assert now.state == "FAILED" and "can neither be mailed nor printed" in now.reason


async def test_a_caller_who_goes_away_in_the_middle_leaves_nothing(
    town: Town, apis: tuple[Api, Api], caplog: pytest.LogCaptureFixture
) -> None:
    _, accepted = await apis[0].post(invoice(20_000_000))
    for path in ("content", "evidence.zip"):
        url = f"{apis[0].url}/v1/documents/{accepted['id']}/{path}"
        answer = await apis[0].http.get(url, headers=apis[0].headers)
        await answer.content.read(1000)
        answer.close()
    await emptied(town.sender)
    assert "unexpected failure" not in caplog.text
    assert (await apis[0].get(f"/v1/documents/{accepted['id']}"))[0] == 200
