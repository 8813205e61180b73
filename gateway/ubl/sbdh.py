"""The Peppol business envelope: wrap a document in a Standard Business Document, and open one.

Source: Peppol Business Message Envelope 2.0, sections 2 to 4. That the envelope agrees with the AS4 header is
checked in ``gateway/as4``; that it agrees with an invoice handed in, in ``submission.py``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from lxml import etree

from gateway.errors import InvalidDocument
from gateway.model.document import Envelope, Finding, Summary, Unwrapped
from gateway.model.identifiers import PARTICIPANT_SCHEME, DocumentTypeId, ParticipantId, ProcessId
from gateway.security import safexml
from gateway.ubl.header import SPACE, fits, read_header, refuse, tag, usual_header
from gateway.ubl.invoice import facts_of
from gateway.ubl.names import MAX_DOCUMENT, SBDH, WRAPPED, is_invoice
from gateway.ubl.plain import usual_envelope

MAX_HEADER: Final = 64_000
"""Octets before the document; other gateways look for the header in the first 64 KiB only."""
MAX_NAMESPACES: Final = 64
"""Declarations at the envelope's root; honest ones have up to ten. Each is looked for in the whole document."""
_ROOT: Final = tag("StandardBusinessDocument")
_HEADER: Final = tag("StandardBusinessDocumentHeader")

_DECLARATION: Final = re.compile(rb"<\?xml\s[^>]*\?>")
_DECLARED: Final = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_HEADER_END: Final = re.compile(rb"</(?:[^<>/\s:]+:)?StandardBusinessDocumentHeader\s*>")
_ROOT_END: Final = re.compile(rb"</(?:[^<>/\s:]+:)?StandardBusinessDocument\s*>")


def wrap(document: bytes, envelope: Envelope) -> bytes:
    """Put a document into its envelope.

    A UTF-8 document goes in octet for octet, without its byte order mark and XML declaration; any other is
    transcoded. Raises :class:`InvalidDocument` when it is not well-formed or the header would be over 64 kB.
    """
    return b"".join((write_head(envelope), _payload_octets(document), b"</StandardBusinessDocument>"))


def write_head(envelope: Envelope) -> bytes:
    """What stands before the document. Raises :class:`InvalidDocument` when it would be over 64 kB."""
    head = _header(envelope).encode()
    if len(head) > MAX_HEADER:
        message = f"The business envelope's header would have {len(head)} octets; at most {MAX_HEADER} are allowed."
        raise InvalidDocument(message, findings=[Finding(rule="SBDH", message=message)])
    return head


def unwrap(octets: bytes, *, limit: int = MAX_DOCUMENT) -> Unwrapped:
    """Open an envelope: its header, the octets of the one document in it, and the document's facts.

    The document is cut out octet for octet where it stands alone, else written anew so that it does. Raises
    :class:`InvalidMessage` with EBMS:0004 and a text for the peer's operator at the first check that fails.
    """
    if len(octets) > limit:
        raise refuse(f"the business envelope has {len(octets)} octets, at most {limit} are taken here")
    if (plain_one := usual_envelope(octets)) is not None:
        return plain_one
    # (1) Well-formed, a StandardBusinessDocument, its header first, and exactly one document after it.
    try:
        root = safexml.parse(octets, huge=True)
    except safexml.UnsafeXml as error:
        raise refuse(f"the business envelope cannot be read: {error}") from None
    if root.tag != _ROOT:
        raise refuse(f"the root element is {_shown(root)}, not a StandardBusinessDocument")
    nodes = safexml.nodes_of(root)
    children = [child for child in nodes if isinstance(child.tag, str)]
    if not children or children[0].tag != _HEADER:
        raise refuse("StandardBusinessDocumentHeader must be the first element, and it is not there")
    if len(children) != 2:
        raise refuse(f"the envelope holds {len(children) - 1} documents, exactly one is allowed")
    if (root.text or "").strip(SPACE) or any((child.tail or "").strip(SPACE) for child in nodes):
        raise refuse("there is text beside the document")
    declared = root.nsmap
    if len(declared) > MAX_NAMESPACES:
        raise refuse(f"the root element declares more than {MAX_NAMESPACES} namespaces")
    header, payload = children
    namespace, _, name = payload.tag.removeprefix("{").rpartition("}")
    if namespace == SBDH:
        raise refuse("the document inside the envelope is an envelope itself")
    # (2) The header's values, as a rule from its text, which costs a fifth of the way over the tree.
    plain = (root.getroottree().docinfo.encoding or "UTF-8").upper() in ("UTF-8", "US-ASCII")
    found = usual_header(octets) if plain else None
    envelope, end = found or (read_header(header), 0)
    # (3) The header describes the document; a wrapper of something that is not XML describes itself.
    if namespace != WRAPPED:
        fits(envelope, namespace, name)
    # (4) The document by itself.
    piece = _slice(octets, header, end) if plain else b""
    if not piece or not _stands_alone(piece, payload, declared):
        piece = etree.tostring(payload, encoding="UTF-8", xml_declaration=False, with_tail=False)
    return Unwrapped(envelope=envelope, document=piece, summary=_summary(payload))


def _summary(payload: etree._Element) -> Summary | None:
    try:
        return facts_of(payload).summary if is_invoice(payload) else None
    except InvalidDocument:
        return None


def _header(envelope: Envelope) -> str:
    head, middle, tail = _around(
        *(envelope.sender, envelope.receiver, envelope.document_type, envelope.process, envelope.country_c1),
        *(envelope.mls_to, envelope.mls_type, envelope.standard, envelope.type_version, envelope.type),
    )
    return f"{head}{_escaped(envelope.instance_id)}{middle}{_escaped(envelope.created)}{tail}"


