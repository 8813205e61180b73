"""The table of bad input names every row, and for each what shows it; what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "conformance/bad-input.md"
CATALOGUE = ROOT.parent / "shared/knowledge/reliability.md"
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| ([MW]\d\d) \|.*$", TABLE.read_text("utf-8"), re.MULTILINE)}
LINK = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")


@pytest.mark.parametrize("id", ROWS)
def test_what_a_row_names_is_there(id: str) -> None:
    named = LINK.findall(ROWS[id])
    assert named or "**Not yet" in ROWS[id], "a row without a test says what is missing"
    assert ROWS[id].count("](") == len(named), "every link is one to a test"
    for name, file in named:
        assert re.search(rf"^\s*(async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), (file, name)


@pytest.mark.skipif(not CATALOGUE.exists(), reason="the catalogue (../shared/knowledge) is absent")
def test_every_row_of_the_catalogue_is_in_the_table() -> None:
    known = re.findall(r"^\| ([MW]\d\d) \|", CATALOGUE.read_text("utf-8"), re.MULTILINE)
    assert len(known) > 30 and sorted(known) == sorted(ROWS)
