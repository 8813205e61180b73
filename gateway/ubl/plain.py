"""Business envelopes as nearly everybody writes them, read from their text without a tree.

A short cut and no second opinion: it gives a value only where the text is plain throughout, and where it gives none,
``sbdh.py`` reads the tree and says what is wrong. Plain is: no comment, CDATA, processing instruction or document type
anywhere, so that every ``<`` begins a tag; a header of the usual form; a document that names its own namespaces on its
root. expat, which also resolves prefixes, reads the document from end to end as one that stands alone; so it is one
well-formed document, and what is looked for below are its tags and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway.errors import InvalidAddress, InvalidMessage
from gateway.model.document import Envelope, Summary, Unwrapped
from gateway.model.identifiers import DocumentTypeId, InstanceId, ProcessId
from gateway.ubl.forms import Forms
from gateway.ubl.header import SPACE, fits, is_created, is_instance, usual_header
from gateway.ubl.invoice import read_date
from gateway.ubl.names import CAC, CBC, DOCUMENTS, INVOICE_NS, SBDH, decimal
from gateway.ubl.skeleton import is_one_plain_document

_ROOT: Final = re.compile(
    rb'(?:<\?xml version="1\.0"(?: encoding="[Uu][Tt][Ff]-8")?(?: standalone="(?:yes|no)")? ?\?>\s*)?'
    rb"<((?:[A-Za-z_][\w.-]*:)?)StandardBusinessDocument"
    rb'((?:\s+xmlns(?::[A-Za-z_][\w.-]*)?="[^"<&]*")+)\s*>\s*'
)
_DECLARED: Final = re.compile(rb'\sxmlns(?::([\w.-]+))?="([^"<&]*)"')
_DOCUMENT: Final = re.compile(rb'<(?:([A-Za-z_][\w.-]*):)?([A-Za-z_][\w.-]*)((?:\s+[\w.:-]+="[^"<&]*")*)\s*/?>')
_PRINTABLE: Final = bytes((9, 10, *range(32, 127)))
_BLANK: Final = b" \t\r\n"
_NO_TEXT: Final = b"]]>"
"""Printable, and in no text. Source: XML 1.0, section 2.4."""


def usual_envelope(octets: bytes) -> Unwrapped | None:
    """Open an envelope that is plain throughout; None says nothing but that the tree has to be read."""
    found = _open_head(octets)
    if found is None:
        return None
    envelope, head, start = found
    end = octets.rfind(b"</")
    if octets[end:].rstrip(_BLANK) != head.end:
        return None
    piece = octets[start:end].strip(_BLANK)
    first = piece.find(b">") + 1
    if first > _LONGEST or (root := _read_root(piece[:first], head.lent)) is None or not piece.endswith(b">"):
        return None
    # A prefix that the envelope declares may also stand in a value.
    if any(prefix in piece for prefix in root.foreign):
        return None
    try:
        fits(envelope, root.namespace, root.name)
    except InvalidMessage:
        return None
    if DOCUMENTS.get(root.namespace) != root.name:
        plain = is_one_plain_document(piece, root.own)
        return Unwrapped(envelope=envelope, document=piece, summary=None) if plain else None
    summary = _usual_summary(piece, root.own, first)
    return None if summary is None else Unwrapped(envelope=envelope, document=piece, summary=summary)


# --- the envelope's head: all of it but its own id and time is alike in all that goes the same way --------------------

_LONGEST: Final = 8192
"""Octets of a head, or of a tag, that are remembered."""
_INSTANCE: Final = b"InstanceIdentifier>"
_CREATED: Final = b"CreationDateAndTime>"
_END: Final = b"StandardBusinessDocumentHeader>"
_SOME_ID: Final = "id"
_SOME_TIME: Final = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class _Head:
    """A head without its own id and time."""

    envelope: Envelope
    end: bytes
    """The tag that ends the envelope."""
    lent: tuple[bytes, ...]
    """Prefixes that its root declares."""


def _open_head(octets: bytes) -> tuple[Envelope, _Head, int] | None:
    """The head, and the offset of its end. Values end at the next tag, and only values stand between the pieces."""
    at = octets.find(_INSTANCE, 0, _LONGEST) + len(_INSTANCE)
    stop = octets.find(b"<", at)
    at_2 = octets.find(_CREATED, stop, _LONGEST) + len(_CREATED)
    stop_2 = octets.find(b"<", at_2)
    end = octets.find(_END, stop_2, _LONGEST) + len(_END)
    if not len(_INSTANCE) < at < stop < at_2 < stop_2 < end:
        return None
    head = _read_head(octets[:at], octets[stop:at_2], octets[stop_2:end])
    said = octets[at:stop], octets[at_2:stop_2]
    if head is None or b"&" in (both := b"".join(said)) or _NO_TEXT in both or both.translate(None, _PRINTABLE):
        return None
    instance, created = (value.decode("ascii").strip(SPACE) for value in said)
    if not is_instance(instance) or not is_created(created):
        return None
    of = head.envelope
    envelope = Envelope(
        sender=of.sender,
        receiver=of.receiver,
        document_type=of.document_type,
        process=of.process,
        country_c1=of.country_c1,
        instance_id=InstanceId(instance),
        created=created,
        standard=of.standard,
        type_version=of.type_version,
        type=of.type,
        mls_to=of.mls_to,
        mls_type=of.mls_type,
    )
    return envelope, head, end


@lru_cache(maxsize=1024)
def _read_head(before: bytes, between: bytes, after: bytes) -> _Head | None:
    """Read a head from what stands around its id and its time."""
    octets = b"".join((before, _SOME_ID.encode(), between, _SOME_TIME.encode(), after))
    root = _ROOT.match(octets)
    if root is None or _NO_TEXT in octets or octets.translate(None, _PRINTABLE):
        return None
    prefix, lent = root[1], dict(_DECLARED.findall(root[2]))
    if lent.get(prefix[:-1]) != SBDH.encode():
        return None
    if not octets.startswith(b"<%bStandardBusinessDocumentHeader>" % prefix, root.end()):
        return None
    header = usual_header(octets)
    if header is None:
        return None
    envelope, end = header
    if end != len(octets) or (envelope.instance_id, envelope.created) != (_SOME_ID, _SOME_TIME):
        return None
    return _Head(envelope, b"</%bStandardBusinessDocument>" % prefix, tuple(lent))


@dataclass(frozen=True, slots=True)
class _Root:
    """The tag with which a document begins."""

    namespace: str
    name: str
    own: dict[bytes, bytes]
    """Namespace by prefix, as it declares them."""
    foreign: tuple[bytes, ...]
    """What must not be in it, or it would owe something to the envelope's declarations."""


