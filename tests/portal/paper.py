"""What came in on paper and as PDF, for the demo store: read by the real reader, once in a process."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.app import Gateway
from gateway.exchange.antivirus import Antivirus
from gateway.exchange.paper import Paper
from gateway.exchange.pictures import Pictures
from gateway.exchange.scans import Scans
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.message import Evidence
from gateway.model.scan import Reading, ScanState
from gateway.ports import Incoming
from gateway.scanners import Scanning
from gateway.scanning.comparing import Compared, Stated
from gateway.scanning.pictures import PictureReader
from gateway.scanning.reader import FileReader
from tests.clamav import EICAR, Scripted
from tests.scanning import generator, pairs

_READ: Final[dict[str, Reading]] = {}


@dataclass(frozen=True)
class Remembering:
    """The real reader; what it has read it does not read again, so that not every test waits for it."""

    reader: FileReader = field(default_factory=lambda: FileReader(program=""))

    async def read(self, octets: bytes, **more: Any) -> Reading:
        key = f"{hashlib.sha256(octets).hexdigest()} {more.get('file_name')}"
        if key not in _READ:
            _READ[key] = await self.reader.read(octets, **more)
        return _READ[key]


def switch_on(gateway: Gateway) -> Scanning:
    """Let the gateway take in paper and PDF."""
    paper = Paper(store=gateway.store, clock=gateway.clock, pulled={})
    scans = Scans(store=gateway.store, reader=Remembering(), paper=paper, clock=gateway.clock)
    scanning = Scanning(scans=scans, folder=None)
    object.__setattr__(gateway, "scanning", scanning)
    return scanning


KNOWN = generator.invoice(2, code=True)
DOUBTFUL = generator.invoice(3, code=False)
CHANGED = dataclasses.replace(KNOWN, number="777888", account=generator.account(random.Random(5)))
TWO = (generator.invoice(6, code=False), generator.invoice(7, code=False))


def pdf_of(one: generator.Invoice) -> bytes:
    """The invoice as PDF, with its code where it has one."""
    return generator.text_pdf(generator.page(one), code=generator.qr(one.using_qr(), 120) if one.code else None)


FILES: Final = {
    "known": ("faktura-1.pdf", lambda: pdf_of(KNOWN)),
    "review_fields": ("faktura-2.pdf", lambda: pdf_of(DOUBTFUL)),
    "review_fraud": ("faktura-3.pdf", lambda: pdf_of(CHANGED)),
    "review_several": ("veckans fakturor.pdf", lambda: generator.text_pdf(*map(generator.page, TWO))),
    "review_refused": ("semesterbild.pdf", lambda: b"GIF89a"),
}


async def hand_in(gateway: Gateway, account: AccountId) -> dict[str, str]:
    """One of each kind; gives the scans by name."""
    scans = switch_on(gateway).scans
    proof = Evidence(kind="mail", media_type="text/plain", octets=b"dkim: x\naligned: yes\nsha256: x\n\nSubject: Hej\n")
    found = {}
    for name, (file_name, octets) in FILES.items():
        incoming = Incoming(
            account=account,
            octets=octets(),
            file_name=file_name,
            media_type="application/pdf",
            source="mail",
            sender="faktura@leverantor.example",
            key=name,
            evidence=(proof,),
        )
        found[name] = (await scans.hand_in(incoming)).id
    guarded = dataclasses.replace(scans, antivirus=Antivirus(scanner=Scripted()))
    octets = pdf_of(KNOWN) + EICAR
    incoming = Incoming(account=account, octets=octets, file_name="faktura-9.pdf", source="upload", key="virus")
    found["review_virus"] = (await guarded.hand_in(incoming)).id
    return found


LYING: Final = generator.invoice(9, code=False)


@dataclass(frozen=True)
class Once:
    """The real reader of attached PDFs; what it has read it does not read again."""

    async def compare(self, octets: bytes, stated: Stated) -> Compared | None:
        if octets not in _COMPARED:
            _COMPARED[octets] = await PictureReader().compare(octets, stated)
        return _COMPARED[octets]


_COMPARED: Final[dict[bytes, Compared | None]] = {}


async def attach_picture(gateway: Gateway, account: AccountId, document: str) -> str:
    """A PDF that shows another account and total, attached to this invoice; gives the review."""
    _, pdf = pairs.altered(LYING, 9)["both"]
    pictures = Pictures(store=gateway.store, clock=gateway.clock, reader=Once())
    message = await gateway.store.get(account, DocumentId(document))
    _, event = await pictures.look(message, pairs.ubl(LYING, pdf))
    assert event is not None
    await gateway.store.record(message, event)
    found, _ = await gateway.store.reviews.find(account, (ScanState.REVIEW,), 50)
    return next(one.id for one in found if one.document == document)
