"""Files inside invoices, from access point to access point: the receipt comes at once, what is odd goes to no C4."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.model.lifecycle import State
from gateway.model.message import Direction
from gateway.ports import Filter
from gateway.ubl import page
from tests import clamav
from tests.clamav import EICAR, with_files
from tests.trips.conftest import FIRST_ACCOUNT, NETWORK, Corner, open_town


async def _received(receiver: Corner, number: int) -> list[tuple[str, dict[str, str]]]:
    found, _ = await receiver.gateway.store.find(FIRST_ACCOUNT, Filter(direction=Direction.IN))
    assert len(found) == number
    return [(one.state, one.links) for one in found]


async def test_a_virus_and_a_lying_pdf_get_a_receipt_and_go_to_nobody(tmp_path: Path, blueprint: Path) -> None:
    if why := clamav.why_not():
        pytest.skip(why)
    other = re.sub(rb"((?:TaxInclusive|Payable)Amount currencyID=.SEK.>)[^<]+", rb"\g<1>98765.00", NETWORK)
    async with (
        clamav.real() as path,
        open_town(tmp_path, blueprint, f'\n[antivirus]\nclamd = "unix:{path}"\n') as town,
    ):
        infected = await town.sender.submit(with_files(EICAR))
        await town.sender.work()
        assert (await town.sender.now(infected)).state is State.SENT
        await town.receiver.work()
        ((state, links),) = await _received(town.receiver, 1)
        assert (state, links["held"]) == (State.REJECTED, "virus")

        lying = await town.sender.submit(with_files(page.render(other)))
        await town.sender.work()
        assert (await town.sender.now(lying)).state is State.SENT
        await town.receiver.work()
        assert ("REJECTED", {"held": "picture", "differs": "total"}) in await _received(town.receiver, 2)

        honest = await town.sender.submit(with_files(page.render(NETWORK)))
        await town.sender.work()
        assert (await town.sender.now(honest)).state is State.SENT
        await town.receiver.work()
        assert ("RECEIVED", {"scanned": "clean"}) in await _received(town.receiver, 3)
