"""Receivers that do not answer share few places."""

from __future__ import annotations

from dataclasses import replace

from gateway.exchange.silence import Silence
from gateway.model.lifecycle import Event

NO_ANSWER = Event(name="Postponed", reason="no answer in time", sent_octets=True)
SENT = Event(name="Sent", reason="")


def test_any_receiver_leaves_places_for_others() -> None:
    assert Silence().left_out(["a"] * 5, most=6, few=2) == []
    assert Silence().left_out(["a"] * 6, most=6, few=2) == ["a"]


def test_a_silent_receiver_holds_one_place_until_it_answers() -> None:
    silence = Silence()
    silence.note("a", NO_ANSWER)
    assert silence.left_out(["a"], most=6, few=2) == ["a"]
    silence.note("a", SENT)
    assert silence.left_out(["a"], most=6, few=2) == []


def test_what_failed_here_tells_of_no_silence() -> None:
    silence = Silence()
    silence.note("a", replace(NO_ANSWER, sent_octets=False, detail={"failure": "local"}))
    assert silence.left_out(["a"], most=6, few=2) == []
    silence.note("a", replace(NO_ANSWER, sent_octets=False, detail={"failure": "remote"}))
    assert silence.left_out(["a"], most=6, few=2) == ["a"]


def test_all_silent_receivers_together_hold_a_few() -> None:
    silence = Silence()
    for name in "abcd":
        silence.note(name, NO_ANSWER)
    assert silence.left_out([], most=6, few=2) == []
    assert set(silence.left_out(["a", "b"], most=6, few=2)) == {"a", "b", "c", "d"}


def test_a_search_without_an_answer_says_nothing_of_the_receiver() -> None:
    """When DNS is down everybody is postponed; nobody is slowed down for it afterwards."""
    silence = Silence()
    silence.note("a", Event(name="Postponed", reason="SERVFAIL"))
    assert silence.left_out(["a"], most=6, few=2) == []


def test_what_is_remembered_is_bounded() -> None:
    silence = Silence()
    for number in range(20_000):
        silence.note(str(number), NO_ANSWER)
    assert len(silence._silent) == 10_000
    assert len(silence.left_out(["19999", "19998"], most=6, few=2)) <= 502
