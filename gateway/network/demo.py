"""The demonstration: two operators, one seller, three buyers, three ways for an invoice to arrive.

Everything is the real thing on loopback: the gateways are processes, the SML zone answers DNS, invoices cross
as signed and encrypted AS4, mail goes through SMTP, letters land in a bureau folder. Each arrival is checked at
the far side, not believed.
"""

from __future__ import annotations

import asyncio
import email
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import policy
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, Final

import aiohttp
from lxml import etree

from gateway.config import load
from gateway.errors import GatewayError
from gateway.network.desk import Desk, begin_sweep, fill_desk, look_at_desk
from gateway.network.history import CUSTOMERS, SUPPLIERS, write_history
from gateway.network.mail_server import serve_mail
from gateway.network.market import Market, Member, free_ports, new_market
from gateway.network.running import run_market
from gateway.scanners import missing_parts
from gateway.security import safexml
from gateway.ubl import invoice

log = logging.getLogger(__name__)

_WAIT_SECONDS: Final = 30
_DESK_SECONDS: Final = 7.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What became of one invoice, and how we know."""

    title: str
    number: str
    buyer: str
    expected: str
    document: dict[str, Any]
    timeline: list[dict[str, Any]]
    proof: str
    milliseconds: float
    problem: str = ""

    @property
    def arrived(self) -> bool:
        return not self.problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The running demonstration: what to show and where to look."""

    market: Market
    stories: tuple[Story, ...]
    api: str
    sign_in: str
    """Where the first administrator of the portal chooses a password; empty without the extra ``portal``."""
    key_file: Path
    letters: Path
    mailbox: Path
    desk: Desk
    """What waits for a person in the portal."""

    @property
    def good(self) -> bool:
        return all(story.arrived for story in self.stories)


