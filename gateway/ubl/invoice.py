"""The facts of a UBL 2.1 invoice or credit note.

Source: UBL 2.1, Peppol BIS Billing 3.0 (which business term stands where), Peppol Policy for use of Identifiers
(document type, process). Whether the document obeys the schema is ``schema.py``'s question; here only what the
facts need must be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Final

from lxml import etree

from gateway.errors import InvalidAddress, InvalidDocument
from gateway.model.document import Company, Facts, Finding, PostalAddress
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.security import safexml
from gateway.security.safexml import nodes_of
from gateway.ubl.names import CAC, CBC, DOCUMENTS, MAX_DOCUMENT, SBDH, decimal, find, is_invoice, text, xpath_of

_ICD: Final = re.compile(r"[0-9]{4}", re.ASCII)
_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)?", re.ASCII)
_LONGEST_DATE: Final = 16
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

_CUSTOMIZATION, _PROFILE, _ID, _VERSION, _ISSUED, _DUE, _CURRENCY, _PAYABLE, _MEANS_DUE = (
    f"{{{CBC}}}{name}"
    for name in (
        "CustomizationID",
        "ProfileID",
        "ID",
        "UBLVersionID",
        "IssueDate",
        "DueDate",
        "DocumentCurrencyCode",
        "PayableAmount",
        "PaymentDueDate",
    )
)
_SUPPLIER, _CUSTOMER, _MEANS, _TOTAL, _PARTY = (
    f"{{{CAC}}}{name}"
    for name in ("AccountingSupplierParty", "AccountingCustomerParty", "PaymentMeans", "LegalMonetaryTotal", "Party")
)
_HEAD: Final = (
    *(_CUSTOMIZATION, _PROFILE, _ID, _VERSION, _ISSUED, _DUE, _CURRENCY),
    *(_SUPPLIER, _CUSTOMER, _MEANS, _TOTAL),
)
"""What is looked at of a document's children, which are thousands where it has as many lines."""
_IDENTIFICATION, _PARTY_NAME, _ADDRESS, _TAX, _LEGAL, _CONTACT, _TAX_SCHEME, _ADDRESS_LINE, _COUNTRY = (
    f"{{{CAC}}}{name}"
    for name in (
        "PartyIdentification",
        "PartyName",
        "PostalAddress",
        "PartyTaxScheme",
        "PartyLegalEntity",
        "Contact",
        "TaxScheme",
        "AddressLine",
        "Country",
    )
)
_ENDPOINT, _COMPANY_ID, _NAME, _REGISTERED, _MAIL_ADDRESS, _TELEPHONE, _LINE, _COUNTRY_CODE = (
    f"{{{CBC}}}{name}"
    for name in (
        "EndpointID",
        "CompanyID",
        "Name",
        "RegistrationName",
        "ElectronicMail",
        "Telephone",
        "Line",
        "IdentificationCode",
    )
)
_STREET, _NUMBER, _ATTENTION, _ADDITIONAL, _POST_BOX, _POSTAL_ZONE, _CITY, _REGION = (
    f"{{{CBC}}}{name}"
    for name in (
        "StreetName",
        "BuildingNumber",
        "MarkAttention",
        "AdditionalStreetName",
        "Postbox",
        "PostalZone",
        "CityName",
        "CountrySubentity",
    )
)


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
    """Read the facts of a parsed document, or of one inside another. Raises :class:`InvalidDocument`."""
    if not is_invoice(root):
        raise refusal(not_an_invoice(etree.QName(root)))
    head = _rows(root.iterchildren(*_HEAD))
    customization, profile, number = (_first(head, tag) for tag in (_CUSTOMIZATION, _PROFILE, _ID))
    seller, buyer = (_below(head, tag, _PARTY) for tag in (_SUPPLIER, _CUSTOMER))
    needed = dict(zip(_NEEDED, (customization, profile, number, seller, buyer), strict=True))
    findings = [
        Finding(
            rule="FACTS",
            location=f"/{etree.QName(root).localname}/{element}",
            message=f"{element} is missing or empty: {_NEEDED[element]}. Add it.",
        )
        for element, found in needed.items()
        if found is None or not (len(found) or text(found))
    ]
    if findings:
        raise refusal(*findings)
    version = text(_first(head, _VERSION)) or _DEFAULT_VERSION
    name = etree.QName(root)
    try:
        document_type = DocumentTypeId.of(name.namespace or "", name.localname, text(customization), version)
    except InvalidAddress as error:
        raise refusal(_at(root, "cbc:CustomizationID", f"{error}. Write the identifier without blanks.")) from None
    try:
        process = ProcessId.parse(text(profile))
    except InvalidAddress as error:
        raise refusal(_at(root, "cbc:ProfileID", f"{error}.")) from None
    due = text(_first(head, _DUE)) or text(_below(head, _MEANS, _MEANS_DUE))
    return Facts(
        document_type=document_type,
        process=process,
        number=text(number),
        issue_date=read_date(text(_first(head, _ISSUED))),
        due_date=read_date(due),
        currency=text(_first(head, _CURRENCY)),
        amount=decimal(text(_below(head, _TOTAL, _PAYABLE))),
        seller=_company(seller),
        buyer=_company(buyer),
    )


