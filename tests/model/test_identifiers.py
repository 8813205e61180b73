"""Identifiers: what is accepted, how they compare, what a bad one is told."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidAddress
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId

BILLING = (
    "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::Invoice##"
    "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0::2.1"
)


def test_participants_compare_without_case_and_with_or_without_scheme() -> None:
    assert ParticipantId.parse("iso6523-actorid-upis::0088:123ABC") == ParticipantId.parse(" 0088:123abc ")
    assert str(ParticipantId.parse("0007:5567212047")) == "iso6523-actorid-upis::0007:5567212047"


@pytest.mark.parametrize(
    "text",
    ["", "5567212047", "0007:", "007:123", "0007:12 34", "0007:å", "0007:" + "1" * 131, "0007:a\n"[:-1] + "\x00"],
)
def test_a_text_that_is_no_participant_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        ParticipantId.parse(text)
    assert "0007:5567212047" in caught.value.remedy


def test_a_document_type_is_split_at_the_right_places() -> None:
    document_type = DocumentTypeId.parse(BILLING)
    assert document_type.scheme == "busdox-docid-qns"
    assert document_type.namespace == "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
    assert document_type.name == "Invoice"
    assert document_type.customization == "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
    assert document_type.version == "2.1"
    assert DocumentTypeId.parse(str(document_type)) == document_type


def test_document_types_keep_their_case() -> None:
    assert DocumentTypeId.parse(BILLING) != DocumentTypeId.parse(BILLING.replace("Invoice##", "invoice##"))


def test_a_pint_document_type_has_the_wildcard_scheme() -> None:
    value = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::Invoice##urn:peppol:pint:billing-1@jp-1::2.1"
    assert DocumentTypeId.parse(value).scheme == "peppol-doctype-wildcard"


@pytest.mark.parametrize("text", ["", "Invoice", "a::b##c", "a::b##c d::2.1", "a::b##" + "c" * 500 + "::2.1"])
def test_a_text_that_is_no_document_type_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        DocumentTypeId.parse(text)


def test_processes_keep_their_scheme() -> None:
    process = ProcessId.parse("cenbii-procid-ubl::urn:fdc:peppol.eu:2017:poacc:billing:01:1.0")
    assert (process.scheme, process.value) == ("cenbii-procid-ubl", "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0")
    with pytest.raises(InvalidAddress):
        ProcessId.parse("with blank")
