"""Puts the tests' own packs within reach, and one worker for all of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gateway.judging.workers import Limits, Workers


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    pytest.importorskip("saxonche", reason="needs the extra rules")
    with Workers(limits=Limits(seconds=20)) as made:
        yield made
