"""What a document costs on each channel: dated price lists as data.

A price is for one channel, one country of the receiver and the days from ``since`` on; the newest that has begun
counts.
``DEFAULT`` holds round example figures, so that a proposal can show money before an account has entered its own list:
each stands for what a Swedish company pays a bureau or an operator for one document, all in (printing, envelope,
postage, handling), without VAT. Public price lists are rare; whoever has a contract enters its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

CHANNELS: Final = ("peppol", "operator", "email", "print", "pdf", "scan")
"""What can have a price: outbound, and ``pdf`` and ``scan`` inbound."""
MOST: Final = Decimal(1_000_000)
_NOTE_MOST: Final = 200
_KEYS: Final = ("channel", "country", "since", "share", "amount", "currency", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Money for one document."""

    channel: str
    """One of ``CHANNELS``."""
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


def saving(
    prices: Sequence[Price], from_channel: str, to_channel: str, country: str, day: date, share: int = 0
) -> tuple[Decimal, str]:
    """What one document is cheaper by on the other channel, and in which currency; 0 where a price is missing."""
    now, then = (price_of(prices, channel, country, day, share) for channel in (from_channel, to_channel))
    if now is None or then is None or now.currency != then.currency:
        return Decimal(0), now.currency if now else "SEK"
    return now.amount - then.amount, now.currency


def read_price(item: object) -> Price | tuple[str, str]:
    """Read a price as somebody wrote it: texts, and ``share`` as a number or digits.

    What is wrong with it comes back as (field, sentence); the field is empty where it is no object at all.
    """
    if not isinstance(item, Mapping):
        return "", "A price is an object."
    for name in item:
        if name not in _KEYS:
            return str(name)[:40], f"A price has {', '.join(_KEYS)} and nothing else."
    text = {name: item.get(name, usual) for name, usual in (("country", ""), ("currency", "SEK"), ("note", ""))}
    country, currency, note = text["country"], text["currency"], text["note"]
    if item.get("channel") not in CHANNELS:
        return "channel", f"channel is one of {', '.join(CHANNELS)}."
    if not isinstance(country, str) or not re.fullmatch(r"(?:[A-Z]{2})?", country, re.ASCII):
        return "country", "country is a code of two letters, such as SE, or empty for every country."
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Z]{3}", currency, re.ASCII):
        return "currency", "currency is a code of three letters, such as SEK."
    share = item.get("share", 0)
    if isinstance(share, str) and re.fullmatch(r"[0-9]{1,3}", share, re.ASCII):
        share = int(share)
    if isinstance(share, bool) or not isinstance(share, int) or not 0 <= share <= 100:
        return "share", "share is a whole number of per cent, 0 to 100."
    if not isinstance(note, str) or len(note) > _NOTE_MOST or not note.isprintable():
        return "note", f"note is a text of at most {_NOTE_MOST} printable characters."
    since, amount = _day(item.get("since")), _amount(item.get("amount"))
    if since is None:
        return "since", "since is a date such as 2026-11-28."
    if amount is None:
        return "amount", "amount is a text of digits such as 16.50, at most a million."
    channel = str(item["channel"])
    return Price(
        channel=channel, country=country, since=since, share=share, amount=amount, currency=currency, note=note
    )


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None


def _amount(value: object) -> Decimal | None:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,7}(?:\.[0-9]{1,6})?", value, re.ASCII):
        return None
    amount = Decimal(value)
    return amount if amount <= MOST else None
