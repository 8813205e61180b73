"""Signature wrapping, references, transforms, keys and tokens that a correct signature must not excuse."""

from __future__ import annotations

import base64
import copy
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.msh import Request
from gateway.as4.soap import canonical
from gateway.as4.wss.write import seal
from gateway.errors import InvalidMessage, PermanentError, UnreadableRequest, Untrusted
from gateway.security.safexml import parse
from gateway.security.trust import Role
from tests.as4.as4_parts import NOW, World, at, digest_of, outgoing, pack, spoil, unpack

pytestmark = pytest.mark.usefixtures("door")

Element = etree._Element
XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
WSU_ID = f"{{{ns.WSU}}}Id"
ID_NAMES = (WSU_ID, "Id", "ID", "id", XML_ID)


def refused(world: World, request: Request, *codes: str) -> None:
    with pytest.raises(PermanentError) as raised:
        world.read(request)
    error = raised.value
    assert isinstance(error, InvalidMessage | UnreadableRequest)
    if codes:
        assert (error.code if isinstance(error, InvalidMessage) else f"HTTP {error.status}") in codes


def resigned(world: World, request: Request, change: Callable[[Element], object], *, by: Any = None) -> Request:
    """A valid peer misbehaves: change the envelope, then make every digest and the signature right again."""
    root, part, content_id = unpack(request)
    change(root)
    info = at(root, "Header", "Security", "Signature", "SignedInfo")
    ids = {value: e for e in root.iter() for key, value in e.items() if key.rpartition("}")[2] == "Id"}
    for reference in info.iterfind("{*}Reference"):
        target = ids.get(reference.get("URI", "")[1:])
        value = reference.find("{*}DigestValue")
        if target is not None and value is not None:
            value.text = digest_of(canonical(target))
    signer = (by or world.c2).signer
    value = at(root, "Header", "Security", "Signature", "SignatureValue")
    value.text = base64.b64encode(signer.sign(canonical(info))).decode()
    return pack(root, part, content_id)


def test_the_tool_of_these_tests_makes_good_messages(world: World, request_of_c2: Request) -> None:
    def rename(root: Element) -> None:
        at(root, "Header", "Messaging", "UserMessage", "CollaborationInfo", "ConversationId").text = "another"

    assert world.read(resigned(world, request_of_c2, rename)).conversation_id == "another"


def _place_block(root: Element, signed: Element) -> None:
    etree.SubElement(at(root, "Header"), "{urn:example:x}Wrapper").append(signed)


def _place_first(root: Element, signed: Element) -> None:
    wrapper = etree.Element("{urn:example:x}Wrapper")
    wrapper.append(signed)
    at(root, "Header").insert(0, wrapper)


def _place_security(root: Element, signed: Element) -> None:
    at(root, "Header", "Security").append(signed)


def _place_object(root: Element, signed: Element) -> None:
    etree.SubElement(at(root, "Header", "Security", "Signature"), f"{{{ns.DS}}}Object").append(signed)


def _place_envelope(root: Element, signed: Element) -> None:
    etree.SubElement(root, "{urn:example:x}Wrapper").append(signed)


def _place_after(root: Element, signed: Element) -> None:
    at(root, "Header").append(signed)


def _place_within(root: Element, signed: Element) -> None:
    """Inside the evil copy itself."""
    at(root, "Header", "Messaging").append(signed)


PLACES = [_place_block, _place_first, _place_security, _place_object, _place_envelope, _place_after, _place_within]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("id_name", [None, *ID_NAMES])
@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("what", ["Messaging", "Body"])
def test_a_signed_element_moved_aside_never_counts(
    world: World, request_of_c2: Request, place: Callable[..., None], id_name: str | None, same: bool, what: str
) -> None:
    def wrap_evil(root: Element) -> None:
        signed = at(root, "Header", "Messaging") if what == "Messaging" else at(root, "Body")
        evil = copy.deepcopy(signed)
        if what == "Messaging":
            at_evil = evil.find(".//{*}ConversationId")
            at_evil.text = "evil"
        else:
            evil.text = "evil"
        kept = evil.attrib.pop(WSU_ID)
        if id_name:
            evil.set(id_name, kept if same else "other")
        signed.getparent().replace(signed, evil)
        place(root, signed)

    refused(world, spoil(request_of_c2, wrap_evil), "EBMS:0103", "EBMS:0101", "HTTP 400")


