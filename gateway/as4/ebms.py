"""The eb:Messaging header: user messages, receipts and errors, to and from values.

Source: ebMS 3.0 Core section 5 (structure) and 6.7 (errors), AS4 profile 5.1.8 (receipt), Peppol AS4 profile 2.0.3.
What is written is exclusive canonical XML as it stands, so that nothing is canonicalised before it is signed. What the
values must be is left to ``rules.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NoReturn
from urllib.parse import unquote

from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.limits import Limits
from gateway.as4.profiles import Profile
from gateway.as4.soap import escape_attribute, escape_text, leaf_text
from gateway.errors import InvalidMessage
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.message import Outgoing
from gateway.model.often import made_often
from gateway.model.signals import NOT_SERVICED, EbmsCode
from gateway.security.safexml import nodes_of

MESSAGING_ID: Final = "messaging"
_ATOM: Final = r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*"
_MESSAGE_ID: Final = re.compile(f"{_ATOM}@{_ATOM}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)?", re.ASCII)


@made_often
@dataclass(frozen=True, slots=True)
class Typed:
    """A value with its ``type`` attribute, None where there is none."""

    value: str
    type: str | None = None


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class PartInfo:
    """What the header says of one payload part."""

    href: str | None
    properties: dict[str, str]


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage:
    """One user message as its header says it; well-formed, nothing compared yet."""

    message_id: str
    timestamp: str
    ref_to: str | None
    channel: str | None
    from_parties: tuple[Typed, ...]
    from_role: str
    to_parties: tuple[Typed, ...]
    to_role: str
    agreement: Typed | None
    agreement_mode: str | None
    service: Typed
    action: str
    conversation_id: str
    properties: dict[str, Typed]
    parts: tuple[PartInfo, ...]

    @property
    def is_test(self) -> bool:
        """Whether this is the ebMS test service, a ping."""
        return self.service.value == ns.TEST_SERVICE and self.action == ns.TEST_ACTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One eb:Error of a signal."""

    code: str
    severity: str
    detail: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A ds:Reference in a receipt: what it names, with the algorithm and the base64 of its digest, empty if none."""

    uri: str
    algorithm: str
    digest: str


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One signal message: a receipt, or errors. ``receipt`` holds what it acknowledges."""

    message_id: str
    ref_to: str
    errors: tuple[Problem, ...]
    receipt: tuple[Acknowledged, ...] | None


def _tag(local: str) -> str:
    return f"{{{ns.EB}}}{local}"


USER_MESSAGE: Final = _tag("UserMessage")
SIGNAL_MESSAGE: Final = _tag("SignalMessage")
_INFO, _TIME, _ID, _REF_TO = (_tag(n) for n in ("MessageInfo", "Timestamp", "MessageId", "RefToMessageId"))
_PARTIES, _FROM, _TO, _PARTY, _ROLE = (_tag(n) for n in ("PartyInfo", "From", "To", "PartyId", "Role"))
_COLLABORATION, _AGREEMENT, _SERVICE, _ACTION, _CONVERSATION = (
    _tag(n) for n in ("CollaborationInfo", "AgreementRef", "Service", "Action", "ConversationId")
)
_PROPERTIES, _PROPERTY = _tag("MessageProperties"), _tag("Property")
_PAYLOAD, _PART_INFO, _PART_PROPERTIES = _tag("PayloadInfo"), _tag("PartInfo"), _tag("PartProperties")
_SCHEMA, _DESCRIPTION = _tag("Schema"), _tag("Description")
_RECEIPT, _ERROR, _ERROR_DETAIL = _tag("Receipt"), _tag("Error"), _tag("ErrorDetail")
_NRI, _NR_PART = f"{{{ns.EBBP}}}NonRepudiationInformation", f"{{{ns.EBBP}}}MessagePartNRInformation"
_REFERENCE: Final = f"{{{ns.DS}}}Reference"

# --- reading ---------------------------------------------------------------------------------------------------------


def is_message_id(text: str, limits: Limits) -> bool:
    """Whether the text is ``dot-atom@dot-atom`` of bearable length."""
    return len(text) <= limits.message_id and _MESSAGE_ID.fullmatch(text) is not None


