"""A store with two accounts, on a real SQLite file and on a real PostgreSQL.

Puts ``store_parts.py`` within reach, however pytest is started.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store import SqlStore

sys.path.insert(0, str(Path(__file__).resolve().parent))

from store_parts import EXEMPEL, NORDISK, StillClock, database_in, opened, place_database


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new database; what `store_parts.opened` finds in the folder."""
    if request.param == "postgresql":
        place_database(tmp_path, request.getfixturevalue("postgres").new_database())
    return database_in(tmp_path)


@pytest.fixture
async def store(tmp_path: Path, clock: StillClock, database: str) -> AsyncIterator[SqlStore]:
    async with opened(tmp_path, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash-1")
        await store.add_account(NORDISK, "Nordisk Kontorsmaterial AB", "hash-2")
        yield store
