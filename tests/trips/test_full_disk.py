"""A disk that fills up and is emptied again: what is new is refused before its body, what was accepted goes on."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import random
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app import FIRST_ACCOUNT, open_gateway
from gateway.config import load
from gateway.files import room
from gateway.model.identifiers import DocumentId
from gateway.model.lifecycle import State
from gateway.network.market import read_market
from gateway.server import open_sites
from gateway.smp.zone_server import serve_zone
from tests.trips.conftest import FACTS, NETWORK, Corner, Town

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
MB = 1024 * 1024


class Later:
    """The machine's clock, which can be put forward."""

    ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = "size=64m,nr_inodes=2000"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Leave less than the reserve of 16 MB."""
    filler = disk / "filler"
    filler.mkdir()
    (filler / "octets").write_bytes(bytes(shutil.disk_usage(disk).free - 8 * MB))
    return filler


def use_up_octets(filler: Path) -> None:
    """Write until the disk takes not one more octet."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def use_up_names(disk: Path) -> Path:
    """Leave room for octets, and for no more files."""
    filler = disk / "filler"
    filler.mkdir()
    for number in itertools.count():
        try:
            (filler / str(number)).touch()
        except OSError:
            return filler
    raise AssertionError


@pytest.fixture
async def town(
    tmp_path: Path, blueprint: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Town, Later]]:
    """Both corners keep their documents on the small disk."""
    monkeypatch.setattr(room, "_REMEMBERED_SECONDS", 0.0)
    clock = Later()
    market = read_market(await asyncio.to_thread(shutil.copytree, blueprint, tmp_path / "market"))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve_zone(market.zone_file, market.dns))
        corners = []
        for member in market.members:
            own = disk / member.config.parent.name
            environ = {
                "GATEWAY__STORE__DATABASE": f"sqlite:{own}/gateway.db",
                "GATEWAY__STORE__PAYLOADS": f"{own}/payloads",
                "GATEWAY__STORE__RESERVE": "16 MB",
            }
            gateway = await stack.enter_async_context(open_gateway(load(member.config, environ), clock))
            sites = await stack.enter_async_context(AsyncExitStack())
            await open_sites(gateway, sites)
            corners.append(Corner(gateway, sites))
        assert FACTS.seller.endpoint and FACTS.buyer.endpoint
        await corners[0].publish(FACTS.seller.endpoint)
        await corners[1].publish(FACTS.buyer.endpoint)
        yield Town(market=market, sender=corners[0], receiver=corners[1], stop_dns=lambda: asyncio.sleep(0)), clock


def ask(address: object, path: str, *, key: str = "", length: int = 50_000) -> tuple[str, str]:
    """Head of the answer and what was invited, when only the head of a request is sent."""
    host, _, port = str(address).rpartition(":")
    head = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: " + ("application/xml" if key else 'multipart/related; boundary="b"'),
        f"Content-Length: {length}",
        "Expect: 100-continue",
        *([f"Authorization: Bearer {key}"] if key else []),
    ]
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall("\r\n".join([*head, "", ""]).encode())
        return caller.recv(65_536).decode(), head[0]


@pytest.mark.parametrize("filled", [fill, use_up_names], ids=["octets", "names"])
async def test_a_full_disk_refuses_the_new_carries_the_old_and_recovers(
    town: tuple[Town, Later], disk: Path, filled: Callable[[Path], Path]
) -> None:
    there, clock = town
    sender, receiver = there.sender, there.receiver
    accepted = await sender.submit(NETWORK)  # before the disk is full
    filler = filled(disk)

    for gateway, path, key in (
        (receiver.gateway, "/as4", ""),
        (sender.gateway, "/v1/documents", sender.gateway.first_key),
    ):
        address = gateway.config.api.listen if key else gateway.config.as4.listen
        answer, _ = await asyncio.to_thread(ask, address, path, key=key)
        assert answer.startswith("HTTP/1.1 503 ") and "Retry-After: 60" in answer, answer
        assert "100 Continue" not in answer  # no octet of the body was asked for

    await sender.work()
    waiting = await sender.now(accepted)
    assert waiting.state is State.ACCEPTED and "503" in (await _last_reason(sender, accepted.id))
    assert await receiver.gateway.store.find_received("POP000001", accepted.message_id) is None

    shutil.rmtree(filler)
    clock.ahead = timedelta(minutes=3)
    await sender.work()
    assert (await sender.now(accepted)).state is State.SENT
    assert await receiver.gateway.store.find_received("POP000001", accepted.message_id) is not None


