"""What people see in a terminal: tables, colours, marks. Programs get JSON instead (``--json``)."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import IO, Any, Final

from gateway.model.text import show_hidden, show_on_screen

_CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


class Screen(io.TextIOWrapper):
    """Stdout or stderr on which strangers' text cannot move the cursor or turn a line round."""

    def write(self, text: str, /) -> int:
        super().write(show_on_screen(text))
        return len(text)


def guard_screen() -> None:
    """From now on nothing hidden reaches stdout and stderr, whichever command prints it."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:  # nobody has put another one there
            lines, through = stream.line_buffering, stream.write_through
            encoding, errors = stream.encoding, stream.errors
            screen = Screen(stream.detach(), encoding, errors, line_buffering=lines, write_through=through)
            setattr(sys, name, screen)


def paint(text: str, *styles: str, to: IO[str] | None = None) -> str:
    """Colour the text when it goes to a terminal, stdout unless said (and NO_COLOR is not set)."""
    to = to or sys.stdout
    if not text or os.environ.get("NO_COLOR") or not (to.isatty() or os.environ.get("FORCE_COLOR")):
        return text
    return f"\x1b[{';'.join(_CODES[s] for s in styles)}m{text}\x1b[0m"


def width(text: str) -> int:
    """Columns that the text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def columns() -> int:
    """Width of the terminal, between 60 and 160."""
    return max(60, min(shutil.get_terminal_size((120, 40)).columns, 160))


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    styles: Sequence[Sequence[str]] | None = None,
    right: frozenset[int] = frozenset(),
) -> str:
    """A table with wrapped cells that fits the terminal; ``styles`` names a colour for each cell."""
    widths = _fit([[*heads], *[[*row] for row in rows]], columns() - 3 * len(heads) - 1)
    lines = [_rule(widths, "╭┬╮"), _row(heads, widths, ["bold"] * len(heads), right), _rule(widths, "├┼┤")]
    for number, row in enumerate(rows):
        wrapped = [_wrap(cell, w) for cell, w in zip(row, widths, strict=True)]
        for line in range(max(map(len, wrapped))):
            cells = [cell[line] if line < len(cell) else "" for cell in wrapped]
            lines.append(_row(cells, widths, styles[number] if styles else [""] * len(cells), right))
        if number + 1 < len(rows):
            lines.append(_rule(widths, "├┼┤"))
    lines.append(_rule(widths, "╰┴╯"))
    return "\n".join(lines)


def _wrap(cell: str, room: int) -> list[str]:
    """The lines of a cell; its own line breaks stay."""
    return [line for part in cell.split("\n") for line in textwrap.wrap(part, room) or [""]]


def _fit(cells: Sequence[Sequence[str]], room: int) -> list[int]:
    """Give each column what it wants; the widest give way until all fit."""
    widths = [max(width(line) for row in cells for line in row[i].split("\n")) for i in range(len(cells[0]))]
    words = [max((width(w) for row in cells for w in row[i].split()), default=1) for i in range(len(cells[0]))]
    floors = [min(word, 24) for word in words]
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda i: widths[i] - floors[i])
        if widths[widest] <= floors[widest]:
            break
        widths[widest] -= 1
    return widths


def _rule(widths: Sequence[int], ends: str) -> str:
    return paint(ends[0] + ends[1].join("─" * (w + 2) for w in widths) + ends[2], "dim")


def _row(cells: Sequence[str], widths: Sequence[int], styles: Sequence[str], right: frozenset[int]) -> str:
    bar = paint("│", "dim")
    out = []
    for i, (cell, w, style) in enumerate(zip(cells, widths, styles, strict=True)):
        space = " " * (w - width(cell))
        shown = paint(cell, style) if style else cell
        out.append(f" {space}{shown} " if i in right else f" {shown}{space} ")
    return bar + bar.join(out) + bar


def as_json(value: Any) -> None:
    """One JSON document on stdout."""
    text = json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=str)
    print(show_hidden(text), flush=True)


def say(text: str) -> None:
    """A line for people while a program reads stdout, or about a problem."""
    print(text, file=sys.stderr, flush=True)
