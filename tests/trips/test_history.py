"""The year before the demonstration is what a store of such a company looks like."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from stdnum.se import orgnr

from gateway.app import open_gateway
from gateway.config import load
from gateway.model.costs import electronic_share
from gateway.model.counterpart import CounterpartFilter, Role
from gateway.model.message import Direction, Filter, PayloadKind
from gateway.network.history import CUSTOMERS, SUPPLIERS, company_number, write_history
from gateway.network.market import new_market
from gateway.ubl import invoice

SAMPLE = resources.files("gateway.ubl").joinpath("examples/network.xml").read_bytes()


async def test_a_year_is_written_and_paper_shrinks_in_it(tmp_path: Path) -> None:
    now = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    config = load(new_market(tmp_path / "market", 1, now=now).members[0].config, {})
    count = await write_history(config, SAMPLE, now)
    async with open_gateway(config) as gateway:
        account = await gateway.store.operation.operator()
        assert account is not None
        months = await gateway.store.money.months(account, "2025-11", "2026-11")
        assert sum(one.documents for one in months) == count
        assert {one.channel for one in months if one.direction is Direction.OUT} == {"peppol", "email", "print"}
        first, last = min(one.month for one in months), max(one.month for one in months)
        shares = [electronic_share([one for one in months if one.month == month]) for month in (first, last)]
        assert shares[0] is not None and shares[1] is not None and shares[0] + 20 < shares[1]
        for role, number in ((Role.CUSTOMER, CUSTOMERS), (Role.SUPPLIER, SUPPLIERS)):
            parties, _ = await gateway.store.relations.counterparts(account, CounterpartFilter(role=role, limit=200))
            assert len(parties) == number
        documents, _ = await gateway.store.find(account, Filter(limit=200))
        content = [await gateway.store.content(one.id, PayloadKind.DOCUMENT) for one in documents[:5]]
        assert [invoice.read(octets).number for octets in content if isinstance(octets, bytes)] == [
            one.number for one in documents[:5]
        ]
        waiting = await gateway.store.claim("nobody", 10, 1)
        assert [one for one in waiting if one.number] == [], "nothing of the past is sent"


def test_numbers_are_of_the_right_form_and_each_stands_once() -> None:
    numbers = [company_number(place, role) for role in Role for place in range(1, 41)]
    assert Counter(numbers).most_common(1)[0][1] == 1
    assert all(orgnr.is_valid(number) for number in numbers)
