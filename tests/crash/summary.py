"""The summary of a campaign that is run in pieces: one line of JSON a piece, and the sum of all of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.campaign import Campaign
from tests.crash.judge import Verdict
from tests.crash.survivor import Survivor

BROKEN = ("lost", "twice", "mixed", "stuck")
FOR_PEOPLE = "for_people"


@dataclass(slots=True)
class Piece:
    """What came of one piece; ``first`` and ``done`` say which kills or cuts it had."""

    what: str
    """``kills`` or ``cuts``, and the database where it is not SQLite."""
    seed: int
    first: int
    done: int
    seconds: float = 0.0
    starting: int = 0
    slowest_start: float = 0.0
    promises: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    found: dict[str, list[str]] = field(default_factory=dict)
    """What the judge found, by kind."""
    error: str = ""
    """Why it broke off."""

    def take(self, campaign: Campaign) -> Survivor | None:
        """What came of a campaign that ran to its end; gives who lived through it."""
        self.starting, self.slowest_start = campaign.killed_while_starting, campaign.slowest_start
        self.promises, self.counts = campaign.promises, campaign.verdict.counts
        self.found = found(campaign.verdict)
        return campaign.survivor

    @property
    def good(self) -> bool:
        return not self.error and not any(self.found.get(kind) for kind in BROKEN)


def found(verdict: Verdict) -> dict[str, list[str]]:
    """What the judge found, as a piece keeps it."""
    return {kind: list(getattr(verdict, kind)) for kind in (*BROKEN, FOR_PEOPLE)}


def append(path: Path, piece: Piece) -> None:
    """Add a piece to the summary's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(asdict(piece)) + "\n")


def read(path: Path, what: str, seed: int) -> list[Piece]:
    """The pieces of one campaign that are there already."""
    if not path.exists():
        return []
    pieces = [Piece(**json.loads(line)) for line in path.read_text().splitlines() if line.strip()]
    return [piece for piece in pieces if (piece.what, piece.seed) == (what, seed)]


def following(pieces: list[Piece]) -> int:
    """The number of the first kill or cut that no piece has had."""
    return max((piece.first + piece.done for piece in pieces), default=1)


def table(pieces: list[Piece]) -> list[str]:
    """The sum of all pieces, as lines to print."""
    rows: dict[str, Any] = {pieces[0].what if pieces else "kills": sum(p.done for p in pieces), "pieces": len(pieces)}
    rows["of these while starting"] = sum(p.starting for p in pieces)
    rows["slowest start, seconds"] = f"{max((p.slowest_start for p in pieces), default=0.0):.2f}"
    rows["promises (receipts and 202s)"] = sum(p.promises for p in pieces)
    for name in dict.fromkeys(name for p in pieces for name in p.counts):
        rows[name] = sum(p.counts.get(name, 0) for p in pieces)
    for kind in BROKEN:
        rows[kind.upper()] = sum(len(p.found.get(kind, ())) for p in pieces)
    rows["for a person to look at"] = sum(len(p.found.get(FOR_PEOPLE, ())) for p in pieces)
    rows["broken off"] = sum(bool(p.error) for p in pieces)
    lines = [
        f"{name:36}{value:>12,}" if isinstance(value, int) else f"{name:36}{value!s:>12}"
        for name, value in rows.items()
    ]
    texts = [text for p in pieces for kind in (*BROKEN, FOR_PEOPLE) for text in p.found.get(kind, ())]
    texts += [f"{p.what} {p.first}–{p.first + p.done - 1}: {p.error}" for p in pieces if p.error]
    return [*lines, *(f"  {text}" for text in texts[:40])]
