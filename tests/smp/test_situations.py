"""Every situation of DNS, registration, signature, endpoint and revocation gets the one verdict that is right."""

from __future__ import annotations

import pytest

from tests.smp.situation_parts import Situation, play
from tests.smp.situations import MORE, SITUATIONS
from tests.smp.smp_parts import Pki


@pytest.mark.parametrize("situation", MORE, ids=lambda situation: situation.id)
async def test_the_verdict_is_right(pki: Pki, situation: Situation) -> None:
    outcome = await play(situation, pki)
    assert outcome.verdict == situation.verdict, outcome.text
    assert situation.says in outcome.text
    assert outcome.steps >= 1
    if situation.silent:
        assert outcome.connects == 0


def test_the_table_has_its_size_and_names_each_situation_once() -> None:
    assert len(SITUATIONS) >= 150
    assert len({situation.id for situation in SITUATIONS}) == len(SITUATIONS)
