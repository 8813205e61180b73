"""Nights of a sweep over many participants: how much DNS and SMPs were asked, as they counted it themselves.

    python -m benchmarks.survey [--participants 100000] [--registered 30] [--smps 50] [--days 0,1,16,20]

DNS and SMPs are a process of its own on loopback, which counts what it is asked; the SMPs are so many addresses
(127.0.0.2 and up), and the last of them answers 503 all the time. Of a hundred participants ``--registered`` are on
the network, and every fifth of these takes no invoices. What a night found is what the next one begins with, as a
sweep keeps it.
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
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from cryptography import x509

from benchmarks.lookup import ZONE, participant
from benchmarks.rsa import operation_microseconds
from gateway.cli.serve import fast_loop
from gateway.config.values import Address
from gateway.errors import LookupUnavailable
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.model.message import Participant
from gateway.model.relation import Reachable, Unreachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.model.survey import Finding, Seen, Tally, Unchanged
from gateway.security.authority import issue, new_pki
from gateway.security.keys import load_identity
from gateway.security.trust import Trust
from gateway.serving.site import listen, low_level, open_site
from gateway.smp.client import SmpLookup
from gateway.smp.publisher import Publisher
from gateway.smp.server import SmpServer
from gateway.smp.zone_server import Answerer

_OTHER: Final = (("busdox-docid-qns::urn:x:Order-2::Order##urn:x::2.1", "urn:p"),)


@dataclass
class Counts:
    """What the far side was asked."""

    questions: int = 0
    requests: int = 0
    seconds: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Requests by SMP and second."""

    def told(self) -> dict[str, int]:
        peak = max(self.seconds.values(), default=0)
        return {"questions": self.questions, "requests": self.requests, "peak": peak}


class _Dns(asyncio.DatagramProtocol):
    def __init__(self, answerer: Answerer, counts: Counts) -> None:
        self._answerer, self._counts = answerer, counts

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._counts.questions += 1
        answer = self._answerer.answer(data, tcp=False)
        if answer is not None:
            self._transport.sendto(answer, addr)


def is_registered(number: int, share: int) -> bool:
    return number % 100 < share


async def serve(directory: Path, count: int, share: int, smps: int) -> None:
    """The far side; for each line on stdin it tells what it was asked since the last one."""
    smp = load_identity(directory / "PSP000201.pem", directory / "PSP000201.key.pem", section="smp")
    ap = load_identity(directory / "POP000101.pem", directory / "POP000101.key.pem", section="as4")
    account = AccountId("main")
    known = {
        participant(n): Participant(id=participant(n), account=account, document_types=_OTHER if n % 5 == 0 else ())
        for n in range(count)
        if is_registered(n, share)
    }

    async def find(asked: ParticipantId) -> Participant | None:
        return known.get(asked)

    sockets = listen(Address("0.0.0.0", 0))
    port = sockets[0].getsockname()[1]
    urls = [f"http://127.0.0.{2 + n}:{port}" for n in range(smps)]
    publisher = Publisher(identity=smp, smp_url=urls[0], endpoint_url="http://127.0.0.1/as4", certificate=ap.der)
    server, counts = SmpServer(publisher, find), Counts()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        counts.requests += 1
        counts.seconds[request.host, int(time.time())] += 1
        if f"http://{request.host}" == urls[-1]:
            return web.Response(status=503)
        return await server.answer(request)

    zone_file = directory / "zone.json"
    entries = {each.value: urls[place % smps] for place, each in enumerate(known)}
    zone_file.write_text(json.dumps({"zone": ZONE, "participants": entries}))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(open_site(low_level(answer), sockets, exempt=("127.0.0.0/8",)))
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Dns(Answerer(zone_file), counts), local_addr=("127.0.0.1", 0)
        )
        print(json.dumps(transport.get_extra_info("sockname")), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(counts.told()), flush=True)
            counts.questions = counts.requests = 0
            counts.seconds.clear()


