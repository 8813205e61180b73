"""gateway.smp.metadata: what SMPs write, read tolerantly in form and strictly in content."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from lxml import etree

from gateway.errors import InvalidAnswer
from gateway.model.identifiers import TRANSPORT_PROFILE, DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Reason
from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS
from gateway.security.safexml import parse
from gateway.smp.metadata import (
    IDS,
    SMP,
    WSA,
    Redirect,
    ServiceEndpoint,
    ServiceInformation,
    Unusable,
    candidates,
    choose,
    path,
    read_certificate,
    read_group,
    read_metadata,
    write_group,
    write_metadata,
)
from tests.smp.smp_parts import BUYER, NOW, OTHER, PINT

END = ServiceEndpoint(
    url="https://ap.example.org/as4",
    certificate=b"0\x82certificate",
    transport_profile=TRANSPORT_PROFILE,
    activation=datetime(2026, 1, 1, tzinfo=UTC),
    expiration=datetime(2028, 1, 1, 12, 30, tzinfo=UTC),
)
NAME = str(BILLING_INVOICE)


def written(endpoint: ServiceEndpoint = END) -> etree._Element:
    return write_metadata(
        BUYER,
        BILLING_INVOICE,
        [BILLING_PROCESS],
        [endpoint],
        description="Exempel AB",
        contact_url="mailto:x@example.org",
    )


def read(root: etree._Element) -> ServiceInformation:
    found = read_metadata(root, BUYER, NAME)
    assert isinstance(found, ServiceInformation)
    return found


def only(information: ServiceInformation) -> ServiceEndpoint:
    ((_, (endpoint,)),) = information.processes
    return endpoint


def change(root: etree._Element, name: str, text: str, namespace: str = SMP) -> etree._Element:
    found = root.find(f".//{{{namespace}}}{name}")
    assert found is not None
    found.text = text
    return root


def test_paths_are_percent_encoded_as_one_segment_each() -> None:
    assert path(ParticipantId.parse("9915:test")) == "/iso6523-actorid-upis%3A%3A9915%3Atest"
    assert path(ParticipantId.parse("9915:test"), NAME) == (
        "/iso6523-actorid-upis%3A%3A9915%3Atest/services/"
        "busdox-docid-qns%3A%3Aurn%3Aoasis%3Anames%3Aspecification%3Aubl%3Aschema%3Axsd%3AInvoice-2%3A%3AInvoice%23%23"
        "urn%3Acen.eu%3Aen16931%3A2017%23compliant%23urn%3Afdc%3Apeppol.eu%3A2017%3Apoacc%3Abilling%3A3.0%3A%3A2.1"
    )
    assert path(BUYER, "a::pdf+xml/é ~").endswith("/services/a%3A%3Apdf%2Bxml%2F%C3%A9%20~")


def test_what_is_written_is_read_again() -> None:
    information = read(parse(etree.tostring(written())))
    assert information.participant == BUYER.value
    assert information.document_type == NAME
    assert information.processes == ((BILLING_PROCESS, (END,)),)


def test_the_order_of_the_elements_is_the_schemas() -> None:
    end = written().find(f".//{{{SMP}}}Endpoint")
    assert end is not None
    assert [etree.QName(child).localname for child in end] == [
        *("EndpointReference", "RequireBusinessLevelSignature", "ServiceActivationDate", "ServiceExpirationDate"),
        *("Certificate", "ServiceDescription", "TechnicalContactUrl"),
    ]
    assert end.findtext(f"{{{SMP}}}ServiceActivationDate") == "2026-01-01T00:00:00Z"


DER = bytes(range(256)) * 3
PLAIN = base64.b64encode(DER).decode()
LINES = "\r\n".join(PLAIN[i : i + 64] for i in range(0, len(PLAIN), 64))
PEM = f"-----BEGIN CERTIFICATE-----\n{LINES}\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("text", [PLAIN, f"\n   {LINES}  ", PEM, base64.b64encode(PEM.encode()).decode()])
def test_certificates_are_read_in_every_dress(text: str) -> None:
    assert read_certificate(text) == DER


@pytest.mark.parametrize("text", ["", "not base64!", "MII", base64.b64encode(b"-----BEGIN" * 9).decode()])
def test_what_is_no_certificate_is_empty(text: str) -> None:
    assert read_certificate(text) == b""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-06-01T10:00:00+02:00", NOW),
        ("2026-06-01T08:00:00Z", NOW),
        ("2026-06-01T08:00:00", NOW),
        ("2026-06-01T08:00:00.000000000Z", NOW),
        ("  2026-06-01T08:00:00Z\n", NOW),
        ("", None),
    ],
)
def test_times_are_read_with_and_without_zone(text: str, expected: datetime | None) -> None:
    assert only(read(change(written(), "ServiceActivationDate", text))).activation == expected


def test_times_are_written_in_utc() -> None:
    summer = datetime(2026, 6, 1, 10, tzinfo=timezone(timedelta(hours=2)))
    root = written(ServiceEndpoint(url="u", certificate=b"c", transport_profile="t", activation=summer))
    assert root.findtext(f".//{{{SMP}}}ServiceActivationDate") == "2026-06-01T08:00:00Z"
    assert root.find(f".//{{{SMP}}}ServiceExpirationDate") is None


def test_an_answer_about_another_is_not_an_answer() -> None:
    with pytest.raises(InvalidAnswer, match="asked was iso6523-actorid-upis::0088:7300010000001"):
        read_metadata(written(), OTHER, NAME)
    with pytest.raises(InvalidAnswer, match=r"asked was “busdox-docid-qns::.*CreditNote"):
        read_metadata(written(), BUYER, str(BILLING_CREDIT_NOTE))


def test_participants_are_compared_without_case_and_document_types_with_it() -> None:
    mixed = ParticipantId.parse("0088:ABC")
    root = change(written(), "ParticipantIdentifier", "0088:aBc", IDS)
    assert read_metadata(root, mixed, NAME)
    with pytest.raises(InvalidAnswer):
        read_metadata(written(), BUYER, NAME.replace("Invoice", "invoice"))


def test_a_process_without_a_scheme_has_the_usual_one() -> None:
    root = written()
    process = root.find(f".//{{{IDS}}}ProcessIdentifier")
    assert process is not None
    del process.attrib["scheme"]
    ((held, _),) = read(root).processes
    assert held == BILLING_PROCESS


def test_another_scheme_is_another_participant() -> None:
    root = written()
    element = root.find(f".//{{{IDS}}}ParticipantIdentifier")
    assert element is not None
    element.set("scheme", "other-actorid-upis")
    with pytest.raises(InvalidAnswer, match="other-actorid-upis"):
        read_metadata(root, BUYER, NAME)


def _double(root: etree._Element, name: str, namespace: str = SMP) -> etree._Element:
    element = root.find(f".//{{{namespace}}}{name}")
    assert element is not None
    parent = element.getparent()
    assert parent is not None
    parent.append(parse(etree.tostring(element)))
    return root


@pytest.mark.parametrize(
    "root",
    [
        parse(b"<x/>"),
        parse(f'<SignedServiceMetadata xmlns="{SMP}"/>'.encode()),
        parse(f'<SignedServiceMetadata xmlns="{SMP}"><ServiceMetadata/></SignedServiceMetadata>'.encode()),
        _double(written(), "ServiceMetadata"),
        _double(written(), "ServiceInformation"),
        _double(written(), "ParticipantIdentifier", IDS),
        _double(written(), "DocumentIdentifier", IDS),
        _double(written(), "ProcessIdentifier", IDS),
        _double(written(), "Address", WSA),
        _double(written(), "Certificate"),
        change(written(), "ServiceExpirationDate", "tomorrow"),
        change(written(), "ServiceExpirationDate", "2026-13-01T00:00:00Z"),
    ],
)
def test_what_is_missing_double_or_nonsense_is_not_an_answer(root: etree._Element) -> None:
    with pytest.raises(InvalidAnswer):
        read_metadata(root, BUYER, NAME)


def test_a_redirect_is_read() -> None:
    text = (
        f'<SignedServiceMetadata xmlns="{SMP}"><ServiceMetadata><Redirect href=" https://smp2.example.org/x ">'
        "<CertificateUID> CN=PSP000202 </CertificateUID></Redirect></ServiceMetadata></SignedServiceMetadata>"
    )
    assert read_metadata(parse(text.encode()), BUYER, NAME) == Redirect(
        href="https://smp2.example.org/x", certificate_uid="CN=PSP000202"
    )


def test_a_redirect_beside_an_answer_is_neither() -> None:
    root = written()
    etree.SubElement(root[0], f"{{{SMP}}}Redirect").set("href", "https://evil.example/")
    assert isinstance(read_metadata(root, BUYER, NAME), ServiceInformation)


def test_a_group_is_read_and_written() -> None:
    octets = write_group(BUYER, [BILLING_INVOICE, BILLING_CREDIT_NOTE], "https://smp.example.org/p/")
    assert b'href="https://smp.example.org/p/iso6523-actorid-upis%3A%3A0007%3A5567212047/services/busdox' in octets
    group = read_group(octets, BUYER)
    assert group.document_types == (str(BILLING_INVOICE), str(BILLING_CREDIT_NOTE))
    assert group.lists(BILLING_INVOICE)
    assert not group.lists(DocumentTypeId(BILLING_INVOICE.value.lower()))


@pytest.mark.parametrize(
    "href",
    [
        f"http://10.0.0.7:8080/x/any/services/{quote(NAME, safe='')}",
        f"https://smp.example.org/iso6523-actorid-upis::0007:5567212047/services/{NAME}",
        f"/services/{quote(NAME, safe=':#')}",
        f"https://smp.example.org/services/y/services/{quote(NAME)}",
        f"https://smp.example.org/x/services/{quote(NAME, safe='')}/",
    ],
)
def test_references_are_read_however_a_proxy_wrote_them(href: str) -> None:
    octets = write_group(BUYER, [], "x").replace(
        b"<smp:ServiceMetadataReferenceCollection/>",
        f'<smp:ServiceMetadataReferenceCollection><smp:ServiceMetadataReference href="{href}"/>'
        f'<smp:ServiceMetadataReference href="nonsense"/></smp:ServiceMetadataReferenceCollection>'.encode(),
    )
    group = read_group(octets, BUYER)
    assert group.document_types == (NAME,)
    assert group.unreadable == 1


@pytest.mark.parametrize("octets", [b"", b"<html/>", b"<a", write_group(OTHER, [], "x")])
def test_what_is_no_group_of_ours_is_refused(octets: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        read_group(octets, BUYER)


def pint(customization: str, version: str = "2.1", scheme: str = PINT.scheme, syntax: str = PINT.syntax) -> str:
    return f"{scheme}::{syntax}##{customization}::{version}"


JP = "urn:peppol:pint:billing-1@jp-1"


@pytest.mark.parametrize(
    ("customization", "expected"),
    [
        (JP, [JP, f"{JP}*", "urn:peppol:pint:billing-1*"]),
        ("urn:a@b@c", ["urn:a@b@c", "urn:a@b@c*", "urn:a@b*", "urn:a*"]),
        ("urn:plain", ["urn:plain", "urn:plain*"]),
    ],
)
def test_wildcards_are_tried_from_near_to_far(customization: str, expected: list[str]) -> None:
    wanted = DocumentTypeId(f"{PINT.syntax}##{customization}::2.1", PINT.scheme)
    listed = [pint(c) for c in (*reversed(expected), "urn:*", "*", "urn:peppol:pint:bill*")]
    assert candidates(wanted, listed) == [pint(c) for c in expected]


def test_wildcards_never_cross_syntax_version_or_scheme() -> None:
    listed = [
        pint(f"{JP}*", version="2.2"),
        pint(f"{JP}*", scheme="busdox-docid-qns"),
        pint(f"{JP}*", syntax=PINT.syntax.replace("Invoice", "CreditNote")),
    ]
    assert candidates(PINT, listed) == []


def test_the_exact_scheme_knows_no_wildcard() -> None:
    star = BILLING_INVOICE.value.replace("billing:3.0", "billing:3.0*")
    assert candidates(BILLING_INVOICE, [f"busdox-docid-qns::{star}"]) == []
    assert candidates(BILLING_INVOICE, [NAME]) == [NAME]


def information(*endpoints: ServiceEndpoint, process: ProcessId = BILLING_PROCESS) -> ServiceInformation:
    return ServiceInformation(participant=BUYER.value, document_type=NAME, processes=((process, endpoints),))


def end(
    url: str = "u", profile: str = TRANSPORT_PROFILE, start: int | None = None, stop: int | None = None
) -> ServiceEndpoint:
    def at(hours: int | None) -> datetime | None:
        return None if hours is None else NOW + timedelta(hours=hours)

    return ServiceEndpoint(
        url=url, certificate=b"", transport_profile=profile, activation=at(start), expiration=at(stop)
    )


@pytest.mark.parametrize(
    ("endpoints", "chosen"),
    [
        ([end("a")], "a"),
        ([end("old", stop=-1), end("now", start=-1, stop=1), end("next", start=1)], "now"),
        ([end("as2", "busdox-transport-as2-ver1p0"), end("as4")], "as4"),
        ([end("a", start=0, stop=0)], "a"),
    ],
)
def test_the_endpoint_in_service_is_chosen(endpoints: list[ServiceEndpoint], chosen: str) -> None:
    found = choose(information(*endpoints), BILLING_PROCESS, TRANSPORT_PROFILE, NOW)
    assert isinstance(found, ServiceEndpoint) and found.url == chosen


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (information(end("old", stop=-1)), Reason.EXPIRED),
        (information(end("next", start=1)), Reason.EXPIRED),
        (information(end("a", "peppol-transport-as4-v1_0")), Reason.NO_TRANSPORT),
        (information(), Reason.NO_TRANSPORT),
        (information(end("a"), process=ProcessId("urn:other")), Reason.NO_PROCESS),
        (information(end("a"), process=ProcessId(BILLING_PROCESS.value, "oioubl-procid-ubl")), Reason.NO_PROCESS),
        (ServiceInformation(participant="", document_type="", processes=()), Reason.NO_PROCESS),
    ],
)
def test_the_reason_why_none_fits_is_named(held: ServiceInformation, reason: Reason) -> None:
    found = choose(held, BILLING_PROCESS, TRANSPORT_PROFILE, NOW)
    assert isinstance(found, Unusable) and found.reason is reason and found.text


def test_the_same_process_twice_is_one_process() -> None:
    held = ServiceInformation(
        participant="",
        document_type="",
        processes=((BILLING_PROCESS, (end("as2", "as2"),)), (BILLING_PROCESS, (end("as4"),))),
    )
    found = choose(held, BILLING_PROCESS, TRANSPORT_PROFILE, NOW)
    assert isinstance(found, ServiceEndpoint) and found.url == "as4"