def is_timestamp(text: str) -> bool:
    """Whether the text is an xs:dateTime, as far as its form tells."""
    return _TIMESTAMP.fullmatch(text) is not None


def glimpse_message_id(messaging: etree._Element, limits: Limits) -> str:
    """The MessageId of a header that is not verified, fit for an error's RefToMessageId only; empty if unusable."""
    found = next(messaging.iter(_ID), None)
    text = "" if found is None else found.text or ""
    return text if is_message_id(text, limits) else ""


def glimpse_hrefs(messaging: etree._Element) -> set[str]:
    """The cid: references of a header that is not verified, to tell a lost part from a forged one."""
    return {unquote(part.get("href", "").removeprefix("cid:")) for part in messaging.iter(_PART_INFO)}


def read_user_message(messaging: etree._Element, limits: Limits) -> UserMessage:
    """Read the one user message of the header; raises ``InvalidMessage``."""
    units = nodes_of(messaging)
    if len(units) != 1 or units[0].tag != USER_MESSAGE:
        raise InvalidMessage(
            EbmsCode.VALUE_INCONSISTENT, "eb:Messaging must hold exactly one UserMessage and no signal"
        )
    unit = _Row(units[0], limits)
    info = _Row(unit.one(_INFO), limits)
    timestamp, message_id, ref_to = info.text(_TIME), info.text(_ID), info.maybe_text(_REF_TO)
    info.end()
    if not is_timestamp(timestamp):
        _invalid("eb:Timestamp is not a date and time")
    if not is_message_id(message_id, limits):
        _invalid("eb:MessageId is not of the form local@domain")
    parties = _Row(unit.one(_PARTIES), limits)
    from_parties, from_role = _party(parties.one(_FROM), limits)
    to_parties, to_role = _party(parties.one(_TO), limits)
    parties.end()
    collaboration = _Row(unit.one(_COLLABORATION), limits)
    agreement = collaboration.maybe(_AGREEMENT)
    service = collaboration.typed(_SERVICE)
    action, conversation_id = collaboration.text(_ACTION), collaboration.text(_CONVERSATION)
    collaboration.end()
    properties = unit.maybe(_PROPERTIES)
    payload = unit.maybe(_PAYLOAD)
    unit.end()
    return UserMessage(
        message_id=message_id,
        timestamp=timestamp,
        ref_to=ref_to,
        channel=units[0].get("mpc"),
        from_parties=from_parties,
        from_role=from_role,
        to_parties=to_parties,
        to_role=to_role,
        agreement=None if agreement is None else _typed(agreement, limits),
        agreement_mode=None if agreement is None else agreement.get("pmode"),
        service=service,
        action=action,
        conversation_id=conversation_id,
        properties={} if properties is None else _properties(properties, limits),
        parts=() if payload is None else tuple(_part_info(part, limits) for part in _all(payload, _PART_INFO)),
    )


def read_signal(messaging: etree._Element) -> Signal | None:
    """Read the one signal of an answer, or None where there is none; foreign elements beside it are let be."""
    units = nodes_of(messaging)
    if len(units) != 1 or units[0].tag != SIGNAL_MESSAGE:
        return None
    info = next(_named(units, _INFO), None)
    receipts = list(_named(units, _RECEIPT))
    if info is None or len(receipts) > 1:
        return None
    return Signal(
        message_id=next((found.text or "" for found in _named((info,), _ID)), "").strip(),
        ref_to=next((found.text or "" for found in _named((info,), _REF_TO)), "").strip(),
        errors=tuple(_problem(error) for error in _named(units, _ERROR)),
        receipt=tuple(
            _acknowledged(reference) for reference in _named(_named(_named(receipts, _NRI), _NR_PART), _REFERENCE)
        )
        if receipts
        else None,
    )


def _named(parents: Iterable[etree._Element], tag: str) -> Iterator[etree._Element]:
    """The children of that name under each of the elements."""
    for parent in parents:
        for child in nodes_of(parent):
            if child.tag == tag:
                yield child


