"""Everything around the gateway under test: a private market in which only that one is killed.

gateway1 is the victim. gateway2 is C3: a gateway of its own, behind a front that breaks connections. The SML zone, a
mail server and the letter bureau's folder are there too. All of it on loopback.
"""

from __future__ import annotations

import asyncio
import base64
import email
import random
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import policy
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp

from gateway.app import Files, SystemClock, read_files
from gateway.as4.gzipped import compress
from gateway.as4.msh import Sending, new_message_id
from gateway.config import load
from gateway.model.document import Company, Envelope
from gateway.model.identifiers import TRANSPORT_PROFILE
from gateway.model.message import Outgoing
from gateway.model.relation import Endpoint
from gateway.network.market import Market, Member, free_ports, new_market
from gateway.network.running import run_market
from gateway.ubl import invoice, sbdh
from tests.crash.front import Front
from tests.crash.ledgers import Ledgers
from tests.crash.power import Disk, mounted
from tests.crash.power_postgres import Cluster, open_cluster
from tests.crash.victim import Victim, open_victim

SAMPLES = {
    name: resources.files("gateway.ubl").joinpath(f"examples/{name}.xml").read_bytes()
    for name in ("network", "email", "letter")
}
FACTS = invoice.read(SAMPLES["network"])
POWERED = "postgresql"
"""Instead of an address: a server on a disk of its own, whose power is cut with that of the victim."""
_NUMBER = re.compile(rb"(<cbc:ID>)[^<]*(</cbc:ID>)")
_FALLBACK = """
[email]
smtp = "127.0.0.1:{mail}"
sender = "faktura@operator.example"
bounce_domain = "bounce.operator.example"

[print]
kind = "folder"
target = "var/letters"
"""


_ATTACHMENT = """<cac:AdditionalDocumentReference><cbc:ID>attachment</cbc:ID><cac:Attachment>\
<cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="attachment.pdf">{octets}\
</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></cac:AdditionalDocumentReference>"""
_BEFORE = b"<cac:AccountingSupplierParty>"


def document(kind: str, number: str, attached: int = 0) -> bytes:
    """An invoice of that kind with a number of its own; ``attached`` octets, which do not compress, are in it."""
    octets = _NUMBER.sub(rb"\g<1>" + number.encode() + rb"\g<2>", SAMPLES[kind], count=1)
    if not attached:
        return octets
    attachment = _ATTACHMENT.format(octets=base64.b64encode(random.Random(number).randbytes(attached)).decode())
    return octets.replace(_BEFORE, attachment.encode() + _BEFORE, 1)


@dataclass(slots=True)
class World:
    """The market, the victim in it, and the ledgers."""

    market: Market
    victim: Victim
    ledgers: Ledgers
    http: aiohttp.ClientSession
    dice: random.Random
    front: Front
    files: dict[str, Files]
    """Keys, certificates and anchors of each member."""
    disk: Disk | Cluster | None = None
    """Under everything that the victim stores, where its power can be cut."""
    keys: dict[str, str] = field(default_factory=dict)
    nodes: list[Member] = field(default_factory=list)
    """Where the victim can be asked; more than one when several processes have its store."""
    spare_ports: list[int] = field(default_factory=list)
    letters: Path = Path()
    """Where the bureau's batches lie."""
    prefix: str = ""
    """How the numbers of this run's documents begin; others are not looked at."""
    kinds: dict[str, int] = field(default_factory=lambda: {"network": 80, "email": 10, "letter": 10})
    """How the documents handed in have to leave, and how many of each."""
    told: float = 0.15
    """Share of the messages to us whose senders want to hear what became of them."""

    def anyone(self) -> Member:
        """One of the nodes."""
        return self.dice.choice(self.nodes)

    @property
    def ours(self) -> Member:
        return self.market.members[0]

    @property
    def theirs(self) -> Member:
        return self.market.members[1]

    async def call(self, member: Member, method: str, path: str, **more: Any) -> tuple[int, bytes]:
        """One call of an API: (status, body). Raises what aiohttp raises."""
        key = self.keys[self.theirs.name if member is self.theirs else self.ours.name]
        headers = {"Authorization": f"Bearer {key}", **more.pop("headers", {})}
        url = f"http://{member.api}{path}"
        async with self.http.request(method, url, headers=headers, **more) as answer:
            return answer.status, await answer.read()

    async def publish(self, member: Member, company: Company) -> None:
        """Make a company of the examples a participant there."""
        assert company.endpoint
        body = {"id": company.endpoint.value, "name": company.shown_name, "country": company.country}
        status, answer = await self.call(member, "POST", "/v1/participants", json=body)
        assert status in (200, 201), answer

    def message(self, number: str, attached: int = 0, *, told: bool = False) -> tuple[Sending, bytes]:
        """A message of gateway2's access point to us, and the document in it; with ``told`` it asks for a status."""
        assert FACTS.seller.endpoint and FACTS.buyer.endpoint
        theirs, ours = (self.files[m.name] for m in (self.theirs, self.ours))
        octets = document("network", number, attached)
        envelope = Envelope(
            sender=FACTS.buyer.endpoint,
            receiver=FACTS.seller.endpoint,
            document_type=FACTS.document_type,
            process=FACTS.process,
            country_c1="SE",
            instance_id=f"crash-{number}",
            created=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            standard=FACTS.document_type.namespace,
            type_version=FACTS.document_type.version,
            type=FACTS.document_type.name,
            mls_type="ALWAYS_SEND" if told else "",
        )
        outgoing = Outgoing(
            message_id=new_message_id(self.theirs.seat),
            conversation_id=f"crash-{number}",
            timestamp=datetime.now(UTC),
            envelope=envelope,
            part=compress(sbdh.wrap(octets, envelope)),
        )
        us = ours.access_point
        endpoint = Endpoint(url="", certificate=us.der, seat=us.common_name, transport_profile=TRANSPORT_PROFILE)
        sending = Sending(outgoing, endpoint, identity=theirs.access_point, trust=theirs.trust, clock=SystemClock())
        return sending, octets


