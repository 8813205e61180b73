"""A share of ``python -m benchmarks.outages``: no letter for a receiver of whom there was no answer."""

from __future__ import annotations

from benchmarks.outage_world import KINDS
from benchmarks.outages import simulate


async def test_an_outage_of_any_kind_prints_no_letter_and_changes_no_relation() -> None:
    tally = await simulate(20, seed=7)
    assert (tally.outages, tally.wrong_letters, tally.changed, tally.other) == (20, 0, 0, 0)
    assert tally.sent and tally.letters and tally.given_up, "the others went their ways"
    assert len(tally.questions) > len(KINDS) // 2 and tally.sweeps
