"""The identifier schemes of the network, and what is wrong with an identifier that somebody typed.

Source: Peppol code list of participant identifier schemes 9.7 (``codelists/``), Policy for use of Identifiers 4.4,
Service Provider Identification Scheme 1.0. Identifiers of others are never refused for their check digits: only what
a person of ours types, or wants to be registered under, is judged here. Pure; the list is read from package data once.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib import import_module, resources
from typing import Final

from gateway.errors import InvalidAddress
from gateway.model.identifiers import ParticipantId
from gateway.model.numbers import normal

CODE_LIST: Final = "9.7"
SERVICE_PROVIDER_ICD: Final = "0242"
_SEAT: Final = re.compile(r"P[A-Z]{2}([0-9]{6})", re.ASCII)


class State(StrEnum):
    """Life of a scheme: deprecated ones still work but nobody new may be registered, removed ones work no more."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One row of the code list."""

    icd: str
    scheme: str
    """Name in the code list: ``SE:ORGNR``."""
    country: str = ""
    """ISO 3166-1 code; empty for an international scheme."""
    state: State = State.ACTIVE
    removed: date | None = None
    """From this day on it must not be used, whatever ``state`` says."""
    registrable: bool = True
    pattern: str = ""
    """Regular expression of the number, in upper case; empty where the list has none."""
    pattern_is_advice: bool = False
    """Real participants have other numbers: a mismatch is worth a warning only."""
    check: str = ""
    """Module of python-stdnum that knows the check digit."""
    check_is_demanded: bool = False
    """The code list itself demands the check digit."""
    successor: str = ""
    """ICD of the scheme that took over."""

    def state_on(self, day: date) -> State:
        """The state on that day."""
        return State.REMOVED if self.removed and day >= self.removed else self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """An identifier that a person gave us, with what is odd about it."""

    participant: ParticipantId
    warnings: tuple[str, ...] = ()


@cache
def schemes() -> Mapping[str, Scheme]:
    """Every scheme by its ICD."""
    name = f"participant-schemes-{CODE_LIST}.json"
    rows = json.loads(resources.files("gateway.model").joinpath("codelists", name).read_text("utf-8"))["schemes"]
    return {row["icd"]: _scheme(row) for row in rows}


def scheme_of(icd: str) -> Scheme | None:
    """The scheme with this ICD; None when the code list has none."""
    return schemes().get(icd)


def read_typed(text: str, day: date) -> Typed:
    """Read an identifier from a person who wants to look somebody up.

    Raises :class:`InvalidAddress` for what can be nobody's: bad syntax, or a scheme that was removed. Everything else
    that is odd is a warning.
    """
    return _read(text, day, own=False, strict=False)


def read_own(text: str, day: date, *, strict: bool) -> Typed:
    """Read the identifier under which one of our own is to be registered.

    Raises :class:`InvalidAddress` too for a scheme that nobody new may be registered in, for a number that does not
    have its scheme's form, and, when ``strict``, for a check digit that the code list demands and an unknown scheme.
    A private network is not strict: its numbers are often made up.
    """
    return _read(text, day, own=True, strict=strict)


def service_provider(seat: str) -> ParticipantId:
    """The participant identifier of a service provider: ``0242:000306`` for the seat ``POP000306``.

    Raises :class:`InvalidAddress`.
    """
    fit = _SEAT.fullmatch(seat.strip().upper())
    if fit is None:
        raise InvalidAddress(
            f"“{seat[:40]}” is no seat", remedy="A seat is P, two letters and six digits, such as POP000306."
        )
    return ParticipantId(f"{SERVICE_PROVIDER_ICD}:{fit[1]}")


def _read(text: str, day: date, *, own: bool, strict: bool) -> Typed:
    participant = _parse(text)
    known = scheme_of(participant.icd)
    warnings: list[str] = []
    if known is None:
        said = f"{participant.icd} is no scheme of code list {CODE_LIST}{_near(participant)}"
        if own and strict:
            raise InvalidAddress(said, remedy="Write participants as 0007:5567212047 (scheme, colon, number).")
        return Typed(participant=participant, warnings=(said,))
    _refuse_dead(participant, known, day, own=own)
    if known.state_on(day) is State.DEPRECATED:
        warnings.append(f"{known.icd} ({known.scheme}) is deprecated: it still works{_use(participant, known)}")
    for problem, fatal in _number_faults(participant, known, strict=strict):
        if own and fatal:
            raise InvalidAddress(problem, remedy=_mend(participant, known) or "Compare it with the register.")
        better = _mend(participant, known)
        warnings.append(f"{problem}. {better}" if better else problem)
    return Typed(participant=participant, warnings=tuple(warnings))