@pytest.mark.parametrize("id_name", ID_NAMES)
def test_an_id_may_occur_once_whatever_it_is_called(world: World, request_of_c2: Request, id_name: str) -> None:
    for place in (0, 2):  # before and after the element that has the id by right

        def add(root: Element, place: int = place) -> None:
            block = etree.Element("{urn:example:x}Block")
            block.set(id_name, "messaging")
            at(root, "Header").insert(place, block)

        refused(world, spoil(request_of_c2, add), "EBMS:0103")


def test_the_references_form_a_closed_set(world: World, request_of_c2: Request) -> None:
    def drop(index: int) -> Callable[[Element], None]:
        def change(root: Element) -> None:
            info = at(root, "Header", "Security", "Signature", "SignedInfo")
            info.remove(info.findall("{*}Reference")[index])

        return change

    def double(index: int) -> Callable[[Element], None]:
        def change(root: Element) -> None:
            info = at(root, "Header", "Security", "Signature", "SignedInfo")
            info.append(copy.deepcopy(info.findall("{*}Reference")[index]))

        return change

    def swap(root: Element) -> None:
        references = at(root, "Header", "Security", "Signature", "SignedInfo").findall("{*}Reference")
        references[1].set("URI", "#messaging")

    def extra(root: Element) -> None:
        double(0)(root)
        at(root, "Header", "Security", "Signature", "SignedInfo")[-1].set("URI", "#signer")

    for index in range(3):
        refused(world, resigned(world, request_of_c2, drop(index)), "EBMS:0103")
        refused(world, resigned(world, request_of_c2, double(index)), "EBMS:0103")
    refused(world, resigned(world, request_of_c2, swap), "EBMS:0103")
    refused(world, resigned(world, request_of_c2, extra), "EBMS:0103")


@pytest.mark.parametrize(
    "uri",
    ["", "#", "#xpointer(/)", "http://127.0.0.1:1/", "file:///etc/passwd", "cid:nothing", "cid:", "body", "#Body"],
)
def test_only_the_known_references_are_followed(world: World, request_of_c2: Request, uri: str) -> None:
    for index in range(3):

        def change(root: Element, index: int = index) -> None:
            at(root, "Header", "Security", "Signature", "SignedInfo").findall("{*}Reference")[index].set("URI", uri)

        refused(world, resigned(world, request_of_c2, change), "EBMS:0103")


ALGORITHMS = [
    ns.DS + "enveloped-signature",
    "http://www.w3.org/TR/1999/REC-xslt-19991116",
    "http://www.w3.org/TR/1999/REC-xpath-19991116",
    "http://www.w3.org/2002/06/xmldsig-filter2",
    ns.DS + "base64",
    ns.DS + "sha1",
    ns.DS + "hmac-sha1",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    ns.DS + "rsa-sha1",
    ns.XENC + "sha512",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    ns.EC + "WithComments",
    ns.EC.rstrip("#"),
    "",
]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_is_compared_by_equality(world: World, request_of_c2: Request, algorithm: str) -> None:
    root, _, _ = unpack(request_of_c2)
    places = [
        index
        for index, element in enumerate(at(root, "Header", "Security").iter())
        if element.get("Algorithm") not in (None, algorithm)
    ]
    assert len(places) >= 12
    for place in places:

        def change(root: Element, place: int = place) -> None:
            list(at(root, "Header", "Security").iter())[place].set("Algorithm", algorithm)

        refused(world, resigned(world, request_of_c2, change), "EBMS:0103")