def _acknowledged(reference: etree._Element) -> Acknowledged:
    """Its method and value, in whatever namespace they are."""
    method = value = None
    for child in nodes_of(reference):
        name = child.tag.rpartition("}")[2]
        if name == "DigestMethod" and method is None:
            method = child.get("Algorithm", "")
        elif name == "DigestValue" and value is None:
            value = "".join((child.text or "").split())
    return Acknowledged(reference.get("URI", ""), method or "", value or "")


def _problem(error: etree._Element) -> Problem:
    texts = (error.findtext(_ERROR_DETAIL), error.findtext(_DESCRIPTION), error.get("shortDescription"))
    return Problem(
        code=error.get("errorCode", "").strip()[:20],
        severity=error.get("severity", "").strip().lower(),
        detail=next((text.strip() for text in texts if text and text.strip()), "")[:2000],
    )


def _party(element: etree._Element, limits: Limits) -> tuple[tuple[Typed, ...], str]:
    row = _Row(element, limits)
    parties = [row.typed(_PARTY)]
    while (more := row.maybe(_PARTY)) is not None:
        parties.append(_typed(more, limits))
    role = row.text(_ROLE)
    row.end()
    return tuple(parties), role


def _part_info(element: etree._Element, limits: Limits) -> PartInfo:
    row = _Row(element, limits)
    row.maybe(_SCHEMA)
    while row.maybe(_DESCRIPTION) is not None:
        pass
    properties = row.maybe(_PART_PROPERTIES)
    row.end()
    return PartInfo(
        href=element.get("href"),
        properties={}
        if properties is None
        else {name: typed.value for name, typed in _properties(properties, limits).items()},
    )


def _properties(element: etree._Element, limits: Limits) -> dict[str, Typed]:
    found: dict[str, Typed] = {}
    for child in _all(element, _PROPERTY):
        name = child.get("name", "")
        if not name or name in found or len(found) >= limits.properties:
            _invalid("A property has no name, or one that occurs twice, or there are too many")
        found[name] = Typed(_value(child, limits, empty=True), child.get("type"))
    return found


def _all(element: etree._Element, tag: str) -> list[etree._Element]:
    children = nodes_of(element)
    if not children or any(child.tag != tag for child in children):
        _invalid(f"{_local(element.tag)} must hold {_local(tag)} elements only")
    return children


def _typed(element: etree._Element, limits: Limits) -> Typed:
    return Typed(_value(element, limits), element.get("type"))


def _value(element: etree._Element, limits: Limits, *, empty: bool = False) -> str:
    text = leaf_text(element)
    if len(text) > limits.value or not (text or empty):
        _invalid(f"{_local(element.tag)} is empty or too long")
    return text


class _Row:
    """The children of one element, taken in the order that the schema lays down."""

    __slots__ = ("_at", "_children", "_limits", "_parent")

    def __init__(self, parent: etree._Element, limits: Limits) -> None:
        self._parent = parent
        self._children = nodes_of(parent)
        self._at = 0
        self._limits = limits

    def maybe(self, tag: str) -> etree._Element | None:
        if self._at < len(self._children) and self._children[self._at].tag == tag:
            self._at += 1
            return self._children[self._at - 1]
        return None

    def one(self, tag: str) -> etree._Element:
        found = self.maybe(tag)
        if found is None:
            _invalid(f"{_local(self._parent.tag)} lacks {_local(tag)} in its place")
        return found

    def text(self, tag: str) -> str:
        return _value(self.one(tag), self._limits)

    def maybe_text(self, tag: str) -> str | None:
        found = self.maybe(tag)
        return None if found is None else _value(found, self._limits)

    def typed(self, tag: str) -> Typed:
        return _typed(self.one(tag), self._limits)

    def end(self) -> None:
        if self._at != len(self._children):
            _invalid(f"{_local(self._parent.tag)} holds an element that does not belong there")


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _invalid(detail: str) -> NoReturn:
    raise InvalidMessage(EbmsCode.INVALID_HEADER, detail)


