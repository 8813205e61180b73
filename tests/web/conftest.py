"""A whole private site over a real store: two accounts, a scripted network, documents of our own."""

from __future__ import annotations

import gzip
import hashlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.app import Gateway
from gateway.config.sections import As4, Config, StoreSection
from gateway.config.values import ByteSize
from gateway.errors import LookupUnavailable
from gateway.exchange.inbound import Inbound
from gateway.exchange.letters import PostRoom
from gateway.exchange.outbound import Outbound
from gateway.exchange.registrar import Registrar
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.returns import Returns
from gateway.exchange.routing import make_routing
from gateway.exchange.rules import DocumentRules
from gateway.exchange.sweeping import make_sweeping
from gateway.exchange.worker import Worker
from gateway.model.document import Envelope
from gateway.model.identifiers import AccountId, DocumentTypeId, MessageId, ParticipantId, ProcessId
from gateway.model.message import Outgoing, Parcel, Participant, Received, Verification
from gateway.model.relation import Endpoint, Reachable, Reason, Step, Unreachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.model.signals import Handover, Receipt
from gateway.pki.certificates import Certificates
from gateway.ports import Delivery
from gateway.security.trust import Trust
from gateway.serving.site import settings
from gateway.store import SqlStore, open_store
from gateway.ubl import invoice as ubl_invoice
from gateway.ubl import sbdh
from gateway.web.api import application
from tests.conftest import FakeClock
from tests.web import contract

KEYS = {"alpha": "gwk_" + "a" * 43, "beta": "gwk_" + "b" * 43}
LIMIT = 300_000
"""as4.max_message of these tests."""
OURS, THEIRS = "0007:5566778899", "0007:5567212047"

INVOICE = """<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
 <cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0</cbc:CustomizationID>
 <cbc:ProfileID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</cbc:ProfileID>
 <cbc:ID>NUMBER</cbc:ID>
 <cbc:IssueDate>2026-11-25</cbc:IssueDate>
 <cbc:DueDate>2026-12-25</cbc:DueDate>
 <cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>
 <cbc:DocumentCurrencyCode>SEK</cbc:DocumentCurrencyCode>
 <cbc:BuyerReference>7788</cbc:BuyerReference>
 <cac:AccountingSupplierParty><cac:Party>
  <cbc:EndpointID schemeID="0007">5566778899</cbc:EndpointID>
  <cac:PartyName><cbc:Name>Exempel AB</cbc:Name></cac:PartyName>
  <cac:PostalAddress><cbc:StreetName>Storgatan 1</cbc:StreetName><cbc:CityName>Kalmar</cbc:CityName>
   <cbc:PostalZone>392 32</cbc:PostalZone><cac:Country><cbc:IdentificationCode>SE</cbc:IdentificationCode></cac:Country>
  </cac:PostalAddress>
  <cac:PartyTaxScheme><cbc:CompanyID>SE556677889901</cbc:CompanyID>
   <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>
  <cac:PartyLegalEntity><cbc:RegistrationName>Exempel AB</cbc:RegistrationName>
   <cbc:CompanyID schemeID="0007">5566778899</cbc:CompanyID></cac:PartyLegalEntity>
 </cac:Party></cac:AccountingSupplierParty>
 <cac:AccountingCustomerParty><cac:Party>
  <cbc:EndpointID schemeID="0007">5567212047</cbc:EndpointID>
  <cac:PartyName><cbc:Name>Nordisk Kontorsmaterial AB</cbc:Name></cac:PartyName>
  <cac:PostalAddress><cbc:StreetName>Hamngatan 2</cbc:StreetName><cbc:CityName>Ume\u00e5</cbc:CityName>
   <cbc:PostalZone>903 26</cbc:PostalZone><cac:Country><cbc:IdentificationCode>SE</cbc:IdentificationCode></cac:Country>
  </cac:PostalAddress>
  <cac:PartyLegalEntity><cbc:RegistrationName>Nordisk Kontorsmaterial AB</cbc:RegistrationName></cac:PartyLegalEntity>
 </cac:Party></cac:AccountingCustomerParty>
 <cac:PaymentMeans><cbc:PaymentMeansCode>30</cbc:PaymentMeansCode><cbc:PaymentID>1001</cbc:PaymentID>
  <cac:PayeeFinancialAccount><cbc:ID>50501055</cbc:ID>
   <cac:FinancialInstitutionBranch><cbc:ID>SE:BANKGIRO</cbc:ID></cac:FinancialInstitutionBranch>
  </cac:PayeeFinancialAccount></cac:PaymentMeans>
 <cac:TaxTotal><cbc:TaxAmount currencyID="SEK">250.00</cbc:TaxAmount>
  <cac:TaxSubtotal><cbc:TaxableAmount currencyID="SEK">1000.00</cbc:TaxableAmount>
   <cbc:TaxAmount currencyID="SEK">250.00</cbc:TaxAmount>
   <cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>25</cbc:Percent>
    <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>
 <cac:LegalMonetaryTotal><cbc:LineExtensionAmount currencyID="SEK">1000.00</cbc:LineExtensionAmount>
  <cbc:TaxExclusiveAmount currencyID="SEK">1000.00</cbc:TaxExclusiveAmount>
  <cbc:TaxInclusiveAmount currencyID="SEK">1250.00</cbc:TaxInclusiveAmount>
  <cbc:PayableAmount currencyID="SEK">1250.00</cbc:PayableAmount></cac:LegalMonetaryTotal>
 <cac:InvoiceLine><cbc:ID>1</cbc:ID><cbc:InvoicedQuantity unitCode="EA">10</cbc:InvoicedQuantity>
  <cbc:LineExtensionAmount currencyID="SEK">1000.00</cbc:LineExtensionAmount>
  <cac:Item><cbc:Name>Kopieringspapper</cbc:Name>
   <cac:ClassifiedTaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>25</cbc:Percent>
    <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:ClassifiedTaxCategory></cac:Item>
  <cac:Price><cbc:PriceAmount currencyID="SEK">100.00</cbc:PriceAmount></cac:Price></cac:InvoiceLine>
</Invoice>
"""


