"""The same market over https: endpoints and SMPs with TLS certificates of an authority of their own."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.app import open_lookup, read_trust
from gateway.config import load
from gateway.errors import LookupUnavailable
from gateway.model.lifecycle import State
from gateway.model.message import Direction
from gateway.model.services import BILLING_PROCESS
from gateway.network.market import new_market
from gateway.ports import Filter
from tests.trips.conftest import FACTS, NETWORK, Town


@pytest.fixture(scope="session")
def blueprint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("https") / "market"
    first = int(os.environ["GATEWAY_MARKET_PORT"]) + 80  # its own, as in conftest.py
    new_market(directory, 2, now=datetime.now(UTC), tls=True, first_port=first)
    return directory


async def test_an_invoice_crosses_four_corners_over_tls(town: Town) -> None:
    message = await town.sender.submit(NETWORK)
    await town.sender.work()
    sent = await town.sender.now(message)
    assert sent.state is State.SENT, sent.reason
    (received,), _ = await town.receiver.gateway.store.find(sent.account, Filter(direction=Direction.IN))
    assert received.message_id == sent.message_id


async def test_without_the_authority_no_answer_is_believed_and_the_reason_is_said(town: Town) -> None:
    config = town.market.members[0].config
    config.write_text(config.read_text().replace("../pki/tls-ca.pem", "../pki/ap-ca.pem"))
    stranger = load(config, {})
    assert FACTS.buyer.endpoint
    async with open_lookup(stranger, read_trust(stranger), town.sender.gateway.clock) as lookup:
        with pytest.raises(LookupUnavailable, match="authority that is not known here"):
            await lookup.find(FACTS.buyer.endpoint, FACTS.document_type, BILLING_PROCESS)
