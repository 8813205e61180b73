"""A machine is lost and comes back from its backup: nothing leaves by itself, and nothing arrives twice."""

from __future__ import annotations

import asyncio
import json
import shutil
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from gateway.app import FIRST_ACCOUNT, open_gateway
from gateway.config import load
from gateway.model.lifecycle import State
from gateway.model.message import Participant, Route
from gateway.network.market import Member, read_market
from gateway.ports import Filter
from gateway.server import open_sites
from gateway.smp.zone_server import serve_zone
from gateway.upkeep import back_up_store, restore_store
from gateway.web import health
from tests.trips.conftest import FACTS, NETWORK, Corner


@asynccontextmanager
async def running(member: Member) -> AsyncIterator[Corner]:
    async with open_gateway(load(member.config, {})) as gateway, AsyncExitStack() as sites:
        await open_sites(gateway, sites)
        yield Corner(gateway, sites)


async def call(corner: Corner, method: str, path: str, key: str) -> tuple[int, Any]:
    """One call on the API, as the operator makes it."""

    def ask() -> tuple[int, Any]:
        url = f"http://{corner.gateway.config.api.listen}{path}"
        request = urllib.request.Request(url, method=method, headers={"Authorization": f"Bearer {key}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            return error.code, json.loads(error.read())

    return await asyncio.to_thread(ask)


def letters(member: Member) -> int:
    return len(list((member.config.parent / "var/letters").rglob("*.pdf")))


async def test_after_a_restore_nothing_is_sent_until_a_person_confirms_and_then_under_the_old_ids(
    tmp_path: Path, blueprint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CACHE_SECONDS", 0.0)
    market = read_market(await asyncio.to_thread(shutil.copytree, blueprint, tmp_path / "market"))
    member, other = market.members
    config, backup = load(member.config, {}), tmp_path / "backup"
    assert FACTS.seller.endpoint and FACTS.buyer.endpoint
    async with serve_zone(market.zone_file, market.dns), running(other) as receiver:
        await receiver.publish(FACTS.buyer.endpoint)
        async with running(member) as sender:
            key = sender.gateway.first_key
            await sender.gateway.publish(Participant(id=FACTS.seller.endpoint, account=FIRST_ACCOUNT, country="SE"))
            over_network = await sender.submit(NETWORK)
            on_paper = await sender.submit(NETWORK, route=Route.PRINT)
            await asyncio.to_thread(back_up_store, config, backup)
            await sender.work()  # what happens after the backup, and is lost with the machine
            assert (await sender.now(over_network)).state is State.SENT
            assert (await sender.now(on_paper)).state is State.DISPATCHED and letters(member) == 1
        await asyncio.to_thread(restore_store, config, backup, replace=True)

        async with running(member) as sender:
            await sender.work()
            assert (await sender.now(over_network)).attempts == 0
            status, ready = await call(sender, "GET", "/readyz", key)
            assert status == 503 and "gateway db reconcile" in ready["checks"]["reconcile"]
            status, gap = await call(sender, "GET", "/v1/reconcile", key)
            assert status == 200 and gap["waits"] and gap["source"] == "backup"
            assert {document["id"] for document in gap["documents"]} == {over_network.id, on_paper.id}

            status, done = await call(sender, "POST", "/v1/reconcile/confirm", key)
            assert (status, done) == (200, {"waits": False, "set_aside": 1, "going_on": 1})
            assert (await call(sender, "POST", "/v1/reconcile/confirm", key))[0] == 409
            await sender.work()
            again = await sender.now(over_network)
            assert (again.state, again.message_id) == (State.SENT, over_network.message_id)
            assert (await sender.now(on_paper)).state is State.UNKNOWN and letters(member) == 1
            _, ready = await call(sender, "GET", "/readyz", key)
            assert ready["checks"]["reconcile"] == "ok"
        arrived, _ = await receiver.gateway.store.find(FIRST_ACCOUNT, Filter())
        assert [message.message_id for message in arrived] == [over_network.message_id]


async def test_everything_in_doubt_can_be_set_aside(tmp_path: Path, blueprint: Path) -> None:
    market = read_market(await asyncio.to_thread(shutil.copytree, blueprint, tmp_path / "market"))
    member = market.members[0]
    async with running(member) as sender:
        key = sender.gateway.first_key
        document = await sender.submit(NETWORK)
        await asyncio.to_thread(back_up_store, load(member.config, {}), tmp_path / "backup")
    restore_store(load(member.config, {}), tmp_path / "backup", replace=True)
    async with running(member) as sender:
        assert (await call(sender, "POST", "/v1/reconcile/confirm?doubtful=hold", key))[1]["set_aside"] == 1
        now = await sender.now(document)
        assert now.state is State.UNKNOWN and "backup" in now.reason
        await call(sender, "POST", f"/v1/documents/{document.id}/requeue", key)
        assert (await sender.now(document)).state is State.ACCEPTED