def test_transforms_come_one_at_a_time(world: World, request_of_c2: Request) -> None:
    for index in range(3):

        def double(root: Element, index: int = index) -> None:
            transforms = at(root, "Header", "Security", "Signature", "SignedInfo").findall("{*}Reference/{*}Transforms")
            transforms[index].append(copy.deepcopy(transforms[index][0]))

        def drop(root: Element, index: int = index) -> None:
            references = at(root, "Header", "Security", "Signature", "SignedInfo").findall("{*}Reference")
            references[index].remove(references[index][0])

        refused(world, resigned(world, request_of_c2, double), "EBMS:0103")
        refused(world, resigned(world, request_of_c2, drop), "EBMS:0103")


def test_a_prefix_list_is_honoured_and_short(world: World, request_of_c2: Request) -> None:
    def listed(names: str) -> Callable[[Element], None]:
        def change(root: Element) -> None:
            method = at(root, "Header", "Security", "Signature", "SignedInfo", "CanonicalizationMethod")
            etree.SubElement(method, f"{{{ns.EC}}}InclusiveNamespaces").set("PrefixList", names)

        return change

    request = spoil(request_of_c2, listed("soap wsse #default"))
    root, part, content_id = unpack(request)
    info = at(root, "Header", "Security", "Signature", "SignedInfo")
    value = at(root, "Header", "Security", "Signature", "SignatureValue")
    value.text = base64.b64encode(world.c2.signer.sign(canonical(info, ["soap", "wsse", "#default"]))).decode()
    assert world.read(pack(root, part, content_id)).message_id == outgoing().message_id
    # The same without the list in the canonical form must fail: the list is not ignored.
    refused(world, resigned(world, request_of_c2, listed("soap wsse")), "EBMS:0101")
    refused(world, resigned(world, request_of_c2, listed(" ".join(f"p{n}" for n in range(33)))), "EBMS:0103")


def _key_value(root: Element) -> None:
    info = at(root, "Header", "Security", "Signature", "KeyInfo")
    info.remove(info[0])
    etree.SubElement(etree.SubElement(info, f"{{{ns.DS}}}KeyValue"), f"{{{ns.DS}}}RSAKeyValue")


def _key_name(root: Element) -> None:
    info = at(root, "Header", "Security", "Signature", "KeyInfo")
    etree.SubElement(info, f"{{{ns.DS}}}KeyName").text = "POP000001"


def _retrieval(root: Element) -> None:
    info = at(root, "Header", "Security", "Signature", "KeyInfo")
    info.remove(info[0])
    etree.SubElement(info, f"{{{ns.DS}}}RetrievalMethod").set("URI", "http://127.0.0.1:1/")


def _embedded(root: Element) -> None:
    reference = at(root, "Header", "Security", "Signature", "KeyInfo", "SecurityTokenReference")
    token = root.xpath("//*[@*[local-name()='Id']='signer']")[0]
    reference.remove(reference[0])
    reference.append(token)


def _token_elsewhere(root: Element) -> None:
    token = root.xpath("//*[@*[local-name()='Id']='signer']")[0]
    etree.SubElement(at(root, "Header"), "{urn:example:x}Block").append(token)


def _other_value_type(root: Element) -> None:
    token = root.xpath("//*[@*[local-name()='Id']='signer']")[0]
    token.set("ValueType", ns.X509V3.replace("X509v3", "X509PKIPathv1"))


def _foreign_child(root: Element) -> None:
    etree.SubElement(at(root, "Header", "Security"), f"{{{ns.WSSE}}}UsernameToken")


def _second_signature(root: Element) -> None:
    security = at(root, "Header", "Security")
    security.append(copy.deepcopy(at(security.getroottree().getroot(), "Header", "Security", "Signature")))


def _object(root: Element) -> None:
    etree.SubElement(at(root, "Header", "Security", "Signature"), f"{{{ns.DS}}}Object")


def _empty_info(root: Element) -> None:
    info = at(root, "Header", "Security", "Signature", "SignedInfo")
    for child in list(info):
        info.remove(child)


