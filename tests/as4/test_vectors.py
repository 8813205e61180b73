"""Every recorded message of other access points: the good ones are read, the bad ones are refused.

The recordings say what *their makers'* receivers did. Where we decide otherwise, one of the tables below says so and
why; a vector that is in no table must end as its recording says.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from gateway.as4 import mime, soap
from gateway.as4.gzipped import inflate
from gateway.as4.limits import LIMITS
from gateway.as4.msh import Receiving, Sending
from gateway.as4.wss.write import Signature
from gateway.errors import InvalidAnswer, InvalidMessage, PeerRefused, PeerUnavailable, UnreadableRequest
from gateway.model.identifiers import MessageId
from gateway.model.message import Received
from gateway.model.relation import Endpoint
from gateway.model.signals import Receipt
from gateway.ubl.sbdh import unwrap
from tests.as4.as4_parts import (
    CORPUS,
    NOW,
    Recorded,
    StillClock,
    outgoing,
    peer_identity,
    peer_trust,
    recorded,
    vectors,
)
from tests.as4.doors import receiving_of

RECEIVER = {"phase4": "POP000102", "oxalis": "POP000104", "python-as4": "POP000102"}

STRICTER: dict[str, tuple[str, str]] = {
    # Refused: (our answer, why).
    "phase4/accepted-wrong-service": ("EBMS:0003", "the business envelope names another process"),
    "phase4/accepted-wrong-action": ("EBMS:0003", "the business envelope names another document type"),
    "phase4/accepted-other-to-party": ("EBMS:0010", "it is addressed to another access point"),
    "phase4/accepted-other-from-party": ("EBMS:0101", "the sender is not who signed"),
    "phase4/accepted-other-roles": ("EBMS:0010", "the profile fixes the roles"),
    "phase4/accepted-oaep-mgf1p": ("EBMS:0103", "the mask generation uses SHA-1"),
    "phase4/accepted-digest-sha512": ("EBMS:0103", "the profile fixes SHA-256 for every reference"),
    "phase4/unsafe-payload-unsigned": ("EBMS:0103", "the payload is not signed"),
    "phase4/unsafe-messaging-unsigned": ("EBMS:0103", "the header is not signed"),
    "phase4/unsafe-wrapped-messaging": ("EBMS:0103", "the header that counts is not the one that was signed"),
    "phase4/two-payloads": ("EBMS:0011", "Peppol allows one payload"),
    "oxalis/not-encrypted": ("EBMS:0103", "the payload is in clear"),
    "oxalis/final-boundary-missing": ("HTTP 400", "nobody knows whether the message is whole"),
    "oxalis/service-other": ("EBMS:0003", "the business envelope names another process"),
    "oxalis/action-other": ("EBMS:0003", "the business envelope names another document type"),
    "oxalis/agreement-other": ("EBMS:0010", "the profile fixes the agreement; ebMS has a code of its own for that"),
    "oxalis/original-sender-other": ("EBMS:0003", "the business envelope names another sender"),
    "oxalis/from-party-other": ("EBMS:0101", "the sender is not who signed"),
    "oxalis/body-not-signed": ("EBMS:0103", "the Body is not signed"),
    "oxalis/messaging-not-signed": ("EBMS:0103", "the header is not signed"),
    "oxalis/attachment-not-signed": ("EBMS:0103", "the payload is not signed"),
    "oxalis/wrapping": ("EBMS:0103", "the Body that counts is not the one that was signed"),
    "python-as4/to-other-seat": ("EBMS:0010", "it is addressed to another access point"),
    "python-as4/wrapped-messaging": ("EBMS:0103", "the header that counts is not the one that was signed"),
    "python-as4/wrapped-messaging-in-object": ("EBMS:0103", "a signature has no room for objects"),
    "python-as4/wrapped-body": ("EBMS:0103", "the Body that counts is not the one that was signed"),
    "python-as4/invoice-forged-from-receipt": ("EBMS:0011", "PartInfo must name its part"),
    "python-as4/unsigned-part-without-href": ("EBMS:0011", "PartInfo must name its part"),
    "python-as4/extra-part": ("EBMS:0011", "a part that PartInfo does not name"),
    "python-as4/sbdh-other-doctype": ("EBMS:0004", "the business envelope contradicts its own document"),
    "python-as4/gzip-trailing-bytes": ("EBMS:0303", "exactly one gzip member"),
}

OTHER_ANSWER: dict[str, tuple[str, str]] = {
    # Refused with an answer of our own: (our answer, why).
    "phase4/altered-signature": ("EBMS:0101", "a bad signature is a matter of authentication"),
    "phase4/altered-signed-header": ("EBMS:0101", "a bad digest is a matter of authentication"),
    "phase4/foreign-ca": ("EBMS:0101", "a foreign certificate is a matter of authentication"),
    "phase4/expired-certificate": ("EBMS:0101", "an expired certificate is a matter of authentication"),
    "phase4/other-content-id": ("EBMS:0011", "the part that PartInfo names is not there"),
    "phase4/soap11": ("HTTP 415", "AS4 is SOAP 1.2"),
    "phase4/no-messaging": ("HTTP 400", "the block in Messaging's place must be understood and is not"),
    "phase4/party-no-seat": ("EBMS:0101", "the sender is not who signed"),
    "phase4/original-sender-untyped": ("EBMS:0003", "header and business envelope contradict each other"),
    "phase4/original-sender-differs": ("EBMS:0003", "header and business envelope contradict each other"),
    "phase4/final-recipient-differs": ("EBMS:0003", "header and business envelope contradict each other"),
    "phase4/mime-type-missing": ("EBMS:0009", "the header lacks a mandatory property"),
    "phase4/signed-not-encrypted": ("EBMS:0103", "the policy asks for encryption"),
    "phase4/encrypted-not-signed": ("EBMS:0103", "the policy asks for a signature"),
    "phase4/neither-signed-nor-encrypted": ("EBMS:0103", "the policy asks for both"),
    "phase4/signer-by-issuer-serial": ("EBMS:0103", "the policy asks for a token"),
    "phase4/signer-by-ski": ("EBMS:0103", "the policy asks for a token"),
    "phase4/signature-sha512": ("EBMS:0103", "not the policy's algorithm"),
    "phase4/cipher-aes256-gcm": ("EBMS:0103", "not the policy's algorithm"),
    "phase4/cipher-aes128-cbc": ("EBMS:0103", "not the policy's algorithm"),
    "phase4/no-payload": ("EBMS:0011", "there is no payload"),
    "phase4/form-no-token-encoding": ("EBMS:0103", "not the policy's form of a token"),
    "phase4/form-no-token-value-type": ("EBMS:0103", "not the policy's form of a token"),
    "phase4/form-no-reference-value-type": ("EBMS:0103", "not the policy's form of a token reference"),
    "phase4/form-key-info-issuer-serial-added": ("EBMS:0103", "not the policy's form of KeyInfo"),
    "phase4/form-encrypted-data-complete-type": ("EBMS:0103", "only the content of a part is encrypted"),
    "phase4/wrong-agreement-again": ("EBMS:0010", "a refused message is not remembered"),
    "oxalis/payload-altered": ("EBMS:0102", "after decryption has begun there is one answer to all failures"),
    "oxalis/payload-not-sbd": ("EBMS:0004", "the envelope itself is bad, nothing contradicts"),
    "oxalis/attachment-missing": ("EBMS:0011", "the part that PartInfo names is not there"),
    "oxalis/two-parts": ("EBMS:0011", "a part that PartInfo does not name"),
}

MORE_LENIENT: dict[str, str] = {
    # Read: why.
    "phase4/form-timestamp": "a wsu:Timestamp outside the signature says nothing",
    "phase4/form-media-type-case": "media types are compared without case",
    "oxalis/signature-first": "the order in the security header is the reader's affair",
}

LATER: dict[str, str] = {
    # Read by this codec; whoever takes the message over decides.
    "phase4/duplicate": "the exchange answers with the stored receipt",
    "phase4/not-serviced": "the exchange knows whom it serves",
    "phase4/smp-other-endpoint": "the exchange knows whom it serves",
    "phase4/smp-other-certificate": "the exchange knows whom it serves",
    "phase4/fail-with": "the recorded receiver was told to refuse",
    "oxalis/duplicate": "the exchange answers with the stored receipt",
    "python-as4/not-serviced": "the exchange knows whom it serves",
    "phase4/answer-204": "the request is good, the answer is not",
    "phase4/answer-html-502": "the request is good, the answer is not",
}


def _all() -> list[Any]:
    found = [(folder, entry) for folder in RECEIVER for entry in vectors(folder)]
    return [pytest.param(folder, entry, id=f"{folder}/{entry['name']}") for folder, entry in found]


pytestmark = [
    pytest.mark.skipif(not CORPUS.exists(), reason="the recorded messages (../shared/corpus/as4) are absent"),
    pytest.mark.usefixtures("door"),
]


def receiving(folder: str, message: Recorded) -> Receiving:
    return receiving_of(
        message.content_type,
        message.body,
        identity=peer_identity(RECEIVER[folder]),
        trust=peer_trust(),
        now=NOW,
        unwrap=unwrap,
    )


def verdict(folder: str, message: Recorded) -> tuple[str, Received | None]:
    exchange = receiving(folder, message)
    try:
        received = exchange.read()
    except InvalidMessage as error:
        assert soap.read_envelope(exchange.error(error), LIMITS).messaging is not None
        return error.code, None
    except UnreadableRequest as error:
        return f"HTTP {error.status}", None
    assert soap.read_envelope(exchange.receipt(), LIMITS).messaging is not None
    return "receipt", received


def said(folder: str, entry: dict[str, Any]) -> tuple[str, ...]:
    """What the recording says a receiver should answer: ``receipt``, codes, or ``refuse``."""
    if folder == "phase4":
        if entry["verdict"] == "no ebMS answer":
            return ("HTTP 400", "HTTP 415")
        return ("receipt",) if not entry["errors"] else tuple(error["code"] for error in entry["errors"])
    if folder == "oxalis":
        suggested = entry["suggested"]
        if suggested == "sender refuses the receipt":
            return ("receipt",)
        return tuple(word for word in suggested.split() if word.startswith("EBMS:") or word == "receipt") + (
            ("HTTP 400",) if suggested.startswith("HTTP 400") else ()
        )
    return {"accept": ("receipt",), "refuse": ("refuse",), "either": ("receipt", "refuse")}[entry["expect"]]


@pytest.mark.parametrize(("folder", "entry"), _all())
def test_a_recorded_message_ends_as_it_should(folder: str, entry: dict[str, Any]) -> None:
    name = f"{folder}/{entry['name']}"
    answer, received = verdict(folder, recorded(folder, entry["name"]))
    tables = [table for table in (STRICTER, OTHER_ANSWER, MORE_LENIENT, LATER) if name in table]
    assert len(tables) <= 1
    if name in STRICTER or name in OTHER_ANSWER:
        assert answer == (STRICTER.get(name) or OTHER_ANSWER[name])[0]
    elif tables:
        assert answer == "receipt"
    elif said(folder, entry) == ("refuse",):
        assert answer != "receipt"
    elif "refuse" not in said(folder, entry):
        assert answer in said(folder, entry)
    if received is None:
        return
    digest = entry.get("sbdSha256") or entry.get("payload_sha256") or (entry.get("sbd") or {}).get("sha256")
    octets = inflate(received.part, LIMITS) if received.compressed else received.part
    if digest:
        assert hashlib.sha256(octets).hexdigest() == digest
    assert received.is_test == (entry["name"] == "ping")
    assert received.is_test or received.document


def test_no_table_names_a_vector_that_is_not_there() -> None:
    known = {f"{folder}/{entry['name']}" for folder in RECEIVER for entry in vectors(folder)}
    for table in (STRICTER, OTHER_ANSWER, MORE_LENIENT, LATER):
        assert set(table) <= known


# --- answers ----------------------------------------------------------------------------------------------------------

BAD_ANSWERS: dict[str, tuple[type[Exception], str]] = {
    "python-as4/comment-in-messageid": (InvalidAnswer, "the receipt names half of the id: a comment split it"),
    # A receipt or nothing was recorded; our judgement, and why.
    "phase4/receipt-foreign-ca": (InvalidAnswer, "the signer is not trusted"),
    "phase4/receipt-other-access-point": (InvalidAnswer, "the signer is not the addressee"),
    "phase4/receipt-of-another-message": (InvalidAnswer, "another message"),
    "phase4/receipt-altered-digest": (InvalidAnswer, "a changed digest breaks the signature"),
    "phase4/receipt-altered-signature": (InvalidAnswer, "the signature is bad"),
    "phase4/receipt-without-security": (InvalidAnswer, "not signed"),
    "phase4/accepted-digest-sha512": (InvalidAnswer, "the digests are not of the profile's algorithm"),
    "phase4/invoice-gzip-answer": (PeerUnavailable, "compressed, which our client does not ask for and refuses"),
    "oxalis/receipt-signature-altered": (InvalidAnswer, "the signature is bad"),
    "oxalis/receipt-digest-altered": (InvalidAnswer, "a changed digest breaks the signature"),
    "oxalis/receipt-unsigned": (InvalidAnswer, "not signed"),
    "oxalis/receipt-of-another": (InvalidAnswer, "another message"),
    "oxalis/receipt-by-another": (InvalidAnswer, "the signer is not the addressee"),
    "oxalis/receipt-by-impostor": (InvalidAnswer, "the signer is not trusted"),
    "oxalis/receipt-digests-missing": (InvalidAnswer, "one digest of three"),
    "oxalis/receipt-digests-wrong": (InvalidAnswer, "other digests"),
    "oxalis/receipt-ref-other": (InvalidAnswer, "another message"),
}


def judged(folder: str, name: str) -> Receipt:
    """Judge the recorded answer as the sender of the recorded request would."""
    message = recorded(folder, name)
    envelope = soap.read_envelope(mime.read_message(message.content_type, message.body, LIMITS).soap, LIMITS)
    assert envelope.messaging is not None
    header = envelope.messaging.getparent()
    assert header is not None
    signed = header.iterfind("{*}Security/{*}Signature/{*}SignedInfo/{*}Reference")
    sending = Sending(
        outgoing(),
        Endpoint(url="", certificate=peer_identity(RECEIVER[folder]).der, seat=RECEIVER[folder], transport_profile=""),
        identity=peer_identity("POP000101"),
        trust=peer_trust(),
        clock=StillClock(),
    )
    # The recorded request takes the place of one of our own.
    sending._outgoing = outgoing(message_id=MessageId(envelope.messaging.findtext(".//{*}MessageId") or ""))
    sending.__dict__["_signature"] = Signature(
        "", tuple((r.get("URI", ""), r.findtext("{*}DigestValue") or "") for r in signed)
    )
    answer = recorded(folder, name, "response")
    return sending.close(answer.status, answer.content_type, answer.body)


def _answered() -> list[Any]:
    """The vectors whose request can be read so far that its references are known."""
    found = []
    for folder in RECEIVER:
        for entry in vectors(folder):
            name = f"{folder}/{entry['name']}"
            try:
                message = recorded(folder, entry["name"])
                soap.read_envelope(mime.read_message(message.content_type, message.body, LIMITS).soap, LIMITS)
            except UnreadableRequest:
                continue
            if (CORPUS / f"{name}.response.http").exists():
                found.append(pytest.param(folder, entry["name"], id=name))
    return found


@pytest.mark.parametrize(("folder", "name"), _answered())
def test_a_recorded_answer_is_judged_as_it_should_be(folder: str, name: str) -> None:
    answer = recorded(folder, name, "response").body
    if f"{folder}/{name}" in BAD_ANSWERS:
        with pytest.raises(BAD_ANSWERS[f"{folder}/{name}"][0]):
            judged(folder, name)
    elif b"NonRepudiationInformation" in answer:
        assert judged(folder, name).signer == RECEIVER[folder]
    elif b"errorCode" in answer:
        with pytest.raises(PeerRefused) as raised:
            judged(folder, name)
        assert raised.value.code.startswith("EBMS:")
    else:
        with pytest.raises(PeerUnavailable) as unavailable:
            judged(folder, name)
        assert unavailable.value.sent
