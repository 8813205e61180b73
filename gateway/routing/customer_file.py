"""A register of customers or suppliers as CSV: read with a check report, written so that no spreadsheet runs it.

Every line is judged by itself: what is wrong, where, how to mend it. Encodings are told apart (UTF-8 with or without
BOM, UTF-16 with BOM, else Windows-1252 or Latin-1), as are semicolon, comma and tab. Sizes and counts are bounded.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import InvalidDocument
from gateway.model.cells import as_meant, harmless
from gateway.model.counterpart import Counterpart, Origin, Role
from gateway.routing.fields import NAMES, Draft, Problem, read_fields

LIMIT: Final = 10_000_000
"""Octets of one file."""
MAX_LINES: Final = 50_000
MAX_COLUMNS: Final = 60
_COLUMNS: Final = (
    "number",
    "name",
    "other_names",
    "country",
    "kind",
    "org_number",
    "vat_number",
    "gln",
    "participant",
    "email",
    "street",
    "additional",
    "extra_line",
    "attention",
    "postal_code",
    "city",
    "language",
    "route",
    "preferred",
    "opt_out",
    "acceptance",
    "mandate",
    "note",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the file."""

    line: int
    """As an editor counts, the heading is 1."""
    draft: Draft | None
    """None where the line cannot be taken."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The file as it was understood."""

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    """Headings that mean nothing here: their columns are left out."""
    lines: tuple[Line, ...] = field(default=())


def read_file(octets: bytes, role: Role) -> Register:
    """Read and check every line. Raises ``InvalidDocument`` where the file as a whole cannot be read."""
    if len(octets) > LIMIT:
        raise InvalidDocument(f"The file has more than {LIMIT // 1_000_000} MB", remedy="Split it into several files.")
    text, encoding = _decoded(octets)
    delimiter = _delimiter(text)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    try:
        heading = next(rows, [])
        columns, unknown = _columns(heading)
        lines = tuple(_checked(rows, columns, role))
    except csv.Error as error:
        text = f"The file is no CSV from line {rows.line_num} on: {error}"
        raise InvalidDocument(text, remedy="Save it as CSV once more; quotes around a text must be closed.") from error
    return Register(encoding=encoding, delimiter=delimiter, columns=columns, unknown=unknown, lines=lines)


def write_file(rows: Sequence[Counterpart]) -> bytes:
    """The register as CSV in UTF-8 with BOM and semicolons, as Swedish spreadsheets open it.

    A text that a spreadsheet would run as a formula gets an apostrophe before it; :func:`read_file` takes it off again.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for one in rows:
        own = [number for number in one.identifiers if number.origin is Origin.MASTER_DATA]
        numbers = {number.scheme: number.value for number in reversed(own)}
        addresses = [address.key for address in one.addresses if any(address.key == number.key for number in own)]
        values = {
            "number": one.number,
            "name": one.name,
            "other_names": "|".join(one.names),
            "country": one.country,
            "kind": str(one.kind),
            "org_number": numbers.get("0007", ""),
            "gln": numbers.get("0088", ""),
            "participant": addresses[0] if addresses else "",
            "email": one.email,
            "street": one.address.street,
            "additional": one.address.additional,
            "extra_line": one.address.extra_line,
            "attention": one.address.attention,
            "postal_code": one.address.postal_code,
            "city": one.address.city,
            "language": one.language,
            "route": str(one.route),
            "preferred": one.preferred,
            "opt_out": "|".join(one.opt_out),
            "acceptance": str(one.acceptance),
            "mandate": one.mandate,
            "note": one.note,
        }
        writer.writerow([harmless(values.get(column, "")) for column in _COLUMNS])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _decoded(octets: bytes) -> tuple[str, str]:
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        tries = ["utf-16"]
    elif octets.startswith(b"\xef\xbb\xbf"):
        tries = ["utf-8-sig"]
    else:
        tries = ["utf-8", "cp1252", "latin-1"]
    for encoding in tries:
        try:
            text = octets.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text, encoding
    raise InvalidDocument("The file is no text", remedy="Save the sheet as CSV (UTF-8), not as a workbook.")


def _delimiter(text: str) -> str:
    heading = text.split("\n", 1)[0]
    return max(";,\t", key=heading.count)


def _columns(heading: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if len(heading) > MAX_COLUMNS:
        raise InvalidDocument(f"The heading has more than {MAX_COLUMNS} columns")
    columns = tuple(NAMES.get(_plain(word), "") for word in heading)
    known = [column for column in columns if column]
    twice = {column for column in known if known.count(column) > 1}
    if "name" not in known or twice:
        what = f"{', '.join(sorted(twice))} stands twice" if twice else "no column is called name (or namn)"
        raise InvalidDocument(
            f"The heading cannot be used: {what}",
            remedy="The first line names the columns, for example: number;name;org_number;email;country",
        )
    return columns, tuple(word[:60] for word, column in zip(heading, columns, strict=True) if not column)


def _plain(word: str) -> str:
    return "".join(c for c in word.casefold() if c.isalnum())


def _checked(rows: Iterator[list[str]], columns: Sequence[str], role: Role) -> Iterator[Line]:
    numbers: dict[str, int] = {}
    keys: dict[str, int] = {}
    place = 1
    for row in rows:
        place += 1
        if place > MAX_LINES + 1:
            raise InvalidDocument(f"The file has more than {MAX_LINES:,} lines", remedy="Split it into several files.")
        if not any(cell.strip() for cell in row):
            continue
        fields = {name: _cell(cell) for name, cell in zip(columns, row, strict=False) if name}
        draft, problems = read_fields(fields, role)
        if len(row) > len(columns) and any(cell.strip() for cell in row[len(columns) :]):
            problems.append(
                Problem(
                    column="",
                    sv="Raden har fler kolumner än rubriken: är ett fält utan citattecken?",
                    en="The line has more columns than the heading: is a field without its quotes?",
                )
            )
        problems += _twice(draft, place, numbers, keys)
        fatal = any(one.fatal for one in problems)
        yield Line(line=place, draft=None if fatal else draft, problems=tuple(problems))


def _twice(draft: Draft, place: int, numbers: dict[str, int], keys: dict[str, int]) -> list[Problem]:
    """The same number of the account's own is wrong, the same registered number is only odd."""
    problems: list[Problem] = []
    number = str(draft.values.get("number", ""))
    first = numbers.setdefault(number, place) if number else place
    if first != place:
        problems.append(
            Problem(
                column="number",
                sv=f"Numret står redan på rad {first}: behåll en av raderna",
                en=f"The number stands on line {first} already: keep one of the lines",
                value=number,
            )
        )
    for one in draft.identifiers:
        first = keys.setdefault(one.key, place)
        if first != place:
            problems.append(
                Problem(
                    column=one.scheme,
                    sv=f"{one.key} står även på rad {first}: är det samma kund?",
                    en=f"{one.key} stands on line {first} too: is it the same customer?",
                    value=one.value,
                    fatal=False,
                )
            )
            break
    return problems


def _cell(text: str) -> str:
    """A cell without blanks around it, and without the apostrophe that made it harmless."""
    return as_meant(text.strip())


def report(of: Register) -> Mapping[str, object]:
    """The check report without the rows: what was understood, and how many lines are good."""
    good = sum(one.draft is not None for one in of.lines)
    return {
        "encoding": of.encoding,
        "delimiter": of.delimiter,
        "columns": [column for column in of.columns if column],
        "unknown_columns": list(of.unknown),
        "lines": len(of.lines),
        "good": good,
        "wrong": len(of.lines) - good,
    }