def _parse(text: str) -> ParticipantId:
    """Syntax; a bare number gets a proposal."""
    try:
        return ParticipantId.parse(text)
    except InvalidAddress as error:
        bare = text.strip()
        found = [f"{icd}:{number}" for icd in _BARE if (number := normal(icd, bare)) and ":" not in bare]
        if not found:
            raise
        raise InvalidAddress(
            f"“{bare[:80]}” has no scheme before it", remedy=f"Did you mean {' or '.join(found[:3])}?"
        ) from error


_BARE: Final = ("0007", "0192", "0184", "0208", "0216", "0088", "0002", "0199")
"""Schemes whose check digit makes a bare number likely."""


def _refuse_dead(participant: ParticipantId, known: Scheme, day: date, *, own: bool) -> None:
    use = _use(participant, known)
    name = f"{known.icd} ({known.scheme})"
    if known.state_on(day) is State.REMOVED:
        year = f" in {known.removed.year}" if known.removed else ""
        raise InvalidAddress(f"{name} was removed{year}{use}", remedy=_remedy(participant, known))
    if own and not known.registrable:
        raise InvalidAddress(f"nobody may be registered under {name}{use}", remedy=_remedy(participant, known))
    if own and known.state_on(day) is State.DEPRECATED:
        raise InvalidAddress(
            f"{name} is deprecated: nobody new may be registered under it{use}", remedy=_remedy(participant, known)
        )


def _use(participant: ParticipantId, known: Scheme) -> str:
    """The half sentence that says what to write instead."""
    if not known.successor:
        return ""
    number = normal(known.successor, participant.number)
    if number:
        return f", use {known.successor}:{number.lower()}"
    successor = schemes()[known.successor]
    return f", use {successor.icd} ({successor.scheme})"


def _remedy(participant: ParticipantId, known: Scheme) -> str:
    use = _use(participant, known)
    return f"Write the identifier as its owner is registered now{use.replace(', use ', ': ')}."


def _number_faults(participant: ParticipantId, known: Scheme, *, strict: bool) -> list[tuple[str, bool]]:
    """What is odd about the number, and whether our own participant may not have it."""
    number = participant.number.upper()
    if known.pattern and not re.fullmatch(known.pattern, number, re.ASCII | re.IGNORECASE):
        said = f"{participant.number} does not have the form of {known.icd} ({known.scheme}): {known.pattern}"
        return [(said, not known.pattern_is_advice)]
    if known.check and not _checks(known, number):
        said = f"the check digit of {participant.value} is wrong: it is no {known.scheme} number"
        return [(said, known.check_is_demanded and strict)]
    return []


def _checks(known: Scheme, number: str) -> bool:
    """Whether the number passes its check digit."""
    if known.icd == "0002" and len(number) == 14:
        number = number[:9]
    if known.icd == "0225":
        number = number[:9]
    if known.icd == "0216":
        number = number.removeprefix("0037")[:8]
    if known.icd == "0218" and len(number) != 11:
        return True  # only registration numbers of companies have eleven digits and a check digit
    return bool(import_module(f"stdnum.{known.check}").is_valid(number))


def _mend(participant: ParticipantId, known: Scheme) -> str:
    number = normal(known.icd, participant.number)
    return f"Write {known.icd}:{number.lower()}." if number and number.lower() != participant.number else ""


def _near(participant: ParticipantId) -> str:
    near = [
        icd
        for icd in difflib.get_close_matches(participant.icd, schemes(), n=12, cutoff=0.5)
        if schemes()[icd].check and _checks(schemes()[icd], participant.number.upper())
    ]
    return f"; did you mean {near[0]}:{participant.number}?" if near else ""


def _scheme(row: dict[str, object]) -> Scheme:
    removed = row.get("removed")
    return Scheme(
        **{  # type: ignore[arg-type]
            **row,
            "state": State(str(row["state"])),
            "removed": date.fromisoformat(str(removed)) if removed else None,
        }
    )
