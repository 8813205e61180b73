"""The end of the retry window, in words for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.exchange.retry import RetryPolicy
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Message

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (timedelta(days=5), "5 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=90), "1.5 hours"),
    ],
)
def test_the_end_of_the_window_names_its_length(window: timedelta, words: str) -> None:
    message = Message(
        id=DocumentId("d"),
        account=AccountId("main"),
        direction=Direction.OUT,
        state=State.ACCEPTED,
        attempts=1,
        created=NOW - window,
        updated=NOW,
    )
    retry = RetryPolicy(first=timedelta(minutes=1), longest=timedelta(hours=1), window=window)
    assert retry.after(message, "it is down", NOW).reason == f"Not possible within {words}. Last: it is down"
    lost = retry.after(message, "it is down", NOW, sent=True)
    assert (lost.name, lost.reason.partition(";")[0]) == ("LostTrack", f"No valid receipt within {words}")


def test_each_pause_is_about_twice_the_one_before_and_a_requeue_begins_anew() -> None:
    retry = RetryPolicy(first=timedelta(minutes=1), longest=timedelta(hours=1), window=timedelta(days=5))
    message = Message(
        id=DocumentId("d"),
        account=AccountId("main"),
        direction=Direction.OUT,
        state=State.ACCEPTED,
        attempts=99,
        queued_since=NOW,
        created=NOW - timedelta(days=9),
        updated=NOW,
    )
    for waited, pause in ((0, 1), (1, 1), (2, 2), (4, 4), (30, 30), (90, 60), (6000, 60)):
        due = retry.after(message, "it is down", NOW + timedelta(minutes=waited)).next_attempt
        assert due is not None
        minutes = (due - NOW) / timedelta(minutes=1) - waited
        assert pause * 0.9 <= minutes <= pause * 1.1, waited
