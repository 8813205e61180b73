"""Foreign judges of the relation search: another DNS and SMP asked by us, and our SMP asked by a published client.

Needs ../shared/peers with its support kit set up (its README says how), and Java for the second half.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from conformance.interop.kit import HOME, SUPPORT, ZONE, certificate, identity
from conformance.interop.lookups import OXALIS
from conformance.interop.market import start_support
from conformance.interop.programs import Programs, free_port
from gateway.errors import LookupUnavailable
from gateway.model.identifiers import AccountId, DocumentTypeId, ParticipantId
from gateway.model.message import Participant
from gateway.model.relation import Reachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.security.keys import Identity
from gateway.security.trust import Trust
from gateway.security.weburl import WebRules
from gateway.smp.client import SmpLookup
from gateway.smp.fetch import Timeouts, open_fetcher
from gateway.smp.publisher import Publisher
from gateway.smp.resolver import Resolver
from gateway.smp.server import SmpServer
from tests.peers.peer_parts import needs_java, needs_network

pytestmark = needs_network

UNKNOWN = "indeterminate"


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@contextmanager
def foreign_network(file: Path, **changes: object) -> Iterator[tuple[str, int]]:
    """The kit's DNS and SMP with its example network, changed where the test wants; gives the DNS address."""
    network = json.loads((SUPPORT / "example-network.json").read_text())
    dns, smp = free_port(), free_port()
    network["smp"] = f"http://127.0.0.1:{smp}"
    network["participants"].update(changes)
    file.write_text(json.dumps(network))
    with start_support(Programs(file.parent), file, dns, smp):
        yield "127.0.0.1", dns


@asynccontextmanager
async def searching(dns: tuple[str, int]) -> AsyncIterator[SmpLookup]:
    trust = Trust(
        access_point=[certificate("ap-ca"), certificate("root")], smp=[certificate("smp-ca"), certificate("root")]
    )
    rules = WebRules(allow_http=True, allow_loopback=True)
    async with open_fetcher(rules, Timeouts(connect=10, total=20)) as fetcher:
        yield SmpLookup(fetcher, Resolver([dns], try_seconds=5.0), trust, zone=ZONE, clock=WallClock())


async def verdict(lookup: SmpLookup, participant: str) -> tuple[str, str]:
    try:
        found = await lookup.find(ParticipantId.parse(participant), BILLING_INVOICE, BILLING_PROCESS)
    except LookupUnavailable as error:
        return UNKNOWN, str(error)
    return (found.endpoint.seat, "") if isinstance(found, Reachable) else (found.reason, found.text)


async def test_a_foreign_redirect_is_followed_and_its_signer_compared(tmp_path: Path) -> None:
    ours = identity("PSP000202")
    async with our_smp(ours) as url:
        name = "0088:redirected"
        href = f"{url}/iso6523-actorid-upis%3A%3A{name.replace(':', '%3A')}/services/" + quoted(BILLING_INVOICE)
        good = {
            "redirect": {"href": href, "uid": ours.certificate.subject.rfc4514_string()},
            "certificate": "POP000101",
        }
        bad = {**good, "redirect": {"href": href, "uid": "CN=PSP000201,OU=PEPPOL TEST SMP,O=Test Operator,C=SE"}}
        for entry, expected in ((good, "POP000101"), (bad, UNKNOWN)):
            with foreign_network(tmp_path / "network.json", **{name: entry}) as dns:
                async with searching(dns) as lookup:
                    answer, text = await verdict(lookup, name)
            assert answer == expected, text


@needs_java("lookup")
async def test_a_published_client_finds_our_participants_through_our_smp(tmp_path: Path) -> None:
    async with our_smp(identity("PSP000202")) as url:
        here = {"smp": url}
        names = ["0088:elsewhere", "0007:5567212047", "0204:a-b_c.d~e"]
        with foreign_network(tmp_path / "network.json", **dict.fromkeys(names, here)) as (host, port):
            environment = {**os.environ, "PEPPOL_DNS": f"{host}:{port}"}
            command = [str(SUPPORT / "lookup" / "lookup"), "find", *names, "0088:not-registered"]
            began = time.monotonic()
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, env=environment, timeout=120
            )
            async with searching((host, port)) as lookup:
                own = [await verdict(lookup, name) for name in names]
    assert own == [("POP000101", "")] * 3
    lines = done.stdout.splitlines()
    assert len(lines) == 4, (done.stdout, done.stderr, time.monotonic() - began)
    for name, line in zip(names, lines, strict=False):
        assert line.startswith(f"{name}: http://127.0.0.1:18101/as4 "), line
        assert "CN=POP000101" in line
        assert f"by {url}" in line
        assert "2 document types" in line
    assert "Exception" in lines[3]


@needs_java("oxalis")
async def test_oxalis_finds_our_participants_through_our_smp(tmp_path: Path) -> None:
    """Its zone is another one, which the kit's DNS serves too; the signature it checks, the authority it does not."""
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
    names = ["0088:elsewhere", "0007:5567212047", "0204:a-b_c.d~e"]
    async with our_smp(identity("PSP000202")) as url:
        with foreign_network(tmp_path / "network.json", **{name: {"smp": url} for name in names}) as (host, port):
            command = [java, f"-Ddns.server={host}:{port}", "-cp", f"{HOME / 'oxalis' / 'lib'}/*", OXALIS]
            done = await asyncio.to_thread(
                subprocess.run,
                [*command, BILLING_INVOICE.value, BILLING_PROCESS.value, *names, "0088:nobody", "0088:smp-tampered"],
                capture_output=True,
                text=True,
                timeout=120,
            )
    lines = done.stdout.splitlines()
    assert len(lines) == 5, (done.stdout, done.stderr)
    for name, line in zip(names, lines, strict=False):
        assert line.startswith(f"{name}: http://127.0.0.1:18101/as4 "), line
        assert "CN=POP000101" in line and line.endswith("2 document types"), line
    assert lines[3:] == ["0088:nobody: NotFoundException", "0088:smp-tampered: PeppolSecurityException"]


def quoted(document_type: DocumentTypeId) -> str:
    from urllib.parse import quote

    return quote(str(document_type), safe="")


@asynccontextmanager
async def our_smp(own: Identity) -> AsyncIterator[str]:
    """Our SMP with everybody as its participant."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    publisher = Publisher(
        identity=own,
        smp_url=url,
        endpoint_url="http://127.0.0.1:18101/as4",
        certificate=identity("POP000101").der,
        description="Exempel AB",
        contact_url="mailto:nobody@example.org",
    )

    async def find(id: ParticipantId) -> Participant:
        return Participant(id=id, account=AccountId("main"))

    runner = web.AppRunner(SmpServer(publisher, find).application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield url
    finally:
        await runner.cleanup()