@lru_cache(maxsize=256)
def _read_root(text: bytes, lent: tuple[bytes, ...]) -> _Root | None:
    """Read the tag of a document's root; None where it declares not all that the envelope lends it."""
    tag = _DOCUMENT.fullmatch(text)
    if tag is None:
        return None
    own = dict(_DECLARED.findall(tag[3]))
    namespace, name = own.get(tag[1] or b"", b"").decode("ascii", "replace"), tag[2].decode("ascii", "replace")
    foreign = [prefix for prefix in lent if prefix not in own]
    if not namespace or namespace == SBDH or b"" in foreign:
        return None
    return _Root(namespace, name, own, tuple(prefix + b":" for prefix in foreign))


# --- what lists show of an invoice -----------------------------------------------------------------------------------

_VALUE: Final = re.compile(rb'<cbc:(\w+)(?:\s+[\w.:-]+="[^"<]*")*\s*>([^<]*)</cbc:\1\s*>')
_Span = tuple[int, int]
"""Where a piece begins and ends."""
_OF_ROOT: Final = (
    *(b"CustomizationID", b"ProfileID", b"UBLVersionID"),
    *(b"ID", b"IssueDate", b"DueDate", b"DocumentCurrencyCode"),
)
_FORMS: Final = Forms()


def _usual_summary(piece: bytes, own: dict[bytes, bytes], start: int) -> Summary | None:
    """The summary of an invoice whose root tag ends at ``start``; None where the tree has to be read."""
    said = _FORMS.read(piece, lambda octets: _said(octets, own, start), lambda: is_one_plain_document(piece, own))
    return None if said is None else _summary(said)