@asynccontextmanager
async def open_world(
    directory: Path, seed: int, *, extra: str = "", power: bool = False, database: str = "", **environment: str
) -> AsyncIterator[World]:
    """Build it in ``directory``; the victim has run once, so that keys and participants are there, and is not running.

    ``extra`` is TOML for the victim's configuration, ``environment`` is given to its processes. With ``power`` all that
    it stores is on a disk whose power can be cut, with ``POWERED`` as ``database`` PostgreSQL too. Else ``database`` is
    the address of an empty one, instead of SQLite.
    """
    dice, ledgers = random.Random(seed), Ledgers()
    first = random.randrange(20_000, 31_000)  # two campaigns at once stay out of each other's way
    ports = free_ports(first)
    mail, front, *spare = (next(ports) for _ in range(5))
    fallback = _FALLBACK.format(mail=mail) + extra
    market = new_market(directory, 2, now=datetime.now(UTC), extra={1: fallback}, first_port=spare[-1] + 1)
    ours, theirs = market.members
    # Whoever kills from outside kills whatever is in hand: no document is to blame.
    pauses = 'first_retry = "1 second"\nlongest_pause = "3 seconds"\nquarantine_after = 0'
    ours.config.write_text(ours.config.read_text().replace('first_retry = "5 seconds"', pauses))
    public = f'public_url = "http://{theirs.as4}/as4"'
    theirs.config.write_text(theirs.config.read_text().replace(public, f'public_url = "http://127.0.0.1:{front}/as4"'))
    host, _, port = theirs.as4.partition(":")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_mail_server(mail, ledgers))
        wire = Front((host, int(port)), ours.seat.encode(), ledgers, random.Random(seed + 1))
        await stack.enter_async_context(wire.listen(front))
        await stack.enter_async_context(run_market(replace(market, members=(theirs,))))
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)))
        disk: Disk | Cluster | None = None
        if power:
            disk = await stack.enter_async_context(mounted(ours.directory / "var"))
            if database == POWERED:
                disk = await stack.enter_async_context(open_cluster(disk))
                database = disk.url
        if database:
            ours.config.write_text(ours.config.read_text().replace("sqlite:var/gateway.db", database))
        victim = await stack.enter_async_context(open_victim(ours, **environment))
        files = {m.name: read_files(load(m.config, {})) for m in market.members}
        world = World(market, victim, ledgers, http, dice, wire, files, disk, nodes=[ours], spare_ports=spare)
        world.letters = ours.directory / "var" / "letters"
        await victim.start()
        for member, company in ((ours, FACTS.seller), (theirs, FACTS.buyer)):
            world.keys[member.name] = member.key_file.read_text().strip()
            await world.publish(member, company)
        assert await victim.stop() == 0
        yield world


@asynccontextmanager
async def _mail_server(port: int, ledgers: Ledgers) -> AsyncIterator[None]:
    from aiosmtpd.controller import Controller

    class Mailbox:
        async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
            mail = email.message_from_bytes(envelope.content, policy=policy.default)
            xml = next(p.get_payload(decode=True) for p in mail.walk() if p.get_content_type() == "application/xml")
            number = _NUMBER.search(xml if isinstance(xml, bytes) else b"")
            assert number is not None
            ledgers.mails.append((str(mail["Message-ID"]), number[0].decode()[8:-9]))
            return "250 taken"

    controller = Controller(Mailbox(), hostname="127.0.0.1", port=port)
    await asyncio.to_thread(controller.start)
    try:
        yield
    finally:
        await asyncio.to_thread(controller.stop)
