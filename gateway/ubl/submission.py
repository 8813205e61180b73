"""What a company hands in: a UBL document, or a whole business envelope with one inside.

Everything is refused here, at the door, with findings that say what, where and how to mend it. Source of the
rules: UBL 2.1 schema, Peppol Business Message Envelope 2.0; the business rules are those of ``rules``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from gateway.errors import InvalidDocument, InvalidMessage
from gateway.model.document import Company, Envelope, Facts, Finding, Verdict
from gateway.model.octets import Octets
from gateway.ubl import sbdh, schema
from gateway.ubl.invoice import facts_of, open_document, refusal
from gateway.ubl.names import MAX_DOCUMENT, SBDH, find, is_invoice, text, xpath_of

if TYPE_CHECKING:
    from gateway.ubl.rules.judge import Rulebook


Refuses = Callable[[Verdict], bool]
"""Whether a document with this verdict is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A document that passed the door."""

    document: Octets
    """The business document: the octets handed in, or those cut from the envelope."""
    facts: Facts | None
    """None for a document in an envelope that is neither invoice nor credit note."""
    envelope: Envelope | None
    """Set when a whole envelope was handed in."""
    verdict: Verdict | None = None
    """What the document rules say; None when they were not asked."""


def is_invalid(verdict: Verdict) -> bool:
    """Refuses whatever is not valid."""
    return not verdict.valid


def read_submission(
    octets: bytes, *, limit: int = MAX_DOCUMENT, book: Rulebook | None = None, refuses: Refuses = is_invalid
) -> Submission:
    """Read and check what was handed in. Raises :class:`InvalidDocument` with the findings.

    With a ``book`` the document rules judge too, and ``refuses`` says what follows from their verdict.
    """
    root = open_document(octets, limit=limit)
    if etree.QName(root).namespace != SBDH:
        facts, verdict = _checked(octets, root, book, refuses)
        return Submission(document=octets, facts=facts, envelope=None, verdict=verdict)
    try:
        unwrapped = sbdh.unwrap(octets, limit=limit)
    except InvalidMessage as error:
        raise odd_envelope(error) from None
    envelope, document = unwrapped.envelope, unwrapped.document
    assert isinstance(document, bytes)  # files are read_submission of large.py
    inner = open_document(document, limit=limit)
    if not is_invoice(inner):
        return Submission(document=document, facts=None, envelope=envelope, verdict=Verdict() if book else None)
    facts, verdict = _checked(document, inner, book, refuses)
    findings = disagreements(envelope, facts)
    if findings:
        raise refusal(*findings)
    return Submission(document=document, facts=facts, envelope=envelope, verdict=verdict)


def read_accepted(octets: bytes, *, limit: int = MAX_DOCUMENT) -> Submission:
    """What :func:`read_submission` said of these very octets, without the checks that they have passed."""
    root = open_document(octets, limit=limit)
    if etree.QName(root).namespace != SBDH:
        return Submission(document=octets, facts=facts_of(root), envelope=None)
    unwrapped = sbdh.unwrap(octets, limit=limit)
    document = unwrapped.document
    assert isinstance(document, bytes)  # files are read_submission of large.py
    inner = open_document(document, limit=limit)
    facts = facts_of(inner) if is_invoice(inner) else None
    return Submission(document=document, facts=facts, envelope=unwrapped.envelope)


def _checked(
    octets: bytes, root: etree._Element, book: Rulebook | None, refuses: Refuses
) -> tuple[Facts, Verdict | None]:
    if is_invoice(root):
        findings = schema.check(octets, root, language=book.language if book else "en")
        if findings:
            raise refusal(*findings)
    verdict = book.verdict(octets, root, checked=True) if book else None
    if verdict is not None and refuses(verdict):
        raise refusal(*verdict.findings)
    return checked_facts(root), verdict


def checked_facts(root: etree._Element) -> Facts:
    """The facts of a document that obeys its schema. Raises :class:`InvalidDocument` for odd addresses."""
    facts = facts_of(root)
    odd = [
        finding
        for path, company in (
            ("cac:AccountingSupplierParty", facts.seller),
            ("cac:AccountingCustomerParty", facts.buyer),
        )
        for finding in _odd_endpoint(root, f"{path}/cac:Party/cbc:EndpointID", company)
    ]
    if odd:
        raise refusal(*odd)
    return facts


def odd_envelope(error: InvalidMessage) -> InvalidDocument:
    """What is wrong with the envelope that was handed in."""
    return refusal(Finding(rule="SBDH", location="/StandardBusinessDocument", message=error.detail))


def _odd_endpoint(root: etree._Element, path: str, company: Company) -> list[Finding]:
    """An electronic address that nobody can have: better refused than silently printed."""
    node = find(root, path)
    scheme = node.get("schemeID", "").strip() if node is not None else ""
    if node is None or not (scheme.isascii() and scheme.isdigit() and len(scheme) == 4) or company.endpoint is not None:
        return []
    value = text(node)
    message = (
        f"The electronic address “{value[:80]}” with scheme {scheme} cannot exist: it needs 1 to 130 letters, digits "
        "or the signs . _ ~ - and no blanks. Correct it, or remove EndpointID."
    )
    return [Finding(rule="FACTS", location=xpath_of(node), message=message, value=value[:200])]


def disagreements(envelope: Envelope, facts: Facts) -> list[Finding]:
    """What the envelope's header says about the document against the document itself."""
    place = "/StandardBusinessDocument/StandardBusinessDocumentHeader/BusinessScope/Scope"
    return [
        Finding(
            rule="SBDH",
            location=f"{place}[Type='{kind}']",
            message=f"{kind} says “{said}”, but the document is “{found}”. Make them equal.",
            value=str(said),
        )
        for kind, said, found in (
            ("DOCUMENTID", envelope.document_type, facts.document_type),
            ("PROCESSID", envelope.process, facts.process),
        )
        if said != found
    ]
