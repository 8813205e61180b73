"""Which documents a participant of ours takes.

Used by the SMP (what it publishes) and by the receiving side (what it accepts), so that both always agree.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gateway.model.identifiers import WILDCARD_SCHEME, DocumentTypeId, ProcessId
from gateway.model.message import Participant

_BILLING: Final = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
_UBL: Final = "urn:oasis:names:specification:ubl:schema:xsd"

BILLING_PROCESS: Final = ProcessId("urn:fdc:peppol.eu:2017:poacc:billing:01:1.0")
BILLING_INVOICE: Final = DocumentTypeId.of(f"{_UBL}:Invoice-2", "Invoice", _BILLING, "2.1")
BILLING_CREDIT_NOTE: Final = DocumentTypeId.of(f"{_UBL}:CreditNote-2", "CreditNote", _BILLING, "2.1")

RESPONSE_NS: Final = f"{_UBL}:ApplicationResponse-2"
MLS: Final = DocumentTypeId.of(RESPONSE_NS, "ApplicationResponse", "urn:peppol:edec:mls:1.0", "2.1")
MLS_PROCESS: Final = ProcessId("urn:peppol:edec:mls")
MLR: Final = DocumentTypeId.of(RESPONSE_NS, "ApplicationResponse", "urn:fdc:peppol.eu:poacc:trns:mlr:3", "2.1")
MLR_PROCESS: Final = ProcessId("urn:fdc:peppol.eu:poacc:bis:mlr:3")
INVOICE_RESPONSE: Final = DocumentTypeId.of(
    RESPONSE_NS, "ApplicationResponse", "urn:fdc:peppol.eu:poacc:trns:invoice_response:3", "2.1"
)
INVOICE_RESPONSE_PROCESS: Final = ProcessId("urn:fdc:peppol.eu:poacc:bis:invoice_response:3")

DEFAULT_SERVICES: Final = ((BILLING_INVOICE, BILLING_PROCESS), (BILLING_CREDIT_NOTE, BILLING_PROCESS))
"""What a participant takes that names nothing else: Peppol BIS Billing 3 invoices and credit notes."""


NO_SERVICES: Final = (("", ""),)
"""``document_types`` of a participant that takes nothing yet, unlike one that names nothing."""


def services_of(participant: Participant) -> tuple[tuple[DocumentTypeId, ProcessId], ...]:
    """The pairs that the participant takes, as registered (a wildcard keeps its ``*``)."""
    return _services(participant.document_types)


def _services(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[DocumentTypeId, ProcessId], ...]:
    if not pairs:
        return DEFAULT_SERVICES
    return tuple((DocumentTypeId.parse(t), ProcessId.parse(p)) for t, p in pairs if t)


def serves(participant: Participant, document_type: DocumentTypeId, process: ProcessId) -> bool:
    """True when the participant takes this document in this process, by exact or wildcard registration."""
    return _serves(participant.document_types, document_type, process)


@lru_cache(maxsize=1024)
def _serves(pairs: tuple[tuple[str, str], ...], document_type: DocumentTypeId, process: ProcessId) -> bool:
    return any(process == known_process and _covers(known, document_type) for known, known_process in _services(pairs))


def _covers(registered: DocumentTypeId, concrete: DocumentTypeId) -> bool:
    if registered == concrete:
        return True
    stem = registered.customization.removesuffix("*")
    return (
        stem != registered.customization
        and registered.scheme == concrete.scheme == WILDCARD_SCHEME
        and (registered.syntax, registered.version) == (concrete.syntax, concrete.version)
        # A specialisation begins with "@": billing-1* covers billing-1@jp-1, not billing-10.
        and (concrete.customization == stem or concrete.customization.startswith(f"{stem}@"))
    )
