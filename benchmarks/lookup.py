"""Look-ups a second, cold and warm, and what our SMP serves.

    python -m benchmarks.lookup [--participants 500] [--seconds 3]

DNS and SMP are a process of their own on loopback, as real as in a private market. Everything is reckoned by CPU time
of the process that is measured, so the figure is that of one whole core: *cold* asks DNS and the SMP and checks the
signature, each participant once; *warm* are decisions that are remembered; *read* is what the SMP process takes for
answers that it has signed before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from benchmarks.rsa import operation_microseconds
from gateway.cli.serve import fast_loop
from gateway.config.values import Address
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.model.message import Participant
from gateway.model.relation import Reachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.security.authority import issue, new_pki
from gateway.security.keys import load_identity
from gateway.security.trust import Trust
from gateway.serving.site import listen, low_level, open_site
from gateway.smp.client import SmpLookup
from gateway.smp.metadata import path
from gateway.smp.publisher import Publisher
from gateway.smp.server import SmpServer
from gateway.smp.zone_server import serve_zone

ZONE: Final = "sml.test"
_AT_ONCE: Final = 32
_TICK: Final = os.sysconf("SC_CLK_TCK")


class WallClock:
    """The computer's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def participant(number: int) -> ParticipantId:
    return ParticipantId.parse(f"0007:{number:010}")


async def serve(directory: Path, count: int) -> None:
    """The other side: DNS and SMP, until stdin ends."""
    smp = load_identity(directory / "PSP000201.pem", directory / "PSP000201.key.pem", section="smp")
    ap = load_identity(directory / "POP000101.pem", directory / "POP000101.key.pem", section="as4")
    known = {
        participant(n): Participant(id=participant(n), account=AccountId("main"), name="Exempel AB", country="SE")
        for n in range(count)
    }

    async def find(asked: ParticipantId) -> Participant | None:
        return known.get(asked)

    sockets = listen(Address("127.0.0.1", 0))
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    publisher = Publisher(identity=smp, smp_url=url, endpoint_url="http://127.0.0.1/as4", certificate=ap.der)
    zone_file = directory / "zone.json"
    entries = {each.value: url for each in known}
    zone_file.write_text(json.dumps({"zone": ZONE, "participants": entries}))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(open_site(low_level(SmpServer(publisher, find).answer), sockets))
        host, port = await stack.enter_async_context(serve_zone(zone_file))
        print(json.dumps({"url": url, "dns": [host, port]}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


async def measure(directory: Path, count: int, seconds: float, other: subprocess.Popen[str]) -> dict[str, float]:
    assert other.stdout is not None
    ready = json.loads(other.stdout.readline())
    anchors = {
        name: x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())
        for name in ("ap-ca", "smp-ca", "root")
    }
    trust = Trust([anchors["ap-ca"], anchors["root"]], [anchors["smp-ca"], anchors["root"]])
    figures: dict[str, float] = {"rsa_us": operation_microseconds()}
    async with SmpLookup.open(
        trust=trust,
        zone=ZONE,
        clock=WallClock(),
        dns_servers=[(ready["dns"][0], ready["dns"][1])],
        allow_http=True,
        allow_loopback=True,
    ) as lookup:
        # The other side signs on first sight: that is its work, not ours.
        for n in range(count):
            assert isinstance(await lookup.find_afresh(participant(n), BILLING_INVOICE, BILLING_PROCESS), Reachable)
        lookup.forget()
        gate = asyncio.Semaphore(_AT_ONCE)

        async def ask(n: int) -> None:
            async with gate:
                assert isinstance(await lookup.find(participant(n), BILLING_INVOICE, BILLING_PROCESS), Reachable)

        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(ask(n) for n in range(count)))
        figures["cold_cpu_per_s"] = count / (time.process_time() - cpu)
        figures["cold_wall_per_s"] = count / (time.perf_counter() - wall)

        done, cpu, until = 0, time.process_time(), time.perf_counter() + seconds
        while time.perf_counter() < until:
            for n in range(count):
                await lookup.find(participant(n), BILLING_INVOICE, BILLING_PROCESS)
            done += count
        figures["warm_cpu_per_s"] = done / (time.process_time() - cpu)
    host, _, port = ready["url"].removeprefix("http://").rpartition(":")
    before, wall = _cpu_of(other.pid), time.perf_counter()
    reads = sum(await asyncio.gather(*(_read(host, int(port), count, wall + seconds) for _ in range(8))))
    figures["smp_read_wall_per_s"] = reads / (time.perf_counter() - wall)
    figures["smp_read_cpu_per_s"] = reads / max(_cpu_of(other.pid) - before, 1e-9)
    return figures


async def _read(host: str, port: int, count: int, until: float) -> int:
    """Read signed answers over one kept connection, as fast as they come."""
    reader, writer = await asyncio.open_connection(host, port)
    done = 0
    while time.perf_counter() < until:
        raw = path(participant(done % count), str(BILLING_INVOICE))
        writer.write(f"GET {raw} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        done += 1
    writer.close()
    return done


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--participants", type=int, default=500)
    arguments.add_argument("--seconds", type=float, default=3.0)
    arguments.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.serve:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(serve(given.serve, given.participants))
        return
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "pki"
        now = datetime.now(UTC)
        new_pki(directory, now=now)
        issue(directory, "smp", "PSP000201", now=now)
        issue(directory, "ap", "POP000101", now=now)
        command = [sys.executable, "-m", "benchmarks.lookup", "--serve", str(directory)]
        command += ["--participants", str(given.participants)]
        other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            with asyncio.Runner(loop_factory=fast_loop()) as runner:  # as the gateway itself runs
                figures = runner.run(measure(directory, given.participants, given.seconds, other))
        finally:
            assert other.stdin is not None
            other.stdin.close()
            other.wait(10)
    print(f"RSA-2048 private operation                {figures['rsa_us']:8.0f} µs")
    for name, text in (
        ("warm_cpu_per_s", "decisions, remembered, a second of CPU"),
        ("cold_cpu_per_s", "decisions, cold, a second of CPU"),
        ("cold_wall_per_s", "decisions, cold, a second by the clock"),
        ("smp_read_cpu_per_s", "SMP answers, kept, a second of CPU"),
        ("smp_read_wall_per_s", "SMP answers, kept, a second by the clock"),
    ):
        print(f"{text:<42}{figures[name]:8,.0f}")


if __name__ == "__main__":
    main()
