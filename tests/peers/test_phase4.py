"""phase4 and we, both ways over HTTP: documents, receipts, repeats, refusals, and a phase4 that is down."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.interop.documents import KINDS, canonical, document, instance_of
from conformance.interop.kit import NOBODY, OURS, PHASE4, REFUSING
from conformance.interop.market import Network, Ours, Recorder
from conformance.interop.peers import Phase4, Received
from conformance.interop.programs import Programs
from conformance.interop.replay import replay
from tests.peers.peer_parts import MANY, needs_java, needs_network, phase4_sends, receipt_is_kept

pytestmark = [*needs_network, needs_java("phase4")]

REFUSED = "AS4_ERROR_MESSAGE_RECEIVED"


@pytest.mark.parametrize("kind", KINDS)
def test_what_phase4_sends_arrives_with_us_and_our_receipts_satisfy_it(
    gateway: Ours, front: Recorder, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "document.xml"
    file.write_bytes(document(kind, number=f"P4-{kind[0]}", sender=PHASE4, receiver=OURS))
    before = gateway.received()
    sent = phase4_sends(front.url, file, count=MANY)
    assert len(sent) == MANY
    for row in sent:
        assert (row["result"], row["receipt"]) == ("SUCCESS", "digests-equal"), row
        assert row["responseSigned"] and "CN=POP000103" in row["responseSigner"], row
    assert gateway.received() == before + MANY
    for row in sent:
        (got,) = gateway.inbox(row["messageId"])
        assert (got["message_id"], got["instance_id"]) == (row["messageId"], row["sbdhInstanceId"])
        assert (got["state"], got["peer"], got["sender"], got["receiver"]) == ("RECEIVED", "POP000101", PHASE4, OURS)
        assert got["number"] == f"P4-{kind[0]}"
        assert canonical(gateway.content(got["id"])) == canonical(file.read_bytes())
        assert instance_of(gateway.content(got["id"], "sbd")) == row["sbdhInstanceId"]
    done = gateway.call("POST", f"/v1/inbox/{got['id']}/ack", b"")
    assert done["state"] == "DELIVERED"


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_send_arrives_with_phase4_and_its_receipts_satisfy_us(
    gateway: Ours, phase4: Received, phase4_wire: Recorder, kind: str
) -> None:
    documents = {
        number: document(kind, number=number, sender=OURS, receiver=PHASE4)
        for number in (f"TO-P4-{kind[0]}-{n}" for n in range(MANY))
    }
    sent = gateway.send_all(documents.values())
    got = phase4.got()
    for row in sent:
        assert (row["state"], row["channel"], row["peer"]) == ("SENT", "peppol", "POP000101"), row
        assert row["attempts"] == 1, gateway.timeline(row["id"])
        assert canonical(got[row["instance_id"]]) == canonical(documents[row["number"]])
        receipt_is_kept(gateway, row)
    assert len({row["instance_id"] for row in sent}) == MANY


def test_a_large_document_goes_both_ways(
    gateway: Ours, phase4: Received, phase4_wire: Recorder, tmp_path: Path
) -> None:
    """Far beyond one read or one chunk, with an attachment that does not shrink, as real invoices have it."""
    files = {
        sender: document("invoice", number=f"LARGE-{sender[-1]}", sender=sender, receiver=receiver, annex=2_500_000)
        for sender, receiver in ((PHASE4, OURS), (OURS, PHASE4))
    }
    file = tmp_path / "large.xml"
    file.write_bytes(files[PHASE4])
    (came,) = phase4_sends(gateway.as4, file)
    assert came["receipt"] == "digests-equal", came
    (got,) = gateway.inbox(came["messageId"])
    assert canonical(gateway.content(got["id"])) == canonical(files[PHASE4])
    went = gateway.send(files[OURS])
    assert went["state"] == "SENT", gateway.timeline(went["id"])
    assert canonical(phase4.got()[went["instance_id"]]) == canonical(files[OURS])


def test_a_repeated_message_gets_the_same_receipt_and_is_one_document(
    gateway: Ours, front: Recorder, tmp_path: Path
) -> None:
    file = tmp_path / "invoice.xml"
    file.write_bytes(document("invoice", number="REPEATED", sender=PHASE4, receiver=OURS))
    (first,) = phase4_sends(front.url, file)
    assert first["receipt"] == "digests-equal", first
    request, response = front.exchange(first["messageId"])
    receipt = response.read_bytes().partition(b"\r\n\r\n")[2]
    for _ in range(2):
        status, answer = replay(gateway.as4, request.read_bytes())
        assert status == 200
        assert answer == receipt
    assert len(gateway.inbox(first["messageId"])) == 1


def test_a_used_message_id_for_another_message_is_refused(gateway: Ours, tmp_path: Path) -> None:
    file = tmp_path / "invoice.xml"
    file.write_bytes(document("invoice", number="SAME-ID", sender=PHASE4, receiver=OURS))
    rows = phase4_sends(gateway.as4, file, "--same-message-id", count=2)
    # The sender's threads may overtake each other; whichever comes first is the one that counts.
    first, second = sorted(rows, key=lambda row: row["receipt"] != "digests-equal")
    assert first["messageId"] == second["messageId"] and first["sbdhInstanceId"] != second["sbdhInstanceId"]
    assert first["receipt"] == "digests-equal", rows
    assert second["result"] == REFUSED and second["responseSigned"], second
    assert [error["code"] for error in second["errors"]] == ["EBMS:0004"]
    assert "used before" in second["errors"][0]["detail"]
    (got,) = gateway.inbox(first["messageId"])
    assert got["instance_id"] == first["sbdhInstanceId"]


def test_phase4_learns_that_a_receiver_is_not_serviced_here(gateway: Ours, tmp_path: Path) -> None:
    file = tmp_path / "invoice.xml"
    file.write_bytes(document("invoice", number="NOBODY", sender=PHASE4, receiver=NOBODY))
    before = gateway.received()
    (row,) = phase4_sends(gateway.as4, file, receiver=NOBODY)
    assert row["result"] == REFUSED and row["responseSigned"], row
    assert [(error["code"], error["detail"]) for error in row["errors"]] == [("EBMS:0004", "PEPPOL:NOT_SERVICED")]
    assert gateway.received() == before


def test_a_refusal_ends_and_a_silent_peer_makes_the_invoice_wait_but_never_a_letter(
    gateway: Ours, network: Network, programs: Programs, tmp_path: Path
) -> None:
    port = network.ports["refusing"]
    with Phase4().receive(programs, port, tmp_path / "refused", "--fail-with", "EBMS:0004=closed for stocktaking"):
        refused = gateway.send(document("invoice", number="REFUSED", sender=OURS, receiver=REFUSING))
        assert (refused["state"], refused["status"]) == ("REJECTED", "failed"), refused
        assert "EBMS:0004" in refused["reason"] and "closed for stocktaking" in refused["reason"], refused

    waits = gateway.send(document("invoice", number="WAITS", sender=OURS, receiver=REFUSING), wait=1)
    waits = gateway.until(waits["id"], lambda d: _was_postponed(gateway, d["id"]))
    assert (waits["state"], waits["status"]) == ("ACCEPTED", "queued"), waits
    assert waits["next_attempt"] is not None

    control = gateway.send(document("invoice", number="CONTROL", sender=OURS, receiver=NOBODY))
    assert (control["state"], control["channel"]) == ("DISPATCHED", "print"), control
    assert gateway.letters(control["id"]) == 1

    with Phase4().receive(programs, port, tmp_path / "back"):
        sent = gateway.until(waits["id"], lambda d: d["state"] != "ACCEPTED", 40)
        assert (sent["state"], sent["channel"]) == ("SENT", "peppol"), sent
        (stored,) = (tmp_path / "back").glob("*.json")
        assert sent["message_id"] == waits["message_id"] and sent["message_id"] in stored.read_text()
    for row in (waits, refused):
        assert gateway.letters(row["id"]) == 0


def _was_postponed(gateway: Ours, document: str) -> bool:
    return any(row["event"] == "Postponed" and row["next_attempt"] for row in gateway.timeline(document))
