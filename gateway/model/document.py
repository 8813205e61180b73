"""What the gateway needs to know of a business document, whatever its syntax.

The codec that reads these facts is ``gateway/ubl/invoice.py``; everything here is a plain value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.octets import Octets
from gateway.model.often import made_often


class Severity(StrEnum):
    """How bad a finding is: a fatal one refuses the document."""

    FATAL = "fatal"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a document: what, where, how to mend."""

    rule: str
    """Rule identifier: ``XSD``, ``XML``, later ``BR-CO-15``."""
    severity: Severity = Severity.FATAL
    location: str = ""
    """XPath of the place, with line number if only that is known."""
    message: str
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What schema and document rules say of one document."""

    packs: tuple[tuple[str, str], ...] = ()
    """(name, version) of what judged it: the schema, then the rule packs."""
    judged: bool = False
    """Whether a rule pack was among them."""
    findings: tuple[Finding, ...] = ()
    """Fatal ones first; of very many only the first."""
    count: int = 0
    """How many findings there are in truth."""
    valid: bool = True
    addresses_only: bool = False
    """Not valid, but every fatal finding is of form or check digits of an electronic address."""
    why: str = "there are no rules here for this document type"
    """Why no rule pack judged it, where none did."""

    @property
    def words(self) -> str:
        """The verdict as the timeline says it."""
        if not self.valid:
            fatal = sum(finding.severity is Severity.FATAL for finding in self.findings)
            return f"not valid: {fatal} fatal of {self.count} findings, first {self.findings[0].rule}"
        if not self.judged:
            return f"not validated, because {self.why}"
        warnings = f", {self.count} warnings" if self.count else ""
        return f"valid by {' and '.join(f'{name} {version}' for name, version in self.packs[1:])}{warnings}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostalAddress:
    """Where a letter goes, as the document says it. Empty text where it says nothing."""

    name: str = ""
    attention: str = ""
    street: str = ""
    additional: str = ""
    extra_line: str = ""
    postal_code: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    """ISO 3166-1 alpha-2."""

    @property
    def deliverable(self) -> bool:
        """A letter needs a name, a city, and a street or box or a postal code of its own."""
        return bool(self.name and self.city and (self.street or self.additional or self.postal_code))


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Seller or buyer as the document names it."""

    name: str = ""
    legal_name: str = ""
    endpoint: ParticipantId | None = None
    identifiers: tuple[tuple[str, str], ...] = ()
    """Other identifiers as (scheme or ``""``, value): party ids, legal id, in document order."""
    legal_id: str = ""
    legal_id_scheme: str = ""
    vat_id: str = ""
    email: str = ""
    telephone: str = ""
    contact: str = ""
    address: PostalAddress = field(default_factory=PostalAddress)

    @property
    def country(self) -> str:
        return self.address.country

    @property
    def shown_name(self) -> str:
        return self.name or self.legal_name


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What lists show of an invoice or credit note."""

    number: str
    issue_date: date | None
    due_date: date | None
    currency: str
    amount: Decimal | None
    """Amount due for payment (BT-115)."""
    seller_name: str
    buyer_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts of one invoice or credit note that routing, envelope and lists need."""

    document_type: DocumentTypeId
    process: ProcessId
    number: str
    issue_date: date | None
    due_date: date | None
    currency: str
    amount: Decimal | None
    """Amount due for payment (BT-115)."""
    seller: Company
    buyer: Company

    @property
    def kind(self) -> str:
        """``Invoice`` or ``CreditNote``."""
        return self.document_type.name

    @property
    def summary(self) -> Summary:
        return Summary(
            number=self.number,
            issue_date=self.issue_date,
            due_date=self.due_date,
            currency=self.currency,
            amount=self.amount,
            seller_name=self.seller.shown_name,
            buyer_name=self.buyer.shown_name,
        )

    @property
    def self_billed(self) -> bool:
        """True when the buyer wrote the document, so that it travels from buyer to seller."""
        return "selfbilling" in self.document_type.customization

    @property
    def sender(self) -> Company:
        """Whom the document comes from: the seller, or the buyer of a self-billed one."""
        return self.buyer if self.self_billed else self.seller

    @property
    def receiver(self) -> Company:
        """Whom the document is for: the buyer, or the seller of a self-billed one."""
        return self.seller if self.self_billed else self.buyer


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The Peppol business envelope (SBDH) of one document. Source: Business Message Envelope 2.0, section 4."""

    sender: ParticipantId
    receiver: ParticipantId
    document_type: DocumentTypeId
    process: ProcessId
    country_c1: str
    instance_id: str
    created: str
    """``CreationDateAndTime``, xs:dateTime with zone, as written."""
    standard: str = ""
    type_version: str = ""
    type: str = ""
    mls_to: str = ""
    mls_type: str = ""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Unwrapped:
    """An opened business envelope: its header, the octets of the document in it, and what lists show of it."""

    envelope: Envelope
    document: Octets
    summary: Summary | None
    """None where the document is no invoice or credit note that we understand; it is carried all the same."""


def bare_facts(document_type: DocumentTypeId, process: ProcessId, number: str = "") -> Facts:
    """What the envelope alone says of a document that is neither invoice nor credit note."""
    return Facts(
        document_type=document_type,
        process=process,
        number=number,
        issue_date=None,
        due_date=None,
        currency="",
        amount=None,
        seller=Company(),
        buyer=Company(),
    )
