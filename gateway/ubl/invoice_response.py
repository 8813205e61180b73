"""The response of a company to an invoice that it got: taken, under query, refused, paid.

Source: Peppol Invoice Message Response 3 (transaction T111); code lists UNCL4343-T111, OPStatusReason, OPStatusAction.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from gateway.model.document import Finding, Severity, Verdict
from gateway.model.services import INVOICE_RESPONSE, INVOICE_RESPONSE_PROCESS
from gateway.model.status import ACTIONS, REASONS, Clarification, Correspondent, InvoiceResponse, ResponseCode
from gateway.ubl.invoice import open_document, read_date, refusal
from gateway.ubl.names import find, find_all, text
from gateway.ubl.response import (
    MAX_RESPONSE,
    aggregate,
    basic,
    check_schema,
    document,
    endpoint_of,
    kind_of,
    wrong,
)

PACK: Final = ("peppol-invoice-response", "3")
MAX_CLARIFICATIONS: Final = 50
_NEED_REASON: Final = frozenset({ResponseCode.UQ, ResponseCode.CA, ResponseCode.RE})
_LISTS: Final = {"OPStatusReason": REASONS, "OPStatusAction": ACTIONS}
_MAX_TEXT: Final = 1_000


def write(response: InvoiceResponse) -> bytes:
    """The response as XML. Raises ``ValueError`` for one that its own rules would refuse."""
    day, _, time = response.issued.partition("T")
    octets = document(
        (
            basic("CustomizationID", INVOICE_RESPONSE.customization),
            basic("ProfileID", INVOICE_RESPONSE_PROCESS.value),
            basic("ID", response.id),
            basic("IssueDate", day),
            basic("IssueTime", time) if time else "",
            basic("Note", response.note) if response.note else "",
            aggregate("SenderParty", _party(response.sender)),
            aggregate("ReceiverParty", _party(response.receiver)),
            aggregate(
                "DocumentResponse",
                aggregate(
                    "Response",
                    basic("ResponseCode", response.code, listID="UNCL4343OpSubset"),
                    basic("EffectiveDate", response.effective.isoformat()) if response.effective else "",
                    *(_clarification(row) for row in response.clarifications),
                ),
                aggregate(
                    "DocumentReference",
                    basic("ID", response.number),
                    basic("IssueDate", response.issue_date.isoformat()) if response.issue_date else "",
                    basic("DocumentTypeCode", response.document_code, listID="UNCL1001"),
                ),
            ),
        )
    )
    findings = [f for f in verdict(octets).findings if f.severity is Severity.FATAL]
    if findings:
        raise ValueError(f"this response would not be valid: {findings[0].message}")
    return octets


def read(octets: bytes) -> InvoiceResponse:
    """Read a response. Raises :class:`InvalidDocument` when it does not say what about which invoice."""
    root = open_document(octets, limit=MAX_RESPONSE)
    if kind_of(root) != INVOICE_RESPONSE.customization:
        raise refusal(wrong("FACTS", root, "This is no Invoice Response."))
    answer = find(root, "cac:DocumentResponse")
    code, number = text(answer, "cac:Response/cbc:ResponseCode"), text(answer, "cac:DocumentReference/cbc:ID")
    sender, receiver = _correspondent(root, "cac:SenderParty"), _correspondent(root, "cac:ReceiverParty")
    if code not in ResponseCode.__members__ or not number or sender is None or receiver is None:
        raise refusal(wrong("FACTS", root, "The response names no known code, no invoice, or not who answers."))
    time = text(root, "cbc:IssueTime")
    return InvoiceResponse(
        id=text(root, "cbc:ID")[:200],
        issued=text(root, "cbc:IssueDate")[:40] + (f"T{time[:40]}" if time else ""),
        sender=sender,
        receiver=receiver,
        code=ResponseCode(code),
        note=text(root, "cbc:Note")[:_MAX_TEXT],
        effective=read_date(text(answer, "cac:Response/cbc:EffectiveDate")),
        clarifications=_clarifications(answer),
        number=number,
        issue_date=read_date(text(answer, "cac:DocumentReference/cbc:IssueDate")),
        document_code=text(answer, "cac:DocumentReference/cbc:DocumentTypeCode")[:10],
    )


def verdict(octets: bytes) -> Verdict:
    """What schema and rules say of a response."""
    root = open_document(octets, limit=MAX_RESPONSE)
    findings = tuple(check_schema(root)) or tuple(check(root))
    fatal = any(finding.severity is Severity.FATAL for finding in findings)
    return Verdict(
        packs=(("UBL XSD", "2.1"), PACK), judged=True, findings=findings, count=len(findings), valid=not fatal
    )


def check(root: etree._Element) -> list[Finding]:
    """The rules of T111: what must be there, the code lists, and PEPPOL-T111-R001 and R002."""
    needed = (
        (text(root, "cbc:CustomizationID") == INVOICE_RESPONSE.customization, root, "CustomizationID is that of T111."),
        (text(root, "cbc:ProfileID") == INVOICE_RESPONSE_PROCESS.value, root, "ProfileID is that of T111."),
        (text(root, "cbc:ID"), root, "The response needs an ID."),
        *(
            (_complete(root, party), root, f"{party} needs EndpointID with schemeID and a registration name.")
            for party in _PARTIES
        ),
        (len(find_all(root, "cac:DocumentResponse")) == 1, root, "Exactly one DocumentResponse."),
    )
    found = [wrong("T111", node, message) for fine, node, message in needed if not fine]
    for answer in find_all(root, "cac:DocumentResponse"):
        code = text(answer, "cac:Response/cbc:ResponseCode")
        if code not in ResponseCode.__members__:
            found.append(
                wrong("T111", answer, f"ResponseCode “{code[:20]}” is not one of {', '.join(ResponseCode)}.", code)
            )
        references = find_all(answer, "cac:DocumentReference")
        if len(references) != 1 or not (text(references[0], "cbc:ID") and text(references[0], "cbc:DocumentTypeCode")):
            found.append(wrong("T111", answer, "Exactly one DocumentReference, with ID and DocumentTypeCode."))
        reasons = find_all(answer, "cac:Response/cac:Status/cbc:StatusReasonCode")
        if code in _NEED_REASON and not reasons:
            found.append(wrong("PEPPOL-T111-R001", answer, f"{code} needs at least one reason or action code.", code))
        found += [finding for reason in reasons for finding in _of_reason(reason)]
    return found


_PARTIES: Final = ("SenderParty", "ReceiverParty")


def _of_reason(reason: etree._Element) -> list[Finding]:
    code, known = text(reason), _LISTS.get(reason.get("listID", ""))
    found = []
    if known is None or code not in known:
        name = reason.get("listID", "")[:40]
        found.append(wrong("T111", reason, f"StatusReasonCode “{code[:20]}” is not in the list “{name}”.", code))
    status = reason.getparent()
    if code == "OTH" and status is not None and not text(status, "cbc:StatusReason"):
        message = "OTH should be explained in words."
        found.append(Finding(rule="PEPPOL-T111-R002", severity=Severity.WARNING, message=message, value=code))
    return found


def _complete(root: etree._Element, party: str) -> bool:
    node = find(root, f"cac:{party}/cbc:EndpointID")
    named = text(root, f"cac:{party}/cac:PartyLegalEntity/cbc:RegistrationName")
    return node is not None and bool(text(node)) and bool(node.get("schemeID")) and bool(named)


def _party(party: Correspondent) -> str:
    return basic("EndpointID", party.endpoint.number.upper(), schemeID=party.endpoint.icd) + aggregate(
        "PartyLegalEntity", basic("RegistrationName", party.name or party.endpoint.value)
    )


def _clarification(row: Clarification) -> str:
    return aggregate(
        "Status",
        basic("StatusReasonCode", row.code, listID=row.list),
        basic("StatusReason", row.text[:_MAX_TEXT]) if row.text else "",
        *(
            aggregate("Condition", basic("AttributeID", term), basic("Description", value))
            for term, value in row.conditions
        ),
    )


def _correspondent(root: etree._Element, path: str) -> Correspondent | None:
    endpoint = endpoint_of(root, path)
    name = text(root, f"{path}/cac:PartyLegalEntity/cbc:RegistrationName")[:200]
    return None if endpoint is None else Correspondent(endpoint=endpoint, name=name)


def _clarifications(answer: etree._Element | None) -> tuple[Clarification, ...]:
    rows = find_all(answer, "cac:Response/cac:Status")[:MAX_CLARIFICATIONS]
    return tuple(
        Clarification(
            list="OPStatusAction" if _list_of(row) == "OPStatusAction" else "OPStatusReason",
            code=text(row, "cbc:StatusReasonCode")[:20],
            text=text(row, "cbc:StatusReason")[:_MAX_TEXT],
            conditions=tuple(
                (text(condition, "cbc:AttributeID")[:40], text(condition, "cbc:Description")[:200])
                for condition in find_all(row, "cac:Condition")[:MAX_CLARIFICATIONS]
            ),
        )
        for row in rows
    )


def _list_of(row: etree._Element) -> str:
    node = find(row, "cbc:StatusReasonCode")
    return "" if node is None else node.get("listID", "")