@dataclass(slots=True)
class _Corner:
    """The API of one gateway, as a company's system uses it."""

    http: aiohttp.ClientSession
    member: Member
    key: str = field(repr=False)

    async def call(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        async with self.http.request(method, f"http://{self.member.api}{path}", headers=headers, **more) as answer:
            octets = await answer.read()
            if answer.status >= 400:
                raise GatewayError(f"{method} {path} at {self.member.name}: HTTP {answer.status} {octets[:500]!r}")
            return json.loads(octets) if answer.content_type == "application/json" else octets


@asynccontextmanager
async def run_demo(directory: Path, *, now: datetime, progress: Progress) -> AsyncIterator[Demo]:
    """Build the network in ``directory``, send three invoices, check their arrival; it stays up inside the block."""
    mail_port, back_port = islice(free_ports(), _BEHIND, _BEHIND + 2)
    reads = not missing_parts()
    extra = _FALLBACK.format(mail=f"127.0.0.1:{mail_port}", back=f"127.0.0.1:{back_port}")
    extra += "\n[scan]\n" if reads else ""
    market = new_market(directory, 2, now=now, extra={1: extra})
    progress("authorities, certificates, SML zone and two gateways are made")
    mailbox = directory / "mailbox"
    mailbox.mkdir()
    past = await write_history(load(market.members[0].config, {}), _sample("network"), now)
    progress(f"a year of a small company is written: {CUSTOMERS} customers, {SUPPLIERS} suppliers, {past} documents")
    async with (
        serve_mail(mailbox, mail_port, back_port),
        run_market(market) as running,
        aiohttp.ClientSession() as http,
    ):
        progress("DNS, two access points with their SMPs, mail server and letter bureau are up")
        ours, theirs = (_Corner(http, m, m.key_file.read_text().strip()) for m in market.members)
        samples = {name: _sample(name) for name in _SAMPLES}
        await _register(ours, samples["network"], seller=True)
        await _register(theirs, samples["network"], seller=False)
        progress("the seller is published at gateway1, one buyer at gateway2")
        letters = market.members[0].directory / "var" / "letters"
        checks = {
            "network": lambda octets, document: _arrived_at_c4(theirs, octets, document),
            "email": lambda octets, _: asyncio.to_thread(_arrived_by_mail, mailbox, octets),
            "letter": lambda _, document: asyncio.to_thread(_arrived_as_letter, letters, document),
        }
        stories = []
        for name, (title, expected) in _SAMPLES.items():
            stories.append(await _send(ours, title, expected, samples[name], checks[name]))
            progress(f"{title}: {'arrived' if stories[-1].arrived else stories[-1].problem}")
        async with _desk(ours, theirs, samples["network"], samples["email"], reads=reads) as desk:
            progress(desk.words)
            yield Demo(
                market=market,
                stories=tuple(stories),
                api=f"http://{ours.member.api}",
                sign_in=running[0].sign_in,
                key_file=ours.member.key_file,
                letters=letters,
                mailbox=mailbox,
                desk=desk,
            )


@asynccontextmanager
async def _desk(ours: _Corner, theirs: _Corner, *templates: bytes, reads: bool) -> AsyncIterator[Desk]:
    """What a clerk finds. It keeps nobody waiting: what is not ready in time goes on while the network is up."""
    work = asyncio.ensure_future(fill_desk(ours, theirs, *templates, reads=reads))
    try:
        done, _ = await asyncio.wait({work}, timeout=_DESK_SECONDS)
        if done and (error := work.exception()) is not None:
            log.warning("the clerk's desk has less than it should: %s", error)
        await begin_sweep(ours)
        yield await look_at_desk(ours, ready=bool(done))
    finally:
        work.cancel()
        await asyncio.wait({work})


_SAMPLES: Final = {
    "network": ("a buyer on the network", "peppol"),
    "email": ("a buyer with an e-mail address", "email"),
    "letter": ("a buyer with a postal address", "print"),
}

_BEHIND: Final = 60
"""Free ports that are left to the market before those of the mail server."""
_FALLBACK: Final = """
[email]
smtp = "{mail}"
sender = "faktura@operator.example"
bounce_domain = "bounce.operator.example"

[mailbox]
listen = "{back}"

[print]
kind = "folder"
target = "var/letters"
"""


def _sample(name: str) -> bytes:
    return resources.files("gateway.ubl").joinpath(f"examples/{name}.xml").read_bytes()


async def _register(corner: _Corner, octets: bytes, *, seller: bool) -> None:
    facts = invoice.read(octets)
    company = facts.seller if seller else facts.buyer
    assert company.endpoint is not None
    body = {"id": company.endpoint.value, "name": company.shown_name, "country": company.country}
    await corner.call("POST", "/v1/participants", json=body)


async def _send(corner: _Corner, title: str, expected: str, octets: bytes, check: Callable[..., Any]) -> Story:
    facts = invoice.read(octets)
    started = time.perf_counter()
    document = await corner.call(
        "POST",
        f"/v1/documents?wait={_WAIT_SECONDS}",
        data=octets,
        headers={"Content-Type": "application/xml", "Idempotency-Key": f"demo-{facts.number}"},
    )
    milliseconds = (time.perf_counter() - started) * 1000
    timeline = (await corner.call("GET", f"/v1/documents/{document['id']}/timeline"))["items"]
    proof, problem = "", ""
    try:
        if document["status"] != "delivered" or document["channel"] != expected:
            raise _NotArrived(
                f"expected {expected}, it is {document['state']} by {document['channel']}: {document['reason']}"
            )
        proof = await check(octets, document)
    except _NotArrived as error:
        problem = str(error)
    return Story(
        title=title,
        number=facts.number,
        buyer=facts.buyer.shown_name,
        expected=expected,
        document=document,
        timeline=timeline,
        proof=proof,
        milliseconds=milliseconds,
        problem=problem,
    )


class _NotArrived(Exception):
    """The far side does not have what was sent."""


async def _arrived_at_c4(corner: _Corner, octets: bytes, document: dict[str, Any]) -> str:
    """C4 fetches it from its inbox: the same document, acknowledged."""
    items = (await corner.call("GET", "/v1/inbox?state=new"))["items"]
    mine = [item for item in items if item["message_id"] == document["message_id"]]
    if len(mine) != 1:
        raise _NotArrived(f"{len(mine)} documents with MessageId {document['message_id']} in the receiver's inbox")
    content = await corner.call("GET", f"/v1/documents/{mine[0]['id']}/content")
    if _canonical(content) != _canonical(octets):
        raise _NotArrived("the receiver's document is not the one that was sent")
    await corner.call("POST", f"/v1/inbox/{mine[0]['id']}/ack")
    return f"receipt signed by {document['peer']}; the receiver fetched the same {len(content):,} octets"


def _arrived_by_mail(mailbox: Path, octets: bytes) -> str:
    """The mail server has one mail with the page as PDF and the invoice as XML."""
    for path in sorted(mailbox.glob("*.eml")):
        mail = email.message_from_bytes(path.read_bytes(), policy=policy.default)
        parts = {
            part.get_content_type(): part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()
        }
        pdf, xml = parts.get("application/pdf"), parts.get("application/xml")
        if xml == octets and isinstance(pdf, bytes) and pdf.startswith(b"%PDF-"):
            return f"mail server keeps {path.name} for {mail['To']}: PDF of {len(pdf) / 1000:.0f} kB and the UBL"
    raise _NotArrived("the mail server has no mail with this invoice")


def _arrived_as_letter(letters: Path, document: dict[str, Any]) -> str:
    """The bureau folder has a complete batch whose manifest names this document with the right digest."""
    for manifest in sorted(letters.glob("*/manifest.jsonl")):
        for line in manifest.read_text().splitlines():
            entry = json.loads(line)
            if entry["document"] != document["id"]:
                continue
            octets = (manifest.parent / entry["file"]).read_bytes()
            if hashlib.sha256(octets).hexdigest() != entry["sha256"]:
                raise _NotArrived("the letter differs from its manifest")
            place = ", ".join(entry["address"][-2:])
            return f"letter of {entry['pages']} page(s) to {place}; batch {manifest.parent.name}, digest as in manifest"
    raise _NotArrived("no batch in the bureau folder names this document")


def _canonical(octets: bytes) -> bytes:
    return etree.tostring(safexml.parse(octets), method="c14n")