def _said(piece: bytes, own: dict[bytes, bytes], start: int) -> Sequence[bytes] | None:
    """The values that a summary is made of: the root's, amount, seller, buyer. None where they are in no usual place.

    UBL has the values of the root before its aggregates, and the first aggregate ends what is looked at for them.
    Where a value is found depends on no value; so a second place of the due date, taken if the first is empty, is not
    usual.
    """
    if own.get(b"cbc") != _CBC or own.get(b"cac") != _CAC or b"<cbc:PaymentDueDate" in piece:
        return None
    bound = tuple(own.values())
    if bound.count(_CBC) != 1 or bound.count(_CAC) != 1:
        return None  # the same names may be written with another prefix
    first = max(start, piece.find(b"<cac:", start))
    values = _VALUE.findall(piece, start, first)
    if piece.count(b"<", start, first) != 2 * len(values):
        return None
    root, below = dict(reversed(values)), (first, len(piece))
    total = _value(piece, _child(piece, below, b"LegalMonetaryTotal"), b"PayableAmount")
    seller = _name(piece, _child(piece, below, b"AccountingSupplierParty"))
    buyer = _name(piece, _child(piece, below, b"AccountingCustomerParty"))
    if total is None or seller is None or buyer is None:
        return None
    return *(root.get(name, b"") for name in _OF_ROOT), total, seller, buyer


def _summary(said: Sequence[bytes]) -> Summary | None:
    """The same values as a summary; None where one that has to be there is empty, or any is not plain text."""
    octets = b"".join(said)
    if b"&" in octets or b"\r" in octets:
        return None
    customization, profile, version, number, issued, due, currency, amount, seller, buyer = map(_text, said)
    if not (number and seller and buyer and _are_identifiers(customization, profile, version)):
        return None
    return Summary(
        number=number,
        issue_date=read_date(issued),
        due_date=read_date(due),
        currency=currency,
        amount=decimal(amount),
        seller_name=seller,
        buyer_name=buyer,
    )


_CBC: Final = CBC.encode()
_CAC: Final = CAC.encode()


def _text(value: bytes) -> str:
    return value.decode().strip()


@lru_cache(maxsize=256)
def _are_identifiers(customization: str, profile: str, version: str) -> bool:
    """Whether CustomizationID, ProfileID and UBLVersionID can be identifiers of a document type and a process."""
    try:
        DocumentTypeId.of(INVOICE_NS, DOCUMENTS[INVOICE_NS], customization, version or "2.1")
        ProcessId.parse(profile)
    except InvalidAddress:
        return False
    return bool(customization and profile)


def _child(piece: bytes, span: _Span | None, name: bytes) -> _Span | None:
    """What the first aggregate of that name holds, where it is a child of what the span holds; None where it is not."""
    at = -1 if span is None else piece.find(b"<cac:%b>" % name, *span)
    if span is None or at < 0 or not _is_level(piece, span[0], at):
        return None
    inner = at + len(b"<cac:>") + len(name)
    end = piece.find(b"</cac:%b>" % name, inner, span[1])
    return (inner, end) if end >= 0 and _is_level(piece, inner, end) else None


def _value(piece: bytes, span: _Span | None, name: bytes) -> bytes | None:
    """The value of the first element of that name, where it is a child of what the span holds; None where not."""
    at = -1 if span is None else piece.find(b"<cbc:%b" % name, *span)
    if span is None or at < 0 or not _is_level(piece, span[0], at):
        return None
    found = _VALUE.match(piece, at, span[1])
    return found[2] if found is not None and found[1] == name else None


def _is_level(piece: bytes, begin: int, end: int) -> bool:
    """Whether as many tags end there as begin; an empty element's tag, which does both, is not usual."""
    return piece.count(b"<", begin, end) == 2 * piece.count(b"</", begin, end)


def _name(piece: bytes, role: _Span | None) -> bytes | None:
    """The trading name, else the registered name; None where it is in no usual place."""
    party = _child(piece, role, b"Party")
    if party is None:
        return None
    if piece.find(b"<cac:PartyName", *party) < 0:
        return _value(piece, _child(piece, party, b"PartyLegalEntity"), b"RegistrationName")
    return _value(piece, _child(piece, party, b"PartyName"), b"Name")
