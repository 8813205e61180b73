"""A store on a real SQLite file with two accounts; puts ``store_parts.py`` within reach, however pytest is started."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store import SqlStore

sys.path.insert(0, str(Path(__file__).resolve().parent))

from store_parts import EXEMPEL, NORDISK, StillClock, opened


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
async def store(tmp_path: Path, clock: StillClock) -> AsyncIterator[SqlStore]:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash-1")
        await store.add_account(NORDISK, "Nordisk Kontorsmaterial AB", "hash-2")
        yield store
