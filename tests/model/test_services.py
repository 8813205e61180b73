"""What a participant takes: exact types, wildcards, and the default."""

from __future__ import annotations

from gateway.model.identifiers import AccountId, DocumentTypeId, ParticipantId, ProcessId
from gateway.model.message import Participant
from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS, serves

UBL = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::Invoice"
PINT = f"peppol-doctype-wildcard::{UBL}##urn:peppol:pint:billing-1{{}}::2.1"
PINT_PROCESS = ProcessId("urn:peppol:bis:billing")


def _participant(*types: tuple[str, str]) -> Participant:
    return Participant(id=ParticipantId("0007:1"), account=AccountId("a"), document_types=types)


def test_a_participant_that_names_nothing_takes_billing_documents_in_the_billing_process() -> None:
    assert serves(_participant(), BILLING_INVOICE, BILLING_PROCESS)
    assert serves(_participant(), BILLING_CREDIT_NOTE, BILLING_PROCESS)
    assert not serves(_participant(), BILLING_INVOICE, PINT_PROCESS)


def test_a_wildcard_covers_its_specialisations_and_nothing_else() -> None:
    participant = _participant((PINT.format("*"), str(PINT_PROCESS)))
    assert serves(participant, DocumentTypeId.parse(PINT.format("@jp-1")), PINT_PROCESS)
    assert serves(participant, DocumentTypeId.parse(PINT.format("")), PINT_PROCESS)
    assert not serves(participant, DocumentTypeId.parse(PINT.format("").replace("billing-1", "other-1")), PINT_PROCESS)
    assert not serves(participant, DocumentTypeId.parse(PINT.format("0")), PINT_PROCESS)
    assert not serves(participant, DocumentTypeId.parse(PINT.format("").replace("::2.1", "::2.3")), PINT_PROCESS)


def test_a_star_means_nothing_outside_the_wildcard_scheme() -> None:
    starred = str(BILLING_INVOICE).replace("billing:3.0::", "billing:*::")
    assert not serves(_participant((starred, str(BILLING_PROCESS))), BILLING_INVOICE, BILLING_PROCESS)
