"""How many documents a second the store makes durable, and what one costs.

    python -m benchmarks.store [--seconds 3] [--size 3000] [--dir FOLDER]

Each producer adds a document, waits until it is committed, and adds the next. CPU is that of the whole process
(event loop and the driver's threads) per document. ``fsyncs/s`` of the same folder is printed first, because every
figure of one producer hangs on it. At the end the same is done once more without fsync (``synchronous=OFF``, which the
gateway itself never uses), to say what durability costs.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import tempfile
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from gateway.exchange.following import Follower, Following
from gateway.model.identifiers import AccountId, DocumentId, InstanceId, MessageId
from gateway.model.lifecycle import Event, State
from gateway.model.message import Direction, Evidence, Message, PayloadKind, TimelineEntry
from gateway.ports import Arrival
from gateway.store import SqlStore, database, open_store

ACCOUNT = AccountId("exempel-ab")


class WallClock:
    """The computer's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def payload(size: int) -> bytes:
    """Octets that pack about three to one, as XML with random values does."""
    line = "<cac:InvoiceLine><cbc:ID>{}</cbc:ID><cbc:Note>{}</cbc:Note></cac:InvoiceLine>"
    text = ""
    while len(text) < size:
        text += line.format(len(text), os.urandom(8).hex())
    return text[:size].encode()


def arrival(octets: bytes, direction: Direction) -> Arrival:
    """A new document as submission or reception makes it: one payload, one timeline row, a receipt when received."""
    now = datetime.now(UTC)
    message = Message(
        id=DocumentId(uuid.uuid4().hex),
        account=ACCOUNT,
        direction=direction,
        state=State.ACCEPTED if direction is Direction.OUT else State.RECEIVED,
        sender="0007:5567212047",
        receiver="0007:5590001234",
        number=uuid.uuid4().hex[:8],
        seller_name="Exempel AB",
        buyer_name="Nordisk Kontorsmaterial AB",
        message_id=MessageId(f"{uuid.uuid4()}@example.org"),
        instance_id=InstanceId(str(uuid.uuid4())),
        peer="" if direction is Direction.OUT else "POP000102",
        sha256=hashlib.sha256(octets).hexdigest(),
        size=len(octets),
        next_attempt=now,
        created=now,
        updated=now,
        idempotency_key=uuid.uuid4().hex if direction is Direction.OUT else "",
    )
    receipt = (Evidence(kind="receipt", media_type="application/soap+xml", octets=octets),)
    return Arrival(
        message=message,
        payloads={PayloadKind.DOCUMENT: octets},
        evidence=receipt if direction is Direction.IN else (),
        entry=TimelineEntry(time=now, event="Accepted" if direction is Direction.OUT else "Received"),
        fingerprint=message.sha256,
    )


async def adds(
    store: SqlStore, producers: int, seconds: float, octets: bytes, direction: Direction
) -> tuple[int, float]:
    """Add for so long; gives how many and the CPU microseconds of each."""
    end = time.perf_counter() + seconds
    count = 0

    async def produce() -> None:
        nonlocal count
        while time.perf_counter() < end:
            await store.add_once(arrival(octets, direction))
            count += 1

    before = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(producers):
            tasks.create_task(produce())
    return count, (time.process_time() - before) / count * 1e6


async def work_off(store: SqlStore, most: int) -> tuple[int, float, float]:
    """Claim 100 at a time and record a receipt for each; gives how many, seconds and CPU microseconds of each."""
    proof = Evidence(kind="receipt", media_type="application/soap+xml", octets=payload(3000))
    count, start, before = 0, time.perf_counter(), time.process_time()
    while count < most and (messages := await store.claim("benchmark", 100, 60)):
        async with asyncio.TaskGroup() as tasks:
            for message in messages:
                name: Literal["Sent", "Delivered"] = "Sent" if message.direction is Direction.OUT else "Delivered"
                step = Event(name=name, reason="The receipt is valid", channel="peppol")
                tasks.create_task(store.record(replace(message), step, [proof]))
        count += len(messages)
    return count, time.perf_counter() - start, (time.process_time() - before) / count * 1e6


async def follow(follower: Follower) -> tuple[int, float, float]:
    """Take in what the timelines have; gives how many rows, seconds and CPU microseconds of each."""
    start, before = time.perf_counter(), time.process_time()
    count = await Following(follower=follower).catch_up()
    return count, time.perf_counter() - start, (time.process_time() - before) / count * 1e6


def fsyncs(folder: Path) -> float:
    """Appends of 4 KiB with fdatasync a second."""
    with (folder / "fsync").open("wb", buffering=0) as file:
        count, start = 0, time.perf_counter()
        while time.perf_counter() < start + 0.5:
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            count += 1
    return count / 0.5


async def measure(folder: Path, seconds: float, size: int) -> None:
    octets = payload(size)
    print(f"fdatasync of 4 KiB in {folder}: {fsyncs(folder):,.0f}/s")
    print(f"{'':34}{'producers':>10}{'documents/s':>13}{'CPU µs each':>13}")
    for direction, what in ((Direction.OUT, "submitted, payload"), (Direction.IN, "received, payload and receipt")):
        for producers in (1, 16, 64):
            name = f"{direction}-{producers}"
            async with open_store(f"sqlite:{name}.db", Path("payloads"), WallClock(), base=folder) as store:
                await store.add_account(ACCOUNT, "Exempel AB", "hash")
                await adds(store, producers, 0.3, octets, direction)
                count, cpu = await adds(store, producers, seconds, octets, direction)
                print(f"{what:34}{producers:>10}{count / seconds:>13,.0f}{cpu:>13,.0f}")
                if producers == 64:
                    done, took, cpu = await work_off(store, 5000)
                    print(f"{'claimed by 100 and recorded':34}{100:>10}{done / took:>13,.0f}{cpu:>13,.0f}")
                    for follower, what in ((store.money, "its costs, for each row"), (store.search, "its words")):
                        done, took, cpu = await follow(follower)
                        print(f"{what:34}{'':>10}{done / took:>13,.0f}{cpu:>13,.0f}")


async def compare(folder: Path, seconds: float, size: int) -> None:
    """Receive with and without fsync in turn, 64 at once, and print the ratio of the rates."""
    octets, rates = payload(size), {"FULL": 0, "OFF": 0}
    settings = database._WRITER_SETTINGS
    try:
        for turn in range(3):
            for mode in rates:
                plain = tuple(s.replace("synchronous=FULL", f"synchronous={mode}") for s in settings)
                database._WRITER_SETTINGS = plain  # type: ignore[misc, assignment]
                url = f"sqlite:compare-{mode}-{turn}.db"
                async with open_store(url, Path("payloads"), WallClock(), base=folder) as store:
                    await store.add_account(ACCOUNT, "Exempel AB", "hash")
                    await adds(store, 64, 0.3, octets, Direction.IN)
                    rates[mode] += (await adds(store, 64, seconds, octets, Direction.IN))[0]
    finally:
        database._WRITER_SETTINGS = settings  # type: ignore[misc]
    print(f"received by 64 with fsync ÷ without: {rates['FULL'] / rates['OFF']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--size", type=int, default=3000, help="octets of a document")
    parser.add_argument(
        "--dir", type=Path, default=None, help="folder on the disk to measure; default: a temporary one"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        asyncio.run(measure(Path(folder), options.seconds, options.size))
        asyncio.run(compare(Path(folder), options.seconds, options.size))


if __name__ == "__main__":
    main()
