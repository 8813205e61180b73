"""Each target for a moment: seeds, mutations of seeds, and whatever hypothesis thinks of."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import engine
from tests.fuzz.engine import TARGETS, attempt, load, mutate


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_but_our_errors_comes_out(target: str) -> None:
    module = load(target)
    pool = module.seeds()
    assert pool
    for seed in pool:
        assert attempt(module.fuzz, seed)[0] == ""

    @settings(
        max_examples=400, deadline=timedelta(seconds=2), suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(st.one_of(st.binary(max_size=400), st.integers(0, 2**64 - 1)))
    def run(data: bytes | int) -> None:
        chance = random.Random(data)
        module.fuzz(data if isinstance(data, bytes) else mutate(chance.choice(pool), pool, chance))

    run()


@pytest.mark.parametrize("target", TARGETS)
def test_a_seed_reaches_the_end_of_its_target(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target whose seeds are all refused at the door would prove nothing."""
    module = load(target)
    monkeypatch.setattr(module, "OURS", ZeroDivisionError)
    assert any(attempt(module.fuzz, seed)[0] == "" for seed in module.seeds())


def test_what_breaks_is_saved_once_and_can_be_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fuzz(data: bytes) -> None:
        if data[:1] == b"!":
            raise ValueError("broken")

    broken = ModuleType("broken")
    broken.fuzz, broken.seeds = fuzz, lambda: [b"!", b"!!", b"fine"]  # type: ignore[attr-defined]
    monkeypatch.setattr(engine, "load", lambda target: broken)
    monkeypatch.setattr(engine, "FOUND", tmp_path)
    report = engine.run("mime", 0.05, 1)
    assert len(report.found) == len(report.kinds) == 1
    assert report.found[0].read_bytes() == b"!"
    assert report.runs > 3


def test_one_command_replays(tmp_path: Path) -> None:
    (tmp_path / "gzip-x").write_bytes(b"\x1f\x8b")
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.fuzz", "--replay", str(tmp_path / "gzip-x")]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout) == (0, "nothing breaks\n"), run.stderr
