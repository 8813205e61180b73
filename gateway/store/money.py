"""The ledger of costs in the store: the methods of :class:`~gateway.ports.Money`. How it follows: ``pricing.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

from sqlalchemy import Connection, delete, func, insert, select

from gateway.model.costs import CostLine, MonthlyCost
from gateway.model.identifiers import AccountId
from gateway.model.prices import Price
from gateway.ports import Clock
from gateway.store import pricing
from gateway.store.money_tables import cost, price
from gateway.store.operation import Write, note
from gateway.store.reads import Reads
from gateway.store.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Implements :class:`~gateway.ports.Money`, whatever the database."""

    reads: Reads
    write: Write
    writer: Writer
    clock: Clock

    async def advance(self, limit: int) -> int:
        priced = await self.reads.look(partial(pricing.price_next, limit=limit, now=self.clock.now()))
        if not priced.piece.rows:
            return 0
        return priced.piece.rows if await self.writer.do(pricing.enter, priced) else 0

    async def prices(self, account: AccountId) -> Sequence[Price]:
        return await self.reads.look(partial(pricing.prices_of, account=account))

    async def save_prices(self, account: AccountId, prices: Sequence[Price], actor: str) -> None:
        now = self.clock.now()

        def errand(connection: Connection) -> None:
            connection.execute(delete(price).where(price.c.account == account))
            if prices:
                connection.execute(insert(price), [{"account": account, **asdict(one)} for one in prices])
            note(connection, now, actor, "changed the price list", detail={"account": account, "prices": len(prices)})

        await self.write(errand)

    async def months(self, account: AccountId, first: str, last: str) -> Sequence[MonthlyCost]:
        return await self.reads.look(partial(pricing.months_of, account=account, first=first, last=last))

    async def basis(self, account: AccountId, month: str) -> Sequence[CostLine]:
        return await self.reads.read(partial(_basis, account=account, month=month))


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
