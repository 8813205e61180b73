"""The sending half alone, as other kits' senders do it: build, sign, encrypt, send, check the receipt, keep nothing.

    python -m benchmarks.sender URL SENDER RECEIVER --count 2000 [--rounds 3] [--warm-up 200] [--at-once 2]

SENDER and RECEIVER are seats of the kits' PKI (``conformance/interop/kit.py``). No queue, no look-up and no store: what
``benchmarks.as4`` puts beside phase4's and python-as4's senders. Prints a JSON line a round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from benchmarks.gateway import FACTS, SAMPLE
from conformance.interop.kit import certificate, identity
from gateway.app import SystemClock
from gateway.as4.client import As4Client
from gateway.as4.gzipped import compress
from gateway.as4.msh import new_message_id
from gateway.cli.serve import fast_loop
from gateway.model.document import Envelope
from gateway.model.identifiers import TRANSPORT_PROFILE
from gateway.model.message import Outgoing
from gateway.model.relation import Endpoint
from gateway.security.keys import Identity
from gateway.security.trust import Trust
from gateway.server import spare_collector
from gateway.ubl import sbdh


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("sender")
    parser.add_argument("receiver")
    parser.add_argument("--count", type=int, default=2000, help="messages a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=2)
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(measure(parser.parse_args()))


async def measure(asked: argparse.Namespace) -> None:
    trust = Trust([certificate("ap-ca"), certificate("root")], [certificate("smp-ca"), certificate("root")])
    ours, theirs = identity(asked.sender), identity(asked.receiver)
    endpoint = Endpoint(
        url=asked.url, certificate=theirs.der, seat=theirs.common_name, transport_profile=TRANSPORT_PROFILE
    )
    async with As4Client(identity=ours, trust=trust, clock=SystemClock()) as client:
        await _send(client, endpoint, ours, asked.warm_up, asked.at_once)
        spare_collector()
        for _ in range(asked.rounds):
            began, before = time.perf_counter(), time.process_time()
            await _send(client, endpoint, ours, asked.count, asked.at_once)
            seconds, cpu = time.perf_counter() - began, time.process_time() - before
            print(json.dumps({"messages": asked.count, "seconds": seconds, "cpu": cpu}), flush=True)


async def _send(client: As4Client, endpoint: Endpoint, ours: Identity, count: int, at_once: int) -> None:
    """So many messages, each built only when its turn comes; a receipt that is none raises."""
    waiting = _messages(ours, count)

    async def one_after_another() -> None:
        for message in waiting:
            await client.send(message, endpoint)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(one_after_another())


def _messages(ours: Identity, count: int) -> Iterator[Outgoing]:
    assert FACTS.seller.endpoint and FACTS.buyer.endpoint
    for _ in range(count):
        now = datetime.now(UTC)
        envelope = Envelope(
            sender=FACTS.seller.endpoint,
            receiver=FACTS.buyer.endpoint,
            document_type=FACTS.document_type,
            process=FACTS.process,
            country_c1="SE",
            instance_id=str(uuid.uuid4()),
            created=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            standard=FACTS.document_type.namespace,
            type_version=FACTS.document_type.version,
            type=FACTS.document_type.name,
        )
        yield Outgoing(
            message_id=new_message_id(ours.common_name),
            conversation_id=str(uuid.uuid4()),
            timestamp=now,
            envelope=envelope,
            part=compress(sbdh.wrap(SAMPLE, envelope)),
        )


if __name__ == "__main__":
    main()
