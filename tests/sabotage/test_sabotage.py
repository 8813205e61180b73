"""The patches still apply, and the quickest of them turn the suite red; ``make sabotage`` runs them all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.sabotage.patches import SabotageError, copied_tree, judge, patches, problem

ALL = {patch.name: patch for patch in patches()}
QUICK = ("database-does-not-sync", "digests-of-a-receipt-are-not-compared", "durable-folder-is-not-synced")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git applies the patches")


def test_there_are_enough_of_them() -> None:
    assert len(ALL) >= 30


@pytest.mark.parametrize("name", sorted(ALL))
def test_each_still_applies_and_names_tests_that_are_there(name: str) -> None:
    assert not problem(ALL[name])
    root = Path(__file__).parents[2]
    assert all((root / part.partition("::")[0]).exists() for part in ALL[name].suite)


def test_the_suite_turns_red() -> None:
    with copied_tree() as tree:
        for name in QUICK:
            assert judge(ALL[name], tree).caught_by.startswith("tests/"), name


def test_a_patch_that_breaks_nothing_is_told_and_one_that_does_not_apply_is_an_error(tmp_path: Path) -> None:
    harmless = ALL[QUICK[0]].path.read_text().replace("=NORMAL", "=EXTRA")
    (tmp_path / "harmless.patch").write_text(harmless.replace("=EXTRA", "=FULL "))
    stale = tmp_path / "stale.patch"
    stale.write_text(harmless.replace("PRAGMA", "PRAGMATIC"))
    with copied_tree() as tree:
        patch = ALL[QUICK[0]]
        assert not judge(type(patch)(tmp_path / "harmless.patch", patch.what, patch.suite), tree).caught_by
        with pytest.raises(SabotageError, match="no longer applies"):
            judge(type(patch)(stale, patch.what, patch.suite), tree)
