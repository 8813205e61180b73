"""Signature wrapping made systematically: a sample in every run, everything with ATTACKS=whole."""

from __future__ import annotations

import random

import pytest

from tests.attacks.parts import Kit, table
from tests.attacks.wrapping import Forge, run_points

pytestmark = pytest.mark.usefixtures("door")

SAMPLE = 1500
SEED = 20261125


def test_no_wrapped_message_is_read(kit: Kit, whole: bool) -> None:
    forge = Forge(kit)
    points = list(forge.points()) if whole else forge.sample(SAMPLE, SEED)
    tallies, different = run_points(kit, points)
    assert not [problem for tally in tallies for problem in tally.problems], "\n" + table(tallies)
    assert different >= (100_000 if whole else SAMPLE * 0.95)
    assert sum(tally.refused for tally in tallies) > different * 0.95


def test_there_are_enough_of_them(kit: Kit) -> None:
    """Ten thousand at random are ten thousand texts."""
    forge = Forge(kit)
    points = list(forge.points())
    assert len(points) > 100_000
    chance = random.Random(SEED)
    assert len({hash(forge.make(point).body) for point in chance.sample(points, 2000)}) > 1900


def test_the_forge_is_sharp(kit: Kit) -> None:
    """Were the content of a forgery believed, it would be seen: the honest message is taken, a forged one differs."""
    forge = Forge(kit)
    honest = kit.judge("multipart/related; boundary=wrapped", forge.honest)
    assert honest.received is not None
    assert kit.bare(honest.received) == kit.baseline
    for point in forge.sample(300, SEED):
        assert forge.make(point).body != forge.honest
