"""The composition root: what must survive a kill between two of its steps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import gateway.app
from gateway.app import FIRST_ACCOUNT, hash_key, open_gateway
from gateway.config import load
from gateway.errors import NotFound, StoreUnavailable
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.model.message import Participant
from gateway.network.market import Market, new_market
from gateway.smp import zone
from gateway.store import SqlStore

OURS = ParticipantId("0007:5567212047")


@pytest.fixture
def market(tmp_path: Path) -> Market:
    from datetime import UTC, datetime

    return new_market(tmp_path / "market", 1, now=datetime.now(UTC))


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("place", ["first_account", "replace"])
async def test_the_first_key_is_never_lost_however_the_first_start_ends(
    market: Market, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    config = load(market.members[0].config, {})
    with monkeypatch.context() as broken:
        if place == "replace":  # killed after the commit, before the key has its name
            replace = Path.replace

            def killed(path: Path, to: Path) -> Path:
                if to == market.members[0].key_file:
                    raise Killed
                return replace(path, to)

            broken.setattr(Path, "replace", killed)
        else:  # killed right after the commit

            async def committed(self: SqlStore, name: str, key_hash: str) -> bool:
                await self.add_account(FIRST_ACCOUNT, name, key_hash)
                raise Killed

            broken.setattr(SqlStore, "first_account", committed)
        with pytest.raises(Killed):
            async with open_gateway(config):
                pass
    async with open_gateway(config) as node:
        key = market.members[0].key_file.read_text().strip()
        assert node.first_key == key
        assert await node.store.account_of_key(hash_key(key)) == FIRST_ACCOUNT
    assert os.listdir(market.members[0].key_file.parent).count("api.key") == 1
    async with open_gateway(config) as node:
        assert node.first_key == ""


async def test_a_key_file_of_an_earlier_database_is_replaced(market: Market) -> None:
    file = market.members[0].key_file
    file.parent.mkdir()
    file.write_text("gwk_of_another_time\n")
    async with open_gateway(load(market.members[0].config, {})) as node:
        assert file.read_text().strip() == node.first_key != ""
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_key_file_that_cannot_be_written_makes_no_account(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(market.members[0].config, {"GATEWAY__API__KEY_FILE": "/proc/nowhere/api.key"})
    with pytest.raises(gateway.app.ConfigurationError, match="key_file"):
        async with open_gateway(config):
            pass
    async with open_gateway(load(market.members[0].config, {})) as node:
        assert node.first_key


async def test_a_removal_that_broke_off_can_be_repeated(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(market.members[0].config, {})
    async with open_gateway(config) as node:
        await node.publish(Participant(id=OURS, account=FIRST_ACCOUNT))
        with pytest.raises(NotFound):
            await node.unpublish(AccountId("other"), OURS)
        assert OURS.value.encode() in market.zone_file.read_bytes()
        with monkeypatch.context() as broken:

            def failing(*_: object) -> None:
                raise StoreUnavailable("disk full")

            broken.setattr(zone, "unregister", failing)
            way = await node.unpublish(FIRST_ACCOUNT, OURS)
            assert (way.complete, way.problem) == (False, "disk full")
            assert await node.store.participant(OURS)  # whoever still finds it gets an answer
        assert (await node.unpublish(FIRST_ACCOUNT, OURS)).complete
        assert OURS not in {one.id for one in await node.store.participants(FIRST_ACCOUNT)}
        assert OURS.value.encode() not in market.zone_file.read_bytes()
