"""Sweeps in the store: the methods of :class:`~gateway.ports.Sweeps`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, case, delete, func, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import Conflict, LostLease, NotFound
from gateway.model.counterpart import CounterpartId, Role
from gateway.model.identifiers import AccountId
from gateway.model.message import Direction
from gateway.model.sweep import Difference, Known, Subject, Sweep, SweepId, SweepKind, SweepState, Usage
from gateway.ports import Clock, Judged
from gateway.store import counterparts, proposals, relation_tables, relations, tables
from gateway.store.operation import Write
from gateway.store.reads import Reads
from gateway.store.sweep_tables import sweep, sweep_difference, sweep_known

KEPT: Final = timedelta(days=90)
"""Reports that are older are forgotten."""
UNKNOWN_MOST: Final = 1_000
"""Lines of one report that only say that there was no answer; the rest of them is a number."""
_PAGE_MOST: Final = 500
_LATEST: Final = 1_000
"""Accounts whose last sweeps are told."""
_SWEEP: Final = tuple(sweep.c[field.name] for field in fields(Sweep))
_DIFFERENCE: Final = tuple(sweep_difference.c[field.name] for field in fields(Difference))
_KNOWN: Final = tuple(sweep_known.c[field.name] for field in fields(Known))


@dataclass(slots=True, kw_only=True)
class Sweeps:
    """Implements :class:`~gateway.ports.Sweeps`, whatever the database."""

    reads: Reads
    write: Write
    clock: Clock

    async def begin(self, new: Sweep) -> tuple[Sweep, bool]:
        begun: tuple[Sweep, bool] = await self.write(partial(_begin, new=new))
        return begun

    async def plan(self, night: str, begin: datetime, spread: timedelta) -> int:
        errand = partial(_plan, night=night, begin=begin, spread=spread, now=self.clock.now())
        missing = await self.reads.read(partial(_missing, night=night))
        return int(await self.write(errand)) if missing else 0

    async def claim(self, owner: str, lease: timedelta) -> Sweep | None:
        now = self.clock.now()
        found = await self.reads.read(partial(_free, owner=owner, now=now))
        if found is None:
            return None
        taken: Sweep | None = await self.write(partial(_take, known=found, owner=owner, now=now, until=now + lease))
        return taken

    async def record(self, sweep: Sweep, judged: Sequence[Judged], lease: timedelta, *, last: bool = False) -> Sweep:
        now = self.clock.now()
        errand = partial(_record, before=sweep, judged=tuple(judged), now=now, until=now + lease, last=last)
        after: Sweep = await self.write(errand)
        return after

    async def page(self, account: AccountId, after: str, limit: int) -> Sequence[Subject]:
        return await self.reads.read(partial(_page, account=account, after=after, limit=min(limit, _PAGE_MOST)))

    async def count(self, account: AccountId) -> int:
        return await self.reads.read(partial(_count, account=account))

    async def usage(self, account: AccountId, year: datetime, since: datetime) -> Sequence[Usage]:
        return await self.reads.read(partial(_usage, account=account, year=year, since=since))

    async def find(self, account: AccountId, limit: int, cursor: str = "") -> tuple[Sequence[Sweep], str]:
        return await self.reads.read(partial(_find, account=account, limit=limit, cursor=cursor))

    async def get(self, account: AccountId, id: SweepId) -> Sweep:
        return await self.reads.read(partial(_get, account=account, id=id))

    async def differences(
        self, account: AccountId, id: SweepId, limit: int, after: int = 0
    ) -> tuple[Sequence[Difference], int]:
        ask = partial(_differences, account=account, id=id, limit=max(1, min(limit, _PAGE_MOST)), after=after)
        return await self.reads.read(ask)

    async def latest(self) -> Sequence[Sweep]:
        return await self.reads.read(_latest)


def _begin(connection: Connection, new: Sweep) -> tuple[Sweep, bool]:
    if connection.execute(select(tables.account.c.id).where(tables.account.c.id == new.account)).first() is None:
        raise NotFound(f"There is no account {new.account}")
    going = select(*_SWEEP).where(sweep.c.account == new.account, sweep.c.ended.is_(None))
    for row in connection.execute(going.where(sweep.c.kind == SweepKind.DEMAND)).mappings():
        return Sweep(**row), False
    try:
        with connection.begin_nested():
            connection.execute(insert(sweep).values(**asdict(new), once_key=f"demand {new.account}"))
    except IntegrityError as error:  # another node was a moment earlier
        raise Conflict("A sweep of this account is just beginning", remedy="Look at it in the list.") from error
    return new, True


def _missing(connection: Connection, night: str) -> list[AccountId]:
    """Accounts with customers that have no sweep of this night."""
    rows = relation_tables.counterpart
    planned = select(sweep.c.id).where(sweep.c.once_key == literal(f"night {night} ") + tables.account.c.id)
    customers = select(rows.c.id).where(rows.c.account == tables.account.c.id, rows.c.role == Role.CUSTOMER)
    wanted = select(tables.account.c.id).where(~planned.exists(), customers.exists())
    return [AccountId(row) for row in connection.execute(wanted.order_by(tables.account.c.id)).scalars()]


def _plan(connection: Connection, *, night: str, begin: datetime, spread: timedelta, now: datetime) -> int:
    planned = 0
    for account in _missing(connection, night):
        mark = hashlib.sha256(f"{night}\n{account}".encode()).hexdigest()
        share = int(mark[:8], 16) / 0xFFFF_FFFF
        new = Sweep(
            id=SweepId(f"{int(now.timestamp() * 1000):012x}{mark[:20]}"),
            account=account,
            kind=SweepKind.NIGHT,
            actor="night",
            due=begin + spread * share,
            created=now,
            updated=now,
        )
        try:
            with connection.begin_nested():
                connection.execute(insert(sweep).values(**asdict(new), once_key=f"night {night} {account}"))
        except IntegrityError:
            continue  # another node was a moment earlier
        planned += 1
    old = select(sweep.c.id).where(sweep.c.ended.is_not(None), sweep.c.ended < now - KEPT)
    connection.execute(delete(sweep_difference).where(sweep_difference.c.sweep.in_(old)))
    connection.execute(delete(sweep).where(sweep.c.ended.is_not(None), sweep.c.ended < now - KEPT))
    return planned


def _free(connection: Connection, owner: str, now: datetime) -> Sweep | None:
    free = or_(sweep.c.lease_until.is_(None), sweep.c.lease_until <= now, sweep.c.owner == owner)
    wanted = select(*_SWEEP).where(sweep.c.ended.is_(None), sweep.c.due <= now, free)
    # Whoever asked for it waits for it: before the night's.
    row = connection.execute(wanted.order_by(sweep.c.kind, sweep.c.due).limit(1)).mappings().first()
    return None if row is None else Sweep(**row)


def _take(connection: Connection, *, known: Sweep, owner: str, now: datetime, until: datetime) -> Sweep | None:
    after = replace(
        known,
        state=SweepState.RUNNING,
        started=known.started or now,
        owner=owner,
        lease_until=until,
        total=known.total or _count(connection, known.account),
        updated=now,
    )
    return after if _saved(connection, known, after) else None


def _record(
    connection: Connection, *, before: Sweep, judged: Sequence[Judged], now: datetime, until: datetime, last: bool
) -> Sweep:
    counts = Counter(before.counts)
    rows: list[dict[str, Any]] = []
    # The sweep's own row comes first: who has lost it writes nothing.
    after = replace(before, lease_until=until, updated=now)
    if not _saved(connection, before, after):
        raise LostLease("Another process goes on with this sweep", remedy="Nothing to do: it is done there.")
    for one in judged:
        try:
            with connection.begin_nested():
                relations.write_changes(connection, one.changes)
                for known in one.known:
                    _remember(connection, known)
                for participant in one.forgotten:
                    _forget(connection, one.counterpart, participant)
        except (LostLease, Conflict, NotFound, IntegrityError):
            continue  # an invoice or a person was quicker, and knows more
        for line in one.differences:
            counts[line.change.value] += 1
            if line.change != "unknown" or counts[line.change.value] <= UNKNOWN_MOST:
                rows.append({**asdict(line), "account": before.account, "sweep": before.id})
    if rows:
        connection.execute(insert(sweep_difference), rows)
    final = replace(
        after,
        cursor=judged[-1].counterpart if judged else before.cursor,
        done=before.done + len(judged),
        asked=before.asked + sum(one.asked for one in judged),
        counts=dict(counts),
    )
    if last:
        final = replace(final, state=SweepState.DONE, ended=now, lease_until=None)
    values = {field.name: getattr(final, field.name) for field in fields(final)}
    if last and before.kind is SweepKind.DEMAND:
        values["once_key"] = None
    connection.execute(update(sweep).where(sweep.c.id == before.id).values(values))
    return final


def _saved(connection: Connection, before: Sweep, after: Sweep) -> bool:
    values = {field.name: getattr(after, field.name) for field in fields(after)}
    same = (sweep.c.id == before.id, sweep.c.updated == before.updated, sweep.c.owner == before.owner)
    return bool(connection.execute(update(sweep).where(*same, sweep.c.ended.is_(None)).values(values)).rowcount)


def _remember(connection: Connection, known: Known) -> None:
    values = asdict(known)
    same = (sweep_known.c.counterpart == known.counterpart, sweep_known.c.participant == known.participant)
    if not connection.execute(update(sweep_known).where(*same).values(values)).rowcount:
        connection.execute(insert(sweep_known).values(values))


def _forget(connection: Connection, counterpart: CounterpartId, participant: str) -> None:
    same = (sweep_known.c.counterpart == counterpart, sweep_known.c.participant == participant)
    connection.execute(delete(sweep_known).where(*same))


def _page(connection: Connection, *, account: AccountId, after: str, limit: int) -> list[Subject]:
    found = counterparts.page_by_id(connection, account, Role.CUSTOMER, after, limit)
    ids = [one.id for one in found]
    ways = proposals.ways_of(connection, account, ids, Direction.OUT, "peppol") if ids else {}
    proposed = proposals.proposals_on(connection, account, ids, Direction.OUT) if ids else {}
    wanted = select(*_KNOWN).where(sweep_known.c.account == account, sweep_known.c.counterpart.in_(ids))
    known: dict[CounterpartId, list[Known]] = {}
    for row in connection.execute(wanted).mappings() if ids else ():
        known.setdefault(row["counterpart"], []).append(Known(**row))
    return [
        Subject(
            counterpart=one,
            relation=ways.get(one.id),
            proposal=proposed.get(one.id),
            known=tuple(known.get(one.id, ())),
        )
        for one in found
    ]


def _count(connection: Connection, account: AccountId) -> int:
    rows = relation_tables.counterpart
    wanted = select(func.count()).where(rows.c.account == account, rows.c.role == Role.CUSTOMER)
    return int(connection.execute(wanted).scalar_one())


def _usage(connection: Connection, *, account: AccountId, year: datetime, since: datetime) -> list[Usage]:
    known = tables.message.c
    keys = known.receiver, known.buyer_name, known.channel
    lately, last = func.sum(case((known.created >= year, 1), else_=0)), func.max(known.created)
    wanted = select(*keys, lately, last).where(
        known.account == account, known.created >= since, known.direction == Direction.OUT
    )
    return [
        Usage(receiver=r, name=n, channel=c, documents=int(d), last=when)
        for r, n, c, d, when in connection.execute(wanted.group_by(*keys))
    ]


def _find(connection: Connection, *, account: AccountId, limit: int, cursor: str) -> tuple[list[Sweep], str]:
    limit = max(1, min(limit, _PAGE_MOST))
    wanted = select(*_SWEEP).where(sweep.c.account == account)
    if cursor:
        _get(connection, account=account, id=SweepId(cursor))
        wanted = wanted.where(sweep.c.id < cursor)
    rows = connection.execute(wanted.order_by(sweep.c.id.desc()).limit(limit + 1)).mappings()
    found = [Sweep(**row) for row in rows]
    return found[:limit], found[limit - 1].id if len(found) > limit else ""


def _get(connection: Connection, *, account: AccountId, id: SweepId) -> Sweep:
    wanted = select(*_SWEEP).where(sweep.c.account == account, sweep.c.id == id)
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound("There is no such sweep in this account")
    return Sweep(**row)


def _differences(
    connection: Connection, *, account: AccountId, id: SweepId, limit: int, after: int
) -> tuple[list[Difference], int]:
    number = sweep_difference.c.number
    wanted = select(number, *_DIFFERENCE).where(
        sweep_difference.c.account == account, sweep_difference.c.sweep == id, number > after
    )
    rows = [dict(row) for row in connection.execute(wanted.order_by(number).limit(limit + 1)).mappings()]
    numbers = [row.pop("number") for row in rows]
    return [Difference(**row) for row in rows[:limit]], numbers[limit - 1] if len(rows) > limit else 0


def _latest(connection: Connection) -> list[Sweep]:
    """Of each account by the index of its own sweeps: how many the others have had meanwhile tells nothing of it."""
    one = sweep.alias("one")
    begun = select(one.c.id).where(one.c.account == tables.account.c.id, one.c.started.is_not(None))
    newest = begun.order_by(one.c.id.desc()).limit(1).scalar_subquery()
    wanted = select(*_SWEEP).where(sweep.c.id.in_(select(newest).select_from(tables.account)))
    rows = connection.execute(wanted.order_by(sweep.c.id.desc()).limit(_LATEST)).mappings()
    return [Sweep(**row) for row in rows]
