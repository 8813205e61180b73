"""The demonstration as a newcomer sees it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

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
    waiting = value["waiting"]
    assert not waiting["ready"] or (waiting["proposals"], waiting["reviews"], waiting["held"]) == (3, 1, 1)


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
    try:
        value = json.loads(process.stdout.readline())
        with urllib.request.urlopen(value["api"] + "/livez", timeout=10) as answer:
            assert answer.status == 200
        key = (tmp_path / "demo/gateway1/var/api.key").read_text().strip()
        assert _waits(value["api"], key) == (3, {"fields", "bank_account"})
        (sweep,) = _items(value["api"], "/v1/sweeps", key)
        assert sweep["total"] >= 40 and sweep["kind"] == "demand", sweep
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(value["api"] + "/livez", timeout=2)


def _waits(api: str, key: str) -> tuple[int, set[str]]:
    """How many proposals wait, and why papers do; asked until all is read."""
    found: tuple[int, set[str]] = 0, set()
    for _ in range(120):
        proposals, reviews = (
            _items(api, path, key) for path in ("/v1/proposals?state=open&direction=out", "/v1/reviews")
        )
        found = len(proposals), {one["hold"] for one in reviews}
        if found[0] >= 3 and len(found[1]) >= 2:
            break
        time.sleep(1)
    return found


def _items(api: str, path: str, key: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(api + path, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        items: list[dict[str, Any]] = json.load(answer)["items"]
        return items