def read_date(value: str) -> date | None:
    """An xs:date without its zone, or None."""
    return _date(value) if len(value) <= _LONGEST_DATE else None


@lru_cache(1024)
def _date(value: str) -> date | None:
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


_Rows = dict[str, list[etree._Element]]


def _rows(nodes: Iterable[etree._Element]) -> _Rows:
    """Elements by their tag, in document order: one look at each, however many values are read."""
    found: _Rows = {}
    for node in nodes:
        tag = node.tag
        if tag in found:
            found[tag].append(node)
        else:
            found[tag] = [node]
    return found


def _first(rows: _Rows, tag: str) -> etree._Element | None:
    found = rows.get(tag)
    return found[0] if found else None


def _below(rows: _Rows, tag: str, child: str) -> etree._Element | None:
    """The first child of that tag under any of the elements of the other tag."""
    for node in rows.get(tag, ()):
        for found in nodes_of(node):
            if found.tag == child:
                return found
    return None


def _company(party: etree._Element | None) -> Company:
    """Everything that routing and lists need of one party."""
    rows = _rows(() if party is None else nodes_of(party))
    identifiers: list[tuple[str, str]] = []
    endpoint, endpoint_mail = _endpoint(_first(rows, _ENDPOINT), identifiers)
    for holder in rows.get(_IDENTIFICATION, ()):
        for node in holder.iterchildren(_ID):
            identifiers.append((node.get("schemeID", "").strip(), text(node)))
    legal = _below(rows, _LEGAL, _COMPANY_ID)
    legal_id = text(legal)
    legal_scheme = legal.get("schemeID", "").strip() if legal is not None else ""
    identifiers.append((legal_scheme, legal_id))
    trading = text(_below(rows, _PARTY_NAME, _NAME))
    registered = text(_below(rows, _LEGAL, _REGISTERED))
    contact = _first(rows, _CONTACT)
    contacts = _rows(() if contact is None else nodes_of(contact))
    mail = endpoint_mail or text(_first(contacts, _MAIL_ADDRESS))
    person = text(_first(contacts, _NAME))
    return Company(
        name=trading or registered,
        legal_name=registered,
        endpoint=endpoint,
        identifiers=tuple((scheme, value) for scheme, value in identifiers if value),
        legal_id=legal_id,
        legal_id_scheme=legal_scheme,
        vat_id=_vat_id(rows.get(_TAX, ())),
        email=mail if mail and _MAIL.fullmatch(mail) else "",
        telephone=text(_first(contacts, _TELEPHONE)),
        contact=person,
        address=read_address(_first(rows, _ADDRESS), name=trading or registered, contact=person),
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


def _vat_id(schemes: Iterable[etree._Element]) -> str:
    """The company's number in the tax scheme VAT, else GST (as in Australia and Singapore)."""
    numbers: dict[str, str] = {}
    for node in schemes:
        rows = _rows(nodes_of(node))
        numbers[text(_below(rows, _TAX_SCHEME, _ID)).upper()] = text(_first(rows, _COMPANY_ID))
    return numbers.get("VAT") or numbers.get("GST") or ""


def read_address(node: etree._Element | None, *, name: str = "", contact: str = "") -> PostalAddress:
    """A UBL address; house number and post box join the street's lines. ``contact`` stands in for an attention line."""
    rows = _rows(() if node is None else nodes_of(node))

    def value(tag: str) -> str:
        found = rows.get(tag)
        return text(found[0]) if found else ""

    street, number = value(_STREET), value(_NUMBER)
    extra = [text(line) for row in rows.get(_ADDRESS_LINE, ()) for line in row.iterchildren(_LINE)]
    return PostalAddress(
        name=name,
        attention=value(_ATTENTION) or contact,
        street=f"{street} {number}" if street and number else street or number,
        additional=value(_ADDITIONAL) or value(_POST_BOX),
        extra_line=", ".join(filter(None, extra[:3])),
        postal_code=value(_POSTAL_ZONE),
        city=value(_CITY),
        region=value(_REGION),
        country=text(_below(rows, _COUNTRY, _COUNTRY_CODE)).upper(),
    )