def invoice(number: str = "1001") -> bytes:
    """A good invoice from Exempel AB."""
    return INVOICE.replace("NUMBER", number).encode()


def envelope(instance: str = "") -> Envelope:
    """The business envelope of such an invoice."""
    return Envelope(
        sender=ParticipantId.parse(OURS),
        receiver=ParticipantId.parse(THEIRS),
        document_type=BILLING_INVOICE,
        process=BILLING_PROCESS,
        country_c1="SE",
        instance_id=instance or str(uuid.uuid4()),
        created="2026-11-25T12:00:00Z",
        standard=BILLING_INVOICE.namespace,
        type_version="2.1",
        type="Invoice",
    )


@dataclass
class Network:
    """A network that says what the test wants: relation search, transport and mail at once."""

    clock: FakeClock
    answer: str = "no"
    """``yes``, ``no`` (not registered), ``silent`` (no answer)."""
    sent: list[Outgoing] = field(default_factory=list)
    name: str = "email"
    confirms: bool = False
    mail: bool = False

    async def find(
        self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
    ) -> Reachable | Unreachable:
        step = Step(asked="NAPTR", where="127.0.0.1", answer=self.answer, milliseconds=1.0, octets=b"<smp/>")
        if self.answer == "silent":
            raise LookupUnavailable("no answer within 5 s", steps=[step])
        if self.answer == "no":
            text = f"{participant.value} is not registered (NXDOMAIN)"
            return Unreachable(participant=participant, reason=Reason.NOT_REGISTERED, text=text, steps=(step,))
        endpoint = Endpoint(url="http://127.0.0.1/as4", certificate=b"", seat="POP000002", transport_profile="as4")
        return Reachable(
            participant=participant,
            document_type=document_type,
            process=process,
            endpoint=endpoint,
            smp="http://127.0.0.1",
            steps=(step,),
        )

    async def send(self, outgoing: Outgoing, endpoint: Endpoint) -> Delivery:
        self.sent.append(outgoing)
        receipt = Receipt(
            message_id=MessageId("receipt@peer"),
            ref_to=outgoing.message_id,
            signer=endpoint.seat,
            received_at=self.clock.now(),
            octets=b"<receipt/>",
        )
        return Delivery(receipt=receipt, soap=b"<soap/>", milliseconds=12.0)

    def serves(self, parcel: Parcel) -> str:
        return "" if self.mail else "the invoice names no e-mail address"

    async def dispatch(self, parcel: Parcel) -> Handover:
        return Handover(reference="250 ok", text="The mail server has it", evidence=b"mail")


@pytest.fixture
def network(clock: FakeClock) -> Network:
    return Network(clock)


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[SqlStore]:
    async with open_store("sqlite:gateway.db", Path("payloads"), clock=clock, base=tmp_path) as opened:
        hashes = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in KEYS.items()}
        assert await opened.first_account("alpha", hashes["alpha"])
        await opened.add_account(AccountId("beta"), "beta", hashes["beta"])
        yield opened


