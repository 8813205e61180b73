"""Check digits and sums: what makes a number that was read trustworthy by itself.

Each function takes text as it may stand on paper and gives the number as we write it, or None: pure, no exception for
anything that a stranger prints. Sources: knowledge of the banks' published rules, named at each function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from stdnum import iban as _iban

_SPACES: Final = re.compile(r"[\s\u00a0\u2009\u202f]+")
_ORE: Final = Decimal("0.01")
MOST: Final = Decimal("999999999.99")
"""No invoice on paper is larger; what reads larger was misread."""


def luhn(digits: str) -> bool:
    """Modulus 10 with weights 2 1 from the right (ISO/IEC 7812-1, annex B), over ASCII digits."""
    if not (digits.isascii() and digits.isdigit()):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _plain(text: str, also: str = "") -> str:
    return re.sub(rf"[\s\u00a0\u2009\u202f{re.escape(also)}]", "", text)


def organisation(text: str) -> str | None:
    """A Swedish organisation number, ten digits: Luhn, third digit 2 or more, so no personal number (SKV 709)."""
    digits = _plain(text, "-\u2013")
    if len(digits) == 12 and digits.startswith("16"):
        digits = digits[2:]
    if len(digits) != 10 or not luhn(digits) or digits[2] < "2" or digits[0] == "0":
        return None
    return digits


def swedish_vat(text: str) -> str | None:
    """``SE`` + organisation number + ``01``; gives the organisation number."""
    plain = _plain(text, "-").upper()
    match = re.fullmatch(r"SE([0-9]{10})01", plain)
    return organisation(match[1]) if match else None


def norwegian(text: str) -> str | None:
    """A Norwegian organisation number: nine digits, modulus 11 with 3 2 7 6 5 4 3 2 (Brønnøysundregistrene)."""
    digits = re.sub(r"^NO|MVA$", "", _plain(text, "-.").upper())
    if not re.fullmatch(r"[89][0-9]{8}", digits):
        return None
    check = -sum(int(d) * w for d, w in zip(digits, (3, 2, 7, 6, 5, 4, 3, 2), strict=False)) % 11
    return digits if check == int(digits[8]) else None


def finnish(text: str) -> str | None:
    """A Finnish business id ``1234567-8`` or VAT number ``FI12345678``: modulus 11 with 7 9 10 5 8 4 2 (PRH)."""
    digits = re.sub(r"^FI", "", _plain(text, "-").upper())
    if not re.fullmatch(r"[0-9]{8}", digits):
        return None
    rest = sum(int(d) * w for d, w in zip(digits, (7, 9, 10, 5, 8, 4, 2), strict=False)) % 11
    return digits if rest != 1 and (11 - rest if rest else 0) == int(digits[7]) else None


def danish(text: str) -> str | None:
    """A Danish CVR number: eight digits, modulus 11 with 2 7 6 5 4 3 2 1 (Erhvervsstyrelsen)."""
    digits = re.sub(r"^DK", "", _plain(text, "-").upper())
    if not re.fullmatch(r"[1-9][0-9]{7}", digits):
        return None
    return digits if sum(int(d) * w for d, w in zip(digits, (2, 7, 6, 5, 4, 3, 2, 1), strict=True)) % 11 == 0 else None


def supplier(text: str) -> str | None:
    """A supplier's number as we write it, ``SE5567212047``: country, then the number without what VAT numbers add."""
    country, rest = text[:2].upper(), text[2:]
    by_country: dict[str, Callable[[str], str | None]] = {"NO": norwegian, "DK": danish, "FI": finnish}
    if country in by_country:
        number = by_country[country](rest)
        return f"{country}{number}" if number else None
    swedish = swedish_vat(text) or organisation(text.upper().removeprefix("SE"))
    if swedish:
        return f"SE{swedish}"
    known = country.isascii() and country.isalpha() and rest.isascii() and rest.isalnum() and country != "SE"
    return text.upper() if known and 4 <= len(rest) <= 20 else None


def bankgiro(text: str) -> str | None:
    """Seven or eight digits, Luhn over all (Bankgirot, manual of bankgiro numbers)."""
    digits = _plain(text, "-\u2013")
    return digits if len(digits) in (7, 8) and luhn(digits) and digits[0] != "0" else None


def plusgiro(text: str) -> str | None:
    """Two to eight digits, Luhn (Nordea, plusgiro)."""
    digits = _plain(text, "-\u2013")
    return digits if 2 <= len(digits) <= 8 and luhn(digits) and digits[0] != "0" else None


def iban(text: str) -> str | None:
    """ISO 13616: modulus 97, length and form of the country."""
    plain = _plain(text, "-").upper()
    return plain if 15 <= len(plain) <= 34 and _iban.is_valid(plain) else None


def ocr_reference(text: str) -> str | None:
    """A Swedish reference of 2 to 25 digits: Luhn; where the last but one says the length, the better (Bankgirot)."""
    digits = _plain(text)
    return digits if 2 <= len(digits) <= 25 and luhn(digits) else None


def has_length_digit(reference: str) -> bool:
    """Whether the last digit but one is the reference's length modulo 10: a second check."""
    return len(reference) >= 3 and reference[-2] == str(len(reference) % 10)


