"""Our keys: in a hardware module, and changed while messages come, without one that is lost."""

from __future__ import annotations

import asyncio
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.app import FIRST_ACCOUNT, open_gateway
from gateway.config import Config, load
from gateway.model.lifecycle import State
from gateway.model.message import Message
from gateway.model.relation import Reachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.network.market import Member
from gateway.ports import Filter
from gateway.security.authority import issue
from tests import softhsm
from tests.trips.conftest import FACTS, NETWORK, Corner, Town, open_town


def numbered(count: int) -> list[bytes]:
    """So many invoices, each with a number of its own."""
    number = f"<cbc:ID>{FACTS.number}</cbc:ID>".encode()
    assert NETWORK.count(number) == 1
    return [NETWORK.replace(number, f"<cbc:ID>ROT-{each}</cbc:ID>".encode()) for each in range(count)]


async def arrived(corner: Corner) -> list[str | None]:
    found = (await corner.gateway.store.find(FIRST_ACCOUNT, Filter(unacknowledged=True, limit=100)))[0]
    return sorted(message.number or "" for message in found)


async def seen_by(town: Town) -> bytes:
    """The certificate that the sender's search finds now."""
    assert FACTS.buyer.endpoint
    town.sender.gateway.lookup.forget()
    found = await town.sender.gateway.lookup.find(FACTS.buyer.endpoint, BILLING_INVOICE, BILLING_PROCESS)
    assert isinstance(found, Reachable)
    return found.endpoint.certificate


def renew(member: Member, pki: Path) -> None:
    """A second certificate of the same seat, beside the first."""
    path = issue(pki, "ap", member.seat, now=datetime.now(UTC))
    shutil.move(path, member.directory / "renewed.pem")
    shutil.move(path.with_suffix(".key.pem"), member.directory / "renewed.key.pem")


def say(member: Member, **keys: str) -> None:
    """Write keys into [as4] of the configuration."""
    lines = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
    before, after = member.config.read_text().split("[as4]\n")
    own, bracket, rest = after.partition("\n[")
    own = "".join(line for line in own.splitlines(keepends=True) if line.partition(" = ")[0] not in keys)
    member.config.write_text(f"{before}[as4]\n{lines}{own}{bracket}{rest}")


async def test_a_certificate_changes_while_messages_come_and_none_is_lost(town: Town) -> None:
    sender, receiver, member = town.sender, town.receiver, town.market.members[1]
    keys, first = receiver.gateway.keys, receiver.gateway.keys.access_point.current.der
    await asyncio.to_thread(renew, member, town.market.directory / "pki")
    invoices = numbered(12)
    sent: list[Message] = []

    async def send(count: int) -> None:
        for _ in range(count):
            sent.append(await sender.submit(invoices[len(sent)]))
            await sender.work()

    await send(2)
    # (1) Announced: our SMP names both, the senders go on with the first.
    moment = datetime.now(UTC) + timedelta(hours=1)
    say(member, next_certificate="renewed.pem", next_key="renewed.key.pem", next_from=moment.isoformat())
    assert keys.reload()
    assert await seen_by(town) == first
    await send(2)
    # (2) Its moment comes: it takes over by itself. Who looked before still encrypts for the first.
    say(member, next_from=(datetime.now(UTC) + timedelta(seconds=1)).isoformat())
    assert keys.reload()  # which on a very busy machine takes a second, and then it has taken over already
    await send(1)
    while keys.access_point.current.der == first:
        keys.look()
        await asyncio.sleep(0.1)
    second = keys.access_point.current.der
    assert second != first and [other.der for other in keys.access_point.others] == [first]
    await send(2)
    assert await seen_by(town) == second
    await send(2)
    # (3) Tidied up: the new one is the certificate, the old one still opens.
    say(member, certificate="renewed.pem", key="renewed.key.pem", next_certificate="", next_key="", next_from="")
    say(member, old_certificate=f"{member.seat}.pem", old_key=f"{member.seat}.key.pem")
    assert keys.reload()
    await send(3)
    assert [(await sender.now(message)).state for message in sent] == [State.SENT] * 12
    assert await arrived(receiver) == sorted(f"ROT-{each}" for each in range(12))
    assert await seen_by(town) == second


