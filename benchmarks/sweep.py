"""A sweep over a whole register: how long it takes, what it asks of others, what it finds, how much memory.

    python -m benchmarks.sweep [--customers 10000] [--registered 0.4] [--smps 20]

DNS and SMPs are a process of their own on loopback, as real as in a private market, each SMP at an address of its
own and counting what it is asked. Three nights over one store: everybody new; nothing changed; some moved, appeared,
vanished.
The budgets are those of a gateway (20 requests a second to one SMP, 500 questions a second to DNS).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from cryptography import x509
from stdnum import luhn

from gateway.cli.serve import fast_loop
from gateway.config.values import Address
from gateway.exchange.proposing import Proposing
from gateway.exchange.sweeping import Sweeping
from gateway.exchange.verifying import Verifying
from gateway.model.counterpart import Counterpart, CounterpartId, Identifier, Origin, Role
from gateway.model.document import PostalAddress
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.model.message import Participant
from gateway.model.numbers import derived_gln
from gateway.model.sweep import Sweep
from gateway.ports import Changes
from gateway.security.authority import issue, new_pki
from gateway.security.keys import load_identity
from gateway.security.trust import Trust
from gateway.serving.site import listen, low_level, open_site
from gateway.smp.client import DNS_PER_SECOND, PER_SMP, SmpLookup
from gateway.smp.publisher import Publisher
from gateway.smp.server import SmpServer
from gateway.smp.zone_server import serve_zone
from gateway.store import SqlStore, open_store

ZONE: Final = "sml.test"
ACCOUNT: Final = AccountId("main")
SEATS: Final = ("POP000101", "POP000102")


class Later:
    """The computer's clock, some nights ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def number(n: int) -> str:
    digits = f"556{n:06}"
    return digits + luhn.calc_check_digit(digits)


def participant(n: int) -> ParticipantId:
    return ParticipantId.parse(f"0007:{number(n)}")


def customer(n: int, now: datetime) -> Counterpart:
    name = f"Exempelkund {n} AB"
    return Counterpart(
        id=CounterpartId(f"c{n:09}"),
        account=ACCOUNT,
        role=Role.CUSTOMER,
        number=str(n),
        name=name,
        country="SE",
        identifiers=(
            Identifier(scheme="0007", value=number(n), origin=Origin.MASTER_DATA),
            Identifier(scheme="0088", value=derived_gln(number(n)), origin=Origin.DERIVED),
        ),
        address=PostalAddress(name=name, street="Storgatan 1", postal_code="392 32", city="Kalmar"),
        created=now,
        updated=now,
    )


