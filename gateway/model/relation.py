"""The answer of the relation search: is a participant reachable, by whom, and how do we know.

An answer is a value (:class:`Reachable`, :class:`Unreachable`); failing to get one is the exception
:class:`~gateway.errors.LookupUnavailable`. Only an :class:`Unreachable` may lead to paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One question of a relation search and its answer: the evidence."""

    asked: str
    """What was asked: ``NAPTR rcsc….iso6523-actorid-upis.sml.test``, ``GET http://smp/…``."""
    where: str
    """Whom: DNS server or host."""
    answer: str
    """What came, in words: ``NXDOMAIN``, ``200, signed by PSP000201``, ``no answer within 5 s``."""
    milliseconds: float
    octets: bytes = b""
    """The answer as it came, where it is worth keeping as proof (the signed metadata)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an access point listens and with which certificate messages to it are encrypted."""

    url: str
    certificate: bytes
    """DER, exactly as the SMP gave it; already checked against the access point authority."""
    seat: str
    """Common name of that certificate: the To party."""
    transport_profile: str
    expires: datetime | None = None


class Reason(StrEnum):
    """Why a participant cannot be reached over the network: an answer, not a failure."""

    NOT_REGISTERED = "not-registered"
    NO_DOCUMENT_TYPE = "document-type-not-supported"
    NO_PROCESS = "process-not-supported"
    NO_TRANSPORT = "transport-profile-not-supported"
    EXPIRED = "endpoint-not-in-service"
    BROKEN_REGISTRATION = "registration-broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """The participant takes this document type, here."""

    participant: ParticipantId
    document_type: DocumentTypeId
    """The concrete document type, never with a trailing ``*``."""
    process: ProcessId
    endpoint: Endpoint
    smp: str
    document_types: tuple[DocumentTypeId, ...] = ()
    """Everything that the participant says it takes, where it was asked."""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """The network says with authority that the participant does not take this document type."""

    participant: ParticipantId
    reason: Reason
    text: str
    """One sentence for people: ``0007:5567212047 is not registered (NXDOMAIN)``."""
    smp: str = ""
    document_types: tuple[DocumentTypeId, ...] = ()
    steps: tuple[Step, ...] = ()
