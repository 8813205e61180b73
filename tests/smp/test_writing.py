"""gateway.smp.writing: what tools of the network write, and what nobody may."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession, web
from lxml import etree
from yarl import URL

from gateway.errors import InvalidAddress, StoreUnavailable
from gateway.model.identifiers import AccountId, DocumentTypeId, ParticipantId, ProcessId
from gateway.model.message import Participant
from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS, services_of
from gateway.serving.site import low_level
from gateway.smp.metadata import ServiceEndpoint, path, read_group, write_group, write_metadata
from gateway.smp.publisher import Publisher
from gateway.smp.server import SmpServer
from gateway.smp.writing import Writer
from tests.smp.smp_parts import AP_URL, BUYER, OTHER, Pki

MAIN, BETA = AccountId("main"), AccountId("beta")
KEYS = {"key-main": MAIN, "key-beta": BETA}


@dataclass
class Ours:
    """Store and network in one; ``told`` is what the SML would hear."""

    known: dict[ParticipantId, Participant] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    down: bool = False

    async def account(self, key: str) -> AccountId | None:
        return KEYS.get(key)

    async def participant(self, id: ParticipantId) -> Participant | None:
        if self.down:
            raise StoreUnavailable("the disk is full")
        return self.known.get(id)

    async def save_participant(self, participant: Participant) -> None:
        self.known[participant.id] = participant

    async def remove_participant(self, account: AccountId, id: ParticipantId) -> None:
        del self.known[id]

    async def publish(self, participant: Participant, key: str = "") -> None:
        self.known[participant.id] = participant
        self.told.append(f"+{participant.id.value}")

    async def unpublish(self, account: AccountId, id: ParticipantId) -> None:
        del self.known[id]
        self.told.append(f"-{id.value}")


def fit(id: ParticipantId) -> None:
    if id.icd == "9955":
        raise InvalidAddress("9955 (SE:VAT) was removed in 2023")


@dataclass
class Place:
    http: ClientSession
    url: str
    ours: Ours
    pki: Pki

    async def call(
        self, method: str, raw: str, body: bytes = b"", *, key: str = "key-main", basic: bool = False
    ) -> int:
        value = f"Bearer {key}"
        if basic:
            value = "Basic " + base64.b64encode(f"anybody:{key}".encode()).decode()
        headers = {"Authorization": value} if key else {}
        url = URL(self.url + raw, encoded=True)
        async with self.http.request(method, url, data=body or None, headers=headers) as response:
            self.said = await response.text()
            return response.status

    async def group(self, id: ParticipantId = BUYER, query: str = "", key: str = "key-main") -> int:
        return await self.call("PUT", path(id) + query, write_group(id, [], self.url), key=key)

    async def service(
        self,
        document_type: DocumentTypeId = BILLING_INVOICE,
        *processes: ProcessId,
        about: DocumentTypeId | None = None,
        certificate: bytes | None = None,
        url: str = AP_URL,
        profile: str = "peppol-transport-as4-v2_0",
        key: str = "key-main",
    ) -> int:
        end = ServiceEndpoint(
            url=url,
            certificate=self.pki.ap.der if certificate is None else certificate,
            transport_profile=profile,
        )
        root = write_metadata(
            BUYER,
            about or document_type,
            processes or (BILLING_PROCESS,),
            [end],
            description="x",
            contact_url="mailto:x@y",
        )
        return await self.call("PUT", path(BUYER, str(document_type)), etree.tostring(root[0]), key=key)

    @property
    def services(self) -> list[tuple[DocumentTypeId, ProcessId]]:
        return list(services_of(self.ours.known[BUYER]))


@pytest.fixture
async def place(pki: Pki) -> AsyncIterator[Place]:
    ours = Ours()
    writer = Writer(
        authenticate=ours.account,
        participants=ours,
        kept=ours,
        endpoint_url=AP_URL,
        certificates=lambda: (pki.ap.der,),
        fit=fit,
    )
    publisher = Publisher(identity=pki.smp, smp_url="http://x", endpoint_url=AP_URL, certificate=pki.ap.der)
    runner = low_level(SmpServer(publisher, ours.participant, writer=writer).answer)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with ClientSession() as http:
            yield Place(http, f"http://127.0.0.1:{runner.addresses[0][1]}", ours, pki)
    finally:
        await runner.cleanup()


async def test_a_tool_brings_a_participant_with_its_services_and_reads_them_back(place: Place) -> None:
    assert await place.group() == 200
    assert place.ours.told == ["+0007:5567212047"]
    assert place.services == []
    assert await place.call("GET", path(BUYER, str(BILLING_INVOICE))) == 404
    assert await place.service() == 200
    assert await place.service(BILLING_CREDIT_NOTE, BILLING_PROCESS, ProcessId("urn:other")) == 200
    assert len(place.services) == 3
    assert await place.call("GET", path(BUYER)) == 200
    assert len(read_group(place.said.encode(), BUYER).document_types) == 2
    assert await place.call("GET", path(BUYER, str(BILLING_INVOICE))) == 200
    assert await place.group() == 200, "the group again changes nothing"
    assert len(place.services) == 3


async def test_one_process_one_service_and_all_are_taken_away(place: Place) -> None:
    await place.group()
    await place.service(BILLING_INVOICE, BILLING_PROCESS, ProcessId("urn:other"))
    await place.service(BILLING_CREDIT_NOTE)
    one = path(BUYER, str(BILLING_INVOICE))
    assert await place.call("DELETE", one + "/cenbii-procid-ubl%3A%3Aurn%3Aother") == 200
    assert len(place.services) == 2
    assert await place.call("DELETE", one) == 200
    assert await place.call("DELETE", one) == 404
    assert await place.call("DELETE", path(BUYER) + "/services") == 200
    assert place.services == []
    assert await place.call("DELETE", path(BUYER)) == 200
    assert (place.ours.known, place.ours.told[-1]) == ({}, "-0007:5567212047")


async def test_the_sml_is_left_out_on_request(place: Place) -> None:
    assert await place.group(query="?create-in-sml=false") == 200
    assert await place.call("DELETE", path(BUYER) + "?delete-in-sml=false") == 200
    assert (place.ours.told, place.ours.known) == ([], {})


async def test_the_key_may_be_a_password_and_without_one_nothing_is_done(place: Place) -> None:
    body = write_group(BUYER, [], "http://x")
    assert await place.call("PUT", path(BUYER), body, basic=True) == 200
    for key, basic in (("", False), ("wrong", False), ("wrong", True)):
        assert await place.call("DELETE", path(BUYER), key=key, basic=basic) == 401
    assert BUYER in place.ours.known


async def test_another_account_takes_over_nothing(place: Place) -> None:
    await place.group()
    await place.service()
    assert await place.group(key="key-beta") == 409
    assert await place.service(key="key-beta") == 404
    assert await place.call("DELETE", path(BUYER), key="key-beta") == 404
    assert place.ours.known[BUYER].account == MAIN
    assert len(place.services) == 1


async def test_only_our_own_access_point_is_published(place: Place) -> None:
    await place.group()
    assert await place.service(url="https://elsewhere.example/as4") == 400
    assert "is not http://127.0.0.1:18999/as4" in place.said
    assert await place.service(certificate=place.pki.foreign_ap.der) == 400
    assert await place.service(profile="busdox-transport-as2-ver1p0") == 400
    assert place.services == []


async def test_path_and_body_must_agree(place: Place) -> None:
    assert await place.call("PUT", path(BUYER), write_group(OTHER, [], "http://x")) == 400
    await place.group()
    assert await place.service(BILLING_INVOICE, about=BILLING_CREDIT_NOTE) == 400
    assert place.services == []


@pytest.mark.parametrize("body", [b"", b"<x/>", b"no xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
async def test_a_bad_body_changes_nothing(place: Place, body: bytes) -> None:
    assert await place.call("PUT", path(BUYER), body) == 400
    await place.group()
    assert await place.call("PUT", path(BUYER, str(BILLING_INVOICE)), body) == 400
    assert place.services == []


async def test_limits_and_odd_paths(place: Place) -> None:
    assert await place.call("PUT", path(BUYER), b" " * 300_000) == 413
    assert await place.group(ParticipantId.parse("9955:x")) == 400
    for raw in ("/", "/x", "/a/b/c", "/migration/outbound/start/x"):
        assert await place.call("DELETE", raw) in (400, 405)
    place.ours.down = True
    assert await place.group() == 503
