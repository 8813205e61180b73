"""What a company may hand in, and what it is told when it may not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import InvalidDocument
from gateway.model.document import Envelope
from gateway.model.identifiers import DocumentTypeId, ProcessId
from gateway.ubl import sbdh
from gateway.ubl import submission as door
from tests.ubl.ubl_parts import changed, example

pytestmark = pytest.mark.usefixtures("both_ways")


def _refused(octets: bytes) -> InvalidDocument:
    with pytest.raises(InvalidDocument) as caught:
        door.read_submission(octets)
    assert all(finding.message for finding in caught.value.findings)
    return caught.value


def test_a_bare_invoice_is_taken_as_it_is(network: bytes) -> None:
    submission = door.read_submission(network)
    assert submission.document == network
    assert submission.envelope is None
    assert submission.facts is not None and submission.facts.number == "202611870"


def test_a_whole_envelope_gives_its_header_and_document(network: bytes, envelope: Envelope) -> None:
    submission = door.read_submission(sbdh.wrap(network, envelope))
    assert submission == door.read_accepted(sbdh.wrap(network, envelope))
    assert submission.envelope == envelope
    assert submission.document == network.split(b"?>", 1)[1].strip()
    assert submission.facts is not None


def test_a_schema_error_stops_the_document_bare_or_wrapped(network: bytes, envelope: Envelope) -> None:
    bad = changed(network, (">2026-11-20<", ">20 november<"))
    for octets in (bad, sbdh.wrap(bad, envelope)):
        assert [finding.rule for finding in _refused(octets).findings] == ["XSD"]


def test_a_wrong_envelope_is_told_as_a_finding(network: bytes, envelope: Envelope) -> None:
    error = _refused(changed(sbdh.wrap(network, envelope), ("<Type>COUNTRY_C1<", "<Type>C1<")))
    assert error.findings[0].rule == "SBDH"
    assert "COUNTRY_C1" in error.findings[0].message


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        (
            "document_type",
            DocumentTypeId.of("urn:oasis:names:specification:ubl:schema:xsd:Invoice-2", "Invoice", "urn:other", "2.1"),
            "DOCUMENTID",
        ),
        ("process", ProcessId("urn:other"), "PROCESSID"),
    ],
)
def test_the_envelope_must_say_what_the_document_is(
    network: bytes, envelope: Envelope, field: str, value: Any, kind: str
) -> None:
    error = _refused(sbdh.wrap(network, dataclasses.replace(envelope, **{field: value})))
    assert [finding.location[-len(kind) - 2 : -2] for finding in error.findings] == [kind]
    assert "Make them equal" in error.findings[0].message


def test_another_document_travels_in_its_envelope_without_facts(envelope: Envelope) -> None:
    order = b'<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2"/>'
    kind = DocumentTypeId.of("urn:oasis:names:specification:ubl:schema:xsd:Order-2", "Order", "urn:x", "2.1")
    own = dataclasses.replace(envelope, document_type=kind, standard=kind.namespace, type="Order")
    submission = door.read_submission(sbdh.wrap(order, own))
    assert (submission.facts, submission.document) == (None, order)
    assert submission == door.read_accepted(sbdh.wrap(order, own))


def test_another_document_alone_is_refused() -> None:
    assert _refused(b'<Order xmlns="urn:x"/>').findings[0].rule == "UBL"


def test_an_address_that_nobody_can_have_is_refused_rather_than_printed(network: bytes) -> None:
    error = _refused(changed(network, (">5567987606</cbc:EndpointID>", ">556798 7606</cbc:EndpointID>")))
    assert error.findings[0].location == "/Invoice/cac:AccountingCustomerParty/cac:Party/cbc:EndpointID"


@pytest.mark.parametrize("octets", [b"", b"no xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_what_is_no_document_at_all_is_refused(octets: bytes) -> None:
    assert _refused(octets).findings[0].rule == "XML"


def test_a_control_character_is_named_with_its_line(network: bytes) -> None:
    error = _refused(changed(network, ("Kontorsstol", "Kontors\x02stol")))
    assert error.findings[0].rule == "XML"
    assert error.findings[0].location.startswith("line ")


def test_a_prefixed_root_is_the_same_document(network: bytes) -> None:
    text = network.decode().replace('<Invoice xmlns="', '<in:Invoice xmlns:in="').replace("</Invoice>", "</in:Invoice>")
    facts = door.read_submission(text.encode()).facts
    assert facts is not None and facts.kind == "Invoice"


def test_every_valid_official_example_is_taken(corpus: Path, truth: dict[str, Any]) -> None:
    names = [name for name, entry in truth.items() if name.startswith("examples/peppol") and entry["xsd"]["valid"]]
    assert len(names) > 20
    for name in names:
        assert door.read_submission((corpus / name).read_bytes()).facts is not None, name


def test_no_document_of_the_corpus_fails_otherwise_than_with_findings(corpus: Path, truth: dict[str, Any]) -> None:
    taken = 0
    for name, entry in truth.items():
        octets = (corpus / name).read_bytes()
        try:
            submission = door.read_submission(octets)
        except InvalidDocument as error:
            assert error.findings, name
        else:
            assert entry["xsd"]["valid"], name
            assert submission == door.read_accepted(octets), name
            taken += 1
    assert taken > 500


@pytest.mark.parametrize("name", ["network", "email", "letter", "export"])
def test_our_own_examples_are_taken(name: str) -> None:
    assert door.read_submission(example(name)).facts is not None
