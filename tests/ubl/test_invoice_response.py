"""The Invoice Response: valid when it is written, read as it was, and each rule noticed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from gateway.errors import InvalidDocument
from gateway.model.identifiers import ParticipantId
from gateway.model.status import Clarification, Correspondent, InvoiceResponse, ResponseCode
from gateway.ubl import invoice_response

REFUSED = InvoiceResponse(
    id="r-1",
    issued="2026-11-25T12:00:00Z",
    sender=Correspondent(endpoint=ParticipantId("0007:5567212047"), name="Köpare & Co"),
    receiver=Correspondent(endpoint=ParticipantId("0088:7300010000001"), name="Säljare AB"),
    code=ResponseCode.RE,
    note="Please credit",
    effective=date(2026, 11, 26),
    clarifications=(
        Clarification(list="OPStatusReason", code="QTY", text="12 < 10", conditions=(("BT-129", "10"),)),
        Clarification(list="OPStatusAction", code="CNF"),
    ),
    number="INV & 1",
    issue_date=date(2026, 11, 20),
)


@pytest.mark.parametrize("code", list(ResponseCode))
def test_what_is_written_is_valid_and_read_back_as_it_was(code: ResponseCode) -> None:
    octets = invoice_response.write(replace(REFUSED, code=code))
    assert invoice_response.read(octets) == replace(REFUSED, code=code)
    assert invoice_response.verdict(octets).words == "valid by peppol-invoice-response 3"


@pytest.mark.parametrize("code", [ResponseCode.UQ, ResponseCode.CA, ResponseCode.RE])
def test_what_needs_a_reason_is_not_written_without_one(code: ResponseCode) -> None:
    with pytest.raises(ValueError, match="needs at least one reason"):
        invoice_response.write(replace(REFUSED, code=code, clarifications=()))


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (">RE<", ">XX<", "T111"),
        (">QTY<", ">ZZZ<", "T111"),
        ('listID="OPStatusReason"', 'listID="mine"', "T111"),
        ("<cbc:RegistrationName>Köpare &amp; Co<", "<cbc:RegistrationName> <", "T111"),
        ("<cbc:ID>INV &amp; 1<", "<cbc:ID> <", "T111"),
        ("<cbc:IssueDate>2026-11-25<", "<cbc:IssueDate>today<", "XSD"),
    ],
)
def test_each_rule_is_noticed(old: str, new: str, rule: str) -> None:
    text = invoice_response.write(REFUSED).decode()
    assert old in text
    verdict = invoice_response.verdict(text.replace(old, new).encode())
    assert not verdict.valid and verdict.findings[0].rule == rule


def test_other_without_words_is_a_warning_only() -> None:
    octets = invoice_response.write(
        replace(REFUSED, clarifications=(Clarification(list="OPStatusReason", code="OTH"),))
    )
    verdict = invoice_response.verdict(octets)
    assert verdict.valid and [finding.rule for finding in verdict.findings] == ["PEPPOL-T111-R002"]


def test_what_does_not_say_what_about_what_is_refused() -> None:
    octets = invoice_response.write(REFUSED)
    for broken in (b"", b"<a/>", octets.replace(b">RE<", b">XX<"), octets.replace(b"INV &amp; 1", b" ")):
        with pytest.raises(InvalidDocument):
            invoice_response.read(broken)
