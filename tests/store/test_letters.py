"""Letters in the store: one of each, steps in order, nothing of another account."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from store_parts import EXEMPEL, NORDISK, START, StillClock

from gateway.errors import Conflict, NotFound, StateError
from gateway.model.identifiers import DocumentId
from gateway.model.letter import Letter, LetterFilter, LetterId, LetterState, LetterStep, ReturnReason
from gateway.store import SqlStore


def letter(name: str = "d1", **more: object) -> Letter:
    new = Letter(
        id=LetterId(f"letter-{name}"),
        account=EXEMPEL,
        document=DocumentId(name),
        kind="folder",
        address=("Kund AB", "Storgatan 1", "392 32 Kalmar"),
        number=f"F-{name}",
        price=Decimal("8.50"),
        currency="SEK",
        created=START,
        updated=START,
    )
    return replace(new, **more)


def steps(*states: LetterState) -> list[LetterStep]:
    return [LetterStep(state=state) for state in states]


SUBMITTED = (LetterState.PREFLIGHT_OK, LetterState.BATCHED, LetterState.SUBMITTED)


async def test_a_letter_begins_once_and_keeps_what_it_has_learned(store: SqlStore) -> None:
    assert await store.letters.begin(letter()) == letter()
    known = LetterStep(
        state=LetterState.BATCHED, reason="in batch b1", facts={"batch": "b1", "pages": 3, "sheets": 2, "id": "x"}
    )
    await store.letters.step(LetterId("letter-d1"), [*steps(LetterState.PREFLIGHT_OK), known])
    again = await store.letters.begin(letter(number="other"))
    assert (again.state, again.batch, again.pages, again.number) == (LetterState.BATCHED, "b1", 3, "F-d1")
    assert again == await store.letters.letter(EXEMPEL, again.id) == await store.letters.find_letter(again.id)
    history = await store.letters.history(EXEMPEL, again.id)
    assert [row.state for row in history] == [LetterState.RENDERED, LetterState.PREFLIGHT_OK, LetterState.BATCHED]
    assert history[-1].reason == "in batch b1"


async def test_old_news_is_passed_over_and_a_step_that_cannot_be_does_nothing(
    store: SqlStore, clock: StillClock
) -> None:
    await store.letters.begin(letter())
    one = LetterId("letter-d1")
    await store.letters.step(one, steps(*SUBMITTED))
    posted = LetterStep(state=LetterState.POSTED, carrier="PostNord", postage="economy", time=START)
    assert (await store.letters.step(one, [posted]))[1] is True
    after, done = await store.letters.step(one, steps(LetterState.ACCEPTED, LetterState.POSTED))
    assert not done and (after.posted, after.carrier, after.postage) == (START, "PostNord", "economy")
    with pytest.raises(StateError, match=r"returned cannot become batched"):
        await store.letters.step(one, steps(LetterState.RETURNED, LetterState.BATCHED))
    assert (await store.letters.letter(EXEMPEL, one)).state is LetterState.POSTED
    clock.pass_seconds(60)
    back = LetterStep(state=LetterState.RETURNED, returned=ReturnReason.MOVED)
    assert (await store.letters.step(one, [back]))[0].returned is ReturnReason.MOVED
    with pytest.raises(NotFound):
        await store.letters.step(LetterId("letter-none"), steps(LetterState.PREFLIGHT_OK))


async def test_nothing_of_another_account_is_found(store: SqlStore) -> None:
    await store.letters.begin(letter())
    assert await store.letters.letters(NORDISK, LetterFilter()) == ([], "")
    assert await store.letters.batches(NORDISK) == [] and await store.letters.counts(NORDISK) == {}
    with pytest.raises(NotFound):
        await store.letters.letter(NORDISK, LetterId("letter-d1"))
    with pytest.raises(NotFound):
        await store.letters.history(NORDISK, LetterId("letter-d1"))
    with pytest.raises(Conflict):
        await store.letters.begin(letter(account=NORDISK))


async def test_lists_are_paged_newest_first_and_narrowed(store: SqlStore, clock: StillClock) -> None:
    for n in range(5):
        when = START + timedelta(seconds=n // 2)  # two of the same moment
        await store.letters.begin(letter(f"d{n}", created=when, updated=when))
    await store.letters.step(LetterId("letter-d3"), [LetterStep(state=LetterState.PREFLIGHT_FAILED, reason="no room")])
    seen: list[str] = []
    cursor = ""
    while True:
        page, cursor = await store.letters.letters(EXEMPEL, LetterFilter(limit=2, cursor=cursor))
        seen += [one.document for one in page]
        if not cursor:
            break
    assert seen == ["d4", "d3", "d2", "d1", "d0"]
    failed, _ = await store.letters.letters(EXEMPEL, LetterFilter(states=(LetterState.PREFLIGHT_FAILED,)))
    assert [one.document for one in failed] == ["d3"]
    assert [one.document for one in (await store.letters.letters(EXEMPEL, LetterFilter(query="f-D2")))[0]] == ["d2"]
    assert await store.letters.counts(EXEMPEL) == {LetterState.RENDERED: 4, LetterState.PREFLIGHT_FAILED: 1}
    clock.pass_seconds(100)
    old = await store.letters.in_states([LetterState.RENDERED], START, 10)
    assert [one.document for one in old] == ["d0", "d1"]


async def test_batches_are_counted(store: SqlStore, clock: StillClock) -> None:
    for n, batch in enumerate(["b1", "b1", "b2"]):
        await store.letters.begin(letter(f"d{n}", pages=3, sheets=2))
        into = LetterStep(state=LetterState.BATCHED, facts={"batch": batch})
        clock.pass_seconds(1)
        await store.letters.step(LetterId(f"letter-d{n}"), [*steps(LetterState.PREFLIGHT_OK), into])
    await store.letters.step(LetterId("letter-d0"), steps(LetterState.SUBMITTED))
    newest, first = await store.letters.batches(EXEMPEL)
    assert (newest.batch, newest.letters, newest.sheets, newest.pages) == ("b2", 1, 2, 3)
    assert (first.letters, first.sheets, first.pages, first.states) == (2, 4, 6, {"batched": 1, "submitted": 1})
    assert first.created == START and first.updated > START


async def test_an_erased_document_takes_its_letter_along(store: SqlStore) -> None:
    from store_parts import outgoing

    from gateway.model.lifecycle import Event

    await store.add_once(outgoing("d1"))
    [claimed] = await store.claim("w", 1, 60)
    await store.record(claimed, Event(name="Rejected", reason="no"))
    await store.letters.begin(
        letter(),
    )
    await store.letters.begin(letter("d2"))
    await store.retention.erase(DocumentId("d1"), "operator", "asked for")
    assert await store.letters.find_letter(LetterId("letter-d1")) is None
    assert await store.letters.find_letter(LetterId("letter-d2")) is not None
