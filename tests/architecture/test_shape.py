"""The repository checks its own shape: sizes, mirror tests, words, and nothing of a machine in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(p for p in (ROOT / "gateway").rglob("*.py"))


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    files = [p for folder in ("gateway", "tests", "benchmarks", "conformance") for p in (ROOT / folder).rglob("*.py")]
    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text().splitlines())) > 500}
    assert long == {}


def test_every_source_says_what_it_is() -> None:
    silent = [str(p.relative_to(ROOT)) for p in SOURCES if not p.read_text().startswith('"""')]
    assert silent == []


def test_no_source_is_named_after_nothing() -> None:
    empty_words = re.compile(r"manager|helper|util|common|misc|impl", re.IGNORECASE)
    assert [str(p) for p in SOURCES if empty_words.search(p.stem)] == []


def test_the_version_is_printed_without_loading_anything_heavy() -> None:
    code = "import sys; from gateway.cli import main; main(['--version']); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("aiohttp", "lxml", "sqlalchemy", "cryptography", "asyncio", "argparse"):
        assert f"'{heavy}'" not in out


@pytest.mark.parametrize("command", [["--help"], ["send", "--help"]])
def test_help_needs_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys\nfrom gateway.cli import main\n"
        f"try: main({command!r})\nexcept SystemExit: print(sorted(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("aiohttp", "lxml", "sqlalchemy", "cryptography"):
        assert f"'{heavy}'" not in out


def test_no_path_of_a_machine_is_committed() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    places = re.compile(r"/(?:root|work|farm|home/[a-z])/")
    own = Path(__file__).relative_to(ROOT).as_posix()
    there = [f for f in files if f != own and (ROOT / f).exists()]
    found = [f for f in there if places.search((ROOT / f).read_bytes().decode(errors="replace"))]
    assert found == []
