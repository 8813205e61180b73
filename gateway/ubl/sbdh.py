"""The Peppol business envelope: wrap a document in a Standard Business Document, and open one.

Source: Peppol Business Message Envelope 2.0, sections 2 to 4. That the envelope agrees with the AS4 header is
checked in ``gateway/as4``; that it agrees with an invoice handed in, in ``submission.py``.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from lxml import etree

from gateway.errors import InvalidAddress, InvalidDocument, InvalidMessage
from gateway.model.document import Envelope, Finding
from gateway.model.identifiers import (
    DOCUMENT_SCHEME,
    PARTICIPANT_SCHEME,
    PROCESS_SCHEME,
    WILDCARD_SCHEME,
    DocumentTypeId,
    InstanceId,
    ParticipantId,
    ProcessId,
)
from gateway.model.signals import EbmsCode
from gateway.security import safexml
from gateway.ubl.names import MAX_DOCUMENT, SBDH, WRAPPED

MAX_HEADER: Final = 64_000
"""Octets before the document; other gateways look for the header in the first 64 KiB only."""
MAX_SCOPES: Final = 100
MAX_NAMESPACES: Final = 64
"""Declarations at the envelope's root; honest ones have up to ten. Each is looked for in the whole document."""
_RESERVED: Final = ("DOCUMENTID", "PROCESSID", "COUNTRY_C1")

_DECLARATION: Final = re.compile(rb"<\?xml\s[^>]*\?>")
_DECLARED: Final = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_HEADER_END: Final = re.compile(rb"</(?:[^<>/\s:]+:)?StandardBusinessDocumentHeader\s*>")
_ROOT_END: Final = re.compile(rb"</(?:[^<>/\s:]+:)?StandardBusinessDocument\s*>")
_COUNTRY: Final = re.compile(r"[A-Z0-9]{2}", re.ASCII)
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-](0\d|1[0-4]):[0-5]\d)", re.ASCII)
_SPACE: Final = " \t\r\n"


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


def unwrap(octets: bytes, *, limit: int = MAX_DOCUMENT) -> tuple[Envelope, bytes]:
    """Open an envelope: its header and the octets of the one document in it.

    The document is cut out octet for octet where it stands alone, else written anew so that it does. Raises
    :class:`InvalidMessage` with EBMS:0004 and a text for the peer's operator at the first check that fails.
    """
    if len(octets) > limit:
        raise _refuse(f"the business envelope has {len(octets)} octets, at most {limit} are taken here")
    # (1) Well-formed, a StandardBusinessDocument, its header first, and exactly one document after it.
    try:
        root = safexml.parse(octets, huge=True)
    except safexml.UnsafeXml as error:
        raise _refuse(f"the business envelope cannot be read: {error}") from None
    if root.tag != _tag("StandardBusinessDocument"):
        raise _refuse(f"the root element is {_shown(root)}, not a StandardBusinessDocument")
    children = [child for child in root if isinstance(child.tag, str)]
    if not children or children[0].tag != _tag("StandardBusinessDocumentHeader"):
        raise _refuse("StandardBusinessDocumentHeader must be the first element, and it is not there")
    if len(children) != 2:
        raise _refuse(f"the envelope holds {len(children) - 1} documents, exactly one is allowed")
    if any((text or "").strip(_SPACE) for text in (root.text, *(child.tail for child in root))):
        raise _refuse("there is text beside the document")
    if len(root.nsmap) > MAX_NAMESPACES:
        raise _refuse(f"the root element declares more than {MAX_NAMESPACES} namespaces")
    header, payload = children
    if etree.QName(payload).namespace == SBDH:
        raise _refuse("the document inside the envelope is an envelope itself")
    # (2) The header's values.
    envelope = _envelope(_Section(header))
    # (3) The header describes the document; a wrapper of something that is not XML describes itself.
    if etree.QName(payload).namespace != WRAPPED:
        _fits(envelope, payload)
    return envelope, _cut(octets, header, payload)


