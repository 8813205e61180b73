#!/usr/bin/env python3
"""What one AS4 message costs in CPU, beside one RSA-2048 private operation measured in the same rounds.

    python benchmarks/codec.py [--rounds 9] [--each 100] [--size 10000]

``op`` is the cost in RSA-2048 private operations: compare that, it survives a moving clock. Bounds: a message in
takes two private operations (unwrap the key, sign the receipt), a message out one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateway.as4.gzipped import compress
from gateway.as4.msh import Receiving, Sending, new_message_id
from gateway.as4.shapes import Shapes
from gateway.model.document import Envelope
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.message import Outgoing
from gateway.model.relation import Endpoint
from gateway.security.authority import issue, new_pki
from gateway.security.keys import Identity, load_identity
from gateway.security.trust import Trust
from gateway.ubl.sbdh import unwrap, wrap

NOW = datetime.now(UTC)
UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
LINE = "<cac:InvoiceLine><cbc:ID>{n}</cbc:ID><cbc:Note>Kontorsstol, grå, nummer {n} {m:x}</cbc:Note></cac:InvoiceLine>"
ENVELOPE = Envelope(
    sender=ParticipantId.parse("0007:5567212047"),
    receiver=ParticipantId.parse("0088:7300010000001"),
    document_type=DocumentTypeId.parse(
        f"busdox-docid-qns::{UBL}Invoice-2::Invoice"
        "##urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0::2.1"
    ),
    process=ProcessId.parse("urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"),
    country_c1="SE",
    instance_id="7f6f2c2e-6a58-4b57-9f1c-2d7c7c6f7a10",
    created="2026-11-25T10:15:30Z",
    standard=f"{UBL}Invoice-2",
    type_version="2.1",
    type="Invoice",
)


class Now:
    def now(self) -> datetime:
        return NOW


PARTY = (
    '<cac:{role}><cac:Party><cbc:EndpointID schemeID="{icd}">{number}</cbc:EndpointID>'
    "<cac:PartyIdentification><cbc:ID>{number}</cbc:ID></cac:PartyIdentification>"
    "<cac:PartyName><cbc:Name>{name}</cbc:Name></cac:PartyName>"
    "<cac:PostalAddress><cbc:StreetName>Storgatan 1</cbc:StreetName><cbc:CityName>Västerås</cbc:CityName>"
    "<cbc:PostalZone>721 30</cbc:PostalZone>"
    "<cac:Country><cbc:IdentificationCode>SE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>"
    "<cac:PartyTaxScheme><cbc:CompanyID>SE{number}01</cbc:CompanyID>"
    "<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>"
    "<cac:PartyLegalEntity><cbc:RegistrationName>{name}</cbc:RegistrationName>"
    "<cbc:CompanyID>{number}</cbc:CompanyID></cac:PartyLegalEntity>"
    "<cac:Contact><cbc:Name>Ekonomi</cbc:Name><cbc:Telephone>+46 21 100 000</cbc:Telephone>"
    "<cbc:ElectronicMail>faktura@exempel.test</cbc:ElectronicMail></cac:Contact></cac:Party></cac:{role}>"
)


def invoice(size: int) -> bytes:
    head = (
        f'<Invoice xmlns="{UBL}Invoice-2" xmlns:cac="{UBL}CommonAggregateComponents-2" '
        f'xmlns:cbc="{UBL}CommonBasicComponents-2">'
        f"<cbc:CustomizationID>{ENVELOPE.document_type.customization}</cbc:CustomizationID>"
        f"<cbc:ProfileID>{ENVELOPE.process.value}</cbc:ProfileID><cbc:ID>F-1001</cbc:ID>"
        "<cbc:IssueDate>2026-11-25</cbc:IssueDate><cbc:DueDate>2026-12-25</cbc:DueDate>"
        "<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode><cbc:DocumentCurrencyCode>SEK</cbc:DocumentCurrencyCode>"
        + PARTY.format(role="AccountingSupplierParty", icd="0007", number="5567212047", name="Exempel Möbler AB")
        + PARTY.format(role="AccountingCustomerParty", icd="0088", number="7300010000001", name="Exempel Bygg AB")
        + '<cac:LegalMonetaryTotal><cbc:PayableAmount currencyID="SEK">24651.00</cbc:PayableAmount>'
        "</cac:LegalMonetaryTotal>"
    )
    lines: list[str] = []
    while len(head) + sum(map(len, lines)) < size:
        lines.append(LINE.format(n=len(lines), m=hash((len(lines), size)) & 0xFFFFFFFF))
    return (head + "".join(lines) + "</Invoice>").encode()


def parties() -> tuple[Identity, Identity, Trust]:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        new_pki(directory, now=NOW)
        keys = []
        for seat in ("POP000001", "POP000002"):
            issue(directory, "ap", seat, now=NOW)
            keys.append(load_identity(directory / f"{seat}.pem", directory / f"{seat}.key.pem", section="benchmark"))
        authorities = [x509.load_pem_x509_certificate((directory / f"{n}.pem").read_bytes()) for n in ("ap-ca", "root")]
    return keys[0], keys[1], Trust(access_point=authorities, smp=authorities)


def cost(job: Callable[[], object], each: int) -> float:
    """CPU seconds of one call."""
    started = time.thread_time()
    for _ in range(each):
        job()
    return (time.thread_time() - started) / each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--size", type=int, default=10_000, help="octets of the document")
    options = parser.parse_args()
    c2, c3, trust = parties()
    document = invoice(options.size)
    business = wrap(document, ENVELOPE)
    part = compress(business)
    message = Outgoing(
        message_id=new_message_id("POP000001"),
        conversation_id="c",
        timestamp=NOW,
        envelope=ENVELOPE,
        part=part,
    )
    endpoint = Endpoint(url="", certificate=c3.der, seat=c3.common_name, transport_profile="")

    answers, requests = Shapes(), Shapes()

    def sending() -> Sending:
        return Sending(message, endpoint, identity=c2, trust=trust, clock=Now(), shapes=answers)

    request = sending().request()

    def receiving() -> Receiving:
        return Receiving(
            request.content_type, request.body, identity=c3, trust=trust, now=NOW, unwrap=unwrap, shapes=requests
        )

    read = receiving()
    read.read()
    receipt = read.receipt()
    sent = sending()
    sent.request()

    def whole_in() -> bytes:
        inbound = receiving()
        inbound.read()
        return inbound.receipt()

    jobs: dict[str, Callable[[], object]] = {
        "wrap + gzip": lambda: compress(wrap(document, ENVELOPE)),
        "seal (sign, encrypt, pack)": lambda: sending().request(),
        "unseal (verify, decrypt, unwrap)": lambda: receiving().read(),
        "receipt (build, sign)": read.receipt,
        "unseal + receipt": whole_in,
        "check a receipt": lambda: sent.close(200, "application/soap+xml", receipt),
        "unwrap of the business envelope alone": lambda: unwrap(business),
    }
    micros: dict[str, list[float]] = {name: [] for name in jobs}
    ops: dict[str, list[float]] = {name: [] for name in jobs}
    private: list[float] = []
    for _ in range(options.rounds):
        for name, job in jobs.items():
            before = cost(lambda: c2.signer.sign(b"x"), 30)
            spent = cost(job, options.each)
            op = (before + cost(lambda: c2.signer.sign(b"x"), 30)) / 2
            private.append(op)
            micros[name].append(spent * 1e6)
            ops[name].append(spent / op)
    print(f"document {len(document)} octets, gzip {len(part)}, on the wire {len(request.body)}, receipt {len(receipt)}")
    print(f"1 op = one RSA-2048 private operation = {statistics.median(private) * 1e6:.0f} µs of CPU\n")
    print(f"{'':40}{'µs':>8}{'op':>8}   least to most")
    for name in jobs:
        low, high = min(ops[name]), max(ops[name])
        spent, op = statistics.median(micros[name]), statistics.median(ops[name])
        print(f"{name:40}{spent:8.0f}{op:8.2f}   {low:.2f} to {high:.2f}")


if __name__ == "__main__":
    main()
