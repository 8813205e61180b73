"""docs/lookup.md: every row of the catalogue of network faults names tests and situations that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.smp.situations import SITUATIONS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "lookup.md").read_text()
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| (G\d\d) \|.*$", TEXT, re.M)}
WANTED = [1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, *range(15, 26)]


def test_every_row_is_there() -> None:
    assert list(ROWS) == [f"G{number:02}" for number in WANTED]


@pytest.mark.parametrize("name", ROWS)
def test_a_row_names_tests_that_are_there(name: str) -> None:
    named = re.findall(r"`(tests/\S+?\.py)::(\w+)`", ROWS[name])
    for path, test in named:
        assert re.search(rf"^ *(?:async )?def {test}\b", (ROOT / path).read_text(), re.M), f"{path} has no {test}"
    assert named or _ranges(ROWS[name])


@pytest.mark.parametrize("line", [line for line in TEXT.splitlines() if line.startswith("|")])
def test_numbers_of_situations_are_of_the_kind_that_is_named(line: str) -> None:
    for group, first, last in _ranges(line):
        found = SITUATIONS[int(first) - 1 : int(last or first)]
        assert found and {situation.group for situation in found} == {group}, line


def _ranges(line: str) -> list[tuple[str, str, str]]:
    return re.findall(r"\b(DNS|NAPTR|signature|endpoint|revocation|SMP) (\d+)(?:–(\d+))?", line)
