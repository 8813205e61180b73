"""Under which participant identifiers a company may be registered, judged by what the document says of it.

Order of trust: the electronic address (BT-49), party identifiers with a scheme (BT-46), the legal identifier
(BT-47), the VAT number (BT-48), and for Sweden the GLN that is derived from the organisation number. What cannot
be a number of its kind is left out, which saves look-ups; only the electronic address is taken as written.
Source: Peppol code list of participant identifier schemes 9.7 (structure, check digits, removed schemes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway.errors import InvalidAddress
from gateway.model.document import Company
from gateway.model.identifiers import ParticipantId
from gateway.model.numbers import LEGAL_SCHEMES, VAT_SCHEMES, derived_gln, normal
from gateway.model.schemes import State, scheme_of

MAX_CANDIDATES: Final = 12


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


known_candidates: Final = lru_cache(1024)(candidates)
"""The same. A company is in many documents, and its addresses are many check digits."""


def _proposals(company: Company) -> Iterator[tuple[str, str, str]]:
    """(ICD, number, origin) in order of trust."""
    if company.endpoint is not None:
        yield from _endpoint(company.endpoint)
    country = company.country or company.vat_id[:2].upper()
    for scheme, value in company.identifiers:
        legal = value == company.legal_id and scheme == company.legal_id_scheme
        origin = f"{'legal' if legal else 'party'} identifier {value}"
        if re.fullmatch(r"[0-9]{4}", scheme):
            yield from _checked(*_successor(scheme, value), origin)
    for icd in LEGAL_SCHEMES.get(country, ()):
        yield from _checked(icd, company.legal_id, f"legal identifier {company.legal_id}")
    for icd in VAT_SCHEMES.get(country, ()):
        yield from _checked(icd, company.vat_id, f"VAT number {company.vat_id}")
    if country == "SE":
        for number in (company.legal_id, company.vat_id):
            yield from _swedish_gln(number)


def _endpoint(endpoint: ParticipantId) -> Iterator[tuple[str, str, str]]:
    """As written, unless its scheme was removed; then, and after a deprecated one, as its successor writes it."""
    known = scheme_of(endpoint.icd)
    successor = known.successor if known else ""
    mended = normal(successor, endpoint.number) if successor else ""
    removed = known is not None and known.state is State.REMOVED
    if not (removed and mended):
        yield endpoint.icd, endpoint.number, "electronic address"
    if mended:
        state = "removed" if removed else "deprecated"
        yield successor, mended, f"electronic address, of the {state} scheme {endpoint.icd}"


def _checked(icd: str, value: str, origin: str) -> Iterator[tuple[str, str, str]]:
    number = normal(icd, value)
    if number:
        yield icd, number, origin


def _swedish_gln(value: str) -> Iterator[tuple[str, str, str]]:
    """The GLN that GS1 Sweden derives from an organisation number."""
    number = normal("0007", value)
    if number:
        yield "0088", derived_gln(number), f"GLN derived from organisation number {number}"


def _successor(icd: str, number: str) -> tuple[str, str]:
    """The scheme that replaced a removed one."""
    known = scheme_of(icd)
    return (known.successor if known and known.state is State.REMOVED and known.successor else icd), number
