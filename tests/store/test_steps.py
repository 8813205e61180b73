"""What a step does to the other fields of a document, for every step that the lifecycle has."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from store_parts import EXEMPEL, NORDISK, START, incoming, outgoing

from gateway.errors import LostLease, StateError
from gateway.model.lifecycle import TRANSITIONS, WORKABLE, Event, State
from gateway.store import steps
from gateway.store.steps import Current

ALL = [(d, s, n) for d, table in TRANSITIONS.items() for s, names in table.items() for n in names if n != "Noted"]
NOW = START + timedelta(hours=1)


def current(direction: str, state: State, **more: object) -> Current:
    arrival = outgoing("d1") if direction == "out" else incoming("d1")
    return Current(message=replace(arrival.message, state=state, **more))  # type: ignore[arg-type]


def step(was: Current, event: Event) -> steps.Change:
    return steps.record(was, was.message, event, NOW, keep_lease=False)


@pytest.mark.parametrize(("direction", "state", "name"), ALL)
def test_only_workable_documents_are_due(direction: str, state: State, name: str) -> None:
    later = NOW + timedelta(minutes=1)
    was = current(direction, state)
    after = step(was, Event(name=name, reason="r")).message  # type: ignore[arg-type]
    workable = after.state in WORKABLE[direction]
    assert after.next_attempt == (NOW if workable and name != "Postponed" else None)
    after = step(was, Event(name=name, reason="r", next_attempt=later)).message  # type: ignore[arg-type]
    assert after.next_attempt == ((later if name == "Postponed" else NOW) if workable else None)
    assert after.updated == NOW
    assert (after.id, after.account, after.sha256, after.message_id) == (
        was.message.id,
        EXEMPEL,
        was.message.sha256,
        was.message.message_id,
    )


@pytest.mark.parametrize(("direction", "state"), [("in", State.RECEIVED), ("out", State.SENT), ("out", State.REJECTED)])
def test_a_note_changes_nothing_but_the_timeline_and_the_links(direction: str, state: State) -> None:
    due = START if state is State.RECEIVED else None  # only what is worked on is ever due
    was = current(direction, state, reason="why it goes this way", next_attempt=due)
    change = step(was, Event(name="Noted", reason="somebody said so", links={"status": "d9"}))
    assert change.entry is not None and change.entry.reason == "somebody said so"
    assert change.message == replace(was.message, updated=NOW, links={**was.message.links, "status": "d9"})


@pytest.mark.parametrize("state", [s for s in State if s in TRANSITIONS["out"]])
def test_what_the_table_does_not_have_is_refused(state: State) -> None:
    for name in ("Sent", "Diverted", "Dispatched", "Delivered", "Rejected", "Postponed", "GaveUp", "LostTrack"):
        if name not in TRANSITIONS["out"][state]:
            with pytest.raises(StateError):
                step(current("out", state), Event(name=name, reason="r"))  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [{"state": State.SENT}, {"attempts": 3}, {"account": NORDISK}])
def test_a_document_that_moved_on_is_a_lost_lease(other: dict[str, object]) -> None:
    was = current("out", State.ACCEPTED)
    stale = replace(was.message, **other)  # type: ignore[arg-type]
    with pytest.raises(LostLease):
        steps.record(was, stale, Event(name="Sent", reason="r"), NOW, keep_lease=False)


def test_the_reason_says_why_this_way_until_trouble_comes() -> None:
    way = step(current("out", State.ACCEPTED), Event(name="Diverted", reason="not registered", channel="email")).message
    waits = step(Current(message=way), Event(name="Postponed", reason="mail server is down")).message
    gone = step(Current(message=waits), Event(name="Dispatched", reason="250 queued")).message
    assert [m.reason for m in (way, waits, gone)] == ["not registered"] * 3
    failed = step(Current(message=waits), Event(name="GaveUp", reason="five days")).message
    assert (failed.reason, failed.channel) == ("five days", "email")
