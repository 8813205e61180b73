"""How many messages a whole gateway takes and sends on one core, and what CPU each costs.

    python -m benchmarks.gateway [--messages 2000] [--rounds 3] [--durability]

Inbound: one gateway on core 0 (AS4, verification, store, receipt after the commit); the generator on core 1 sends
messages that were made before, over kept connections. Accepted: documents handed in over its API (facts, schema check,
commit, 202) while its worker rests. Outbound: the worker is started and sends what was accepted (claim, look-up,
envelope, signature, encryption, HTTP, check of the receipt, commit of each step), until the last document has its
receipt; the receiving gateway is on core 1. CPU is that of the process on core 0, from the kernel. The RSA-2048 private
operation is measured on core 0 while it is at work, so the ratios hold on any machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import aiohttp

from benchmarks.load import NotAccepted, Round, cpu_seconds, has_receipt, measured, pin, request, was_accepted
from benchmarks.rsa import beside
from gateway.app import SystemClock, read_files
from gateway.as4.gzipped import compress
from gateway.as4.msh import Sending
from gateway.config import load
from gateway.model.document import Envelope
from gateway.model.identifiers import TRANSPORT_PROFILE, MessageId
from gateway.model.message import Outgoing
from gateway.model.relation import Endpoint
from gateway.network.market import FIRST_PORT, Market, new_market
from gateway.network.running import run_market
from gateway.security.keys import Identity
from gateway.security.trust import Trust
from gateway.ubl import invoice, sbdh

SAMPLE = resources.files("gateway.ubl").joinpath("examples/network.xml").read_bytes()
FACTS = invoice.read(SAMPLE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument(
        "--durability", action="store_true", help="inbound with SQLite, without fsync and without database, by turns"
    )
    parser.add_argument("--first-port", type=int, default=FIRST_PORT, help="where free ports are looked for")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        market = new_market(Path(directory) / "market", 2, now=datetime.now(UTC), first_port=arguments.first_port)
        work = compare if arguments.durability else measure
        asyncio.run(work(market, arguments.messages, arguments.rounds, arguments.connections))


async def measure(market: Market, messages: int, rounds: int, connections: int) -> None:
    os.sched_setaffinity(0, {1})
    others = replace(market, members=market.members[1:])
    async with run_market(others) as (theirs,), node(market) as ours, aiohttp.ClientSession() as http:
        pin(ours, 0)
        pin(theirs.pid, 1)
        keys = [member.key_file.read_text().strip() for member in market.members]
        assert FACTS.seller.endpoint and FACTS.buyer.endpoint
        await register(http, market, keys, 0, FACTS.seller.endpoint.value)
        await register(http, market, keys, 1, FACTS.buyer.endpoint.value)
        print(f"{'':10}{'messages/s':>12}{'CPU ms':>10}{'RSA op us':>12}{'CPU in ops':>12}{'messages/op':>13}")
        inbound = await _rounds("inbound", rounds, lambda: _inbound(market, ours, messages, connections))
        accepted, outbound = [], []
        for number in range(rounds + 1):
            one = await _accept(market, keys[0], ours, messages, connections)
            with beside(0) as operation:
                other = await drain(market.members[0].directory / "var" / "gateway.db", ours)
            other = replace(other, rsa=operation.microseconds)
            if number:  # the first warms caches and connections
                accepted.append(_told("accepted", one))
                outbound.append(_told("outbound", other))
    for name, found in (("inbound", inbound), ("accepted", accepted), ("outbound", outbound)):
        median = statistics.median(r.operations for r in found)
        print(f"{name}: median {median:.2f} private operations a message, {1 / median:.3f} messages an operation")


async def compare(market: Market, messages: int, rounds: int, connections: int) -> None:
    """Inbound as it is, without fsync, and without database, by turns: what durability costs a whole gateway."""
    os.sched_setaffinity(0, {1})
    found: dict[str, list[Round]] = {"": [], "--without-fsync": [], "--without-database": []}
    assert FACTS.seller.endpoint
    async with aiohttp.ClientSession() as http:
        for turn in range(rounds):
            for option, rates in found.items():
                async with node(market, *filter(None, [option])) as ours:
                    if not (turn or option):
                        key = market.members[0].key_file.read_text().strip()
                        await register(http, market, [key], 0, FACTS.seller.endpoint.value)
                    pin(ours, 0)
                    name = option.removeprefix("--without-") or "SQLite FULL"
                    name = f"no {name}" if option else name
                    rounded = await _rounds(name, 1, lambda: _inbound(market, ours, messages, connections))
                    rates.append(rounded[0])
    durable, *others = found.values()
    for option, rates in zip(list(found)[1:], others, strict=True):
        rate, operations = (_ratio(durable, rates, value) for value in ("rate", "operations"))
        print(
            f"inbound, SQLite FULL ÷ {option[2:].replace('-', ' ')}: messages/s {rate:.2f}, by op {1 / operations:.2f}"
        )


def _ratio(of: list[Round], to: list[Round], value: str) -> float:
    more, less = (statistics.median(float(getattr(r, value)) for r in rounds) for rounds in (of, to))
    return more / less


@asynccontextmanager
async def node(market: Market, *options: str) -> AsyncIterator[int]:
    """The measured gateway: the first member, with a worker that waits for a word. Gives its process id."""
    member = market.members[0]
    with (member.directory / "log.jsonl").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.node", str(member.config), *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise NotAccepted(f"the gateway did not start: {(member.directory / 'log.jsonl').read_text()[-500:]}")
        yield process.pid
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _rounds(name: str, rounds: int, one: Callable[[], Awaitable[Round]]) -> list[Round]:
    await one()  # warms caches and connections
    return [_told(name, await one()) for _ in range(rounds)]


def _told(name: str, found: Round) -> Round:
    print(
        f"{name:12}{found.rate:10.0f}{found.milliseconds:10.2f}{found.rsa:12.0f}"
        f"{found.operations:12.2f}{1 / found.operations:13.3f}"
    )
    return found


async def _inbound(market: Market, process: int, count: int, connections: int) -> Round:
    """Messages from gateway2's access point to gateway1, made before the clock starts."""
    sender = read_files(load(market.members[1].config, {}))
    receiver = read_files(load(market.members[0].config, {})).access_point
    url = f"http://{market.members[0].as4}/as4"
    messages = [request(url, *m) for m in new_messages(count, sender.access_point, receiver, sender.trust)]
    return await measured(process, url, messages, connections, has_receipt)


