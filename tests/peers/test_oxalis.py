"""Oxalis and we, both ways over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path

from conformance.interop.documents import canonical, document
from conformance.interop.kit import OURS, OXALIS, PEERS, PKI
from conformance.interop.market import Ours
from conformance.interop.peers import Received
from conformance.interop.programs import once, rows
from tests.peers.peer_parts import needs_java, needs_network, receipt_is_kept

pytestmark = [*needs_network, needs_java("oxalis")]

FEW = 5


def test_what_oxalis_sends_arrives_with_us_and_our_receipts_satisfy_it(gateway: Ours, tmp_path: Path) -> None:
    files = []
    for number, kind in enumerate(("invoice", "credit note", "invoice", "credit note", "invoice")):
        files.append(tmp_path / f"{number}.xml")
        files[-1].write_bytes(document(kind, number=f"OX-{number}", sender=OXALIS, receiver=OURS))
    command = [sys.executable, PEERS / "oxalis" / "oxalis", "send", "--url", gateway.as4]
    command += ["--from-key", PKI / "POP000104", "--to-cert", PKI / "POP000103.pem", "--file", *files]
    before = gateway.received()
    sent = [row for row in rows(once(*command)) if row["kind"] == "sent"]
    assert [row["verdict"] for row in sent] == ["receipt"] * FEW, sent
    assert gateway.received() == before + FEW
    arrived = {}
    for row in sent:
        (got,) = gateway.inbox(row["refToMessageId"])
        assert (got["state"], got["peer"], got["sender"], got["receiver"]) == ("RECEIVED", "POP000104", OXALIS, OURS)
        arrived[got["number"]] = gateway.content(got["id"])
    for number, file in enumerate(files):
        assert canonical(arrived[f"OX-{number}"]) == canonical(file.read_bytes())


def test_what_we_send_arrives_with_oxalis_and_its_receipts_satisfy_us(gateway: Ours, oxalis: Received) -> None:
    documents = {
        f"TO-OX-{n}": document(kind, number=f"TO-OX-{n}", sender=OURS, receiver=OXALIS)
        for n, kind in enumerate(("invoice", "credit note", "invoice", "credit note", "invoice"))
    }
    sent = gateway.send_all(documents.values())
    got = oxalis.got()
    for row in sent:
        assert (row["state"], row["channel"], row["peer"]) == ("SENT", "peppol", "POP000104"), row
        assert canonical(got[row["instance_id"]]) == canonical(documents[row["number"]])
        receipt_is_kept(gateway, row)
