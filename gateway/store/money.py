"""The ledger of costs in the store: the methods of :class:`~gateway.ports.Money`.

It follows the timeline: a cursor says up to which row it has priced, and moves in the commit that writes the rows. What
is read for it is read beforehand, outside the writer; when another process has moved the cursor meanwhile, nothing is
written. So each event is priced once, whoever is killed, and no document waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from gateway.model.costs import (
    COUNTED,
    Cost,
    CostLine,
    Happened,
    MonthlyCost,
    cost_of,
    electronic_share,
    month_before,
    month_of,
)
from gateway.model.identifiers import AccountId, DocumentId, ParticipantId
from gateway.model.message import Direction
from gateway.model.prices import DEFAULT, Price
from gateway.model.schemes import schemes
from gateway.model.services import INVOICE_RESPONSE, MLR, MLS
from gateway.ports import Clock
from gateway.store import tables
from gateway.store.happened import settled
from gateway.store.money_tables import cost, cost_month, price
from gateway.store.operation import Write, note
from gateway.store.operation_tables import setting
from gateway.store.reads import Reads
from gateway.store.session import one_of

_TOLD: Final = tuple(str(one) for one in (MLS, MLR, INVOICE_RESPONSE))
_CURSOR: Final = "cost cursor"
_COST_FIELDS: Final = tuple(field.name for field in fields(Cost))
_cost_values: Final = attrgetter(*_COST_FIELDS)
_PRICE_FIELDS: Final = tuple(field.name for field in fields(Price))
_MONTH_KEY: Final = (
    cost_month.c.account,
    cost_month.c.month,
    cost_month.c.direction,
    cost_month.c.channel,
    cost_month.c.currency,
)
_MonthKey = tuple[AccountId, str, Direction, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What is to be priced next."""

    after: int
    last: int
    looked_at: int
    happened: tuple[Happened, ...]
    prices: Mapping[str, tuple[Price, ...]]
    shares: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Electronic share by account and month: of the month before that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Implements :class:`~gateway.ports.Money`, whatever the database."""

    reads: Reads
    write: Write
    clock: Clock

    async def advance(self, limit: int) -> int:
        batch = await self.reads.read(partial(_next, limit=limit, now=self.clock.now()))
        if batch.looked_at == 0:
            return 0
        costs = [
            cost_of(one, batch.prices.get(one.account) or DEFAULT, batch.shares[one.account, month_of(one.time.date())])
            for one in batch.happened
        ]
        moved: bool = await self.write(partial(_enter, costs=costs, after=batch.after, last=batch.last))
        return batch.looked_at if moved else 0

    async def prices(self, account: AccountId) -> Sequence[Price]:
        return await self.reads.read(partial(_prices, account=account))

    async def save_prices(self, account: AccountId, prices: Sequence[Price], actor: str) -> None:
        now = self.clock.now()

        def errand(connection: Connection) -> None:
            connection.execute(delete(price).where(price.c.account == account))
            if prices:
                connection.execute(insert(price), [{"account": account, **asdict(one)} for one in prices])
            note(connection, now, actor, "changed the price list", detail={"account": account, "prices": len(prices)})

        await self.write(errand)

    async def months(self, account: AccountId, first: str, last: str) -> Sequence[MonthlyCost]:
        return await self.reads.read(partial(_months, account=account, first=first, last=last))

    async def basis(self, account: AccountId, month: str) -> Sequence[CostLine]:
        return await self.reads.read(partial(_basis, account=account, month=month))


def _next(connection: Connection, limit: int, now: datetime) -> _Batch:
    after = int(connection.execute(select(setting.c.value).where(setting.c.name == _CURSOR)).scalar() or 0)
    row = tables.event.c
    # What is no news of money is only counted: most rows are of that kind.
    numbered = (row.number,) if connection.dialect.name == "sqlite" else (row.number, row.time)
    window = select(*numbered).where(row.number > after).order_by(row.number).limit(limit)
    seen = settled(connection, connection.execute(window).all(), now)
    last = int(seen[-1].number) if seen else after
    happened = tuple(_happened(one) for one in connection.execute(_COUNTED, {"after": after, "last": last}))
    accounts = {one.account for one in happened}
    return _Batch(
        after=after,
        last=last,
        looked_at=len(seen),
        happened=happened,
        prices={account: tuple(_prices(connection, account)) for account in accounts},
        shares={
            key: _share(connection, *key) for key in {(one.account, month_of(one.time.date())) for one in happened}
        },
    )


_of: Final = tables.message.c
_COUNTED: Final = (
    select(
        *(_of.id, _of.account, _of.direction, _of.channel, _of.sender, _of.receiver),
        *(tables.event.c.time, tables.event.c.detail),
    )
    .join_from(tables.event, tables.message, tables.event.c.message == _of.id)
    .where(
        tables.event.c.number > bindparam("after"),
        tables.event.c.number <= bindparam("last"),
        tables.event.c.event.in_(COUNTED),
        # What access points and companies tell each other of an invoice costs nothing of its own.
        _of.document_type.not_in(_TOLD),
    )
    .order_by(tables.event.c.number)
)


def _happened(one: Any) -> Happened:
    other = one.receiver if one.direction is Direction.OUT else one.sender
    return Happened(
        account=AccountId(one.account),
        document=DocumentId(one.id),
        time=one.time,
        direction=one.direction,
        channel=str(one.detail.get("channel") or one.channel or "peppol"),
        country=str(one.detail.get("country") or _country(other)),
    )


@lru_cache(1024)
def _country(participant: str) -> str:
    """Where a participant is at home, as far as its scheme tells."""
    scheme = schemes().get(ParticipantId(participant).value.partition(":")[0]) if participant else None
    return scheme.country if scheme else ""


def _share(connection: Connection, account: AccountId, month: str) -> int:
    before = month_before(month)
    return electronic_share(_months(connection, account, before, before)) or 0


_KNOWN: Final = select(cost.c.document, cost.c.channel).where(cost.c.document.in_(one_of("documents")))


def _enter(connection: Connection, costs: Sequence[Cost], after: int, last: int) -> bool:
    """Write the rows that are new, add them to their months, and move the cursor; False when somebody else has."""
    if after:
        moved = update(setting).where(setting.c.name == _CURSOR, setting.c.value == after).values(value=last)
        if not connection.execute(moved).rowcount:
            return False
    else:
        if connection.execute(select(setting.c.name).where(setting.c.name == _CURSOR)).first() is not None:
            return False
        connection.execute(insert(setting).values(name=_CURSOR, value=last))
    rows = {(one.document, one.channel): one for one in reversed(costs)}  # the first of each counts
    if not rows:
        return True
    known = {"documents": tables.json_text([document for document, _ in rows])}
    for one in connection.execute(_KNOWN, known):
        rows.pop((DocumentId(one.document), one.channel), None)
    if rows:
        connection.execute(
            insert(cost), [dict(zip(_COST_FIELDS, _cost_values(one), strict=True)) for one in rows.values()]
        )
        _add_up(connection, list(rows.values()))
    return True


def _add_up(connection: Connection, costs: Sequence[Cost]) -> None:
    sums: dict[_MonthKey, tuple[int, Decimal, Decimal]] = {}
    for one in costs:
        key: _MonthKey = (one.account, one.month, one.direction, one.channel, one.currency)
        documents, amount, paper = sums.get(key, (0, Decimal(0), Decimal(0)))
        sums[key] = documents + 1, amount + one.amount, paper + one.paper
    for key, (documents, amount, paper) in sums.items():
        same = [column == value for column, value in zip(_MONTH_KEY, key, strict=True)]
        had = connection.execute(select(cost_month).where(*same)).first()
        if had is None:
            values = dict(zip((column.name for column in _MONTH_KEY), key, strict=True))
            connection.execute(insert(cost_month).values(**values, documents=documents, amount=amount, paper=paper))
        else:
            changed = {
                "documents": had.documents + documents,
                "amount": had.amount + amount,
                "paper": had.paper + paper,
            }
            connection.execute(update(cost_month).where(*same).values(changed))


def _prices(connection: Connection, account: AccountId) -> list[Price]:
    wanted = select(*(price.c[name] for name in _PRICE_FIELDS)).where(price.c.account == account)
    ordered = wanted.order_by(price.c.channel, price.c.country, price.c.since, price.c.share)
    return [Price(**row) for row in connection.execute(ordered).mappings()]


def _months(connection: Connection, account: AccountId, first: str, last: str) -> list[MonthlyCost]:
    wanted = select(cost_month).where(cost_month.c.account == account, cost_month.c.month.between(first, last))
    return [
        MonthlyCost(
            month=row.month,
            direction=row.direction,
            channel=row.channel,
            currency=row.currency,
            documents=row.documents,
            amount=row.amount,
            paper=row.paper,
        )
        for row in connection.execute(wanted.order_by(*_MONTH_KEY[1:]))
    ]


def _basis(connection: Connection, account: AccountId, month: str) -> list[CostLine]:
    by = (cost.c.direction, cost.c.channel, cost.c.country, cost.c.amount, cost.c.currency)
    wanted = select(*by, func.count().label("documents")).where(cost.c.account == account, cost.c.month == month)
    return [
        CostLine(
            direction=row.direction,
            channel=row.channel,
            country=row.country,
            price=row.amount,
            currency=row.currency,
            documents=row.documents,
        )
        for row in connection.execute(wanted.group_by(*by).order_by(*by))
    ]