@lru_cache(1024)
def _around(
    sender: ParticipantId,
    receiver: ParticipantId,
    document_type: DocumentTypeId,
    process: ProcessId,
    country_c1: str,
    mls_to: str,
    mls_type: str,
    standard: str,
    type_version: str,
    type_name: str,
) -> tuple[str, str, str]:
    """What stands before, between and after the envelope's id and time: the same for all that goes this way."""
    scopes = [
        ("DOCUMENTID", document_type.value, document_type.scheme),
        ("PROCESSID", process.value, process.scheme),
        ("COUNTRY_C1", country_c1, ""),
    ]
    if mls_to:
        scopes.append(("MLS_TO", mls_to, PARTICIPANT_SCHEME))
    if mls_type:
        scopes.append(("MLS_TYPE", mls_type, ""))
    partners = "".join(
        f'<{name}><Identifier Authority="{_quoted(party.scheme)}">{_escaped(party.value)}</Identifier></{name}>'
        for name, party in (("Sender", sender), ("Receiver", receiver))
    )
    head = (
        f'<StandardBusinessDocument xmlns="{SBDH}"><StandardBusinessDocumentHeader>'
        f"<HeaderVersion>1.0</HeaderVersion>{partners}<DocumentIdentification>"
        f"<Standard>{_escaped(standard or document_type.namespace)}</Standard>"
        f"<TypeVersion>{_escaped(type_version or document_type.version)}</TypeVersion><InstanceIdentifier>"
    )
    middle = f"</InstanceIdentifier><Type>{_escaped(type_name or document_type.name)}</Type><CreationDateAndTime>"
    tail = (
        "</CreationDateAndTime></DocumentIdentification>"
        f"<BusinessScope>{''.join(_scope(*scope) for scope in scopes)}</BusinessScope>"
        "</StandardBusinessDocumentHeader>"
    )
    return head, middle, tail


def _scope(kind: str, instance: str, identifier: str) -> str:
    last = f"<Identifier>{_escaped(identifier)}</Identifier>" if identifier else ""
    return f"<Scope><Type>{kind}</Type><InstanceIdentifier>{_escaped(instance)}</InstanceIdentifier>{last}</Scope>"


def _escaped(value: str) -> str:
    """Text as canonical XML writes it (Canonical XML 1.0, 2.3)."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def _quoted(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def _payload_octets(document: bytes) -> bytes:
    """The document in UTF-8 without byte order mark and XML declaration."""
    start = document.removeprefix(b"\xef\xbb\xbf")
    marked = len(start) < len(document)
    declaration = _DECLARATION.match(start)
    encoding = _DECLARED.search(declaration[0]) if declaration else None
    utf8 = not document.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\x00" not in start[:4]
    if utf8 and (marked or encoding is None or encoding[1].lower() in (b"utf-8", b"us-ascii")):
        return (start[declaration.end() :] if declaration else start).strip()
    try:
        return etree.tostring(safexml.parse(document, huge=True), encoding="UTF-8", xml_declaration=False)
    except safexml.UnsafeXml as error:
        finding = Finding(rule="XML", location=f"line {error.line}", message=f"{error}.")
        raise InvalidDocument(finding.message, findings=[finding]) from None


def _slice(octets: bytes, header: etree._Element, header_end: int) -> bytes:
    """What stands between header and end of the envelope, or nothing where that cannot be told from the text.

    The whole is well-formed already, so the last end tag of all is the root's. Where the header's end is not known (0):
    without comments, CDATA and the like before it, and where nothing inside the header bears the header's name, the
    first end tag of the header is the header's.
    """
    end = octets.rfind(b"</")
    if not _ROOT_END.fullmatch(octets[end:].rstrip()):
        return b""
    if not header_end:
        first = _HEADER_END.search(octets)
        if first is None or b"<!" in octets[: first.start()]:
            return b""
        if octets.count(b"<?", 0, first.start()) > octets.startswith((b"<?xml", b"\xef\xbb\xbf<?xml")):
            return b""
        if sum(1 for _ in header.iter("{*}StandardBusinessDocumentHeader")) != 1:
            return b""
        header_end = first.end()
    piece = octets[header_end:end].strip()
    # Beside the document may stand comments, and blanks written as references or CDATA.
    if not piece.startswith(b"<") or piece.startswith((b"<!", b"<?")):
        return b""
    if not piece.endswith(b">") or piece.endswith((b"-->", b"?>", b"]]>")):
        return b""
    return piece


def _stands_alone(piece: bytes, payload: etree._Element, declared: dict[str | None, str]) -> bool:
    """Tell whether the document means the same without the namespaces that the envelope's root declares."""
    in_scope = payload.nsmap
    lent = {prefix: uri for prefix, uri in declared.items() if in_scope[prefix] == uri}
    default = lent.pop(None, None)
    if default is not None and any(node.prefix is None for node in payload.iter(f"{{{default}}}*")):
        return False
    # A prefix may also stand in a value, as in xsi:type="cac:…".
    used = [prefix for prefix in lent if prefix and _uses(piece, prefix.encode())]
    if not used:
        return True
    try:  # the document may declare the same once more
        own = safexml.parse(piece, huge=True).nsmap
    except safexml.UnsafeXml:
        return False
    return all(prefix in own for prefix in used)


def _uses(piece: bytes, prefix: bytes) -> bool:
    # The plain search first: it is ten times faster, and most prefixes are not there at all.
    return prefix + b":" in piece and re.search(rb"(?<![\w.-])" + re.escape(prefix) + rb":", piece) is not None


def _shown(node: etree._Element) -> str:
    name = etree.QName(node)
    return f"{name.localname[:80]} (namespace {(name.namespace or 'none')[:120]})"