async def serve(directory: Path, smps: int) -> None:
    """The other side: DNS and SMPs, until stdin ends; a line on stdin is a question for the counts."""
    identities = [load_identity(directory / f"{s}.pem", directory / f"{s}.key.pem", section="as4") for s in SEATS]
    smp = load_identity(directory / "PSP000201.pem", directory / "PSP000201.key.pem", section="smp")
    asked: list[Counter[int]] = [Counter() for _ in range(smps)]
    async with AsyncExitStack() as stack:
        urls = []
        for place in range(smps):
            sockets = listen(Address("127.0.0.1", 0))
            url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
            # The last SMP is another operator's: whoever moves there gets another access point.
            identity = identities[1 if place == smps - 1 else 0]
            publisher = Publisher(
                identity=smp, smp_url=url, endpoint_url="http://127.0.0.1/as4", certificate=identity.der
            )
            server = SmpServer(publisher, _find)
            counts = asked[place]

            async def answer(
                request: web.BaseRequest, server: SmpServer = server, counts: Counter[int] = counts
            ) -> web.StreamResponse:
                counts[int(time.monotonic())] += 1
                return await server.answer(request)

            await stack.enter_async_context(open_site(low_level(answer), sockets))
            urls.append(url)
        zone_file = directory / "zone.json"
        zone_file.write_text(json.dumps({"zone": ZONE, "participants": {}}))
        host, port = await stack.enter_async_context(serve_zone(zone_file))
        print(json.dumps({"urls": urls, "dns": [host, port]}), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            most = max((n for counts in asked for n in counts.values()), default=0)
            print(json.dumps({"requests": sum(sum(c.values()) for c in asked), "busiest_second": most}), flush=True)
            for counts in asked:
                counts.clear()


async def _find(asked: ParticipantId) -> Participant | None:
    return Participant(id=asked, account=ACCOUNT, name="Exempel AB", country="SE")


class Market:
    """The other side as the benchmark steers it."""

    def __init__(self, directory: Path, smps: int) -> None:
        command = [sys.executable, "-m", "benchmarks.sweep", "--serve", str(directory), "--smps", str(smps)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self._line()
        self.zone, self.dns, self.urls = directory / "zone.json", tuple(ready["dns"]), list(ready["urls"])

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line: dict[str, Any] = json.loads(self.process.stdout.readline())
        return line

    def register(self, entries: dict[str, str]) -> None:
        part = self.zone.with_suffix(".part")
        part.write_text(json.dumps({"zone": ZONE, "participants": entries}))
        part.replace(self.zone)

    def counts(self) -> dict[str, int]:
        """Requests since the last call, and those to one SMP in its busiest second."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._line()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


async def measure(directory: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Three nights."""
    market, clock, nights = Market(directory, given.smps), Later(), []
    anchors = {
        n: x509.load_pem_x509_certificate((directory / f"{n}.pem").read_bytes()) for n in ("ap-ca", "smp-ca", "root")
    }
    trust = Trust([anchors["ap-ca"], anchors["root"]], [anchors["smp-ca"], anchors["root"]])
    registered = int(given.customers * given.registered)
    entries = {participant(n).value: market.urls[n % (given.smps - 1)] for n in range(registered)}
    try:
        async with (
            open_store("sqlite:gateway.db", directory / "payloads", clock=clock, base=directory) as store,
            SmpLookup.open(
                trust=trust,
                zone=ZONE,
                clock=clock,
                dns_servers=[(str(market.dns[0]), int(market.dns[1]))],
                allow_http=True,
                allow_loopback=True,
            ) as lookup,
        ):
            await store.first_account(ACCOUNT, "hash")
            await _enter(store, given.customers, clock.now())
            verifying = Verifying(
                proposing=Proposing(store=store, clock=clock), clock=clock, channels=("email", "print"), country="SE"
            )
            sweeping = Sweeping(store=store, clock=clock, surveyor=lookup, verifying=verifying, owner="benchmark")
            some = max(1, registered // 40)
            for name in ("everybody is new", "nothing has changed", "some move, appear, vanish"):
                if name.startswith("some"):
                    for n in range(some):
                        entries[participant(n).value] = market.urls[-1]
                        del entries[participant(registered - 1 - n).value]
                        entries[participant(registered + n).value] = market.urls[0]
                market.register(entries)
                market.counts()
                started, cpu = time.perf_counter(), time.process_time()
                await sweeping.begin(ACCOUNT, "benchmark")
                swept = await sweeping.run_once()
                assert swept is not None
                spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
                nights.append({"night": name, **spent, **_figures(swept), **market.counts()})
                lookup.forget()
                clock.ahead += timedelta(days=1)
    finally:
        market.close()
    return nights


async def _enter(store: SqlStore, count: int, now: datetime) -> None:
    for first in range(0, count, 200):
        rows = [(customer(n, now), None) for n in range(first, min(first + 200, count))]
        await store.relations.commit(Changes(counterparts=tuple(rows)))


def _figures(swept: Sweep) -> dict[str, Any]:
    return {
        "customers": swept.done,
        "questions": swept.questions,
        "requests_counted": swept.requests,
        "differences": dict(swept.counts),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--customers", type=int, default=10_000)
    arguments.add_argument("--registered", type=float, default=0.4, help="the part of them that is on the network")
    arguments.add_argument("--smps", type=int, default=20)
    arguments.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.serve:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(serve(given.serve, given.smps))
        return
    with tempfile.TemporaryDirectory() as folder:
        directory, now = Path(folder) / "pki", datetime.now(UTC)
        new_pki(directory, now=now)
        issue(directory, "smp", "PSP000201", now=now)
        for seat in SEATS:
            issue(directory, "ap", seat, now=now)
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            nights = runner.run(measure(directory, given))
    print(f"budgets: {PER_SMP:g} requests a second to one SMP, {DNS_PER_SECOND:g} questions a second to DNS")
    for night in nights:
        of = night["customers"]
        print(f"{night['night']}: {of:,} customers in {night['seconds']:.1f} s ({night['cpu_seconds']:.1f} s of CPU)")
        print(f"    {night['questions'] / of:.3f} questions to DNS, {night['requests'] / of:.3f} requests to SMPs each")
        print(f"    busiest second of one SMP: {night['busiest_second']} requests; memory {night['rss_mb']:.0f} MB")
        print(f"    differences: {night['differences'] or 'none'}")


if __name__ == "__main__":
    main()