@pytest.fixture
def gateway(store: SqlStore, network: Network, clock: FakeClock, tmp_path: Path) -> Gateway:
    config = Config(
        base=tmp_path,
        as4=As4(max_message=ByteSize(LIMIT)),
        store=StoreSection(database="sqlite:gateway.db", payloads=Path("payloads")),
        delivery={"default": {"kind": "inbox"}, "erp": {"kind": "inbox"}},
    )
    retry = RetryPolicy(first=timedelta(minutes=1), longest=timedelta(hours=1), window=timedelta(days=5))
    outbound = Outbound(
        store=store,
        lookup=network,
        transport=network,
        channels={"email": network},
        clock=clock,
        retry=retry,
        pack=lambda octets: gzip.compress(octets, mtime=0),
        message_id=lambda: MessageId(f"{uuid.uuid4()}@pop000001.as4"),
        country="SE",
        rules=DocumentRules(made_up=True),
    )
    inbound = Inbound(store=store, deliveries={}, clock=clock, retry=retry)
    certificates = Certificates(own=(), trust=Trust((), ()), clock=clock, watch=None)
    parts: dict[str, Any] = {"lookup": network, "endpoint": None, "keys": None, "certificates": certificates}
    parts["post_room"] = PostRoom(store=store, clock=clock, returns=Returns(store=store, clock=clock))
    routing = make_routing(store, clock, (), "SE")
    parts["sweeping"] = make_sweeping(config.sweep, store, clock, network, routing, "test")  # type: ignore[arg-type]
    registrar = Registrar(
        store=store,
        register=None,
        outside=network,  # type: ignore[arg-type]
        test=None,  # type: ignore[arg-type]
        clock=clock,
        smp_url="https://smp.example.org",
        seat="POP000001",
    )
    return Gateway(
        config=config,
        registrar=registrar,
        clock=clock,
        store=store,
        outbound=outbound,
        inbound=inbound,
        worker=Worker(store=store, outbound=outbound, inbound=inbound, clock=clock, retry=retry),
        started=clock.now(),
        first_key="",
        **parts,
    )


@dataclass
class Site:
    """The running site, as a caller with a key sees it."""

    client: TestClient[Any, Any]
    gateway: Gateway

    async def call(self, method: str, path: str, *, who: str = "alpha", **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {KEYS[who]}"} | options.pop("headers", {})
        async with self.client.request(method, path, headers=headers, **options) as response:
            body = await response.read()
            is_json = bool(body) and response.content_type.endswith("json")
            value = await response.json(content_type=None) if is_json else None
            kind = response.headers.get("Content-Type", "")
            contract.check(method, path.partition("?")[0], response.status, kind, value)
            return Answer(response.status, response.headers, body, value)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", path, **options)

    async def submit(self, octets: bytes, *, query: str = "", key: str = "", **options: Any) -> Answer:
        headers = {"Content-Type": "application/xml"} | ({"Idempotency-Key": key} if key else {})
        headers |= options.pop("headers", {})
        return await self.call("POST", f"/v1/documents{query}", data=octets, headers=headers, **options)

    async def receive(self, receiver: str = THEIRS, account: str = "alpha") -> str:
        """Let a document arrive over the network for a participant of the account; gives its id."""
        await self.gateway.publish(Participant(id=ParticipantId.parse(receiver), account=AccountId(account)))
        document, around = invoice("IN-7"), envelope()
        sbd = sbdh.wrap(document, around)
        message_id = MessageId(f"{uuid.uuid4()}@peer")
        received = Received(
            message_id=message_id,
            conversation_id="c",
            timestamp="2026-11-25T12:00:00Z",
            from_party="POP000002",
            to_party="POP000001",
            is_test=False,
            envelope=around,
            document=document,
            summary=ubl_invoice.read(document).summary,
            part=gzip.compress(sbd, mtime=0),
            compressed=True,
            soap=b"<soap/>",
            verification=Verification(
                signer=b"",
                seat="POP000002",
                chain=(),
                covered=(),
                checked_at=self.gateway.clock.now(),
                revocation="off",
            ),
        )
        await self.gateway.inbound.receive(received, b"<our-receipt/>")
        message = await self.gateway.store.find_received("POP000002", message_id)
        assert message is not None
        return message.id


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Any
    body: bytes
    json: Any


@pytest.fixture
async def site(gateway: Gateway) -> AsyncIterator[Site]:
    server = TestServer(application(gateway))
    await server.start_server(**settings())
    async with TestClient(server) as client:
        yield Site(client, gateway)
