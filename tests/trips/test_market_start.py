"""A market is not called ready when a gateway of it has said why it cannot start."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.network.market import new_market
from gateway.network.running import DidNotStart, run_market


async def test_a_gateway_that_says_why_it_ends_is_not_ready(tmp_path: Path) -> None:
    market = new_market(tmp_path / "market", 1, now=datetime.now(UTC))
    with market.members[0].config.open("a") as config:
        config.write("\n[no_such_section]\nx = 1\n")
    with pytest.raises(DidNotStart, match=r"(?s)gateway1 did not start: .*no_such_section"):
        async with run_market(market):
            pytest.fail("it was called ready")
