"""Judges that are no access points: a program on libxmlsec for what we put on the wire, a strict published client."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.interop.documents import canonical, document
from conformance.interop.kit import NOBODY, OURS, OXALIS, PHASE4, SUPPORT
from conformance.interop.market import Network, Ours, Recorder
from conformance.interop.programs import once
from tests.peers.peer_parts import accepted, judge, needs_java, needs_judge, needs_network, phase4_sends

pytestmark = [*needs_network, needs_java("phase4")]


@pytest.mark.parametrize("kind", ["invoice", "credit note"])
@needs_judge
def test_what_we_put_on_the_wire_satisfies_an_independent_judge(
    gateway: Ours, phase4_wire: Recorder, kind: str
) -> None:
    sent = gateway.send(document(kind, number=f"JUDGED-{kind[0]}", sender=OURS, receiver=PHASE4))
    assert sent["state"] == "SENT", sent
    request, response = phase4_wire.exchange(sent["message_id"])
    (verdict,) = judge(request)
    accepted([verdict], "message")
    assert verdict["message_id"] == sent["message_id"]
    accepted(judge(response, request=request), "receipt")  # phase4's, to see that the recording is whole


@needs_judge
def test_our_receipts_and_errors_satisfy_an_independent_judge(gateway: Ours, front: Recorder, tmp_path: Path) -> None:
    file = tmp_path / "invoice.xml"
    file.write_bytes(document("invoice", number="JUDGED-IN", sender=PHASE4, receiver=OURS))
    for receiver, kind in ((OURS, "receipt"), (NOBODY, "error")):
        (row,) = phase4_sends(front.url, file, receiver=receiver)
        request, response = front.exchange(row["messageId"])
        (verdict,) = judge(response, request=request)
        accepted([verdict], kind)


@needs_judge
def test_the_judge_sees_one_changed_octet_of_what_we_sent(gateway: Ours, phase4_wire: Recorder, tmp_path: Path) -> None:
    sent = gateway.send(document("invoice", number="SPOILED", sender=OURS, receiver=PHASE4))
    recorded = phase4_wire.exchange(sent["message_id"])[0].read_bytes()
    spoiled = tmp_path / "spoiled.request.http"
    other = ("f" if sent["message_id"][0] != "f" else "e") + sent["message_id"][1:]
    spoiled.write_bytes(recorded.replace(sent["message_id"].encode(), other.encode()))
    assert [verdict["verdict"] for verdict in judge(spoiled)] == ["refuse"]


@needs_java("lookup")
def test_a_strict_published_client_finds_us_and_delivers(
    gateway: Ours, network: Network, revocation_lists: None, tmp_path: Path
) -> None:
    """NAPTR, our SMP's list and signed metadata, our certificate with its revocation, the document, our receipt."""
    file = tmp_path / "invoice.xml"
    file.write_bytes(document("invoice", number="FOUND", sender=OXALIS, receiver=OURS))
    before = gateway.received()
    command = [SUPPORT / "lookup" / "lookup", "send", "--receiver", OURS, "--file", file]
    done = once(*command, PEPPOL_DNS=network.dns)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stdout.startswith("SUCCESS: receipt signed by CN=POP000103"), done.stdout
    assert gateway.received() == before + 1
    got = gateway.call("GET", "/v1/documents?direction=in&q=FOUND")["items"]
    assert [(row["peer"], row["sender"]) for row in got] == [("POP000104", OXALIS)]
    assert canonical(gateway.content(got[0]["id"])) == canonical(file.read_bytes())
