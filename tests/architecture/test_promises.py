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
