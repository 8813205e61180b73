"""Documents between participants of the test network, and what is compared of them."""

from __future__ import annotations

import base64
import random
import re
from typing import Final

from lxml import etree

from conformance.interop.kit import CORPUS
from gateway.security import safexml

KINDS: Final = {"invoice": "invoice.xml", "credit note": "creditnote.xml"}

_CBC: Final = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
_SBDH: Final = "{http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader}"


def document(kind: str, *, number: str, sender: str, receiver: str, annex: int = 0) -> bytes:
    """A UBL invoice or credit note between two participants; ``annex`` adds so many octets that do not shrink."""
    text = (CORPUS / "python-as4" / KINDS[kind]).read_bytes()
    for side, participant in (("Supplier", sender), ("Customer", receiver)):
        scheme, _, value = participant.partition(":")
        endpoint = rf'\g<1><cbc:EndpointID schemeID="{scheme}">{value}<'.encode()
        pattern = rb'(<cac:Accounting%sParty>\s*<cac:Party>\s*)<cbc:EndpointID schemeID="[^"]*">[^<]*<' % side.encode()
        text, found = re.subn(pattern, endpoint, text)
        assert found == 1, (side, kind)
    text, found = re.subn(rb"(?m)^  <cbc:ID>[^<]*<", f"  <cbc:ID>{number}<".encode(), text)
    assert found == 1, kind
    return text.replace(b"<cac:AccountingSupplierParty>", _attachment(annex), 1) if annex else text


def canonical(octets: bytes) -> bytes:
    """The document's canonical form: equal for the same content, whatever envelope it was cut from."""
    return etree.tostring(_business_document(octets), method="c14n", exclusive=True)


def number_of(octets: bytes) -> str:
    return _business_document(octets).findtext(f"{_CBC}ID") or ""


def instance_of(sbd: bytes) -> str:
    """InstanceIdentifier of a business envelope."""
    path = f"{_SBDH}StandardBusinessDocumentHeader/{_SBDH}DocumentIdentification/{_SBDH}InstanceIdentifier"
    return safexml.parse(sbd, huge=True).findtext(path) or ""


def unwrapped(octets: bytes) -> bytes:
    """What stands inside TextContent or BinaryContent."""
    root = _business_document(octets)
    text = root.text or ""
    return base64.b64decode(text) if etree.QName(root).localname == "BinaryContent" else text.encode()


def _attachment(octets: int) -> bytes:
    annex = base64.b64encode(random.Random(7).randbytes(octets)).decode()
    return (
        "<cac:AdditionalDocumentReference><cbc:ID>annex</cbc:ID><cac:Attachment><cbc:EmbeddedDocumentBinaryObject "
        f'mimeCode="application/pdf" filename="annex.pdf">{annex}</cbc:EmbeddedDocumentBinaryObject>'
        "</cac:Attachment></cac:AdditionalDocumentReference><cac:AccountingSupplierParty>"
    ).encode()


def _business_document(octets: bytes) -> etree._Element:
    root = safexml.parse(octets, huge=True)
    if root.tag == f"{_SBDH}StandardBusinessDocument":
        (root,) = (child for child in root if child.tag != f"{_SBDH}StandardBusinessDocumentHeader")
        root.tail = None
    return root
