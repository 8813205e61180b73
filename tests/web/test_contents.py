"""Octets, page and evidence of a document."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.exchange.antivirus import Antivirus
from gateway.files.spool import Place, Spool
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.lifecycle import Event
from gateway.model.message import Message, PayloadKind
from gateway.model.octets import Octets
from gateway.store import SqlStore
from gateway.ubl import sbdh
from tests.clamav import EICAR, Scripted, with_files
from tests.web.conftest import OURS, Network, Site, envelope, invoice


async def test_the_content_is_the_octets_that_were_handed_in(site: Site) -> None:
    body = invoice().replace(b"\n", b"\r\n")
    document = (await site.submit(body)).json
    answer = await site.get(f"/v1/documents/{document['id']}/content")
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, body, "application/xml")
    assert answer.headers["ETag"] == f'"{document["sha256"]}"'
    assert answer.headers["Content-Disposition"] == f'attachment; filename="1001-{document["id"][:8]}.xml"'


async def test_who_has_the_content_already_gets_304(site: Site) -> None:
    document = (await site.submit(invoice())).json
    headers = {"If-None-Match": f'"{document["sha256"]}"'}
    answer = await site.get(f"/v1/documents/{document['id']}/content", headers=headers)
    assert (answer.status, answer.body) == (304, b"")


async def test_a_hostile_number_makes_a_harmless_file_name(site: Site) -> None:
    number = "../..\\&quot;;x=\u202e&#x9;.exe"
    document = (await site.submit(invoice(number))).json
    answer = await site.get(f"/v1/documents/{document['id']}/content")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="x-.exe-{document["id"][:8]}.xml"'


async def test_the_envelope_of_a_received_document_is_unpacked(site: Site) -> None:
    document = await site.receive()
    answer = await site.get(f"/v1/documents/{document}/content?form=sbd")
    assert answer.status == 200
    opened = sbdh.unwrap(answer.body)
    around, inside = opened.envelope, opened.document
    assert around.sender.value == OURS
    assert inside == invoice("IN-7").split(b"?>", 1)[1].strip()


async def test_a_document_that_was_never_sent_has_no_envelope(site: Site) -> None:
    document = (await site.submit(invoice())).json["id"]
    assert (await site.get(f"/v1/documents/{document}/content?form=sbd")).status == 404
    assert (await site.get(f"/v1/documents/{document}/content?form=pdf")).status == 400


async def test_an_envelope_that_unpacks_to_too_much_is_not_given(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    document = await site.receive()
    payload = site.gateway.store.content
    object.__setattr__(site.gateway, "limit", 600_000)

    async def bomb(id: DocumentId, kind: PayloadKind) -> Octets:
        return gzip.compress(b" " * 1_000_000) if kind is PayloadKind.PART else await payload(id, kind)

    monkeypatch.setattr(site.gateway.store, "content", bomb)
    assert (await site.get(f"/v1/documents/{document}/content?form=sbd")).status == 409


@pytest.mark.parametrize("language", ["", "?language=sv", "?language=en"])
async def test_the_page_is_a_pdf(site: Site, language: str) -> None:
    document = (await site.submit(invoice())).json["id"]
    answer = await site.get(f"/v1/documents/{document}/page.pdf{language}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert answer.body.startswith(b"%PDF-")
    assert answer.headers["Content-Disposition"].endswith('.pdf"')


async def test_the_page_speaks_the_language_that_was_asked_for(site: Site) -> None:
    document = (await site.submit(invoice())).json["id"]
    swedish, english = [(await site.get(f"/v1/documents/{document}/page.pdf?language={w}")).body for w in ("sv", "en")]
    default = (await site.get(f"/v1/documents/{document}/page.pdf")).body
    assert swedish == default != english
    assert (await site.get(f"/v1/documents/{document}/page.pdf?language=de")).status == 400


async def test_a_page_of_an_envelope_and_of_a_received_document(site: Site) -> None:
    handed_in = (await site.submit(sbdh.wrap(invoice(), envelope()))).json["id"]
    for document in (handed_in, await site.receive()):
        assert (await site.get(f"/v1/documents/{document}/page.pdf")).body.startswith(b"%PDF-")


async def test_pages_are_made_two_at_a_time_and_a_crowd_gets_503(site: Site) -> None:
    document = (await site.submit(invoice())).json["id"]
    answers = await asyncio.gather(*(site.get(f"/v1/documents/{document}/page.pdf") for _ in range(40)))
    assert {a.status for a in answers} == {200, 503}
    assert all(a.headers["Retry-After"] for a in answers if a.status == 503)


def opened(octets: bytes) -> tuple[dict[str, bytes], dict[str, object]]:
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    return files, json.loads(files["manifest.json"])


async def test_the_manifest_names_every_file_with_its_digest(site: Site, network: Network, store: SqlStore) -> None:
    network.answer = "yes"
    document = (await site.submit(invoice())).json["id"]
    await site.gateway.worker.run_once()
    answer = await site.get(f"/v1/documents/{document}/evidence.zip")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip")
    files, manifest = opened(answer.body)
    rows = {row["file"]: row for row in manifest["files"]}  # type: ignore[attr-defined]
    assert set(rows) == set(files) - {"manifest.json"}
    for name, row in rows.items():
        assert (row["size"], row["sha256"]) == (len(files[name]), hashlib.sha256(files[name]).hexdigest())
        assert row["what"]
    assert files["document.xml"] == invoice()
    assert files["envelope.xml.gz"] == network.sent[0].part
    assert json.loads(files["document.json"]) == (await site.get(f"/v1/documents/{document}")).json
    assert json.loads(files["timeline.json"]) == (await site.get(f"/v1/documents/{document}/timeline")).json["items"]
    kinds = {name.split("-", 1)[1] for name in files if name.startswith("evidence/")}
    assert {"receipt.xml", "request-envelope.xml", "lookup.json", "smp.xml"} <= kinds
    named = {row["evidence"] for row in rows.values() if "evidence" in row}
    assert named == {name for entry in json.loads(files["timeline.json"]) for name in entry["evidence"]}


async def test_the_same_evidence_is_the_same_octets(site: Site) -> None:
    document = await site.receive()
    first, second = [await site.get(f"/v1/documents/{document}/evidence.zip") for _ in range(2)]
    assert first.body == second.body
    assert first.headers["ETag"] == f'"{hashlib.sha256(first.body).hexdigest()}"'
    files, _ = opened(first.body)
    assert files["evidence/02-receipt.xml"] == b"<our-receipt/>"


async def test_evidence_of_a_document_that_has_not_left_holds_what_there_is(site: Site) -> None:
    document = (await site.submit(invoice())).json["id"]
    files, _ = opened((await site.get(f"/v1/documents/{document}/evidence.zip")).body)
    assert set(files) == {"manifest.json", "document.xml", "document.json", "timeline.json"}


@pytest.fixture
def large(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    """Every document seems to be large; there is one place for answers."""
    spool, get = Spool(tmp_path / "spool", at_once=1), site.gateway.store.get
    spool.open()

    async def large(account: AccountId, id: DocumentId) -> Message:
        return replace(await get(account, id), size=5_000_000)

    monkeypatch.setattr(site.gateway.store, "get", large)
    object.__setattr__(site.gateway, "handing_out", spool)
    yield spool
    spool.close()


async def test_an_envelope_that_unpacks_to_much_is_unpacked_into_a_file(
    site: Site, large: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = await site.receive()
    expected: list[int] = []
    place = large.place

    def noted(octets: int, *, wait: bool = False) -> AbstractAsyncContextManager[Place]:
        expected.append(octets)
        return place(octets, wait=wait)

    monkeypatch.setattr(large, "place", noted)
    answer = await site.get(f"/v1/documents/{document}/content?form=sbd")
    assert answer.status == 200 and sbdh.unwrap(answer.body).envelope.sender.value == OURS
    assert expected and expected[0] >= 5_000_000


async def test_evidence_that_waits_for_a_place_keeps_nobody_from_small_things(
    site: Site, large: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = (await site.submit(invoice())).json["id"]
    async with large.place(1):  # somebody fetches slowly
        waiting = [asyncio.ensure_future(site.get(f"/v1/documents/{document}/evidence.zip")) for _ in range(3)]
        await asyncio.sleep(0.3)
        monkeypatch.undo()
        answer = await asyncio.wait_for(site.get(f"/v1/documents/{document}/evidence.zip"), 5)
        assert answer.status == 200 and not any(task.done() for task in waiting)
    assert {(await task).status for task in waiting} == {200}


ALL = ("content", "content?form=sbd", "page.pdf", "evidence.zip")


async def test_what_is_in_quarantine_is_given_to_nobody(site: Site) -> None:
    document = await site.receive()
    message = await site.gateway.store.get(AccountId("alpha"), DocumentId(document))
    reason = "Quarantined: The virus scanner found Eicar.Test in 1.pdf"
    await site.gateway.store.record(message, Event(name="Rejected", reason=reason, links={"held": "virus"}))
    for part in ALL:
        answer = await site.get(f"/v1/documents/{document}/{part}")
        assert (answer.status, answer.json["detail"]) == (409, reason)
        assert "clean one" in answer.json["remedy"]
    assert (await site.get(f"/v1/documents/{document}")).json["links"] == {"held": "virus"}


async def test_what_no_scanner_has_seen_is_shown_to_it_before_it_is_given_away(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, scanner = await site.receive(), Scripted()
    object.__setattr__(site.gateway, "antivirus", Antivirus(scanner=scanner))
    store, given = site.gateway.store, site.gateway.store.content
    files = [b"harmless"]

    async def content(id: DocumentId, kind: PayloadKind) -> Octets:
        return with_files(*files) if kind is PayloadKind.DOCUMENT else await given(id, kind)

    monkeypatch.setattr(store, "content", content)
    for part in ALL:
        assert (await site.get(f"/v1/documents/{document}/{part}")).status == 200
    assert scanner.asked == [b"harmless"] * len(ALL)
    files.append(EICAR)
    scanner.away = 1
    assert (await site.get(f"/v1/documents/{document}/content")).status == 503
    for part in ALL:
        answer = await site.get(f"/v1/documents/{document}/{part}")
        assert answer.status == 409 and "Eicar.Test in 2.pdf" in answer.json["detail"]

    message = await store.get(AccountId("alpha"), DocumentId(document))
    await store.record(message, Event(name="Noted", reason="It was looked at", links={"scanned": "clean"}))
    scanner.away = 9
    assert (await site.get(f"/v1/documents/{document}/content")).status == 200, "seen once is enough"
    sent = (await site.submit(invoice())).json["id"]
    assert (await site.get(f"/v1/documents/{sent}/content")).status == 200, "our own are not asked about"
