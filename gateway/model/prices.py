"""What a document costs on each channel: dated price lists as data.

A price is for one channel, one country of the receiver and the days from ``since`` on; the newest that has begun
counts.
``DEFAULT`` holds round example figures, so that a proposal can show money before an account has entered its own list:
each stands for what a Swedish company pays a bureau or an operator for one document, all in (printing, envelope,
postage, handling), without VAT. Public price lists are rare; whoever has a contract enters its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Money for one document."""

    channel: str
    """``peppol``, ``operator``, ``email``, ``print``; inbound ``pdf``, ``scan``."""
    country: str = ""
    """ISO 3166-1 alpha-2 of the counterpart; empty: every country without a price of its own."""
    since: date
    share: int = 0
    """Per cent of all documents that have to have gone electronically in the month before: "less as more goes
    electronic". The highest step that was reached counts."""
    amount: Decimal
    currency: str = "SEK"
    note: str = ""
    """Where the figure comes from."""


_EXAMPLE: Final = "example figure; enter the prices of your own contract"
_SINCE: Final = date(2026, 1, 1)
DEFAULT: Final = tuple(
    Price(channel=channel, country=country, since=_SINCE, amount=Decimal(amount), note=_EXAMPLE)
    for channel, country, amount in (
        ("peppol", "", "1.50"),
        ("operator", "", "1.50"),
        ("email", "", "2.00"),
        ("print", "", "28.00"),
        ("print", "SE", "16.50"),
        ("print", "NO", "24.00"),
        ("print", "FI", "22.00"),
        ("print", "DK", "29.00"),
        ("pdf", "", "4.00"),
        ("scan", "", "12.00"),
    )
)


def price_of(prices: Sequence[Price], channel: str, country: str, day: date, share: int = 0) -> Price | None:
    """The price of that day: of the country where it has one, else of every country; None where there is none.

    ``share`` is the electronic share of the month before, in per cent.
    """
    kind = channel.partition(":")[0]
    begun = [
        one
        for one in prices
        if one.channel == kind and one.since <= day and one.country in ("", country) and one.share <= share
    ]
    return max(begun, key=lambda one: (one.country != "", one.since, one.share), default=None)


def saving(prices: Sequence[Price], from_channel: str, to_channel: str, country: str, day: date) -> tuple[Decimal, str]:
    """What one document is cheaper by on the other channel, and in which currency; 0 where a price is missing."""
    now, then = price_of(prices, from_channel, country, day), price_of(prices, to_channel, country, day)
    if now is None or then is None or now.currency != then.currency:
        return Decimal(0), now.currency if now else "SEK"
    return now.amount - then.amount, now.currency