# --- writing ---------------------------------------------------------------------------------------------------------

_OPEN: Final = (
    f'<eb:Messaging xmlns:eb="{ns.EB}" xmlns:soap="{ns.SOAP}" xmlns:wsu="{ns.WSU}" wsu:Id="{MESSAGING_ID}" '
    'soap:mustUnderstand="true">'
)
_CLOSE: Final = "</eb:Messaging>"

_ERRORS: Final[dict[str, tuple[str, str, str]]] = {
    EbmsCode.VALUE_NOT_RECOGNIZED: ("ValueNotRecognized", "Content", "ebms"),
    EbmsCode.VALUE_INCONSISTENT: ("ValueInconsistent", "Content", "ebms"),
    EbmsCode.OTHER: ("Other", "Content", "ebms"),
    EbmsCode.CONNECTION_FAILURE: ("ConnectionFailure", "Communication", "ebms"),
    EbmsCode.MIME_INCONSISTENCY: ("MimeInconsistency", "Unpackaging", "ebms"),
    EbmsCode.INVALID_HEADER: ("InvalidHeader", "Unpackaging", "ebms"),
    EbmsCode.PROCESSING_MODE_MISMATCH: ("ProcessingModeMismatch", "Processing", "ebms"),
    EbmsCode.EXTERNAL_PAYLOAD_ERROR: ("ExternalPayloadError", "Content", "ebms"),
    EbmsCode.FAILED_AUTHENTICATION: ("FailedAuthentication", "Processing", "security"),
    EbmsCode.FAILED_DECRYPTION: ("FailedDecryption", "Processing", "security"),
    EbmsCode.POLICY_NONCOMPLIANCE: ("PolicyNoncompliance", "Processing", "security"),
    EbmsCode.DELIVERY_FAILURE: ("DeliveryFailure", "Communication", "reliability"),
    EbmsCode.INVALID_RECEIPT: ("InvalidReceipt", "Communication", "reliability"),
    EbmsCode.DECOMPRESSION_FAILURE: ("DecompressionFailure", "Communication", "ebms"),
    EbmsCode.DUPLICATE_DETECTED: ("DuplicateDetected", "Content", "ebms"),
}


def write_time(time: datetime) -> str:
    """UTC with milliseconds, as eb:Timestamp has it."""
    return f"{time.astimezone(UTC).isoformat(timespec='milliseconds')[:23]}Z"


def write_user_message(outgoing: Outgoing, *, from_party: str, to_party: str, content_id: str, profile: Profile) -> str:
    """Write eb:Messaging for a gzipped business envelope: canonical, the same for the same values."""
    envelope = outgoing.envelope
    parties, properties, end = _around(
        *(profile, from_party, to_party, envelope.process, envelope.document_type, envelope.sender, envelope.receiver),
        outgoing.is_test,
    )
    return (
        f"{_USER_OPEN}{write_time(outgoing.timestamp)}</eb:Timestamp>"
        f"<eb:MessageId>{escape_text(outgoing.message_id)}{parties}{escape_text(outgoing.conversation_id)}{properties}"
        f"{escape_attribute(content_id)}{end}"
    )


_USER_OPEN: Final = f"{_OPEN}<eb:UserMessage><eb:MessageInfo><eb:Timestamp>"


