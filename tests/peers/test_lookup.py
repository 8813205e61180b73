"""The published client goes the whole way by itself: DNS, our SMP, our certificate and its standing, our endpoint."""

from __future__ import annotations

from pathlib import Path

from conformance.interop.documents import canonical, document
from conformance.interop.kit import OURS, PHASE4
from conformance.interop.market import Network, Ours
from conformance.interop.peers import send_by_lookup
from gateway.model.services import BILLING_INVOICE
from tests.peers.peer_parts import needs_java, needs_network

pytestmark = [*needs_network, needs_java("lookup")]


def test_a_published_client_finds_us_and_sends_to_us(network: Network, gateway: Ours, tmp_path: Path) -> None:
    file = tmp_path / "document.xml"
    file.write_bytes(document("invoice", number="FOUND-1", sender=PHASE4, receiver=OURS))
    said = send_by_lookup(
        network.dns, file, receiver=OURS, sender=PHASE4, seat="POP000101", document_type=str(BILLING_INVOICE)
    )
    assert said.accepted, said.why
    (got,) = [row for row in gateway.arrivals() if row["number"] == "FOUND-1"]
    assert (got["state"], got["sender"], got["receiver"]) == ("RECEIVED", PHASE4, OURS)
    assert canonical(gateway.content(got["id"])) == canonical(file.read_bytes())
