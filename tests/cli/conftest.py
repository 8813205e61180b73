"""One market of real processes for all command tests: `gateway network new` and `gateway network up`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True)
class Place:
    """A running market with two gateways."""

    directory: Path

    def config(self, number: int) -> list[str]:
        return ["--config", str(self.directory / f"gateway{number}" / "config.toml")]


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process and give what it printed."""

    def _run(*words: str) -> Ran:
        capsys.readouterr()
        try:
            code = main(list(words))
        except SystemExit as stop:  # argparse
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return _run


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("cli") / "market"
    assert main(["network", "new", str(directory), "--gateways", "2"]) == 0
    command = [sys.executable, "-m", "gateway", "network", "up", str(directory), "--json"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True and len(ready["gateways"]) == 2
        yield Place(directory)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
