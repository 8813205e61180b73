"""The facts of a UBL 2.1 invoice or credit note.

Source: UBL 2.1, Peppol BIS Billing 3.0 (which business term stands where), Peppol Policy for use of Identifiers
(document type, process). Whether the document obeys the schema is ``schema.py``'s question; here only what the
facts need must be there.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from lxml import etree

from gateway.errors import InvalidAddress, InvalidDocument
from gateway.model.document import Company, Facts, Finding, PostalAddress
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.security import safexml
from gateway.ubl.names import DOCUMENTS, MAX_DOCUMENT, SBDH, decimal, find, find_all, is_invoice, text, xpath_of

_ICD: Final = re.compile(r"[0-9]{4}", re.ASCII)
_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)?", re.ASCII)
_MAIL: Final = re.compile(r"[^\s@<>,;:\"()]{1,64}@[^\s@<>,;:\"()]{1,255}")
_DEFAULT_VERSION: Final = "2.1"
_NEEDED: Final = {
    "cbc:CustomizationID": "the specification that the document follows",
    "cbc:ProfileID": "the business process",
    "cbc:ID": "the number of the document",
    "cac:AccountingSupplierParty/cac:Party": "the seller",
    "cac:AccountingCustomerParty/cac:Party": "the buyer",
}
"""What the facts cannot do without, in words."""


def read(octets: bytes, *, limit: int = MAX_DOCUMENT) -> Facts:
    """Read the facts. Raises :class:`InvalidDocument` with every finding when they cannot be had.

    ``limit`` is the most octets that are looked at; attachments inside may be as large as that.
    """
    return facts_of(open_document(octets, limit=limit))


def open_document(octets: bytes, *, limit: int = MAX_DOCUMENT) -> etree._Element:
    """Parse a document and give its root, whatever it is. Raises :class:`InvalidDocument`."""
    if len(octets) > limit:
        raise refusal(
            Finding(rule="SIZE", message=f"The document has {len(octets)} octets, at most {limit} are taken here.")
        )
    try:
        return safexml.parse(octets, huge=True)
    except safexml.UnsafeXml as error:
        place = f"line {error.line}" if error.line else ""
        raise refusal(
            Finding(rule="XML", location=place, message=f"{error}. {error.remedy}"), remedy=error.remedy
        ) from None


def facts_of(root: etree._Element) -> Facts:
    """Read the facts of a parsed document. Raises :class:`InvalidDocument`."""
    name = etree.QName(root)
    if not is_invoice(root):
        raise refusal(not_an_invoice(name))
    needed = {element: find(root, element) for element in _NEEDED}
    findings = [
        Finding(
            rule="FACTS",
            location=f"/{name.localname}/{element}",
            message=f"{element} is missing or empty: {_NEEDED[element]}. Add it.",
        )
        for element, found in needed.items()
        if found is None or not (text(found) or len(found))
    ]
    if findings:
        raise refusal(*findings)
    customization, profile, number, seller, buyer = needed.values()
    version = text(root, "cbc:UBLVersionID") or _DEFAULT_VERSION
    try:
        document_type = DocumentTypeId.of(name.namespace or "", name.localname, text(customization), version)
    except InvalidAddress as error:
        raise refusal(_at(root, "cbc:CustomizationID", f"{error}. Write the identifier without blanks.")) from None
    try:
        process = ProcessId.parse(text(profile))
    except InvalidAddress as error:
        raise refusal(_at(root, "cbc:ProfileID", f"{error}.")) from None
    due = text(root, "cbc:DueDate") or text(root, "cac:PaymentMeans/cbc:PaymentDueDate")
    return Facts(
        document_type=document_type,
        process=process,
        number=text(number),
        issue_date=read_date(text(root, "cbc:IssueDate")),
        due_date=read_date(due),
        currency=text(root, "cbc:DocumentCurrencyCode"),
        amount=decimal(text(root, "cac:LegalMonetaryTotal/cbc:PayableAmount")),
        seller=_company(seller),
        buyer=_company(buyer),
    )


def read_date(value: str) -> date | None:
    """An xs:date without its zone, or None."""
    match = _DATE.fullmatch(value)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def refusal(*findings: Finding, remedy: str = "") -> InvalidDocument:
    """The error that carries these findings; its text is the first one's."""
    return InvalidDocument(findings[0].message, findings=findings, remedy=remedy)


