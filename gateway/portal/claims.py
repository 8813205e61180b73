"""What was read of a page, field by field, as a person looks at it: value, witnesses, what the others said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.exchange.paper import fields_needed
from gateway.model.scan import FIELDS, Field, Place, Scan, ScanState
from gateway.portal.shapes import bank_account

if TYPE_CHECKING:
    from gateway.portal.visit import Visit

AMOUNTS: Final = ("net", "vat", "total")
FORM: Final = "f-"
"""Before a field's name in the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One value that somebody read: as it is shown, and who says so."""

    value: str
    shown: str
    witnesses: tuple[str, ...]
    sure: int
    """Per cent, of the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One field."""

    name: str
    label: str
    value: str
    """As it stands in the form."""
    doubtful: bool
    said: tuple[Said, ...]
    by: str
    """The person who confirmed it."""
    crop: bool
    place: Place | None
    wrong: str
    hint: str


def claims_of(visit: Visit, scan: Scan, typed: Mapping[str, str], wrong: Mapping[str, str]) -> list[Claim]:
    """Every field; those of a file that waits, in the order in which they are to be looked at."""
    needed = fields_needed(scan.fields, structured="xml" in scan.rungs) if scan.state is ScanState.REVIEW else ()
    names = [*(name for name in needed if name in FIELDS), *(name for name in FIELDS if name not in needed)]
    return [_claim(visit, scan, name, typed, wrong, name in needed) for name in names]


def _claim(
    visit: Visit, scan: Scan, name: str, typed: Mapping[str, str], wrong: Mapping[str, str], doubtful: bool
) -> Claim:
    known = scan.fields.get(name, Field(name=name))
    best = known.best
    return Claim(
        name=name,
        label=visit.t(f"review.field-{name}"),
        value=typed.get(f"{FORM}{name}", written(visit, name, known.value)),
        doubtful=doubtful or name in wrong or (scan.state is ScanState.REVIEW and _open(known)),
        said=tuple(
            Said(
                value=written(visit, name, one.value),
                shown=one.shown if one.shown != written(visit, name, one.value) else "",
                witnesses=tuple(
                    visit.word(f"review.witness-{witness.replace(' ', '-')}", witness) for witness in one.witnesses
                ),
                sure=round(100 * one.confidence),
            )
            for one in known.candidates[:4]
        ),
        by=known.confirmed_by,
        crop=known.has_crop,
        place=next((one.place for one in ((best,) if best else ()) + known.candidates if one.place), None)
        if scan.hold == "picture"
        else best.place
        if best
        else None,
        wrong=wrong.get(name, ""),
        hint=visit.word(f"review.hint-{name}", ""),
    )


def _open(known: Field) -> bool:
    return bool(known.candidates) and not known.accepted


def written(visit: Visit, name: str, value: str) -> str:
    """A value as the visitor writes it; it can be read back."""
    if name == "account":
        return bank_account(value)
    if name in AMOUNTS and visit.language == "sv":
        return value.replace(".", ",")
    return value
