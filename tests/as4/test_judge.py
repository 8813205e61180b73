"""What we write, judged by a program that shares no code with us or with any AS4 stack.

The judge needs a Python with the packages lxml and xmlsec: conformance/README.md says how to make one.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from conformance.interop.kit import JUDGE_PYTHON
from gateway.as4.msh import Receiving
from gateway.errors import InvalidMessage
from gateway.ubl.sbdh import unwrap
from tests.as4.as4_parts import NOW, PKI, SHARED, World, outgoing, peer_identity, peer_trust
from tests.peers.peer_parts import needs_judge

JUDGE = SHARED / "peers" / "support" / "judge.py"
PYTHON = str(JUDGE_PYTHON)


pytestmark = needs_judge


def judge(*files: Path) -> list[dict[str, Any]]:
    command = [PYTHON, str(JUDGE), "--pki", str(PKI), "--profile", "--json", *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.stdout, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_message_receipt_and_error_satisfy_the_judge(tmp_path: Path) -> None:
    world = World(peer_identity("POP000101"), peer_identity("POP000102"), peer_trust())
    request = world.sending(outgoing(conversation_id='a<b>&"c"\r\n\té')).request()
    receiving = Receiving(
        request.content_type, request.body, identity=world.c3, trust=world.trust, now=NOW, unwrap=unwrap
    )
    receiving.read()
    sent = tmp_path / "ours.request.http"
    sent.write_bytes(f"POST /as4 HTTP/1.1\r\nContent-Type: {request.content_type}\r\n\r\n".encode() + request.body)
    answers = {"ours": receiving.receipt(), "error": receiving.error(InvalidMessage("EBMS:0004", "no"))}
    files = [sent]
    for name, octets in answers.items():
        files.append(tmp_path / f"{name}.response.http")
        files[-1].write_bytes(b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n\r\n" + octets)
    verdicts = judge(*files)
    for verdict in verdicts:
        assert verdict["verdict"] == "accept", [step for step in verdict["steps"] if step[0] != "ok"]
    assert [verdict["kind"] for verdict in verdicts] == ["message", "receipt", "error"]


def test_the_judge_would_have_seen_a_change(tmp_path: Path) -> None:
    world = World(peer_identity("POP000101"), peer_identity("POP000102"), peer_trust())
    request = world.sending().request()
    spoiled = request.body.replace(b"0d7b3f0e-1f53", b"0d7b3f0e-1f54")
    sent = tmp_path / "ours.request.http"
    sent.write_bytes(f"POST /as4 HTTP/1.1\r\nContent-Type: {request.content_type}\r\n\r\n".encode() + spoiled)
    assert judge(sent)[0]["verdict"] == "refuse"
