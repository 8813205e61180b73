"""Real parts for the tests of channels: a PDF, a document, parcels, mail servers on loopback."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import typst
from aiosmtpd.smtp import SMTP, Envelope, Session

from gateway.discovery import ChannelContext
from gateway.model.address import letter_lines
from gateway.model.document import Company, Facts, PostalAddress
from gateway.model.identifiers import AccountId, DocumentId, DocumentTypeId, ProcessId
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Message, Parcel
from gateway.model.view import describe

NOW = datetime(2026, 11, 25, 13, 0, tzinfo=UTC)
_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"

BANKGIRO = """<cac:PaymentMeans><cbc:PaymentMeansCode>30</cbc:PaymentMeansCode><cbc:PaymentID>1001004</cbc:PaymentID>
<cac:PayeeFinancialAccount><cbc:ID>50501055</cbc:ID><cac:FinancialInstitutionBranch><cbc:ID>SE:BANKGIRO</cbc:ID>
</cac:FinancialInstitutionBranch></cac:PayeeFinancialAccount></cac:PaymentMeans>"""


class FixedClock:
    def now(self) -> datetime:
        return NOW


def make_context(base: Path, **changes: Any) -> ChannelContext:
    return replace(ChannelContext(base=base, clock=FixedClock(), describe=describe), **changes)


@functools.cache
def make_page(
    pages: int = 1,
    width: str = "210mm",
    height: str = "297mm",
    filler: int = 0,
    address: tuple[str, ...] = ("Exempel AB", "Storgatan 1", "111 22 Stockholm"),
    at: str = "dx: 88mm, dy: 29mm",
    more: str = "",
) -> bytes:
    """A real PDF, the address in the right window; ``at`` is elsewhere. ``filler`` attaches so many octets of noise."""
    attach = '#pdf.attach("noise.bin", bytes(sys.inputs.noise))\n' if filler else ""
    lines = "#linebreak()".join(f"#{json.dumps(line, ensure_ascii=False)}" for line in address)
    window = f"#place(top + left, {at})[#block(width: 85mm)[{lines}]]\n" if address else ""
    source = f"#set page(width: {width}, height: {height}, margin: 20mm)\n{window}{more}\n{attach}"
    source += "\n#pagebreak()\n".join(f"Faktura 1001, sida {n + 1}: Åäö" for n in range(pages))
    noise = "".join(hashlib.sha256(str(n).encode()).hexdigest() for n in range(filler // 32))  # packs to a half
    inputs = {"noise": noise} if filler else {}
    return typst.compile(source.encode(), format="pdf", sys_inputs=inputs, timestamp=NOW)


def make_document(payment: str = BANKGIRO, kind: str = "Invoice") -> bytes:
    """As much of a UBL document as the channels look at."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><{kind} xmlns="{_UBL}{kind}-2" xmlns:cac="{_UBL}'
        f'CommonAggregateComponents-2" xmlns:cbc="{_UBL}CommonBasicComponents-2"><cbc:ID>1001</cbc:ID>'
        f"<cbc:Note>.\nEn rad med bara en punkt, och åäö.</cbc:Note>{payment}</{kind}>"
    ).encode()


ADDRESS = PostalAddress(name="Exempel AB", street="Storgatan 1", postal_code="111 22", city="Stockholm", country="SE")
SELLER = Company(
    name="Nordisk Kontorsmaterial AB",
    email="ekonomi@nordisk-kontorsmaterial.test",
    address=PostalAddress(name="Nordisk Kontorsmaterial AB", city="Göteborg", country="SE"),
)
BUYER = Company(name="Exempel AB", email="faktura@exempel.test", address=ADDRESS)


def make_facts(kind: str = "Invoice", **changes: Any) -> Facts:
    facts = Facts(
        document_type=DocumentTypeId.of(f"{_UBL}{kind}-2", kind, "urn:cen.eu:en16931:2017", "2.1"),
        process=ProcessId("urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"),
        number="1001",
        issue_date=date(2026, 11, 25),
        due_date=date(2026, 12, 25),
        currency="SEK",
        amount=Decimal("12500.50"),
        seller=SELLER,
        buyer=BUYER,
    )
    return replace(facts, **changes)


def _lines(facts: Facts, language: str) -> tuple[str, ...]:
    return letter_lines(facts.receiver.address, facts.sender.country, language)


def make_parcel(
    id: str = "doc-0001", facts: Facts | None = None, page: bytes | None = None, language: str = "sv", **changes: Any
) -> Parcel:
    facts = facts or make_facts()
    message = Message(
        id=DocumentId(id),
        account=AccountId("main"),
        direction=Direction.OUT,
        state=State.DIVERTED,
        number=facts.number,
        created=NOW,
        updated=NOW,
    )
    parcel = Parcel(
        id=DocumentId(id),
        message=message,
        facts=facts,
        document=make_document(kind=facts.kind),
        page=make_page(address=_lines(facts, language)) if page is None else page,
        language=language,
    )
    return replace(parcel, **changes)


@dataclass
class MailServer:
    """A real SMTP server (aiosmtpd). ``rcpt`` and ``data`` replace its answers."""

    port: int = 0
    mails: list[Envelope] = field(default_factory=list)
    rcpt: str = ""
    data: str = ""
    delay: float = 0.0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt:
            return self.rcpt
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.delay)
        if self.data:
            return self.data
        self.mails.append(envelope)
        return f"250 2.0.0 Ok: queued as {len(self.mails):04}"


@asynccontextmanager
async def mail_server(**smtp: Any) -> AsyncIterator[MailServer]:
    double = MailServer()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(double, hostname="mx.test", **smtp), "127.0.0.1", 0
    )
    async with server:
        double.port = server.sockets[0].getsockname()[1]
        yield double


@dataclass
class ScriptedServer:
    """A mail server that says what it is told: verb to answer; an empty answer hangs up, ``...`` never answers."""

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        usual = {"CONNECT": "220 mx.test", "EHLO": "250-mx.test\r\n250 SIZE 9000000", "DATA": "354 Go on"}
        verb: str = "CONNECT"
        while True:
            answer = self.answers.get(verb, usual.get(verb, "250 2.0.0 Ok"))
            if answer == "...":
                await reader.read()
            if answer in ("", "..."):
                writer.close()
                return
            writer.write(answer.encode() + b"\r\n")
            if verb == "DATA" and answer.startswith("354"):
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                verb = "CONTENT"
                continue
            line = (await reader.readline()).decode().strip()
            if not line or line == "QUIT":
                self.commands.append(line)
                writer.close()
                return
            self.commands.append(line)
            verb = line.split(" ")[0].split(":")[0].upper()


@asynccontextmanager
async def scripted_server(**answers: str) -> AsyncIterator[ScriptedServer]:
    double = ScriptedServer(answers=answers)
    server = await asyncio.start_server(double.talk, "127.0.0.1", 0, limit=2**24)
    async with server:
        double.port = server.sockets[0].getsockname()[1]
        yield double