async def test_what_was_accepted_leaves_from_a_full_disk(
    town: tuple[Town, Later], disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, _ = town
    accepted = await there.sender.submit(NETWORK)
    there.receiver.gateway.door.room.reserve = 0  # only the sender is short of room
    there.receiver.gateway.door.room.percent = 0
    fill(disk)
    assert there.sender.gateway.door.refusal() is not None
    await there.sender.work()
    assert (await there.sender.now(accepted)).state is State.SENT


async def test_a_disk_that_fills_up_under_uploads_takes_each_whole_or_not_at_all(
    town: tuple[Town, Later], disk: Path
) -> None:
    there, clock = town
    sender = there.sender
    for corner in (there.sender, there.receiver):
        corner.gateway.door.room.reserve = corner.gateway.door.room.percent = 0  # the disk itself has to say no
    noise = random.Random(1)
    bare = NETWORK[NETWORK.index(b"<Invoice") :].strip()  # as an envelope carries it
    assert bare.endswith(b"</Invoice>")
    texts = [bare[:-10] + f"<!--{noise.randbytes(100_000).hex()}--></Invoice>".encode() for _ in range(60)]
    url = f"http://{sender.gateway.config.api.listen}/v1/documents"
    filler = disk / "filler"

    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {sender.gateway.first_key}"}) as http:

        async def hand_in(number: int) -> tuple[int, dict[str, Any]]:
            headers = {"Content-Type": "application/xml", "Idempotency-Key": f"upload-{number}"}
            async with http.post(url, data=texts[number], headers=headers) as answer:
                return answer.status, await answer.json()

        answers = [await hand_in(number) for number in range(5)]
        async with asyncio.TaskGroup() as tasks:
            uploads = [tasks.create_task(hand_in(number)) for number in range(5, 50)]
            await asyncio.wait(uploads, return_when=asyncio.FIRST_COMPLETED)
            use_up_octets(filler)
        answers += [upload.result() for upload in uploads]
        answers += await asyncio.gather(*(hand_in(number) for number in range(50, 60)))
        taken = {n: body["id"] for n, (status, body) in enumerate(answers) if status == 202}
        assert 5 < len(taken) <= 50
        assert {status for status, _ in answers} == {202, 503}, [body for status, body in answers if status != 202][:3]
        filler.unlink()
        while sender.gateway.door.refusal():  # for a second after the last commit that failed
            await asyncio.sleep(0.05)
        again = await asyncio.gather(*(hand_in(number) for number in range(60)))
    assert [status for status, _ in again] == [202] * 60
    assert all(again[n][1]["id"] == known for n, known in taken.items())  # what was promised is there, and once
    clock.ahead = timedelta(minutes=3)
    await sender.work()
    for number, (_, body) in enumerate(again):
        message = await sender.gateway.store.get(FIRST_ACCOUNT, DocumentId(body["id"]))
        assert message.state is State.SENT and message.sha256 == hashlib.sha256(texts[number]).hexdigest()
        arrived = await there.receiver.gateway.store.find_received("POP000001", message.message_id)
        assert arrived is not None and arrived.sha256 == message.sha256


async def _last_reason(corner: Corner, id: object) -> str:
    entries = await corner.gateway.store.timeline("main", id)  # type: ignore[arg-type]
    return entries[-1].reason
