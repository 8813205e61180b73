"""gateway.smp.publisher: our answers are believed by our own strict reader, and signed only once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.identifiers import AccountId, DocumentTypeId
from gateway.model.message import Participant
from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS
from gateway.security.dsig import verify_enveloped
from gateway.security.trust import Role
from gateway.smp import publisher as publisher_module
from gateway.smp.metadata import ServiceInformation, read_group, read_metadata
from gateway.smp.publisher import Publisher
from tests.smp.smp_parts import AP_URL, BUYER, NOW, PINT, PINT_PROCESS, Pki

OURS = Participant(id=BUYER, account=AccountId("main"), name="Exempel AB")
STAR = DocumentTypeId(PINT.value.replace("@jp-1", "*"), PINT.scheme)


@pytest.fixture
def publisher(pki: Pki) -> Publisher:
    return Publisher(identity=pki.smp, smp_url="https://smp.example.org/p", endpoint_url=AP_URL, certificate=pki.ap.der)


def read(publisher: Publisher, pki: Pki, participant: Participant, kind: DocumentTypeId) -> ServiceInformation:
    octets = publisher.metadata(participant, kind)
    assert octets is not None
    signed = verify_enveloped(octets, pki.trust, Role.SMP, NOW)
    found = read_metadata(signed.root, participant.id, str(kind))
    assert isinstance(found, ServiceInformation)
    return found


def test_a_participant_takes_the_billing_documents_unless_it_says_otherwise(publisher: Publisher) -> None:
    group = read_group(publisher.group(OURS), BUYER)
    assert group.document_types == (str(BILLING_INVOICE), str(BILLING_CREDIT_NOTE))
    named = replace(OURS, document_types=((str(STAR), str(PINT_PROCESS)),))
    assert read_group(publisher.group(named), BUYER).document_types == (str(STAR),)


def test_the_signed_answer_names_our_endpoint_and_certificate(publisher: Publisher, pki: Pki) -> None:
    ((process, (endpoint,)),) = read(publisher, pki, OURS, BILLING_INVOICE).processes
    assert process == BILLING_PROCESS
    assert (endpoint.url, endpoint.certificate) == (AP_URL, pki.ap.der)
    assert endpoint.activation == pki.ap.certificate.not_valid_before_utc
    assert endpoint.expiration == pki.ap.certificate.not_valid_after_utc


def test_one_document_type_may_have_several_processes(publisher: Publisher, pki: Pki) -> None:
    pairs = [(str(BILLING_INVOICE), "urn:a"), (str(BILLING_INVOICE), "urn:b"), (str(BILLING_INVOICE), "urn:a")]
    found = read(publisher, pki, replace(OURS, document_types=tuple(pairs)), BILLING_INVOICE)
    assert [process.value for process, _ in found.processes] == ["urn:a", "urn:b"]


@pytest.mark.parametrize(
    "kind",
    [PINT, DocumentTypeId(BILLING_INVOICE.value.replace("Invoice", "invoice")), DocumentTypeId(STAR.value, "x")],
)
def test_no_other_document_type_is_answered(publisher: Publisher, kind: DocumentTypeId) -> None:
    assert publisher.metadata(OURS, kind) is None
    assert publisher.metadata(replace(OURS, document_types=((str(STAR), "urn:p"),)), kind) is None


def test_an_answer_is_signed_once_until_the_participant_changes(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[object] = []
    sign = publisher_module.sign_enveloped
    monkeypatch.setattr(publisher_module, "sign_enveloped", lambda *a: (signed.append(a), sign(*a))[1])
    first = publisher.metadata(OURS, BILLING_INVOICE)
    assert publisher.metadata(replace(OURS), BILLING_INVOICE) is first
    assert len(signed) == 1
    publisher.metadata(replace(OURS, document_types=((str(BILLING_INVOICE), "urn:p"),)), BILLING_INVOICE)
    publisher.metadata(OURS, BILLING_CREDIT_NOTE)
    assert len(signed) == 3


def test_a_redirect_is_signed_once_as_well(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    signed: list[object] = []
    sign = publisher_module.sign_enveloped
    monkeypatch.setattr(publisher_module, "sign_enveloped", lambda *a: (signed.append(a), sign(*a))[1])
    homes = [("https://a.example", "CN=A"), ("https://a.example", "CN=A"), ("https://b.example", "CN=A")]
    first, again, other = (publisher.redirect(OURS, BILLING_INVOICE, *home) for home in homes)
    assert first is again and first != other
    assert publisher.metadata(OURS, BILLING_INVOICE) not in (first, other)
    assert len(signed) == 3


def test_the_memory_of_signed_answers_is_bounded(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "_KEPT", 3)
    monkeypatch.setattr(publisher_module, "sign_enveloped", lambda root, identity: b"signed")
    for number in range(10):
        publisher.metadata(replace(OURS, name=str(number)), BILLING_INVOICE)
    assert len(publisher._signed) == 3
