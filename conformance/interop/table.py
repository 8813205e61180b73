"""What was counted: rows of cases, sums by peer and direction, as text and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

TO_US: Final = "to us"
FROM_US: Final = "from us"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case with one peer in one direction."""

    peer: str
    version: str
    direction: str
    case: str
    expected: Literal["accepted", "refused"]
    sent: int
    accepted: int
    refused: int
    wrong: tuple[str, ...] = ()
    """Each message that did not end as expected, in words."""
    why: str = ""
    """The texts of the refusals."""


@dataclass(slots=True)
class Table:
    """The result of a run."""

    about: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """Peers that are not here, with the reason."""

    @property
    def wrong(self) -> int:
        return sum(len(row.wrong) for row in self.rows)

    @property
    def exit_code(self) -> int:
        """0 all as expected, 1 something wrongly refused or accepted, 3 a peer was missing."""
        return 1 if self.wrong else 3 if self.missing else 0

    def sums(self) -> list[dict[str, Any]]:
        """By peer and direction, faults apart: what had to be accepted and what had to be refused."""
        found: dict[tuple[str, ...], dict[str, Any]] = {}
        for row in self.rows:
            key = (row.peer, row.version, row.direction, row.expected)
            total = found.setdefault(
                key,
                {**dict(zip(("peer", "version", "direction", "expected"), key, strict=True))}
                | {"sent": 0, "accepted": 0, "refused": 0, "wrong": 0},
            )
            for name in ("sent", "accepted", "refused"):
                total[name] += getattr(row, name)
            total["wrong"] += len(row.wrong)
        return list(found.values())

    def text(self) -> str:
        """All of it for people."""
        head = [f"{name}: {value}" for name, value in self.about.items()]
        sums = [[s["peer"], s["version"], s["direction"], s["expected"], *_counts(s)] for s in self.sums()]
        cases = [
            [row.peer, row.version, row.direction, row.case, row.expected, *_counts(_with_count(row)), row.why]
            for row in self.rows
        ]
        parts = [
            "\n".join(head),
            _columns(["peer", "version", "direction", "to be", "sent", "accepted", "refused", "wrong"], sums),
            _columns(
                ["peer", "version", "direction", "case", "to be", "sent", "accepted", "refused", "wrong", "why"], cases
            ),
        ]
        parts += [f"not here: {peer}: {reason}" for peer, reason in self.missing.items()]
        parts += [f"WRONG: {row.peer} {row.direction}, {row.case}: {text}" for row in self.rows for text in row.wrong]
        parts.append(f"{self.wrong} wrongly refused, accepted or altered")
        return "\n\n".join(parts) + "\n"

    def write(self, directory: Path) -> None:
        """``interop.txt`` and ``interop.json``."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "interop.txt").write_text(self.text())
        values = {
            "about": self.about,
            "sums": self.sums(),
            "rows": [asdict(row) for row in self.rows],
            "missing": self.missing,
        }
        (directory / "interop.json").write_text(json.dumps(values, indent=1) + "\n")


class Progress:
    """One line on a terminal that tells how far a case is; elsewhere one line when it is done."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    def show(self, what: str, done: int, of: int) -> None:
        if self._live:
            print(f"\r\x1b[K{what}: {done} of {of}", end="", file=sys.stderr, flush=True)

    def done(self, row: Row) -> None:
        start = "\r\x1b[K" if self._live else ""
        mark = f"{len(row.wrong)} WRONG" if row.wrong else "as expected"
        print(
            f"{start}{row.peer} {row.direction}, {row.case}: {row.accepted} accepted, {row.refused} refused, {mark}",
            file=sys.stderr,
            flush=True,
        )


def shares(weights: Sequence[int], total: int) -> list[int]:
    """Split a total by weights, at least one each; the parts sum to the total, or to one each when it is too small."""
    if total <= len(weights):
        return [1] * len(weights)
    whole = sum(weights)
    parts = [max(1, weight * total // whole) for weight in weights]
    parts[parts.index(max(parts))] += total - sum(parts)
    return parts


def in_short(texts: Iterable[str], most: int = 3) -> str:
    """The different texts, the first few of them, for a cell."""
    different = list(dict.fromkeys(" ".join(text.split())[:160] for text in texts if text))
    return " | ".join(different[:most]) + (f" | and {len(different) - most} more" if len(different) > most else "")


def _with_count(row: Row) -> dict[str, int]:
    return {"sent": row.sent, "accepted": row.accepted, "refused": row.refused, "wrong": len(row.wrong)}


def _counts(values: dict[str, Any]) -> list[str]:
    return [str(values[name]) for name in ("sent", "accepted", "refused", "wrong")]


def _columns(head: list[str], lines: list[list[str]]) -> str:
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    widths[-1] = 0

    def write(line: list[str]) -> str:
        cells = [c.rjust(w) if c.isdigit() else c.ljust(w) for c, w in zip(line, widths, strict=True)]
        return "  ".join(cells).rstrip()

    return "\n".join([write(head), "  ".join("-" * max(w, 3) for w in widths), *map(write, lines)])
