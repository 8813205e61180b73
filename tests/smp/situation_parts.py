"""One network situation: what DNS, SMP and authorities do, and the verdict that must come of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509

from gateway.errors import LookupUnavailable
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Reachable, Reason
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.security.trust import Trust
from gateway.security.weburl import WebRules
from gateway.smp import zone
from gateway.smp.client import SmpLookup
from gateway.smp.fetch import Timeouts, open_fetcher
from gateway.smp.locator import query_name
from gateway.smp.resolver import Resolver
from gateway.smp.zone_server import serve_zone
from tests.security.revocation_parts import NOW as MOMENT
from tests.security.revocation_parts import World, world
from tests.smp.smp_parts import BUYER, NOW, ZONE, DnsAnswer, FixedClock, Network, Pki, open_smp, scripted_dns

YES = "reachable"
UNKNOWN = "indeterminate"
NAME = query_name(BUYER, ZONE)


@dataclass
class Known:
    """What is known about revocation, for the situations about it."""

    world: World
    trust: Trust
    ap: x509.Certificate
    smp: x509.Certificate


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One row of the table."""

    group: str
    name: str
    verdict: str | Reason
    says: str = ""
    """Stands in the sentence that people read."""
    prepare: Callable[[Network], object] = lambda n: n.smp.all_well()
    dns: Sequence[Callable[[Network], DnsAnswer]] = ()
    """Scripted DNS servers, in the order in which they are asked; none: the zone's own."""
    strict: bool = False
    """As in a Peppol network: https, port 443, names of the public internet."""
    revocation: Callable[[Known], object] | None = None
    try_seconds: float = 2.0
    """How long a DNS server may think; short only where one is to be given up."""
    silent: bool = False
    """Nobody may have been connected to over HTTP."""
    participant: ParticipantId = BUYER
    document_type: DocumentTypeId = BILLING_INVOICE
    process: ProcessId = BILLING_PROCESS

    @property
    def id(self) -> str:
        return f"{self.group}: {self.name}".replace(" ", "-")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one situation."""

    verdict: str | Reason
    text: str
    steps: int
    connects: int


async def play(situation: Situation, pki: Pki) -> Outcome:
    """Build the situation, look once, and take it down."""
    with tempfile.TemporaryDirectory() as folder:
        zone_file = Path(folder) / "zone.json"
        clock = FixedClock(MOMENT if situation.revocation else NOW)
        if situation.revocation:
            around = world()
            ap, smp = around.leaf("POP000101"), around.smp_leaf("PSP000201")
            known = Known(around, around.trust(), ap, smp)
            situation.revocation(known)
            pki = replace(pki, smp=around.identity(smp), ap=around.identity(ap), trust=known.trust)
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(open_smp(pki))
            second = await stack.enter_async_context(open_smp(pki))
            zone.register(zone_file, BUYER, first.url)
            address = await stack.enter_async_context(serve_zone(zone_file))
            loose = not situation.strict
            fetch = await stack.enter_async_context(
                open_fetcher(
                    WebRules(allow_http=loose, allow_loopback=loose),
                    Timeouts(connect=0.5, total=1.0 if situation.group == "SMP" else 8.0),
                )
            )
            network = Network(first, second, None, clock, zone_file, address, pki)  # type: ignore[arg-type]
            servers = [await stack.enter_async_context(scripted_dns(make(network))) for make in situation.dns]
            resolver = Resolver(servers or [address], try_seconds=situation.try_seconds)
            network.lookup = SmpLookup(fetch, resolver, pki.trust, zone=ZONE, clock=clock)
            situation.prepare(network)
            try:
                found = await network.lookup.find(situation.participant, situation.document_type, situation.process)
            except LookupUnavailable as error:
                verdict: str | Reason = UNKNOWN
                text, steps = str(error), len(error.steps)
            else:
                verdict = YES if isinstance(found, Reachable) else found.reason
                text = "" if isinstance(found, Reachable) else found.text
                steps = len(found.steps)
            return Outcome(verdict=verdict, text=text, steps=steps, connects=len(first.asked) + len(second.asked))
