"""The lifecycle table: every state can be reached, every state has a way to an end, nothing else is possible."""

from __future__ import annotations

import pytest

from gateway.errors import StateError
from gateway.model.lifecycle import FIRST, STATUS, TRANSITIONS, WORKABLE, Event, State, advance

ENDS = {State.DELIVERED, State.REJECTED, State.FAILED, State.UNKNOWN, State.SENT, State.DISPATCHED}


def _followers(direction: str, state: State) -> set[State]:
    return {state if after == "same" else State(after) for after in TRANSITIONS[direction][state].values()}


def _reachable(direction: str, start: State) -> set[State]:
    found, waiting = {start}, [start]
    while waiting:
        for after in _followers(direction, waiting.pop()) - found:
            found.add(after)
            waiting.append(after)
    return found


@pytest.mark.parametrize("direction", ["out", "in"])
def test_every_state_of_a_direction_is_reached_from_the_first(direction: str) -> None:
    assert _reachable(direction, FIRST[direction]) == set(TRANSITIONS[direction])


@pytest.mark.parametrize("direction", ["out", "in"])
def test_every_state_has_a_way_to_an_end(direction: str) -> None:
    for state in TRANSITIONS[direction]:
        assert _reachable(direction, state) & ENDS, state


@pytest.mark.parametrize("direction", ["out", "in"])
def test_what_the_worker_works_on_can_be_postponed_and_given_up(direction: str) -> None:
    for state in WORKABLE[direction]:
        assert {"Postponed", "GaveUp"} <= set(TRANSITIONS[direction][state])


def test_a_document_that_may_have_arrived_never_goes_to_another_channel() -> None:
    assert _reachable("out", State.UNKNOWN) >= {State.SENT, State.ACCEPTED}
    assert State.DIVERTED not in _followers("out", State.UNKNOWN) | _followers("out", State.SENT)


def test_an_event_that_the_table_does_not_have_is_our_own_fault() -> None:
    with pytest.raises(StateError, match="Dispatched cannot happen"):
        advance("out", State.ACCEPTED, Event(name="Dispatched", reason=""))
    with pytest.raises(StateError):
        advance("in", State.DELIVERED, Event(name="Delivered", reason=""))


def test_postponed_keeps_the_state() -> None:
    assert advance("out", State.DIVERTED, Event(name="Postponed", reason="")) is State.DIVERTED


def test_every_state_has_a_word_for_clerks() -> None:
    assert set(STATUS) == set(State)
