"""Numbers, amounts, dates and times as people of each language write them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from gateway.portal.words import Language, say

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SPACE = "\u00a0"


def read_zone(name: str) -> tzinfo:
    """The time zone of that name, or UTC where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # (not found is a KeyError)
        return UTC


@dataclass(frozen=True, slots=True)
class Shapes:
    """How one language writes things, in one time zone, seen from one moment."""

    language: Language
    zone: tzinfo
    now: datetime

    def number(self, value: float | Decimal, digits: int = 0) -> str:
        """``12 345,6`` or ``12,345.6``."""
        text = f"{value:,.{digits}f}"
        if self.language == "sv":
            text = text.replace(",", _SPACE).replace(".", ",").replace("-", "\u2212")
        return text

    def amount(self, value: Decimal | None, currency: str = "") -> str:
        """``12 345,00 SEK``; empty text without a value. As many decimals as it has, two at least."""
        if value is None:
            return ""
        exponent = value.normalize().as_tuple().exponent
        digits = max(2, -exponent) if isinstance(exponent, int) else 2
        return self.number(value, min(digits, 6)) + (f"{_SPACE}{currency}" if currency else "")

    def percent(self, part: float, whole: float) -> str:
        """``87 %``; a dash of nothing."""
        if not whole:
            return "–"
        share = 100 * part / whole
        shown = self.number(share if share in (0, 100) else min(max(round(share), 1), 99))
        return f"{shown}{_SPACE}%" if self.language == "sv" else f"{shown}%"

    def day(self, value: date | None) -> str:
        """``2026-11-25`` or ``25 Nov 2026``."""
        if value is None:
            return ""
        if isinstance(value, datetime):
            value = value.astimezone(self.zone).date()
        if self.language == "sv":
            return value.isoformat()
        return f"{value.day}{_SPACE}{_MONTHS[value.month - 1]}{_SPACE}{value.year}"

    def month(self, month: str, *, whole: bool = False) -> str:
        """A month given as ``2026-11``: ``nov`` or, whole, ``november 2026``."""
        word = say(self.language, f"month.{month[5:]}")
        return f"{word}{_SPACE}{month[:4]}" if whole else word[:3]

    def moment(self, value: datetime | None) -> str:
        """Day and time to the minute; of today and yesterday in words."""
        if value is None:
            return ""
        local, today = value.astimezone(self.zone), self.now.astimezone(self.zone).date()
        for back, word in ((0, "today"), (1, "yesterday")):
            if local.date() == today - timedelta(days=back):
                return f"{say(self.language, f'common.{word}')}{_SPACE}{local:%H:%M}"
        return f"{self.day(local.date())}{_SPACE}{local:%H:%M}"

    def exact(self, value: datetime | None) -> str:
        """Day and time to the second, with the zone."""
        if value is None:
            return ""
        local = value.astimezone(self.zone)
        return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname() or ''}".strip()

    def span(self, seconds: float) -> str:
        """How long, in the largest unit that says it: ``5 min``, ``3 h``, ``2 dygn``."""
        for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
            if seconds >= size:
                return f"{self.number(seconds // size)}{_SPACE}{say(self.language, f'common.{unit}')}"
        return f"{self.number(max(0, seconds // 1))}{_SPACE}{say(self.language, 'common.seconds')}"

    def size(self, octets: int) -> str:
        """``1,2 MB``."""
        for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
            if octets >= step:
                return f"{self.number(octets / step, 1)}{_SPACE}{unit}"
        return f"{self.number(octets)}{_SPACE}B"


def company_number(value: str) -> str:
    """A Swedish company number with its hyphen (``0007:5567212047`` as ``556721-2047``); others as they are."""
    scheme, colon, number = value.partition(":")
    if colon and scheme == "0007" and len(number) == 10 and number.isdigit():
        return f"{number[:6]}-{number[6:]}"
    return value


_GIROS: Final = {"BG": "Bankgiro", "PG": "Plusgiro"}


def bank_account(value: str) -> str:
    """An account as people write it: ``BG:1609908`` as ``Bankgiro 160-9908``, an IBAN in groups of four."""
    kind, _, number = value.partition(":")
    if kind == "BG" and len(number) in (7, 8):
        return f"{_GIROS[kind]}{_SPACE}{number[:-4]}-{number[-4:]}"
    if kind == "PG" and len(number) > 1:
        return f"{_GIROS[kind]}{_SPACE}{number[:-1]}-{number[-1]}"
    if kind == "IBAN":
        return f"IBAN{_SPACE}" + _SPACE.join(number[at : at + 4] for at in range(0, len(number), 4))
    return value
