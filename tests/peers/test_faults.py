"""Messages and answers of a foreign builder, each correct but for one thing: what we take and what we refuse."""

from __future__ import annotations

import json
from pathlib import Path

from conformance.interop.documents import document
from conformance.interop.kit import ANSWERING, OURS, OXALIS, PEERS, PKI, PYTHON
from conformance.interop.market import Network, start_gateway
from conformance.interop.programs import Programs, once, tail, wait_for_port
from tests.peers.peer_parts import needs_network

pytestmark = needs_network

NOT_STORED = "ping (ebMS test service)"

TAKEN = {
    "good",
    "good, white space in the Body",
    # The profile leaves it open.
    "conversation id any",
    "timestamp a year old",
    "timestamp with offset",
    "messaging without mustUnderstand",
    "security header without mustUnderstand",
    "no compression",
    "MimeType text/plain",
    "CharacterSet utf-8",
    "SBDH over 64 KB",
    "content-id without @",
    "SBD: BinaryContent",
    "SBD: UTF-16",
    "SBD: byte order mark",
    # Other ways to write the same security header.
    "InclusiveNamespaces env in SignedInfo",
    "wsu:Timestamp present, unsigned",
    "encryption key by issuer and serial",
    "encryption key by SKI",
    "encryption key by thumbprint",
    "EncryptedData MimeType application/gzip",
    "EncryptedData MimeType application/xml",
    "EncryptedData MimeType application/xml, not compressed",
    "order: signature first, then key and data",
    "order: data before key",
    "order: tokens first, then key, data, signature",
    # Other ways to write the same MIME.
    "attachment part application/gzip",
    "attachment part application/xml",
    "attachment without transfer encoding",
    "attachment base64 transfer encoding",
    "no start parameter",
    "no type parameter",
    "boundary not quoted",
    "boundary with equals and dots",
    "root part without Content-ID",
    "root part application/soap+xml, no charset",
    "preamble text",
    "preamble empty line",
    NOT_STORED,
}

PROOFS = {
    "good receipt",
    "good receipt at the end",
    "messaging without mustUnderstand",
    # The signed receipt is the proof, not what HTTP says around it.
    "Content-Type text/xml",
    "Content-Type without charset",
    "Content-Type application/xml",
    "multipart/related with one part",
    "HTTP 202 with receipt",
    "HTTP 400 with receipt",
    "HTTP 500 with receipt",
}
REFUSALS = {
    *(f"error {signed}, HTTP {status}" for signed in ("signed", "unsigned") for status in (200, 400, 500)),
    "error code unknown",
    "error without detail",
}


def test_one_fault_at_a_time_is_taken_or_refused_as_we_decided(
    network: Network, programs: Programs, tmp_path: Path
) -> None:
    file, told = tmp_path / "invoice.xml", tmp_path / "answers.json"
    file.write_bytes(document("invoice", number="FAULTS", sender=OXALIS, receiver=OURS))
    with start_gateway(programs, network, "POP000104", tmp_path) as gateway:
        gateway.add_participant(OURS)
        program = [PYTHON, PEERS / "oxalis" / "try_receiver.py", "--url", gateway.as4, "--pki", PKI]
        done = once(*program, "--to", "POP000104", "--file", file, "--json", told)
        assert done.returncode == 0, tail(done.stderr)
        stored = gateway.received()
    answers = json.loads(told.read_text())
    assert len(answers) >= 150
    assert {name for name, answer in answers.items() if answer["answer"] == "receipt"} == TAKEN
    assert stored == len(TAKEN - {NOT_STORED})
    for name, answer in answers.items():
        signal = answer["http"] == 200 and answer["signed"] and (name in TAKEN or answer["answer"].startswith("EBMS:"))
        assert signal or answer["http"] in (400, 415), (name, answer)


def test_an_answer_counts_as_a_receipt_only_when_all_of_it_is_right(
    network: Network, programs: Programs, tmp_path: Path
) -> None:
    """The k-th message is answered with the k-th kind of answer; the pause before a retry is longer than the test."""
    program = [PYTHON, PEERS / "oxalis" / "try_sender.py", "--pki", PKI]
    kinds = once(*program, "--list").stdout.split("\n")[:-1]
    assert len(kinds) >= 49
    ended = {}
    with (
        start_gateway(programs, network, "POP000104", tmp_path, pause="30 minutes") as gateway,
        programs.run("answers", [*program, "--port", network.ports["answering"], "--key", "POP000102"], ready=""),
    ):
        wait_for_port(network.ports["answering"])
        for number, kind in enumerate(kinds):
            octets = document("invoice", number=f"ANSWER-{number}", sender=OURS, receiver=ANSWERING)
            sent = gateway.send(octets, wait=0)
            gateway.until(sent["id"], lambda d: len(gateway.timeline(d["id"])) == 3)
            ended[kind] = gateway.timeline(sent["id"])[-1]["event"]
    assert {kind for kind, event in ended.items() if event == "Sent"} == PROOFS
    assert {kind for kind, event in ended.items() if event == "Rejected"} == REFUSALS
    assert {event for kind, event in ended.items() if kind not in PROOFS | REFUSALS} == {"Postponed"}
