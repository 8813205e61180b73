"""The demonstration as a newcomer sees it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest


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


def test_it_takes_its_gateways_along_when_it_is_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway", "demo", "--json", "--keep", "--dir", str(tmp_path / "demo")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    value = json.loads(process.stdout.readline())
    with urllib.request.urlopen(value["api"] + "/livez", timeout=10) as answer:
        assert answer.status == 200
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(value["api"] + "/livez", timeout=2)