@lru_cache(1024)
def _around(
    profile: Profile,
    from_party: str,
    to_party: str,
    process: ProcessId,
    document_type: DocumentTypeId,
    sender: ParticipantId,
    receiver: ParticipantId,
    is_test: bool,
) -> tuple[str, str, str]:
    """What stands between and after the ids of a message: the same for all that goes this way."""
    text, attribute = escape_text, escape_attribute
    party_type = attribute(profile.party_type)

    def property_of(name: str, scheme: str, value: str) -> str:
        return f'<eb:Property name="{attribute(name)}" type="{attribute(scheme)}">{text(value)}</eb:Property>'

    service = f'<eb:Service type="{attribute(process.scheme)}">{text(process.value)}</eb:Service>'
    action = text(str(document_type))
    if is_test:
        service, action = f"<eb:Service>{ns.TEST_SERVICE}</eb:Service>", ns.TEST_ACTION
    parties = (
        "</eb:MessageId></eb:MessageInfo>"
        f'<eb:PartyInfo><eb:From><eb:PartyId type="{party_type}">{text(from_party)}</eb:PartyId>'
        f"<eb:Role>{text(profile.initiator)}</eb:Role></eb:From>"
        f'<eb:To><eb:PartyId type="{party_type}">{text(to_party)}</eb:PartyId>'
        f"<eb:Role>{text(profile.responder)}</eb:Role></eb:To></eb:PartyInfo>"
        f"<eb:CollaborationInfo><eb:AgreementRef>{text(profile.agreement)}</eb:AgreementRef>"
        f"{service}<eb:Action>{action}</eb:Action><eb:ConversationId>"
    )
    properties = (
        "</eb:ConversationId></eb:CollaborationInfo><eb:MessageProperties>"
        f"{property_of(profile.original_sender, sender.scheme, sender.value)}"
        f"{property_of(profile.final_recipient, receiver.scheme, receiver.value)}"
        '</eb:MessageProperties><eb:PayloadInfo><eb:PartInfo href="cid:'
    )
    end = (
        '"><eb:PartProperties><eb:Property name="MimeType">application/xml</eb:Property>'
        f'<eb:Property name="CompressionType">{ns.GZIP}</eb:Property>'
        "</eb:PartProperties></eb:PartInfo></eb:PayloadInfo></eb:UserMessage>"
        f"{_CLOSE}"
    )
    return parties, properties, end


REPEATED: Final = ("<ebbp:MessagePartNRInformation>", "</ebbp:MessagePartNRInformation>")
"""What stands around a ds:Reference that a receipt repeats."""


def repeat(references: Iterable[str]) -> str:
    """The ds:Reference elements of a request, each in canonical form, as its receipt repeats them.

    A reference in exclusive canonical form declares its own prefixes and nothing of ours can change it.
    """
    return "".join(f"{REPEATED[0]}{reference}{REPEATED[1]}" for reference in references)


def write_receipt(*, message_id: str, ref_to: str, now: datetime, repeated: str) -> str:
    """Write eb:Messaging for a receipt of what :func:`repeat` gave."""
    return (
        f"{_signal_info(message_id, ref_to, now)}"
        f'<eb:Receipt><ebbp:NonRepudiationInformation xmlns:ebbp="{ns.EBBP}">{repeated}'
        f"</ebbp:NonRepudiationInformation></eb:Receipt></eb:SignalMessage>{_CLOSE}"
    )


def write_error(*, message_id: str, ref_to: str, now: datetime, code: str, detail: str) -> str:
    """Write eb:Messaging for one error. ``ref_to`` may be empty when the request's id is not known."""
    short, category, origin = _ERRORS.get(code, _ERRORS[EbmsCode.OTHER])
    known = f' refToMessageInError="{escape_attribute(ref_to)}"' if ref_to else ""
    description = "This receiver is not served here" if detail == NOT_SERVICED else detail
    return (
        f"{_signal_info(message_id, ref_to, now)}"
        f'<eb:Error category="{category}" errorCode="{escape_attribute(code)}" origin="{origin}"{known} '
        f'severity="failure" shortDescription="{short}">'
        f'<eb:Description xml:lang="en">{escape_text(description[:500])}</eb:Description>'
        f"<eb:ErrorDetail>{escape_text(detail[:500])}</eb:ErrorDetail></eb:Error></eb:SignalMessage>{_CLOSE}"
    )


def _signal_info(message_id: str, ref_to: str, now: datetime) -> str:
    known = f"<eb:RefToMessageId>{escape_text(ref_to)}</eb:RefToMessageId>" if ref_to else ""
    return (
        f"{_OPEN}<eb:SignalMessage><eb:MessageInfo><eb:Timestamp>{write_time(now)}</eb:Timestamp>"
        f"<eb:MessageId>{escape_text(message_id)}</eb:MessageId>{known}</eb:MessageInfo>"
    )
