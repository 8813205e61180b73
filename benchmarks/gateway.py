"""How many messages a whole gateway takes and sends on one core, and what CPU each costs.

    python -m benchmarks.gateway [--messages 2000] [--rounds 3]

Inbound: one gateway on core 0 (AS4, verification, store, receipt after the commit); the generator on core 1 sends
messages that were made before, over kept connections. Outbound: documents handed in over the API of a gateway on
core 0 (schema check, commit, look-up, envelope, signature, encryption, receipt check); the receiving gateway is on
core 1. CPU is that of the process on core 0, from the kernel. The RSA-2048 private operation is measured on core 0
between the rounds, so the ratios hold on any machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import aiohttp

from benchmarks.load import Round, has_receipt, measured, pin, request, was_sent
from benchmarks.rsa import measure_on
from gateway.app import SystemClock, read_files
from gateway.as4.gzipped import compress
from gateway.as4.msh import Sending
from gateway.config import load
from gateway.model.document import Envelope
from gateway.model.identifiers import TRANSPORT_PROFILE, MessageId
from gateway.model.message import Outgoing
from gateway.model.relation import Endpoint
from gateway.network.market import Market, new_market
from gateway.network.running import Running, run_market
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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(measure(Path(directory) / "market", arguments.messages, arguments.rounds, arguments.connections))


async def measure(directory: Path, messages: int, rounds: int, connections: int) -> None:
    market = new_market(directory, 2, now=datetime.now(UTC))
    os.sched_setaffinity(0, {1})
    async with run_market(market) as running, aiohttp.ClientSession() as http:
        ours, theirs = running
        pin(ours.pid, 0)
        pin(theirs.pid, 1)
        keys = [member.key_file.read_text().strip() for member in market.members]
        assert FACTS.seller.endpoint and FACTS.buyer.endpoint
        await _register(http, market, keys, 0, FACTS.seller.endpoint.value)
        await _register(http, market, keys, 1, FACTS.buyer.endpoint.value)
        print(f"{'':10}{'messages/s':>12}{'CPU ms':>10}{'RSA op us':>12}{'CPU in ops':>12}{'messages/op':>13}")
        inbound = await _rounds("inbound", rounds, lambda: _inbound(market, ours, messages, connections))
        outbound = await _rounds("outbound", rounds, lambda: _outbound(market, keys[0], ours, messages, connections))
    for name, found in (("inbound", inbound), ("outbound", outbound)):
        median = statistics.median(r.operations for r in found)
        print(f"{name}: median {median:.2f} private operations a message, {1 / median:.3f} messages an operation")


async def _rounds(name: str, rounds: int, one: Callable[[], Awaitable[Round]]) -> list[Round]:
    found = []
    for number in range(rounds + 1):
        result = await one()
        if number == 0:
            continue  # warms caches and connections
        found.append(result)
        print(
            f"{name:10}{result.rate:12.0f}{result.milliseconds:10.2f}{result.rsa:12.0f}"
            f"{result.operations:12.2f}{1 / result.operations:13.3f}"
        )
    return found


async def _inbound(market: Market, process: Running, count: int, connections: int) -> Round:
    """Messages from gateway2's access point to gateway1, made before the clock starts."""
    sender = read_files(load(market.members[1].config, {}))
    receiver = read_files(load(market.members[0].config, {})).access_point
    url = f"http://{market.members[0].as4}/as4"
    messages = [request(url, *m) for m in new_messages(count, sender.access_point, receiver, sender.trust)]
    return await measured(process.pid, url, messages, connections, has_receipt, _rsa)


async def _outbound(market: Market, key: str, process: Running, count: int, connections: int) -> Round:
    """Documents through gateway1's API until each has its receipt."""
    url = f"http://{market.members[0].api}/v1/documents?wait=30"
    hand_in = request(url, "application/xml", SAMPLE, Authorization=f"Bearer {key}")
    return await measured(process.pid, url, [hand_in] * count, connections, was_sent, _rsa)


def new_messages(count: int, sender: Identity, receiver: Identity, trust: Trust) -> Iterator[tuple[str, bytes]]:
    """Signed, encrypted messages to that access point as (content type, body), each with its own MessageId."""
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
            part=compress(sbdh.wrap(SAMPLE, envelope)),
        )
        made = Sending(outgoing, endpoint, identity=sender, trust=trust, clock=SystemClock()).request()
        yield made.content_type, made.body


def _rsa() -> float:
    return measure_on(0)


async def _register(
    http: aiohttp.ClientSession, market: Market, keys: list[str], number: int, participant: str
) -> None:
    headers = {"Authorization": f"Bearer {keys[number]}"}
    url = f"http://{market.members[number].api}/v1/participants"
    async with http.post(url, json={"id": participant, "country": "SE"}, headers=headers) as answer:
        assert answer.status < 300, await answer.text()


if __name__ == "__main__":
    main()
