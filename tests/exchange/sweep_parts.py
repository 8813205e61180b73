"""What the tests of sweeps share: a network that says what a test tells it to, customers, one sweep to its end."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import LookupUnavailable
from gateway.exchange.proposing import Proposing
from gateway.exchange.sweeping import Sweeping
from gateway.exchange.verifying import Verifying
from gateway.model.counterpart import (
    Counterpart,
    CounterpartId,
    Identifier,
    Origin,
    Role,
)
from gateway.model.document import PostalAddress
from gateway.model.numbers import derived_gln
from gateway.model.relating import Relation
from gateway.model.relation import Endpoint, Reachable, Reason, Unreachable
from gateway.model.survey import Finding, Seen, Tally, Unchanged
from gateway.model.sweep import Change, Difference, Sweep, SweepState
from gateway.ports import Changes
from tests.exchange.conftest import ACCOUNT, Exchange

SMP = "http://smp.example"


class Killed(BaseException):
    """As a process that is killed: nothing after it is done."""


@dataclass(slots=True)
class ScriptedSurveyor:
    """Answers what the test put into it, "not registered" to everything else; as sparing as the real one."""

    clock: Any
    answers: dict[str, Endpoint | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    die_after: int = 0

    async def survey(
        self,
        source: AsyncIterable[Seen],
        note: Callable[[Seen, Finding], Awaitable[None]],
        *,
        most_requests: int | None = None,
        tally: Tally | None = None,
    ) -> Tally:
        tally = tally or Tally()
        async for seen in source:
            self.asked.append(seen.participant.value)
            if self.die_after and len(self.asked) >= self.die_after:
                raise Killed
            tally.questions += 1
            await note(seen, self._finding(seen, tally))
        return tally

    def _finding(self, seen: Seen, tally: Tally) -> Finding:
        answer = self.answers.get(seen.participant.value)
        if answer is None:
            text = f"{seen.participant.value} is not registered"
            return Unreachable(participant=seen.participant, reason=Reason.NOT_REGISTERED, text=text)
        if isinstance(answer, LookupUnavailable):
            return answer
        assert isinstance(answer, Endpoint)
        smp = f"{SMP}/{answer.seat}"
        if seen.smp == smp and seen.asked is not None:
            return Unchanged(participant=seen.participant, smp=smp, asked=seen.asked)
        tally.requests += 1
        return Reachable(
            participant=seen.participant,
            document_type=seen.document_type,
            process=seen.process,
            endpoint=answer,
            smp=smp,
        )


def number(n: int) -> str:
    return f"556{n:07d}"


def address(n: int) -> str:
    return f"0007:{number(n)}"


def customer(n: int, now: Any, **more: Any) -> Counterpart:
    return Counterpart(
        id=CounterpartId(f"c{n:06d}"),
        account=ACCOUNT,
        role=Role.CUSTOMER,
        number=str(n),
        name=f"Kund {n} AB",
        country="SE",
        identifiers=(
            Identifier(scheme="0007", value=number(n), origin=Origin.MASTER_DATA),
            Identifier(scheme="0088", value=derived_gln(number(n)), origin=Origin.DERIVED),
        ),
        address=PostalAddress(name=f"Kund {n} AB", street="Storgatan 1", postal_code="392 32", city="Kalmar"),
        created=now,
        updated=now,
        **more,
    )


@dataclass(slots=True, kw_only=True)
class Swept:
    """A store with customers, and the sweep of one process."""

    exchange: Exchange
    surveyor: ScriptedSurveyor
    sweeping: Sweeping

    async def enter(self, count: int, **more: Any) -> None:
        now = self.exchange.clock.now()
        rows = tuple((customer(n, now, **more), None) for n in range(1, count + 1))
        await self.exchange.store.relations.commit(Changes(counterparts=rows))

    async def run(self) -> Sweep:
        """One sweep that somebody asked for, to its end."""
        await self.sweeping.begin(ACCOUNT, "test")
        done = await self.sweeping.run_once()
        assert done is not None and done.state is SweepState.DONE
        return done

    async def report(self, of: Sweep) -> list[tuple[str, Change]]:
        return [(line.counterpart, line.change) for line in await self.lines(of)]

    async def lines(self, of: Sweep) -> list[Difference]:
        found, following = await self.exchange.store.sweeps.differences(ACCOUNT, of.id, 500)
        assert following == 0
        return list(found)

    async def way(self, n: int) -> Relation | None:
        ways = await self.exchange.store.relations.relations(ACCOUNT, CounterpartId(f"c{n:06d}"))
        return next(iter(ways), None)

    async def accept(self, n: int) -> None:
        (one,), _ = await self.exchange.store.relations.proposals(ACCOUNT, counterpart=CounterpartId(f"c{n:06d}"))
        await self.sweeping.verifying.proposing.decide(ACCOUNT, one.id, "Accepted", actor="test")

    async def rows(self) -> dict[str, int]:
        """Rows of everything a sweep may write, but for its own."""
        from sqlalchemy import func, select

        from gateway.store import relation_tables as of
        from gateway.store.sweep_tables import sweep_difference, sweep_known

        tables = (
            of.relation,
            of.capability,
            of.lookup_evidence,
            of.proposal,
            of.decision,
            sweep_difference,
            sweep_known,
        )
        reads = self.exchange.store._reads
        return {
            table.name: await reads.read(lambda c, t=table: c.execute(select(func.count()).select_from(t)).scalar_one())
            for table in tables
        }


def sweeping_of(exchange: Exchange, surveyor: ScriptedSurveyor, owner: str = "first", **more: Any) -> Sweeping:
    verifying = Verifying(
        proposing=Proposing(store=exchange.store, clock=exchange.clock),
        clock=exchange.clock,
        channels=("email", "print"),
        country="SE",
    )
    return Sweeping(
        store=exchange.store, clock=exchange.clock, surveyor=surveyor, verifying=verifying, owner=owner, **more
    )
