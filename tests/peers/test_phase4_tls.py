"""phase4 sends over https, straight to a gateway that has one certificate of each kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conformance.interop.documents import canonical, document
from conformance.interop.kit import OURS, PEERS, PHASE4, PKI
from conformance.interop.market import Network, Ours, start_gateway
from conformance.interop.programs import Programs, once, rows
from gateway.security.authority import issue_tls, new_pki
from tests.peers.peer_parts import needs_java, needs_network

pytestmark = [*needs_network, needs_java("phase4")]

SEAT = "POP000102"
FEW = 3


@pytest.fixture(scope="module")
def encrypted(programs: Programs, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    """Our gateway as another seat, its endpoint on https."""
    authority, now = tmp_path_factory.mktemp("tls"), datetime.now(UTC)
    new_pki(authority, now=now)
    chosen = [issue_tls(authority, ["127.0.0.1"], now=now, kind=kind) for kind in ("ecdsa", "rsa")]
    keys = [path.with_suffix(".key.pem") for path in chosen]
    settings = "".join(
        f"{name} = {json.dumps([str(path) for path in paths])}\n"
        for name, paths in (("tls_certificate", chosen), ("tls_key", keys))
    )
    with start_gateway(programs, network, SEAT, tmp_path_factory.mktemp("encrypted"), as4=settings) as ours:
        ours.add_participant(OURS)
        yield ours


@pytest.mark.parametrize(
    "java",
    [
        "-Djdk.tls.client.protocols=TLSv1.3",
        "-Djdk.tls.client.protocols=TLSv1.2 -Djdk.tls.client.cipherSuites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "-Djdk.tls.client.protocols=TLSv1.2 -Djdk.tls.client.cipherSuites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ],
    ids=["1.3", "1.2 with the ECDSA certificate", "1.2 with the RSA certificate"],
)
def test_what_phase4_sends_over_tls_arrives_with_us(encrypted: Ours, tmp_path: Path, java: str) -> None:
    file = tmp_path / "document.xml"
    file.write_bytes(document("invoice", number="TLS", sender=PHASE4, receiver=OURS))
    url = encrypted.as4.replace("http://", "https://")
    command = [PEERS / "phase4" / "phase4", "send", "--url", url, "--to-cert", PKI / f"{SEAT}.pem"]
    command += ["--from-key", PKI / "POP000101", "--file", file, "--sender", PHASE4, "--receiver", OURS]
    before = encrypted.received()
    done = once(*command, "--count", FEW, "--json", PEER_JAVA_OPTS=f"-Xmx512m {java}")
    sent = [row for row in rows(done) if "messageId" in row]
    assert [(row["result"], row["receipt"]) for row in sent] == [("SUCCESS", "digests-equal")] * FEW, done.stdout
    assert encrypted.received() == before + FEW
    for row in sent:
        (got,) = encrypted.inbox(row["messageId"])
        assert canonical(encrypted.content(got["id"])) == canonical(file.read_bytes())