async def _accept(market: Market, key: str, process: int, count: int, connections: int) -> Round:
    """Documents through gateway1's API, each answered once it is on disk."""
    url = f"http://{market.members[0].api}/v1/documents"
    hand_in = request(url, "application/xml", SAMPLE, Authorization=f"Bearer {key}")
    return await measured(process, url, [hand_in] * count, connections, was_accepted)


async def drain(database: Path, process: int) -> Round:
    """The worker of ``benchmarks.node`` sends everything that waits; asked of the database, from the other core."""
    file = f"file:{database}?mode=ro"
    with closing(sqlite3.connect(file, uri=True)) as found:

        def number(states: str) -> int:
            return int(
                found.execute(f"SELECT count(*) FROM message WHERE direction = 'out' AND {states}").fetchone()[0]
            )

        waiting, sent = number("state = 'ACCEPTED'"), number("state = 'SENT'")
        before, began = cpu_seconds(process), time.perf_counter()
        os.kill(process, signal.SIGUSR1)
        while number("state = 'ACCEPTED'"):  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.02)
        seconds, cpu = time.perf_counter() - began, cpu_seconds(process) - before
        os.kill(process, signal.SIGUSR2)
        if number("state = 'SENT'") != sent + waiting:
            raise NotAccepted("not every document has its receipt")
    return Round(seconds=seconds, cpu=cpu, messages=waiting, rsa=0.0)


def new_messages(
    count: int, sender: Identity, receiver: Identity, trust: Trust, part: bytes | None = None
) -> Iterator[tuple[str, bytes]]:
    """Signed, encrypted messages to that access point as (content type, body), each with its own MessageId.

    ``part`` stands in for the packed envelope.
    """
    assert FACTS.seller.endpoint and FACTS.buyer.endpoint
    endpoint = Endpoint(
        url="", certificate=receiver.der, seat=receiver.common_name, transport_profile=TRANSPORT_PROFILE
    )
    for _ in range(count):
        envelope = Envelope(
            sender=FACTS.buyer.endpoint,
            receiver=FACTS.seller.endpoint,
            document_type=FACTS.document_type,
            process=FACTS.process,
            country_c1="SE",
            instance_id=str(uuid.uuid4()),
            created=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            standard=FACTS.document_type.namespace,
            type_version=FACTS.document_type.version,
            type=FACTS.document_type.name,
        )
        outgoing = Outgoing(
            message_id=MessageId(f"{uuid.uuid4()}@bench"),
            conversation_id=str(uuid.uuid4()),
            timestamp=datetime.now(UTC),
            envelope=envelope,
            part=compress(sbdh.wrap(SAMPLE, envelope)) if part is None else part,
        )
        made = Sending(outgoing, endpoint, identity=sender, trust=trust, clock=SystemClock()).request()
        yield made.content_type, made.body


async def register(http: aiohttp.ClientSession, market: Market, keys: list[str], number: int, participant: str) -> None:
    """Add a participant to the gateway of that number."""
    headers = {"Authorization": f"Bearer {keys[number]}"}
    url = f"http://{market.members[number].api}/v1/participants"
    async with http.post(url, json={"id": participant, "country": "SE"}, headers=headers) as answer:
        assert answer.status < 300, await answer.text()


if __name__ == "__main__":
    main()
