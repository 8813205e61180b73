"""Reads the patches, applies each to a copy of the tree, and lets its part of the suite judge.

A patch file says in its first line what it breaks, and after ``Suite:`` which part of the suite has to notice. To renew
one that no longer applies, make the change by hand and put ``git diff gateway`` below those two lines.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "var", "demo-network", "found", "corpus")
_SECONDS = 900
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_DOES_NOT_RUN = re.compile(
    r"^E +(NameError|ImportError|SyntaxError|IndentationError|ModuleNotFoundError)\b", re.MULTILINE
)


class SabotageError(Exception):
    """A patch is of no use; the text says why."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One sabotage."""

    path: Path
    what: str
    suite: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Found:
    """What the suite said; ``caught_by`` is empty where it stayed green."""

    patch: Patch
    caught_by: str
    seconds: float


def patches() -> list[Patch]:
    """All of them; raises :class:`SabotageError` for a file that does not say what it is."""
    found = []
    for path in sorted(Path(__file__).parent.glob("*.patch")):
        what, suite, *_ = path.read_text().splitlines()
        if not what or not suite.startswith("Suite: "):
            raise SabotageError(f"{path.name} does not begin with what it breaks and its Suite")
        found.append(Patch(path, what, tuple(suite.removeprefix("Suite: ").split())))
    return found


def problem(patch: Patch, tree: Path = ROOT) -> str:
    """Why the patch cannot be applied to the tree; empty where it can."""
    tried = _apply(patch, tree, "--check")
    return "" if tried.returncode == 0 else f"{patch.name} no longer applies: {tried.stderr.strip()}"


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of the tree that may be broken."""
    with TemporaryDirectory() as directory:
        tree = Path(directory) / "tree"
        shutil.copytree(ROOT, tree, ignore=_LEFT_OUT)
        yield tree


def judge(patch: Patch, tree: Path) -> Found:
    """Apply, run its part of the suite up to the first red test, take the patch back.

    Raises :class:`SabotageError` when the patch does not apply, or breaks the program so that it does not even run:
    then no promise was tested.
    """
    if text := problem(patch, tree):
        raise SabotageError(text)
    _apply(patch, tree)
    try:
        began = time.monotonic()
        code, output = run(patch.suite, tree)
        seconds = time.monotonic() - began
    finally:
        _apply(patch, tree, "--reverse")
    if code not in (0, 1) or _DOES_NOT_RUN.search(output):
        raise SabotageError(f"{patch.name}: the suite cannot be run with it:\n{output[-2000:]}")
    failed = _FAILED.search(output)
    return Found(patch, failed[1] if code and failed else "", seconds)


def run(suite: tuple[str, ...], tree: Path) -> tuple[int, str]:
    """Run a part of the suite in that tree; gives pytest's exit code and output."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", "-rfE", *suite]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "300"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=_SECONDS)
    return done.returncode, done.stdout + done.stderr


def _apply(patch: Patch, tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    # Outside a repository, as the copy is, git apply needs no index; the ceiling keeps it from finding one above.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    command = ["git", "apply", "-C1", *options, str(patch.path)]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode and "--check" not in options:
        raise SabotageError(f"{patch.name}: {done.stderr.strip()}")
    return done
