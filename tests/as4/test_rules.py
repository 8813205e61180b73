"""What a header may say: extras are let be, departures are refused with their code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.as4 import ebms
from gateway.as4.limits import LIMITS
from gateway.as4.msh import Request
from gateway.as4.namespaces import EB, TEST_ACTION, TEST_SERVICE
from gateway.as4.profiles.peppol import PROFILE
from gateway.as4.rules import check_envelope, check_profile, match_parts
from gateway.as4.soap import read_envelope
from gateway.errors import InvalidMessage
from gateway.model.identifiers import ParticipantId
from gateway.security.safexml import parse
from tests.as4.as4_parts import ENVELOPE, World, at, outgoing, pack, unpack
from tests.as4.test_wrapping import resigned

pytestmark = pytest.mark.usefixtures("door")

CONTENT_ID = "part.4f4a6a7e-93f1-4f0e-9a24-6d0a3b5f2c11@pop000001.as4"


@pytest.fixture
def user(request_of_c2: Request) -> ebms.UserMessage:
    return user_of(request_of_c2.soap)


def user_of(soap: bytes) -> ebms.UserMessage:
    messaging = read_envelope(soap, LIMITS).messaging
    assert messaging is not None
    return ebms.read_user_message(messaging, LIMITS)


def changed(soap: bytes, *replacements: tuple[str, str]) -> bytes:
    text = soap.decode()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def check(user: ebms.UserMessage, **changes: Any) -> None:
    said = replace(user, **changes)
    check_profile(said, PROFILE, seat="POP000002", signer="POP000001")
    match_parts(said, (CONTENT_ID,), PROFILE)
    check_envelope(said, ENVELOPE, PROFILE)


def test_our_own_header_follows_the_rules(user: ebms.UserMessage) -> None:
    check(user)


def test_harmless_additions_are_let_be(user: ebms.UserMessage) -> None:
    check(user, channel=EB + "defaultMPC")
    check(user, properties=user.properties | {"extra": ebms.Typed("", None)})
    upper = {name: ebms.Typed(typed.value.upper(), typed.type) for name, typed in user.properties.items()}
    check(user, properties=upper)
    for charset in ("utf-8", "UTF-8", "iso-8859-1"):
        part = replace(user.parts[0], properties=user.parts[0].properties | {"CharacterSet": charset})
        check(user, parts=(part,))
    check(user, parts=(replace(user.parts[0], href=f"cid:{CONTENT_ID.replace('@', '%40')}"),))
    check(user, parts=(replace(user.parts[0], properties={}),))


def typed(value: str, kind: str | None = PROFILE.party_type) -> ebms.Typed:
    return ebms.Typed(value, kind)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ref_to": "a@b"}, "EBMS:0010"),
        ({"channel": "urn:example"}, "EBMS:0003"),
        ({"from_parties": (typed("POP000001"),) * 2}, "EBMS:0003"),
        ({"from_parties": (typed("POP000001", None),)}, "EBMS:0010"),
        ({"from_parties": (typed("POP000002"),)}, "EBMS:0101"),
        ({"from_parties": (typed("pop000001"),)}, "EBMS:0101"),
        ({"to_parties": (typed("POP000001"),)}, "EBMS:0010"),
        ({"to_parties": (typed("POP000002", "urn:x"),)}, "EBMS:0010"),
        ({"from_role": PROFILE.responder}, "EBMS:0010"),
        ({"to_role": PROFILE.initiator}, "EBMS:0010"),
        ({"agreement": None}, "EBMS:0010"),
        ({"agreement": ebms.Typed("urn:other")}, "EBMS:0010"),
        ({"agreement": ebms.Typed(PROFILE.agreement, "x")}, "EBMS:0010"),
        ({"agreement_mode": "x"}, "EBMS:0010"),
        ({"properties": {}}, "EBMS:0010"),
        ({"parts": ()}, "EBMS:0011"),
        ({"parts": (ebms.PartInfo(href=None, properties={}),)}, "EBMS:0011"),
        ({"parts": (ebms.PartInfo(href="cid:other", properties={}),)}, "EBMS:0011"),
        ({"parts": (ebms.PartInfo(href="#body", properties={}),)}, "EBMS:0011"),
        ({"action": str(ENVELOPE.document_type).replace("Invoice", "invoice")}, "EBMS:0003"),
        ({"action": ENVELOPE.document_type.value}, "EBMS:0003"),
        ({"service": ebms.Typed(ENVELOPE.process.value)}, "EBMS:0003"),
        ({"service": ebms.Typed("other", ENVELOPE.process.scheme)}, "EBMS:0003"),
    ],
)
def test_a_departure_has_its_code(user: ebms.UserMessage, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidMessage) as raised:
        check(user, **changes)
    assert raised.value.code == code


@pytest.mark.parametrize("name", ["originalSender", "finalRecipient"])
@pytest.mark.parametrize("value", [typed("0007:1", "iso6523-actorid-upis"), typed("0007:5567212047", None), typed("")])
def test_the_corners_are_those_of_the_business_envelope(user: ebms.UserMessage, name: str, value: ebms.Typed) -> None:
    with pytest.raises(InvalidMessage) as raised:
        check(user, properties=user.properties | {name: value})
    assert raised.value.code in ("EBMS:0003", "EBMS:0010")


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"CompressionType": "application/gzip"}, "EBMS:0009"),
        ({"CompressionType": "application/zip", "MimeType": "application/xml"}, "EBMS:0003"),
        ({"CompressionType": "", "MimeType": "application/xml"}, "EBMS:0003"),
        ({"CharacterSet": "no-such-set"}, "EBMS:0009"),
        ({"CharacterSet": "gzip"}, "EBMS:0009"),
        ({"CharacterSet": "rot13"}, "EBMS:0009"),
        ({"CharacterSet": "../../x"}, "EBMS:0009"),
        ({"CharacterSet": ""}, "EBMS:0009"),
    ],
)
def test_part_properties_are_checked(user: ebms.UserMessage, properties: dict[str, str], code: str) -> None:
    with pytest.raises(InvalidMessage) as raised:
        check(user, parts=(replace(user.parts[0], properties=properties),))
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<eb:MessageInfo>", "<eb:MessageInfo><eb:Extra/>"),
        ("</eb:MessageInfo>", "</eb:MessageInfo><eb:Extra/>"),
        ("</eb:UserMessage>", "<eb:Extra/></eb:UserMessage>"),
        ("2026-11-25T12:00:00.000Z", "yesterday"),
        ("2026-11-25T12:00:00.000Z", "2026-11-25T12:00:00." + "0" * 40 + "Z"),
        ("@pop000001.as4</eb:MessageId>", "</eb:MessageId>"),
        ("@pop000001.as4</eb:MessageId>", "@pop..as4</eb:MessageId>"),
        ("@pop000001.as4</eb:MessageId>", "@x" + "y" * 300 + "</eb:MessageId>"),
        ("@pop000001.as4</eb:MessageId>", "@x\u202e</eb:MessageId>"),
        ("@pop000001.as4</eb:MessageId>", "/../../etc@</eb:MessageId>"),
        ("<eb:ConversationId>", "<eb:ConversationId><eb:x/>"),
        ("0d7b3f0e-1f53-4e8e-8a54-7b0f2e1d9c33", " "),
        ("0d7b3f0e-1f53-4e8e-8a54-7b0f2e1d9c33", "x" * 1001),
        ('name="finalRecipient"', 'name="originalSender"'),
        ('name="finalRecipient"', ""),
    ],
)
def test_a_malformed_header_is_invalid(request_of_c2: Request, old: str, new: str) -> None:
    with pytest.raises(InvalidMessage) as raised:
        user_of(changed(request_of_c2.soap, (old, new)))
    assert raised.value.code == "EBMS:0009"


def test_there_is_one_message_unit(request_of_c2: Request) -> None:
    text = request_of_c2.soap.decode()
    unit = text[text.index("<eb:UserMessage>") : text.index("</eb:UserMessage>") + len("</eb:UserMessage>")]
    for instead in ("", unit * 2, f"{unit}<eb:SignalMessage/>", "<eb:SignalMessage/>"):
        with pytest.raises(InvalidMessage) as raised:
            user_of(changed(request_of_c2.soap, (unit, instead)))
        assert raised.value.code == "EBMS:0003"


def test_the_body_stays_empty(world: World, request_of_c2: Request) -> None:
    def fill(root: Any) -> None:
        at(root, "Body").text = "something"

    with pytest.raises(InvalidMessage) as raised:
        world.read(resigned(world, request_of_c2, fill))
    assert raised.value.code == "EBMS:0003"


def _as_test(root: Any) -> None:
    collaboration = at(root, "Header", "Messaging", "UserMessage", "CollaborationInfo")
    at(root, "Header", "Messaging", "UserMessage", "CollaborationInfo", "Service").text = TEST_SERVICE
    collaboration.find("{*}Action").text = TEST_ACTION


def test_a_ping_is_verified_and_has_no_document(world: World, request_of_c2: Request) -> None:
    ping = resigned(world, request_of_c2, _as_test)
    receiving = world.receiving(ping.content_type, ping.body)
    received = receiving.read()
    assert (received.is_test, received.document, received.envelope.receiver) == (True, b"", ParticipantId(""))
    assert receiving.receipt()


def test_a_ping_may_come_without_payload(world: World, request_of_c2: Request) -> None:
    def bare(root: Any) -> None:
        _as_test(root)
        for name in ("EncryptedKey", "EncryptedData"):
            element = at(root, "Header", "Security", name)
            element.getparent().remove(element)
        info = at(root, "Header", "Security", "Signature", "SignedInfo")
        info.remove(info[-1])
        payload = at(root, "Header", "Messaging", "UserMessage", "PayloadInfo")
        payload.getparent().remove(payload)

    request = resigned(world, request_of_c2, bare)
    received = world.receiving("application/soap+xml", request.soap).read()
    assert (received.is_test, received.part) == (True, b"")

    def no_test(root: Any) -> None:
        bare(root)
        at(root, "Header", "Messaging", "UserMessage", "CollaborationInfo", "Action").text = "other"

    with pytest.raises(InvalidMessage) as raised:
        world.receiving("application/soap+xml", resigned(world, request_of_c2, no_test).soap).read()
    assert raised.value.code == "EBMS:0011"


def test_blanks_around_values_do_not_count(world: World, request_of_c2: Request) -> None:
    def pad(root: Any) -> None:
        message_id = at(root, "Header", "Messaging", "UserMessage", "MessageInfo", "MessageId")
        message_id.text = f"\n {message_id.text} "

    padded = resigned(world, request_of_c2, pad)
    receiving = world.receiving(padded.content_type, padded.body)
    assert receiving.read().message_id == outgoing().message_id
    receipt = parse(receiving.receipt())
    assert receipt.findtext(".//{*}RefToMessageId") == outgoing().message_id


def test_parts_need_ids_of_their_own(world: World, request_of_c2: Request) -> None:
    root, part, _ = unpack(request_of_c2)
    with pytest.raises(InvalidMessage) as raised:
        world.read(pack(root, part, ""))
    assert raised.value.code == "EBMS:0007"
