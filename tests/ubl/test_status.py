"""The Message Level Status: what is written is valid by schema and rules, and what is read says what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import etree

from gateway.errors import InvalidDocument
from gateway.model.document import Finding, Severity, Verdict
from gateway.model.identifiers import ParticipantId
from gateway.model.status import Issue, IssueCode, MessageStatus, StatusCode, addressee, provider_of_seat
from gateway.security import safexml
from gateway.ubl import response, status

C3, C2 = ParticipantId("0242:000002"), ParticipantId("0242:000001-mls")
REFUSED = MessageStatus(
    id="s-1",
    issued="2026-11-25T12:00:00Z",
    sender=C3,
    receiver=C2,
    code=StatusCode.RE,
    text="The document breaks 2 rules & was not delivered.",
    reference="i-1",
    issues=(
        Issue(code=IssueCode.BV, location="/Invoice/cbc:ID[1]", text="[BR-02] <missing>"),
        Issue(code=IssueCode.BW, text="[PEPPOL] only a warning"),
    ),
)
TAKEN = replace(REFUSED, code=StatusCode.AB, text="", issues=(Issue(code=IssueCode.BW, text="a warning"),))


@pytest.mark.parametrize("value", [REFUSED, TAKEN, replace(TAKEN, code=StatusCode.AP, text="There.", issues=())])
def test_what_is_written_is_valid_and_read_back_as_it_was(value: MessageStatus) -> None:
    octets = status.write(value)
    root = safexml.parse(octets)
    assert response.check_schema(root) == []
    assert status.check(root) == []
    assert status.read(octets) == value
    assert status.verdict(octets).words == "valid by peppol-mls 1.0.1"


def test_the_use_case_of_a_provider_is_written_in_capitals() -> None:
    assert b'<cbc:EndpointID schemeID="0242">000001-MLS</cbc:EndpointID>' in status.write(REFUSED)


@pytest.mark.parametrize(
    "broken",
    [
        replace(REFUSED, text=""),
        replace(REFUSED, issues=REFUSED.issues[1:]),
        replace(TAKEN, issues=REFUSED.issues),
        replace(TAKEN, sender=ParticipantId("0007:5567212047")),
        replace(TAKEN, reference=""),
        replace(TAKEN, issued="2026-11-25"),
    ],
)
def test_what_its_own_rules_would_refuse_is_never_written(broken: MessageStatus) -> None:
    with pytest.raises(ValueError, match="would not be valid"):
        status.write(broken)


def _changed(*pairs: tuple[str, str]) -> etree._Element:
    text = status.write(REFUSED).decode()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return safexml.parse(text.encode())


@pytest.mark.parametrize(
    ("rules", "old", "new"),
    [
        ("01", "urn:peppol:edec:mls:1.0", "urn:x"),
        ("02", "<cbc:ProfileID>urn:peppol:edec:mls<", "<cbc:ProfileID>urn:x<"),
        ("03", "<cbc:ID>s-1<", "<cbc:ID> <"),
        ("04", "2026-11-25<", "2026-11-25Z<"),
        ("05 06", "<cbc:IssueTime>12:00:00Z</cbc:IssueTime>", ""),
        ("06", "12:00:00Z", "12:00:00"),
        ("07 08 09 10 11", '<cbc:EndpointID schemeID="0242">000002</cbc:EndpointID>', ""),
        ("09", ">000002<", ">00002<"),
        ("10 11", '<cbc:EndpointID schemeID="0242">000002', "<cbc:EndpointID>000002"),
        ("16", '"0242">000001', '"0088">000001'),
        ("18 19 25", "<cbc:ResponseCode>RE</cbc:ResponseCode>", ""),
        ("19 25", ">RE<", ">XX<"),
        ("25", ">RE<", ">AP<"),
        ("24", ">BV<", ">BW<"),
        ("24 31", ">BV<", ">XX<"),
        ("26", "<cbc:ID>i-1<", "<cbc:ID> <"),
        ("27", ">NA<", "> <"),
        ("29", ">[PEPPOL] only a warning<", "> <"),
    ],
)
def test_each_rule_is_noticed(rules: str, old: str, new: str) -> None:
    assert {f.rule for f in status.check(_changed((old, new)))} == {f"SCH-MLS-{number}" for number in rules.split()}


def test_the_schema_is_asked_of_the_common_library() -> None:
    (finding,) = response.check_schema(_changed(("<cbc:IssueDate>2026-11-25<", "<cbc:IssueDate>25.11.2026<")))
    assert "25.11.2026" in finding.message
    assert response.check_schema(_changed(("<cbc:ID>s-1</cbc:ID>", "")))[0].rule == "XSD"


def test_a_level_response_is_read_too() -> None:
    text = status.write(REFUSED).decode()
    text = text.replace("urn:peppol:edec:mls:1.0", "urn:fdc:peppol.eu:poacc:trns:mlr:3")
    text = text.replace('schemeID="0242">000002', 'schemeID="0007">5567212047').replace(">BV<", ">odd<")
    read = status.read(text.encode())
    assert (read.kind, read.sender.value, read.issues[0].code) == ("MLR", "0007:5567212047", None)


@pytest.mark.parametrize("old", ["<cbc:ResponseCode>RE<", "<cbc:ID>i-1<", '"0242">000002'])
def test_a_status_that_does_not_say_what_about_what_is_refused(old: str) -> None:
    with pytest.raises(InvalidDocument):
        status.read(
            status.write(REFUSED).replace(old.encode(), old[: old.index(">") + 1].encode() + b" <" * (old[-1] == "<"))
        )


def test_hostile_octets_are_refused() -> None:
    for octets in (b"", b"<a/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<" * 1000):
        with pytest.raises(InvalidDocument):
            status.read(octets)


def test_findings_become_issues_fatal_ones_with_their_kind() -> None:
    findings = (
        Finding(rule="XSD", location="/Invoice", message="a"),
        Finding(rule="BR-02", message="b"),
        Finding(rule="PEPPOL-1", severity=Severity.WARNING, message="c"),
    )
    issues = status.issues_of(Verdict(findings=findings, count=3, valid=False))
    assert [(issue.code, issue.location) for issue in issues] == [("SV", "/Invoice"), ("BV", "NA"), ("BW", "NA")]


def test_signs_that_xml_cannot_hold_are_replaced() -> None:
    octets = status.write(replace(REFUSED, text="a\x00b\ud800c"))
    assert status.read(octets).text == "a\ufffdb\ufffdc"


def test_who_is_told() -> None:
    assert provider_of_seat("POP000306") == ParticipantId("0242:000306")
    assert provider_of_seat("POPX") is None
    assert addressee("", "POP000306") == ParticipantId("0242:000306")
    assert addressee("0242:000306-MLS", "POP000306") == ParticipantId("0242:000306-mls")
    # Whoever names another one than itself would have us write to strangers.
    assert addressee("0242:000307", "POP000306") == ParticipantId("0242:000306")
