"""Puts the tests' own packs within reach, and one worker for all of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gateway.judging.workers import Limits, Workers


@pytest.fixture
def without_saxon(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """A worker that finds no Saxon, as on a machine for which there is none."""
    absent = tmp_path_factory.mktemp("absent")
    (absent / "saxonche.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(absent))
    with Workers() as made:
        yield made


@pytest.fixture(scope="session")
def saxon() -> Iterator[Workers]:
    """One worker with Saxon for all tests."""
    pytest.importorskip("saxonche", reason="needs the extra rules")
    with Workers(limits=Limits(seconds=20)) as made:
        yield made


@pytest.fixture
def workers(saxon: Workers) -> Workers:
    return saxon
