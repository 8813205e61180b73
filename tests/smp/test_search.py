"""gateway.smp.search: whatever DNS and the SMP do, the verdict is the right one of three.

Each row runs against a real DNS server and a real HTTP server on loopback. Only the rows marked NO may ever lead to
paper; everything that is broken, silent, foreign or contradicts itself must raise.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

import pytest
from aiohttp import web
from lxml import etree

from gateway.errors import LookupUnavailable
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Reachable, Reason, Unreachable
from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS
from gateway.security.dsig import sign_enveloped
from gateway.smp import search as search_module
from gateway.smp import zone
from gateway.smp.metadata import SMP, path, write_group
from tests.smp.smp_parts import AP_URL, BUYER, NOW, OTHER, PINT, PINT_PROCESS, Network, status, xml

YES = "reachable"
UNKNOWN = "indeterminate"
Prepare = Callable[[Network], object]


@dataclass(frozen=True)
class Row:
    name: str
    prepare: Prepare
    verdict: str | Reason
    says: str = ""
    participant: ParticipantId = BUYER
    document_type: DocumentTypeId = BILLING_INVOICE
    process: ProcessId = BILLING_PROCESS


def well(n: Network) -> None:
    n.smp.all_well()


def answer(make: Callable[[Network], bytes]) -> Prepare:
    """All is well, except for the signed answer about the invoice."""

    def prepare(n: Network) -> None:
        n.smp.all_well()
        n.smp.metadata(make(n))

    return prepare


def both(make: Callable[[Network], object]) -> Prepare:
    """The same misbehaviour for the group and for the signed answer."""

    def prepare(n: Network) -> None:
        for key in (path(BUYER), path(BUYER, str(BILLING_INVOICE))):
            n.smp.answers[key] = make(n)  # type: ignore[assignment]

    return prepare


def tampered(n: Network) -> bytes:
    return n.smp.signed().replace(AP_URL.encode(), b"http://127.0.0.1:18666/as4")


def unsigned(n: Network) -> bytes:
    root = etree.XML(n.smp.signed())
    root.remove(root[-1])
    return etree.tostring(root)


async def silent(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def trickle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(300):
        await response.write(b" ")
        await asyncio.sleep(0.1)
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"<" * 65_536)


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def bomb(n: Network) -> object:
    return xml(gzip.compress(b" " * 50_000_000), **{"Content-Encoding": "gzip"})


def http_redirect(n: Network) -> None:
    n.second.all_well()
    for number, key in enumerate((path(BUYER), path(BUYER, str(BILLING_INVOICE)))):
        n.smp.answers[key] = status(301 + number, Location=n.second.url + key)


def redirect(
    uid: str = "", hop: bool = False, href: str = "", target: Callable[[Network], bytes] | None = None
) -> Prepare:
    """The first SMP points, signed, to the second."""

    def prepare(n: Network) -> None:
        n.smp.group(BILLING_INVOICE)
        key = path(BUYER, str(BILLING_INVOICE))
        subject = uid or "CN=PSP000202, OU=PRIVATE SMP, O=Private network, C=SE"

        def pointing(to: str, signer: object) -> bytes:
            root = etree.Element(f"{{{SMP}}}SignedServiceMetadata", nsmap={None: SMP})
            element = etree.SubElement(etree.SubElement(root, f"{{{SMP}}}ServiceMetadata"), f"{{{SMP}}}Redirect")
            element.set("href", to)
            etree.SubElement(element, f"{{{SMP}}}CertificateUID").text = subject
            return sign_enveloped(root, signer)  # type: ignore[arg-type]

        n.smp.answers[key] = xml(pointing(href or n.second.url + key, n.pki.smp))
        if hop:
            n.second.answers[key] = xml(pointing(n.second.url + key, n.pki.other_smp))
        else:
            n.second.answers[key] = xml((target or (lambda n: n.smp.signed(signer=n.pki.other_smp)))(n))

    return prepare


def wildcard(*listed: str) -> Prepare:
    def prepare(n: Network) -> None:
        kinds = [DocumentTypeId(f"{PINT.syntax}##{name}::2.1", PINT.scheme) for name in listed]
        n.smp.group(BILLING_CREDIT_NOTE, *kinds)
        for kind in kinds:
            n.smp.metadata(n.smp.signed(kind, process=PINT_PROCESS, url=f"{AP_URL}/{kind.customization}"), kind)

    return prepare


def liar(n: Network) -> None:
    n.smp.all_well()
    n.smp.group(BILLING_CREDIT_NOTE)


def liar_with_unreadable_list(n: Network) -> None:
    liar(n)
    key = path(BUYER)
    group = (
        f'<ServiceGroup xmlns="{SMP}" xmlns:i="http://busdox.org/transport/identifiers/1.0/"><i:ParticipantIdentifier '
        f'scheme="iso6523-actorid-upis">{BUYER.value}</i:ParticipantIdentifier><ServiceMetadataReferenceCollection>'
        f'<ServiceMetadataReference href="https://x/odd"/></ServiceMetadataReferenceCollection></ServiceGroup>'
    )
    n.smp.answers[key] = xml(group.encode())


def without(*keys: str, instead: object = None) -> Prepare:
    def prepare(n: Network) -> None:
        n.smp.all_well()
        for key in keys:
            if instead is None:
                n.smp.answers.pop(key, None)
            else:
                n.smp.answers[key] = instead  # type: ignore[assignment]

    return prepare


def with_odd_entry(n: Network, document_type: DocumentTypeId) -> None:
    """The list names the document type in a way that nobody can read: encoded twice."""
    octets = write_group(BUYER, [BILLING_CREDIT_NOTE, document_type], n.smp.url)
    name = quote(str(document_type), safe="").encode()
    assert name in octets
    n.smp.answers[path(BUYER)] = xml(octets.replace(name, name.replace(b"%", b"%25")))


GROUP = path(BUYER)
METADATA = path(BUYER, str(BILLING_INVOICE))
UPPER = BILLING_INVOICE.value.replace("poacc", "POACC")

TABLE = [
    Row("all is well", well, YES),
    Row("credit note", well, YES, document_type=BILLING_CREDIT_NOTE),
    Row("not registered", well, Reason.NOT_REGISTERED, "the SML zone sml.test says NXDOMAIN", participant=OTHER),
    Row("SMP does not know the participant", lambda n: None, Reason.BROKEN_REGISTRATION, "does not know it (404)"),
    Row("document type missing", lambda n: n.smp.group(BILLING_CREDIT_NOTE), Reason.NO_DOCUMENT_TYPE, "does not take"),
    Row("404, list cannot be read whole", lambda n: with_odd_entry(n, BILLING_INVOICE), UNKNOWN, "cannot be read"),
    Row(
        "wildcard, list cannot be read whole",
        lambda n: with_odd_entry(n, PINT),
        UNKNOWN,
        "cannot be read",
        document_type=PINT,
        process=PINT_PROCESS,
    ),
    Row("404 but listed", without(METADATA), UNKNOWN, "but lists it"),
    Row("both say 404", without(METADATA, GROUP, instead=status(404)), Reason.BROKEN_REGISTRATION),
    Row("404, list answers 503", lambda n: n.smp.answers.update({GROUP: status(503)}), UNKNOWN, "is not well"),
    Row("list is 404, answer is signed", without(GROUP), YES),
    Row("list is 500, answer is signed", without(GROUP, instead=status(500)), YES),
    Row("list of another", lambda n: (well(n), n.smp.group(BILLING_INVOICE, as_if=OTHER)), YES),
    Row("a list that lacks what is signed", liar, YES),
    Row("liar whose list cannot be read", liar_with_unreadable_list, YES),
    Row("unsigned", answer(unsigned), UNKNOWN, "not signed"),
    Row("tampered", answer(tampered), UNKNOWN, "does not fit the document"),
    Row("signed by an access point", answer(lambda n: n.smp.signed(signer=n.pki.ap)), UNKNOWN, "SMP authority"),
    Row("signed by a foreign SMP", answer(lambda n: n.smp.signed(signer=n.pki.foreign_smp)), UNKNOWN, "SMP authority"),
    Row("signed by an expired SMP", answer(lambda n: n.smp.signed(signer=n.pki.expired_smp)), UNKNOWN, "expired on"),
    Row("another's answer replayed", answer(lambda n: n.smp.signed(participant=OTHER)), UNKNOWN, "asked was"),
    Row("another document type", answer(lambda n: n.smp.signed(BILLING_CREDIT_NOTE)), UNKNOWN, "asked was"),
    Row(
        "document type in another case",
        answer(lambda n: n.smp.signed(DocumentTypeId(UPPER))),
        UNKNOWN,
        "asked was “busdox-docid-qns::urn:oasis",
    ),
    Row(
        "participant in another case is the same",
        lambda n: (
            zone.register(n.zone_file, ParticipantId.parse("0088:ABC"), n.smp.url),
            n.smp.answers.update(
                {
                    path(ParticipantId.parse("0088:abc"), str(BILLING_INVOICE)): xml(
                        n.smp.signed(participant=ParticipantId("0088:ABC"))
                    )
                }
            ),
        ),
        YES,
        participant=ParticipantId.parse("0088:aBc"),
    ),
    Row("500", both(lambda n: status(500)), UNKNOWN, "status 500"),
    Row("503", both(lambda n: status(503)), UNKNOWN, "status 503"),
    Row("403", both(lambda n: status(403)), UNKNOWN, "status 403"),
    Row("429", both(lambda n: status(429)), UNKNOWN, "status 429"),
    Row("204", both(lambda n: status(204)), UNKNOWN, "status 204"),
    Row("410", both(lambda n: status(410)), UNKNOWN, "status 410"),
    Row("silent", both(lambda n: silent), UNKNOWN, "no answer within 1 s"),
    Row("one byte a while", both(lambda n: trickle), UNKNOWN, "no answer within 1 s"),
    Row("endless", both(lambda n: endless), UNKNOWN, "larger than 256 KiB"),
    Row("hangs up", both(lambda n: hang_up), UNKNOWN, "no connection or a broken answer"),
    Row("10 MB", both(lambda n: xml(b"<a>" + b" " * 10_000_000 + b"</a>")), UNKNOWN, "larger than 256 KiB"),
    Row("gzip bomb", both(bomb), UNKNOWN, "packed in a way"),
    Row("html", both(lambda n: xml(b"<html><body>Welcome<br></body></html>")), UNKNOWN, "does not count"),
    Row("well-formed html", both(lambda n: xml(b"<html/>")), UNKNOWN, "not signed"),
    Row("empty", both(lambda n: xml(b"")), UNKNOWN, "nothing in it"),
    Row("nobody there", lambda n: _move(n, "http://127.0.0.1:1"), UNKNOWN, "no connection"),
    Row("HTTP redirect", http_redirect, UNKNOWN, "which is not followed"),
    Row("SMP redirect", redirect(), YES),
    Row("SMP redirect to a redirect", redirect(hop=True), UNKNOWN, "redirects again"),
    Row(
        "SMP redirect, other signer", redirect("CN=PSP000203,OU=PRIVATE SMP,O=Private network,C=SE"), UNKNOWN, "announ"
    ),
    Row("SMP redirect, no signer named", redirect(" "), UNKNOWN, "announced"),
    Row("SMP redirect to ftp", redirect(href="ftp://127.0.0.1/x"), UNKNOWN, "not https"),
    Row(
        "SMP redirect, same participant only",
        redirect(target=lambda n: n.smp.signed(participant=OTHER, signer=n.pki.other_smp)),
        UNKNOWN,
        "asked was",
    ),
    Row("SMP redirect to a 404", redirect(href="http://127.0.0.1:1/x"), UNKNOWN, "no connection"),
    Row("other process", well, Reason.NO_PROCESS, "not in the process urn:x", process=ProcessId("urn:x")),
    Row("process in another case", well, Reason.NO_PROCESS, process=ProcessId(BILLING_PROCESS.value.upper())),
    Row(
        "other transport",
        answer(lambda n: n.smp.signed(transport_profile="bdxr-transport-ebms3-as4-v1p0")),
        Reason.NO_TRANSPORT,
        "only over bdxr-transport",
    ),
    Row(
        "endpoint expired",
        answer(lambda n: n.smp.signed(expiration=NOW - timedelta(seconds=1))),
        Reason.EXPIRED,
        "went out of service on 2026-06-01",
    ),
    Row(
        "endpoint not yet active",
        answer(lambda n: n.smp.signed(activation=NOW + timedelta(seconds=1))),
        Reason.EXPIRED,
        "not in service before 2026-06-01",
    ),
    Row("endpoint active and expiring now", answer(lambda n: n.smp.signed(activation=NOW, expiration=NOW)), YES),
    Row(
        "endpoint certificate expired",
        answer(lambda n: n.smp.signed(certificate=n.pki.expired_ap.der)),
        UNKNOWN,
        "cannot be used: CN=POP000109",
    ),
    Row(
        "endpoint certificate foreign",
        answer(lambda n: n.smp.signed(certificate=n.pki.foreign_ap.der)),
        UNKNOWN,
        "access point authority",
    ),
    Row(
        "endpoint certificate of an SMP", answer(lambda n: n.smp.signed(certificate=n.pki.smp.der)), UNKNOWN, "access p"
    ),
    Row("endpoint certificate is nothing", answer(lambda n: n.smp.signed(certificate=b"")), UNKNOWN, "no Base64"),
    Row("endpoint certificate is junk", answer(lambda n: n.smp.signed(certificate=b"junk")), UNKNOWN, "not an X.509"),
    Row("endpoint is a file", answer(lambda n: n.smp.signed(url="file:///etc/passwd")), UNKNOWN, "not https"),
    Row(
        "PINT exact",
        wildcard("urn:peppol:pint:billing-1@jp-1", "urn:peppol:pint:billing-1*"),
        YES,
        document_type=PINT,
        process=PINT_PROCESS,
    ),
    Row("PINT wildcard", wildcard("urn:peppol:pint:billing-1*"), YES, document_type=PINT, process=PINT_PROCESS),
    Row(
        "PINT of another land",
        wildcard("urn:peppol:pint:billing-1@sg-1"),
        Reason.NO_DOCUMENT_TYPE,
        document_type=PINT,
        process=PINT_PROCESS,
    ),
    Row("PINT, list is down", both(lambda n: status(500)), UNKNOWN, document_type=PINT, process=PINT_PROCESS),
    Row("PINT, participant gone", lambda n: None, Reason.BROKEN_REGISTRATION, document_type=PINT, process=PINT_PROCESS),
]


def _move(n: Network, url: str) -> None:
    zone.unregister(n.zone_file, BUYER)
    zone.register(n.zone_file, BUYER, url)


async def verdict(n: Network, row: Row) -> tuple[str | Reason, str, Reachable | Unreachable | LookupUnavailable]:
    try:
        found = await n.lookup.find(row.participant, row.document_type, row.process)
    except LookupUnavailable as error:
        return UNKNOWN, str(error), error
    return (YES, "", found) if isinstance(found, Reachable) else (found.reason, found.text, found)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name.replace(" ", "-"))
async def test_the_verdict_is_right(network: Network, row: Row) -> None:
    row.prepare(network)
    got, text, answer = await verdict(network, row)
    assert got == row.verdict, text
    assert row.says in text
    assert answer.steps
    assert all(step.asked and step.where and step.answer and step.milliseconds >= 0 for step in answer.steps)
    if row.verdict == UNKNOWN:
        assert isinstance(answer, LookupUnavailable)
        assert answer.temporary


async def test_what_is_found_is_complete(network: Network) -> None:
    network.smp.all_well()
    found = await network.lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
    assert isinstance(found, Reachable)
    assert (found.participant, found.document_type, found.process) == (BUYER, BILLING_INVOICE, BILLING_PROCESS)
    assert found.smp == network.smp.url
    assert found.endpoint.url == AP_URL
    assert found.endpoint.certificate == network.pki.ap.der
    assert found.endpoint.seat == "POP000101"
    assert found.endpoint.transport_profile == "peppol-transport-as4-v2_0"
    assert found.endpoint.expires == network.pki.ap.certificate.not_valid_after_utc
    assert found.document_types == (BILLING_INVOICE, BILLING_CREDIT_NOTE)


async def test_the_steps_are_the_evidence(network: Network) -> None:
    network.smp.all_well()
    found = await network.lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
    dns, metadata, group = found.steps
    assert dns.asked == ("NAPTR rcsczagm4pzm6pilbkkqmravs5mnw5sjup4cotxn6e4ah3kcmodq.iso6523-actorid-upis.sml.test")
    assert dns.where == f"127.0.0.1:{network.dns[1]}"
    assert dns.answer == f'NAPTR 100 10 "U" "Meta:SMP" "!.*!{network.smp.url}!" .'
    assert metadata.asked == f"GET {network.smp.url}{METADATA}"
    assert metadata.where == network.smp.url.removeprefix("http://")
    assert metadata.answer == "200, signed by PSP000201"
    assert metadata.octets == network.smp.signed()
    assert group.answer == "200, lists 2 document types"


async def test_a_clerk_understands_that_nobody_is_registered(network: Network) -> None:
    found = await network.lookup.find(OTHER, BILLING_INVOICE, BILLING_PROCESS)
    assert isinstance(found, Unreachable)
    assert found.text == "0088:7300010000001 is not registered: the SML zone sml.test says NXDOMAIN"
    assert [step.answer for step in found.steps] == ["NXDOMAIN"]


async def test_a_list_that_lacks_what_is_signed_is_named_in_the_steps_and_is_no_reason_for_paper(
    network: Network,
) -> None:
    liar(network)
    found = await network.lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
    assert isinstance(found, Reachable)
    assert any("lacks it; the signed answer counts" in step.answer for step in found.steps)


async def test_a_disbelieved_answer_is_kept_as_evidence(network: Network) -> None:
    answer(tampered)(network)
    with pytest.raises(LookupUnavailable) as caught:
        await network.lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
    kept = [step for step in caught.value.steps if step.octets]
    assert [step.octets for step in kept] == [tampered(network)]
    assert "not to be believed" in kept[0].answer


@pytest.mark.parametrize(
    ("prepare", "who"),
    [
        (lambda n: n.smp.at(BILLING_INVOICE, status(503)), "until the SMP answers"),
        (lambda n: n.smp.metadata(unsigned(n)), "Only the receiver's operator can mend it"),
        (lambda n: n.zone_file.write_text("no zone file any more"), "at the DNS servers in config.toml"),
    ],
    ids=["silent", "not believed", "no DNS"],
)
async def test_who_can_mend_it_is_named(network: Network, prepare: Prepare, who: str) -> None:
    network.smp.all_well()
    prepare(network)
    with pytest.raises(LookupUnavailable) as caught:
        await network.lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
    assert who in caught.value.remedy


async def test_a_redirect_is_asked_at_most_once(network: Network) -> None:
    redirect(hop=True)(network)
    with pytest.raises(LookupUnavailable):
        await network.lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
    assert len(network.second.asked) == 1


async def test_a_redirect_of_http_is_never_connected_to(network: Network) -> None:
    http_redirect(network)
    with pytest.raises(LookupUnavailable):
        await network.lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
    assert network.second.asked == []


async def test_wildcards_are_asked_as_registered_and_sent_as_they_are(network: Network) -> None:
    wildcard("urn:peppol:pint:billing-1*", "urn:peppol:pint:billing-1@jp-1*")(network)
    found = await network.lookup.find(BUYER, PINT, PINT_PROCESS)
    assert isinstance(found, Reachable)
    assert found.document_type == PINT
    assert found.endpoint.url.endswith("urn:peppol:pint:billing-1@jp-1*")


async def test_both_questions_are_asked_at_the_same_time(network: Network) -> None:
    network.smp.all_well()
    inside = 0

    def meet(key: str) -> None:
        original = network.smp.answers[key]

        async def wait(request: web.Request) -> web.StreamResponse:
            nonlocal inside
            inside += 1
            while inside < 2:
                await asyncio.sleep(0.01)
            return await original(request)

        network.smp.answers[key] = wait

    meet(GROUP)
    meet(METADATA)
    assert isinstance(await network.lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS), Reachable)


async def test_of_the_tests_an_unbelieving_search_is_what_stops_forgeries(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Break the signature check on purpose: the forged answer gets through, so the check is what stops it."""

    @dataclass
    class Gullible:
        root: etree._Element
        signer: object

    def believe(octets: bytes, trust: object, role: object, now: object) -> Gullible:
        return Gullible(etree.XML(octets), network.pki.trust.believe(network.pki.smp.der, search_module.Role.SMP, NOW))

    answer(tampered)(network)
    monkeypatch.setattr(search_module, "verify_enveloped", believe)
    found = await network.lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
    assert isinstance(found, Reachable)
    assert found.endpoint.url == "http://127.0.0.1:18666/as4"
