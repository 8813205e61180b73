"""A message of ours, read by ourselves: what goes in comes out, and what comes back is judged."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from dataclasses import replace

import pytest
from lxml import etree

from gateway.as4 import ebms, mime
from gateway.as4.gzipped import inflate
from gateway.as4.limits import LIMITS
from gateway.as4.msh import Request, Sending, new_message_id
from gateway.as4.soap import canonical
from gateway.as4.wss.write import sign, write_envelope
from gateway.errors import InvalidAnswer, InvalidMessage, PeerRefused, PeerUnavailable, StateError
from gateway.model.identifiers import MessageId, ProcessId
from gateway.model.signals import NOT_SERVICED
from gateway.security.safexml import UnsafeXml, parse
from gateway.ubl.sbdh import wrap
from tests.as4.as4_parts import (
    DOCUMENT,
    ENVELOPE,
    NOW,
    World,
    at,
    canonical_slices,
    digest_of,
    outgoing,
    pack,
    spoil,
    unpack,
)
from tests.as4.doors import DOOR

pytestmark = pytest.mark.usefixtures("door")

SOAP_TYPE = "application/soap+xml;charset=UTF-8"


def answer_to(world: World, request: Request) -> bytes:
    receiving = world.receiving(request.content_type, request.body)
    receiving.read()
    return receiving.receipt()


def signal(world: World, messaging: str) -> bytes:
    return write_envelope(messaging, sign(messaging, world.c3).text)


def test_what_is_sent_is_received_octet_for_octet(world: World, request_of_c2: Request) -> None:
    received = world.read(request_of_c2)
    sent = outgoing()
    assert received.document == DOCUMENT
    assert (received.part, received.compressed, received.is_test) == (sent.part, True, False)
    assert received.part_sha256 == hashlib.sha256(sent.part).hexdigest()
    assert received.document_at == (None if DOOR.file else inflate(sent.part, LIMITS).index(DOCUMENT))
    assert (received.message_id, received.conversation_id) == (sent.message_id, sent.conversation_id)
    assert received.timestamp == "2026-11-25T12:00:00.000Z"
    assert (received.from_party, received.to_party) == ("POP000001", "POP000002")
    assert (received.envelope.sender, received.envelope.receiver) == (ENVELOPE.sender, ENVELOPE.receiver)
    assert received.soap == request_of_c2.soap


def test_the_verification_says_what_was_covered_and_by_whom(world: World, request_of_c2: Request) -> None:
    proof = world.read(request_of_c2).verification
    assert (proof.signer, proof.seat, proof.revocation) == (world.c2.der, "POP000001", "off")
    assert len(proof.chain) == 3
    assert ("cid:part.4f4a6a7e-93f1-4f0e-9a24-6d0a3b5f2c11@pop000001.as4", digest_of(outgoing().part)) in proof.covered
    assert len(proof.covered) == 3


def test_what_is_signed_is_written_canonical(world: World, request_of_c2: Request) -> None:
    receipt = answer_to(world, request_of_c2)
    for octets in (request_of_c2.soap, receipt):
        slices = list(canonical_slices(octets))
        assert len(slices) == 3
        for name, written, form in slices:
            assert written == form, name


def test_awkward_values_are_written_canonical_and_come_back(world: World) -> None:
    awkward = "a<b>&\"c'\r\n\té"
    message = outgoing(conversation_id=awkward)
    request = world.sending(message).request()
    for name, written, form in canonical_slices(request.soap):
        assert written == form, name
    assert world.read(request).conversation_id == awkward
    error = signal(
        world,
        ebms.write_error(message_id="e@as4", ref_to="m@as4", now=NOW, code="EBMS:0004", detail=awkward + "\x00\ud800"),
    )
    for name, written, form in canonical_slices(error):
        assert written == form, name


def test_a_retry_signs_the_same_octets_and_encrypts_anew(world: World) -> None:
    first, second = world.sending().request(), world.sending().request()
    signed = [[written for _, written, _ in canonical_slices(request.soap)] for request in (first, second)]
    assert signed[0] == signed[1]
    parts = [mime.read_message(r.content_type, r.body, LIMITS).parts[0].content for r in (first, second)]
    assert bytes(parts[0]) != bytes(parts[1])
    assert world.read(first).part == world.read(second).part


def test_the_receipt_of_one_try_proves_the_other(world: World, request_of_c2: Request) -> None:
    receipt = world.sending().close(200, SOAP_TYPE, answer_to(world, request_of_c2))
    assert (receipt.ref_to, receipt.signer, receipt.received_at) == (outgoing().message_id, "POP000002", NOW)
    assert receipt.message_id.endswith("@pop000002.as4")


def test_message_ids_are_plain(world: World) -> None:
    unique = uuid.UUID(int=7)
    assert new_message_id("POP000001", unique) == f"{unique}@pop000001.as4"
    assert ebms.is_message_id(new_message_id("Exempel AB åäö"), LIMITS)
    assert new_message_id("ÅÄÖ").endswith("@seat.as4")


@pytest.mark.parametrize("bad", ["", "no-at", "a@b@c", "a b@c", "<a@b>", "a%20@b", "a@" + "b" * 300, "a\r\n@b"])
def test_an_id_that_others_could_not_read_is_never_sent(world: World, bad: str) -> None:
    with pytest.raises(StateError):
        world.sending(outgoing(message_id=MessageId(bad)))


@pytest.mark.parametrize("status", [200, 202, 204, 400, 500])
@pytest.mark.parametrize("content_type", [SOAP_TYPE, "text/xml", ""])
def test_the_signal_counts_and_not_the_status(
    world: World, request_of_c2: Request, status: int, content_type: str
) -> None:
    assert world.sending().close(status, content_type, answer_to(world, request_of_c2)).signer == "POP000002"


def test_a_receipt_in_one_mime_part_is_read(world: World, request_of_c2: Request) -> None:
    octets = answer_to(world, request_of_c2)
    body = b"--b\r\nContent-Type: application/soap+xml\r\n\r\n" + octets + b"\r\n--b--\r\n"
    assert world.sending().close(200, "multipart/related; boundary=b", body).signer == "POP000002"


@pytest.mark.parametrize(
    "body", [b"", b"  \r\n", b"<html><body>502</body></html>", b"{}", b"\xff\xfe", b"<!DOCTYPE a><a/>"]
)
def test_no_signal_means_that_it_may_have_arrived(world: World, body: bytes) -> None:
    for status in (200, 204, 502):
        with pytest.raises(PeerUnavailable) as raised:
            world.sending().close(status, "text/html", body)
        assert raised.value.sent


def test_an_error_is_a_refusal_with_its_code_and_detail(world: World, request_of_c2: Request) -> None:
    receiving = world.receiving(request_of_c2.content_type, request_of_c2.body)
    receiving.read()
    octets = receiving.error(InvalidMessage("EBMS:0004", NOT_SERVICED))
    root = parse(octets)
    problem = at(root, "Header", "Messaging", "SignalMessage", "Error")
    assert problem.get("refToMessageInError") == outgoing().message_id
    assert problem.findtext("{*}ErrorDetail") == NOT_SERVICED
    assert problem.find("{*}Description").get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    with pytest.raises(PeerRefused) as raised:
        world.sending().close(500, SOAP_TYPE, octets)
    error = raised.value
    assert (error.code, error.detail, error.signed, error.octets) == ("EBMS:0004", NOT_SERVICED, True, octets)


def test_an_unsigned_error_is_told_apart(world: World) -> None:
    messaging = ebms.write_error(
        message_id="e@as4", ref_to=outgoing().message_id, now=NOW, code="EBMS:4001", detail="seen before"
    )
    octets = spoil_soap(signal(world, messaging), "Security")
    with pytest.raises(PeerRefused) as raised:
        world.sending().close(200, SOAP_TYPE, octets)
    assert (raised.value.code, raised.value.signed) == ("EBMS:4001", False)


def test_an_error_about_another_message_proves_nothing(world: World) -> None:
    messaging = ebms.write_error(message_id="e@as4", ref_to="other@as4", now=NOW, code="EBMS:0004", detail="no")
    with pytest.raises(InvalidAnswer):
        world.sending().close(200, SOAP_TYPE, signal(world, messaging))


def test_a_warning_alone_is_no_answer(world: World) -> None:
    messaging = ebms.write_error(message_id="e@as4", ref_to="", now=NOW, code="EBMS:0002", detail="hm")
    octets = signal(world, messaging.replace('severity="failure"', 'severity="warning"'))
    with pytest.raises(PeerUnavailable):
        world.sending().close(200, SOAP_TYPE, octets)


def spoil_soap(octets: bytes, local: str) -> bytes:
    """Remove the header block of this name."""
    root = parse(octets)
    block = at(root, "Header", local)
    block.getparent().remove(block)
    return etree.tostring(root)


def test_a_receipt_proves_nothing_unless_the_addressee_signed_it(world: World, request_of_c2: Request) -> None:
    octets = answer_to(world, request_of_c2)
    sending = world.sending()
    with pytest.raises(InvalidAnswer):  # no signature at all
        sending.close(200, SOAP_TYPE, spoil_soap(octets, "Security"))
    stranger = replace(world.endpoint(), certificate=world.c2.der, seat="POP000001")
    with pytest.raises(InvalidAnswer, match="signed by POP000002, not by POP000001"):
        world.sending(endpoint=stranger).close(200, SOAP_TYPE, octets)
    # Another certificate of the same seat is good: it may have been renewed since the look-up.
    renewed = replace(world.endpoint(), certificate=b"an older certificate")
    assert world.sending(endpoint=renewed).close(200, SOAP_TYPE, octets).signer == "POP000002"


def test_a_receipt_must_repeat_every_digest(world: World, request_of_c2: Request) -> None:
    receiving = world.receiving(request_of_c2.content_type, request_of_c2.body)
    receiving.read()
    before, after = ebms.REPEATED
    repeated: str = receiving._signed.repeated  # type: ignore[union-attr]
    references = repeated.removeprefix(before).removesuffix(after).split(after + before)
    assert ebms.repeat(references) == repeated and len(references) == 3

    def receipt(elements: list[str], ref_to: str = outgoing().message_id) -> bytes:
        return signal(
            world, ebms.write_receipt(message_id="r@as4", ref_to=ref_to, now=NOW, repeated=ebms.repeat(elements))
        )

    assert world.sending().close(200, SOAP_TYPE, receipt(references))
    assert world.sending().close(200, SOAP_TYPE, receipt(references[::-1]))
    for bad in (receipt(references[:2]), receipt([]), receipt([*references, references[0]])):
        with pytest.raises(InvalidAnswer):
            world.sending().close(200, SOAP_TYPE, bad)
    with pytest.raises(InvalidAnswer, match="another message"):
        world.sending().close(200, SOAP_TYPE, receipt(references, "other@as4"))
    for place, reference in enumerate(references):
        value = re.search(">([^<>]+)</ds:DigestValue>", reference)
        assert value is not None
        other = reference.replace(value[1], digest_of(b"something else"))
        with pytest.raises(InvalidAnswer, match="digest"):
            world.sending().close(200, SOAP_TYPE, receipt([*references[:place], other, *references[place + 1 :]]))


def test_foreign_elements_in_a_receipt_are_let_be(world: World, request_of_c2: Request) -> None:
    receiving = world.receiving(request_of_c2.content_type, request_of_c2.body)
    receiving.read()
    messaging = ebms.write_receipt(
        message_id="r@as4",
        ref_to=outgoing().message_id,
        now=NOW,
        repeated=receiving._signed.repeated,  # type: ignore[union-attr]
    )
    messaging = messaging.replace("</eb:Receipt>", '<info xmlns="urn:example:info" version="1"></info></eb:Receipt>')
    assert world.sending().close(200, SOAP_TYPE, signal(world, messaging)).signer == "POP000002"


def test_a_receipt_survives_foreign_prefixes_in_the_request(world: World, request_of_c2: Request) -> None:
    """The references are repeated in canonical form; whatever prefix they use, our signature holds."""
    root = parse(request_of_c2.soap)
    for prefix in ("eb", "soap", "wsu", "ds", "ns1"):
        text = canonical(at(root, "Header", "Security", "Signature", "SignedInfo")[2])
        renamed = text.decode().replace("ds:", f"{prefix}:").replace("xmlns:ds", f"xmlns:{prefix}")
        messaging = ebms.write_receipt(message_id="r@as4", ref_to="m@as4", now=NOW, repeated=ebms.repeat([renamed]))
        for name, written, form in canonical_slices(signal(world, messaging)):
            assert written == form, (prefix, name)


def test_there_is_no_receipt_for_what_was_not_read(world: World, request_of_c2: Request) -> None:
    receiving = world.receiving(request_of_c2.content_type, request_of_c2.body)
    with pytest.raises(StateError):
        receiving.receipt()
    spoiled = spoil(request_of_c2, lambda root: at(root, "Body").set("x", "y"))
    receiving = world.receiving(spoiled.content_type, spoiled.body)
    with pytest.raises(InvalidMessage):
        receiving.read()
    with pytest.raises(StateError):
        receiving.receipt()


def test_an_error_signal_is_signed_and_repeats_the_id(world: World, request_of_c2: Request) -> None:
    spoiled = spoil(request_of_c2, lambda root: at(root, "Body").set("x", "y"))
    receiving = world.receiving(spoiled.content_type, spoiled.body)
    with pytest.raises(InvalidMessage) as raised:
        receiving.read()
    with pytest.raises(PeerRefused) as refused:
        world.sending().close(200, SOAP_TYPE, receiving.error(raised.value))
    assert (refused.value.code, refused.value.signed) == ("EBMS:0101", True)


def test_the_header_must_agree_with_the_business_envelope(world: World) -> None:
    other = replace(ENVELOPE, process=ProcessId.parse("urn:fdc:peppol.eu:2017:poacc:billing:02:1.0"))
    message = outgoing(part=outgoing(envelope=other).part)
    with pytest.raises(InvalidMessage) as raised:
        world.read(world.sending(message).request())
    assert raised.value.code == "EBMS:0003"


def test_a_message_for_another_seat_is_refused(world: World) -> None:
    elsewhere = replace(world.endpoint(), seat="POP000009")
    with pytest.raises(InvalidMessage) as raised:
        world.read(world.sending(endpoint=elsewhere).request())
    assert raised.value.code == "EBMS:0010"


def test_a_message_encrypted_for_another_is_refused(world: World) -> None:
    with pytest.raises(InvalidMessage) as raised:
        world.read(world.sending(endpoint=world.endpoint(world.c2)).request())
    assert raised.value.code == "EBMS:0102"


def test_an_untrusted_signer_costs_no_private_operation(world: World, request_of_c2: Request) -> None:
    """E13: trust comes before the key."""
    calls: list[bytes] = []

    class Counting:
        def decrypt(self, wrapped: bytes) -> bytes:
            calls.append(wrapped)
            return world.c3.decryptor.decrypt(wrapped)

    counting = replace(world.c3, decryptor=Counting())
    nobody = replace(world.trust, access_point=world.trust.smp, _cache={})
    with pytest.raises(InvalidMessage) as raised:
        world.read(request_of_c2, identity=counting, trust=nobody)
    assert (raised.value.code, calls) == ("EBMS:0101", [])
    for path in (("Header", "Messaging", "UserMessage", "MessageInfo", "MessageId"), ("Body",)):
        with pytest.raises(InvalidMessage):
            world.read(
                spoil(request_of_c2, lambda root, path=path: setattr(at(root, *path), "text", "x@y")),  # type: ignore[misc]
                identity=counting,
            )
    assert calls == []
    assert world.read(request_of_c2, identity=counting).document == DOCUMENT
    assert len(calls) == 1


def test_the_peer_is_told_the_same_of_every_failed_decryption(world: World, request_of_c2: Request) -> None:
    root, part, content_id = unpack(request_of_c2)
    told = set()
    for octets in (part[:-1] + bytes([part[-1] ^ 1]), part[:28], part[:5], bytes([part[0] ^ 1]) + part[1:]):
        told.add(refusal(world, pack(root, octets, content_id)))
    for length in (256, 255, 1):
        text = at(root, "Header", "Security", "EncryptedKey", "CipherData", "CipherValue")
        text.text = base64.b64encode(b"\x01" * length).decode()
        told.add(refusal(world, pack(root, part, content_id)))
    assert told == {("EBMS:0102", "The payload cannot be decrypted and verified")}


def refusal(world: World, request: Request) -> tuple[str, str]:
    with pytest.raises(InvalidMessage) as raised:
        world.read(request)
    return raised.value.code, raised.value.peer_text


def test_an_unwrapper_may_refuse_in_its_own_words(world: World, request_of_c2: Request) -> None:
    def refuse(octets: bytes) -> tuple[object, bytes]:
        assert octets == wrap(DOCUMENT, ENVELOPE)
        raise UnsafeXml("Not well-formed XML: somewhere")

    with pytest.raises(InvalidMessage, match="somewhere") as raised:
        world.read(request_of_c2, unwrap=refuse)
    assert raised.value.code == "EBMS:0004"


def test_the_part_is_the_gzip_that_was_signed(world: World, request_of_c2: Request) -> None:
    received = world.read(request_of_c2)
    assert hashlib.sha256(inflate(received.part, LIMITS)).digest() == hashlib.sha256(wrap(DOCUMENT, ENVELOPE)).digest()
    assert isinstance(world.sending(), Sending)
