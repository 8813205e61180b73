"""`gateway serve`: what it prints, that it drains, and that a kill loses nothing it has said yes to."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from gateway.errors import ConfigurationError
from gateway.network.market import Market, new_market
from gateway.store.database import hold
from tests.cli.test_commands import NETWORK


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return new_market(tmp_path / "market", 1, now=datetime.now(UTC))


def _serve(market: Market, **more: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    command = [sys.executable, "-m", "gateway", "serve", "--json", "--config", str(market.members[0].config)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY")} | more
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def _call(ready: dict[str, Any], key: str, path: str, body: bytes | None = None) -> Any:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/xml"}
    request = urllib.request.Request(ready["api"] + path, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def test_it_says_where_it_is_gives_the_first_key_once_and_drains(market: Market) -> None:
    process, ready = _serve(market)
    assert ready["ready"] is True and ready["api_key"].startswith("gwk_")
    assert {"as4", "api", "smp"} <= set(ready)
    assert _call(ready, ready["api_key"], "/v1/documents")["items"] == []
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert all(json.loads(line)["level"] for line in log.splitlines())
    again, ready = _serve(market)
    assert "api_key" not in ready
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=30)
    assert again.returncode == 0


def test_probes_hear_first_that_it_stops_and_meanwhile_it_goes_on(market: Market) -> None:
    process, ready = _serve(market, GATEWAY__API__NOTICE="3 seconds")
    assert _call(ready, "", "/readyz")["ready"] is True
    process.send_signal(signal.SIGTERM)
    until, status = time.monotonic() + 20, 200
    while status == 200 and time.monotonic() < until:
        try:
            _call(ready, "", "/readyz")
        except HTTPError as error:
            status, body = error.code, json.loads(error.read())
    assert (status, body["checks"]["stopping"]) == (503, "it is about to stop")
    assert _call(ready, ready["api_key"], "/v1/documents", NETWORK)["status"] == "queued"
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_what_was_accepted_is_there_after_a_kill(market: Market) -> None:
    process, ready = _serve(market)
    key = ready["api_key"]
    ids = [_call(ready, key, "/v1/documents", NETWORK)["id"] for _ in range(10)]
    process.kill()
    process.communicate()
    process, ready = _serve(market)
    assert {item["id"] for item in _call(ready, key, "/v1/documents?limit=200")["items"]} == set(ids)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def test_keys_and_payloads_are_never_logged(market: Market) -> None:
    process, ready = _serve(market)
    _call(ready, ready["api_key"], "/v1/documents", NETWORK)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert ready["api_key"] not in log
    assert "Nordisk" not in log and "cbc:" not in log


def test_an_address_in_use_is_said_and_nothing_else_happens(market: Market) -> None:
    process, _ = _serve(market)
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(market.members[0].config)]
    other = {**os.environ, "GATEWAY__STORE__DATABASE": "sqlite:other.db", "GATEWAY__API__KEY_FILE": ""}
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, env=other)
    assert second.returncode == 3 and "cannot listen" in second.stderr
    assert "gwk_" in second.stdout  # the first key, which no later start shows
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def test_a_caller_that_waits_for_an_outcome_does_not_hold_up_the_drain(market: Market) -> None:
    process, ready = _serve(market)  # no DNS: the document stays queued
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(_call, ready, ready["api_key"], "/v1/documents?wait=19", NETWORK)
        time.sleep(1)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert time.monotonic() - started < 10
        assert waiting.result()["status"] == "queued"
    assert process.returncode == 0


def test_a_second_gateway_on_the_same_database_is_refused(market: Market) -> None:
    process, ready = _serve(market)
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(market.members[0].config)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert second.returncode == 2 and "another gateway runs on" in second.stderr
    assert _call(ready, market.members[0].key_file.read_text().strip(), "/v1/documents")["items"] == []
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def test_without_file_descriptors_it_takes_nothing_more_and_goes_on_when_there_are_some(market: Market) -> None:
    process, ready = _serve(market)
    used = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
    host, port = ready["api"].removeprefix("http://").split(":")
    with ExitStack() as callers:
        for number in range(40):  # each from its own few, so that no share of one address is what stops them
            local = (f"127.0.0.{2 + number // 8}", 0)
            callers.enter_context(socket.create_connection((host, int(port)), 5, source_address=local))
        time.sleep(1.5)
    assert _call(ready, ready["api_key"], "/v1/documents", NETWORK)["status"] == "queued"
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    said = [json.loads(line)["text"] for line in log.splitlines()]
    short = [text for text in said if "Too many open files" in text]
    assert short[0].startswith("no connection can be taken") and len(short) < 10  # it waits, and does not spin


def test_a_market_that_is_killed_leaves_no_gateway_behind(market: Market) -> None:
    command = [sys.executable, "-m", "gateway", "network", "up", str(market.directory), "--json"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    (gateway,) = json.loads(process.stdout.readline())["gateways"]
    lock = market.members[0].directory / "var" / "gateway.db"
    process.kill()
    process.communicate(timeout=30)
    until = time.monotonic() + 30
    while time.monotonic() < until and _is_held(lock):
        time.sleep(0.1)
    assert not _is_held(lock), gateway


def _is_held(database: Path) -> bool:
    """Whether a gateway runs on this database."""
    try:
        with hold(database):
            return False
    except ConfigurationError:
        return True
