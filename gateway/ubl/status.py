"""The Message Level Status (MLS), which C3 sends to C2 about a document, and the older Message Level Response (MLR).

Source: Peppol Message Level Status 1.1 (rules SCH-MLS-01 to 31 of its Schematron 1.0.1), Message Level Response 3. What
is read is read leniently: a status with a small fault still says what became of the document.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from lxml import etree

from gateway.model.document import Finding, Severity, Verdict
from gateway.model.identifiers import ParticipantId
from gateway.model.services import MLR, MLS, MLS_PROCESS
from gateway.model.status import PROVIDERS, Issue, IssueCode, MessageStatus, StatusCode, is_provider
from gateway.ubl.invoice import open_document, refusal
from gateway.ubl.names import find, find_all, text
from gateway.ubl.response import (
    MAX_RESPONSE,
    ROOT,
    aggregate,
    basic,
    check_schema,
    document,
    endpoint_of,
    kind_of,
    wrong,
)

MAX_ISSUES: Final = 100
PACK: Final = ("peppol-mls", "1.0.1")
_MAX_TEXT: Final = 1_000
_TIME: Final = re.compile(r"([+-]\d{2}:\d{2}|Z)$", re.ASCII)
_SCHEMA_RULES: Final = frozenset({"XSD", "XML", "SIZE"})
_FAILURES: Final = frozenset({IssueCode.SV, IssueCode.BV, IssueCode.FD})


def write(status: MessageStatus) -> bytes:
    """The MLS as XML. Raises ``ValueError`` for one that its own rules would refuse."""
    problem = _contradiction(status)
    if problem:
        raise ValueError(f"this status would not be valid: {problem}")
    day, _, time = status.issued.partition("T")
    lines = (
        aggregate(
            "LineResponse",
            aggregate("LineReference", basic("LineID", issue.location or "NA")),
            aggregate(
                "Response",
                basic("Description", issue.text[:_MAX_TEXT] or "-"),
                aggregate("Status", basic("StatusReasonCode", issue.code or IssueCode.BW)),
            ),
        )
        for issue in status.issues
    )
    return document(
        (
            basic("CustomizationID", MLS.customization),
            basic("ProfileID", MLS_PROCESS.value),
            basic("ID", status.id),
            basic("IssueDate", day),
            basic("IssueTime", time),
            aggregate("SenderParty", _provider(status.sender)),
            aggregate("ReceiverParty", _provider(status.receiver)),
            aggregate(
                "DocumentResponse",
                aggregate(
                    "Response",
                    basic("ResponseCode", status.code),
                    basic("Description", status.text[:_MAX_TEXT]) if status.text else "",
                ),
                aggregate("DocumentReference", basic("ID", status.reference)),
                *lines,
            ),
        )
    )


def read(octets: bytes) -> MessageStatus:
    """Read an MLS or MLR. Raises :class:`InvalidDocument` when it does not say what about what."""
    root = open_document(octets, limit=MAX_RESPONSE)
    customization = kind_of(root)
    if customization not in (MLS.customization, MLR.customization):
        raise refusal(wrong("FACTS", root, "This is neither a Message Level Status nor a Message Level Response."))
    answer = find(root, "cac:DocumentResponse")
    code, reference = text(answer, "cac:Response/cbc:ResponseCode"), text(answer, "cac:DocumentReference/cbc:ID")
    sender, receiver = endpoint_of(root, "cac:SenderParty"), endpoint_of(root, "cac:ReceiverParty")
    if answer is None or code not in StatusCode.__members__ or not reference or sender is None or receiver is None:
        raise refusal(wrong("FACTS", root, "The status names no code AP, AB or RE, no envelope, or not who answers."))
    time = text(root, "cbc:IssueTime")
    lines = [
        (text(line, "cac:LineReference/cbc:LineID"), response)
        for line in find_all(answer, "cac:LineResponse")[:MAX_ISSUES]
        for response in find_all(line, "cac:Response")[:MAX_ISSUES]
    ]
    return MessageStatus(
        id=text(root, "cbc:ID")[:200],
        kind="MLS" if customization == MLS.customization else "MLR",
        issued=text(root, "cbc:IssueDate")[:40] + (f"T{time[:40]}" if time else ""),
        sender=sender,
        receiver=receiver,
        code=StatusCode(code),
        text=text(answer, "cac:Response/cbc:Description")[:_MAX_TEXT],
        reference=reference,
        issues=tuple(_issue(place, response) for place, response in lines[:MAX_ISSUES]),
    )


def issues_of(verdict: Verdict) -> tuple[Issue, ...]:
    """The findings of a verdict as a status names them: fatal ones first, at most a hundred."""
    return tuple(
        Issue(
            code=_issue_code(finding),
            location=finding.location or "NA",
            text=f"[{finding.rule}] {finding.message}",
        )
        for finding in verdict.findings[:MAX_ISSUES]
    )


def issued_at(moment: datetime) -> str:
    """Date and time as a status writes them."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def verdict(octets: bytes) -> Verdict:
    """What schema and rules say of an MLS that was read; an MLR is not judged here."""
    root = open_document(octets, limit=MAX_RESPONSE)
    if kind_of(root) != MLS.customization:
        return Verdict()
    findings = tuple(check_schema(root)) or tuple(check(root))
    packs = (("UBL XSD", "2.1"), PACK)
    return Verdict(packs=packs, judged=True, findings=findings, count=len(findings), valid=not findings)


