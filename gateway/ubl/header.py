"""Reading the header of a business envelope: every value checked, from the text as a rule, else from the tree.

Source: Peppol Business Message Envelope 2.0, section 3. A text for the peer's operator comes from the tree alone.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Final

from lxml import etree

from gateway.errors import InvalidAddress, InvalidMessage
from gateway.model.document import Envelope
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
from gateway.security.safexml import nodes_of
from gateway.ubl.names import SBDH

MAX_SCOPES: Final = 100
SPACE: Final = " \t\r\n"
_RESERVED: Final = ("DOCUMENTID", "PROCESSID", "COUNTRY_C1")
_COUNTRY: Final = re.compile(r"[A-Z0-9]{2}", re.ASCII)
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-](0\d|1[0-4]):[0-5]\d)", re.ASCII)

Scopes = dict[str, tuple[str, str]]
"""Scope type to (instance identifier, identifier)."""


def refuse(detail: str) -> InvalidMessage:
    """The error for an envelope that cannot be taken (EBMS:0004)."""
    return InvalidMessage(EbmsCode.OTHER, f"Business envelope (SBDH): {detail}.")


def tag(name: str) -> str:
    """An element of the header as lxml names it."""
    return f"{{{SBDH}}}{name}"


# --- from the text ---------------------------------------------------------------------------------------------------


def _usual() -> re.Pattern[bytes]:
    """Elements in the order of the schema, with blanks between them and without attributes that are not needed.

    Only plain values: no reference, no carriage return (a parser changes it), and so no CDATA, comment or declaration.
    """

    def element(name: str, content: str) -> str:
        return rf"<(?P=p){name}>{content}</(?P=p){name}>\s*+"

    value = r"([^<&\r]*+)"
    partner = rf'\s*+<(?P=p)Identifier Authority="([^"<&\t\r\n]*+)">{value}</(?P=p)Identifier>\s*+'
    names = ("Standard", "TypeVersion", "InstanceIdentifier", "Type", "CreationDateAndTime")
    identification = r"\s*+" + "".join(element(name, value) for name in names)
    plain = r"[^<&\r]*+"
    scope = (
        r"\s*+" + element("Type", plain) + element("InstanceIdentifier", plain) + f"(?:{element('Identifier', plain)})?"
    )
    text = (
        r"<(?P<p>(?:[A-Za-z_][\w.-]*:)?)StandardBusinessDocumentHeader>\s*+"
        + element("HeaderVersion", value)
        + element("Sender", partner)
        + element("Receiver", partner)
        + element("DocumentIdentification", identification)
        + element("BusinessScope", rf"\s*+((?:{element('Scope', scope)})+)")
        + "</(?P=p)StandardBusinessDocumentHeader>"
    )
    return re.compile(text.encode())


_USUAL: Final = _usual()
_SCOPE: Final = re.compile(rb"Type>([^<]*+)</[^>]*+>\s*+<[^>]*+>([^<]*+)</[^>]*+>\s*+(?:<[^/>]*+>([^<]*+)<)?")


def usual_header(octets: bytes) -> tuple[Envelope, int] | None:
    """Read a header that is written as nearly everybody writes it; gives it and the offset of its end.

    None says nothing of the header but that it has to be read from the tree. For well-formed XML in UTF-8 whose root
    and first child are known to be an envelope's. The pattern admits elements, blanks and plain text alone, so that
    what it finds is what a parser finds; no namespace is declared inside, so every name is in the envelope's.
    """
    root = octets.find(b"<", 1) if octets.startswith((b"<?xml", b"\xef\xbb\xbf")) else 0
    if octets.startswith(b"\xef\xbb\xbf<?xml"):
        root = octets.find(b"<", root + 1)
    if octets[root : root + 1] != b"<" or octets[root + 1 : root + 2] in (b"!", b"?"):
        return None
    # No attribute can hold the sign <: the next one begins the first child.
    match = _USUAL.match(octets, octets.find(b"<", root + 1))
    if match is None:
        return None
    try:
        _, *values, listed = match.groups()
        version, authority_2, sender, authority_3, receiver, standard, type_version, instance, kind, created = map(
            _plain, values
        )
        found = _SCOPE.findall(listed)
        scopes = {_plain(name): (_plain(value), _plain(identifier)) for name, value, identifier in found}
        if version != "1.0" or len(scopes) != len(found) or len(found) > MAX_SCOPES:
            return None
        envelope = Envelope(
            sender=_participant("Sender", authority_2, sender),
            receiver=_participant("Receiver", authority_3, receiver),
            document_type=_document_type(*_mandatory(scopes)["DOCUMENTID"]),
            process=_process(*scopes["PROCESSID"]),
            country_c1=_country(scopes),
            instance_id=_instance(instance),
            created=_created(created),
            standard=standard,
            type_version=type_version,
            type=kind,
            mls_to=_mls_to(scopes),
            mls_type=_mls_type(scopes),
        )
    except (InvalidMessage, UnicodeDecodeError):
        return None
    return envelope, match.end()


def _plain(value: bytes) -> str:
    return value.decode().strip(SPACE)


# --- from the tree ---------------------------------------------------------------------------------------------------


def read_header(node: etree._Element) -> Envelope:
    """Read and check every value; raises ``InvalidMessage`` at the first that cannot be taken."""
    header = _Section(node)
    version = header.value("HeaderVersion")
    if version != "1.0":
        raise refuse(f"HeaderVersion is “{version[:60]}”, only 1.0 is known")
    identification = _Section(header.one("DocumentIdentification"))
    created = _created(identification.value("CreationDateAndTime"))
    instance = _instance(identification.value("InstanceIdentifier"))
    scopes = _scopes(header)
    country = _country(scopes)
    return Envelope(
        sender=_partner(header, "Sender"),
        receiver=_partner(header, "Receiver"),
        document_type=_document_type(*scopes["DOCUMENTID"]),
        process=_process(*scopes["PROCESSID"]),
        country_c1=country,
        instance_id=instance,
        created=created,
        standard=identification.value("Standard"),
        type_version=identification.value("TypeVersion"),
        type=identification.value("Type"),
        mls_to=_mls_to(scopes),
        mls_type=_mls_type(scopes),
    )


class _Section:
    """The children of one header element by name, found in one pass."""

    __slots__ = ("_found", "_place")

    def __init__(self, node: etree._Element) -> None:
        self._place = node.tag
        self._found: dict[str, list[etree._Element]] = {}
        for child in nodes_of(node):
            self._found.setdefault(child.tag, []).append(child)

    def all(self, name: str) -> list[etree._Element]:
        return self._found.get(tag(name), [])

    def one(self, name: str) -> etree._Element:
        found = self.all(name)
        if len(found) != 1:
            place = etree.QName(self._place).localname
            raise refuse(f"{place} holds {len(found)} elements {name}, exactly one is needed")
        return found[0]

    def value(self, name: str) -> str:
        """The trimmed text of the one child of that name."""
        return _text(self.one(name))

    def maybe(self, name: str) -> str:
        """The same, or empty text where there is no such child."""
        return self.value(name) if self.all(name) else ""


def _text(node: etree._Element) -> str:
    if len(node):
        raise refuse(f"{etree.QName(node).localname} must hold text alone")
    return (node.text or "").strip(SPACE)


def _partner(header: _Section, name: str) -> ParticipantId:
    identifier = _Section(header.one(name)).one("Identifier")
    return _participant(name, identifier.get("Authority", "").strip(SPACE), _text(identifier))


def _scopes(header: _Section) -> Scopes:
    """Every scope; the three mandatory ones are there."""
    found: Scopes = {}
    scopes = _Section(header.one("BusinessScope")).all("Scope")
    if len(scopes) > MAX_SCOPES:
        raise refuse(f"BusinessScope has {len(scopes)} scopes, at most {MAX_SCOPES} are taken here")
    for node in scopes:
        scope = _Section(node)
        kind = scope.value("Type")
        if kind in found:
            raise refuse(f"the scope {kind[:60]} stands there twice")
        found[kind] = (scope.maybe("InstanceIdentifier"), scope.maybe("Identifier"))
    return _mandatory(found)


def fits(envelope: Envelope, namespace: str, name: str) -> None:
    """The header describes the document with that root; raises ``InvalidMessage``."""
    for what, said, found in (
        ("Standard", envelope.standard, namespace),
        ("Type", envelope.type, name),
        ("TypeVersion", envelope.type_version, envelope.document_type.version),
        ("DOCUMENTID", envelope.document_type.syntax, f"{namespace}::{name}"),
    ):
        if said != found:
            raise refuse(f"{what} says “{said[:200]}”, but the document is “{found[:200]}”")


# --- the values ------------------------------------------------------------------------------------------------------


def _mandatory(scopes: Scopes) -> Scopes:
    for kind in _RESERVED:
        if not scopes.get(kind, ("",))[0]:
            raise refuse(f"the scope {kind} is missing or empty in BusinessScope")
    return scopes


def _participant(name: str, authority: str, value: str) -> ParticipantId:
    if authority != PARTICIPANT_SCHEME:
        raise refuse(f"{name}: Authority is “{authority[:60]}”, not {PARTICIPANT_SCHEME}")
    try:
        if "::" in value:
            raise InvalidAddress(f"“{value[:80]}” repeats the scheme, which stands in Authority alone")
        return ParticipantId.parse(value)
    except InvalidAddress as error:
        raise refuse(f"{name}: {error}") from None


@lru_cache(maxsize=256)
def _document_type(value: str, scheme: str) -> DocumentTypeId:
    scheme = scheme or DOCUMENT_SCHEME
    if scheme not in (DOCUMENT_SCHEME, WILDCARD_SCHEME):
        raise refuse(f"DOCUMENTID: the scheme “{scheme[:60]}” is not known")
    try:
        parsed = DocumentTypeId.parse(value)
    except InvalidAddress as error:
        raise refuse(f"DOCUMENTID: {error}") from None
    if parsed.value != value:
        raise refuse("DOCUMENTID: the value repeats the scheme, which stands in Identifier alone")
    return DocumentTypeId(value, scheme)


@lru_cache(maxsize=256)
def _process(value: str, scheme: str) -> ProcessId:
    scheme = scheme or PROCESS_SCHEME
    if scheme != PROCESS_SCHEME:
        raise refuse(f"PROCESSID: the scheme “{scheme[:60]}” is not known")
    try:
        parsed = ProcessId.parse(value)
    except InvalidAddress as error:
        raise refuse(f"PROCESSID: {error}") from None
    if parsed.value != value:
        raise refuse("PROCESSID: the value repeats the scheme, which stands in Identifier alone")
    return parsed


def _country(scopes: Scopes) -> str:
    country = scopes["COUNTRY_C1"][0]
    if not _COUNTRY.fullmatch(country):
        raise refuse(f"COUNTRY_C1 “{country[:60]}” is not a country code of two letters")
    return country


def is_instance(value: str) -> bool:
    """Whether the text can be an envelope's id."""
    return 0 < len(value) <= 500


def _instance(value: str) -> InstanceId:
    if not is_instance(value):
        raise refuse("InstanceIdentifier must have 1 to 500 characters")
    return InstanceId(value)


def _created(value: str) -> str:
    if not is_created(value):
        raise refuse(f"CreationDateAndTime “{value[:60]}” is not a date and time with a time zone")
    return value


def is_created(value: str) -> bool:
    """Whether the text is an xs:dateTime with its zone, in a calendar and clock that exist."""
    if not _DATE_TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value[:19])
    except ValueError:
        return False
    return True


def _mls_to(scopes: Scopes) -> str:
    """Where status messages shall go; what cannot be used is left out, for the specification has a default."""
    value = scopes.get("MLS_TO", ("", ""))[0]
    try:
        return ParticipantId.parse(value).value if value.startswith("0242:") else ""
    except InvalidAddress:
        return ""


def _mls_type(scopes: Scopes) -> str:
    value = scopes.get("MLS_TYPE", ("", ""))[0]
    return value if value in ("FAILURE_ONLY", "ALWAYS_SEND") else ""
