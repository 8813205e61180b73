"""A participant moves from one gateway's SMP to another's, and somebody outside looks for it all the time.

How it goes with thousands of look-ups, and with DNS answers that are old, is in tests/trips/test_registration.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli import main
from tests.cli.conftest import Run

COMPANY = "0007:5560125790"


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "gateway", *words]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def test_no_look_up_fails_while_a_participant_moves_between_two_smps(tmp_path: Path, run: Run) -> None:
    market = tmp_path / "market"
    assert main(["network", "new", str(market), "--gateways", "2", "--sml"]) == 0
    first, second = (["--config", str(market / f"gateway{number}" / "config.toml")] for number in (1, 2))
    as_a_company = ["--name", "Exempel AB", "--country", "SE"]
    with started("network", "up", str(market), "--json") as up:
        assert up.stdout is not None and json.loads(up.stdout.readline())["ready"]
        assert run("lookup", COMPANY, *second).code == 1
        assert run("participant", "add", COMPANY, *as_a_company, *first).code == 0
        with started("lookup", COMPANY, "--watch", "0.1", "--json", *second) as watch:
            assert watch.stdout is not None
            before = json.loads(watch.stdout.readline())
            key = run("participant", "migrate", COMPANY, "--json", *first).value["registration"]["migration_key"]
            assert key
            taken = run("participant", "add", COMPANY, *as_a_company, "--migration-key", key, *second)
            assert taken.code == 0, taken.out
            after = json.loads(watch.stdout.readline())
            time.sleep(0.5)
            watch.send_signal(signal.SIGINT)
            rest, told = watch.communicate(timeout=30)
    assert [each["endpoint"]["seat"] for each in (before, after)] == ["POP000001", "POP000002"]
    assert rest == "", "nothing else changed"
    asked, _, verdicts = told.strip().splitlines()[-1].partition(" look-ups: ")
    assert int(asked) >= 3
    assert verdicts == f"{asked} positive, 0 negative, 0 indeterminate"
