"""What the fronts of the sites cost: POST of 20 kB to a handler that reads and answers at once, kept connections.

"own" is the AS4 site's (``serving/front.py``), "aiohttp" that of the others.

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
from gateway.as4.asking import Answer, Asked
from gateway.config.values import Address
from gateway.security.authority import issue_tls, new_pki
from gateway.security.tls import Pair, client_context
from gateway.serving.certificates import Certificates
from gateway.serving.site import direct, listen, low_level, open_site, plain

BODY = os.urandom(20_000)


async def serve(directory: Path, *, tls: bool, own: bool) -> None:
    """Answer until killed; the port is the first line."""

    async def handler(incoming: web.BaseRequest) -> web.StreamResponse:
        await incoming.read()
        return web.Response(body=b"x" * 7000)

    async def quick(asked: Asked) -> Answer:
        if asked.whole() is None:
            while await asked.more():
                pass
        return Answer(200, b"x" * 7000)

    pair = Pair(certificate=directory / "127.0.0.1.tls.pem", key=directory / "127.0.0.1.tls.key.pem")
    context = Certificates("as4", [pair]).context if tls else plain
    runner = direct(quick) if own else low_level(handler)
    async with open_site(runner, listen(Address("127.0.0.1", 0)), context=context) as site:
        print(site.address.port, flush=True)
        await asyncio.Event().wait()


def measure(directory: Path, loop: str, *, tls: bool, own: bool, count: int) -> None:
    rsa = measure_on(0)
    command = [sys.executable, "-m", "benchmarks.front", "--serve", str(directory), "--loop", loop]
    command += [*(["--tls"] if tls else []), *(["--own"] if own else [])]
    process = subprocess.Popen(["taskset", "-c", "0", *command], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        asyncio.run(_play(port, directory, tls=tls, count=count // 10))
        before = cpu_seconds(process.pid)
        asyncio.run(_play(port, directory, tls=tls, count=count))
        each = (cpu_seconds(process.pid) - before) / count * 1e6
        print(f"{'own' if own else 'aiohttp':8} ", end="")
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
    parser.add_argument("--own", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        factory = None
        if arguments.loop == "uvloop":
            import uvloop

            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serve(arguments.serve, tls=arguments.tls, own=arguments.own))
        return
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        new_pki(directory, now=datetime.now(UTC))
        issue_tls(directory, ["127.0.0.1"], now=datetime.now(UTC))
        for loop in ("asyncio", "uvloop"):
            for tls in (False, True):
                for own in (False, True):
                    measure(directory, loop, tls=tls, own=own, count=arguments.requests)


if __name__ == "__main__":
    main()
