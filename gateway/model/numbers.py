"""Numbers as they are registered: the normal form of a company's number in each identifier scheme.

``SE556721204701``, ``165567212047`` and ``556721-2047`` are one organisation number. What cannot be a number of its
kind has no normal form. Source: Peppol code list of participant identifier schemes 9.7, ISO 6523 registrations of the
schemes; check digits by python-stdnum. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Final

from stdnum import ean, lei, luhn
from stdnum.be import vat as be_vat
from stdnum.dk import cvr
from stdnum.fi import ytunnus
from stdnum.fr import siren, siret
from stdnum.no import orgnr as no_orgnr


def derived_gln(number: str) -> str:
    """The GLN that GS1 Sweden derives from an organisation number: 736, its first nine digits, a check digit."""
    body = f"736{number[:9]}"
    return body + ean.calc_check_digit(body)


_BLANK: Final = re.compile(r"[\s.\u00a0/]")


def normal(icd: str, value: str) -> str:
    """The number as it is registered in this scheme, or nothing when it cannot be one."""
    bare = _BLANK.sub("", value).upper()
    rule = _RULES.get(icd)
    return rule(bare) if rule else bare


def _digits(pattern: str, checker: ModuleType | None = None, *, strip: str = "") -> Callable[[str], str]:
    """A rule: prefixes and hyphens go, the pattern must match, the check digit must fit."""
    shape, affix = re.compile(pattern, re.ASCII), re.compile(strip) if strip else None

    def rule(value: str) -> str:
        number = value.replace("-", "")
        number = affix.sub("", number) if affix else number
        return number if shape.fullmatch(number) and (checker is None or checker.is_valid(number)) else ""

    return rule


def _vat(prefix: str) -> Callable[[str], str]:
    """A rule for schemes that are a VAT number with its country's prefix."""

    def rule(value: str) -> str:
        number = value.replace("-", "")
        return number if re.fullmatch(prefix + r"[0-9A-Z+*]{2,14}", number) else ""

    return rule


def _swedish(value: str) -> str:
    """Ten digits with a Luhn digit; from SE556721204701, 165567212047 and 556721-2047."""
    number = value.replace("-", "")
    number = re.sub(r"^SE([0-9]{10})[0-9]{2}$", r"\1", number)
    number = re.sub(r"^(?:SE|16)([0-9]{10})$", r"\1", number)
    return number if re.fullmatch(r"[0-9]{10}", number) and luhn.is_valid(number) else ""


def _finnish(value: str) -> str:
    """OVT: 0037, the business identity code, and up to five characters that cannot be derived."""
    number = re.sub(r"^FI", "", value.replace("-", ""))
    if re.fullmatch(r"[0-9]{8}", number) and ytunnus.is_valid(number):
        return f"0037{number}"
    known = re.fullmatch(r"0037([0-9]{8})[0-9A-Z]{0,5}", number)
    return number if known and ytunnus.is_valid(known[1]) else ""


_RULES: Final[dict[str, Callable[[str], str]]] = {
    "0002": lambda value: value if re.fullmatch(r"[0-9]{9}([0-9]{5})?", value) and siren.is_valid(value[:9]) else "",
    "0007": _swedish,
    "0009": _digits(r"[0-9]{14}", siret),
    "0060": _digits(r"[0-9]{9}"),
    "0088": _digits(r"[0-9]{13}", ean),
    "0106": _digits(r"[0-9]{8,17}"),
    "0151": _digits(r"[0-9]{11}"),
    "0184": _digits(r"[1-9][0-9]{7}", cvr, strip=r"^DK"),
    "0191": _digits(r"[1789][0-9]{7}"),
    "0192": _digits(r"[0-9]{9}", no_orgnr, strip=r"^NO|MVA$"),
    "0196": _digits(r"[0-9]{10}"),
    "0198": lambda value: number if re.fullmatch(r"DK[0-9]{8}", number := value.replace("-", "")) else "",
    "0199": _digits(r"[A-Z0-9]{18}[0-9]{2}", lei),
    "0200": _digits(r"[0-9]{9}"),
    "0204": lambda value: value if re.fullmatch(r"[0-9]{2,12}(-[0-9A-Z]{0,30})?-[0-9]{2}", value) else "",
    "0208": _digits(r"[01][0-9]{9}", be_vat, strip=r"^BE"),
    "0210": _digits(r"[0-9A-Z]{11,16}"),
    "0211": _digits(r"IT[0-9]{11}"),
    "0216": _finnish,
    "0218": _digits(r"[0-9]{9}([0-9]{2})?"),
    "0225": lambda value: value if siren.is_valid(value[:9]) else "",
    "9914": _vat("AT"),
    "9920": _vat("ES"),
    "9925": _vat("BE"),
    "9927": _vat("CHE"),
    "9930": _vat("DE"),
    "9931": _vat("EE"),
    "9932": _vat("GB"),
    "9935": _vat("IE"),
    "9937": _vat("LT"),
    "9938": _vat("LU"),
    "9939": _vat("LV"),
    "9944": _vat("NL"),
    "9945": _vat("PL"),
    "9946": _vat("PT"),
    "9957": _vat("FR"),
}

LEGAL_SCHEMES: Final[dict[str, tuple[str, ...]]] = {
    "SE": ("0007",),
    "NO": ("0192",),
    "DK": ("0184",),
    "FI": ("0216",),
    "BE": ("0208",),
    "NL": ("0106",),
    "FR": ("0225", "0002", "0009"),
    "EE": ("0191",),
    "LV": ("0218",),
    "LT": ("0200",),
    "IS": ("0196",),
    "AU": ("0151",),
}
"""Schemes that the legal identifier of a company in this country belongs to."""

VAT_SCHEMES: Final[dict[str, tuple[str, ...]]] = {
    "SE": ("0007",),
    "NO": ("0192",),
    "DK": ("0184", "0198"),
    "FI": ("0216",),
    "BE": ("0208", "9925"),
    "AT": ("9914",),
    "CH": ("9927",),
    "DE": ("9930",),
    "EE": ("9931",),
    "ES": ("9920",),
    "FR": ("9957",),
    "GB": ("9932",),
    "IE": ("9935",),
    "IT": ("0211",),
    "LT": ("9937",),
    "LU": ("9938",),
    "LV": ("9939",),
    "NL": ("9944",),
    "PL": ("9945",),
    "PT": ("9946",),
}
"""Schemes that the VAT number of a company in this country belongs to, or whose number can be read from it."""
