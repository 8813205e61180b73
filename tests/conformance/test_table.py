"""What the table of a run counts and which exit code it gives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.interop.table import Row, Table, in_short, shares

GOOD = Row(
    peer="phase4",
    version="4.4.1",
    direction="to us",
    case="invoice",
    expected="accepted",
    sent=20,
    accepted=20,
    refused=0,
)
REFUSED = replace(GOOD, case="unsigned", expected="refused", sent=1, accepted=0, refused=1, why="EBMS:0103 unsigned")


def test_all_as_expected_is_exit_code_0() -> None:
    assert Table(about={}, rows=[GOOD, REFUSED]).exit_code == 0


def test_one_wrong_message_is_exit_code_1_even_when_a_peer_is_missing() -> None:
    row = replace(GOOD, accepted=19, refused=1, wrong=("refused: EBMS:0101",))
    table = Table(about={}, rows=[row], missing={"oxalis": "there is no Java here"})
    assert table.exit_code == 1
    assert "WRONG: phase4 to us, invoice: refused: EBMS:0101" in table.text()


def test_a_missing_peer_is_exit_code_3_and_stands_in_the_table() -> None:
    table = Table(about={}, rows=[GOOD], missing={"oxalis": "there is no Java here"})
    assert table.exit_code == 3
    assert "not here: oxalis: there is no Java here" in table.text()


def test_sums_keep_what_must_be_accepted_apart_from_what_must_be_refused() -> None:
    sums = Table(about={}, rows=[GOOD, replace(GOOD, case="credit note", sent=5, accepted=5), REFUSED]).sums()
    assert [(s["expected"], s["sent"], s["accepted"], s["refused"], s["wrong"]) for s in sums] == [
        ("accepted", 25, 25, 0, 0),
        ("refused", 1, 0, 1, 0),
    ]


def test_both_forms_are_written(tmp_path: Path) -> None:
    Table(about={"gateway": "1"}, rows=[GOOD, REFUSED]).write(tmp_path / "new")
    assert "EBMS:0103 unsigned" in (tmp_path / "new" / "interop.txt").read_text()
    values = json.loads((tmp_path / "new" / "interop.json").read_text())
    assert [row["case"] for row in values["rows"]] == ["invoice", "unsigned"]


@pytest.mark.parametrize("total", [15, 20, 100, 1000])
def test_shares_sum_to_the_total_and_none_is_left_out(total: int) -> None:
    parts = shares([30, 20, 1, 10, 5, 5, 5, 7, 7, 3, 3, 2, 5, 1, 1], total)
    assert sum(parts) == total and min(parts) >= 1


def test_too_small_a_total_is_one_of_each() -> None:
    assert shares([30, 1, 1], 2) == [1, 1, 1]


def test_texts_for_a_cell_are_told_once_each() -> None:
    assert in_short(["a", "a", "", "b", "c", "d", "e"]) == "a | b | c | and 2 more"
