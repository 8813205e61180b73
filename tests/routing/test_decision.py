"""The outbound decision as a table: a situation, the network's answer, the way, and what it does to the relation."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.counterpart import (
    Acceptance,
    AutoAccept,
    Counterpart,
    CounterpartId,
    Identifier,
    Origin,
    PartyKind,
    RelationPolicy,
    Role,
)
from gateway.model.identifiers import AccountId
from gateway.model.message import Direction, Route
from gateway.model.relating import Relation, RelationState, Verdict, advance
from gateway.routing.decision import Answer, Choice, Situation, conclude, plan

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
KEY = "0007:5567212047"
YES = Answer(verdict=Verdict.POSITIVE, participant=KEY, seat="POP000002")
ELSEWHERE = replace(YES, participant="0088:7350000000001")
NO = Answer(verdict=Verdict.NEGATIVE, text=f"{KEY} is not registered (NXDOMAIN)")
PERHAPS = Answer(verdict=Verdict.INDETERMINATE, text="no answer within 5 s")
S = RelationState


def customer(**more: Any) -> Counterpart:
    values: dict[str, Any] = {
        "id": CounterpartId("c"),
        "account": AccountId("a"),
        "role": Role.CUSTOMER,
        "name": "Kund AB",
        "country": "SE",
        "identifiers": (Identifier(scheme="0007", value="5567212047", origin=Origin.MASTER_DATA),),
        "created": NOW,
        "updated": NOW,
    }
    return Counterpart(**(values | more))


def relation(state: RelationState, **more: Any) -> Relation:
    values: dict[str, Any] = {
        "account": AccountId("a"),
        "counterpart": CounterpartId("c"),
        "direction": Direction.OUT,
        "state": state,
        "participant": KEY,
        "since": NOW,
        "created": NOW,
        "updated": NOW,
    }
    return Relation(**(values | more))


def situation(**more: Any) -> Situation:
    values: dict[str, Any] = {
        "now": NOW,
        "accepted": NOW,
        "day": NOW.date(),
        "seller_country": "SE",
        "buyer_country": "SE",
        "keys": (KEY,),
    }
    return Situation(**(values | more))


def decide(s: Situation, answer: Answer | None) -> Choice:
    p = plan(s)
    return conclude(s, p, answer if p.ask else None)


PUBLIC = customer(kind=PartyKind.PUBLIC)
NEVER = RelationPolicy(auto_accept=AutoAccept.NEVER)
ALWAYS = RelationPolicy(auto_accept=AutoAccept.ALWAYS)
BELGIUM = {"seller_country": "BE", "buyer_country": "BE", "buyer_vat": "BE0202239951"}
BOTH = ("email", "print")

TABLE: list[tuple[str, dict[str, Any], Answer, str, tuple[str, ...], tuple[str, ...], bool]] = [
    # name, situation, answer, way, order of other ways, events, proposed
    ("nobody knows it, found", {}, YES, "network", (), ("Found", "Accepted"), False),
    ("nobody knows it, not found", {}, NO, "divert", BOTH, (), False),
    ("nobody knows it, no answer", {}, PERHAPS, "wait", (), (), False),
    ("policy: propose", {"policy": NEVER}, YES, "divert", BOTH, ("Found", "Proposed"), True),
    ("not on the invoice", {}, ELSEWHERE, "divert", BOTH, ("Found", "Proposed"), True),
    ("not on the invoice, always", {"policy": ALWAYS}, ELSEWHERE, "network", (), ("Found", "Accepted"), False),
    (
        "set to letter, found",
        {"counterpart": customer(preferred="print")},
        YES,
        "divert",
        ("print", "email"),
        ("Found", "Proposed"),
        True,
    ),
    (
        "set to letter, taken at once",
        {"counterpart": customer(preferred="print", acceptance=Acceptance.AUTO), "policy": NEVER},
        YES,
        "network",
        (),
        ("Found", "Accepted"),
        False,
    ),
    (
        "this one is to be asked about",
        {"counterpart": customer(acceptance=Acceptance.PROPOSE), "policy": ALWAYS},
        YES,
        "divert",
        BOTH,
        ("Found", "Proposed"),
        True,
    ),
    ("no mail wanted", {"counterpart": customer(opt_out=("email",))}, NO, "divert", ("print",), (), False),
    ("no e-invoice wanted", {"counterpart": customer(opt_out=("peppol",))}, YES, "divert", BOTH, (), False),
    ("name mismatch", {"name_mismatch": True, "policy": ALWAYS}, YES, "divert", BOTH, ("Found", "Proposed"), True),
    (
        "too much money",
        {"policy": RelationPolicy(largest="100"), "amount": Decimal("100.01")},
        YES,
        "divert",
        BOTH,
        ("Found", "Proposed"),
        True,
    ),
    (
        "little enough",
        {"policy": RelationPolicy(largest="100"), "amount": Decimal("-100")},
        YES,
        "network",
        (),
        ("Found", "Accepted"),
        False,
    ),
    (
        "in use",
        {"counterpart": customer(), "relation": relation(S.ACTIVE), "policy": NEVER},
        YES,
        "network",
        (),
        (),
        False,
    ),
    (
        "in use although set to letter",
        {"counterpart": customer(preferred="print"), "relation": relation(S.ACTIVE)},
        YES,
        "network",
        (),
        (),
        False,
    ),
    ("in use, gone", {"counterpart": customer(), "relation": relation(S.ACTIVE)}, NO, "wait", (), ("Doubted",), False),
    ("in use, no answer", {"counterpart": customer(), "relation": relation(S.ACTIVE)}, PERHAPS, "wait", (), (), False),
    (
        "in doubt, there again",
        {"counterpart": customer(), "relation": relation(S.SUSPECT, denied=NOW - timedelta(hours=1))},
        YES,
        "network",
        (),
        ("Confirmed",),
        False,
    ),
    (
        "in doubt, waited for long enough",
        {
            "counterpart": customer(),
            "relation": relation(S.SUSPECT, denied=NOW - timedelta(hours=5)),
            "accepted": NOW - timedelta(hours=4),
        },
        NO,
        "divert",
        BOTH,
        (),
        False,
    ),
    (
        "in doubt for a day",
        {"counterpart": customer(), "relation": relation(S.SUSPECT, denied=NOW - timedelta(hours=24))},
        NO,
        "divert",
        BOTH,
        ("Lost",),
        False,
    ),
    (
        "in doubt for a day, no answer",
        {
            "counterpart": customer(),
            "relation": relation(S.SUSPECT, denied=NOW - timedelta(hours=48)),
            "accepted": NOW - timedelta(hours=48),
        },
        PERHAPS,
        "wait",
        (),
        (),
        False,
    ),
    (
        "proposed, still there",
        {"counterpart": customer(), "relation": relation(S.PROPOSED), "policy": NEVER},
        YES,
        "divert",
        BOTH,
        (),
        True,
    ),
    (
        "proposed, gone",
        {"counterpart": customer(), "relation": relation(S.PROPOSED), "policy": NEVER},
        NO,
        "divert",
        BOTH,
        ("Vanished",),
        False,
    ),
    ("declined", {"counterpart": customer(), "relation": relation(S.DECLINED)}, YES, "divert", BOTH, (), False),
    ("declined and gone", {"counterpart": customer(), "relation": relation(S.DECLINED)}, NO, "divert", BOTH, (), False),
    (
        "lost, found again",
        {"counterpart": customer(), "relation": relation(S.LOST)},
        YES,
        "network",
        (),
        ("Found", "Accepted"),
        False,
    ),
    (
        "left alone",
        {"counterpart": customer(), "relation": relation(S.QUARANTINED, next_check=NOW + timedelta(hours=1))},
        YES,
        "wait",
        (),
        (),
        False,
    ),
    (
        "left alone, time for a try",
        {"counterpart": customer(), "relation": relation(S.QUARANTINED, next_check=NOW)},
        YES,
        "network",
        (),
        (),
        False,
    ),
    ("public buyer, gone", {"counterpart": PUBLIC}, NO, "hold", (), (), False),
    ("public buyer, found", {"counterpart": PUBLIC}, YES, "network", (), ("Found", "Accepted"), False),
    ("public buyer before the law", {"counterpart": PUBLIC, "day": date(2019, 3, 31)}, NO, "divert", BOTH, (), False),
    ("public buyer of another country", {"counterpart": PUBLIC, "seller_country": "DE"}, NO, "divert", BOTH, (), False),
    (
        "public buyer, in use, just gone",
        {"counterpart": PUBLIC, "relation": relation(S.ACTIVE)},
        NO,
        "wait",
        (),
        ("Doubted",),
        False,
    ),
    ("looks public only", {"keys": ("0007:2021005489",)}, NO, "divert", BOTH, (), False),
    ("Belgium 2026", BELGIUM, NO, "hold", (), (), False),
    ("Belgium 2025", BELGIUM | {"day": date(2025, 12, 31)}, NO, "divert", BOTH, (), False),
    ("Belgium, a consumer", BELGIUM | {"buyer_vat": ""}, NO, "divert", BOTH, (), False),
    (
        "Belgium, a sink",
        BELGIUM | {"policy": RelationPolicy(sinks=("POP000002",))},
        YES,
        "hold",
        (),
        (),
        False,
    ),
    (
        "a person freed it",
        BELGIUM | {"counterpart": customer(mandate="free", country="BE")},
        NO,
        "divert",
        BOTH,
        (),
        False,
    ),
    (
        "a person bound it",
        {"counterpart": customer(mandate="structured")},
        NO,
        "hold",
        (),
        (),
        False,
    ),
    (
        "set to letter where the law wants structure",
        {"counterpart": customer(kind=PartyKind.PUBLIC, preferred="print")},
        YES,
        "network",
        (),
        ("Found", "Accepted"),
        False,
    ),
]


@pytest.mark.parametrize(
    ("name", "more", "answer", "way", "order", "events", "proposed"), TABLE, ids=[r[0] for r in TABLE]
)
def test_the_decision(
    name: str,
    more: dict[str, Any],
    answer: Answer,
    way: str,
    order: tuple[str, ...],
    events: tuple[str, ...],
    proposed: bool,
) -> None:
    choice = decide(situation(**more), answer)
    assert (choice.way, choice.order, choice.events, choice.propose) == (way, order, events, proposed)
    assert choice.said and all(one.sv and one.en and one.sv != one.en for one in choice.said)
    state = more["relation"].state if "relation" in more else S.NONE
    for event in choice.events:
        state = advance(state, event)  # every event is one that the table of relations allows


@pytest.mark.parametrize("route", [Route.PEPPOL, Route.EMAIL, Route.PRINT])
def test_an_explicit_way_goes_before_everything_and_the_network_is_not_asked(route: Route) -> None:
    s = situation(counterpart=customer(kind=PartyKind.PUBLIC, route=route, opt_out=("print", "email")))
    p = plan(s)
    assert (p.only, p.ask) == (route, False)
    assert conclude(s, p, None).way == "only"


def test_a_vanished_receiver_is_asked_for_again_after_5_15_60_and_180_minutes_and_no_longer_than_four_hours() -> None:
    now, asked, way = NOW, [], relation(S.ACTIVE)
    while True:
        choice = decide(situation(now=now, counterpart=customer(), relation=way), NO)
        if choice.way != "wait":
            break
        assert choice.until
        if choice.events:
            way = relation(S.SUSPECT, denied=now)
        now = choice.until
        asked.append((now - NOW) / timedelta(minutes=1))
    assert asked == [5, 15, 60, 180, 240]
    assert choice.way == "divert" and choice.events == ()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_outage_ever_makes_paper(seed: int) -> None:
    outages(random.Random(seed), 25)


def outages(chance: random.Random, number: int) -> int:
    """So many invoices through random days of outages; paper only when every answer since it came allows it.

    Gives how many were diverted.
    """
    diverted = 0
    for _ in range(number):
        way = chance.choice([None, *(relation(state, denied=NOW) for state in S)])
        counterpart = customer(
            preferred=chance.choice(["", "", "print"]),
            kind=chance.choice(list(PartyKind)),
            acceptance=chance.choice(list(Acceptance)),
        )
        policy = RelationPolicy(auto_accept=chance.choice(list(AutoAccept)))
        now, silent = NOW, chance.random()
        for _step in range(60):
            answer = PERHAPS if chance.random() < silent else chance.choice([YES, NO])
            s = situation(now=now, counterpart=counterpart, relation=way, policy=policy)
            choice = decide(s, answer)
            if answer is PERHAPS:
                assert choice.way == "wait" and choice.events == () and not choice.propose
            if choice.way in ("divert", "hold") and way is not None and answer is NO:
                waited = now - NOW
                if way.state is S.ACTIVE:
                    assert waited >= timedelta(hours=4), "an active relation was given up at the first no"
            state = way.state if way is not None else S.NONE
            for event in choice.events:
                state = advance(state, event)
            denied = now if "Doubted" in choice.events else (way.denied if way else None)
            way = relation(state, denied=denied)
            if choice.way in ("network", "divert", "hold"):
                diverted += choice.way == "divert"
                break
            now = max(choice.until or now, now + timedelta(minutes=chance.choice([1, 5, 30, 120])))
    return diverted