def kid(text: str) -> str | None:
    """A Norwegian KID of 2 to 25 digits: modulus 10, or modulus 11 with 2…7, where 10 is written ``-`` (Nets)."""
    plain = _plain(text)
    if not re.fullmatch(r"[0-9]{1,24}[0-9-]", plain):
        return None
    if luhn(plain):
        return plain
    weights = [2 + place % 6 for place in range(len(plain) - 1)]
    rest = -sum(int(d) * w for d, w in zip(reversed(plain[:-1]), weights, strict=True)) % 11
    return plain if plain[-1] == ("-" if rest == 10 else str(rest)) else None


def finnish_reference(text: str) -> str | None:
    """4 to 20 digits, the last is the check: weights 7 3 1 from the right (Finance Finland)."""
    digits = _plain(text).lstrip("0")
    if not re.fullmatch(r"[0-9]{4,20}", digits):
        return None
    weighed = sum(int(d) * (7, 3, 1)[place % 3] for place, d in enumerate(reversed(digits[:-1])))
    return digits if -weighed % 10 == int(digits[-1]) else None


def rf_reference(text: str) -> str | None:
    """ISO 11649: ``RF``, two check digits, up to 21 letters and digits; modulus 97."""
    plain = _plain(text).upper()
    if not re.fullmatch(r"RF[0-9]{2}[0-9A-Z]{1,21}", plain):
        return None
    moved = "".join(str(int(c, 36)) for c in plain[4:] + plain[:4])
    return plain if int(moved) % 97 == 1 else None


def amount(text: str) -> Decimal | None:
    """An amount as Nordic and English invoices write it; None where it could be read two ways (``1.234``)."""
    plain = _plain(text, "'").replace("\u2212", "-").replace("\u2013", "-")
    plain = re.sub(r"^(SEK|NOK|DKK|EUR|USD|kr|\u20ac)|(SEK|NOK|DKK|EUR|USD|kr|\u20ac)$", "", plain, flags=re.IGNORECASE)
    if plain.endswith(("-", ":-")) and not plain.startswith("-"):
        plain = plain.removesuffix(":-") if plain.endswith(":-") else f"-{plain[:-1]}"
    if match := re.fullmatch(r"(-?)([0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),([0-9]{2})", plain):
        plain = f"{match[1]}{match[2].replace('.', '')}.{match[3]}"
    elif match := re.fullmatch(r"(-?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)\.([0-9]{2})", plain):
        plain = f"{match[1]}{match[2].replace(',', '')}.{match[3]}"
    elif not re.fullmatch(r"-?[0-9]+", plain):
        return None
    value = Decimal(plain)
    return value if abs(value) <= MOST else None


RATES: Final = tuple(Decimal(rate) for rate in ("25", "12", "6", "25.5", "24", "14", "10", "15", "0", "13.5"))
"""VAT rates of Sweden, Norway, Denmark and Finland, in per cent."""


def rate_of(net: Decimal, vat: Decimal, rates: Iterable[Decimal] = RATES) -> Decimal | None:
    """The rate by which VAT is net times rate to the öre, half up; None where there is none."""
    for rate in rates:
        if (net * rate / 100).quantize(_ORE, ROUND_HALF_UP) == vat:
            return rate
    return None


_ISO: Final = re.compile(r"(20[0-9]{2})[-./ ]([01]?[0-9])[-./ ]([0-3]?[0-9])")
_DAY_FIRST: Final = re.compile(r"([0-3]?[0-9])[-./ ]{1,2}([01]?[0-9])[-./ ]{1,2}(20[0-9]{2})")
_COMPACT: Final = re.compile(r"(20[0-9]{2})([01][0-9])([0-3][0-9])")
_SHORT: Final = re.compile(r"([0-9]{2})([01][0-9])([0-3][0-9])")
_NAMED: Final = re.compile(r"([0-3]?[0-9])\.? +([A-Za-zåäöÅÄÖé]{3,12})\.?,? +(20[0-9]{2})")
_MONTHS: Final = {
    "jan": 1,
    "feb": 2,
    "mar": 3,
    "apr": 4,
    "maj": 5,
    "may": 5,
    "mai": 5,
    "jun": 6,
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "okt": 10,
    "oct": 10,
    "nov": 11,
    "dec": 12,
    "des": 12,
}


def day(text: str) -> date | None:
    """A day as it may be printed; the order day/month/year where the year stands last, as everywhere in the Nordics."""
    plain = text.strip().strip(".,;:")
    parts: tuple[str, str, str] | None = None
    if (match := _ISO.fullmatch(plain)) or (match := _COMPACT.fullmatch(plain)):
        parts = match[1], match[2], match[3]
    elif match := _DAY_FIRST.fullmatch(plain):
        parts = match[3], match[2], match[1]
    elif (match := _NAMED.fullmatch(plain)) and (month := _MONTHS.get(match[2][:3].casefold())):
        parts = match[3], str(month), match[1]
    elif match := _SHORT.fullmatch(plain):
        parts = f"20{match[1]}", match[2], match[3]
    if parts is None:
        return None
    try:
        found = date(*map(int, parts))
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2099 else None


def terms_fit(issued: date, due: date, days: int) -> bool:
    """Whether the invoice is due so many days after its date."""
    return issued + timedelta(days=days) == due


def spaceless(text: str) -> str:
    """Without any kind of space."""
    return _SPACES.sub("", text)
