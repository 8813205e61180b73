"""Letters in the store: the methods of :class:`~gateway.ports.Letters`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, literal, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import Conflict, NotFound
from gateway.model.identifiers import AccountId
from gateway.model.letter import (
    Letter,
    LetterBatch,
    LetterEvent,
    LetterFilter,
    LetterId,
    LetterState,
    LetterStep,
    advance,
)
from gateway.ports import Clock
from gateway.store.letter_tables import letter, letter_event
from gateway.store.operation import Write
from gateway.store.reads import Reads
from gateway.store.tables import instant_text

_FIELDS: Final = tuple(field.name for field in fields(Letter))
_COLUMNS: Final = tuple(letter.c[name] for name in _FIELDS)
_LEARNED: Final = frozenset(_FIELDS) - {"id", "account", "document", "state", "created", "updated"}


@dataclass(slots=True, kw_only=True)
class Letters:
    """Implements :class:`~gateway.ports.Letters`, whatever the database."""

    reads: Reads
    write: Write
    clock: Clock

    async def begin(self, letter: Letter) -> Letter:
        made: Letter = await self.write(partial(_begin, new=letter))
        return made

    async def step(self, id: LetterId, steps: Sequence[LetterStep]) -> tuple[Letter, bool]:
        done: tuple[Letter, bool] = await self.write(partial(_step, id=id, steps=steps, now=self.clock.now()))
        return done

    async def letter(self, account: AccountId, id: LetterId) -> Letter:
        found = await self.reads.read(partial(_get, id=id))
        if found is None or found.account != account:
            raise NotFound(f"There is no letter {id[:80]}")
        return found

    async def find_letter(self, id: LetterId) -> Letter | None:
        return await self.reads.read(partial(_get, id=id))

    async def letters(self, account: AccountId, which: LetterFilter) -> tuple[Sequence[Letter], str]:
        return await self.reads.read(partial(_find, account=account, which=which))

    async def history(self, account: AccountId, id: LetterId) -> Sequence[LetterEvent]:
        await self.letter(account, id)
        return await self.reads.read(partial(_history, id=id))

    async def batches(self, account: AccountId, limit: int = 50) -> Sequence[LetterBatch]:
        return await self.reads.read(partial(_batches, account=account, limit=limit))

    async def counts(self, account: AccountId) -> dict[LetterState, int]:
        return await self.reads.read(partial(_counts, account=account))

    async def in_states(self, states: Sequence[LetterState], before: datetime, limit: int) -> Sequence[Letter]:
        return await self.reads.read(partial(_in_states, states=states, before=before, limit=limit))


def _read(row: Mapping[Any, Any]) -> Letter:
    values = dict(row)
    return Letter(**{**values, "address": tuple(values["address"])})


def _written(one: Letter) -> dict[str, Any]:
    search = " ".join((one.number, *one.address, one.document, one.id, one.batch)).casefold()
    return {**asdict(one), "address": list(one.address), "search": search}


def _get(connection: Connection, *, id: LetterId) -> Letter | None:
    row = connection.execute(select(*_COLUMNS).where(letter.c.id == id)).mappings().one_or_none()
    return None if row is None else _read(row)


def _begin(connection: Connection, *, new: Letter) -> Letter:
    known = _get(connection, id=new.id)
    if known is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(letter).values(**_written(new)))
        except IntegrityError:  # another node was quicker, or there is no such account
            known = _get(connection, id=new.id)
            if known is None:
                raise NotFound(f"There is no account {new.account}") from None
        else:
            _note(connection, new, LetterStep(state=new.state, reason=new.reason), new.created)
            return new
    if known.account != new.account:
        raise Conflict(f"Letter {new.id} belongs to another account")
    return known


def _step(connection: Connection, *, id: LetterId, steps: Sequence[LetterStep], now: datetime) -> tuple[Letter, bool]:
    before = _get(connection, id=id)
    if before is None:
        raise NotFound(f"There is no letter {id[:80]}")
    after, done = before, list[LetterStep]()
    for step in steps:
        if advance(after.state, step.state):
            after = _after(after, step, now)
            done.append(step)
    for step in done:
        _note(connection, after, step, now)
    if done:
        values = {name: value for name, value in _written(after).items() if name != "id"}
        connection.execute(update(letter).where(letter.c.id == id).values(**values))
    return after, bool(done)


def _after(before: Letter, step: LetterStep, now: datetime) -> Letter:
    learned: dict[str, Any] = {name: value for name, value in step.facts.items() if name in _LEARNED}
    for name in ("reason", "reference", "carrier", "postage", "returned"):
        if getattr(step, name):
            learned[name] = getattr(step, name)
    if step.state is LetterState.POSTED:
        learned["posted"] = step.time or now
    if step.state is LetterState.RENDERED:
        learned |= {"posted": None, "returned": None, "carrier": "", "reference": "", "batch": ""}
    return replace(before, state=step.state, updated=now, **learned)


def _note(connection: Connection, one: Letter, step: LetterStep, now: datetime) -> None:
    row = {"letter": one.id, "time": step.time or now, "state": step.state, "reason": step.reason}
    connection.execute(insert(letter_event).values(**row))


def _find(connection: Connection, *, account: AccountId, which: LetterFilter) -> tuple[list[Letter], str]:
    wanted = select(*_COLUMNS).where(letter.c.account == account)
    if which.states:
        wanted = wanted.where(letter.c.state.in_(which.states))
    if which.batch:
        wanted = wanted.where(letter.c.batch == which.batch)
    if which.query:
        wanted = wanted.where(letter.c.search.contains(which.query.casefold(), autoescape=True))
    when, _, last = which.cursor.partition(" ")
    if last:
        try:
            since = datetime.fromisoformat(when)
        except ValueError:
            raise NotFound("This cursor is none of ours") from None
        wanted = wanted.where(tuple_(letter.c.created, letter.c.id) < tuple_(_bound(since), last))
    wanted = wanted.order_by(letter.c.created.desc(), letter.c.id.desc()).limit(which.limit + 1)
    rows = [_read(row) for row in connection.execute(wanted).mappings()]
    page = rows[: which.limit]
    more = len(rows) > which.limit
    return page, f"{instant_text(page[-1].created)} {page[-1].id}" if more else ""


def _bound(since: datetime) -> Any:
    return literal(since, letter.c.created.type)


def _history(connection: Connection, *, id: LetterId) -> list[LetterEvent]:
    known = letter_event.c
    wanted = select(known.time, known.state, known.reason).where(known.letter == id).order_by(known.id)
    return [LetterEvent(**row) for row in connection.execute(wanted).mappings()]


def _batches(connection: Connection, *, account: AccountId, limit: int) -> list[LetterBatch]:
    known = letter.c
    mine = (known.account == account, known.batch != "")
    newest = (
        select(known.batch)
        .where(*mine)
        .group_by(known.batch)
        .order_by(func.max(known.updated).desc(), known.batch.desc())
    )
    names = list(connection.execute(newest.limit(limit)).scalars())
    counted = select(
        known.batch,
        known.state,
        func.max(known.kind).label("kind"),
        func.count().label("letters"),
        func.sum(known.sheets).label("sheets"),
        func.sum(known.pages).label("pages"),
        func.min(known.created).label("created"),
        func.max(known.updated).label("updated"),
    )
    rows = connection.execute(counted.where(*mine, known.batch.in_(names)).group_by(known.batch, known.state))
    found: dict[str, list[Mapping[Any, Any]]] = {}
    for row in rows.mappings():
        found.setdefault(row["batch"], []).append(row)
    return [_batch(name, found[name]) for name in names if name in found]


def _batch(name: str, rows: Sequence[Mapping[Any, Any]]) -> LetterBatch:
    return LetterBatch(
        batch=name,
        kind=rows[0]["kind"],
        letters=sum(row["letters"] for row in rows),
        sheets=sum(row["sheets"] for row in rows),
        pages=sum(row["pages"] for row in rows),
        states={str(row["state"]): row["letters"] for row in rows},
        created=min(row["created"] for row in rows),
        updated=max(row["updated"] for row in rows),
    )


def _counts(connection: Connection, *, account: AccountId) -> dict[LetterState, int]:
    wanted = select(letter.c.state, func.count()).where(letter.c.account == account).group_by(letter.c.state)
    return {row[0]: row[1] for row in connection.execute(wanted)}


def _in_states(connection: Connection, *, states: Sequence[LetterState], before: datetime, limit: int) -> list[Letter]:
    wanted = select(*_COLUMNS).where(letter.c.state.in_(states), letter.c.updated <= before)
    rows = connection.execute(wanted.order_by(letter.c.updated, letter.c.id).limit(limit)).mappings()
    return [_read(row) for row in rows]


def forget(connection: Connection, documents: Sequence[str]) -> None:
    """Erase the letters that carried these documents: they name people."""
    mine = select(letter.c.id).where(letter.c.document.in_(documents))
    connection.execute(delete(letter_event).where(letter_event.c.letter.in_(mine)))
    connection.execute(delete(letter).where(letter.c.document.in_(documents)))
