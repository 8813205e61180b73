"""The picture of the lifecycle in ARCHITECTURE.md is the table of the code."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.model.lifecycle import TRANSITIONS

ROOT = Path(__file__).resolve().parents[2]


def test_the_picture_shows_every_step_and_no_other() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    drawn: dict[str, set[tuple[str, str, str]]] = {"out": set(), "in": set()}
    direction = ""
    picture = next(block for block in text.split("```") if block.startswith("\noutbound\n"))
    for line in picture.splitlines():
        direction = {"outbound": "out", "inbound": "in"}.get(line, direction)
        if match := re.fullmatch(r"\s+(\w+)\s+--(\w+)-->\s+(\w+)", line):
            drawn[direction].add((match[1], match[2], match[3]))
    for name, table in TRANSITIONS.items():
        steps = {
            (str(state), event, str(after))
            for state, events in table.items()
            for event, after in events.items()
            if after != "same"
        }
        assert drawn[name] == steps