def _header(envelope: Envelope) -> str:
    scopes = [
        ("DOCUMENTID", envelope.document_type.value, envelope.document_type.scheme),
        ("PROCESSID", envelope.process.value, envelope.process.scheme),
        ("COUNTRY_C1", envelope.country_c1, ""),
    ]
    if envelope.mls_to:
        scopes.append(("MLS_TO", envelope.mls_to, PARTICIPANT_SCHEME))
    if envelope.mls_type:
        scopes.append(("MLS_TYPE", envelope.mls_type, ""))
    partners = "".join(
        f'<{name}><Identifier Authority="{_quoted(party.scheme)}">{_escaped(party.value)}</Identifier></{name}>'
        for name, party in (("Sender", envelope.sender), ("Receiver", envelope.receiver))
    )
    identification = "".join(
        f"<{name}>{_escaped(value)}</{name}>"
        for name, value in (
            ("Standard", envelope.standard or envelope.document_type.namespace),
            ("TypeVersion", envelope.type_version or envelope.document_type.version),
            ("InstanceIdentifier", envelope.instance_id),
            ("Type", envelope.type or envelope.document_type.name),
            ("CreationDateAndTime", envelope.created),
        )
    )
    return (
        f'<StandardBusinessDocument xmlns="{SBDH}"><StandardBusinessDocumentHeader>'
        f"<HeaderVersion>1.0</HeaderVersion>{partners}"
        f"<DocumentIdentification>{identification}</DocumentIdentification>"
        f"<BusinessScope>{''.join(_scope(*scope) for scope in scopes)}</BusinessScope>"
        "</StandardBusinessDocumentHeader>"
    )


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


class _Section:
    """The children of one header element by name, found in one pass."""

    __slots__ = ("_found", "_place")

    def __init__(self, node: etree._Element) -> None:
        self._place = node.tag
        self._found: dict[str, list[etree._Element]] = {}
        for child in node:
            self._found.setdefault(child.tag, []).append(child)

    def all(self, name: str) -> list[etree._Element]:
        return self._found.get(_tag(name), [])

    def one(self, name: str) -> etree._Element:
        found = self.all(name)
        if len(found) != 1:
            place = etree.QName(self._place).localname
            raise _refuse(f"{place} holds {len(found)} elements {name}, exactly one is needed")
        return found[0]

    def value(self, name: str) -> str:
        """The trimmed text of the one child of that name."""
        return _text(self.one(name))

    def maybe(self, name: str) -> str:
        """The same, or empty text where there is no such child."""
        return self.value(name) if self.all(name) else ""


def _envelope(header: _Section) -> Envelope:
    """Read and check every value of the header."""
    version = header.value("HeaderVersion")
    if version != "1.0":
        raise _refuse(f"HeaderVersion is “{version[:60]}”, only 1.0 is known")
    identification = _Section(header.one("DocumentIdentification"))
    created = identification.value("CreationDateAndTime")
    if not _is_date_time(created):
        raise _refuse(f"CreationDateAndTime “{created[:60]}” is not a date and time with a time zone")
    instance = identification.value("InstanceIdentifier")
    if not instance or len(instance) > 500:
        raise _refuse("InstanceIdentifier must have 1 to 500 characters")
    scopes = _scopes(header)
    country = scopes["COUNTRY_C1"][0]
    if not _COUNTRY.fullmatch(country):
        raise _refuse(f"COUNTRY_C1 “{country[:60]}” is not a country code of two letters")
    mls_type = scopes.get("MLS_TYPE", ("", ""))[0]
    return Envelope(
        sender=_partner(header, "Sender"),
        receiver=_partner(header, "Receiver"),
        document_type=_document_type(*scopes["DOCUMENTID"]),
        process=_process(*scopes["PROCESSID"]),
        country_c1=country,
        instance_id=InstanceId(instance),
        created=created,
        standard=identification.value("Standard"),
        type_version=identification.value("TypeVersion"),
        type=identification.value("Type"),
        mls_to=_mls_to(scopes.get("MLS_TO", ("", ""))[0]),
        mls_type=mls_type if mls_type in ("FAILURE_ONLY", "ALWAYS_SEND") else "",
    )


def _partner(header: _Section, name: str) -> ParticipantId:
    identifier = _Section(header.one(name)).one("Identifier")
    authority = identifier.get("Authority", "").strip(_SPACE)
    if authority != PARTICIPANT_SCHEME:
        raise _refuse(f"{name}: Authority is “{authority[:60]}”, not {PARTICIPANT_SCHEME}")
    value = _text(identifier)
    try:
        if "::" in value:
            raise InvalidAddress(f"“{value[:80]}” repeats the scheme, which stands in Authority alone")
        return ParticipantId.parse(value)
    except InvalidAddress as error:
        raise _refuse(f"{name}: {error}") from None


def _scopes(header: _Section) -> dict[str, tuple[str, str]]:
    """Every scope as type to (instance identifier, identifier); the three mandatory ones are there."""
    found: dict[str, tuple[str, str]] = {}
    scopes = _Section(header.one("BusinessScope")).all("Scope")
    if len(scopes) > MAX_SCOPES:
        raise _refuse(f"BusinessScope has {len(scopes)} scopes, at most {MAX_SCOPES} are taken here")
    for node in scopes:
        scope = _Section(node)
        kind = scope.value("Type")
        if kind in found:
            raise _refuse(f"the scope {kind[:60]} stands there twice")
        found[kind] = (scope.maybe("InstanceIdentifier"), scope.maybe("Identifier"))
    for kind in _RESERVED:
        if not found.get(kind, ("",))[0]:
            raise _refuse(f"the scope {kind} is missing or empty in BusinessScope")
    return found


