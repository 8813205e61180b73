"""Envelope profiles: where on the sheet an address may stand, what must stay free, how much fits, what it costs.

A profile is a file of ``envelopes/``, or a file of one's own named in ``[print] envelope``. Lengths are millimetres
from the upper left corner of the first sheet; prices are examples, to be replaced
by the bureau's own list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DEFAULT: Final = "se-h2-c5"
_ANYWHERE: Final = "c5-left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle on the sheet, in millimetres."""

    x: float
    y: float
    width: float
    height: float
    name: str = ""

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def holds(self, other: Box, slack: float = 0.0) -> bool:
        """Whether the other lies wholly inside, but for ``slack``."""
        return (
            other.x >= self.x - slack
            and other.y >= self.y - slack
            and other.right <= self.right + slack
            and other.bottom <= self.bottom + slack
        )

    def meets(self, other: Box, slack: float = 0.0) -> bool:
        """Whether they overlap by more than ``slack`` in both directions."""
        return (
            min(self.right, other.right) - max(self.x, other.x) > slack
            and min(self.bottom, other.bottom) - max(self.y, other.y) > slack
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """What a printer cannot reach, in millimetres."""

    left: float = 5
    top: float = 5
    right: float = 5
    bottom: float = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Postage:
    """One class of mail: working days on the way, and its price up to a weight in grams."""

    days: int
    prices: tuple[tuple[int, Decimal], ...]

    def price(self, grams: int) -> Decimal | None:
        """The price of a letter, or None when it is too heavy for this class."""
        return next((price for most, price in self.prices if grams <= most), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One kind of envelope at one bureau."""

    name: str
    title: str
    source: str = ""
    countries: tuple[str, ...] = ()
    """Countries of posting for which it is the first choice."""
    page: tuple[float, float] = (210, 297)
    window: Box
    """Everything in here can be seen from outside: the risk zone."""
    address: Box
    """Every line of the address must lie in here."""
    return_line: Box
    """The sender's line, small, in the window or above it."""
    margins: Margins = field(default_factory=Margins)
    forbidden: tuple[Box, ...] = ()
    """Of the first sheet: barcode, franking, marks of the inserter."""
    most_sheets: int = 8
    most_bytes: int = 10_000_000
    duplex: bool = True
    colour: Literal["grey", "colour"] = "grey"
    paper_grams: int = 80
    envelope_grams: int = 7
    cut_off: time = time(18)
    zone: str = "Europe/Stockholm"
    workdays: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Monday is 1."""
    holidays: tuple[str, ...] = ()
    """``12-24`` each year, or ``2027-03-26``."""
    currency: str = "SEK"
    sheet_price: Decimal = Decimal(0)
    page_price: Decimal = Decimal(0)
    colour_price: Decimal = Decimal(0)
    """More for each page in colour."""
    handling_price: Decimal = Decimal(0)
    postage: Mapping[str, Postage]
    default_postage: str

    def weigh(self, sheets: int) -> int:
        """Grams of the letter, rounded up: A4 is a sixteenth of a square metre."""
        return self.envelope_grams + -(-sheets * self.paper_grams // 16)

    def price(self, *, pages: int, sheets: int, colour: bool, postage: str) -> Decimal | None:
        """What the letter costs, or None when it is too heavy for the class."""
        stamp = self.postage[postage].price(self.weigh(sheets))
        if stamp is None:
            return None
        printed = pages * (self.page_price + (self.colour_price if colour else 0))
        return stamp + self.handling_price + sheets * self.sheet_price + printed

    def works(self, day: date) -> bool:
        """Whether the bureau works that day."""
        free = f"{day:%m-%d}" in self.holidays or day.isoformat() in self.holidays
        return day.isoweekday() in self.workdays and not free

    def next_cut_off(self, now: datetime) -> datetime:
        """The first moment after ``now`` at which the bureau closes its day's work; ``now`` is aware."""
        zone = ZoneInfo(self.zone)
        day = now.astimezone(zone).date()
        for ahead in range(366):
            moment = datetime.combine(day + timedelta(days=ahead), self.cut_off, zone)
            if moment > now and self.works(moment.date()):
                return moment.astimezone(now.tzinfo)
        return now + timedelta(days=1)

    def layout(self, *, cover: bool = False) -> dict[str, object]:
        """The boxes as the page's template takes them."""
        return {
            "window": _plain(self.window),
            "address": _plain(self.address),
            "return_line": _plain(self.return_line),
            "margins": {name: getattr(self.margins, name) for name in ("left", "top", "right", "bottom")},
            "forbidden": [_plain(box) for box in self.forbidden],
            "cover": cover,
            "code": True,
        }


def _plain(box: Box) -> dict[str, float]:
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height}


def known() -> tuple[str, ...]:
    """Names of the profiles that come with the gateway."""
    folder = resources.files("gateway.fallback").joinpath("envelopes")
    return tuple(sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".json")))


