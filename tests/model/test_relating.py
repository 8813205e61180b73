"""The lives of relations and proposals: what the tables allow, and the picture of it in the documentation."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.errors import Conflict, StateError
from gateway.model import proposal, relating
from gateway.model.counterpart import Identifier, Origin
from gateway.model.prices import DEFAULT, Price, price_of, saving
from gateway.model.proposal import PROPOSING, ProposalState
from gateway.model.relating import RELATING, RelationState

ROOT = Path(__file__).resolve().parents[2]


def _drawn(begin: str) -> set[tuple[str, str, str]]:
    picture = next(b for b in (ROOT / "docs/relations.md").read_text().split("```") if b.startswith(f"\n{begin}\n"))
    steps = [re.fullmatch(r"\s+(\w+)\s+--(\w+)-->\s+(\w+)", line) for line in picture.splitlines()[2:] if line.strip()]
    assert all(steps)
    return {(s[1], s[2], s[3]) for s in steps if s}


def test_the_picture_of_relations_shows_every_step_and_no_other() -> None:
    steps = {(s.name, event, a.name) for s, events in RELATING.items() for event, a in events.items()}
    assert _drawn("relation") == steps


def test_the_picture_of_proposals_shows_every_step_and_no_other() -> None:
    steps = {(s.name, event, a.name) for s, events in PROPOSING.items() for event, a in events.items()}
    assert _drawn("proposal") == steps


def test_only_an_active_relation_can_be_doubted_and_only_a_doubted_or_quarantined_one_lost() -> None:
    assert [s for s in RelationState if relating.allows(s, "Doubted")] == [RelationState.ACTIVE]
    assert [s for s in RelationState if relating.allows(s, "Lost")] == [
        RelationState.SUSPECT,
        RelationState.QUARANTINED,
    ]
    with pytest.raises(StateError, match="Lost cannot happen to a relation that is active"):
        relating.advance(RelationState.ACTIVE, "Lost")


def test_a_proposal_is_accepted_once() -> None:
    accepted = proposal.advance(ProposalState.OPEN, "Accepted")
    with pytest.raises(Conflict, match="is accepted; accepted is not possible now"):
        proposal.advance(accepted, "Accepted")


def test_an_operators_own_code_is_never_trusted_even_when_confirmed() -> None:
    eid = Identifier(scheme="0088", value="7365567212048", origin=Origin.OPERATOR_EID)
    assert eid.trust == 0
    assert Identifier(scheme="0007", value="5567212047", origin=Origin.MASTER_DATA).trust > 3


def test_the_newest_price_that_has_begun_counts_and_the_countrys_before_the_general_one() -> None:
    old, new = date(2026, 1, 1), date(2026, 7, 1)
    prices = [
        Price(channel="print", since=old, amount=Decimal(20)),
        Price(channel="print", since=new, amount=Decimal(21)),
        Price(channel="print", country="SE", since=old, amount=Decimal(15)),
    ]
    amounts = [
        (p := price_of(prices, "print", country, day)) and p.amount
        for country, day in (("SE", new), ("NO", date(2026, 6, 30)), ("NO", new), ("NO", date(2025, 1, 1)))
    ]
    assert amounts == [Decimal(15), Decimal(20), Decimal(21), None]


def test_a_saving_without_a_price_is_nothing() -> None:
    assert saving(DEFAULT, "print", "peppol", "SE", date(2026, 11, 1)) == (Decimal("15.00"), "SEK")
    assert saving(DEFAULT, "pigeon", "peppol", "SE", date(2026, 11, 1))[0] == 0
