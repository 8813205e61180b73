"""Documents just accepted are given out as they were read, however many wait before them."""

from __future__ import annotations

import pytest

from gateway.exchange import fresh
from gateway.exchange.fresh import Fresh
from gateway.model.identifiers import DocumentId
from gateway.model.octets import size_of
from gateway.ubl.submission import Submission, read_submission
from tests.exchange.conftest import sample

NETWORK = read_submission(sample("network"))


def known(number: int) -> Submission:
    return Submission(document=b"<a>%d</a>" % number * 500, facts=NETWORK.facts, envelope=None)


def test_what_was_put_is_taken_once() -> None:
    waiting = Fresh()
    waiting.put(DocumentId("d"), NETWORK)
    assert waiting.take(DocumentId("d")) is NETWORK
    assert waiting.take(DocumentId("d")) is None


def test_what_is_packed_behind_many_others_comes_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "_AS_READ", 10_000)
    monkeypatch.setattr(fresh, "_FRESH_OCTETS", 20_000)
    waiting = Fresh()
    for number in range(100):
        waiting.put(DocumentId(f"d{number}"), known(number))
    assert waiting._octets < 20_000 < sum(size_of(known(number).document) for number in range(100))
    assert [waiting.take(DocumentId(f"d{number}")) for number in range(100)] == [known(number) for number in range(100)]
    assert waiting._octets == 0


def test_the_oldest_are_forgotten_when_they_become_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "_FRESH", 3)
    waiting = Fresh()
    for number in range(5):
        waiting.put(DocumentId(f"d{number}"), known(number))
    taken = [waiting.take(DocumentId(f"d{number}")) for number in range(5)]
    assert taken == [None, None, known(2), known(3), known(4)]
    assert waiting._octets == 0
