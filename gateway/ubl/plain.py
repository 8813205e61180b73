"""Business envelopes as nearly everybody writes them, read from their text without a tree.

A short cut and no second opinion: it gives a value only where the text is plain throughout, and where it gives none,
``sbdh.py`` reads the tree and says what is wrong. Plain is: no comment, CDATA, processing instruction or document type
anywhere, so that every ``<`` begins a tag; a header of the usual form; a document that names its own namespaces on its
root. expat, which also resolves prefixes, reads the document from end to end as one that stands alone; so it is one
well-formed document, and what is looked for below are its tags and nothing else.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from xml.parsers import expat

from gateway.errors import InvalidAddress, InvalidMessage
from gateway.model.document import Summary, Unwrapped
from gateway.model.identifiers import DocumentTypeId, ProcessId
from gateway.ubl.header import fits, usual_header
from gateway.ubl.invoice import read_date
from gateway.ubl.names import CAC, CBC, DOCUMENTS, INVOICE_NS, SBDH, decimal

_DEEPEST: Final = 2000
"""Levels that the parser of trees takes too."""
_LEVEL: Final = len("<a></a>")
_ROOT: Final = re.compile(
    rb'(?:<\?xml version="1\.0"(?: encoding="[Uu][Tt][Ff]-8")?(?: standalone="(?:yes|no)")? ?\?>\s*)?'
    rb"<((?:[A-Za-z_][\w.-]*:)?)StandardBusinessDocument"
    rb'((?:\s+xmlns(?::[A-Za-z_][\w.-]*)?="[^"<&]*")+)\s*>\s*'
)
_DECLARED: Final = re.compile(rb'\sxmlns(?::([\w.-]+))?="([^"<&]*)"')
_DOCUMENT: Final = re.compile(rb'<(?:([A-Za-z_][\w.-]*):)?([A-Za-z_][\w.-]*)((?:\s+[\w.:-]+="[^"<&]*")*)\s*/?>')
_PRINTABLE: Final = bytes((9, 10, *range(32, 127)))
_BLANK: Final = b" \t\r\n"


def usual_envelope(octets: bytes) -> Unwrapped | None:
    """Open an envelope that is plain throughout; None says nothing but that the tree has to be read."""
    root = _ROOT.match(octets)
    if root is None:
        return None
    prefix, lent = root[1], dict(_DECLARED.findall(root[2]))
    if lent.get(prefix[:-1]) != SBDH.encode():
        return None
    if not octets.startswith(b"<%bStandardBusinessDocumentHeader>" % prefix, root.end()):
        return None
    header = usual_header(octets)
    if header is None:
        return None
    envelope, start = header
    if octets[:start].translate(None, _PRINTABLE):
        return None
    end = octets.rfind(b"</")
    if octets[end:].rstrip(_BLANK) != b"</%bStandardBusinessDocument>" % prefix:
        return None
    piece = octets[start:end].strip(_BLANK)
    tag = _DOCUMENT.match(piece)
    if tag is None or not piece.endswith(b">"):
        return None
    own = dict(_DECLARED.findall(tag[3]))
    namespace, name = own.get(tag[1] or b"", b"").decode("ascii", "replace"), tag[2].decode("ascii", "replace")
    if not namespace or namespace == SBDH or not _stands_alone(piece, own, lent):
        return None
    if not _is_one_plain_document(piece, len(own)):
        return None
    try:
        fits(envelope, namespace, name)
    except InvalidMessage:
        return None
    if DOCUMENTS.get(namespace) != name:
        return Unwrapped(envelope=envelope, document=piece, summary=None)
    summary = usual_summary(piece, own, tag.end())
    return None if summary is None else Unwrapped(envelope=envelope, document=piece, summary=summary)


def _stands_alone(piece: bytes, own: dict[bytes, bytes], lent: dict[bytes, bytes]) -> bool:
    """Whether the document owes nothing to the envelope's declarations; a prefix may also stand in a value."""
    return all(prefix in own or (prefix and prefix + b":" not in piece) for prefix in lent)