async def test_after_a_restart_the_old_key_still_opens_what_was_encrypted_for_it(town: Town) -> None:
    """The sender remembers the first certificate; the receiver is started anew with the second."""
    sender, member = town.sender, town.market.members[1]
    (before, after) = numbered(2)
    await sender.submit(before)
    await sender.work()
    await asyncio.to_thread(renew, member, town.market.directory / "pki")
    say(member, certificate="renewed.pem", key="renewed.key.pem")
    say(member, old_certificate=f"{member.seat}.pem", old_key=f"{member.seat}.key.pem")
    keys = town.receiver.gateway.keys
    async with open_gateway(load(_elsewhere(member), {})) as restarted:
        assert [other.der for other in restarted.keys.access_point.others] == [keys.access_point.current.der]
        town.receiver.gateway.endpoint._keys = restarted.keys.access_point  # its sites, with the keys of the new start
        message = await sender.submit(after)
        await sender.work()
        assert (await sender.now(message)).state is State.SENT


def _elsewhere(member: Member) -> Path:
    """The same configuration with a store of its own: the first has the other locked."""
    path = member.directory / "again.toml"
    path.write_text(member.config.read_text().replace("var/", "var2/"))
    return path


async def test_keys_that_cannot_be_used_leave_the_old_ones_in_use(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    member, keys = town.market.members[1], town.receiver.gateway.keys
    before = keys.access_point.current
    say(member, certificate="renewed.pem", key="renewed.key.pem")
    assert not keys.reload() and keys.access_point.current is before
    assert "the old keys stay in use: as4.certificate" in caplog.text
    member.config.write_text("[as4")
    assert not keys.reload() and keys.access_point.current is before


async def test_keys_are_read_again_beside_the_event_loop(town: Town) -> None:
    member, keys = town.market.members[1], town.receiver.gateway.keys
    renew(member, town.market.directory / "pki")
    say(member, certificate="renewed.pem", key="renewed.key.pem")
    before, wanted, threads = keys.access_point.current, asyncio.Event(), []

    def read(path: Path) -> Config:
        threads.append(threading.current_thread())
        if len(threads) == 1:
            raise RuntimeError("a fault of ours")
        return load(path)

    keys.reread = read
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        rereading = tasks.create_task(keys.reload_at(wanted))
        for times in (1, 2):
            wanted.set()
            while len(threads) < times or (times == 2 and keys.access_point.current is before):
                await asyncio.sleep(0.01)
        rereading.cancel()
    assert keys.access_point.current is not before
    assert threading.main_thread() not in threads


@pytest.mark.skipif(bool(softhsm.MISSING), reason=softhsm.MISSING)
async def test_two_gateways_whose_keys_are_in_modules_exchange_an_invoice(tmp_path: Path, blueprint: Path) -> None:
    """AS4 both ways, the SMP's signature and the receipt: every private operation is the module's."""
    pytest.importorskip("pkcs11")
    shutil.copytree(blueprint, tmp_path / "blueprint")
    for member in sorted((tmp_path / "blueprint").glob("gateway*")):
        text = (member / "config.toml").read_text()
        for key in member.glob("*.key.pem"):
            text = text.replace(
                f'key = "{key.name}"', f'key = "{softhsm.put(key, key.name)}"\nkey_password_file = "pin"'
            )
            key.unlink()
        (member / "config.toml").write_text(text)
        (member / "pin").write_text(softhsm.PIN)
        (member / "pin").chmod(0o600)
    async with open_town(tmp_path, tmp_path / "blueprint") as town:
        assert town.receiver.gateway.keys.access_point.elsewhere
        message = await town.sender.submit(NETWORK)
        await town.sender.work()
        assert (await town.sender.now(message)).state is State.SENT
        assert await arrived(town.receiver) == [FACTS.number]