class MovableClock:
    """The computer's clock, some days ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def kept(seen: Seen, finding: Finding, now: datetime) -> Seen:
    """What a sweep keeps for the next night; no answer changes nothing."""
    same = Seen(participant=seen.participant, document_type=seen.document_type, process=seen.process)
    if isinstance(finding, Reachable):
        return replace(same, smp=finding.smp, asked=now, expires=finding.endpoint.expires)
    if isinstance(finding, Unreachable):
        return replace(same, smp=finding.smp, asked=now if finding.smp else None, reason=finding.reason)
    if isinstance(finding, Unchanged):
        return replace(same, smp=seen.smp, asked=finding.asked, expires=seen.expires, reason=seen.reason)
    return seen


async def measure(directory: Path, given: argparse.Namespace, other: subprocess.Popen[str]) -> None:
    assert other.stdout is not None and other.stdin is not None
    host, port = json.loads(other.stdout.readline())
    anchors = {
        name: x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())
        for name in ("ap-ca", "smp-ca", "root")
    }
    trust = Trust([anchors["ap-ca"], anchors["root"]], [anchors["smp-ca"], anchors["root"]])
    clock = MovableClock()
    memory = {
        n: Seen(participant=participant(n), document_type=BILLING_INVOICE, process=BILLING_PROCESS)
        for n in range(given.participants)
    }
    print(
        f"RSA-2048 private operation {operation_microseconds():.0f} µs; {given.participants:,} participants, ", end=""
    )
    print(f"{given.registered} % registered at {given.smps} SMPs, one of which is down")
    print("  day  questions each  requests each  peak/s of an SMP  seconds  CPU s  RSS MiB  found")
    for day in (int(each) for each in given.days.split(",")):
        clock.ahead = timedelta(days=day)
        async with SmpLookup.open(
            trust=trust, zone=ZONE, clock=clock, dns_servers=[(host, port)], allow_http=True, allow_loopback=True
        ) as lookup:
            wall, cpu = time.perf_counter(), time.process_time()
            tally, found = await night(lookup, memory, given, clock)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        other.stdin.write("\n")
        other.stdin.flush()
        told = json.loads(other.stdout.readline())
        if (tally.questions, tally.requests) != (told["questions"], told["requests"]):
            print(f"       we count {tally.questions:,} questions and {tally.requests:,} requests")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        words = ", ".join(f"{number:,} {name}" for name, number in found.most_common())
        print(
            f"{day:5} {told['questions'] / given.participants:15.3f} {told['requests'] / given.participants:14.3f}"
            f" {told['peak']:17} {wall:8.0f} {cpu:6.0f} {peak:8.0f}  {words}",
            flush=True,
        )


async def night(
    lookup: SmpLookup, memory: dict[int, Seen], given: argparse.Namespace, clock: MovableClock
) -> tuple[Tally, Counter[str]]:
    """Survey all of them, judge each finding, and keep what the next night needs."""
    found: Counter[str] = Counter()

    async def source() -> AsyncIterator[Seen]:
        for n in range(given.participants):
            yield memory[n]

    async def note(seen: Seen, finding: Finding) -> None:
        number = int(seen.participant.value.partition(":")[2])
        registered = is_registered(number, given.registered)
        no = not registered or number % 5 == 0
        may = no if isinstance(finding, Unreachable) else registered or isinstance(finding, LookupUnavailable)
        assert may, (seen, finding)
        memory[number] = kept(seen, finding, clock.now())
        found[type(finding).__name__] += 1

    return await lookup.survey(source(), note, most_requests=given.requests), found


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--participants", type=int, default=100_000)
    arguments.add_argument("--registered", type=int, default=30, metavar="PERCENT")
    arguments.add_argument("--smps", type=int, default=50)
    arguments.add_argument("--requests", type=int, help="at most so many a night (default: as many as are needed)")
    arguments.add_argument("--days", default="0,1,16,20")
    arguments.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.serve:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(serve(given.serve, given.participants, given.registered, given.smps))
        return
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "pki"
        now = datetime.now(UTC)
        new_pki(directory, now=now)
        issue(directory, "smp", "PSP000201", now=now)
        issue(directory, "ap", "POP000101", now=now)
        command = [sys.executable, "-m", "benchmarks.survey", "--serve", str(directory), "--smps", str(given.smps)]
        command += ["--participants", str(given.participants), "--registered", str(given.registered)]
        other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            with asyncio.Runner(loop_factory=fast_loop()) as runner:
                runner.run(measure(directory, given, other))
        finally:
            assert other.stdin is not None
            other.stdin.close()
            other.wait(10)


if __name__ == "__main__":
    main()