def _is_one_plain_document(piece: bytes, namespaces: int) -> bool:
    """Well-formed, no deeper than trees may be, tags and text alone, its namespaces all declared by its root."""
    if len(piece) > _DEEPEST * _LEVEL and piece.count(b"</") > _DEEPEST:
        return False
    declared: list[str | None] = []
    parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
    parser.StartNamespaceDeclHandler = lambda prefix, _: declared.append(prefix)
    parser.CommentHandler = parser.ProcessingInstructionHandler = parser.StartDoctypeDeclHandler = _not_plain
    parser.StartCdataSectionHandler = parser.XmlDeclHandler = _not_plain
    try:
        parser.Parse(piece, True)
    except (expat.ExpatError, _NotPlain):
        return False
    return len(declared) == namespaces


class _NotPlain(Exception):
    """Something that is neither tag nor text."""


def _not_plain(*_: object) -> None:
    raise _NotPlain


# --- what lists show of an invoice -----------------------------------------------------------------------------------

_VALUE: Final = re.compile(rb'<cbc:(\w+)(?:\s+[\w.:-]+="[^"<]*")*\s*>([^<&\r]*)</cbc:\1\s*>')
_PAYABLE: Final = re.compile(rb'<cbc:PayableAmount(?:\s+[\w.:-]+="[^"<]*")*>([^<&\r]*)<')
_NAME: Final = re.compile(rb"<cac:PartyName>\s*<cbc:Name(?:\s+[\w.:-]+=\"[^\"<]*\")*>([^<&\r]*)</cbc:Name>")
_REGISTERED: Final = re.compile(rb'<cbc:RegistrationName(?:\s+[\w.:-]+="[^"<]*")*>([^<&\r]*)<')


def usual_summary(piece: bytes, own: dict[bytes, bytes], start: int) -> Summary | None:
    """The summary of a plain invoice whose root tag ends at ``start``; None where the tree has to be read.

    UBL has the values of the root before its aggregates, and the first aggregate ends what is looked at for them.
    """
    if own.get(b"cbc") != _CBC or own.get(b"cac") != _CAC:
        return None
    first = piece.find(b"<cac:", start)
    values = _VALUE.findall(piece, start, max(first, start))
    root = dict(reversed(values))
    due = root.get(b"DueDate", b"")
    if piece.count(b"<", start, max(first, start)) != 2 * len(values) or (not due and b"PaymentDueDate" in piece):
        return None
    total = _PAYABLE.search(_element(piece, b"LegalMonetaryTotal", first))
    seller = _name(_element(piece, b"AccountingSupplierParty", first))
    buyer = _name(_element(piece, b"AccountingCustomerParty", first))
    if total is None or not seller or not buyer:
        return None
    number = _text(root.get(b"ID", b""))
    said = (_text(root.get(name, b"")) for name in (b"CustomizationID", b"ProfileID", b"UBLVersionID"))
    if not number or not _are_identifiers(*said):
        return None
    return Summary(
        number=number,
        issue_date=read_date(_text(root.get(b"IssueDate", b""))),
        due_date=read_date(_text(due)),
        currency=_text(root.get(b"DocumentCurrencyCode", b"")),
        amount=decimal(_text(total[1])),
        seller_name=seller,
        buyer_name=buyer,
    )


_CBC: Final = CBC.encode()
_CAC: Final = CAC.encode()


def _text(value: bytes) -> str:
    return value.decode().strip()


@lru_cache(maxsize=256)
def _are_identifiers(customization: str, profile: str, version: str) -> bool:
    """Whether the values can be identifiers of a document type and a process."""
    try:
        DocumentTypeId.of(INVOICE_NS, DOCUMENTS[INVOICE_NS], customization, version or "2.1")
        ProcessId.parse(profile)
    except InvalidAddress:
        return False
    return bool(customization and profile)


def _element(piece: bytes, name: bytes, start: int) -> bytes:
    """What the first aggregate of that name holds; nothing where there is none, or one with attributes."""
    at = piece.find(b"<cac:%b>" % name, start)
    return piece[at : piece.find(b"</cac:%b" % name, at)] if at >= 0 else b""


def _name(party: bytes) -> str:
    """The trading name, else the registered name; empty where it is in no usual place."""
    if party.count(b"Party>") != 3:  # its own tag and both of cac:Party: an agent's is not to be taken for it
        return ""
    found = _NAME.search(party)
    if found is None and b"<cac:PartyName" not in party:
        found = _REGISTERED.search(_element(party, b"PartyLegalEntity", 0))
    return "" if found is None else _text(found[1])
