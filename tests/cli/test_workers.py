"""`gateway serve --workers N`: one node of several processes, whatever happens to any of them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.network.market import Market, new_market
from tests.cli.test_commands import NETWORK


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return new_market(tmp_path / "market", 1, now=datetime.now(UTC))


class Node:
    """A running node of several processes."""

    def __init__(self, market: Market, workers: int, **environ: str) -> None:
        self.log = market.directory / "log"
        command = [sys.executable, "-m", "gateway", "serve", "--json", "--workers", str(workers)]
        command += ["--config", str(market.members[0].config)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY")} | environ
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        assert self.process.stdout is not None
        self.first = self.process.stdout.readline()

    @property
    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.first)
        return found

    @property
    def children(self) -> list[int]:
        file = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in file.read_text().split()]

    def call(self, path: str, body: bytes | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.ready['api_key']}", "Content-Type": "application/xml"}
        request = urllib.request.Request(self.ready["api"] + path, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read().decode()
            return json.loads(text) if text.startswith("{") else text

    def running(self) -> int:
        """How many processes run; none counts while the one that answers is not ready (503)."""
        try:
            return int(self.call("/readyz")["processes"]["running"])
        except urllib.error.HTTPError as error:
            error.close()
            return 0

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)


@pytest.fixture
def start(market: Market) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def _start(workers: int = 2, **environ: str) -> Node:
        nodes.append(Node(market, workers, **environ))
        return nodes[-1]

    yield _start
    for node in nodes:
        if node.process.poll() is None:
            node.process.kill()
            node.process.wait()


def soon(what: Callable[[], bool], seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_it_is_one_node_with_one_key_and_drains(start: Callable[..., Node]) -> None:
    node = start(3)
    assert node.ready["ready"] is True and node.ready["api_key"].startswith("gwk_")
    assert len(node.children) == 3
    soon(lambda: node.running() == 3)
    with ThreadPoolExecutor(8) as pool:
        ids = [made["id"] for made in pool.map(lambda _: node.call("/v1/documents", NETWORK), range(24))]
    assert len(set(ids)) == 24
    assert {item["id"] for item in node.call("/v1/documents?limit=200")["items"]} == set(ids)
    time.sleep(1.5)  # each process tells the others once a second
    metrics = node.call("/metrics")
    assert 'gateway_http_answers_total{status="202"} 24' in metrics
    assert 'gateway_processes{state="running"} 3' in metrics
    children = node.children
    assert node.end() == 0
    assert node.process.stdout is not None and node.process.stdout.read() == ""  # said once
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    lines = [json.loads(line) for line in node.log.read_text().splitlines()]
    assert {line["process"] for line in lines if line["text"] == "stopped"} == {1, 2, 3}


def test_a_process_that_dies_is_replaced_and_nothing_it_has_said_yes_to_is_lost(start: Callable[..., Node]) -> None:
    node = start(2)
    ids = [node.call("/v1/documents", NETWORK)["id"] for _ in range(6)]
    victims = node.children
    os.kill(victims[0], signal.SIGKILL)
    soon(lambda: len(node.children) == 2 and victims[0] not in node.children)
    soon(lambda: node.running() == 2)
    for _ in range(10):
        assert len(node.call("/v1/documents?limit=200")["items"]) == len(ids)
    assert "process 1 was killed by signal 9" in node.log.read_text()
    assert node.end() == 0


def test_when_the_supervisor_is_killed_its_processes_end(start: Callable[..., Node]) -> None:
    node = start(2)
    children = node.children
    node.process.kill()
    node.process.wait()
    soon(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 8)
    again = start(2)  # and the database is free again
    assert again.ready["ready"] is True
    assert again.end() == 0


def test_a_start_that_cannot_be_ends_with_its_reason(start: Callable[..., Node], market: Market) -> None:
    (market.members[0].directory / f"{market.members[0].seat}.key.pem").chmod(0o644)
    node = start(2)
    assert node.process.wait(timeout=30) == 2
    assert "chmod 600" in node.log.read_text()


def test_a_second_gateway_is_refused(start: Callable[..., Node]) -> None:
    node = start(2)
    other = start(2)
    assert other.process.wait(timeout=30) == 3 and "cannot listen" in other.log.read_text()
    free = {f"GATEWAY__{name}__LISTEN": "127.0.0.1:0" for name in ("AS4", "API", "SMP")}
    third = start(2, **free)
    assert third.process.wait(timeout=30) == 2 and "another gateway runs on" in third.log.read_text()
    assert node.process.poll() is None


def test_a_wrong_number_is_said(start: Callable[..., Node]) -> None:
    node = start(0)
    assert node.process.wait(timeout=30) == 2 and "must be between 1 and 64" in node.log.read_text()


def test_counters_of_documents_equal_the_store_whoever_is_killed_and_after_a_restart(
    start: Callable[..., Node], market: Market
) -> None:
    database = market.members[0].config.parent / "var/gateway.db"
    names = {"accepted_total": "Accepted", 'postponed_total{direction="out"}': "Postponed"}

    def equal(node: Node, key: str) -> bool:
        request = urllib.request.Request(node.ready["api"] + "/metrics", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as plain:
            rows = dict(plain.execute("SELECT event, count(*) FROM event GROUP BY event"))
        counted = (line.rpartition(" ") for line in lines if line.startswith("gateway_documents_"))
        found = {name: int(number) for name, _, number in counted}
        assert found["gateway_documents_accepted_total"] == rows["Accepted"]
        return all(found[f"gateway_documents_{name}"] == rows.get(event, 0) for name, event in names.items())

    node = start(2, GATEWAY__SENDING__FIRST_RETRY="1 second")
    key = node.ready["api_key"]
    for _ in range(12):
        node.call("/v1/documents", NETWORK)
    soon(lambda: equal(node, key))
    killed = node.children[0]
    os.kill(killed, signal.SIGKILL)
    soon(lambda: killed not in node.children and len(node.children) == 2)
    for _ in range(3):
        node.call("/v1/documents", NETWORK)
    soon(lambda: equal(node, key))
    assert node.end() == 0
    again = start(2)
    soon(lambda: equal(again, key))
