"""`gateway serve --workers 2` under load: told to end, given new certificates, robbed of a process. No request breaks
that need not, and every receipt that was seen is of a message that is kept."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.gateway import new_messages
from benchmarks.load import has_receipt, read_answer, request
from gateway.app import read_files
from gateway.config import load
from gateway.network.market import Market, new_market
from gateway.security.authority import issue_tls
from gateway.security.tls import client_context
from tests.cli.test_workers import Node, soon

CALLERS = 6


@dataclass
class Load:
    """Callers with one connection for each message, each message once; and what they saw."""

    url: str
    messages: Iterator[tuple[str, bytes]]
    tls: ssl.SSLContext | None = None
    receipts: list[str] = field(default_factory=list)
    """MessageIds."""
    broken: list[str] = field(default_factory=list)
    refused: int = 0
    shown: set[bytes] = field(default_factory=set)
    """Certificates of the site."""

    async def caller(self, stop: asyncio.Event) -> None:
        parts = urlsplit(self.url)
        while not stop.is_set():
            content_type, body = next(self.messages)
            try:
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=self.tls, limit=1 << 20)
            except ConnectionRefusedError:
                self.refused += 1
                await asyncio.sleep(0.05)
                continue
            except (OSError, ssl.SSLError) as error:
                self.broken.append(f"no connection: {error!r}")
                continue
            try:
                if self.tls:
                    self.shown.add(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
                writer.write(request(self.url, content_type, body))
                status, answer = await read_answer(reader)
            except (OSError, EOFError) as error:
                self.broken.append(repr(error))
            else:
                found = re.search(rb"RefToMessageId>\s*([^<\s]+)", answer)
                if has_receipt(status, answer) and found:
                    self.receipts.append(found[1].decode())
                else:
                    self.broken.append(f"{status}: {answer[:300]!r}")
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CALLERS):
                tasks.create_task(self.caller(stop))
            try:
                yield
            finally:
                stop.set()

    async def until(self, what: Callable[[], bool], seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < until, (len(self.receipts), self.refused, self.broken[:3])
            await asyncio.sleep(0.02)


Start = Callable[..., tuple[Node, Load]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    nodes: list[Node] = []

    def _start(*, tls: bool = False) -> tuple[Node, Load]:
        market = new_market(tmp_path / "market", 2, now=datetime.now(UTC), tls=tls)
        nodes.append(Node(market, 2))
        node = nodes[-1]
        context = trusting(market) if tls else None
        sender, receiver = (read_files(load(member.config, {})) for member in reversed(market.members))
        messages = new_messages(100_000, sender.access_point, receiver.access_point, sender.trust)
        return node, Load(market.members[0].as4_url, messages, context)

    yield _start
    for node in nodes:
        if node.process.poll() is None:
            node.process.kill()
            node.process.wait()


def trusting(market: Market) -> ssl.SSLContext:
    (found,) = load(market.members[1].config, {}).network.tls_trust
    return client_context([found])


def kept(tmp_path: Path) -> list[str]:
    """MessageIds of what the gateway has received."""
    file = tmp_path / "market" / "gateway1" / "var" / "gateway.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return [row[0] for row in database.execute("SELECT message_id FROM message WHERE direction = 'in'")]


def assert_kept_once(load: Load, tmp_path: Path) -> None:
    stored = kept(tmp_path)
    assert len(set(stored)) == len(stored)
    assert set(load.receipts) <= set(stored)
    assert len(load.receipts) == len(set(load.receipts))


async def test_told_to_end_it_answers_every_request_that_it_has_taken(tmp_path: Path, start: Start) -> None:
    node, load = start()
    register(node)
    async with load.running():
        await load.until(lambda: len(load.receipts) > 50)
        node.process.send_signal(signal.SIGTERM)
        await load.until(lambda: node.process.poll() is not None)
    assert node.process.returncode == 0
    assert not load.broken
    assert load.refused
    assert sorted(load.receipts) == sorted(kept(tmp_path))


async def test_a_process_is_killed_and_no_receipt_was_a_lie(tmp_path: Path, start: Start) -> None:
    node, load = start()
    register(node)
    async with load.running():
        await load.until(lambda: len(load.receipts) > 50)
        victim = node.children[1]
        os.kill(victim, signal.SIGKILL)
        await load.until(lambda: len(node.children) == 2 and victim not in node.children)
        after = len(load.receipts)
        await load.until(lambda: len(load.receipts) > after + 50)
    # Those whom the dead process was serving, and once more who came back before its socket was gone.
    assert len(load.broken) <= 2 * CALLERS, load.broken
    assert_kept_once(load, tmp_path)
    assert await asyncio.to_thread(node.end) == 0


async def test_new_certificates_come_into_use_and_no_request_breaks(tmp_path: Path, start: Start) -> None:
    node, load = start(tls=True)
    register(node, load.tls)
    async with load.running():
        await load.until(lambda: len(load.receipts) > 30)
        assert len(load.shown) == 1
        (before,) = load.shown
        renew(tmp_path)
        node.process.send_signal(signal.SIGHUP)
        await load.until(lambda: len(load.shown) == 2)
        await asyncio.sleep(1.2)
        load.shown.clear()
        after = len(load.receipts)
        await load.until(lambda: len(load.receipts) > after + 30)
        assert len(load.shown) == 1 and before not in load.shown
    assert not load.broken and not load.refused
    assert await asyncio.to_thread(node.end) == 0
    assert sorted(load.receipts) == sorted(kept(tmp_path))


def renew(tmp_path: Path) -> None:
    """A new certificate and key under the names of the old."""
    config = load(tmp_path / "market" / "gateway1" / "config.toml", {})
    (certificate,), (key,) = config.as4.tls_certificate, config.as4.tls_key
    made = tmp_path / "new"
    made.mkdir()
    authority = config.network.tls_trust[0].parent
    for name in ("tls-ca.pem", "tls-ca.key.pem"):
        (made / name).write_bytes((authority / name).read_bytes())
        (made / name).chmod(0o600)
    fresh = issue_tls(made, ["127.0.0.1"], now=datetime.now(UTC))
    fresh.with_suffix(".key.pem").replace(key)
    fresh.replace(certificate)


def register(node: Node, tls: ssl.SSLContext | None = None) -> None:
    import json
    import urllib.request

    from benchmarks.gateway import FACTS

    assert FACTS.seller.endpoint
    body = json.dumps({"id": FACTS.seller.endpoint.value, "country": "SE"}).encode()
    headers = {"Authorization": f"Bearer {node.ready['api_key']}", "Content-Type": "application/json"}
    asked = urllib.request.Request(node.ready["api"] + "/v1/participants", data=body, headers=headers)
    with urllib.request.urlopen(asked, timeout=20, context=tls) as answer:
        assert answer.status < 300
    soon(lambda: len(node.children) == 2)
