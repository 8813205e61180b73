"""Under which participant identifiers a company may be registered, judged by what the document says of it.

Order of trust: the electronic address (BT-49), party identifiers with a scheme (BT-46), the legal identifier
(BT-47), the VAT number (BT-48), and for Sweden the GLN that is derived from the organisation number. What cannot
be a number of its kind is left out, which saves look-ups; only the electronic address is taken as written.
Source: Peppol code list of participant identifier schemes 9.7 (structure, check digits, removed schemes).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from stdnum import ean, lei, luhn
from stdnum.be import vat as be_vat
from stdnum.dk import cvr
from stdnum.fi import ytunnus
from stdnum.fr import siren, siret
from stdnum.no import orgnr as no_orgnr

from gateway.errors import InvalidAddress
from gateway.model.document import Company
from gateway.model.identifiers import ParticipantId

MAX_CANDIDATES: Final = 12
_BLANK: Final = re.compile(r"[\s.\u00a0/]")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An identifier to look up, and where in the document it comes from."""

    participant: ParticipantId
    origin: str
    """In words: ``electronic address``, ``VAT number SE556721204701``."""


def candidates(company: Company) -> tuple[Candidate, ...]:
    """Every identifier worth a look-up, the most trusted first, each once, at most twelve."""
    found: dict[str, Candidate] = {}
    for icd, number, origin in _proposals(company):
        try:
            participant = ParticipantId.parse(f"{icd}:{number}")
        except InvalidAddress:
            continue
        found.setdefault(participant.value, Candidate(participant, origin))
    return tuple(found.values())[:MAX_CANDIDATES]


def _proposals(company: Company) -> Iterator[tuple[str, str, str]]:
    """(ICD, number, origin) in order of trust."""
    if company.endpoint is not None:
        yield _endpoint(company.endpoint)
    country = company.country or company.vat_id[:2].upper()
    for scheme, value in company.identifiers:
        legal = value == company.legal_id and scheme == company.legal_id_scheme
        origin = f"{'legal' if legal else 'party'} identifier {value}"
        if re.fullmatch(r"[0-9]{4}", scheme):
            yield from _checked(*_successor(scheme, value), origin)
    for icd in _LEGAL.get(country, ()):
        yield from _checked(icd, company.legal_id, f"legal identifier {company.legal_id}")
    for icd in _VAT.get(country, ()):
        yield from _checked(icd, company.vat_id, f"VAT number {company.vat_id}")
    if country == "SE":
        for number in (company.legal_id, company.vat_id):
            yield from _swedish_gln(number)


def _endpoint(endpoint: ParticipantId) -> tuple[str, str, str]:
    icd, number = _successor(endpoint.icd, endpoint.number)
    if icd == endpoint.icd:
        return icd, number, "electronic address"
    normal = _normal(icd, number)
    if not normal:
        return endpoint.icd, endpoint.number, "electronic address"
    return icd, normal, f"electronic address, of the removed scheme {endpoint.icd}"


def _checked(icd: str, value: str, origin: str) -> Iterator[tuple[str, str, str]]:
    number = _normal(icd, value)
    if number:
        yield icd, number, origin


def _swedish_gln(value: str) -> Iterator[tuple[str, str, str]]:
    """The GLN that GS1 Sweden derives from an organisation number: 736, its first nine digits, a check digit."""
    number = _normal("0007", value)
    if number:
        body = f"736{number[:9]}"
        yield "0088", body + ean.calc_check_digit(body), f"GLN derived from organisation number {number}"


def _successor(icd: str, number: str) -> tuple[str, str]:
    """The scheme that replaced a removed one."""
    return _REMOVED.get(icd, icd), number


def _normal(icd: str, value: str) -> str:
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

_LEGAL: Final[dict[str, tuple[str, ...]]] = {
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

_VAT: Final[dict[str, tuple[str, ...]]] = {
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

_REMOVED: Final = {
    "0037": "0216",
    "0212": "0216",
    "0213": "0216",
    "9902": "0184",
    "9904": "0198",
    "9906": "0211",
    "9907": "0210",
    "9908": "0192",
    "9909": "0192",
    "9921": "0201",
    "9954": "0190",
    "9955": "0007",
    "9956": "0208",
    "9958": "0204",
}
"""Schemes that nobody can be registered under any more, and the one that took over."""
