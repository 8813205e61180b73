"""Trips by mail through a real mail server: a bounce that postfix writes itself becomes a letter with its reasons."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest

from gateway.app import open_gateway
from gateway.config import load
from gateway.model.lifecycle import State
from gateway.model.message import Message
from gateway.network.market import read_market
from gateway.server import open_sites
from gateway.smp.zone_server import serve_zone
from gateway.ubl import invoice
from tests import mail_servers
from tests.trips.conftest import Corner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from channel_parts import MailServer, mail_server

EMAIL = resources.files("gateway.ubl").joinpath("examples/email.xml").read_bytes()
DOMAIN = invoice.read(EMAIL).buyer.email.rpartition("@")[2]

_CONFIG = """
[email]
smtp = "127.0.0.1:{smtp}"
sender = "faktura@example.org"
bounce_domain = "bounce.example.org"

[mailbox]
listen = "127.0.0.1:{lmtp}"
bounce_window = "{window}"
"""


@dataclass
class Place:
    """A gateway behind postfix, and the receiver's mail server."""

    sender: Corner
    receiver: MailServer
    postfix: mail_servers.Postfix

    async def until(self, message: Message, state: State, channel: str) -> Message:
        """Work until it is so, for half a minute at most."""
        async with asyncio.timeout(30):
            while True:
                await self.sender.work()
                now = await self.sender.now(message)
                if (now.state, now.channel) == (state, channel):
                    return now
                await asyncio.sleep(0.1)


Open = Callable[..., Awaitable[Place]]


@pytest.fixture
async def open_place(tmp_path: Path, blueprint: Path) -> AsyncIterator[Open]:
    if why := mail_servers.why_not("postfix"):
        pytest.skip(why)
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def place(window: str) -> AsyncIterator[Place]:
            market = read_market(await asyncio.to_thread(shutil.copytree, blueprint, tmp_path / "market"))
            lmtp = mail_servers.free_port()
            async with AsyncExitStack() as parts:
                receiver = await parts.enter_async_context(mail_server())
                transports = {
                    DOMAIN: f"smtp:[127.0.0.1]:{receiver.port}",
                    "bounce.example.org": f"lmtp:inet:127.0.0.1:{lmtp}",
                }
                postfix = parts.enter_context(mail_servers.postfix(transports))
                config = market.members[0].config
                config.write_text(config.read_text() + _CONFIG.format(smtp=postfix.port, lmtp=lmtp, window=window))
                await parts.enter_async_context(serve_zone(market.zone_file, market.dns))
                gateway = await parts.enter_async_context(open_gateway(load(config, {})))
                sites = await parts.enter_async_context(AsyncExitStack())
                ready = await open_sites(gateway, sites)
                assert ready["mailbox"] == f"lmtp://127.0.0.1:{lmtp}"
                assert gateway.mail is not None
                tasks = await parts.enter_async_context(asyncio.TaskGroup())
                running = tasks.create_task(gateway.mail.run())
                parts.callback(running.cancel)
                yield Place(Corner(gateway, sites), receiver, postfix)

        async def open_(window: str = "3 days") -> Place:
            return await stack.enter_async_context(place(window))

        yield open_


async def test_a_bounce_that_postfix_writes_becomes_a_letter_with_its_reasons(open_place: Open, tmp_path: Path) -> None:
    place = await open_place()
    place.receiver.rcpt = "550 5.1.1 No such user here"
    message = await place.sender.submit(EMAIL)
    now = await place.until(message, State.DISPATCHED, "print")
    assert place.receiver.mails == []
    for words in ("Letter because", "not on the network", "e-mail came back", "550 5.1.1 No such user here"):
        assert words in now.reason
    events = await place.sender.events(message)
    assert events == ["Accepted", "Diverted", "Dispatched", "Diverted", "Dispatched"]
    rows = await place.sender.gateway.store.timeline(message.account, message.id)
    said = [one for row in rows for one in row.detail.get("way", [])]
    assert any("E-posten kom tillbaka" in one["sv"] and "The e-mail came back" in one["en"] for one in said)
    (manifest,) = (tmp_path / "market").rglob("manifest.jsonl")
    (letter,) = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert letter["document"] == message.id
    store = place.sender.gateway.store
    evidence = [proof for _, _, proof in await store.evidence(message.account, message.id) if proof.kind == "bounce"]
    assert len(evidence) == 1 and b"Content-Type: message/delivery-status" in evidence[0].octets
    again = await place.sender.submit(EMAIL)
    assert (await place.until(again, State.DISPATCHED, "print")).reason.count("No such user here") == 1
    assert (await place.sender.events(again)).count("Dispatched") == 1  # no second mail to that address


async def test_a_mail_that_arrives_and_does_not_come_back_is_delivered(open_place: Open) -> None:
    place = await open_place("1 second")
    message = await place.sender.submit(EMAIL)
    await place.until(message, State.DELIVERED, "email")
    async with asyncio.timeout(20):
        while not place.receiver.mails:
            await asyncio.sleep(0.05)
    (mail,) = place.receiver.mails
    assert mail.mail_from is not None and mail.mail_from.startswith(f"b+{message.id}-")