@pytest.mark.parametrize(
    "change",
    [
        _key_value,
        _key_name,
        _retrieval,
        _embedded,
        _token_elsewhere,
        _other_value_type,
        _foreign_child,
        _second_signature,
        _object,
        _empty_info,
    ],
)
def test_key_and_signature_have_one_form(
    world: World, request_of_c2: Request, change: Callable[[Element], None]
) -> None:
    refused(world, spoil(request_of_c2, change), "EBMS:0103")


@pytest.mark.parametrize("text", ["", " ", "!", "AA", "AAAA=", "å", "AAAA"])
def test_a_broken_signature_value_is_refused(world: World, request_of_c2: Request, text: str) -> None:
    def change(root: Element) -> None:
        at(root, "Header", "Security", "Signature", "SignatureValue").text = text

    refused(world, spoil(request_of_c2, change), "EBMS:0103", "EBMS:0101")


def test_signing_is_for_access_points_only(world: World, request_of_c2: Request, pki: Any) -> None:
    smp = pki.identity("PSP000001")
    for der, by in ((smp.der, smp), (b"no certificate", world.c2)):

        def change(root: Element, der: bytes = der) -> None:
            root.xpath("//*[@*[local-name()='Id']='signer']")[0].text = base64.b64encode(der).decode()

        refused(world, resigned(world, request_of_c2, change, by=by), "EBMS:0101")


def test_a_damaged_certificate_is_not_trusted(world: World, request_of_c2: Request) -> None:
    for place in range(len(world.c2.der)):
        der = bytearray(world.c2.der)
        der[place] ^= 0x03

        with pytest.raises(Untrusted):
            world.trust.believe(bytes(der), Role.ACCESS_POINT, NOW)


def test_the_party_is_the_signer(world: World, request_of_c2: Request) -> None:
    def change(root: Element) -> None:
        at(root, "Header", "Messaging", "UserMessage", "PartyInfo", "From", "PartyId").text = "POP000002"

    refused(world, resigned(world, request_of_c2, change), "EBMS:0101")


def test_a_receipt_is_no_user_message(world: World, request_of_c2: Request) -> None:
    """Signed header and Body of a receipt that the peer once gave, in front of a payload of somebody else."""
    receiving = world.receiving(request_of_c2.content_type, request_of_c2.body)
    receiving.read()
    receipt = parse(receiving.receipt())
    _, part, content_id = unpack(request_of_c2)
    refused(world, pack(receipt, part, content_id))

    def graft(root: Element) -> None:
        signature = at(root, "Header", "Security", "Signature")
        signature.getparent().replace(signature, at(receipt, "Header", "Security", "Signature"))

    refused(world, spoil(request_of_c2, graft), "EBMS:0103")


def test_parts_of_two_messages_cannot_be_exchanged(world: World) -> None:
    first, second = world.sending().request(), world.sending(outgoing(b"<a/>")).request()
    root, _, content_id = unpack(first)
    _, other, _ = unpack(second)
    refused(world, pack(root, other, content_id), "EBMS:0102")


def test_whoever_encrypts_anew_does_not_change_the_document(world: World, request_of_c2: Request) -> None:
    sealed = seal(b"another part", "part.x", world.c3.der, content_key=b"k" * 16, iv=b"i" * 12)
    root, _, content_id = unpack(request_of_c2)
    fresh = parse(f'<x xmlns:wsse="{ns.WSSE}" xmlns:wsu="{ns.WSU}">{sealed.text}</x>'.encode())
    key = at(root, "Header", "Security", "EncryptedKey")
    key.getparent().replace(key, fresh[1])
    refused(world, pack(root, sealed.octets, content_id), "EBMS:0102")


def _wrapped_with(world: World, oaep: Any) -> str:
    return base64.b64encode(world.c3.certificate.public_key().encrypt(b"k" * 16, oaep)).decode()  # type: ignore[union-attr]


@pytest.mark.parametrize("missing", ["DigestMethod", "MGF"])
def test_oaep_must_name_its_digest_and_mask(world: World, request_of_c2: Request, missing: str) -> None:
    def change(root: Element) -> None:
        method = at(root, "Header", "Security", "EncryptedKey", "EncryptionMethod")
        method.remove(at(root, "Header", "Security", "EncryptedKey", "EncryptionMethod", missing))

    refused(world, spoil(request_of_c2, change), "EBMS:0103")