@cache
def shipped(name: str) -> Envelope:
    """A profile that comes with the gateway. Raises ``KeyError``."""
    if name not in known():
        raise KeyError(name)
    folder = resources.files("gateway.fallback").joinpath("envelopes")
    return read_envelope(name, folder.joinpath(f"{name}.json").read_bytes())


def for_country(country: str) -> Envelope:
    """The first choice for letters that are posted in this country."""
    if country in shipped(DEFAULT).countries or not country:
        return shipped(DEFAULT)
    return next((one for one in map(shipped, known()) if country in one.countries), shipped(_ANYWHERE))


def load(wanted: str, country: str, base: Path) -> Envelope:
    """The profile of a configuration: a name, a file that ends in ``.json``, or empty for the country's.

    Raises ``ValueError`` with what is wrong, ``OSError``.
    """
    if not wanted:
        return for_country(country)
    if wanted.endswith(".json"):
        return read_envelope(Path(wanted).stem, (base / wanted).read_bytes())
    try:
        return shipped(wanted)
    except KeyError:
        raise ValueError(
            f'"{wanted}" is unknown; known are {", ".join(known())}, or a file that ends in .json'
        ) from None


def read_envelope(name: str, octets: bytes) -> Envelope:
    """Read a profile. Raises ``ValueError`` that names the key."""
    try:
        table = json.loads(octets, parse_float=float)
    except ValueError as error:
        raise ValueError(f"the envelope {name} is no JSON: {error}") from None
    if not isinstance(table, dict):
        raise ValueError(f"the envelope {name} is no JSON object")
    allowed = {one.name for one in fields(Envelope)} - {"name"}
    strange = sorted(set(table) - allowed)
    if strange:
        raise ValueError(f"the envelope {name} has the unknown key {strange[0]}")
    values: dict[str, Any] = {"name": name}
    for key, value in table.items():
        try:
            values[key] = _READERS.get(key, lambda same: same)(value)
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise ValueError(f"{key} of the envelope {name} cannot be read: {error}") from None
    try:
        made = Envelope(**values)
    except TypeError as error:
        raise ValueError(f"the envelope {name}: {str(error).partition(' ')[2]}") from None
    _check(made)
    return made


def _check(made: Envelope) -> None:
    sheet = Box(x=0, y=0, width=made.page[0], height=made.page[1])
    for key in ("window", "address", "return_line"):
        if not sheet.holds(getattr(made, key)):
            raise ValueError(f"{key} of the envelope {made.name} is not on the sheet")
    if not made.window.holds(made.address):
        raise ValueError(f"the address box of the envelope {made.name} is not inside its window")
    if made.default_postage not in made.postage:
        raise ValueError(f"default_postage of the envelope {made.name} is none of its postage classes")
    if not 1 <= made.most_sheets <= 500 or not 10_000 <= made.most_bytes <= 100_000_000:
        raise ValueError(f"the envelope {made.name} takes 1 to 500 sheets and 10 kB to 100 MB")
    if not any(1 <= day <= 7 for day in made.workdays):
        raise ValueError(f"the envelope {made.name} has no working day")
    try:
        ZoneInfo(made.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"the envelope {made.name} is in an unknown time zone {made.zone}") from None


def _box(value: Any) -> Box:
    sides = {side: float(value[side]) for side in ("x", "y", "width", "height")}
    if sides["width"] <= 0 or sides["height"] <= 0:
        raise ValueError("a box needs a width and a height above zero")
    return Box(**sides, name=str(value.get("name", "")))


def _postage(value: Any) -> Mapping[str, Postage]:
    return {
        str(name): Postage(
            days=int(row["days"]),
            prices=tuple(sorted((int(grams), Decimal(str(price))) for grams, price in row["prices"])),
        )
        for name, row in value.items()
    }


def _money(value: Any) -> Decimal:
    return Decimal(str(value))


_READERS: Final[dict[str, Any]] = {
    "countries": lambda value: tuple(map(str, value)),
    "page": lambda value: (float(value["width"]), float(value["height"])),
    "window": _box,
    "address": _box,
    "return_line": _box,
    "margins": lambda value: Margins(**{side: float(mm) for side, mm in value.items()}),
    "forbidden": lambda value: tuple(map(_box, value)),
    "most_sheets": int,
    "most_bytes": int,
    "cut_off": time.fromisoformat,
    "workdays": lambda value: tuple(map(int, value)),
    "holidays": lambda value: tuple(map(str, value)),
    "postage": _postage,
    **dict.fromkeys(("sheet_price", "page_price", "colour_price", "handling_price"), _money),
}
