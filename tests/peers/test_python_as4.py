"""python-as4 and we, both ways over HTTP, and its attacks at our endpoint. It shares no code with the Java peers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conformance.interop.documents import KINDS, canonical, document, instance_of
from conformance.interop.kit import OURS, PEERS, PKI, PYTHON_AS4
from conformance.interop.market import Network, Ours, Recorder, start_gateway
from conformance.interop.peers import Received
from conformance.interop.programs import Programs, once, rows
from tests.peers.peer_parts import MANY, needs_network, needs_python_as4, receipt_is_kept

pytestmark = [*needs_network, needs_python_as4]

PROGRAM = PEERS / "python-as4" / "python-as4"
ATTACKED = "0007:2021005489"
"""The receiver that the attacks name."""


def python_as4_sends(url: str, file: Path, count: int) -> list[dict[str, Any]]:
    command = [PROGRAM, "send", "--url", url, "--from-key", PKI / "POP000102", "--to-cert", PKI / "POP000103.pem"]
    return rows(once(*command, "--file", file, "--count", count, "--json"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_python_as4_sends_arrives_with_us_and_our_receipts_satisfy_it(
    gateway: Ours, front: Recorder, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "document.xml"
    file.write_bytes(document(kind, number=f"PY-{kind[0]}", sender=PYTHON_AS4, receiver=OURS))
    before = gateway.received()
    sent = python_as4_sends(front.url, file, MANY)
    assert len(sent) == MANY
    for row in sent:
        assert row["http"] == 200 and row["state"] == "acknowledged", row
        assert "error" not in row and "problem" not in row, row
    assert gateway.received() == before + MANY
    instances = set()
    for row in sent:
        (got,) = gateway.inbox(row["message_id"])
        assert (got["state"], got["peer"], got["sender"], got["receiver"]) == (
            "RECEIVED",
            "POP000102",
            PYTHON_AS4,
            OURS,
        )
        assert canonical(gateway.content(got["id"])) == canonical(file.read_bytes())
        assert instance_of(gateway.content(got["id"], "sbd")) == got["instance_id"]
        instances.add(got["instance_id"])
    assert len(instances) == MANY


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_send_arrives_with_python_as4_and_its_receipts_satisfy_us(
    gateway: Ours, python_as4: Received, kind: str
) -> None:
    documents = {
        number: document(kind, number=number, sender=OURS, receiver=PYTHON_AS4)
        for number in (f"TO-PY-{kind[0]}-{n}" for n in range(MANY))
    }
    sent = gateway.send_all(documents.values())
    got = python_as4.got()
    told = [json.loads(line) for line in python_as4.program.said().splitlines() if line.startswith("{")]
    verdicts = {row["message_id"]: row for row in told}
    for row in sent:
        assert (row["state"], row["channel"], row["peer"], row["attempts"]) == ("SENT", "peppol", "POP000102", 1), row
        assert canonical(got[row["instance_id"]]) == canonical(documents[row["number"]])
        assert (verdicts[row["message_id"]]["sender"], verdicts[row["message_id"]]["recipient"]) == (OURS, PYTHON_AS4)
        receipt_is_kept(gateway, row)


def test_no_attack_is_handled_badly(network: Network, programs: Programs, tmp_path: Path) -> None:
    """Every case of the kit: refused in a proper way, or accepted where that is right; and no fault of our own.

    The kit writes to seat POP000102 and to one receiver: both must be ours, else all is refused for the wrong reason.
    """
    with start_gateway(programs, network, "POP000102", tmp_path) as gateway:
        gateway.add_participant(ATTACKED)
        cases = rows(once(PROGRAM, "attack", "--url", gateway.as4, "--to", "pki/POP000102", "--json", seconds=150))
        assert gateway.call("GET", "/readyz")
        stored = gateway.received()
    assert len(cases) >= 69
    assert {case["case"]: case["verdict"] for case in cases if not case["ok"]} == {}
    assert {case["verdict"] for case in cases if case["case"] == "revoked"} == {
        "refused EBMS:0101: The signing certificate is not trusted in this network"
    }
    assert {case["verdict"] for case in cases if case["expect"] == "accept"} == {"accepted"}
    assert stored == sum(case["verdict"] == "accepted" for case in cases)
