"""gateway.security.dsig: one shape of signature is believed, and only from an SMP of our network."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from lxml import etree

from gateway.errors import Untrusted
from gateway.security import dsig
from gateway.security.authority import issue, new_pki
from gateway.security.dsig import DS, sign_enveloped, verify_enveloped
from gateway.security.keys import Identity, load_identity
from gateway.security.safexml import UnsafeXml, parse
from gateway.security.trust import Role, Trust

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DOCUMENT = b'<a:doc xmlns:a="urn:a" xmlns="urn:d"><a:x k="1">text &amp; \xc3\xa5</a:x>\n  <y/></a:doc>'


class Network:
    def __init__(self, directory: Path) -> None:
        new_pki(directory, now=NOW - timedelta(days=1000))
        self.directory = directory
        self.smp = self.issue("smp", "PSP000201")
        self.ap = self.issue("ap", "POP000101")
        self.expired = self.issue("smp", "PSP000209", NOW - timedelta(days=800))
        self.trust = Trust(access_point=self.load("ap-ca", "root"), smp=self.load("smp-ca", "root"))

    def issue(self, role: str, seat: str, now: datetime = NOW) -> Identity:
        certificate = issue(self.directory, role, seat, now=now)  # type: ignore[arg-type]
        return load_identity(certificate, self.directory / f"{seat}.key.pem", section="test")

    def load(self, *names: str) -> list[x509.Certificate]:
        return [x509.load_pem_x509_certificate((self.directory / f"{name}.pem").read_bytes()) for name in names]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return Network(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def signed(net: Network) -> bytes:
    return sign_enveloped(parse(DOCUMENT), net.smp)


def verify(net: Network, octets: bytes) -> dsig.SignedXml:
    return verify_enveloped(octets, net.trust, Role.SMP, NOW)


def changed(octets: bytes, change: Callable[[etree._Element], object]) -> bytes:
    root = parse(octets)
    change(root)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def find(root: etree._Element, name: str) -> etree._Element:
    found = root.find(f".//{{{DS}}}{name}")
    assert found is not None
    return found


def test_what_we_sign_is_believed_and_the_signed_tree_has_no_signature(net: Network, signed: bytes) -> None:
    result = verify(net, signed)
    assert result.signer.common_name == "PSP000201"
    assert result.signer.chain[-1].startswith("CN=Private root CA")
    assert etree.tostring(result.root, method="c14n") == etree.tostring(parse(DOCUMENT), method="c14n")


@pytest.mark.parametrize(
    "document",
    [
        DOCUMENT,
        b"<doc/>",
        b'<doc xmlns:unused="urn:unused" xmlns:b="urn:b" z="1" b:a="2">text<b:c xmlns:b="urn:other"/>tail</doc>',
        b"<doc>\n <x>&#13;&#9;</x>\n</doc>",
    ],
)
def test_the_quick_check_digests_what_signxml_does(net: Network, document: bytes) -> None:
    octets = sign_enveloped(parse(document), net.smp)
    root, signer = parse(octets), net.trust.believe(net.smp.der, Role.SMP, NOW)
    digested = dsig._fits(root, signer)
    assert digested == dsig._verified(root, signer, NOW) == etree.tostring(parse(document), method="c14n")
    spaced = changed(octets, lambda r: setattr(r[-1], "tail", "\n"))  # white space after the signature is digested
    assert dsig._fits(parse(spaced), signer) is None
    with pytest.raises(Untrusted, match="does not fit"):
        verify(net, spaced)


def test_attributes_that_a_canonical_part_inherits_are_left_to_signxml(net: Network) -> None:
    octets = sign_enveloped(parse(b'<doc xml:lang="sv"><x/></doc>'), net.smp)
    signer = net.trust.believe(net.smp.der, Role.SMP, NOW)
    assert dsig._fits(parse(octets), signer) is None
    assert verify(net, octets).signer.common_name == "PSP000201"


def test_the_form_is_exactly_the_specifications(net: Network, signed: bytes) -> None:
    root = parse(signed)
    signature = root[-1]
    assert [etree.QName(e).localname for e in signature.iter()] == [
        *("Signature", "SignedInfo", "CanonicalizationMethod", "SignatureMethod", "Reference", "Transforms"),
        *("Transform", "DigestMethod", "DigestValue", "SignatureValue", "KeyInfo", "X509Data"),
        *("X509SubjectName", "X509Certificate"),
    ]
    assert find(root, "CanonicalizationMethod").get("Algorithm") == "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
    assert find(root, "SignatureMethod").get("Algorithm") == "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    assert find(root, "DigestMethod").get("Algorithm") == "http://www.w3.org/2001/04/xmlenc#sha256"
    assert find(root, "Reference").get("URI") == ""
    assert find(root, "X509SubjectName").text == "CN=PSP000201,OU=PRIVATE SMP,O=Private network,C=SE"
    assert base64.b64decode(find(root, "X509Certificate").text or "") == net.smp.der


def test_signing_leaves_the_tree_as_it_was_and_repeats_to_the_same_octets(net: Network, signed: bytes) -> None:
    root = parse(DOCUMENT)
    assert sign_enveloped(root, net.smp) == signed
    assert etree.tostring(root) == etree.tostring(parse(DOCUMENT))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"text", b"test", id="text"),
        pytest.param(b'k="1"', b'k="2"', id="attribute"),
        pytest.param(b"\n  <y/>", b"\n <y/>", id="white space"),
        pytest.param(b"<y/>", b"<y><z/></y>", id="new element"),
        pytest.param(b'xmlns="urn:d"', b'xmlns="urn:e"', id="namespace"),
    ],
)
def test_any_change_of_the_content_is_noticed(net: Network, signed: bytes, old: bytes, new: bytes) -> None:
    assert old in signed
    with pytest.raises(Untrusted, match="does not fit the document"):
        verify(net, signed.replace(old, new, 1))


def test_a_changed_signature_value_is_noticed(net: Network, signed: bytes) -> None:
    def flip(root: etree._Element) -> None:
        value = find(root, "SignatureValue")
        octets = bytearray(base64.b64decode(value.text or ""))
        octets[7] ^= 1
        value.text = base64.b64encode(octets).decode()

    with pytest.raises(Untrusted, match="does not fit the document"):
        verify(net, changed(signed, flip))


def test_line_breaks_in_the_base64_of_the_signature_are_normal(net: Network, signed: bytes) -> None:
    def wrap(root: etree._Element) -> None:
        for name in ("SignatureValue", "X509Certificate"):
            element = find(root, name)
            text = element.text or ""
            element.text = "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76))

    octets = changed(signed, wrap)
    assert b"&#13;" in octets
    assert verify(net, octets).signer.common_name == "PSP000201"


def test_an_access_point_cannot_sign_for_an_smp(net: Network) -> None:
    with pytest.raises(Untrusted, match="not issued by the SMP authority"):
        verify(net, sign_enveloped(parse(DOCUMENT), net.ap))


def test_an_expired_signer_is_not_believed(net: Network) -> None:
    with pytest.raises(Untrusted, match="expired"):
        verify(net, sign_enveloped(parse(DOCUMENT), net.expired))


def test_a_foreign_authority_of_the_same_name_is_not_believed(net: Network, tmp_path: Path) -> None:
    foreign = Network(tmp_path / "foreign")
    with pytest.raises(Untrusted, match="not issued by the SMP authority"):
        verify(net, sign_enveloped(parse(DOCUMENT), foreign.smp))


def test_another_certificate_than_the_signers_does_not_verify(net: Network, signed: bytes) -> None:
    other = net.issue("smp", "PSP000205")
    with pytest.raises(Untrusted, match="does not fit the document"):
        verify(net, changed(signed, lambda root: setattr(find(root, "X509Certificate"), "text", other.token)))


def _second_reference(root: etree._Element) -> None:
    reference = find(root, "Reference")
    info = find(root, "SignedInfo")
    info.append(parse(etree.tostring(reference)))


def _transform(algorithm: str) -> Callable[[etree._Element], None]:
    def add(root: etree._Element) -> None:
        etree.SubElement(find(root, "Transforms"), f"{{{DS}}}Transform").set("Algorithm", algorithm)

    return add


def _key_value(root: etree._Element) -> None:
    etree.SubElement(find(root, "KeyInfo"), f"{{{DS}}}KeyValue")


def _second_certificate(root: etree._Element) -> None:
    certificate = find(root, "X509Certificate")
    etree.SubElement(find(root, "X509Data"), certificate.tag).text = certificate.text


def _first_child(root: etree._Element) -> None:
    root.insert(0, root[-1])


def _inside(root: etree._Element) -> None:
    root[0].append(root[-1])


def _object(root: etree._Element) -> None:
    etree.SubElement(root[-1], f"{{{DS}}}Object").text = "hidden"


def _set(name: str, attribute: str, value: str) -> Callable[[etree._Element], None]:
    return lambda root: find(root, name).set(attribute, value)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_second_reference, id="two references"),
        pytest.param(_set("Reference", "URI", "#_0"), id="reference by id"),
        pytest.param(_set("Reference", "URI", "http://127.0.0.1/"), id="reference to a URL"),
        pytest.param(_set("Reference", "Type", "urn:x"), id="reference with a type"),
        pytest.param(_transform("http://www.w3.org/2001/10/xml-exc-c14n#"), id="second transform"),
        pytest.param(_transform(dsig.C14N), id="explicit inclusive c14n"),
        pytest.param(_set("Transform", "Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116"), id="xslt"),
        pytest.param(_set("CanonicalizationMethod", "Algorithm", "http://www.w3.org/2001/10/xml-exc-c14n#"), id="exc"),
        pytest.param(_set("SignatureMethod", "Algorithm", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"), id="sha1"),
        pytest.param(
            _set("SignatureMethod", "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"), id="hmac"
        ),
        pytest.param(_set("DigestMethod", "Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1"), id="sha1 digest"),
        pytest.param(_key_value, id="key value"),
        pytest.param(_second_certificate, id="two certificates"),
        pytest.param(_first_child, id="signature first"),
        pytest.param(_inside, id="signature deeper"),
        pytest.param(_object, id="object"),
        pytest.param(lambda root: root.append(parse(etree.tostring(root[-1]))), id="two signatures"),
        pytest.param(lambda root: find(root, "KeyInfo").clear(), id="no certificate"),
        pytest.param(lambda root: setattr(find(root, "X509Certificate"), "text", "MII*"), id="not base64"),
    ],
)
def test_every_other_form_is_refused_before_the_mathematics(
    net: Network, signed: bytes, change: Callable[[etree._Element], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dsig.XMLVerifier, "verify", lambda *a, **k: pytest.fail("signxml was asked"))
    with pytest.raises(Untrusted, match="another form"):
        verify(net, changed(signed, change))


def test_an_unsigned_document_is_refused(net: Network) -> None:
    with pytest.raises(Untrusted, match="not signed"):
        verify(net, DOCUMENT)


def test_text_hidden_by_a_comment_is_refused(net: Network, signed: bytes) -> None:
    with pytest.raises(UnsafeXml, match="Comments"):
        verify(net, signed.replace(b"text", b"te<!-- -->xt"))
    with pytest.raises(UnsafeXml, match="beside"):
        verify(net, signed + b"<!-- after -->")


def test_a_dtd_is_refused(net: Network, signed: bytes) -> None:
    head, body = signed.split(b"?>\n", 1)
    with pytest.raises(UnsafeXml, match="DOCTYPE"):
        verify(net, head + b"?>\n<!DOCTYPE x [<!ENTITY e 'x'>]>" + body)


def _namespaces(count: int) -> bytes:
    return b"<a %s><b/></a>" % b" ".join(b'xmlns:n%d="urn:%d"' % (i, i) for i in range(count))


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"<a>" + b" " * dsig.MAX_OCTETS + b"</a>", id="large"),
        pytest.param(_namespaces(2_000), id="namespaces"),
        pytest.param(b"<a>" + b"<b/>" * 3_000 + b"</a>", id="elements"),
        pytest.param(b"<a>" * 60 + b"</a>" * 60, id="depth"),
        pytest.param(b"<a %s/>" % b" ".join(b'a%d=""' % i for i in range(100)), id="attributes"),
        pytest.param('<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe5</a>', id="latin"),
    ],
)
def test_what_would_cost_minutes_is_refused_in_milliseconds(net: Network, octets: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(Untrusted, match="The signed document"):
        verify(net, octets)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("octets", [b"", b"   ", b"<a", b"\x00\x01", b"not xml"])
def test_what_is_no_xml_is_unsafe(net: Network, octets: bytes) -> None:
    with pytest.raises(UnsafeXml):
        verify(net, octets)


def test_the_checks_are_what_stops_a_forgery(net: Network, signed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of the tests: without trust, a foreign signature passes, so it is trust that stops it."""
    forged = sign_enveloped(parse(DOCUMENT), net.ap)
    monkeypatch.setattr(Trust, "_path", lambda self, leaf, role, at: [])
    assert verify(net, forged).signer.common_name == "POP000101"
