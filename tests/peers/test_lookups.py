"""Our look-up in a foreign network with all of its faults on: every verdict, by the command as people run it."""

from __future__ import annotations

from pathlib import Path

from conformance.interop.lookups import open_world, ours_in_theirs
from tests.peers.peer_parts import needs_network

pytestmark = needs_network


def test_we_judge_a_foreign_network_rightly_whatever_is_wrong_in_it(tmp_path: Path) -> None:
    with open_world(tmp_path, participants=3) as world:
        rows = ours_in_theirs(world)
    assert [(row.what, row.asked) for row in rows] == [
        ("must be positive", 5),
        ("must be negative", 9),
        ("must be indeterminate", 24),
        ("found", 3),
    ]
    assert [text for row in rows for text in row.wrong] == []
