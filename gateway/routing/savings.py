"""What a proposal saves: documents of the last twelve months, priced by a dated list; and how that is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from gateway.model.counterpart import Counterpart
from gateway.model.prices import Price, saving
from gateway.model.proposal import Volume
from gateway.routing.matching import plain_name
from gateway.routing.words import RISKS, channel_words

YEAR: Final = timedelta(days=365)
_NARROW: Final = "\u00a0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What moving one counterpart saves a year."""

    from_channel: str
    """The way on which most of its documents go now."""
    documents: int
    """On all ways that would be left."""
    money: Decimal
    currency: str


def volumes_of(counterpart: Counterpart, volumes: Sequence[Volume]) -> dict[str, int]:
    """Documents of this counterpart by channel: those that name an address of its, or its very name and no address."""
    keys = {one.key for one in counterpart.identifiers if one.trust}
    names = {plain_name(name) for name in counterpart.all_names}
    found: dict[str, int] = {}
    for one in volumes:
        mine = one.receiver in keys if one.receiver and keys else plain_name(one.name) in names
        if mine:
            found[one.channel] = found.get(one.channel, 0) + one.documents
    return found


def reckon(
    counterpart: Counterpart,
    volumes: Sequence[Volume],
    prices: Sequence[Price],
    *,
    to_channel: str = "peppol",
    present: str = "print",
    day: date,
    share: int = 0,
) -> Saving:
    """What it saves a year. ``present``: the channel where there is no history yet; ``share``: see ``Price``."""
    left = {
        c: n for c, n in volumes_of(counterpart, volumes).items() if c.partition(":")[0] not in ("peppol", "operator")
    }
    money, currency = Decimal(0), saving(prices, present, to_channel, counterpart.country, day, share)[1]
    for channel, documents in left.items():
        each, of = saving(prices, channel, to_channel, counterpart.country, day, share)
        money += each * documents if of == currency else 0
    most = max(left, key=lambda channel: left[channel], default=present)
    return Saving(from_channel=most, documents=sum(left.values()), money=money, currency=currency)


def money_words(amount: Decimal, currency: str, language: str) -> str:
    """``4 310 kr`` in Swedish, ``4,310 SEK`` in English: whole units, as a proposal needs no more."""
    whole = int(amount.quantize(Decimal(1), ROUND_HALF_UP))
    if language == "sv":
        return f"{whole:,}".replace(",", _NARROW) + _NARROW + ("kr" if currency == "SEK" else currency)
    return f"{whole:,} {currency}"


def proposal_words(
    name: str, s: Saving, to_channel: str, risks: Sequence[str], *, supplier: bool = False
) -> tuple[str, str]:
    """The text that a person says yes or no to, in Swedish and in English."""
    (from_sv, from_en), (to_sv, to_en) = channel_words(s.from_channel), channel_words(to_channel)
    sv = f"Flytta {name} från {from_sv} till {to_sv}"
    en = f"Move {name} from {from_en} to {to_en}"
    if supplier:
        sv = f"Be {name} skicka {to_sv} i stället för {from_sv}"
        en = f"Ask {name} to send {to_en} instead of {from_en}"
    if s.documents:
        sv += f": {s.documents} dokument senaste året"
        en += f": {s.documents} document{'' if s.documents == 1 else 's'} in the last year"
    if s.money > 0:
        sv += f", sparar {money_words(s.money, s.currency, 'sv')} per år"
        en += f", saves {money_words(s.money, s.currency, 'en')} a year"
    warnings = [RISKS[risk] for risk in risks if risk in RISKS]
    return (
        ". ".join([sv, *(w[0].rstrip(".") for w in warnings)]) + ".",
        ". ".join([en, *(w[1].rstrip(".") for w in warnings)]) + ".",
    )


def headline(count: int, money: Decimal, currency: str) -> tuple[str, str]:
    """``Flytta 3 kunder till e-faktura: sparar 4 310 kr per år``, for customers that are proposed together."""
    if not count:
        return "Inga förslag väntar", "No proposals are waiting"
    sv = f"Flytta {count} {'kund' if count == 1 else 'kunder'} till e-faktura"
    en = f"Move {count} customer{'' if count == 1 else 's'} to e-invoice"
    if money > 0:
        sv += f": sparar {money_words(money, currency, 'sv')} per år"
        en += f": saves {money_words(money, currency, 'en')} a year"
    return sv, en
