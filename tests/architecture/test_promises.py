"""docs/promises.md: every promise names tests that are there, or says that it is not given yet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "promises.md").read_text()
PROMISES = {
    match[1]: match[0] for match in re.finditer(r"^\*\*([IOST]\d+)\..*?(?=^\*\*[IOST]\d+\.|^## |\Z)", TEXT, re.S | re.M)
}
NOT_YET: set[str] = set()


def test_all_promises_are_there() -> None:
    wanted = [f"I{n}" for n in range(1, 11)] + [f"O{n}" for n in range(1, 12)] + ["S1", "S2", "S3", "T1"]
    assert list(PROMISES) == wanted


@pytest.mark.parametrize("name", PROMISES)
def test_a_promise_has_tests_or_says_that_it_is_not_given_yet(name: str) -> None:
    named = re.findall(r"`(tests/\S+?\.py)::(\w+)`", PROMISES[name])
    assert ("*Not yet:" in PROMISES[name]) == (name in NOT_YET) == (not named)
    for path, test in named:
        assert re.search(rf"^ *(?:async )?def {test}\b", (ROOT / path).read_text(), re.M), f"{path} has no {test}"


FAULTS = (ROOT / "docs" / "faults.md").read_text()
ROWS = re.findall(r"^\| ([ABOQ]\d\d) \|.*$", FAULTS, re.M)


def test_every_known_fault_is_there_once() -> None:
    known = {
        "A": (1, 3, 5, 6, *range(8, 20), 21, 22, 24, 25, 26, 28, 29, 31, 32, 33),
        "B": (1, 3, 4, 5, *range(7, 12), *range(13, 20), *range(21, 26)),
        "O": (1, 2, 3, *range(5, 10), *range(11, 20), *range(21, 26)),
        "Q": (1, 2, 3, 5, 6, 8, 9),
    }
    assert [f"{letter}{number:02}" for letter, numbers in known.items() for number in numbers] == ROWS


def test_a_fault_names_tests_that_are_there_or_says_what_is_missing() -> None:
    for line in FAULTS.splitlines():
        if not line.startswith("| ") or line.startswith(("| |", "| What")):
            continue
        named = re.findall(r"`(tests/\S+?\.py)::(\w+)`", line)
        assert named or "*Not yet:*" in line, line
        for path, test in named:
            assert re.search(rf"^ *(?:async )?def {test}\b", (ROOT / path).read_text(), re.M), f"{path} has no {test}"
