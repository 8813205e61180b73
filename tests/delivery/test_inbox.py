from __future__ import annotations

from pathlib import Path

import pytest
from channel_parts import make_context, make_parcel

from gateway.delivery.inbox import open_channel
from gateway.errors import ConfigurationError


async def test_the_document_waits_where_the_receiver_fetches_it(tmp_path: Path) -> None:
    channel = open_channel({"kind": "inbox"}, make_context(tmp_path, section="delivery.default"))
    handover = await channel.dispatch(make_parcel())
    assert channel.confirms and handover.confirmed
    assert handover.reference == "inbox/doc-0001" and "inbox" in handover.text
    assert list(tmp_path.iterdir()) == []


def test_it_has_no_keys_but_its_kind(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"delivery\.default\.target"):
        open_channel({"kind": "inbox", "target": "x"}, make_context(tmp_path, section="delivery.default"))
