"""The demonstration as a newcomer sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_three_invoices_arrive_three_ways(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway", "demo", "--json", "--dir", str(tmp_path / "demo")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    value = json.loads(ran.stdout)
    assert value["ok"] is True
    ways = [(i["document"]["channel"], i["document"]["state"]) for i in value["invoices"]]
    assert ways == [("peppol", "SENT"), ("email", "DISPATCHED"), ("print", "DISPATCHED")]
    assert all(i["proof"] and i["document"]["reason"] for i in value["invoices"])


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    command = [sys.executable, "-m", "gateway", "demo", "--dir", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2 and "not empty" in ran.stderr
    assert (tmp_path / "mine").read_text() == "x"
