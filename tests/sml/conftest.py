"""An SML of our own, and a client of one SMP in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.network.sml import Sml, serve_sml
from gateway.sml.client import SmlClient, open_sml


@pytest.fixture
async def sml(tmp_path: Path) -> AsyncIterator[tuple[Sml, str]]:
    register = Sml(tmp_path / "zone.json", tmp_path / "sml.json")
    async with serve_sml(register) as url:
        yield register, url


@pytest.fixture
async def ours(sml: tuple[Sml, str]) -> AsyncIterator[SmlClient]:
    async with open_sml(sml[1], smp_id="PSP000201", smp_url="https://smp.example.org") as client:
        yield client


@pytest.fixture
async def theirs(sml: tuple[Sml, str]) -> AsyncIterator[SmlClient]:
    async with open_sml(sml[1], smp_id="PSP000202", smp_url="https://other.example.org") as client:
        yield client