def _document_type(value: str, scheme: str) -> DocumentTypeId:
    scheme = scheme or DOCUMENT_SCHEME
    if scheme not in (DOCUMENT_SCHEME, WILDCARD_SCHEME):
        raise _refuse(f"DOCUMENTID: the scheme “{scheme[:60]}” is not known")
    try:
        parsed = DocumentTypeId.parse(value)
    except InvalidAddress as error:
        raise _refuse(f"DOCUMENTID: {error}") from None
    if parsed.value != value:
        raise _refuse("DOCUMENTID: the value repeats the scheme, which stands in Identifier alone")
    return DocumentTypeId(value, scheme)


def _process(value: str, scheme: str) -> ProcessId:
    scheme = scheme or PROCESS_SCHEME
    if scheme != PROCESS_SCHEME:
        raise _refuse(f"PROCESSID: the scheme “{scheme[:60]}” is not known")
    try:
        parsed = ProcessId.parse(value)
    except InvalidAddress as error:
        raise _refuse(f"PROCESSID: {error}") from None
    if parsed.value != value:
        raise _refuse("PROCESSID: the value repeats the scheme, which stands in Identifier alone")
    return parsed


def _mls_to(value: str) -> str:
    """Where status messages shall go; what cannot be used is left out, for the specification has a default."""
    try:
        return ParticipantId.parse(value).value if value.startswith("0242:") else ""
    except InvalidAddress:
        return ""


def _is_date_time(value: str) -> bool:
    if not _DATE_TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value[:19])
    except ValueError:
        return False
    return True


def _fits(envelope: Envelope, payload: etree._Element) -> None:
    name = etree.QName(payload)
    for what, said, found in (
        ("Standard", envelope.standard, name.namespace or ""),
        ("Type", envelope.type, name.localname),
        ("TypeVersion", envelope.type_version, envelope.document_type.version),
        ("DOCUMENTID", envelope.document_type.syntax, f"{name.namespace}::{name.localname}"),
    ):
        if said != found:
            raise _refuse(f"{what} says “{said[:200]}”, but the document is “{found[:200]}”")


def _cut(octets: bytes, header: etree._Element, payload: etree._Element) -> bytes:
    """The document's own octets, or the document written anew where they would not stand alone."""
    if (header.getroottree().docinfo.encoding or "UTF-8").upper() in ("UTF-8", "US-ASCII"):
        piece = _slice(octets, header)
        if piece and _stands_alone(piece, payload):
            return piece
    return etree.tostring(payload, encoding="UTF-8", xml_declaration=False, with_tail=False)


def _slice(octets: bytes, header: etree._Element) -> bytes:
    """What stands between header and end of the envelope, or nothing where that cannot be told from the text.

    The whole is well-formed already. Without comments, CDATA and the like before it, and where nothing inside the
    header bears the header's name, the first end tag of the header is the header's; the last end tag of all is the
    root's.
    """
    first = _HEADER_END.search(octets)
    end = octets.rfind(b"</")
    if first is None or not _ROOT_END.fullmatch(octets[end:].rstrip()):
        return b""
    if b"<!" in octets[: first.start()] or octets.count(b"<?", 0, first.start()) > octets.startswith(
        (b"<?xml", b"\xef\xbb\xbf<?xml")
    ):
        return b""
    if sum(1 for _ in header.iter("{*}StandardBusinessDocumentHeader")) != 1:
        return b""
    piece = octets[first.end() : end].strip()
    if piece.startswith((b"<!", b"<?")) or piece.endswith((b"-->", b"?>")):
        return b""
    return piece


def _stands_alone(piece: bytes, payload: etree._Element) -> bool:
    """Tell whether the document means the same without the namespaces that the envelope declares."""
    root, in_scope = payload.getparent(), payload.nsmap
    lent = {prefix: uri for prefix, uri in (root.nsmap if root is not None else {}).items() if in_scope[prefix] == uri}
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


def _text(node: etree._Element) -> str:
    if len(node):
        raise _refuse(f"{etree.QName(node).localname} must hold text alone")
    return (node.text or "").strip(_SPACE)


def _tag(name: str) -> str:
    return f"{{{SBDH}}}{name}"


def _shown(node: etree._Element) -> str:
    name = etree.QName(node)
    return f"{name.localname[:80]} (namespace {(name.namespace or 'none')[:120]})"


def _refuse(detail: str) -> InvalidMessage:
    return InvalidMessage(EbmsCode.OTHER, f"Business envelope (SBDH): {detail}.")