def check(root: etree._Element) -> list[Finding]:
    """The rules of the MLS, as its Schematron gives them; the schema is asked by :func:`response.check_schema`."""
    if root.tag != ROOT:
        return [wrong("SCH-MLS-01", root, "The document is no ApplicationResponse.")]
    return [
        wrong(f"SCH-MLS-{number:02}", node, message)
        for number, node, broken, message in (*_of_head(root), *_of_answers(root))
        if broken
    ]


_Rows = list[tuple[int, etree._Element, bool, str]]


def _of_head(root: etree._Element) -> _Rows:
    rows: _Rows = [
        (1, root, text(root, "cbc:CustomizationID") != MLS.customization, f"CustomizationID is {MLS.customization}."),
        (2, root, text(root, "cbc:ProfileID") != MLS_PROCESS.value, f"ProfileID is {MLS_PROCESS.value}."),
        (3, root, not text(root, "cbc:ID"), "The status needs an ID."),
        (4, root, len(text(root, "cbc:IssueDate")) != 10, "IssueDate is a date without a time zone."),
        (5, root, find(root, "cbc:IssueTime") is None, "The status needs an IssueTime."),
        (6, root, not _TIME.search(text(root, "cbc:IssueTime")), "IssueTime has a time zone, as 10:15:30Z."),
    ]
    for first, party in ((7, "SenderParty"), (12, "ReceiverParty")):
        node = find(root, f"cac:{party}/cbc:EndpointID")
        value = text(node)
        scheme = None if node is None else node.get("schemeID")
        known = is_provider(ParticipantId(f"{PROVIDERS}:{value}"))
        rows += [
            (first, root, node is None, f"{party} needs an EndpointID."),
            (first + 1, root, not value, f"EndpointID of {party} is empty."),
            (first + 2, root, not known, f"EndpointID of {party} is no service provider id: “{value[:80]}”."),
            (first + 3, root, scheme is None, f"EndpointID of {party} needs a schemeID."),
            (first + 4, root, scheme != PROVIDERS, f"schemeID of {party} is {PROVIDERS}."),
        ]
    return [*rows, (17, root, len(find_all(root, "cac:DocumentResponse")) != 1, "Exactly one DocumentResponse.")]


def _of_answers(root: etree._Element) -> _Rows:
    rows: _Rows = []
    for answer in find_all(root, "cac:DocumentResponse"):
        code = text(answer, "cac:Response/cbc:ResponseCode")
        described = find(answer, "cac:Response/cbc:Description")
        lines = find_all(answer, "cac:LineResponse")
        reasons = {
            text(reason) for reason in find_all(answer, "cac:LineResponse/cac:Response/cac:Status/cbc:StatusReasonCode")
        }
        failed, refused = bool(reasons & _FAILURES), code == "RE"
        rows += [
            (18, answer, find(answer, "cac:Response/cbc:ResponseCode") is None, "The status needs a ResponseCode."),
            (19, answer, code not in StatusCode.__members__, f"ResponseCode is AP, AB or RE, not “{code[:40]}”."),
            (20, answer, refused and described is None, "RE needs a Description."),
            (21, answer, refused and not text(described), "RE needs a Description that says something."),
            (22, answer, len(find_all(answer, "cac:DocumentReference")) != 1, "Exactly one DocumentReference."),
            (23, answer, refused and not lines, "RE names at least one thing that is wrong."),
            (24, answer, refused and not failed, "RE names at least one failure (SV, BV or FD)."),
            (25, answer, not refused and failed, "AP and AB name no failure."),
            *(
                (26, node, not text(node, "cbc:ID"), "The reference needs an ID.")
                for node in find_all(answer, "cac:DocumentReference")
            ),
            *(
                (27, line, not text(line, "cac:LineReference/cbc:LineID"), "LineID is empty; write NA.")
                for line in lines
            ),
        ]
        for response in find_all(answer, "cac:LineResponse/cac:Response"):
            described = find(response, "cbc:Description")
            rows += [
                (28, response, described is None, "What is wrong needs a Description."),
                (29, response, not text(described), "What is wrong needs a Description that says something."),
                (30, response, find(response, "cac:Status") is None, "What is wrong needs a Status."),
            ]
            for status in find_all(response, "cac:Status"):
                reason = text(status, "cbc:StatusReasonCode")
                rows.append(
                    (31, status, reason not in IssueCode.__members__, f"StatusReasonCode “{reason[:40]}” is unknown.")
                )
    return rows


def _contradiction(status: MessageStatus) -> str:
    failed = any(issue.code in _FAILURES for issue in status.issues)
    if not is_provider(status.sender) or not is_provider(status.receiver):
        return "sender and receiver are service providers"
    if status.code is StatusCode.RE and not (status.text.strip() and failed):
        return "RE needs words and a failure"
    if status.code is not StatusCode.RE and failed:
        return "only RE names failures"
    return "" if status.id and status.reference and "T" in status.issued else "id, envelope and time are needed"


def _provider(id: ParticipantId) -> str:
    return basic("EndpointID", id.number.upper(), schemeID=PROVIDERS)


def _issue(place: str, response: etree._Element) -> Issue:
    code = text(response, "cac:Status/cbc:StatusReasonCode")
    return Issue(
        code=IssueCode(code) if code in IssueCode.__members__ else None,
        location=place[:500] or "NA",
        text=text(response, "cbc:Description")[:_MAX_TEXT],
    )


def _issue_code(finding: Finding) -> IssueCode:
    if finding.severity is not Severity.FATAL:
        return IssueCode.BW
    return IssueCode.SV if finding.rule in _SCHEMA_RULES else IssueCode.BV
