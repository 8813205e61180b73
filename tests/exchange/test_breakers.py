"""Circuit breakers: who counts, when they open, who may probe, and that time jumps do nothing to them."""

from __future__ import annotations

import pytest

from gateway.errors import (
    AtRest,
    ChannelRefused,
    ChannelUnavailable,
    GatewayError,
    InvalidAnswer,
    LostLease,
    PeerRefused,
    PeerUnavailable,
    StoreUnavailable,
    TemporaryError,
)
from gateway.exchange.breakers import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breakers

DEAD = PeerUnavailable("no answer", sent=True)


class Ticks:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def breakers(ticks: Ticks) -> Breakers:
    return Breakers(ticks)


def tries(breakers: Breakers, error: BaseException | None = None, to: str = "POP000002") -> None:
    with breakers.trying(to):
        if error:
            raise error


def fail(breakers: Breakers, times: int = 1, error: GatewayError = DEAD) -> None:
    for _ in range(times):
        with pytest.raises(type(error)):
            tries(breakers, error)


def test_after_some_failures_in_a_row_it_is_left_alone_and_the_others_are_not(breakers: Breakers) -> None:
    fail(breakers, FAILURES)
    with pytest.raises(AtRest, match=r"POP000002 .* 3 times in a row\. Last: no answer") as caught:
        tries(breakers)
    assert FIRST_PAUSE <= caught.value.wait <= FIRST_PAUSE * 1.3
    tries(breakers, to="POP000003")


def test_one_answer_in_between_begins_anew(breakers: Breakers) -> None:
    for _ in range(5):
        fail(breakers, FAILURES - 1)
        tries(breakers)
    assert breakers.standing() == []


@pytest.mark.parametrize("answer", [PeerRefused("EBMS:0004", "no"), ChannelRefused("no such mailbox")])
def test_a_no_is_an_answer(breakers: Breakers, answer: GatewayError) -> None:
    fail(breakers, FAILURES - 1)
    fail(breakers, 1, answer)
    fail(breakers, FAILURES - 1)
    tries(breakers)


@pytest.mark.parametrize("error", [DEAD, ChannelUnavailable("down"), InvalidAnswer("a receipt of somebody else")])
def test_what_the_far_side_does_not_do_counts(breakers: Breakers, error: GatewayError) -> None:
    fail(breakers, FAILURES, error)
    with pytest.raises(AtRest):
        tries(breakers)


@pytest.mark.parametrize(
    "error", [StoreUnavailable("disk"), LostLease("late"), ChannelUnavailable("x", failure="local")]
)
def test_our_own_faults_are_held_against_nobody(breakers: Breakers, error: GatewayError) -> None:
    fail(breakers, FAILURES * 3, error)
    tries(breakers)


def test_then_one_at_a_time_may_try_and_its_answer_opens_the_way(breakers: Breakers, ticks: Ticks) -> None:
    fail(breakers, FAILURES)
    ticks.now = FIRST_PAUSE * 1.2
    with breakers.trying("POP000002"):
        assert [row.state for row in breakers.standing()] == ["half-open"]
        for _ in range(5):
            with pytest.raises(AtRest):
                tries(breakers)
    for _ in range(5):
        tries(breakers)
    assert breakers.standing() == []


def test_each_probe_that_fails_makes_the_pause_twice_as_long_up_to_a_limit(breakers: Breakers, ticks: Ticks) -> None:
    fail(breakers, FAILURES)
    pause = FIRST_PAUSE
    for _ in range(8):
        ticks.now += pause * 1.2
        fail(breakers)
        pause = min(pause * 2, LONGEST_PAUSE)
        (row,) = breakers.standing()
        assert (row.state, pause <= row.wait <= pause * 1.11) == ("open", True)


def test_a_probe_that_learned_nothing_lets_the_next_one_try(breakers: Breakers, ticks: Ticks) -> None:
    fail(breakers, FAILURES)
    ticks.now = FIRST_PAUSE * 1.2
    fail(breakers, 3, StoreUnavailable("disk"))
    with pytest.raises(RuntimeError):
        tries(breakers, RuntimeError("a bug of ours"))
    tries(breakers)


def test_a_probe_of_which_nothing_is_heard_does_not_close_the_way_for_ever(breakers: Breakers, ticks: Ticks) -> None:
    fail(breakers, FAILURES)
    ticks.now = FIRST_PAUSE * 1.2
    hanging = breakers.trying("POP000002")
    hanging.__enter__()
    ticks.now += 1_000
    tries(breakers)


def test_those_that_were_under_way_when_it_opened_change_nothing(breakers: Breakers, ticks: Ticks) -> None:
    under_way = [breakers.trying("POP000002") for _ in range(20)]
    for one in under_way:
        one.__enter__()
    for one in under_way:
        with pytest.raises(PeerUnavailable):
            one.__exit__(PeerUnavailable, DEAD, None)
            raise DEAD
    (row,) = breakers.standing()
    assert row.failures == 20 and row.wait <= FIRST_PAUSE * 1.1


def test_every_error_says_whose_affair_it_is() -> None:
    def below(kind: type[GatewayError]) -> set[type[GatewayError]]:
        return {kind}.union(*(below(one) for one in kind.__subclasses__()))

    ours = {kind for kind in below(GatewayError) if kind.__module__ == "gateway.errors"}
    assert {kind.failure for kind in ours} == {"business", "remote", "local", "security"}
    # What only a better document mends is never tried again; what time mends is never the document's fault.
    assert {k.__name__ for k in ours if k.failure == "business" and issubclass(k, TemporaryError)} == set()
    assert {k.__name__ for k in ours if k.failure == "remote" and not issubclass(k, TemporaryError)} == set()


def test_none_opens_where_that_is_not_wanted() -> None:
    breakers = Breakers(after=0)
    fail(breakers, 50)
    tries(breakers)
