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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5567212047", "four digits of a scheme and a colon must stand before the number"),
        ("007:123", "the scheme before the colon is four digits, not “007”"),
        ("0007:", "nothing stands after the colon"),
        ("0007:12 34", "“ ” at place 8 is none of the characters A-Z a-z 0-9 - . _ ~"),
        ("0007:" + "1" * 131, "131 characters stand after the colon, at most 130 may"),
        ("busdox-actorid-upis::0007:1", "the scheme busdox-actorid-upis is not iso6523-actorid-upis"),
    ],
)
def test_a_bad_participant_is_told_what_is_wrong_and_where(text: str, said: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        ParticipantId.parse(text)
    assert str(caught.value).endswith(said)


@pytest.mark.parametrize(
    ("scheme", "customization", "fault"),
    [
        ("peppol-doctype-wildcard", "urn:peppol:pint:billing-1*", ""),
        ("peppol-doctype-wildcard", "urn:peppol:pint:billing-1@jp-1", ""),
        ("busdox-docid-qns", "urn:c", ""),
        ("peppol-doctype-wildcard", "urn:*:billing-1", "at its end"),
        ("peppol-doctype-wildcard", "urn:b**", "at its end"),
        ("busdox-docid-qns", "urn:b*", "has no “*”"),
        ("busdox-docid-qns", "urn:peppol:pint:billing-1", "belong to the scheme peppol-doctype-wildcard"),
        ("busdox-docid-qns", "", "is empty"),
    ],
)
def test_what_nobody_new_may_be_registered_with_is_still_read(scheme: str, customization: str, fault: str) -> None:
    document_type = DocumentTypeId.parse(f"{scheme}::urn:x::Invoice##{customization}::2.1")
    assert fault in document_type.fault()
    assert bool(document_type.fault()) == bool(fault)
    assert document_type.is_wildcard == (customization.endswith("*") and scheme == "peppol-doctype-wildcard")
