"""Numbers and dates as XPath 2.0 reads them: exact decimals, rounding half up, dates with and without a zone.

The official artefacts calculate with ``xs:decimal``; where they compare untyped values they use ``xs:double``, and
so does :func:`double_of`. Source: XML Schema part 2 (lexical forms), XPath functions 6.2 and 6.4.4 (fn:round).
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Final

MAX_DIGITS: Final = 1000
"""Digits of one number; more are no amount of money but an attack."""
EXACT: Final = Context(prec=20 * MAX_DIGITS)
"""The context of a whole verdict: sums and products are never rounded."""
DIVISION_DIGITS: Final = 18
"""Digits after the point of a quotient that does not end, as the official processor keeps them."""

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
_HALF: Final = Decimal("0.5")
_DECIMAL: Final = re.compile(r"[ \t\r\n]*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))[ \t\r\n]*")
PLAIN: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
"""A number that is certainly not negative."""
_DOUBLE: Final = re.compile(
    r"[ \t\r\n]*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?INF|NaN)[ \t\r\n]*"
)
_DATE: Final = re.compile(
    r"[ \t\r\n]*(-?(?:[1-9][0-9]{4,8}|[0-9]{4}))-([0-9]{2})-([0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})?[ \t\r\n]*"
)
_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class NotANumber(ValueError):
    """The text is not a number of the kind; the message is ``number``, ``date`` or ``digits``."""


def decimal_of(text: str) -> Decimal:
    """An ``xs:decimal``. Raises :class:`NotANumber`."""
    if len(text) <= MAX_DIGITS and text.isascii() and text.replace(".", "", 1).isdigit():
        return Decimal(text)  # most are written so
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise NotANumber("number")
    if len(text) > MAX_DIGITS:
        raise NotANumber("digits")
    return Decimal(match[1])


def double_of(text: str) -> float:
    """An ``xs:double``. Raises :class:`NotANumber`."""
    match = _DOUBLE.fullmatch(text)
    if match is None:
        raise NotANumber("number")
    return float(match[1])


def number(text: str) -> float:
    """``fn:number``: an ``xs:double``, NaN when the text is none."""
    match = _DOUBLE.fullmatch(text)
    return float(match[1]) if match else float("nan")


def not_negative(value: float) -> bool:
    """``value >= 0`` as the official processor compares an untyped value: −0 comes before 0."""
    return value > 0 or (value == 0 and math.copysign(1, value) > 0)


def boolean_of(text: str) -> bool | None:
    """An ``xs:boolean``, or None."""
    return _BOOLEANS.get(text.strip(" \t\r\n"))


_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


def whole(value: Decimal) -> Decimal:
    """``fn:round``: to the nearest whole number, halves upwards, also below zero."""
    return (value + _HALF).to_integral_value(ROUND_FLOOR)


def cents(value: Decimal) -> Decimal:
    """Rounded to two decimals as the artefacts do it: −1446.375 becomes −1446.37."""
    return whole(value * 100).scaleb(-2)


def divide(value: Decimal, by: Decimal) -> Decimal:
    """The quotient, kept to 18 more decimals than the operands have. ``by`` is not zero."""
    scale = max(DIVISION_DIGITS, _scale(value) - _scale(by) + DIVISION_DIGITS)
    quotient, rest = divmod(abs(value).scaleb(scale), abs(by))
    if 2 * rest > abs(by):
        quotient += 1
    return (quotient if (value < 0) == (by < 0) else -quotient).scaleb(-scale)


def _scale(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def of_double(value: float) -> Decimal:
    """``xs:decimal`` of a double: every digit of its binary value."""
    return Decimal(value)


def date_of(text: str) -> int:
    """An ``xs:date`` as minutes since a day long ago, zone taken off; no zone counts as UTC. Raises NotANumber."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise NotANumber("date")
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if not 1 <= month <= 12 or not 1 <= day <= _MONTHS[month - 1] + (month == 2 and _leap(year)):
        raise NotANumber("date")
    zone = match[4]
    offset = 0
    if zone and zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if minutes > 59 or hours * 60 + minutes > 840:
            raise NotANumber("date")
        offset = (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)
    return _days(year, month, day) * 1440 - offset


def is_date(text: str) -> bool:
    """``castable as xs:date``."""
    try:
        date_of(text)
    except NotANumber:
        return False
    return True


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days(year: int, month: int, day: int) -> int:
    """Days since 0000-03-01 of the proleptic Gregorian calendar."""
    year -= month < 3
    moved = (month + 9) % 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * moved + 2) // 5 + day - 1
