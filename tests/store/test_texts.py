"""What is said alike is written once as JSON, and never in place of what only looks alike. How keys are written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gateway.model.lifecycle import State
from gateway.store import tables
from gateway.store.keys import inbound_key, sent_key
from gateway.store.tables import json_text, repeated_json_text

SAID: list[dict[str, object]] = [
    {"chain": ["CN=POP000102", "CN=Test CA"], "revocation": "good"},
    {"revocation": "good", "chain": ["CN=POP000102", "CN=Test CA"]},
    {"chain": ["CN=POP000102,CN=Test CA"], "revocation": "good"},
    {"n": 1},
    {"n": True},
    {"n": 1.0},
    {"n": "1"},
    {"n": None},
    {"n": Decimal("1")},
    {"n": State.SENT},
    {"n": datetime(2026, 11, 29, tzinfo=UTC)},
    {"n": {"1": []}},
    {"long": "x" * 10_000},
    {},
]


def test_each_is_written_as_ever_however_often_and_in_whatever_order() -> None:
    wanted = [json_text(one) for one in SAID]
    assert [repeated_json_text(one) for one in SAID] == wanted
    assert [repeated_json_text(one) for one in reversed(SAID)] == wanted[::-1]
    assert len(set(wanted)) == len(SAID) - 1, "only the number 1 as text and as a decimal are written alike"


def test_one_that_is_changed_is_written_anew() -> None:
    said: dict[str, object] = {"peer": "POP000101"}
    assert repeated_json_text(said) == '{"peer":"POP000101"}'
    said["peer"] = "POP000102"
    assert repeated_json_text(said) == '{"peer":"POP000102"}'


def test_few_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_REPEATED_MANY", 5)
    for number in range(20):
        assert repeated_json_text({"number": number}) == f'{{"number":{number}}}'
    assert len(tables._repeated) <= 5


@pytest.mark.parametrize("word", ["POP000001", "", 'a"b\\c', "åäö €", "\0\n\x7f", "\U0001f4c4", "\ud800"])
def test_a_key_is_written_as_it_was_by_earlier_programs(word: str) -> None:
    """What a store has of them is found by it: a repeat is told from a new message."""
    assert inbound_key(word, f"{word}@x") == json.dumps(["in", word, f"{word}@x"])
    assert sent_key(word) == json.dumps(["out", word])
