"""What an SMP says about a participant: its list of document types, and for each one where to send it.

Source: Peppol SMP 1.4 sections 2 and 5 (element structure), Policy for use of Identifiers 4.4 (wildcards). Reads
and writes ServiceGroup and ServiceMetadata; the signature is :mod:`gateway.security.dsig`'s, trust in the endpoint's
certificate :mod:`gateway.smp.client`'s. What is read is compared with what was asked here. Pure.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote

from lxml import etree

from gateway.errors import InvalidAnswer
from gateway.model.identifiers import PROCESS_SCHEME, WILDCARD_SCHEME, DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Reason
from gateway.security import safexml

SMP: Final = "http://busdox.org/serviceMetadata/publishing/1.0/"
IDS: Final = "http://busdox.org/transport/identifiers/1.0/"
WSA: Final = "http://www.w3.org/2005/08/addressing"
_NSMAP: Final = {"smp": SMP, "ids": IDS, "wsa": WSA}
_SERVICES: Final = "/services/"
_ARMOUR: Final = re.compile(r"-----(?:BEGIN|END) CERTIFICATE-----")

MAX_LISTED: Final = 2_000
MAX_PROCESSES: Final = 200
MAX_ENDPOINTS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceGroup:
    """The document types that a participant is said to take. Not signed: a hint, never a proof."""

    participant: str
    """Value as the SMP wrote it."""
    document_types: tuple[str, ...]
    """``scheme::value``, decoded, in the SMP's order."""
    unreadable: int = 0
    """References that name no document type."""

    def lists(self, document_type: DocumentTypeId) -> bool:
        return str(document_type) in self.document_types


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEndpoint:
    """One way into an access point."""

    url: str
    certificate: bytes
    """DER; empty where the text in the answer is no Base64."""
    transport_profile: str
    activation: datetime | None = None
    expiration: datetime | None = None

    def in_service(self, now: datetime) -> bool:
        """Both ends count as inside; the absence of a date is no bound."""
        return (self.activation is None or self.activation <= now) and (
            self.expiration is None or now <= self.expiration
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceInformation:
    """Everything about one participant and one document type."""

    participant: str
    document_type: str
    """``scheme::value``."""
    processes: tuple[tuple[ProcessId, tuple[ServiceEndpoint, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """The participant's metadata for this document type is at another SMP, signed by the one named here."""

    href: str
    certificate_uid: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """No endpoint fits: an answer, not a failure."""

    reason: Reason
    text: str


def path(participant: ParticipantId, document_type: str = "") -> str:
    """The path below an SMP's base URL: one percent-encoded segment for each identifier (RFC 3986 unreserved)."""
    group = "/" + quote(str(participant), safe="")
    return f"{group}{_SERVICES}{quote(document_type, safe='')}" if document_type else group


def candidates(document_type: DocumentTypeId, listed: Iterable[str]) -> list[str]:
    """Those of the listed document types that cover this one, the best first.

    Only the wildcard scheme has more than the identifier itself: the same customization with ``*``, then cut at each
    ``@`` from the right (``a@b`` is covered by ``a@b``, ``a@b*``, ``a*``). Syntax and version must be the same.
    """
    known = set(listed)
    return [name for name in _covering(document_type) if name in known]


def _covering(document_type: DocumentTypeId) -> list[str]:
    names = [document_type.customization]
    if document_type.scheme == WILDCARD_SCHEME:
        stem = document_type.customization
        names.append(stem + "*")
        while "@" in stem:
            stem = stem.rpartition("@")[0]
            names.append(stem + "*")
    return [f"{document_type.scheme}::{document_type.syntax}##{name}::{document_type.version}" for name in names]


def choose(
    information: ServiceInformation, process: ProcessId, transport_profile: str, now: datetime
) -> ServiceEndpoint | Unusable:
    """Pick the endpoint for this process and transport profile that is in service now."""
    of_process = [ends for known, ends in information.processes if known == process]
    if not of_process:
        others = ", ".join(known.value for known, _ in information.processes[:5])
        return Unusable(Reason.NO_PROCESS, f"not in the process {process.value}, only in {others or 'none'}")
    endpoints = [end for ends in of_process for end in ends if end.transport_profile == transport_profile]
    if not endpoints:
        others = ", ".join(sorted({end.transport_profile for ends in of_process for end in ends})[:5])
        return Unusable(Reason.NO_TRANSPORT, f"not over {transport_profile}, only over {others or 'nothing'}")
    for end in endpoints:
        if end.in_service(now):
            return end
    window = endpoints[0]
    if window.activation and now < window.activation:
        return Unusable(Reason.EXPIRED, f"its endpoint is not in service before {window.activation:%Y-%m-%d %H:%M} UTC")
    return Unusable(Reason.EXPIRED, f"its endpoint went out of service on {window.expiration:%Y-%m-%d %H:%M} UTC")


def read_group(octets: bytes, participant: ParticipantId) -> ServiceGroup:
    """Read a ServiceGroup; raises :class:`InvalidAnswer` when it is none or another participant's."""
    root = _parse(octets, "ServiceGroup")
    value = _identifier(root, "ParticipantIdentifier")
    _same_participant(value, participant)
    listed: list[str] = []
    unreadable = 0
    for reference in root.iter(f"{{{SMP}}}ServiceMetadataReference"):
        if len(listed) + unreadable >= MAX_LISTED:
            raise InvalidAnswer(f"its list has more than {MAX_LISTED} document types")
        # Host and path prefix are whatever a proxy made of them; only what follows "/services/" counts.
        _, found, name = (reference.get("href") or "").rpartition(_SERVICES)
        name = unquote(name).strip().removesuffix("/")
        if found and "::" in name:
            listed.append(name)
        else:
            unreadable += 1
    return ServiceGroup(participant=value[1], document_types=tuple(listed), unreadable=unreadable)


def read_metadata(
    root: etree._Element, participant: ParticipantId, document_type: str
) -> ServiceInformation | Redirect:
    """Read the signed part of a SignedServiceMetadata and compare it with the question.

    Participants are compared without regard to case, document types (``scheme::value``) exactly. Raises
    :class:`InvalidAnswer`.
    """
    if root.tag != f"{{{SMP}}}SignedServiceMetadata":
        raise InvalidAnswer(f"the answer is {_shown(root)}, not SignedServiceMetadata")
    metadata = _one(root, SMP, "ServiceMetadata")
    redirect = metadata.find(f"{{{SMP}}}Redirect")
    if redirect is not None and len(metadata) == 1:
        uid = _text(_one(redirect, SMP, "CertificateUID"))
        return Redirect(href=(redirect.get("href") or "").strip(), certificate_uid=uid)
    return read_information(metadata, participant, document_type)


def read_information(metadata: etree._Element, participant: ParticipantId, document_type: str) -> ServiceInformation:
    """Read the ServiceInformation in a ServiceMetadata and compare it with what it is to be about.

    Raises :class:`InvalidAnswer`.
    """
    information = _one(metadata, SMP, "ServiceInformation")
    held = _identifier(information, "ParticipantIdentifier")
    _same_participant(held, participant)
    scheme, value = _identifier(information, "DocumentIdentifier")
    if f"{scheme}::{value}" != document_type:
        raise InvalidAnswer(f"the answer is about “{scheme}::{value}”, asked was “{document_type}”")
    processes = _one(information, SMP, "ProcessList").findall(f"{{{SMP}}}Process")
    if len(processes) > MAX_PROCESSES:
        raise InvalidAnswer(f"the answer has more than {MAX_PROCESSES} processes")
    return ServiceInformation(
        participant=held[1],
        document_type=document_type,
        processes=tuple(_process(element) for element in processes),
    )


def write_group(participant: ParticipantId, document_types: Sequence[DocumentTypeId], smp_url: str) -> bytes:
    """Write the ServiceGroup of one of our participants; ``smp_url`` is our SMP's public base URL."""
    root = etree.Element(f"{{{SMP}}}ServiceGroup", nsmap={"smp": SMP, "ids": IDS})
    _add_identifier(root, "ParticipantIdentifier", participant.scheme, participant.value)
    collection = _add(root, SMP, "ServiceMetadataReferenceCollection")
    for document_type in document_types:
        reference = _add(collection, SMP, "ServiceMetadataReference")
        reference.set("href", smp_url.rstrip("/") + path(participant, str(document_type)))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def write_redirect(href: str, certificate_uid: str) -> etree._Element:
    """Write a SignedServiceMetadata, still without its signature, that points to another SMP."""
    root = etree.Element(f"{{{SMP}}}SignedServiceMetadata", nsmap=_NSMAP)
    redirect = _add(_add(root, SMP, "ServiceMetadata"), SMP, "Redirect")
    redirect.set("href", href)
    _add(redirect, SMP, "CertificateUID", certificate_uid)
    return root


def write_metadata(
    participant: ParticipantId,
    document_type: DocumentTypeId,
    processes: Sequence[ProcessId],
    endpoints: Sequence[ServiceEndpoint],
    *,
    description: str,
    contact_url: str,
) -> etree._Element:
    """Write a SignedServiceMetadata, still without its signature: the same endpoints for all processes.

    Several are several times: no two of one transport profile may be in service at one moment.
    """
    root = etree.Element(f"{{{SMP}}}SignedServiceMetadata", nsmap=_NSMAP)
    information = _add(_add(root, SMP, "ServiceMetadata"), SMP, "ServiceInformation")
    _add_identifier(information, "ParticipantIdentifier", participant.scheme, participant.value)
    _add_identifier(information, "DocumentIdentifier", document_type.scheme, document_type.value)
    process_list = _add(information, SMP, "ProcessList")
    for process in processes:
        entry = _add(process_list, SMP, "Process")
        _add_identifier(entry, "ProcessIdentifier", process.scheme, process.value)
        listed = _add(entry, SMP, "ServiceEndpointList")
        for endpoint in endpoints:
            end = _add(listed, SMP, "Endpoint")
            end.set("transportProfile", endpoint.transport_profile)
            _add(_add(end, WSA, "EndpointReference"), WSA, "Address", endpoint.url)
            _add(end, SMP, "RequireBusinessLevelSignature", "false")
            if endpoint.activation:
                _add(end, SMP, "ServiceActivationDate", f"{endpoint.activation.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
            if endpoint.expiration:
                _add(end, SMP, "ServiceExpirationDate", f"{endpoint.expiration.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
            _add(end, SMP, "Certificate", base64.b64encode(endpoint.certificate).decode())
            _add(end, SMP, "ServiceDescription", description)
            _add(end, SMP, "TechnicalContactUrl", contact_url)
    return root


def _parse(octets: bytes, name: str) -> etree._Element:
    try:
        root = safexml.parse(octets)
    except safexml.UnsafeXml as error:
        raise InvalidAnswer(f"the answer cannot be read: {error}") from None
    if root.tag != f"{{{SMP}}}{name}":
        raise InvalidAnswer(f"the answer is {_shown(root)}, not {name}")
    return root


def _process(element: etree._Element) -> tuple[ProcessId, tuple[ServiceEndpoint, ...]]:
    scheme, value = _identifier(element, "ProcessIdentifier")
    endpoints = _one(element, SMP, "ServiceEndpointList").findall(f"{{{SMP}}}Endpoint")
    if len(endpoints) > MAX_ENDPOINTS:
        raise InvalidAnswer(f"the answer has more than {MAX_ENDPOINTS} endpoints in one process")
    return ProcessId(value, scheme or PROCESS_SCHEME), tuple(_endpoint(end) for end in endpoints)


def _endpoint(element: etree._Element) -> ServiceEndpoint:
    return ServiceEndpoint(
        url=_text(_one(_one(element, WSA, "EndpointReference"), WSA, "Address")),
        certificate=read_certificate(_text(_one(element, SMP, "Certificate"))),
        transport_profile=(element.get("transportProfile") or "").strip(),
        activation=_time(element, "ServiceActivationDate"),
        expiration=_time(element, "ServiceExpirationDate"),
    )


def read_certificate(text: str) -> bytes:
    """The DER in an ``smp:Certificate``, with or without PEM lines and line breaks; empty when there is none."""
    for _ in range(2):  # some servers encode a whole PEM file once more
        try:
            octets = base64.b64decode("".join(_ARMOUR.sub("", text).split()), validate=True)
        except (binascii.Error, ValueError):
            return b""
        if not octets.startswith(b"-----BEGIN"):
            return octets
        text = octets.decode("ascii", "replace")
    return b""


def _time(element: etree._Element, name: str) -> datetime | None:
    found = element.find(f"{{{SMP}}}{name}")
    text = _text(found) if found is not None else ""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidAnswer(f"{name} is no date and time: “{text[:40]}”") from None


def _same_participant(held: tuple[str, str], asked: ParticipantId) -> None:
    if (held[0].lower(), held[1].lower()) != (asked.scheme, asked.value.lower()):
        raise InvalidAnswer(f"the answer is about the participant {held[0]}::{held[1]}, asked was {asked}")


def _identifier(parent: etree._Element, name: str) -> tuple[str, str]:
    element = _one(parent, IDS, name)
    return (element.get("scheme") or "").strip(), _text(element)


def _one(parent: etree._Element, namespace: str, name: str) -> etree._Element:
    found = parent.findall(f"{{{namespace}}}{name}")
    if len(found) != 1:
        raise InvalidAnswer(f"the answer has {len(found)} elements {name} where one belongs")
    return found[0]


def _text(element: etree._Element) -> str:
    return "".join(str(text) for text in element.itertext()).strip()


def _shown(root: etree._Element) -> str:
    return etree.QName(root).localname[:60]


def _add(parent: etree._Element, namespace: str, name: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{namespace}}}{name}")
    element.text = text
    return element


def _add_identifier(parent: etree._Element, name: str, scheme: str, value: str) -> None:
    _add(parent, IDS, name, value).set("scheme", scheme)