def not_an_invoice(name: etree.QName) -> Finding:
    """What is wrong with a root of that name."""
    said = f"The root element is {name.localname} (namespace {name.namespace or 'none'})"
    if name.namespace == SBDH:
        hint = "the document is wrapped in a business envelope; hand in the whole envelope or the invoice alone"
    elif name.localname in DOCUMENTS.values():
        hint = "the name is right, but a UBL 2.1 document has the namespace urn:oasis:…:xsd:" + name.localname + "-2"
    elif name.localname == "CrossIndustryInvoice":
        hint = "this is a CII invoice; export it as UBL 2.1"
    else:
        hint = "a UBL 2.1 Invoice or CreditNote is needed"
    return Finding(rule="UBL", location=f"/{name.localname}", message=f"{said}: {hint}.", value=name.localname)


def _at(root: etree._Element, path: str, message: str) -> Finding:
    node = find(root, path)
    place = xpath_of(node) if node is not None else ""
    return Finding(rule="FACTS", location=place, message=message, value=text(node)[:200])


def _company(party: etree._Element | None) -> Company:
    """Everything that routing and lists need of one party."""
    identifiers: list[tuple[str, str]] = []
    endpoint, endpoint_mail = _endpoint(find(party, "cbc:EndpointID"), identifiers)
    for node in find_all(party, "cac:PartyIdentification/cbc:ID"):
        identifiers.append((node.get("schemeID", "").strip(), text(node)))
    legal = find(party, "cac:PartyLegalEntity/cbc:CompanyID")
    legal_id = text(legal)
    legal_scheme = legal.get("schemeID", "").strip() if legal is not None else ""
    identifiers.append((legal_scheme, legal_id))
    trading = text(party, "cac:PartyName/cbc:Name")
    registered = text(party, "cac:PartyLegalEntity/cbc:RegistrationName")
    contact = find(party, "cac:Contact")
    mail = endpoint_mail or text(contact, "cbc:ElectronicMail")
    return Company(
        name=trading or registered,
        legal_name=registered,
        endpoint=endpoint,
        identifiers=tuple((scheme, value) for scheme, value in identifiers if value),
        legal_id=legal_id,
        legal_id_scheme=legal_scheme,
        vat_id=_vat_id(party),
        email=mail if _MAIL.fullmatch(mail) else "",
        telephone=text(contact, "cbc:Telephone"),
        contact=text(contact, "cbc:Name"),
        address=read_address(find(party, "cac:PostalAddress"), name=trading or registered, contact=contact),
    )


def _endpoint(node: etree._Element | None, others: list[tuple[str, str]]) -> tuple[ParticipantId | None, str]:
    """The electronic address: a participant, or an e-mail address (scheme EM). What is neither joins ``others``."""
    if node is None or not text(node):
        return None, ""
    scheme, value = node.get("schemeID", "").strip(), text(node)
    if scheme == "EM":
        return None, value
    if _ICD.fullmatch(scheme):
        try:
            return ParticipantId.parse(f"{scheme}:{value}"), ""
        except InvalidAddress:
            pass  # kept below: reading must not fail for an odd number, the submission check tells about it
    others.append((scheme, value))
    return None, ""


def _vat_id(party: etree._Element | None) -> str:
    """The company's number in the tax scheme VAT, else GST (as in Australia and Singapore)."""
    numbers = {
        text(scheme, "cac:TaxScheme/cbc:ID").upper(): text(scheme, "cbc:CompanyID")
        for scheme in find_all(party, "cac:PartyTaxScheme")
    }
    return numbers.get("VAT") or numbers.get("GST") or ""


def read_address(
    node: etree._Element | None, *, name: str = "", contact: etree._Element | None = None
) -> PostalAddress:
    """A UBL address; house number and post box join the street's lines."""
    street = " ".join(filter(None, (text(node, "cbc:StreetName"), text(node, "cbc:BuildingNumber"))))
    extra = [text(line) for line in find_all(node, "cac:AddressLine/cbc:Line")]
    return PostalAddress(
        name=name,
        attention=text(node, "cbc:MarkAttention") or text(contact, "cbc:Name"),
        street=street,
        additional=text(node, "cbc:AdditionalStreetName") or text(node, "cbc:Postbox"),
        extra_line=", ".join(filter(None, extra[:3])),
        postal_code=text(node, "cbc:PostalZone"),
        city=text(node, "cbc:CityName"),
        region=text(node, "cbc:CountrySubentity"),
        country=text(node, "cac:Country/cbc:IdentificationCode").upper(),
    )
