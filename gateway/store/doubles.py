"""New documents that may be earlier ones again, compared inside the commit that adds them: two at once are seen too.

One read by the index of numbers each; a document that nobody watches is added without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import Text, bindparam, literal_column, or_, select

from gateway.model.double import DoubleWatch, Earlier, Likeness, likeness
from gateway.model.lifecycle import State
from gateway.store import documents, tables
from gateway.store.keys import once_key
from gateway.store.session import Row, Session, Statement
from gateway.store.tables import instant_text

_COLUMNS: Final = Earlier.__slots__
_LOOKED_AT: Final = 1_000
"""Documents of one number in one account that are looked at, the first ones; they may have failed, or be others'."""
_MOST: Final = 8
"""Of those, so many that may be the earlier one are compared."""

_message = tables.message
_of_number: Final = (
    select(*(_message.c[name] for name in _COLUMNS), _message.c.state)
    .where(_message.c.account == bindparam("of"), _message.c.number == bindparam("number"), tables.went_out)
    .limit(literal_column(str(_LOOKED_AT)))
    .offset(literal_column("0"))
    .subquery("of_number")
)
# What ended in trouble has reached nobody: to hand it in again is right.
_EARLIER: Final = Statement(
    select(*(_of_number.c[name] for name in _COLUMNS))
    .where(
        _of_number.c.state.not_in([literal_column(f"'{state}'", Text()) for state in (State.FAILED, State.REJECTED)]),
        _of_number.c.created >= bindparam("since"),
        _of_number.c.document_type == bindparam("document_type"),
        or_(_of_number.c.sha256 == bindparam("sha256"), _of_number.c.sender == bindparam("sender")),
    )
    .limit(literal_column(str(_MOST)))
    .offset(literal_column("0")),
    ("of", "number", "since", "document_type", "sha256", "sender"),
)
_KNOWN: Final = Statement(
    select(_message.c.id).where(_message.c.once_key == bindparam("once_key")),
    ("once_key",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A document to add, and how it is compared."""

    new: documents.New
    watch: DoubleWatch


def add(session: Session, jobs: Sequence[Watched]) -> list[documents.Standing]:
    """Add documents as ``documents.add`` does; one that was there before is told so."""
    # That lock is taken for the timeline in any case. Taken now, no other node adds one between question and commit.
    session.alone(["event"])
    found = [_earlier_of(row) for row in session.fetch_many(_EARLIER, _questions(jobs))]
    by_number: dict[tuple[str, str], list[Earlier]] = {}
    for earlier in sorted(found, key=lambda one: (one.created, one.id)):
        by_number.setdefault((earlier.account, earlier.number), []).append(earlier)
    before = dict[tuple[str, str], list[tuple[Earlier, str | None]]]()
    looked = []
    for job in jobs:
        key = job.new.message.account, job.new.message.number
        first = _first(job, by_number.get(key, ())) or _beside(session, job, before.get(key, ()))
        before.setdefault(key, []).append((Earlier.of(job.new.message), once_key(job.new.message)))
        looked.append(_told(job, first))
    return documents.add(session, looked)


def _questions(jobs: Sequence[Watched]) -> list[Row]:
    """Each once, however many ask the same: a program that repeats itself does so in one commit."""
    asked: dict[tuple[str, str, str, str, str], datetime] = {}
    for job in jobs:
        new, since = job.new.message, job.watch.since
        about = new.account, new.number, new.document_type, new.sha256, new.sender
        asked[about] = min(since, asked.get(about, since))
    return [(*about[:2], instant_text(since), *about[2:]) for about, since in asked.items()]


def _earlier_of(row: Row) -> Earlier:
    values = dict(zip(_COLUMNS, row, strict=True))
    day = values["issue_date"]
    values["issue_date"] = date.fromisoformat(day) if day else None
    return Earlier(**{**values, "created": datetime.fromisoformat(values["created"])})


def _first(job: Watched, earlier: Sequence[Earlier]) -> tuple[Earlier, Likeness] | None:
    """The oldest with the same octets, else the oldest that is likely the same."""
    alike = [(one, how) for one in earlier if (how := likeness(job.new.message, one)) is not None]
    return next((found for found in alike if found[1] is Likeness.SAME), alike[0] if alike else None)


def _beside(
    session: Session, job: Watched, before: Sequence[tuple[Earlier, str | None]]
) -> tuple[Earlier, Likeness] | None:
    """One of the same commit. What only repeats a key is not added, so nothing can be its double."""
    own = once_key(job.new.message)
    for other, key in before:
        how = likeness(job.new.message, other)
        if how is not None and (key is None or (key != own and not session.fetch(_KNOWN, (key,)))):
            return other, how
    return None


def _told(job: Watched, found: tuple[Earlier, Likeness] | None) -> documents.New:
    if found is None:
        return job.new
    message, entry = job.watch.told(job.new.message, found[0].id, found[1])
    return job.new._replace(message=message, entry=entry)
