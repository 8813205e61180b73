"""What the tests with foreign access points share beside ``conformance/interop``: marks, and the independent judge."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from conformance.interop.kit import JUDGE_PYTHON, OURS, PHASE4, PKI, SUPPORT, absent
from conformance.interop.market import Ours
from conformance.interop.peers import Order, Phase4
from conformance.interop.programs import once, rows

MANY = 20


def needs_java(kit: str) -> pytest.MarkDecorator:
    """Mark of tests that start a Java program of the kit."""
    return pytest.mark.skipif(bool(absent(kit)), reason=absent(kit))


needs_network = [pytest.mark.peers, pytest.mark.skipif(bool(absent("support")), reason=absent("support"))]
needs_python_as4 = pytest.mark.skipif(bool(absent("python-as4")), reason=absent("python-as4"))
needs_judge = pytest.mark.skipif(
    not JUDGE_PYTHON.exists(),
    reason="there is no Python with lxml and xmlsec for the judge: conformance/README.md",
)


def receipt_is_kept(gateway: Ours, row: dict[str, Any]) -> None:
    """Assert that the evidence of a sent document holds the receipt of its message."""
    receipt = gateway.receipt(row["id"])
    assert b"NonRepudiationInformation" in receipt
    assert re.search(rb"RefToMessageId>\s*" + re.escape(row["message_id"].encode()), receipt)


def phase4_sends(url: str, file: Path, *options: object, count: int = 1, receiver: str = OURS) -> list[dict[str, Any]]:
    """Send as seat POP000101; gives what phase4's sender says of each message."""
    order = Order(
        files=[file],
        count=count,
        target=("--url", url, "--to-cert", PKI / "POP000103.pem"),
        seat="POP000101",
        sender=PHASE4,
        receiver=receiver,
        options=options,
    )
    return list(Phase4().rows(order))


def judge(*files: Path, request: Path | None = None) -> list[dict[str, Any]]:
    """Verdicts of the independent judge, profile included."""
    command: list[object] = [JUDGE_PYTHON, SUPPORT / "judge.py", "--pki", PKI, "--profile", "--json"]
    if request:
        command += ["--request", request]
    return rows(once(*command, *files))


def accepted(verdicts: list[dict[str, Any]], kind: str) -> None:
    """Assert that the judge took every file for a good one of that kind."""
    for verdict in verdicts:
        assert verdict["verdict"] == "accept", [step for step in verdict["steps"] if step[0] != "ok"]
        assert verdict["kind"] == kind, verdict
