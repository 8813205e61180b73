"""What the front of the AS4 site costs: POST of 20 kB to a handler that reads and answers at once, kept connections.

    python -m benchmarks.front [--requests 5000]

Server on core 0 in a process of its own, generator on core 1. CPU is the server's, from the kernel; the RSA-2048
private operation is measured on core 0 before each round. Over TLS the generator is aiohttp's client.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web

from benchmarks.load import cpu_seconds, play, request
from benchmarks.rsa import measure_on
from gateway.config.values import Address
from gateway.security.authority import issue_tls, new_pki
from gateway.security.tls import Pair, client_context
from gateway.serving.certificates import Certificates
from gateway.serving.site import listen, low_level, open_site, plain

BODY = os.urandom(20_000)


async def serve(directory: Path, *, tls: bool) -> None:
    """Answer until killed; the port is the first line."""

    async def handler(incoming: web.BaseRequest) -> web.StreamResponse:
        await incoming.read()
        return web.Response(body=b"x" * 7000)

    pair = Pair(certificate=directory / "127.0.0.1.tls.pem", key=directory / "127.0.0.1.tls.key.pem")
    context = Certificates("as4", [pair]).context if tls else plain
    async with open_site(low_level(handler), listen(Address("127.0.0.1", 0)), context=context) as site:
        print(site.address.port, flush=True)
        await asyncio.Event().wait()


def measure(directory: Path, loop: str, *, tls: bool, count: int) -> None:
    rsa = measure_on(0)
    command = [sys.executable, "-m", "benchmarks.front", "--serve", str(directory), "--loop", loop]
    process = subprocess.Popen(["taskset", "-c", "0", *command, *(["--tls"] if tls else [])], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        asyncio.run(_play(port, directory, tls=tls, count=count // 10))
        before = cpu_seconds(process.pid)
        asyncio.run(_play(port, directory, tls=tls, count=count))
        each = (cpu_seconds(process.pid) - before) / count * 1e6
        print(f"{loop:8} {'TLS 1.3' if tls else 'plain':8} {each:8.0f} us {rsa:8.0f} us an op {each / rsa:6.2f} op")
    finally:
        process.kill()
        process.wait()


async def _play(port: int, directory: Path, *, tls: bool, count: int) -> None:
    if not tls:
        url = f"http://127.0.0.1:{port}/as4"
        await play(url, [request(url, "a/b", BODY)] * count, 16, lambda status, _: status == 200)
        return
    context: ssl.SSLContext = client_context([directory / "tls-ca.pem"])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=16)) as http:

        async def some() -> None:
            for _ in range(count // 16):
                async with http.post(f"https://127.0.0.1:{port}/as4", data=BODY) as answer:
                    await answer.read()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(16):
                tasks.create_task(some())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--loop", default="asyncio", help=argparse.SUPPRESS)
    parser.add_argument("--tls", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        factory = None
        if arguments.loop == "uvloop":
            import uvloop

            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serve(arguments.serve, tls=arguments.tls))
        return
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        new_pki(directory, now=datetime.now(UTC))
        issue_tls(directory, ["127.0.0.1"], now=datetime.now(UTC))
        for loop in ("asyncio", "uvloop"):
            for tls in (False, True):
                measure(directory, loop, tls=tls, count=arguments.requests)


if __name__ == "__main__":
    main()
