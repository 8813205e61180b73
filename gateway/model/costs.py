"""What each document cost, and what it would have cost on paper: the ledger from which statistics and invoices come.

One row for each document and channel, made of what happened (``Sent``, ``Dispatched``, ``Received``), never changed: a
mail that came back and became a letter has two. Prices are those of the day on which it happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.message import Direction
from gateway.model.prices import Price, price_of

COUNTED: Final = ("Sent", "Dispatched", "Received")
"""Events that cost something."""
ELECTRONIC: Final = ("peppol", "operator")
"""Channels that carry an invoice as data."""
PAPER: Final = {Direction.OUT: "print", Direction.IN: "scan"}
"""What the same document would have cost without us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that cost money."""

    account: AccountId
    document: DocumentId
    time: datetime
    direction: Direction
    channel: str
    country: str
    """Of the counterpart; empty where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One row of the ledger."""

    account: AccountId
    document: DocumentId
    channel: str
    time: datetime
    month: str
    """``2026-11``, in UTC."""
    direction: Direction
    country: str
    amount: Decimal
    paper: Decimal
    """What it would have cost on paper; in the same currency."""
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyCost:
    """The sum of one month, direction, channel and currency."""

    month: str
    direction: Direction
    channel: str
    currency: str
    documents: int
    amount: Decimal
    paper: Decimal

    @property
    def saved(self) -> Decimal:
        """Against all paper; negative where the channel is dearer."""
        return self.paper - self.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """One line of the invoice basis: so many documents at one price."""

    direction: Direction
    channel: str
    country: str
    price: Decimal
    currency: str
    documents: int

    @property
    def amount(self) -> Decimal:
        return self.price * self.documents


def cost_of(happened: Happened, prices: Sequence[Price], share: int = 0) -> Cost:
    """Price one of them; what has no price costs 0, and paper in another currency is no comparison."""
    day = happened.time.date()
    price = price_of(prices, happened.channel, happened.country, day, share)
    paper = price_of(prices, PAPER[happened.direction], happened.country, day, share)
    amount, currency = (price.amount, price.currency) if price else (Decimal(0), paper.currency if paper else "SEK")
    return Cost(
        account=happened.account,
        document=happened.document,
        channel=happened.channel,
        time=happened.time,
        month=month_of(day),
        direction=happened.direction,
        country=happened.country,
        amount=amount,
        paper=paper.amount if paper and paper.currency == currency else amount,
        currency=currency,
    )


def month_of(day: date) -> str:
    """``2026-11``."""
    return f"{day:%Y-%m}"


def month_before(month: str) -> str:
    """``2025-12`` of ``2026-01``."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year - 1}-12" if number == 1 else f"{year}-{number - 1:02}"


def is_electronic(channel: str) -> bool:
    """Whether the document went as data."""
    return channel.partition(":")[0] in ELECTRONIC


def electronic_share(months: Sequence[MonthlyCost]) -> int | None:
    """Per cent of these documents that went as data, rounded down; None where there are none."""
    everything = sum(one.documents for one in months)
    return (
        sum(one.documents for one in months if is_electronic(one.channel)) * 100 // everything if everything else None
    )