def test_oaep_with_a_label_or_sha1_is_refused(world: World, request_of_c2: Request) -> None:
    def label(root: Element) -> None:
        method = at(root, "Header", "Security", "EncryptedKey", "EncryptionMethod")
        etree.SubElement(method, f"{{{ns.XENC}}}OAEPparams").text = "AAAA"

    def sha1(root: Element) -> None:
        oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
        at(root, "Header", "Security", "EncryptedKey", "CipherData", "CipherValue").text = _wrapped_with(world, oaep)

    refused(world, spoil(request_of_c2, label), "EBMS:0103")
    refused(world, spoil(request_of_c2, sha1), "EBMS:0102")


def test_a_content_key_of_another_length_is_refused(world: World, request_of_c2: Request) -> None:
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    for length in (0, 15, 24, 32):
        wrapped = world.c3.certificate.public_key().encrypt(b"k" * length, oaep)  # type: ignore[union-attr]

        def change(root: Element, wrapped: bytes = wrapped) -> None:
            value = at(root, "Header", "Security", "EncryptedKey", "CipherData", "CipherValue")
            value.text = base64.b64encode(wrapped).decode()

        refused(world, spoil(request_of_c2, change), "EBMS:0102")


def test_keys_and_data_come_in_the_right_number(world: World, request_of_c2: Request) -> None:
    for name in ("EncryptedKey", "EncryptedData"):

        def double(root: Element, name: str = name) -> None:
            element = at(root, "Header", "Security", name)
            second = copy.deepcopy(element)
            second.set("Id", "second")
            element.addnext(second)

        def drop(root: Element, name: str = name) -> None:
            element = at(root, "Header", "Security", name)
            element.getparent().remove(element)

        refused(world, spoil(request_of_c2, double), "EBMS:0103")
        refused(world, spoil(request_of_c2, drop), "EBMS:0103")


def test_our_certificate_may_be_named_in_four_ways(world: World, request_of_c2: Request) -> None:
    ski = world.c3.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    sha1 = hashlib.sha1(world.c3.der).digest()

    def identifier(value_type: str, octets: bytes) -> Callable[[Element], None]:
        def change(root: Element) -> None:
            holder = at(root, "Header", "Security", "EncryptedKey", "KeyInfo", "SecurityTokenReference")
            holder.remove(holder[0])
            key = etree.SubElement(holder, f"{{{ns.WSSE}}}KeyIdentifier")
            key.set("ValueType", value_type)
            key.text = base64.b64encode(octets).decode()

        return change

    def serial(number: str) -> Callable[[Element], None]:
        def change(root: Element) -> None:
            holder = at(root, "Header", "Security", "EncryptedKey", "KeyInfo", "SecurityTokenReference")
            holder.remove(holder[0])
            data = etree.SubElement(etree.SubElement(holder, f"{{{ns.DS}}}X509Data"), f"{{{ns.DS}}}X509IssuerSerial")
            etree.SubElement(data, f"{{{ns.DS}}}X509IssuerName").text = "CN=whoever"
            etree.SubElement(data, f"{{{ns.DS}}}X509SerialNumber").text = number

        return change

    for good in (
        identifier(ns.SUBJECT_KEY_IDENTIFIER, ski),
        identifier(ns.THUMBPRINT, sha1),
        serial(str(world.c3.certificate.serial_number)),
    ):
        assert world.read(spoil(request_of_c2, good)).message_id == outgoing().message_id
    for bad in (identifier(ns.SUBJECT_KEY_IDENTIFIER, sha1), identifier(ns.THUMBPRINT, ski), serial("1"), serial("²")):
        refused(world, spoil(request_of_c2, bad), "EBMS:0102")
    refused(world, spoil(request_of_c2, identifier(ns.X509V3, sha1)), "EBMS:0103")
